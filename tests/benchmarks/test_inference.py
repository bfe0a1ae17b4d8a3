"""The suite itself: a short real run, and what it refuses."""

import json
import subprocess
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import bert, inference
from benchmarks.peers import BenchmarkError

TINY = ["--layers", 1, "--hidden", 64, "--length", 16, "--batch_size", 4, "--batches", 1, "--rounds", 2]
FIELDS = {
    "suite", "side", "peer", "dtype", "policy", "hidden_act", "target", "difference", "rounds", "threads",
    "ratio_median", "ratio_iqr", "ratio_quartiles", "ratio_fastest", "examples_per_second", "peer_examples_per_second",
    "matmul_peak", "peer_matmul_peak", "peak_share", "peer_peak_share", "peak_bytes", "peer_peak_bytes",
    "batch_size", "length", "batches", "layers", "hidden", "versions", "cpu", "cores", "platform", "python", "date", "kept_awake",
}  # fmt: skip


def run(root, python, path, *arguments):
    command = [sys.executable, "-m", "benchmarks", "inference", "--peers_python", python, "--json", path, *TINY, *arguments]
    return subprocess.run([str(part) for part in command], cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_short_run_beside_keras_hub_and_model_garden(root, tmp_path):
    pytest.importorskip("keras_hub")
    pytest.importorskip("official.nlp.modeling")
    path = tmp_path / "out.json"
    arguments = ["--dtype", "float32", "--forms", "graph", "predict", "--peers", "keras_hub_graph", "model_garden", "keras_hub_predict"]
    done = run(root, sys.executable, path, *arguments)
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())
    assert [(row["side"], row["peer"]) for row in rows] == [
        ("keras_bert graph", "keras_hub_graph"),
        ("keras_bert graph", "model_garden"),
        ("keras_bert predict", "keras_hub_predict"),
    ]
    for row in rows:
        assert set(row) == FIELDS
        assert 0 < row["peak_share"] < 1
        assert row["difference"] < 1e-3
        assert {"keras_bert", "tensorflow"} <= set(row["versions"])
    assert "| keras_bert graph | model_garden | float32 | float32 | tanh |" in done.stdout


@pytest.mark.slow
def test_a_short_run_beside_pytorch_and_onnx_runtime(root, tmp_path, peers_python):
    path = tmp_path / "out.json"
    peers = ["transformers_eager", "onnxruntime"]
    done = run(root, peers_python, path, "--dtype", "float32", "bfloat16", "--forms", "graph", "--peers", *peers)
    assert done.returncode == 0, done.stderr
    assert [(row["peer"], row["dtype"]) for row in json.loads(path.read_text())] == [
        ("transformers_eager", "float32"),
        ("onnxruntime", "float32"),
        ("transformers_eager", "bfloat16"),
    ]


def test_a_wish_that_leaves_nothing_to_compare_is_told():
    options = command.parse(
        ["inference", "--peers", "onnxruntime", "--forms", "graph", "--dtype", "bfloat16", "--peers_python", sys.executable]
    )
    with pytest.raises(BenchmarkError, match="nothing to compare: predict stands beside keras_hub_predict only, and onnxruntime"):
        next(inference.measure(options))


class Answers:
    """Stands for a side of given probabilities."""

    def __init__(self, name, probabilities):
        self.name, self.probabilities = name, probabilities

    def ask(self, do):
        return {"outputs": self.probabilities}


def test_a_peer_that_answers_otherwise_is_not_timed():
    # Scores are 0 and log(3); theirs deviate by log(3) / 2 = 0.549. log(0.6 / 0.4) is 0.405 off, in one of two, over 0.549.
    ours, theirs = Answers("ours", [[0.4, 0.6], [0.25, 0.75]]), Answers("theirs", [[0.5, 0.5], [0.25, 0.75]])
    with pytest.raises(BenchmarkError, match=r"ours and theirs differ in bfloat16 by 0.52 of their scores' deviation"):
        inference.compare_outputs(ours, theirs, "bfloat16")
    assert inference.compare_outputs(theirs, theirs, "float32") == 0


def test_answers_that_do_not_depend_on_the_text_prove_nothing():
    same = Answers("side", [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(BenchmarkError, match="differ in float32 by nan"), pytest.warns(RuntimeWarning):
        inference.compare_outputs(same, same, "float32")


def test_one_sequence_is_refused():
    one = Answers("side", [[0.3, 0.7]])
    with pytest.raises(BenchmarkError, match="give --batches 2 or more"):
        inference.compare_outputs(one, one, "float32")


def test_targets_are_those_of_the_best_servable_form():
    by_name = {peer.name: peer for peer in inference.ALL}
    target = inference.target
    assert target("saved_model", by_name["keras_hub_xla"], "bfloat16") == 2.0
    assert target("saved_model", by_name["transformers_compile"], "bfloat16") == 1.0
    assert target("saved_model", by_name["onnxruntime"], "float32") == 1.1
    assert target("predict", by_name["keras_hub_predict"], "bfloat16") == 1.3
    assert target("graph", by_name["keras_hub_graph"], "bfloat16") is None


def test_texts_fill_their_rows():
    texts = inference.texts(5, 20)
    assert len(set(texts)) == 5
    assert all(len(text.split()) == 20 and text.isascii() for text in texts)


def test_activations_of_peers_are_their_own():
    acts = {peer.script: peer.hidden_act for peer in inference.ALL}
    assert acts["transformers_classifier"] == acts["onnxruntime_classifier"] == bert.ERF
    assert acts["keras_hub_classifier"] == acts["model_garden_classifier"] == bert.TANH
