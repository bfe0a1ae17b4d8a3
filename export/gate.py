"""The gate: does a TF Serving have every op of a SavedModel's graph? A server that lacks one does not load the model.

TF Serving links TensorFlow's own ops, and of others those of one tensorflow-text release (its `ops_lib`) and TensorFlow Decision
Forests' inference: see SUPPORTED_TENSORFLOW_OPS in tensorflow_serving/model_servers/BUILD.

What is not held: attributes of ops, and whether a server older than TensorFlow 2.20 has every kernel of TensorFlow's own ops.
"""

import os

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

# The ops that a release registers. Source: the names in the op libraries of its wheel on PyPI (tensorflow_text/python/ops/*.so and
# metrics/*.so; for 2.20.0 those of 2.20.1, as TensorFlow registers them). That `ops_lib` links all of them was read in
# a later tensorflow_text/BUILD; the one of 2.12.1 could not be read, and is taken to link what its wheel has.
_TEXT_2_12_1 = frozenset(
    (
        "CaseFoldUTF8", "ConstrainedSequence", "FastBertNormalize", "FastWordpieceTokenizeWithOffsets", "FindSourceOffsets",
        "MaxSpanningTree", "NormalizeUTF8", "NormalizeUTF8WithOffsetsMap", "PhraseTokenize", "RegexSplitWithOffsets", "RougeL",
        "SentenceFragments", "SentenceFragmentsV2", "SentencepieceDetokenizeOp", "SentencepieceIdToStringOp", "SentencepieceOp",
        "SentencepieceStringToIdOp", "SentencepieceTokenizeOp", "SentencepieceTokenizeWithOffsetsOp", "SentencepieceVocabSizeOp",
        "SplitMergeTokenizeWithOffsets", "TFText>BoiseTagsToOffsets", "TFText>ByteSplitByOffsets", "TFText>ByteSplitWithOffsets",
        "TFText>FastSentencepieceDetokenize", "TFText>FastSentencepieceTokenize", "TFText>FastWordpieceDetokenize",
        "TFText>NgramsStringJoin", "TFText>OffsetsToBoiseTags", "TFText>PhraseDetokenize", "TFText>WhitespaceTokenizeWithOffsetsV2",
        "TokenizerFromLogits", "UnicodeScriptTokenizeWithOffsets", "WhitespaceTokenizeWithOffsets", "WordpieceTokenizeWithOffsets",
    )
)  # fmt: skip
TEXT_OPS = {
    "2.12.1": _TEXT_2_12_1,
    "2.20.0": _TEXT_2_12_1 | {"TFText>RoundRobinGenerateMasks", "TFText>RoundRobinTrim", "TFText>Utf8Binarize"},
}
# TF Serving's minor version -> the tensorflow-text that it links. Source: `org_tensorflow_text` in tensorflow_serving/workspace.bzl:
# v2.12.1 until spring 2026 (github.com/tensorflow/serving/pull/4057 tells of it in 2.18, and its issue 2267 of the op that it lacks),
# v2.20.0 since. Each release's own file was not read: that 2.14 to 2.17, 2.19 and 2.21 have what stood there at their time is inferred.
# Of 2.13 and older ones nothing is known here.
SERVERS = dict.fromkeys(("2.14", "2.15", "2.16", "2.17", "2.18", "2.19"), "2.12.1") | {"2.20": "2.20.0", "2.21": "2.20.0"}
NEWEST = list(SERVERS)[-1]


def graph_ops(path):
    """The ops of a SavedModel: of its graph and of every function in its library.

    Args: path: directory with saved_model.pb. Returns: set of str.
    """
    saved_model = saved_model_pb2.SavedModel()
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        saved_model.ParseFromString(file.read())
    ops = set()
    for graph in (meta_graph.graph_def for meta_graph in saved_model.meta_graphs):
        functions = graph.library.function
        nodes = [*graph.node, *(node for function in functions for node in function.node_def)]
        ops |= {node.op for node in nodes} - {function.signature.name for function in functions}  # a function may be called by its name
    return ops


def non_core_ops(ops):
    """Those that are not TensorFlow's own. Args: ops: iterable of str. Returns: sorted list."""
    text = frozenset().union(*TEXT_OPS.values())
    return sorted(op for op in ops if op in text or not (hasattr(tf.raw_ops, op) or op.startswith(("_", "Xla"))))


def servers_with(ops):
    """The TF Serving versions that have all ops. Args: ops: iterable of str, not TensorFlow's own. Returns: list of str, oldest first."""
    return [version for version, text in SERVERS.items() if set(ops) <= TEXT_OPS[text]]


def check_server(tf_serving):
    """Raises: ValueError on a TF Serving version of which nothing is known here."""
    if tf_serving not in SERVERS:
        raise ValueError(f"tf_serving={tf_serving!r} is not one of {', '.join(SERVERS)}, the versions whose ops are known")


def check_ops(path, tf_serving=NEWEST, *, core_ops=False):
    """Refuse a SavedModel that a TF Serving could not load.

    Args: path: directory with saved_model.pb. tf_serving: one of SERVERS, such as "2.19". core_ops: whether TensorFlow's own
        ops are all that it may have.
    Returns: sorted list of the ops that are not TensorFlow's own.
    Raises: ValueError naming each op that it lacks and the versions that have it, or on another version, or naming what is not core.
    """
    check_server(tf_serving)
    ops = non_core_ops(graph_ops(path))
    if core_ops and ops:
        raise ValueError(f"core ops alone were asked for, but the graph needs {', '.join(ops)}")
    lacking = [op for op in ops if op not in TEXT_OPS[SERVERS[tf_serving]]]
    if lacking:
        having = [f"{op} (in {_listed(servers_with([op]))})" for op in lacking]
        raise ValueError(
            f"TF Serving {tf_serving}, which links tensorflow-text {SERVERS[tf_serving]}, lacks what the graph needs: {', '.join(having)}; "
            f"versions that have all: {_listed(servers_with(ops))}"
        )
    return ops


def _listed(versions):
    return ", ".join(versions) or "none that is known here"
