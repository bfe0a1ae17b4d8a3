import io
import json
import math
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_bert.training import run_log
from keras_bert.training.run_log import RunLog, read_log


def write_run(directory, steps, *, first_step=0, loss=1.0):
    log = RunLog(directory, first_step=first_step)
    for step in steps:
        log.write(step, {"loss": loss})
    log.close()
    return log


def tensorboard_scalars(directory):
    """What TensorBoard's own Python loader reads: dict of tag to (step, value) pairs."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(directory / "tensorboard"))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def event_file(directory):
    (path,) = (directory / "tensorboard").iterdir()
    return path


def test_a_line_holds_the_step_and_its_values_and_is_on_disk_at_once(tmp_path):
    log = RunLog(tmp_path)
    log.write(10, {"loss": np.float32(0.5), "learning_rate": tf.constant(2e-5)})
    log.write(np.int64(20), {"val_accuracy": 1})
    first, second = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(first) == {"step": 10, "loss": 0.5, "learning_rate": pytest.approx(2e-5)}
    assert json.loads(second) == {"step": 20, "val_accuracy": 1.0}
    log.close()


def test_tensorboard_groups_training_validation_and_speed(tmp_path):
    log = RunLog(tmp_path)
    log.write(3, {"loss": 0.5, "gradient_norm": 2, "val_accuracy": 0.75, "tokens_per_second": 100, "padding_share": 0.25})
    log.write(4, {"loss": 0.25})
    written = tensorboard_scalars(tmp_path)  # before close(): a run is watched while it goes
    log.close()
    assert written == {
        "train/loss": [(3, 0.5), (4, 0.25)],
        "train/gradient_norm": [(3, 2.0)],
        "validation/accuracy": [(3, 0.75)],
        "speed/tokens_per_second": [(3, 100.0)],
        "speed/padding_share": [(3, 0.25)],
    }


def test_a_loss_that_is_not_finite_is_null_in_the_log_and_itself_in_tensorboard(tmp_path):
    log = RunLog(tmp_path)
    log.write(1, {"loss": math.nan, "gradient_norm": math.inf})
    log.close()
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "loss": null, "gradient_norm": null}\n'
    assert math.isnan(read_log(tmp_path / "log.jsonl")[0]["loss"])
    assert tensorboard_scalars(tmp_path)["train/gradient_norm"] == [(1, math.inf)]


def test_a_resumed_run_replaces_the_steps_after_its_checkpoint_in_both_logs(tmp_path):
    write_run(tmp_path, [50, 100, 125, 150], loss=1)
    write_run(tmp_path, [130, 160], first_step=100, loss=2)
    series = [(50, 1.0), (100, 1.0), (130, 2.0), (160, 2.0)]
    assert [(line["step"], line["loss"]) for line in read_log(tmp_path / "log.jsonl")] == series
    assert tensorboard_scalars(tmp_path) == {"train/loss": series}


def test_a_fresh_run_starts_both_logs_anew_and_leaves_what_is_not_its_own(tmp_path):
    write_run(tmp_path, [0, 50], loss=1)
    profile = tmp_path / "tensorboard" / "events.out.tfevents.1.host.profile-empty"
    profile.write_bytes(b"")
    write_run(tmp_path, [70], loss=2)
    assert read_log(tmp_path / "log.jsonl") == [{"step": 70, "loss": 2.0}]
    assert tensorboard_scalars(tmp_path) == {"train/loss": [(70, 2.0)]}
    assert profile.exists()


def test_what_a_crash_tore_is_dropped_and_the_whole_lines_stay(tmp_path):
    write_run(tmp_path, [1, 2])
    log, events = tmp_path / "log.jsonl", event_file(tmp_path)
    log.write_bytes(log.read_bytes()[:-5])
    events.write_bytes(events.read_bytes()[:-5])
    assert read_log(log) == [{"step": 1, "loss": 1.0}]
    write_run(tmp_path, [3], first_step=2)
    assert [line["step"] for line in read_log(log)] == [1, 3]
    assert tensorboard_scalars(tmp_path) == {"train/loss": [(1, 1.0), (3, 1.0)]}


class Growing(io.RawIOBase):
    """A file that another process is writing: its end is met in the middle of a line, which goes on after it."""

    def __init__(self, *parts):
        self._parts = list(parts)

    def readable(self):
        return True

    def readinto(self, buffer):
        part = self._parts.pop(0) if self._parts else b""
        buffer[: len(part)] = part
        return len(part)


def test_a_line_may_be_written_on_while_the_log_is_read(monkeypatch):
    log = Growing(b'{"step": 1, "loss": 2.0}\n{"step": 2, "lo', b"", b'ss": 1.0}\n')
    monkeypatch.setattr(run_log, "open", lambda path, **options: io.TextIOWrapper(io.BufferedReader(log), **options), raising=False)
    assert read_log("log.jsonl")[0] == {"step": 1, "loss": 2.0}


@pytest.mark.parametrize("ahead", [0, 3600], ids=["the_same_second", "a_clock_that_was_put_back"])
def test_what_is_resumed_stands_behind_what_is_kept(tmp_path, ahead):
    """By TensorBoard's order: that of the names, of which the seconds may be alike, or in the future."""
    for step, process in ((1, 7), (2, 10), (3, 9)):
        write_run(tmp_path, [step], first_step=step - 1)
        for path in (tmp_path / "tensorboard").glob("*.v2"):
            if not path.name.endswith(".kept.v2"):  # a host whose name comes last, and processes in no order of time
                path.rename(path.with_name(f"events.out.tfevents.{int(time.time()) + ahead:010d}.zzz.{process}.kept.v2"))
    began = time.monotonic()
    write_run(tmp_path, [4, 5], first_step=3)
    assert time.monotonic() - began < 30  # it does not wait for the hour to come
    assert tensorboard_scalars(tmp_path) == {"train/loss": [(step, 1.0) for step in (1, 2, 3, 4, 5)]}
    assert len(list((tmp_path / "tensorboard").iterdir())) == 4


def test_a_line_that_no_run_wrote_is_named(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"loss": 2}\n')
    with pytest.raises(ValueError, match=r"log\.jsonl, line 2: expected a JSON object with a step, got '\{\"loss\": 2\}"):
        RunLog(tmp_path, first_step=1)
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1}\n{"loss": 2}\n'


@pytest.mark.parametrize("first_step", [-1, 1.5])
def test_first_step_is_a_count(tmp_path, first_step):
    with pytest.raises(ValueError, match=f"first_step={first_step}"):
        RunLog(tmp_path, first_step=first_step)


def blue_heights(picture):
    """Height of the lowest training-blue pixel less the highest, panel by panel: rows that hold blue, split where none does."""
    rows = (np.abs(picture.astype(int) - [31, 119, 180]).sum(-1) < 60).any(1)  # matplotlib's tab:blue
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rows.astype(int), [0]])))
    return edges[1::2] - edges[::2]


def test_curves_show_loss_metrics_learning_rate_and_gradient_norm(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it, which picks a backend for all, now fails
    log = RunLog(tmp_path)
    for step in range(1, 101):
        wave = math.sin(step / 5)
        values = {"loss": 2 + wave, "accuracy": wave, "learning_rate": 1e-5 * wave, "gradient_norm": 5 * wave, "tokens_per_second": wave}
        log.write(step, values | ({"val_loss": 1.5 - wave, "val_accuracy": wave / 2} if step % 25 == 0 else {}))
    log.write(101, {"loss": math.nan})
    path = log.draw_curves()
    log.close()
    assert path == str(tmp_path / "training_curves.png")
    picture = tf.io.decode_png(tf.io.read_file(path), channels=3).numpy()
    assert sum(blue_heights(picture) > 30) == 4  # each panel's curve rises and falls; tokens_per_second has none
    orange = np.abs(picture.astype(int) - [255, 127, 14]).sum(-1) < 60
    assert orange.sum() > 500  # the validation points
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["log.jsonl", "tensorboard", "training_curves.png"]


def test_smoothing_averages_the_noise_away_from_the_first_point_on():
    from keras_bert.training.run_log import _smoothed

    noisy = [3.0 + (-1) ** index for index in range(400)]  # 4, 2, 4, 2, ...
    smoothed = _smoothed(noisy)
    assert smoothed[0] == pytest.approx(4.0)
    assert max(abs(value - 3.0) for value in smoothed[40:]) < 0.1
    assert _smoothed([1.0, math.nan, 2.0]) == pytest.approx([1.0, 1.0, 2.0])


def test_without_matplotlib_one_warning_names_the_extra(tmp_path, monkeypatch):
    log = write_run(tmp_path, [1])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # importing it now fails
    with pytest.warns(UserWarning, match=r'pip install "keras3-bert\[plot\]"') as caught:
        assert log.draw_curves() is None
    assert len(caught) == 1
    assert not (tmp_path / "training_curves.png").exists()


def test_an_empty_log_draws_nothing(tmp_path):
    assert write_run(tmp_path, []).draw_curves() is None
