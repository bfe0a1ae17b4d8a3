"""The suite itself: a short real run, and what it refuses."""

import importlib.util
import json
import subprocess
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import peers, tokenization
from benchmarks.peers import BenchmarkError

FIELDS = {
    "suite", "side", "peer", "dtype", "mode", "threads", "rounds", "target",
    "ratio_median", "ratio_iqr", "ratio_quartiles", "ratio_fastest", "mb_per_second", "peer_mb_per_second",
    "megabytes", "peer_megabytes", "real_megabytes", "batch_lines", "peer_batch_lines",
    "compared_lines", "differing_lines", "differing_offsets",
    "versions", "cpu", "cores", "platform", "python", "date", "kept_awake",
}  # fmt: skip


def run(root, *arguments):
    return subprocess.run([sys.executable, "-m", "benchmarks", *map(str, arguments)], cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_short_run_writes_table_and_json(root, tmp_path):
    wanted = ["full_tokenizer"] + ["encode_batch"] * (importlib.util.find_spec("tokenizers") is not None)
    path = tmp_path / "out.json"
    text = root / "examples" / "data" / "sentence_polarity" / "test.tsv.gz"
    done = run(
        root, "tokenization", "--peers", *wanted, "--peers_python", sys.executable, "--modes", "ids", "--threads", 1, "--json", path,
        "--text", text, "--megabytes", 0.15, "--slow_megabytes", 0.02, "--rounds", 2, "--batch_lines", 256,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["peer"]: row for row in json.loads(path.read_text())}
    assert set(rows) == set(wanted)
    for row in rows.values():
        assert set(row) == FIELDS
        assert (row["suite"], row["side"], row["dtype"], row["mode"], row["threads"]) == ("tokenization", "keras_bert", None, "ids", 1)
        assert row["ratio_quartiles"][0] <= row["ratio_median"] <= row["ratio_quartiles"][1]
        assert {"keras_bert", "tensorflow"} <= set(row["versions"])
        assert row["megabytes"] == pytest.approx(0.15, abs=0.01)
        assert row["real_megabytes"] == pytest.approx(0.115, abs=0.01)  # and it is repeated
        assert f"| ids | {row['peer']} | 1 | 0.15" in done.stdout
    google = rows["full_tokenizer"]
    assert (google["differing_lines"], google["target"], google["peer_batch_lines"]) == (0, 10, None)
    assert google["peer_megabytes"] == pytest.approx(0.02, abs=0.001)
    assert "MB, repeated)" in done.stdout


def test_help_names_suites_and_options(root):
    overall, suite = run(root, "--help"), run(root, "tokenization", "--help")
    assert overall.returncode == suite.returncode == 0
    assert "tokenization" in overall.stdout
    for option in ("--peers", "--peers_python", "--json", "--plot", "--text", "--megabytes", "--rounds", "--growth"):
        assert option in suite.stdout


def test_missing_peers_are_told_without_a_traceback(root):
    done = run(root, "tokenization", "--peers_python", "nowhere/python")
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks: no Python of the peers at nowhere/python")


def test_more_threads_than_cores_are_refused():
    options = command.parse(["tokenization", "--threads", "5000", "--peers_python", sys.executable])
    with pytest.raises(BenchmarkError, match="--threads 5000, but this process may use"):
        next(tokenization.measure(options))


@pytest.mark.parametrize("wish", [["--modes", "offsets"], ["--threads", "2"]])
def test_a_wish_that_leaves_nothing_to_compare_is_told(wish, monkeypatch):
    monkeypatch.setattr(peers, "cores", lambda: [0, 1])
    options = command.parse(["tokenization", "--peers", "full_tokenizer", *wish, "--peers_python", sys.executable])
    with pytest.raises(BenchmarkError, match="nothing to compare: full_tokenizer gives ids, on one thread"):
        next(tokenization.measure(options))


@pytest.mark.parametrize("value", ["0", "-1"])
def test_rounds_must_be_above_zero(value, capsys):
    with pytest.raises(SystemExit):
        command.parse(["tokenization", "--rounds", value])
    assert f"--rounds: {value} is not above 0" in capsys.readouterr().err


class Answers:
    """Stands for a side whose outputs are given, one line's columns a row, or whose seconds depend on the batch."""

    def __init__(self, name, outputs=None, seconds=None):
        self.name, self.given, self.seconds = name, outputs, seconds

    def ask(self, do, **request):
        return {"outputs": self.given} if do == "outputs" else {"seconds": self.seconds[request["batch_lines"]]}


def test_a_peer_whose_ids_differ_too_often_is_not_timed():
    ours, theirs = Answers("ours", [[[1]], [[2]]]), Answers("theirs", [[[1]], [[3]]])
    with pytest.raises(BenchmarkError, match="ours and full_tokenizer differ on 1 of 2 lines, and at most 0% may; the first: 'b'"):
        tokenization.compare_outputs(ours, theirs, "ids", tokenization.FULL_TOKENIZER, ["a", "b"])


def test_offsets_in_bytes_and_in_characters_are_compared_as_bytes():
    ours = Answers("ours", [[[7, 8], [0, 6], [5, 9]], [[9], [0], [1]]])
    theirs = Answers("theirs", [[[7, 8], [0, 5], [4, 8]], [[9], [0], [2]]])
    counts = tokenization.compare_outputs(ours, theirs, "offsets", tokenization.ENCODE_BATCH, ["Café bar", "ab"])
    assert counts == {"compared_lines": 2, "differing_lines": 0, "differing_offsets": 1}


def test_the_fastest_batch_size_is_taken():
    assert tokenization.fastest_batch(Answers("side", seconds={64: 3.0, 256: 1.0, 1024: 2.0}), [64, 256, 1024], ["a line"]) == 256


def growth_row(megabytes, rate, peer_rate):
    return {
        "peer": "encode_batch", "mode": "ids", "threads": 1, "target": 5, "rounds": 1, "versions": {"one": "1"},
        "megabytes": megabytes, "peer_megabytes": megabytes, "real_megabytes": min(megabytes, 40.0),
        "mb_per_second": rate, "peer_mb_per_second": peer_rate, "ratio_median": rate / peer_rate, "ratio_iqr": 0.0,
        "batch_lines": 256, "peer_batch_lines": 64, "compared_lines": 1000, "differing_lines": 5, "differing_offsets": None,
        "cpu": "A CPU", "cores": 2, "python": "3", "date": "2025-01-01",
    }  # fmt: skip


def test_growth_is_told_and_drawn_over_megabytes(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(tokenization.report, "plot_lines", lambda curves, path, **_: drawn.update(curves) or path)
    rows = [growth_row(1.0, 6.0, 2.0), growth_row(100.0, 8.0, 2.0)]
    lines = tokenization.table(rows).split("\n")
    assert "| ids | encode_batch | 1 | 1 | 6.00 | 2.00 | 3.00 | 0.00 | ≥ 5 | 256 / 64 | 0.50% |" in lines
    assert "| ids | encode_batch | 1 | 100 (40 MB, repeated) | 8.00 | 2.00 | 4.00 | 0.00 | ≥ 5 | 256 / 64 | 0.50% |" in lines
    assert tokenization.plot(rows, str(tmp_path)) == [str(tmp_path / "tokenization_growth.png")]
    assert drawn == {"keras_bert ids, 1 threads": ([1.0, 100.0], [6.0, 8.0]), "encode_batch, 1 threads": ([1.0, 100.0], [2.0, 2.0])}
