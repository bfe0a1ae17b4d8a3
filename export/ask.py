"""Ask a SavedModel, in a process that needs TensorFlow and tensorflow-text, and not keras_bert.

    python -m export.ask out/saved_model/1 --text "a fine film" "a waste of time"
    python -m export.ask out/saved_model/1 --text "a man sleeps" --text_pair "a person is awake"
    python -m export.ask out/saved_model/1 --text "the sky is" --choices "blue|a fish|on foot"

The flags after the directory are the inputs of its serving_default, by their names, each with as many values as there are examples;
without any, they are listed. One JSON object is printed for each example. Arrays go in and out by file: --inputs IN.npz --outputs
OUT.npz, where IN.npz holds arrays named "signature/input", strings as bytes, and OUT.npz gets "signature/output".
"""

import argparse
import json
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the tokenizer's ops, as a TF Serving build does

DEFAULT = "serving_default"


def ask(loaded, inputs):
    """Args: loaded: what tf.saved_model.load gives. inputs: dict of "signature/input" -> array. Returns: "signature/output" -> array."""
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


def inputs_of(loaded):
    """Names of the inputs of serving_default. Returns: list of str; empty where the model has no such signature."""
    if DEFAULT not in loaded.signatures:
        return []
    return sorted(loaded.signatures[DEFAULT].structured_input_signature[1])


def _columns(parser, words):
    """["--text", "a", "b", "--text_pair", ...] -> dict of name to list."""
    columns, name = {}, None
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            columns[name] = [value] if value else []
        elif name is None:
            parser.error(f"{word!r} stands after no flag")
        else:
            columns[name].append(word)
    return columns


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("saved_model", help="version directory of a SavedModel")
    parser.add_argument("--inputs", help=".npz to read")
    parser.add_argument("--outputs", help=".npz to write")
    options, words = parser.parse_known_args(arguments)
    columns = _columns(parser, words)
    if (options.inputs is None) != (options.outputs is None) or (columns and options.inputs):
        parser.error("give inputs by name, such as --text, or --inputs with --outputs")
    loaded = tf.saved_model.load(options.saved_model)
    if options.inputs:
        with np.load(options.inputs) as arrays:  # plain arrays only: NumPy refuses pickles by default
            inputs = {name: arrays[name] for name in arrays.files}
        np.savez(options.outputs, **ask(loaded, inputs))
        return
    names = inputs_of(loaded)
    if sorted(columns) != names or len({len(values) for values in columns.values()}) != 1 or not all(columns.values()):
        takes = " and ".join(f"--{name}" for name in names) or "no strings: it was exported without a tokenizer"
        parser.error(f"{options.saved_model} takes {takes}, each with as many values as there are examples")
    specs = loaded.signatures[DEFAULT].structured_input_signature[1]
    answers = ask(loaded, {f"{DEFAULT}/{name}": _array(values, specs[name]) for name, values in columns.items()})
    for index in range(len(columns[names[0]])):
        answer = {name.split("/")[1]: _plain(value[index].tolist()) for name, value in sorted(answers.items())}
        print(json.dumps({name: values[index] for name, values in columns.items()} | answer, ensure_ascii=False))


def _array(values, spec):
    """What is given for an input, as it takes it: a text an example, or several with | between, and "" where others have more."""
    if spec.shape.rank == 1:
        return np.array([text.encode() for text in values])
    rows = [text.encode().split(b"|") for text in values]
    most = max(map(len, rows))
    return np.array([row + [b""] * (most - len(row)) for row in rows])


def _plain(value):
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


if __name__ == "__main__":
    main()
