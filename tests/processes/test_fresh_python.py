"""Each way of starting, beside the same command started by `subprocess`: a fork that differed would make other tests lie."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

TOLD = """
import json, os, signal, sys
print(json.dumps({
    "argv": sys.argv, "path": sys.path, "name": __name__, "cwd": os.getcwd(), "stdin": sys.stdin.read(), "WORD": os.environ.get("WORD"),
    "environment": sorted(name for name in os.environ if name != "LC_CTYPE"),
    "ours": [name for name in sys.modules if name.startswith("keras_bert")],
    "handlers": [str(signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)],
}))
print("to stderr", file=sys.stderr)
"""


def compared(done, expected):
    assert (done.returncode, done.stderr) == (expected.returncode, expected.stderr)
    told, wanted = json.loads(done.stdout), json.loads(expected.stdout)
    assert told == wanted


@pytest.mark.parametrize("way", ["-c", "-m", "script"])
def test_a_program_finds_itself_where_python_puts_it(fresh_python, tmp_path, way):
    (tmp_path / "told.py").write_text(TOLD)
    other = tmp_path / "other"
    other.mkdir()
    arguments = {"-c": ["-c", TOLD], "-m": ["-m", "told"], "script": [tmp_path / "told.py"]}[way]
    command = [sys.executable, *arguments, "first", "--second"]
    options = {
        "env": os.environ | {"WORD": "told", "PYTHONPATH": str(other)},
        "cwd": tmp_path if way == "-m" else other,
        "capture_output": True,
        "text": True,
    }
    compared(fresh_python.run(command, **options), subprocess.run(command, stdin=subprocess.DEVNULL, check=False, **options))


@pytest.mark.parametrize(
    "program",
    ["import sys; sys.exit(3)", "import sys; sys.exit('told')", "raise ValueError('told')", "import os; os.abort()", "print('é \\ud800')"],
)
def test_it_ends_as_python_ends(fresh_python, program):
    command = [sys.executable, "-c", program]
    expected = subprocess.run(command, capture_output=True, text=True, check=False)
    done = fresh_python.run(command)
    assert (done.returncode, done.stdout) == (expected.returncode, expected.stdout)
    assert done.stderr.splitlines()[-1:] == expected.stderr.splitlines()[-1:]


def test_it_is_told_by_signal_and_killed(fresh_python):
    program = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""
    process = fresh_python.Popen([sys.executable, "-c", program], stderr=subprocess.STDOUT)
    wait_for(process, "ready")
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.01)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    wait_for(process, "asked")
    process.kill()
    assert process.communicate() == ("ready\nasked\n", None)
    assert process.returncode == -signal.SIGKILL


def test_what_it_did_is_told_where_a_test_has_no_more_time(fresh_python, capfd):
    program = """
import time
def wait_for_ever():
    print("ready", flush=True)
    time.sleep(1000)
wait_for_ever()
"""
    process = fresh_python.Popen([sys.executable, "-c", program])
    wait_for(process, "ready")

    def out_of_time(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            process.communicate()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert process.wait(60) == -signal.SIGKILL
    told = capfd.readouterr().err
    assert "was killed while it ran" in told and "ready" in told and "in wait_for_ever" in told
    assert not os.path.exists("/proc/meminfo") or ("its threads ran in one: {'" in told and "MemAvailable" in told)


def wait_for(process, word):
    while word not in (process.directory / "stdout").read_text():
        time.sleep(0.005)


def test_it_computes_and_draws_numbers_of_its_own(fresh_python):
    program = """
import json, random
import numpy as np, tensorflow as tf, keras
print(json.dumps([random.random(), float(np.random.random()), float(tf.random.uniform([])), float(keras.random.uniform([]))]))
"""
    first, second = (json.loads(fresh_python.run([sys.executable, "-c", program], check=True).stdout) for _ in range(2))
    assert all(one != other for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("command", "options"),
    [(["python", "x.py"], {}), ([sys.executable, "-W", "error"], {}), ([sys.executable], {}), ([sys.executable, "x.py"], {"text": False})],
)
def test_what_a_fork_cannot_do_is_told(fresh_python, command, options):
    with pytest.raises(ValueError, match="take subprocess"):
        fresh_python.Popen(command, **options)
