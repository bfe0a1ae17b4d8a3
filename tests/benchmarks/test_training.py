"""The suite itself: a short real run, and what it refuses."""

import json
import subprocess
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import training
from benchmarks.peers import BenchmarkError

TINY = ["--layers", 1, "--hidden", 64, "--length", 16, "--batch_size", 4, "--batches", 1, "--rounds", 2]


def run(root, python, path, *arguments):
    command = [sys.executable, "-m", "benchmarks", "training", "--peers_python", python, "--json", path, *TINY, *arguments]
    done = subprocess.run([str(part) for part in command], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


@pytest.mark.slow
def test_a_short_run_beside_keras_hub_and_model_garden(root, tmp_path):
    pytest.importorskip("keras_hub")
    pytest.importorskip("official.nlp.modeling")
    arguments = ["--dtype", "float32", "--peers", "keras_hub_fit", "model_garden", "--profile", tmp_path / "profile"]
    rows = run(root, sys.executable, tmp_path / "out.json", *arguments)
    assert list(tmp_path.glob("profile/keras_bert_fit_float32_gelu_tanh/plugins/profile/*/*.xplane.pb"))
    assert [(row["side"], row["peer"], row["dtype"], row["target"]) for row in rows] == [
        ("keras_bert fit", "keras_hub_fit", "float32", 1.15),
        ("keras_bert fit", "model_garden", "float32", 1.15),
    ]
    for row in rows:
        assert row["difference"] < 1e-4
        assert 0 < row["peak_share"] < 1
        assert row["ratio_quartiles"][0] <= row["ratio_median"] <= row["ratio_quartiles"][1]


@pytest.mark.slow
def test_a_short_run_beside_pytorch(root, tmp_path, peers_python):
    peers = ["transformers_eager", "transformers_eager_pure"]
    rows = run(root, peers_python, tmp_path / "out.json", "--dtype", "bfloat16", "--peers", *peers)
    assert [(row["peer"], row["policy"]) for row in rows] == [
        ("transformers_eager", "mixed_bfloat16"),
        ("transformers_eager_pure", "bfloat16"),
    ]


def test_a_wish_that_leaves_nothing_to_compare_is_told():
    options = command.parse(
        ["training", "--peers", "transformers_eager_pure", "--dtype", "float32", "--peers_python", sys.executable, "--threads", "1"]
    )
    with pytest.raises(BenchmarkError, match="nothing to compare: what ends in _pure has bfloat16 only"):
        next(training.measure(options))


def test_losses_that_differ_are_not_timed():
    with pytest.raises(BenchmarkError, match=r"in float32 differ by 1.0e-02, over 0.0001: ours .* theirs "):
        training.compare_losses("ours", [0.8, 0.7, 0.6], "theirs", [0.8, 0.7, 0.61], "float32")
    assert training.compare_losses("ours", [0.8, 0.7, 0.6], "theirs", [0.8, 0.7, 0.61], "bfloat16") == pytest.approx(0.01)


def test_losses_that_do_not_move_prove_nothing():
    with pytest.raises(BenchmarkError, match="leave the loss where it was, so it proves nothing"):
        training.compare_losses("ours", [0.8] * 3, "theirs", [0.8] * 3, "float32")


def test_no_loss_is_no_agreement():
    with pytest.raises(BenchmarkError, match="in float32 differ by nan"):
        training.compare_losses("ours", [0.8, float("nan"), 0.6], "theirs", [0.8, 0.7, 0.6], "float32")
