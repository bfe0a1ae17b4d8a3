"""Write a SavedModel into a numbered version directory, as TF Serving watches for."""

import os
import shutil
import tempfile

import keras
import tensorflow as tf

from export.network import frozen_weights, network_in_dtype, weight_bytes
from export.servable import check_servable, servable
from keras_bert.training.keras_internals import inner_graphs

# A SavedModel's graph is one protocol buffer, which cannot be larger.
MAX_CONSTANT_BYTES = 2**31 - 1


def export_saved_model(model, directory, *, freeze=False, dtype=None):
    """Export a model for TF Serving.

    It is built under a name that is no number, which TF Serving does not load, and renamed once whole. What stands in
    `directory` is never touched.

    Args:
        model: a task: BertClassifier, BertEmbedder, ... A model without a vocabulary gets no serving_default, only ids.
        directory: path of the model; the version directories are made in it.
        freeze: make weights constants of the graph, by which a CPU answers faster in bfloat16; see export.network.frozen. The
            first answer takes many seconds.
        dtype: "float32" or "bfloat16": what the network computes in, with its weights stored in it; None as the model does. Answers
            are float32, and `model` is left as it is.
    Returns: path of the version directory: the highest number there, and one.
    Raises: ValueError where `directory` is a file, on another dtype, where the graph would hold over 2 GB of constants, or where
        Keras does not run on TensorFlow. TypeError on a model that cannot be served.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"a SavedModel holds TensorFlow ops, but Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow")
    check_servable(model)
    directory = os.path.abspath(os.fspath(directory))
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise ValueError(f"{directory} is a file; a directory of versions is to be made there")
    network = None if dtype is None else network_in_dtype(model.network, dtype)
    if freeze:
        check_frozen(model.network if network is None else network)
    module = servable(model, network=network, freeze=freeze)
    check_constants(module.concrete_functions())
    os.makedirs(directory, exist_ok=True)
    building = tempfile.mkdtemp(prefix=".building-", dir=directory)
    try:
        os.chmod(building, 0o755)  # mkdtemp makes it private; the server may be another user
        module.save(building)
        return _publish(building, directory)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def versions(directory):
    """The versions in a model's directory. Returns: sorted list of int."""
    return sorted(int(name) for name in os.listdir(directory) if name.isascii() and name.isdigit())


def check_frozen(network):
    """Refuse to freeze weights that no protocol buffer holds, before they are copied.

    Args: network: one of keras_bert.models.
    Raises: ValueError naming their sum and the mend.
    """
    total = sum(map(weight_bytes, frozen_weights(network)))
    if total > MAX_CONSTANT_BYTES:
        raise ValueError(
            f"the weights to freeze have {total:,} bytes, over the {MAX_CONSTANT_BYTES:,} of a protocol buffer; leave freeze=True "
            "(--freeze) out, or store them in bfloat16: dtype='bfloat16' (--dtype bfloat16)"
        )


def check_constants(functions):
    """Refuse a graph that no protocol buffer holds.

    Args: functions: dict of name -> tf.types.experimental.ConcreteFunction.
    Raises: ValueError naming the sum and the largest constants.
    """
    sizes, captured_names = {}, {}
    for function in functions.values():
        for graph in (function.graph, *inner_graphs(function.graph)):
            for operation in graph.get_operations():
                if operation.type == "Const":  # a function that several signatures call is saved once
                    sizes[id(graph), operation.name] = operation.get_attr("value").ByteSize()
        for captured, inside in function.graph.captures:
            if captured.dtype not in (tf.resource, tf.variant):  # not a variable: it is saved as a constant
                name = captured_names.setdefault(id(captured), inside.name)  # signatures that share it save it once
                sizes["captured", id(captured), name] = _tensor_bytes(captured)
    total = sum(sizes.values())
    if total > MAX_CONSTANT_BYTES:
        largest = sorted(sizes, key=sizes.get, reverse=True)[:3]
        names = ", ".join(f"{name[-1]} ({sizes[name]:,} bytes)" for name in largest)
        raise ValueError(
            f"the graph would hold {total:,} bytes of constants, over the {MAX_CONSTANT_BYTES:,} of a protocol buffer; the "
            f"largest: {names}. Keep weights in variables (without --freeze they are)"
        )


def _tensor_bytes(tensor):
    if tensor.dtype == tf.string:
        return int(tf.reduce_sum(tf.strings.length(tensor)))
    return tensor.shape.num_elements() * tensor.dtype.size


def _publish(building, directory):
    while True:
        version = os.path.join(directory, str(max(versions(directory), default=0) + 1))
        try:
            os.rename(building, version)
            return version
        except OSError:
            if not os.path.exists(version):
                raise
            # Another exporter took the number since; the next is free.
