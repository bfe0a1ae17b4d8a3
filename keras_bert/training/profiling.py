"""Where the time goes: a trace for TensorBoard, and the operations that cost most.

    costs = profile("out/profile", lambda: [step() for _ in range(10)])
    print(cost_table(costs))

    operation                      ms  count  share
    _FusedMatMul               1873.2    490   61 %
    ...

`tensorboard --logdir out/profile` shows the rest (its plug-in is `pip install tensorboard-plugin-profile`). Run what is to be
profiled once or twice before: a first call traces and compiles.
"""

import collections
import contextlib
import dataclasses
import glob
import os
import re

import tensorflow as tf

from keras_bert.training.keras_internals import parsed_trace

# TensorFlow calls a running operation "name:Type"; what else is in a trace has other names, such as EagerKernelExecute.
_OPERATION = re.compile(r"^[^:\s][^:]*:(_?[A-Z]\w*)$")
_DEVICE = "/device:"


@dataclasses.dataclass(frozen=True)
class OperationCost:
    """What all operations of a type cost.

    Args:
        operation: type, as "MatMul" or "_FusedMatMul"; _Mkl at the beginning is oneDNN's. On a GPU, where a kernel tells no type,
            the kernel's name.
        milliseconds: time in them and in nothing that they called, summed over threads or streams.
        count: how often one ran.
        share: of the time of all operations, 0 to 1.
    """

    operation: str
    milliseconds: float
    count: int
    share: float


def profile(directory, steps_function, *, top=10):
    """Call a function under TensorFlow's profiler.

    Args:
        directory: path; the trace goes into directory/plugins/profile/TIME, beside earlier ones.
        steps_function: function without arguments that makes a few steps, and waits for their results.
        top: operations to return.
    Returns: list of OperationCost, the costliest first.
    Raises: tf.errors.AlreadyExistsError where a profiler runs already.
    """
    with tracing(directory):
        steps_function()
    return costliest_operations(directory, top=top)


@contextlib.contextmanager
def tracing(directory):
    """Write a trace of what is done inside. Args: directory: see profile."""
    tf.profiler.experimental.start(os.fspath(directory))
    try:
        yield
    finally:
        tf.profiler.experimental.stop()


def costliest_operations(directory, *, top=10):
    """Read the newest trace.

    Args: directory, top: see profile.
    Returns: list of OperationCost, the costliest first.
    Raises: FileNotFoundError where there is no trace.
    """
    runs = glob.glob(os.path.join(glob.escape(os.fspath(directory)), "plugins", "profile", "*", "*.xplane.pb"))
    if not runs:
        raise FileNotFoundError(f"{directory} holds no trace, plugins/profile/TIME/HOST.xplane.pb; profile(directory, ...) writes one")
    newest = os.path.dirname(max(runs, key=os.path.getmtime))
    spaces = []
    for path in runs:
        if os.path.dirname(path) == newest:
            with open(path, "rb") as file:
                spaces.append(parsed_trace(file.read()))
    return operation_costs([plane for space in spaces for plane in space.planes])[:top]


def operation_costs(planes):
    """What each type of operation costs. Args: planes: list of XPlane. Returns: list of OperationCost, the costliest first."""
    devices = [plane for plane in planes if plane.name.startswith(_DEVICE) and any(line.events for line in plane.lines)]
    picoseconds, counts = collections.Counter(), collections.Counter()
    for plane in devices or planes:  # what a GPU does, its host only waits for
        for line in plane.lines:
            for event, own in _own_durations(line.events):
                operation = _operation_of(event, plane)
                if operation is not None:
                    picoseconds[operation] += own
                    counts[operation] += 1
    total = sum(picoseconds.values())
    return [
        OperationCost(operation, spent / 1e9, counts[operation], spent / total if total else 0.0)
        for operation, spent in picoseconds.most_common()
    ]


def cost_table(costs):
    """A table of text. Args: costs: list of OperationCost. Returns: str."""
    width = max([len("operation"), *(len(cost.operation) for cost in costs)])
    lines = [f"{'operation':{width}}  {'ms':>9}  {'count':>6}  share"]
    lines += [f"{cost.operation:{width}}  {cost.milliseconds:9.1f}  {cost.count:6d}  {cost.share:4.0%}" for cost in costs]
    return "\n".join(lines)


class ProfileSteps:
    """A callback of Trainer that profiles some of the updates that this process makes, and prints what cost most.

    Args: directory: see profile. first, last: updates, counted from the first of this process: those after `first` up to `last`.
    """

    def __init__(self, directory, *, first=10, last=20):
        if not 0 < first < last:
            raise ValueError(f"first={first!r} and last={last!r}: the first is a step from 1, the last one after it")
        self.directory, self.first, self.last = directory, first, last
        self.costs = None  # of the profiled steps, once they are made
        self._began_at = None
        self._running = False

    def __call__(self, step, values):
        if self._began_at is None:
            self._began_at = step - 1
        done = step - self._began_at
        if self.costs is None and not self._running and self.first <= done < self.last:
            tf.profiler.experimental.start(os.fspath(self.directory))
            self._running = True
        elif self._running and done >= self.last:
            self.close()

    def close(self):
        """Stop where the run ended before `last`."""
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()
            self.costs = costliest_operations(self.directory)
            print(f"Where the time goes (tensorboard --logdir {self.directory}):\n{cost_table(self.costs)}", flush=True)


def _own_durations(events):
    """Events of a thread with the time in them that is in none inside. Returns: list of (event, picoseconds)."""
    own, open_events = [], []  # open_events: places in own, outermost first
    for event in sorted(events, key=lambda event: (event.offset_ps, -event.duration_ps)):
        while open_events and _end(own[open_events[-1]][0]) <= event.offset_ps:
            open_events.pop()
        if open_events:
            own[open_events[-1]][1] -= event.duration_ps
        open_events.append(len(own))
        own.append([event, event.duration_ps])
    return own


def _end(event):
    return event.offset_ps + event.duration_ps


def _operation_of(event, plane):
    """The type of an event's operation. Returns: str, or None where the event is no operation."""
    name = plane.event_metadata[event.metadata_id].name
    if plane.name.startswith(_DEVICE):
        for stat in event.stats:
            if plane.stat_metadata[stat.metadata_id].name == "tf_op":
                match = _OPERATION.match(stat.str_value or plane.stat_metadata[stat.ref_value].name)
                return match.group(1) if match else name
        return name
    match = _OPERATION.match(name)
    return match.group(1) if match else None
