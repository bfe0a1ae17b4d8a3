"""Put arrays to a SavedModel's signatures: a program of its own that needs TensorFlow and tensorflow-text, and not keras_bert.

    python export/ask.py SAVED_MODEL INPUTS.npz OUTPUTS.npz

INPUTS.npz holds arrays named "signature/input", strings as bytes; OUTPUTS.npz gets "signature/output".
"""

import sys

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


if __name__ == "__main__":
    saved_model_path, inputs_path, outputs_path = sys.argv[1:]
    with np.load(inputs_path) as arrays:  # plain arrays only: NumPy refuses pickles by default
        given = {name: arrays[name] for name in arrays.files}
    np.savez(outputs_path, **ask(saved_model_path, given))
