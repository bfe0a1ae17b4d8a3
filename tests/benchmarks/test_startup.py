"""What an import adds, on modules made for it."""

import json
import subprocess
import sys

import pytest

from benchmarks import startup

COSTS = {
    ("keras", "tensorflow_text"): {"seconds": 4.0, "bytes": 700e6, "last_seconds": 0.0, "last_bytes": 0},
    ("keras", "tensorflow_text", "keras_bert"): {"seconds": 5.0, "bytes": 710e6, "last_seconds": 0.1, "last_bytes": 5e6},
    ("keras", "tensorflow_text", "keras_bert", "keras_bert.tasks.classes"): {
        "seconds": 8.0,
        "bytes": 760e6,
        "last_seconds": 0.4,
        "last_bytes": 50e6,
    },
}


def test_processes_take_turns_and_the_added_part_is_of_one_process(monkeypatch):
    log = []

    def imports(threads, modules, last):
        log.append(len(modules))
        return COSTS[modules] | {"versions": {"keras": "3"}}

    monkeypatch.setattr(startup, "imports", imports)
    options = type("Options", (), {"threads": 1, "rounds": 2})
    rows = list(startup.measure(options))
    assert log == [2, 2, 3, 2, 3, 2, 4, 2, 4]
    assert [(row["added_seconds"], row["added_mb"], row["ratio_median"]) for row in rows] == [(0.1, 5, 0.8), (0.4, 50, 0.5)]
    assert "| import keras_bert.tasks.classes | 8.00, 4.00 | 760, 700 | 0.50 | 0.00 | 0.40 | < 0.5 | 50.0 | < 60 |" in startup.table(rows)


@pytest.mark.slow
def test_a_short_run(root, tmp_path):
    path = tmp_path / "out.json"
    command = [sys.executable, "-m", "benchmarks", "startup", "--rounds", "1", "--json", str(path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())
    assert [row["side"] for row in rows] == list(startup.OURS)
    for row in rows:
        assert 0 < row["added_seconds"] < row["seconds"]
        assert row["peer_mb"] > 100
