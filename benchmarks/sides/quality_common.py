"""What the sides of the suite quality share: the same examples in the same batches, and the clock. NumPy and the standard library only.

The data of a task, a JSON file: {"train": {name: values}, "padding": {name: number}, ...}. A name is of a model input or "labels"; its
values, one an example, are numbers, rows, which are lists of whole numbers of various lengths, or lists of rows. Others are the task's.
"""

import time

import bert_common
import numpy as np
import side

ANSWERED_ROWS = 32  # at once


class QualitySide:
    """Trains a model as often as it is asked, each time from the checkpoint. The subclass gives `load`, `train` and `answers`.

    Settings: directory: the checkpoint, a Transformers directory. without_dropout: the same without dropout. data: path of the task's data.
        learning_rate: the peak, reached after a tenth of the steps, from where it falls to 0. epsilon: Adam's; check_epsilon: of what is
        compared with another side's. threads.
    """

    libraries = ()  # names of distributions, whose versions are told

    def __init__(self, settings):
        self.settings = settings
        self.versions = bert_common.versions(self.libraries)
        self.data = side.read_json(settings["data"])

    def load(self, directory, *, seed, total_steps, epsilon):
        """Make model and optimizer. Args: seed: of dropout. total_steps: of the schedule. epsilon: Adam's."""
        raise NotImplementedError

    def train(self, batches):
        """One update a batch. Args: batches: list of dicts of int32 arrays. Returns: float: their mean loss."""
        raise NotImplementedError

    def answers(self, part):
        """Returns: for JSON: what the model answers to the examples of that part of the data, as the task's score takes it."""
        raise NotImplementedError

    def write(self, part, arrays):
        """Write answers that are too many for JSON. Args: arrays: list, joined on the first axis. Returns: path of an .npy file."""
        path = f"{self.settings['data']}.{part}.{type(self).__name__}.npy"
        np.save(path, bert_common.concatenated(arrays))
        return path

    def run(self, request):
        """Train. Args: request: steps: lists of places of examples, a list an update. seed: of dropout."""
        batches = [padded(self.data, places) for places in request["steps"]]
        self.load(self.settings["directory"], seed=request["seed"], total_steps=len(batches), epsilon=self.settings["epsilon"])
        start = time.perf_counter()
        loss = self.train(batches)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "loss": loss, "peak_bytes": bert_common.peak_bytes()}

    def outputs(self, request):
        """Args: request: part: of the data, to answer; or steps, as `run`'s: give the loss of each, without dropout."""
        if "part" in request:
            return self.answers(request["part"])
        checked = {"seed": 0, "total_steps": len(request["steps"]), "epsilon": self.settings["check_epsilon"]}
        self.load(self.settings["without_dropout"], **checked)
        return [self.train([padded(self.data, places)]) for places in request["steps"]]


def padded(data, places):
    """A batch of the training examples at these places. Returns: dict of arrays, see array_of."""
    return {name: array_of([values[place] for place in places], data["padding"].get(name)) for name, values in data["train"].items()}


def batches_of(rows, padding):
    """Args: rows: dict of model input -> list of rows. Yields: slice, which rows; dict of int32 arrays [rows, the longest's length]."""
    for first in range(0, len(next(iter(rows.values()))), ANSWERED_ROWS):
        places = slice(first, first + ANSWERED_ROWS)
        yield places, {name: rectangle(column[places], padding[name]) for name, column in rows.items()}


def array_of(values, padding):
    """Args: values: of examples: numbers, rows, or lists of rows.

    Returns: int32 array (of numbers with a point float32): numbers [examples]; rows [examples, the longest's length]; lists of rows
        [rows of all, the longest's length], those of an example one after the other.
    """
    if not isinstance(values[0], list):
        return np.array(values, "float32" if isinstance(values[0], float) else "int32")
    if values[0] and isinstance(values[0][0], list):
        values = [row for rows in values for row in rows]
    return rectangle(values, padding)


def rectangle(rows, padding):
    """Args: rows: lists of numbers. Returns: int32 array [rows, the longest's length]."""
    filled = np.full([len(rows), max(map(len, rows))], padding, "int32")
    for row, numbers in zip(filled, rows, strict=True):
        row[: len(numbers)] = numbers
    return filled
