"""Two real processes on 127.0.0.1 train together: as one does, and as one goes on when a process dies, freezes or is asked to stop."""

import json
import os
import re
import signal
import socket
import sys
import time

import numpy as np
import pytest

from keras_bert.training.run_log import read_log

pytestmark = pytest.mark.slow

STEPS = 160  # of programs/run.py
SECONDS_TO_NOTICE = 60


@pytest.fixture(scope="module")
def launch(root, fresh_python):
    """Start a program of programs/. Args: name, arguments. workers: processes; 0: one, which is no worker. Returns: list of processes."""

    def run(name, *arguments, workers=0):
        environment = os.environ | {"PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, str(root / "tests" / "training" / "programs" / name), *map(str, arguments)]
        cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(workers)]}
        tasks = [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})} for index in range(workers)]
        return [fresh_python.Popen(command, env=environment | task) for task in tasks or [{}]]

    return run


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def finish(processes):
    """Returns: the last line that each printed, read as JSON; and what each wrote to stderr."""
    outputs = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors[-4000:]
    return [json.loads(output.splitlines()[-1]) if output else None for output, _ in outputs], [errors for _, errors in outputs]


def largest_difference(path, other, kind="weight"):
    first, second = np.load(path), np.load(other)
    names = [name for name in first.files if name.startswith(kind)]
    assert names and names == [name for name in second.files if name.startswith(kind)]
    # Relative where numbers are over 1, as a perplexity is.
    return max(float((np.abs(first[name] - second[name]) / np.maximum(np.abs(second[name]), 1.0)).max()) for name in names)


def test_two_processes_fit_evaluate_and_predict_as_one(launch, tmp_path):
    """By a loop by hand, and where dropout is drawn by two replicas of one process: of the same numbers they have the same masks."""
    one_row_left, uneven = 19 * 32 + 1, 19 * 32 + 13
    sgd = {"task": "pretrainer", "rows": uneven, "optimizer": "sgd", "learning_rate": 0.5, "clip_norm": None}
    cases = {
        "masked_lm": {"rows": one_row_left},
        "pretrainer": sgd | {"validate": True},
        "averaged_in_threes": {"ema_momentum": 0.8, "steps_per_execution": 3, "validate": True},
        "dropout": {"dropout": 0.1},
        "float16": {"dtype": "mixed_float16"},
    }
    expected = {
        "masked_lm": {"strategy": "by_hand", "rows": one_row_left},
        "pretrainer": {"strategy": "one_device", "validate": True} | sgd,
        "averaged_in_threes": {"strategy": "one_device", "ema_momentum": 0.8, "validate": True},
        "dropout": {"strategy": "mirrored", "dropout": 0.1},
        "float16": {"strategy": "one_device", "dtype": "mixed_float16"},
    }
    together, alone = tmp_path / "together", tmp_path / "alone"
    together.mkdir()
    alone.mkdir()
    cases = {name: case | {"strategy": "multi_worker"} for name, case in cases.items()}
    finish(launch("train.py", together, json.dumps(cases), workers=2))
    finish(launch("train.py", alone, json.dumps(expected)))
    differences = {name: largest_difference(together / f"{name}.npz", alone / f"{name}.npz") for name in cases}
    print(differences)
    assert differences.pop("float16") <= 1e-3
    assert max(differences.values()) <= 1e-5
    for name in ("pretrainer", "averaged_in_threes"):
        for kind in ("prediction", "figure"):
            assert largest_difference(together / f"{name}.npz", alone / f"{name}.npz", kind) <= 1e-5, (name, kind)


def test_trainer_in_two_processes_comes_to_the_weights_of_one(launch, tmp_path):
    options = ("--total_steps", 20, "--dropout", 0, "--accumulate", 2, "--validate_every", 8)
    one, two = tmp_path / "one", tmp_path / "two"
    results, errors = finish(launch("run.py", two, *options, "--strategy", "multi_worker", workers=2))
    assert results[0] == results[1]
    assert "100% 20/20" in errors[0] and "100% 20/20" not in errors[1]  # one of them shows the progress
    (result,), _ = finish(launch("run.py", one, *options))
    assert largest_difference(two / "final.npz", one / "final.npz") <= 1e-5
    assert result["best_step"] == results[0]["best_step"]
    for line, expected in zip(read_log(two / "log.jsonl"), read_log(one / "log.jsonl"), strict=True):
        for name in {"step", "loss", "gradient_norm", "learning_rate", "val_loss", "padding_share"} & set(expected):
            assert line[name] == pytest.approx(expected[name], abs=1e-4), (name, line["step"])


def wait_for_step(processes, directory, step):
    path = directory / "log.jsonl"
    while not path.exists() or not (lines := read_log(path)) or lines[-1]["step"] < step:
        assert all(process.poll() is None for process in processes), [process.communicate()[1][-2000:] for process in processes]
        time.sleep(0.005)


def check_that_it_notices(survivor):
    """It ends by itself, soon, with a message that says what to do. Returns: seconds."""
    began = time.monotonic()
    _, errors = survivor.communicate(timeout=SECONDS_TO_NOTICE)
    assert survivor.returncode == 1, errors[-4000:]
    assert re.search(
        r"WorkerLostError: another worker is gone \(\w+ while step was made together\)\. Start the same command on all "
        r"workers: training goes on from the checkpoint of step \d+",
        errors,
    ), errors[-4000:]
    return time.monotonic() - began


def test_when_one_of_two_dies_freezes_or_is_asked_to_stop(launch, tmp_path):
    options = ("--strategy", "multi_worker", "--validate_every", 25)
    whole, directory = tmp_path / "whole", tmp_path / "run"
    finish(launch("run.py", whole, *options, workers=2))

    chief, other = launch("run.py", directory, *options, workers=2)
    wait_for_step([chief, other], directory, 40)
    other.kill()
    print(f"the chief ended {check_that_it_notices(chief):.1f} s after the other was killed")
    other.communicate()

    chief, other = launch("run.py", directory, *options, workers=2)
    wait_for_step([chief, other], directory, 70)
    chief.send_signal(signal.SIGSTOP)  # as a machine that hangs, or whose network is gone: its connections stay open
    try:
        print(f"the other ended {check_that_it_notices(other):.1f} s after the chief froze")
    finally:
        chief.kill()
        chief.communicate()

    processes = launch("run.py", directory, *options, workers=2)
    wait_for_step(processes, directory, 100)
    processes[1].send_signal(signal.SIGTERM)
    stopped, errors = finish(processes)
    assert stopped[0] == stopped[1] and stopped[0]["interrupted"] and 100 <= stopped[0]["step"] < STEPS
    assert f"Stopped by another worker; a checkpoint of step {stopped[0]['step']} is saved." in errors[0]

    results, _ = finish(launch("run.py", directory, *options, workers=2))
    assert {result["resumed_from"] for result in results} == {stopped[0]["step"]}
    assert {result["step"] for result in results} == {STEPS}
    difference = largest_difference(directory / "final.npz", whole / "final.npz")
    print(f"largest difference of a weight: {difference}")
    assert difference <= 1e-6
    steps = [line["step"] for line in read_log(directory / "log.jsonl") if "loss" in line]
    assert steps == list(range(1, STEPS + 1))
