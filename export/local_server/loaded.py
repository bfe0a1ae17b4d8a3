"""One version of a model: its signatures, what they take and give, and their calls."""

import os

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the tokenizer's ops, as TF Serving's releases do
from tensorflow.core.protobuf import saved_model_pb2

from export.local_server.errors import ServingError, invalid

DEFAULT = "serving_default"
PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{name}" for name in ("predict", "classify", "regress"))
HIDDEN = "__saved_model_init_op"  # no signature to call
MOST_VALUES = 2**24  # of one input: a few bytes of a gRPC request can stand for a tensor of any shape


class LoadedModel:
    """A version, loaded.

    Args: name: the model's. version: int. path: its directory, a SavedModel.
    Attributes:
        signature_defs: dict of name -> SignatureDef, for metadata.
        inputs, outputs: dict of signature -> dict of name -> tf.TensorSpec.
    Raises: whatever TensorFlow raises on a directory that is no SavedModel.
    """

    def __init__(self, name, version, path):
        self.name = name
        self.version = version
        self.path = path
        self._loaded = tf.saved_model.load(path)  # kept: the functions do not keep the variables
        self._functions = dict(self._loaded.signatures)
        self.signature_defs = _signature_defs(path)
        self.inputs = {name: function.structured_input_signature[1] for name, function in self._functions.items()}
        self.outputs = {name: function.structured_outputs for name, function in self._functions.items()}

    def signature(self, name, method=None):
        """Args: name: of a signature, "" for the default one. method: CLASSIFY or REGRESS, which few have; None: any.
        Returns: its name. Raises: ServingError where there is none such.
        """
        name = name or DEFAULT
        if name not in self._functions:
            has = ", ".join(sorted(self._functions))
            raise invalid(f'Serving signature name: "{name}" not found in signature def; the model has {has}')
        if method is not None and self.signature_defs[name].method_name != method:
            suited = [each for each in sorted(self._functions) if self.signature_defs[each].method_name == method]
            instead = f"name one in signature_name: {', '.join(suited)}" if suited else "the model has none such; take :predict"
            raise invalid(f'Expected {method.rpartition("/")[2]} signature method_name; the one of "{name}" is another. {instead}')
        return name

    def checked(self, signature, inputs):
        """Args: inputs: dict of input -> array, strings as objects. Returns: the examples in it, int. Raises: ServingError."""
        specs = self.inputs[signature]
        if set(inputs) != set(specs):
            missing, unknown = sorted(set(specs) - set(inputs)), sorted(set(inputs) - set(specs))
            raise invalid(f"the signature {signature} takes {sorted(specs)}; missing: {missing}, not known: {unknown}")
        for name, value in inputs.items():
            spec, dtype = specs[name], tf.as_dtype(value.dtype)
            if spec.dtype != (tf.string if dtype == tf.string or value.dtype == object else dtype):
                raise invalid(f"input {name} is {dtype.name}; expected {spec.dtype.name}")
            if not spec.shape.is_compatible_with(value.shape):
                raise invalid(f"input {name} has shape {list(value.shape)}; expected {_shape(spec)}")
            if value.size > MOST_VALUES:
                raise invalid(f"input {name} has {value.size} values; at most {MOST_VALUES} are taken")
        sizes = {value.shape[0] for value in inputs.values() if value.ndim}
        if len(sizes) > 1:
            raise invalid(f"inputs have {sorted(sizes)} examples; expected one number")
        if sizes == {0}:
            raise invalid("the request has no examples")
        return sizes.pop() if sizes else 1

    def joins(self, signature):
        """Whether examples of several requests can stand in one call: all inputs and outputs are [batch, ...]."""
        specs = [*self.inputs[signature].values(), *self.outputs[signature].values()]
        return all(spec.shape.rank and spec.shape[0] is None for spec in specs)

    def run(self, signature, inputs):
        """Args: inputs: dict of input -> array. Returns: dict of output -> array, strings as objects of bytes."""
        specs = self.inputs[signature]
        values = {name: value.tolist() if value.dtype == object else value for name, value in inputs.items()}
        tensors = {name: tf.constant(value, specs[name].dtype) for name, value in values.items()}
        return {name: value.numpy() for name, value in self._functions[signature](**tensors).items()}

    def warm_up(self):
        """Answer once before a client asks, since a first call is slow: the records of TF Serving, or else two texts."""
        records = os.path.join(self.path, "assets.extra", "tf_serving_warmup_requests")
        if os.path.exists(records):
            self._warm_up_by(records)
        elif self._takes_texts():
            for text in (b"a", b"some words to begin with " * 20):
                values = {name: np.full([1] * (spec.shape.rank or 0), text, object) for name, spec in self.inputs[DEFAULT].items()}
                self.run(DEFAULT, values)

    def _takes_texts(self):
        # A Classify signature takes strings that are no texts: serialized examples.
        definition = self.signature_defs.get(DEFAULT)
        return (
            definition is not None
            and definition.method_name == PREDICT
            and all(spec.dtype == tf.string for spec in self.inputs[DEFAULT].values())
        )

    def _warm_up_by(self, records):
        from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

        for record in tf.data.TFRecordDataset(records).take(1000):  # TF Serving's own limit
            request = PredictionLog.FromString(record.numpy()).predict_log.request
            if request.inputs:
                inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
                self.run(self.signature(request.model_spec.signature_name), inputs)


def values_of(proto):
    """Args: proto: TensorProto of a request. Returns: array. Raises: ServingError where it is none, or of a size that no request has."""
    dims = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or min(dims, default=0) < 0:
        raise invalid("a tensor's shape is not known; give every dimension")
    size = 1
    for dim in dims:
        size *= dim
    if size > MOST_VALUES:
        raise invalid(f"a tensor of shape {dims} has {size} values; at most {MOST_VALUES} are taken")
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, KeyError) as error:
        raise ServingError("INVALID_ARGUMENT", f"a tensor cannot be read: {error}") from error


def _signature_defs(path):
    saved = saved_model_pb2.SavedModel()
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        saved.ParseFromString(file.read())
    definitions = saved.meta_graphs[0].signature_def
    kept = {}
    for name in definitions:
        if name != HIDDEN:
            kept[name] = type(definitions[name])()
            kept[name].CopyFrom(definitions[name])
    return kept


def _shape(spec):
    return "any" if spec.shape.rank is None else "[" + ", ".join("?" if size is None else str(size) for size in spec.shape) + "]"
