"""JSON of TF Serving's REST API to arrays, and arrays to JSON.

Source: tensorflow/serving, util/json_tensor.cc, and its REST API's page. Rows: {"instances": [...]} -> {"predictions": [...]}. Columns:
{"inputs": ...} -> {"outputs": ...}. Bytes are {"b64": "..."}, also in the outputs whose name ends in "_bytes".
"""

import base64
import binascii
import json
import math

import numpy as np
import tensorflow as tf

from export.local_server.errors import cut, invalid

_INTEGERS = {tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint32, tf.uint64}
_DTYPES = _INTEGERS | {tf.float32, tf.float64, tf.string, tf.bool}
ROWS, COLUMNS = "instances", "inputs"


def parsed(body):
    """Args: body: bytes. Returns: dict. Raises: ServingError unless it is a JSON object in UTF-8."""
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise invalid(f"JSON Parse error: the body is not UTF-8 at offset: {error.start}; bytes go in as base64: {{'b64': ...}}") from None
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except RecursionError:
        raise invalid("JSON Parse error: it is nested too deeply") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise invalid(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {_shown(document)} Is not object")
    return document


def signature_of(document):
    """The signature that a request names. Args: document: of `parsed`. Returns: str, "" for the default. Raises: ServingError."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f"JSON Value: {_shown(document)} not formatted correctly. 'signature_name' key must be a string value.")
    return name


def inputs_of(document, specs):
    """Args: document: of `parsed`. specs: dict of input -> tf.TensorSpec.
    Returns: ROWS or COLUMNS, and dict of input -> array, strings as objects of bytes. Raises: ServingError.
    """
    if ROWS in document and COLUMNS in document:
        raise invalid("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
    if ROWS in document:
        return ROWS, _of_rows(document[ROWS], specs)
    if COLUMNS in document:
        return COLUMNS, _of_columns(document[COLUMNS], specs)
    raise invalid("Missing 'inputs' or 'instances' key")


def _of_rows(rows, specs):
    if not isinstance(rows, list):
        raise invalid("Expecting 'instances' to be a list/array")
    if not rows:
        raise invalid("No values in 'instances' array")
    named = _is_named(rows[0])
    if not named and len(specs) > 1:
        raise invalid(f"instances is a plain list, but expecting list of objects as multiple input tensors required: {_names(specs)}")
    columns = {name: [] for name in specs}
    for place, row in enumerate(rows):
        if _is_named(row) != named:
            wanted, came = ("object", "list") if named else ("value/list", "object")
            raise invalid(f"Expecting {wanted} but got {came} at item {place} of input list")
        if named and set(row) != set(specs):
            at = f"Failed to process element: {place} of 'instances' list."
            raise invalid(f"{at} JSON object: {_shown(row)} keys must be equal to: {_names(specs)}")
        for name in specs:
            columns[name].append(row[name] if named else row)
    return {name: _array(column, specs[name], name) for name, column in columns.items()}


def _of_columns(value, specs):
    if not _is_named(value):
        if len(specs) > 1:
            raise invalid(f"inputs is a plain value/list, but expecting an object as multiple input tensors required: {_names(specs)}")
        return {name: _array(value, spec, name) for name, spec in specs.items()}
    for name in specs:
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: _array(value[name], spec, name) for name, spec in specs.items()}


def _array(value, spec, name):
    """A JSON value as an array of a dtype. Raises: ServingError where lists have several lengths, or a value is of another type."""
    if spec.dtype not in _DTYPES:
        raise invalid(f"input {name}: JSON is not converted to {spec.dtype.name}")
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
        if len(shape) > 16:
            raise invalid(f"input {name}: lists are nested too deeply")
    values = []
    _fill(value, shape, 0, spec.dtype, name, values)
    if spec.dtype == tf.string:
        array = np.empty(len(values), object)
        array[:] = values
        return array.reshape(shape)
    return np.array(values, spec.dtype.as_numpy_dtype).reshape(shape)


def _fill(value, shape, level, dtype, name, values):
    if not isinstance(value, list):
        if level != len(shape):
            at = f"found at incorrect level: {level + 1}. Expected at level: {len(shape)}"
            raise invalid(f"input {name}: JSON Value: {_shown(value)} {at}")
        values.append(_value(value, dtype, name))
        return
    if level >= len(shape):
        raise invalid(f"input {name}: Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(f"input {name}: Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}")
    for item in value:
        _fill(item, shape, level + 1, dtype, name, values)


def _value(value, dtype, name):
    if dtype == tf.string:
        if isinstance(value, str):
            return encoded(value)
        if is_base64(value):
            return decoded(value)
    elif dtype == tf.bool:
        if isinstance(value, bool):
            return value
    elif dtype in _INTEGERS:
        if isinstance(value, int) and not isinstance(value, bool) and dtype.min <= value <= dtype.max:
            return value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        limit = np.finfo(dtype.as_numpy_dtype)
        if isinstance(value, int) and abs(value) >= 2 ** (limit.nmant + 1):
            raise invalid(f"input {name}: Cannot convert JSON value: {_shown(value)} to {dtype.name} without loss of precision.")
        if math.isfinite(value) and abs(value) > float(limit.max):
            raise invalid(f"input {name}: Cannot convert JSON value: {_shown(value)} to {dtype.name} without loss of precision.")
        return value
    raise invalid(f"input {name}: JSON Value: {_shown(value)} Type: {_type(value)} is not of expected type: {dtype.name}")


def encoded(text):
    """UTF-8 of a JSON string. Raises: ServingError on half of a surrogate pair, which UTF-8 does not have."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise invalid(f"JSON Parse error: The surrogate pair in string is invalid at character: {error.start}") from None


def decoded(value):
    """The bytes of {"b64": "..."}. Raises: ServingError unless it is base64."""
    try:
        return base64.b64decode(value["b64"].encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise invalid(f"JSON Value: {_shown(value)}: Unable to base64 decode") from None


def written(outputs, form):
    """Args: outputs: dict of output -> array [batch, ...]. form: ROWS or COLUMNS. Returns: the JSON, bytes. Raises: ServingError."""
    lists = {name: _plain(array, name) for name, array in sorted(outputs.items())}
    if not lists:
        raise invalid("Cannot convert empty tensor map to JSON")
    if form == COLUMNS:
        document = {"outputs": lists if len(lists) > 1 else next(iter(lists.values()))}
    else:
        sizes = {array.shape[:1] for array in outputs.values()}
        if len(sizes) != 1 or sizes == {()}:
            raise invalid(f"outputs have inconsistent batch sizes {sorted(sizes)}; take the column format: 'inputs'")
        rows = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
        document = {"predictions": rows if len(lists) > 1 else next(iter(lists.values()))}
    return json.dumps(document, ensure_ascii=False).encode("utf-8")


def _plain(array, name):
    if array.dtype == object:
        return _strings(array.tolist(), name.endswith("_bytes"))
    if array.dtype == np.float32:  # the fewest digits that give the same float32, as TF Serving writes it
        return array.astype("U32").astype("float64").tolist()
    return array.tolist()


def _strings(value, as_base64):
    if isinstance(value, list):
        return [_strings(item, as_base64) for item in value]
    if as_base64:
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.decode("utf-8", "replace")  # JSON has no other bytes


def _is_named(value):
    return isinstance(value, dict) and not is_base64(value)


def is_base64(value):
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _names(specs):
    return ",".join(sorted(specs))


def _shown(value):
    try:
        return cut(json.dumps(value))
    except (RecursionError, ValueError):
        return "(too deep to show)"


def _type(value):
    if isinstance(value, bool):
        return str(value)
    kinds = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number", type(None): "Null"}
    return kinds[type(value)]
