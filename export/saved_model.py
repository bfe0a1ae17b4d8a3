"""Write a SavedModel into a numbered version directory, as TF Serving watches for."""

import keras
import tensorflow as tf

from export.gate import NEWEST, check_ops, check_server
from export.manifest import manifest, write_manifest
from export.network import frozen_weights, network_in_dtype, weight_bytes
from export.servable import check_servable, servable
from export.version import NewVersion
from keras_bert.training.keras_internals import inner_graphs

# A SavedModel's graph is one protocol buffer, which cannot be larger.
MAX_CONSTANT_BYTES = 2**31 - 1


def export_saved_model(model, directory, *, freeze=False, dtype=None, core_ops=False, tf_serving=NEWEST, source=None):
    """Export a model for TF Serving.

    It is built under a name that is no number, which TF Serving does not load, and renamed once whole. What stands in
    `directory` is never touched. saved_model.json beside saved_model.pb says what it is; see export.manifest.

    Args:
        model: a task: BertClassifier, BertEmbedder, ... A model without a vocabulary gets no serving_default, only ids.
        directory: path of the model; the version directories are made in it.
        freeze: make weights constants of the graph, by which a CPU answers faster in bfloat16; see export.network.frozen. The
            first answer takes many seconds.
        dtype: "float32", "bfloat16" or "float16": what the network computes in, with its weights stored in it; None as the model does.
            Answers are float32, and `model` is left as it is.
        core_ops: TensorFlow's own ops alone, none of tensorflow-text's, for a server that lacks them: WordPiece is then a loop over
            look-ups, which gives the same ids and is slower; see keras_bert.text.core_word_splitter.
        tf_serving: the version of TF Serving that is to load it, one of export.gate.SERVERS.
        source: the checkpoint that the model was made of, for saved_model.json to name.
    Returns: path of the version directory: the highest number there, and one.
    Raises: ValueError where `directory` is a file, on another dtype, where core ops are wanted of a SentencePieceTokenizer, where the graph
        would hold over 2 GB of constants, where TF Serving lacks an op of it, or where Keras does not run on TensorFlow. TypeError on a
        model that cannot be served.
    """
    version = NewVersion(directory)
    module = checked_servable(model, freeze=freeze, dtype=dtype, core_ops=core_ops, tf_serving=tf_serving)
    with version:
        said = write_saved_model(version.building, model, module, tf_serving, freeze=freeze, dtype=dtype, core_ops=core_ops, source=source)
        write_manifest(version.building, said)
    return version.path


def checked_servable(model, *, freeze=False, dtype=None, core_ops=False, tf_serving=NEWEST):
    """What export_saved_model writes. Args, Raises: as there. Returns: keras_bert.tasks.Servable."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"a SavedModel holds TensorFlow ops, but Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow")
    check_servable(model)
    check_server(tf_serving)
    network = None if dtype is None else network_in_dtype(model.network, dtype)
    if freeze:
        check_frozen(model.network if network is None else network)
    module = servable(model, network=network, freeze=freeze, core_ops=core_ops)
    check_constants(module.concrete_functions())
    return module


def write_saved_model(path, model, module, tf_serving, *, freeze, dtype, core_ops, source):
    """Write a SavedModel, and hold its ops against a TF Serving's.

    Args: path: an empty directory. module: Servable of the model. others: as export_saved_model.
    Returns: dict, what saved_model.json is to say. Raises: ValueError where the server lacks an op, or where one is not core.
    """
    module.save(path)
    ops = check_ops(path, tf_serving, core_ops=core_ops)
    facts = {"dtype": dtype or model.encoder.compute_dtype, "freeze": freeze, "core_ops": core_ops, "tf_serving": tf_serving}
    return manifest(model, module.concrete_functions(), ops, **facts, source=source)


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
