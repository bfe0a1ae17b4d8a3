"""saved_model.json: what a version directory holds, of what it was made, and how near its answers came to the model's."""

import hashlib
import importlib.metadata
import json
import os
import platform

from keras_bert.version import __version__

NAME = "saved_model.json"
PACKAGES = ("tensorflow", "tensorflow-text", "keras")


def manifest(model, signatures, ops, **facts):
    """What saved_model.json says of a model, but the checksums.

    Args:
        model: task. signatures: dict of name -> tf.types.experimental.ConcreteFunction. ops: list of the ops that are not TensorFlow's own.
        facts: what else is to be said: dtype, freeze, tf_serving, source, parity, ...
    Returns: dict for JSON.
    """
    return {
        "task": type(model).__name__,
        "labels": getattr(model, "labels", None),
        "settings": model.settings(),
        "config": model.encoder.config.to_dict(),
        "signatures": {name: _signature(function) for name, function in signatures.items()},
        "ops": list(ops),
        "versions": {"keras_bert": __version__, "python": platform.python_version()}
        | {package: importlib.metadata.version(package) for package in PACKAGES},
    } | facts


def write_manifest(path, said):
    """Write saved_model.json into a version directory, with the sha256 of every file there. Args: path. said: dict, manifest's."""
    said = said | {"sha256": checksums(path)}
    with open(os.path.join(path, NAME), "w", encoding="utf-8") as file:
        json.dump(said, file, indent=2, ensure_ascii=False)
        file.write("\n")


def checksums(path):
    """The sha256 of every file of a version directory but saved_model.json. Returns: dict of relative path, with slashes, -> hex."""
    sums = {}
    for folder, _, names in os.walk(path):
        for name in names:
            file = os.path.join(folder, name)
            relative = os.path.relpath(file, path).replace(os.sep, "/")
            if relative != NAME:
                with open(file, "rb") as opened:
                    sums[relative] = _sha256(opened)
    return dict(sorted(sums.items()))


def _sha256(file):
    total = hashlib.sha256()
    while block := file.read(2**20):
        total.update(block)
    return total.hexdigest()


def _signature(function):
    inputs, outputs = function.structured_input_signature[1], function.structured_outputs
    inputs = inputs or {spec.name: spec for spec in function.structured_input_signature[0]}
    return {"inputs": _specs(inputs), "outputs": _specs(outputs)}


def _specs(tensors):
    return {name: [tensor.dtype.name, *tensor.shape.as_list()] for name, tensor in tensors.items()}
