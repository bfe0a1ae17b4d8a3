"""The suite itself: short real runs, and two workers as one side."""

import json
import subprocess
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import peers, scaling

TINY = ["--layers", 1, "--hidden", 64, "--length", 16, "--batch_size", 4, "--batches", 1, "--rounds", 1, "--dtype", "float32"]


def run(root, path, *arguments):
    command = [sys.executable, "-m", "benchmarks", "scaling", "--peers_python", sys.executable, "--json", path, *TINY, *arguments]
    done = subprocess.run([str(part) for part in command], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text()), done.stdout


@pytest.mark.slow
def test_a_short_run_over_length_and_batch(root, tmp_path):
    pytest.importorskip("keras_hub")
    arguments = ["--parts", "length", "batch", "--lengths", 8, 600, "--length_rows", 2, "--batch_sizes", 1, 3, "--peers", "keras_hub_graph"]
    rows, _ = run(root, tmp_path / "out.json", *arguments)
    assert [(row["axis"], row["batch_size"], row["length"]) for row in rows] == [
        ("length", 2, 8),
        ("length", 2, 600),
        ("batch_size", 1, 16),
        ("batch_size", 3, 16),
    ]
    assert all(row["seconds"] > 0 and row["ratio_median"] > 0 for row in rows)  # of so small a network longer texts need not take longer


@pytest.mark.slow
@pytest.mark.skipif(len(peers.cores()) < 2, reason="two workers on half the cores each take two cores")
def test_two_workers_train_as_one_process_does(root, tmp_path):
    (row,), told = run(root, tmp_path / "out.json", "--parts", "workers")
    assert (row["side"], row["peer"], row["axis"]) == ("two workers", "one process", "workers")
    assert row["difference"] < 1e-4
    assert "Two workers take " in told


def test_one_core_is_too_few_for_two_workers():
    options = command.parse(["scaling", "--parts", "workers", "--threads", "1", "--peers_python", sys.executable])
    with pytest.raises(peers.BenchmarkError, match="that takes 2 threads or more"):
        next(scaling.measure(options))


def test_two_workers_are_asked_at_once_and_the_slower_counts(tmp_path, monkeypatch, root):
    script = tmp_path / "worker.py"
    script.write_text(f"""
import sys, pathlib, json, time
sys.path.insert(0, {str(root / "benchmarks" / "sides")!r})
import side

class Worker:
    versions = {{}}
    def __init__(self, settings):
        self.index = json.loads(settings["tf_config"])["task"]["index"]
        self.wait()
    def wait(self):
        here = pathlib.Path(__file__).parent
        (here / f"ready{{self.index}}").touch()
        while not (here / f"ready{{1 - self.index}}").exists():
            time.sleep(0.01)
    def run(self, request):
        return {{"seconds": 1.0 + self.index, "checksum": self.index}}

side.serve(Worker)
""")
    monkeypatch.setattr(peers, "cores", lambda: sorted(__import__("os").sched_getaffinity(0)) * 2)
    with scaling.Workers(str(script), 2, {}) as workers:
        assert workers.ask("run") == {"seconds": 2.0, "checksum": 0}


def test_ports_are_different():
    assert len(set(scaling.free_ports(2))) == 2


def row(axis, size, seconds, peer_seconds):
    sizes = {"batch_size": 4, "length": 64, "batches": 2} | ({axis: size} if axis != "workers" else {})
    return sizes | {
        "side": "ours", "peer": "its", "axis": axis, "dtype": "float32", "seconds": seconds, "peer_seconds": peer_seconds,
        "ratio_median": peer_seconds / seconds, "ratio_iqr": 0.0, "layers": 1, "hidden": 64, "threads": 2, "rounds": 1,
        "versions": {"one": "1"}, "cpu": "A CPU", "cores": 2, "python": "3", "date": "2025-01-01",
    }  # fmt: skip


def test_growth_is_told_and_drawn(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(scaling.report, "plot_lines", lambda curves, path, **_: drawn.update({path: curves}) or path)
    rows = [row("length", 64, 0.2, 0.4), row("length", 128, 0.8, 1.2), row("workers", None, 1.0, 0.8)]
    told = scaling.table(rows)
    assert "| ours | its | float32 | 4 × 128 | 400.0 | 600.0 | 100.00 | 1.50 | 0.00 |" in told
    assert "Two workers take +25% more time than one process" in told
    path = str(tmp_path / "scaling_length.png")
    assert scaling.plot(rows, str(tmp_path)) == [path]
    assert drawn[path]["its, float32"] == ([64, 128], [200.0, 600.0])
