"""The protocol: what a side answers, how it dies, how two alternate."""

import ast
import itertools
import os
import subprocess
import sys
import threading

import pytest

from benchmarks import peers

ECHO = """
import sys
sys.path.insert(0, {sides!r})
import os, side

class Echo:
    def __init__(self, settings):
        print("chatter of a library")
        self.settings, self.versions = settings, {{"echo": "1"}}
    def run(self, request):
        if "die" in request:
            print("its last words", file=sys.stderr)
            os._exit(3)
        if "sleep" in request:
            import time
            time.sleep(request["sleep"])
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        return {{"settings": self.settings, "rayon": os.environ["RAYON_NUM_THREADS"], "cores": cores}}

side.serve(Echo)
"""


@pytest.fixture
def echo(root, tmp_path):
    """Path of a side's script that tells what reached it."""
    path = tmp_path / "echo.py"
    path.write_text(ECHO.format(sides=str(root / "benchmarks" / "sides")))
    return str(path)


def test_a_side_gets_its_settings_threads_and_cores_and_chatter_does_not_disturb(echo):
    with peers.Side("echo", echo, threads=1, settings={"word": "naïve"}) as side:
        answer = side.ask("run")
    assert side.versions == {"echo": "1"}
    assert answer["settings"] == {"threads": 1, "word": "naïve"}
    assert answer["rayon"] == "1"
    assert answer["cores"] in (1, None)


def test_a_dying_side_is_told_with_the_end_of_its_standard_error(echo):
    with peers.Side("echo", echo, threads=1) as side, pytest.raises(peers.BenchmarkError) as error:
        side.ask("run", die=True)
    assert "side echo died with exit status 3 at 'run'" in str(error.value)
    assert str(error.value).endswith("its last words")


def test_a_library_that_the_peers_python_lacks_is_told(tmp_path):
    script = tmp_path / "lacking.py"
    script.write_text("import a_library_that_is_not_there")
    with pytest.raises(peers.BenchmarkError, match=r"(?s)side lacking died .* at 'prepare'.*No module named 'a_library_that_is_not_there'"):
        peers.Side("lacking", str(script), threads=1)


def test_a_silent_side_is_ended(echo):
    with peers.Side("echo", echo, threads=1) as side:
        side.timeout_seconds = 0.5
        with pytest.raises(peers.BenchmarkError, match=r"side echo took over 0.5 s and was ended at 'run'"):
            side.ask("run", sleep=60)


def test_missing_peers_python_names_the_script_that_makes_it():
    with pytest.raises(peers.BenchmarkError, match=r"no Python of the peers at nowhere/python: run benchmarks/setup_peers.sh"):
        peers.check_python("nowhere/python")


class Recorder:
    """Stands for a side: writes down who was asked."""

    def __init__(self, name, log, checksums):
        self.name, self.log, self.checksums = name, log, iter(checksums)

    def ask(self, do, **request):
        self.log.append((self.name, do, request))
        return {"seconds": 1.0, "checksum": next(self.checksums)}


@pytest.fixture
def quiet_host(monkeypatch):
    monkeypatch.setattr(peers, "cpu_times", lambda: (0, 0))


def test_sides_alternate(quiet_host):
    log = []
    own, its = peers.alternate(Recorder("A", log, [1, 1]), Recorder("B", log, [2, 2]), 2, {"n": 5}, {"n": 6})
    assert log == [("A", "run", {"n": 5}), ("B", "run", {"n": 6})] * 2
    assert [answer["checksum"] for answer in own + its] == [1, 1, 2, 2]


def test_a_result_that_changes_from_round_to_round_is_refused(quiet_host):
    with pytest.raises(peers.BenchmarkError, match="side B gave a result of checksum 3, and 2 in the first round"):
        peers.alternate(Recorder("A", [], [1, 1]), Recorder("B", [], [2, 3]), 2, {}, {})


def test_sides_of_peers_do_not_import_this_project(root):
    for path in (root / "benchmarks" / "sides").glob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        own = {name for name in imported if name.split(".")[0] in ("keras_bert", "export", "benchmarks")}
        assert not own or path.name.startswith("keras_bert_"), path


WHY_NOT = "is there and is no virtual environment" if sys.version_info < (3, 13) else "wants Python 3.10 to 3.12: name one by PYTHON"


@pytest.mark.parametrize(
    ("python", "message"),
    [("python3", WHY_NOT), ("no_such_python", "no no_such_python here; name a Python 3.10")],
)
def test_setup_script_says_why_it_cannot(root, tmp_path, python, message):
    environment = os.environ | {"PYTHON": sys.executable if python == "python3" else python}
    script = root / "benchmarks" / "setup_peers.sh"
    done = subprocess.run([str(script), str(tmp_path)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert message in done.stderr


def test_rounds_of_which_the_host_took_time_are_run_again(monkeypatch, capsys):
    # A's and B's shares, round by round: clean, taken, taken, clean.
    ticks = [0, 0, 20, 0, 0, 6, 0, 5]
    times = [(0, 0)]
    for stolen in ticks:
        times += [(times[-1][0] + stolen, times[-1][1] + 100)] * 2
    monkeypatch.setattr(peers, "cpu_times", iter(times).__next__)
    own, its = peers.alternate(Recorder("A", [], [1] * 4), Recorder("B", [], [2] * 4), 2, {}, {})
    assert (len(own), len(its)) == (2, 2)
    assert "rounds run: 4, kept: 2: the host took over 5% of the cores' time in some; up to 5% in those kept" in capsys.readouterr().err


def test_a_host_that_takes_time_in_every_round_is_told(monkeypatch, capsys):
    monkeypatch.setattr(peers, "cpu_times", ((number * 30, number * 100) for number in itertools.count()).__next__)
    own, _ = peers.alternate(Recorder("A", [], [1] * 6), Recorder("B", [], [2] * 6), 2, {}, {})
    assert len(own) == 2
    assert "rounds run: 6, kept: 2" in capsys.readouterr().err


def test_stolen_time_is_the_eighth_of_a_line(tmp_path):
    (tmp_path / "stat").write_text("cpu  10 20 30 400 5 6 7 80 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n")
    assert peers.cpu_times(tmp_path / "stat") == (80, 558)
    assert peers.cpu_times(tmp_path / "none") == (0, 0)
    assert peers.stolen_share((0, 0), (80, 558)) == pytest.approx(80 / 558)


def children():
    with open(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children") as file:
        return {int(number) for number in file.read().split()}


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="idle priority is Linux's")
def test_cores_are_kept_awake_at_idle_priority_and_let_go():
    before = children()
    with peers.awake() as kept_awake:
        spinning = children() - before
        assert kept_awake
        assert [os.sched_getscheduler(process) for process in spinning] == [os.SCHED_IDLE] * len(peers.cores())
    assert not children() & spinning
    with peers.awake(False) as kept_awake:
        assert not kept_awake and children() == before


def test_a_side_is_warm_after_two_seconds_and_not_after_one_run():
    times = iter([9.0, 0.75, 0.75, 0.75, 0.75])  # the first compiles

    class Recorder:
        def ask(self, do, **request):
            assert (do, request) == ("run", {"length": 8})
            return {"seconds": next(times)}

    peers.warm_up(Recorder(), {"length": 8})
    assert list(times) == [0.75]
