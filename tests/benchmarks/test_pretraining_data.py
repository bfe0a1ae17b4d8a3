"""The suite itself: a short real run, and what it refuses."""

import json
import subprocess
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import pretraining_data, report
from benchmarks.peers import BenchmarkError

TINY = ["--megabytes", 0.4, "--processes", 1, "--slow_megabytes", 0.2, "--masking_megabytes", 0.2, "--memory_megabytes", 0.2, 0.6]


def run(root, path, *arguments):
    text = root / "examples" / "data" / "sentence_polarity" / "train.tsv.gz"
    flags = [*TINY, "--shard_megabytes", 0.1, "--rounds", 1, "--text", text, "--scratch", path.parent, "--json", path, *arguments]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "pretraining_data", *map(str, flags)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text()), done.stdout


@pytest.mark.slow
def test_a_short_run_beside_the_script_and_of_memory(root, tmp_path):
    pytest.importorskip("official.nlp.data.create_pretraining_data")
    rows, output = run(root, tmp_path / "out.json", "--parts", "making", "memory")
    assert [(row["part"], row["side"], row["peer"], row["target"]) for row in rows] == [
        ("making", "keras_bert, 1 process", "model_garden_script", 10),
        ("memory", "keras_bert, 1 MB", "keras_bert, 0 MB", pytest.approx(1 / 1.1)),
    ]
    making, memory = rows
    assert making["difference"] < 0.2 and (making["megabytes"], making["peer_megabytes"]) == pytest.approx((0.4, 0.2), abs=0.01)
    assert making["ratio_median"] == pytest.approx(making["per_second"] / making["peer_per_second"])
    assert memory["ratio_median"] == pytest.approx(memory["peer_peak_bytes"] / memory["peak_bytes"])
    assert "| making | keras_bert, 1 process | model_garden_script | 0.4" in output
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]  # texts and examples are deleted


@pytest.mark.slow
def test_a_short_run_beside_the_collator(root, tmp_path, peers_python):
    rows, _ = run(root, tmp_path / "out.json", "--parts", "masking", "--peers_python", peers_python)
    assert [(row["part"], row["peer"], row["tokens"] > 1000) for row in rows] == [("masking", "transformers_collator", True)]
    assert rows[0]["difference"] < 0.04


def test_more_processes_than_cores_are_refused():
    options = command.parse(["pretraining_data", "--processes", "5000"])
    with pytest.raises(BenchmarkError, match="--processes 5000, but this process may use"):
        next(pretraining_data.measure(options))


def test_a_side_that_makes_other_examples_is_not_timed():
    ours = [3200, 320_000, 1700]
    assert pretraining_data.compare_counts("ours", ours, "theirs", [3264, 320_000, 1700]) == pytest.approx(64 / 3264)
    with pytest.raises(BenchmarkError, match=r"ours \[3200, .*, theirs \[3200, 320000, 2000\]: they differ by 15%, over 11%"):
        pretraining_data.compare_counts("ours", ours, "theirs", [3200, 320_000, 2000])


def test_a_side_that_masks_another_share_is_not_timed():
    assert pretraining_data.compare_shares("ours", [0.15, 0.8, 0.1], "theirs", [0.15, 0.81, 0.1]) == pytest.approx(0.01)
    with pytest.raises(BenchmarkError, match=r"shares differ by 0\.100, over 0\.04"):
        pretraining_data.compare_shares("ours", [0.15, 0.8, 0.1], "theirs", [0.15, 0.9, 0.1])


def test_rates_are_of_what_each_side_did():
    answers = [{"seconds": 2.0, "peak_bytes": 5}], [{"seconds": 4.0, "peak_bytes": 7}]
    row = pretraining_data.compared(answers, (20.0, 4.0))
    assert (row["per_second"], row["peer_per_second"], row["ratio_median"]) == (10.0, 1.0, 10.0)
    assert (row["peak_bytes"], row["peer_peak_bytes"]) == (5, 7)


def test_the_table_and_the_plot_tell_every_part(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(report, "plot_ratios", lambda rows, labels, path, title: drawn.append(labels) or path)
    common = {"rounds": 1, "versions": {"one": "1"}, "cpu": "A CPU", "cores": 2, "python": "3", "date": "2026-01-01", "ratio_iqr": 0.0}
    rows = [
        common
        | {"part": "masking", "side": "ours", "peer": "its", "target": None}
        | {"per_second": 1e6, "peer_per_second": 5e5, "ratio_median": 2.0},
        common
        | {"part": "memory", "side": "large", "peer": "small", "target": 1 / 1.1, "megabytes": 1000.0, "peer_megabytes": 100.0}
        | {"peak_bytes": 8e8, "peer_peak_bytes": 7.9e8, "ratio_median": 0.9875},
    ]
    lines = pretraining_data.table(rows).split("\n")
    assert "| masking | ours | its |  | 1,000,000 tokens | 500,000 tokens | 2.00 | 0.00 |  |  |" in lines
    assert "| memory | large | small | 1e+03, 100 |  |  | 0.99 | 0.00 | ≥ 0.909 | 0.80, 0.79 |" in lines
    assert pretraining_data.plot(rows, str(tmp_path)) == [str(tmp_path / "pretraining_data.png")]
    assert drawn == [["ours / its", "large / small"]]
