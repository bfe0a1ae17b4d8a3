"""A run that is killed, asked to stop, out of disk or out of data, and started again."""

import json
import os
import random
import re
import shutil
import signal
import sys
import time

import numpy as np
import pytest

from keras_bert.training.run_log import read_log

STEPS = 160  # of programs/run.py
OWN_VALUES = ("loss", "gradient_norm", "learning_rate", "val_loss")  # those of the log that are not of the machine


@pytest.fixture(scope="module")
def start(root, fresh_python):
    """Start programs/run.py. Args: its arguments. Returns: the process."""
    environment = os.environ | {"PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": ""}
    program = root / "tests" / "training" / "programs" / "run.py"

    def run(*arguments):
        command = [sys.executable, str(program), *map(str, arguments)]
        return fresh_python.Popen(command, env=environment)

    return run


def finish(process, *, expected=0):
    """Returns: the last line that it printed, read as JSON where it ended well; what it wrote to stderr."""
    output, errors = process.communicate()
    assert process.returncode == expected, errors[-4000:]
    return (json.loads(output.splitlines()[-1]) if expected == 0 else None), errors


def last_step(directory):
    path = directory / "log.jsonl"
    lines = read_log(path) if path.exists() else []
    return lines[-1]["step"] if lines else 0


def send_at(process, directory, step, number):
    """Send a signal once the log has come to a step. Returns: the step that it had come to."""
    while last_step(directory) < step:
        assert process.poll() is None, process.communicate()[1][-4000:]
        time.sleep(0.002)
    process.send_signal(number)
    return last_step(directory)


def kill_at(process, directory, step):
    send_at(process, directory, step, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def own_values(directory):
    """The log without what tells of the machine's speed."""
    lines = read_log(directory / "log.jsonl")
    return [{name: value for name, value in line.items() if name in ("step", *OWN_VALUES)} for line in lines]


def check_same_end(directory, other):
    first, second = np.load(directory / "final.npz"), np.load(other / "final.npz")
    assert first.files == second.files
    differences = [float(np.abs(first[name] - second[name]).max()) for name in first.files]
    print(f"largest difference of a weight: {max(differences)}")
    assert max(differences) <= 1e-6
    log = own_values(directory)
    steps = [line["step"] for line in log if "loss" in line]
    assert steps == list(range(1, steps[-1] + 1))
    assert len(log) == len(own_values(other))
    for line, expected in zip(log, own_values(other), strict=True):
        assert line == pytest.approx(expected, abs=1e-6, nan_ok=True)


def checkpoints(directory):
    return sorted(name for name in os.listdir(directory / "checkpoints") if name.startswith("step-"))


@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(start, tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    options = ("--total_steps", 100)
    kill_at(start(killed, *options), killed, 40)
    there = int(checkpoints(killed)[-1].removeprefix("step-"))
    done = start(killed, whole, *options)  # one after the other: to start TensorFlow takes longer than either
    output, errors = done.communicate()
    assert done.returncode == 0, errors[-4000:]
    first, second = map(json.loads, output.splitlines()[-2:])
    assert first["resumed_from"] == there >= 35 and second["resumed_from"] == 0
    assert f"Going on from the checkpoint of step {there} in {killed}" in errors
    check_same_end(killed, whole)


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    """A run that nothing interrupted, in a process of its own; it validates too."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    result, _ = finish(start(directory, "--validate_every", 25))
    assert result["step"] == STEPS and not result["interrupted"] and result["resumed_from"] == 0
    return directory, result


@pytest.mark.slow
def test_killed_at_five_steps(start, whole, tmp_path):
    directory = tmp_path / "run"
    for step in sorted(random.Random(11).sample(range(5, STEPS - 20), 5)):
        kill_at(start(directory, "--validate_every", 25), directory, step)
    result, _ = finish(start(directory, "--validate_every", 25))
    assert result["resumed_from"] > STEPS // 2
    assert {name: result[name] for name in ("step", "best_step", "best_value")} == {
        name: whole[1][name] for name in ("step", "best_step", "best_value")
    }
    check_same_end(directory, whole[0])


@pytest.mark.slow
def test_asked_to_stop_it_saves_and_the_same_command_goes_on(start, tmp_path):
    """With all the state that a run may have: averages of the weights, the scale of a float16 loss."""
    directory, whole = tmp_path / "stopped", tmp_path / "whole"
    options = ("--accumulate", 2, "--dtype", "mixed_float16", "--ema_momentum", 0.9, "--validate_every", 25)
    for number in (signal.SIGTERM, signal.SIGINT):
        process = start(directory, *options)
        seen = send_at(process, directory, last_step(directory) + 40, number)
        result, errors = finish(process)
        assert result["interrupted"] and seen <= result["step"] < STEPS
        assert checkpoints(directory)[-1] == f"step-{result['step']:08d}"
        assert f"Stopped by {number.name}; a checkpoint of step {result['step']} is saved" in errors
        assert not (directory / "final.npz").exists()
    done = start(directory, whole, *options)
    output, errors = done.communicate()
    assert done.returncode == 0, errors[-4000:]
    assert json.loads(output.splitlines()[-2])["resumed_from"] == result["step"]
    check_same_end(directory, whole)


@pytest.mark.slow
def test_a_finished_run_trains_nothing_and_leaves_the_same_model(start, whole):
    directory, first = whole
    before, log = dict(np.load(directory / "final.npz")), (directory / "log.jsonl").read_bytes()
    result, _ = finish(start(directory, "--validate_every", 25))
    assert result == first | {"resumed_from": STEPS}
    after = np.load(directory / "final.npz")
    for name, weight in before.items():
        np.testing.assert_array_equal(after[name], weight)
    assert (directory / "log.jsonl").read_bytes() == log


@pytest.mark.slow
def test_a_broken_checkpoint_and_a_full_disk_cost_no_more_than_the_steps_since(start, whole, tmp_path):
    directory = tmp_path / "run"
    kill_at(start(directory, "--validate_every", 25), directory, 100)
    older, newest = checkpoints(directory)
    state = directory / "checkpoints" / newest / "state.safetensors"
    os.truncate(state, os.path.getsize(state) // 2)
    # A checkpoint is of 190 kB; the logs, of some 60, still find room.
    _, errors = finish(start(directory, "--validate_every", 25, "--largest_file", 150_000), expected=1)
    assert re.search(rf"checkpoint .*{newest} is skipped: ", errors)
    assert f"Going on from the checkpoint of step {int(older.removeprefix('step-'))} " in errors
    assert re.search(r"CheckpointSaveError: .* the checkpoint of step \d+ was not saved to .*: File too large\. It needs", errors), errors
    assert older in checkpoints(directory)

    result, _ = finish(start(directory, "--validate_every", 25))
    assert result["resumed_from"] == int(older.removeprefix("step-"))
    check_same_end(directory, whole[0])


@pytest.mark.slow
def test_another_configuration_is_refused(start, whole, tmp_path):
    directory = shutil.copytree(whole[0], tmp_path / "run")
    _, errors = finish(start(directory, "--validate_every", 25, "--batch_size", 8, "--learning_rate", 1e-4), expected=1)
    assert f"{directory} holds a run with batch_size=16 (now 8), learning_rate=0.001 (now 0.0001); start with the same values" in errors


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(start, tmp_path):
    # Batch 30 is that of step 31. The log is of every 20 steps: it is named all the same.
    _, errors = finish(start(tmp_path / "nan", "--nan_at", 30, "--log_every", 20), expected=1)
    assert "FloatingPointError: loss is nan at step 31; training stopped. Usual mends: a lower learning rate" in errors
    assert "The checkpoint of step 28 is kept." in errors
    assert checkpoints(tmp_path / "nan") == ["step-00000021", "step-00000028"]
    _, errors = finish(start(tmp_path / "rate", "--learning_rate", 1e30), expected=1)
    assert re.search(r"FloatingPointError: (loss|gradient norm) is (nan|inf) at step [234]; ", errors), errors[-2000:]
    assert "No checkpoint was saved before." in errors
    assert not (tmp_path / "rate" / "checkpoints").exists()


@pytest.mark.slow
def test_data_that_ends_early_is_told(start, tmp_path):
    _, errors = finish(start(tmp_path / "known", "--ends_after", 50, "--accumulate", 2, "--end_is_known"), expected=1)
    assert f"the dataset ends early: it has 50 batches, and steps 1 to total_steps={STEPS} take {2 * STEPS}; repeat the data" in errors
    assert last_step(tmp_path / "known") == 0
    _, errors = finish(start(tmp_path / "unknown", "--ends_after", 51, "--accumulate", 2), expected=1)
    assert f"the dataset ended after step 26 of total_steps={STEPS}; a checkpoint of it is saved" in errors
    assert checkpoints(tmp_path / "unknown")[-1] == "step-00000026"


@pytest.mark.slow
@pytest.mark.parametrize(("accumulate", "batches"), [(1, 11), (2, 21)])
def test_a_call_of_several_steps_makes_no_more_than_are_wanted_or_there(tmp_path, accumulate, batches):
    import keras
    import tensorflow as tf

    from keras_bert.training import Trainer, TrainingModel

    def trainer(output_dir, total_steps):
        x = keras.Input([2])
        model = TrainingModel(x, keras.layers.Dense(1)(x))
        model.compile(keras.optimizers.SGD(0.1), "mse", steps_per_execution=3, gradient_accumulation_steps=accumulate)
        return Trainer(model, output_dir, total_steps=total_steps, log_every=1, progress=False)

    one = tf.data.Dataset.from_tensors((np.ones([4, 2], "float32"), np.ones([4, 1], "float32")))
    wanted = trainer(tmp_path / "wanted", 20)
    assert wanted.train(lambda taken: one.repeat()).step == 20
    assert int(wanted.model.optimizer.iterations.numpy()) == 20

    there = trainer(tmp_path / "there", 20)
    with pytest.raises(ValueError, match="the dataset ended after step 11 of total_steps=20; a checkpoint of it is saved"):
        there.train(lambda taken: one.repeat(batches).filter(lambda *_: True))
    assert int(there.model.optimizer.iterations.numpy()) == 11
    assert checkpoints(tmp_path / "there") == ["step-00000011"]
