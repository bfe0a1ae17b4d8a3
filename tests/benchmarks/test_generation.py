"""The suite itself: a short real run, and what it refuses."""

import json
import subprocess
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import generation
from benchmarks.peers import BenchmarkError

TINY = ["--layers", 1, "--hidden", 64, "--length", 16, "--batch_size", 4, "--tokens", 24, "--rounds", 2, "--dtype", "float32"]


@pytest.mark.slow
def test_a_short_run_beside_transformers_and_without_cache(root, tmp_path, peers_python):
    path = tmp_path / "out.json"
    words = [sys.executable, "-m", "benchmarks", "generation", "--peers_python", peers_python, "--json", path, *TINY]
    done = subprocess.run([str(word) for word in words], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())
    assert [(row["side"], row["peer"]) for row in rows] == [
        ("keras_bert greedy", "uncached"),
        ("keras_bert greedy", "transformers"),
        ("keras_bert beam4", "transformers"),
    ]
    for row in rows:
        assert row["agreement"] >= generation.LEAST_AGREEMENT
        assert row["tokens_per_second"] > 0
    assert {"keras_bert", "tensorflow", "transformers", "torch"} <= set(rows[1]["versions"])
    assert "| keras_bert beam4 | transformers | float32 | 24 |" in done.stdout


def test_the_share_of_equal_tokens():
    ours = [list(range(10)), list(range(10, 20))]
    theirs = [list(range(10)), [*range(10, 15), 0, 0, 0, 0, 0]]
    assert generation.compare_answers(ours, theirs) == 0.75
    with pytest.raises(BenchmarkError, match="1 different tokens in 2 answers"):
        generation.compare_answers([[7, 7], [7, 7]], [[7, 7], [7, 7]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tokens", "1"], "--tokens 1: 2 are the least"),
        (["--tokens", "513"], "--tokens 513 is over the 512 positions"),
        (["--peers", "uncached", "--forms", "beam4"], "nothing to compare: uncached stands beside greedy"),
    ],
)
def test_what_cannot_be_measured_is_told_at_once(arguments, message):
    options = command.parse(["generation", *arguments])
    with pytest.raises(BenchmarkError, match=message):
        next(options.suite.measure(options))
