"""What a run writes down of itself: log.jsonl, TensorBoard scalars, and at the end training_curves.png.

    directory/
      log.jsonl               {"step": 100, "loss": 0.41, "learning_rate": 2e-05, ...}, one object a line
      tensorboard/            the same numbers as train/loss, validation/accuracy, speed/tokens_per_second, ...
      training_curves.png

A run that was stopped after step 150 and goes on from a checkpoint of step 100 computes steps 101 to 150 again. Both logs
are cut back to step 100 first, so that each stays one series in which every step stands once.
"""

import contextlib
import glob
import json
import math
import os
import re
import time
import warnings

from keras_bert.files import replaced_file

LOG = "log.jsonl"
CURVES = "training_curves.png"
EVENTS = "tensorboard"
_EVENT_FILE = re.compile(r"events\.out\.tfevents\.(\d{10})\.(.*\.v2)")

# Values that tell of the machine rather than of the model: a group of their own in TensorBoard, and not among the curves.
SPEED = ("examples_per_second", "tokens_per_second", "padding_share", "flops_per_second", "peak_share")


class RunLog:
    """Writes the numbers of a run as they come. Under several workers only the chief makes one.

    A line that the directory's logs hold of a step after first_step is dropped, and so is a last line that was torn by a
    crash; first_step=0 starts both logs anew. A TensorBoard that is open meanwhile sees the repeated steps too: by default
    (its data server) a repeated step replaces what stood from there on, with --load_fast=false both show until a restart.

    Args:
        directory: where the files go; made where it is missing.
        first_step: optimizer updates already done: the step of the checkpoint that the run goes on from.
    Raises: ValueError where first_step is no whole number of 0 or more, or log.jsonl holds what no run has written.
    """

    def __init__(self, directory, *, first_step=0):
        import tensorflow as tf

        if int(first_step) != first_step or first_step < 0:
            raise ValueError(f"first_step={first_step!r} is not a whole number of updates, 0 or more")
        self.directory = os.path.abspath(os.fspath(directory))
        self.path = os.path.join(self.directory, LOG)
        events = os.path.join(self.directory, EVENTS)
        os.makedirs(events, exist_ok=True)
        _cut_log(self.path, first_step)
        # ".v2" ends the names that tf.summary gives; what a profiler left here is not ours.
        for path in glob.glob(os.path.join(glob.escape(events), "events.out.tfevents.*.v2")):
            _cut_events(path, first_step)
        _put_before_now(events)
        self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 (open until close())
        self._summaries = tf.summary.create_file_writer(events)

    def write(self, step, values):
        """Add the values of a step to both logs; they are on disk when this returns.

        Args:
            step: optimizer updates done.
            values: dict of name to number. A name with "val_" in front is of the validation set. One that is NaN or
                infinite stands as null in log.jsonl, since JSON has no word for it; TensorBoard shows it as it is.
        """
        import tensorflow as tf

        step, values = int(step), {name: float(value) for name, value in values.items()}
        self._file.write(_line({"step": step} | values))
        self._file.flush()
        summary = tf.compat.v1.Summary()
        for name, value in values.items():
            summary.value.add(tag=_tag(name), simple_value=value)
        # One event for all values: a tf.summary.scalar each would be as many operations and records.
        with self._summaries.as_default():  # and flushed, where the block ends
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=step)

    def draw_curves(self, path=None):
        """Draw log.jsonl: the loss above, and below it each metric, the learning rate and the gradient norm, over the steps.

        Args: path: PNG file to write; None: training_curves.png in the run's directory.
        Returns: the path; None where log.jsonl has no line yet, or where matplotlib is missing, which a warning tells.
        """
        path = os.path.join(self.directory, CURVES) if path is None else os.fspath(path)
        lines = read_log(self.path)
        if not lines:
            return None
        try:
            from matplotlib.figure import Figure  # without pyplot: it draws to files, and leaves the user's backend alone
        except ImportError:
            warnings.warn(f'{os.path.basename(path)} needs matplotlib: pip install "keras3-bert[plot]"', stacklevel=2)
            return None
        names = _panels(lines)
        heights = [3] + [1.5] * (len(names) - 1)
        figure = Figure(figsize=(9, 1 + sum(heights)), dpi=120, layout="constrained")
        panels = figure.subplots(len(names), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, name in zip(panels, names, strict=True):
            _draw_panel(axes, lines, name)
        panels[-1].set_xlabel("step (optimizer updates)")
        figure.suptitle(f"Training curves of {os.path.basename(self.directory)}")
        with replaced_file(path) as aside:
            figure.savefig(aside, format="png")
        return path

    def close(self):
        """Close the files. draw_curves still works."""
        self._file.close()
        self._summaries.close()


def read_log(path):
    """Read a log.jsonl, also one that is being written.

    Args: path: the file.
    Returns: list of dicts, each with "step", an int, and floats; a null comes as NaN. A torn last line is left out.
    Raises: ValueError naming file and line where a line is no JSON object with a step.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        *whole, _ = file.read().split("\n")  # at once: between two reads of lines, a torn one could be written to its end
    lines = []
    for number, text in enumerate(whole, 1):
        try:
            values = json.loads(text)
            step = values.pop("step")
            lines.append({"step": int(step)} | {name: math.nan if value is None else float(value) for name, value in values.items()})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{os.fspath(path)}, line {number}: expected a JSON object with a step, got {text[:60]!r}") from error
    return lines


def _line(values):
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    return json.dumps(finite, allow_nan=False) + "\n"


def _tag(name):
    if name in SPEED:
        return f"speed/{name}"
    return f"validation/{name[4:]}" if name.startswith("val_") else f"train/{name}"


def _cut_log(path, last_step):
    kept = [line for line in read_log(path) if line["step"] <= last_step] if last_step and os.path.exists(path) else []
    with replaced_file(path) as aside, open(aside, "w", encoding="utf-8") as file:
        file.writelines(_line(line) for line in kept)


def _cut_events(path, last_step):
    """Drop an event file's records after last_step, and one that a crash has torn; at last_step 0 the whole file."""
    import tensorflow as tf

    if last_step == 0:
        os.remove(path)
        return
    with replaced_file(path) as aside, tf.io.TFRecordWriter(aside) as writer, contextlib.suppress(tf.errors.DataLossError):
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            if tf.compat.v1.Event.FromString(record).step <= last_step:
                writer.write(record)


def _put_before_now(directory):
    """Rename the event files kept in a directory so that one made from now on comes behind them.

    TensorBoard reads the files of a directory in the order of their names, events.out.tfevents.SECONDS.HOST.PID.NUMBER.v2. Files of one
    second stand in no order of time ("10" is before "9"), and a clock that was put back gives earlier seconds.
    """
    kept = sorted(match.string for match in map(_EVENT_FILE.fullmatch, os.listdir(directory)) if match)
    renamed, last = [], int(time.time()) - 1
    for name in reversed(kept):
        seconds, rest = _EVENT_FILE.fullmatch(name).groups()
        if int(seconds) > last:
            renamed.append((name, f"events.out.tfevents.{last:010d}.{rest}"))
            last -= 1
        else:
            last = int(seconds)
    for old, new in reversed(renamed):  # the earliest first: none is in another's way
        os.rename(os.path.join(directory, old), os.path.join(directory, new))


def _panels(lines):
    """The values that get a panel: loss first, then the metrics as they come, then learning rate and gradient norm."""
    names = dict.fromkeys(name.removeprefix("val_") for line in lines for name in line if name != "step" and name not in SPEED)
    order = {"loss": 0, "learning_rate": 2, "gradient_norm": 3}
    return sorted(names, key=lambda name: order.get(name, 1)) or ["loss"]


def _draw_panel(axes, lines, name):
    label = name.replace("_", " ")
    steps, values = _series(lines, name)
    if name == "loss":
        axes.plot(steps, values, color="tab:blue", alpha=0.3, linewidth=0.8, label="as logged")
        axes.plot(steps, _smoothed(values), color="tab:blue", linewidth=1.8, label="smoothed")
    elif steps:
        axes.plot(steps, values, color="tab:blue", linewidth=1.2, label="training")
    steps, values = _series(lines, f"val_{name}")
    if steps:
        axes.plot(steps, values, color="tab:orange", marker="o", markersize=5, linewidth=1, label="validation")
    if name == "loss" or steps:
        axes.legend()
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)


def _series(lines, name):
    points = [(line["step"], line[name]) for line in lines if name in line]
    return [step for step, _ in points], [value for _, value in points]


def _smoothed(values, *, share=0.02):
    """Exponential average over about `share` of the points, without the pull towards its start; NaN and infinity are passed over.

    At few points, 1 / share or less, it is the values themselves.
    Source: Kingma & Ba 2015, section 3 (the correction of the start), as TensorBoard smooths.
    """
    rate = min(1.0, 1 / max(share * len(values), 1))
    total, weight, smoothed = 0.0, 0.0, []
    for value in values:
        if math.isfinite(value):
            total += rate * (value - total)
            weight += rate * (1 - weight)
        smoothed.append(total / weight if weight else math.nan)
    return smoothed
