"""The suite itself: a short real run, and how memory and speed become ratios."""

import json
import subprocess
import sys
from typing import ClassVar

import pytest

from benchmarks import __main__ as command
from benchmarks import bert, memory
from benchmarks.peers import BenchmarkError

TINY = ["--layers", 1, "--hidden", 64, "--length", 16, "--batch_size", 4, "--batches", 1, "--rounds", 1, "--dtype", "float32"]


class FakeSide:
    """Stands for a process: the k-th of a name has the k-th of its figures, and tells when it begins and ends."""

    figures: ClassVar[dict] = {}
    log: ClassVar[list] = []
    settings: ClassVar[list] = []

    def __init__(self, name, script, *, threads, python, settings):
        self.name, self.versions = name, {name: "1"}
        self.settings.append(settings)
        self.answer = next(self.figures[name])

    def __enter__(self):
        self.log.append(f"+{self.name}")
        return self

    def __exit__(self, *_):
        self.log.append(f"-{self.name}")

    def ask(self, do):
        return dict(zip(("seconds", "peak_bytes"), self.answer, strict=True))


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(memory.peers, "Side", FakeSide)
    monkeypatch.setattr(FakeSide, "log", [])
    monkeypatch.setattr(FakeSide, "settings", [])
    return lambda **figures: monkeypatch.setattr(FakeSide, "figures", {name: iter(values) for name, values in figures.items()})


def options(*arguments):
    return command.parse(["memory", *map(str, TINY), "--rounds", "2", *map(str, arguments)])


def test_one_process_lives_at_a_time(fake):
    fake(a=[(1, 10), (2, 20)], b=[(3, 30), (4, 40)])
    own, its = memory.in_turns(options(), ("a", "", None, {}), ("b", "", None, {}))
    assert FakeSide.log == ["+a", "-a", "+b", "-b"] * 2
    assert [run["peak_bytes"] for run in own + its] == [10, 20, 30, 40]


def test_rematerialisation_is_told_in_gigabytes_and_in_time(fake, monkeypatch):
    monkeypatch.setattr(memory, "PLAIN", "plain")
    monkeypatch.setattr(memory, "REMATERIALIZED", "plain, rematerialize=True")
    monkeypatch.setattr(bert, "config_of", lambda options: {"vocab_size": 9, "layers": options.layers})
    fake(**{"plain, rematerialize=True": [(4.0, 8e9), (4.0, 9e9)], "plain": [(3.0, 12e9), (2.0, 14e9)]})
    asked = options("--large_layers", 3, "--large_hidden", 128, "--large_batch_size", 2)
    (row,) = memory.rematerialized(asked)
    assert (row["peak_bytes"], row["peer_peak_bytes"], row["target_gb"]) == (8.5e9, 13e9, 16)
    assert row["ratio_median"] == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert (row["layers"], row["hidden"], row["batch_size"], row["batches"]) == (3, 128, 2, 1)
    assert "| 2 × 16, 3 layers of 128 | 8.50 | 13.00 | ≤ 16 GB | 4.00 | 2.50 | 0.62 (speed) | 0.12 |" in memory.table([row])


@pytest.mark.parametrize("wanted", [False, True])
def test_ours_beside_a_peer_rematerializes_where_asked(fake, monkeypatch, wanted):
    class Weights:
        def __init__(self, *_, **__):
            pass

        def settings(self, hidden_act):
            return {"directory": "weights"}

    monkeypatch.setattr(bert, "Weights", Weights)
    fake(**{memory.REMATERIALIZED if wanted else memory.PLAIN: [(1, 5e9), (1, 6e9)], "keras_hub_fit": [(1, 6e9), (1, 9e9)]})
    asked = options("--peers_python", sys.executable, "--peers", "keras_hub_fit", *(["--rematerialize"] if wanted else []))
    (row,) = memory.beside_peers(asked)
    assert [settings.get("rematerialize") for settings in FakeSide.settings] == [wanted, None] * 2
    assert row["side"] == (memory.REMATERIALIZED if wanted else memory.PLAIN)
    assert row["ratio_median"] == pytest.approx((6 / 5 + 9 / 6) / 2)


def test_a_system_that_does_not_tell_memory_is_told(fake):
    fake(a=[(1, None)])
    with pytest.raises(BenchmarkError, match="this system does not say how much memory a process has held"):
        memory.in_turns(options(), ("a", "", None, {}), ("b", "", None, {}))


@pytest.mark.slow
def test_a_short_run_beside_keras_hub(root, tmp_path):
    pytest.importorskip("keras_hub")
    path = tmp_path / "out.json"
    arguments = ["--peers_python", sys.executable, "--peers", "keras_hub_fit", "--parts", "peers", "--json", path]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "memory", *map(str, TINY + arguments)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(path.read_text())
    assert row["ratio_median"] == pytest.approx(row["peer_peak_bytes"] / row["peak_bytes"])
    assert row["peak_bytes"] > 100e6
