"""Put texts to a SavedModel in a process that needs TensorFlow and tensorflow-text, and not keras_bert.

    python -m export.ask out/saved_model/1 --text "a fine film" "a waste of time"

prints one JSON object a text. Arrays go in and out by file: --inputs IN.npz --outputs OUT.npz, where IN.npz holds arrays
named "signature/input", strings as bytes, and OUT.npz gets "signature/output".
"""

import argparse
import json
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the tokenizer's ops, as a TF Serving build does


def ask(saved_model, inputs):
    """Args: saved_model: version directory. inputs: dict of "signature/input" -> array. Returns: dict of "signature/output" -> array."""
    loaded = tf.saved_model.load(saved_model)
    outputs = {}
    for signature in sorted({name.split("/")[0] for name in inputs}):
        arguments = {
            name.split("/")[1]: tf.constant(value.tolist() if value.dtype.kind == "S" else value)
            for name, value in inputs.items()
            if name.split("/")[0] == signature
        }
        for name, value in loaded.signatures[signature](**arguments).items():
            outputs[f"{signature}/{name}"] = value.numpy().astype("S") if value.dtype == tf.string else value.numpy()
    return outputs


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("saved_model", help="version directory of a SavedModel")
    parser.add_argument("--text", nargs="+", help="texts to ask about")
    parser.add_argument("--text_pair", nargs="+", help="their second texts, for a model that reads pairs")
    parser.add_argument("--inputs", help=".npz to read")
    parser.add_argument("--outputs", help=".npz to write")
    options = parser.parse_args(arguments)
    if (options.text is None) == (options.inputs is None) or (options.inputs is None) != (options.outputs is None):
        parser.error("give --text, or --inputs with --outputs")
    if options.inputs:
        with np.load(options.inputs) as arrays:  # plain arrays only: NumPy refuses pickles by default
            inputs = {name: arrays[name] for name in arrays.files}
        np.savez(options.outputs, **ask(options.saved_model, inputs))
        return
    inputs = {"serving_default/text": np.array([text.encode() for text in options.text])}
    if options.text_pair:
        inputs["serving_default/text_pair"] = np.array([text.encode() for text in options.text_pair])
    answers = {name.split("/")[1]: value for name, value in ask(options.saved_model, inputs).items()}
    for index, text in enumerate(options.text):
        plain = {name: value[index].tolist() for name, value in sorted(answers.items())}
        plain = {name: value.decode() if isinstance(value, bytes) else value for name, value in plain.items()}
        print(json.dumps({"text": text} | plain, ensure_ascii=False))


if __name__ == "__main__":
    main()
