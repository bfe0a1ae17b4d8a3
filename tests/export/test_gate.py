import hashlib
import json
import os

import pytest
import tensorflow as tf
import tensorflow_text
from tensorflow.core.framework import op_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session

import export
from export import gate, saved_model

TOKENIZER_OPS = ["FastWordpieceTokenizeWithOffsets", "NormalizeUTF8"]  # as README tells C++ programs


def write_graph(path, nodes, functions):
    """saved_model.pb of ops. Args: nodes: list of ops. functions: dict of name -> list of ops."""
    saved = saved_model_pb2.SavedModel()
    graph = saved.meta_graphs.add().graph_def
    for number, op in enumerate(nodes):
        graph.node.add(name=f"node_{number}", op=op)
    for name, ops in functions.items():
        function = graph.library.function.add()
        function.signature.name = name
        for number, op in enumerate(ops):
            function.node_def.add(name=f"node_{number}", op=op)
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())


def test_ops_of_functions_are_found_and_calls_by_name_are_no_ops(tmp_path):
    write_graph(tmp_path, ["Placeholder", "outer"], {"outer": ["inner", "Add"], "inner": ["NormalizeUTF8", "_Retval"]})
    assert gate.graph_ops(tmp_path) == {"Placeholder", "Add", "NormalizeUTF8", "_Retval"}
    assert gate.non_core_ops(gate.graph_ops(tmp_path)) == ["NormalizeUTF8"]


def test_an_op_that_a_server_lacks_is_named_with_the_versions_that_have_it(tmp_path):
    write_graph(tmp_path, ["RegexSplitWithOffsets"], {"pack": ["TFText>RoundRobinTrim", "MatMul"]})
    assert gate.check_ops(tmp_path) == ["RegexSplitWithOffsets", "TFText>RoundRobinTrim"]
    with pytest.raises(ValueError, match=r"2\.19.* lacks .*TFText>RoundRobinTrim \(in 2\.20, 2\.21\); .* have all: 2\.20, 2\.21"):
        gate.check_ops(tmp_path, "2.19")
    write_graph(tmp_path, ["Addons>BeamSearch"], {})
    with pytest.raises(ValueError, match=r"lacks what the graph needs: Addons>BeamSearch \(in none that is known here\)"):
        gate.check_ops(tmp_path)
    with pytest.raises(ValueError, match=r"tf_serving='1\.15' is not one of 2\.14, "):
        gate.check_ops(tmp_path, "1.15")


def test_the_table_is_what_tensorflow_text_registers():
    registered = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    names = {op.name for op in registered.op}
    assert gate.TEXT_OPS["2.20.0"] <= names
    assert {name for name in names if name.startswith("TFText>")} <= gate.TEXT_OPS["2.20.0"]
    assert not [op for op in gate.TEXT_OPS["2.20.0"] if hasattr(tf.raw_ops, op)]


def test_a_refused_model_is_not_published(tmp_path, tiny_classifier, monkeypatch):
    without = {release: ops - {"NormalizeUTF8"} for release, ops in gate.TEXT_OPS.items()}
    monkeypatch.setattr(gate, "TEXT_OPS", without | {"2.20.0": gate.TEXT_OPS["2.20.0"]})
    with pytest.raises(ValueError, match=r"lacks what the graph needs: NormalizeUTF8 \(in 2\.20, 2\.21\)"):
        export.export_saved_model(tiny_classifier, tmp_path, tf_serving="2.18")
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr(saved_model, "servable", None)  # a version that is not known is told before anything is traced
    with pytest.raises(ValueError, match="tf_serving='3' is not one of"):
        export.export_saved_model(tiny_classifier, tmp_path, tf_serving="3")


def test_saved_model_json_says_what_it_is(tmp_path, tiny_classifier):
    path = tmp_path / "1"
    assert export.export_saved_model(tiny_classifier, tmp_path, tf_serving="2.19", source="hf://owner/name") == str(path)
    said = json.loads((path / "saved_model.json").read_text())
    assert said["task"] == "BertClassifier" and said["labels"] == ["negative", "positive", "neutral"]
    assert said["config"]["hidden_size"] == 16 and said["settings"]["max_length"] == 32
    assert (said["dtype"], said["freeze"], said["tf_serving"], said["source"]) == ("float32", False, "2.19", "hf://owner/name")
    assert said["ops"] == TOKENIZER_OPS
    assert said["versions"]["tensorflow"] == tf.__version__ and said["versions"]["tensorflow-text"] == tensorflow_text.__version__
    assert said["signatures"]["serving_default"]["inputs"] == {"text": ["string", None]}
    assert said["signatures"]["ids"]["outputs"]["probabilities"] == ["float32", None, 3]
    files = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    assert said["sha256"].keys() == files - {"saved_model.json"}
    for name in ("saved_model.pb", "assets.extra/vocab.txt"):
        assert said["sha256"][name] == hashlib.sha256((path / name).read_bytes()).hexdigest()
