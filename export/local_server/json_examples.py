"""JSON of :classify and :regress to tf.Example, and their results to JSON. Source: tensorflow/serving, util/json_tensor.cc."""

import json
import math

import tensorflow as tf

from export.local_server.errors import invalid
from export.local_server.json_tensors import decoded, encoded, is_base64

_BYTES, _FLOATS, _INTEGERS = "bytes_list", "float_list", "int64_list"
_MOST_FLOAT = 3.4028234663852886e38


def examples_of(document):
    """Args: document: of json_tensors.parsed: {"examples": [{name: value or list}], "context": {...}}, the context goes into each.
    Returns: list of tf.train.Example. Raises: ServingError.
    """
    if "examples" not in document:
        raise invalid("key 'examples' is expected and was not found")
    rows = document["examples"]
    if not isinstance(rows, list):
        raise invalid("Expecting 'examples' value to be a list/array")
    if not rows:
        raise invalid("'examples' value is an empty array")
    context = _example(document.get("context", {}))
    examples = []
    for row in rows:
        example = tf.train.Example()
        example.CopyFrom(context)
        for name, feature in _example(row).features.feature.items():
            example.features.feature[name].CopyFrom(feature)
        examples.append(example)
    return examples


def _example(row):
    if not isinstance(row, dict):
        raise invalid("Example must be JSON object")
    example = tf.train.Example()
    for name, content in row.items():
        feature = example.features.feature[encoded(name).decode()]
        for value in content if isinstance(content, list) else [content]:
            kind, value = _kind(value, name)
            if feature.WhichOneof("kind") not in (None, kind):
                raise invalid(f"Unexpected element type in feature: {name} expecting type: {feature.WhichOneof('kind')[: -len('_list')]}")
            getattr(feature, kind).value.append(value)
    return example


def _kind(value, name):
    """Returns: the list of a Feature that a value belongs to, and the value."""
    if isinstance(value, bool):
        return _INTEGERS, int(value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise invalid(f"Feature: {name} has a number that int64 does not hold.")
        return _INTEGERS, value
    if isinstance(value, float):
        if math.isfinite(value) and abs(value) > _MOST_FLOAT:
            raise invalid(f"Feature: {name}: Cannot convert JSON value: {value} to float without loss of precision.")
        return _FLOATS, value
    if isinstance(value, str):
        return _BYTES, encoded(value)
    if is_base64(value):
        return _BYTES, decoded(value)
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {type(value).__name__}")


def written_classes(rows):
    """Args: rows: list of lists of (label as bytes, score). Returns: the JSON, bytes."""
    results = [[[label.decode("utf-8", "replace"), score] for label, score in row] for row in rows]
    return json.dumps({"results": results}, ensure_ascii=False).encode("utf-8")


def written_values(values):
    """Args: values: list of float. Returns: the JSON, bytes."""
    return json.dumps({"results": values}).encode("utf-8")
