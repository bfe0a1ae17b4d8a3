"""TimeBudget: a run that ends by the clock, and a schedule that goes by it."""

import math
import time

import keras
import tensorflow as tf


class TimeBudget:
    """A share of a number of minutes, counted over all processes of a run: one that was killed goes on from its last checkpoint's time.

        budget = TimeBudget(30)
        model.compile(optimizer=create_optimizer(1e-3, total_steps=1000, warmup_steps=100, time_budget=budget))
        Trainer(model, "run", total_steps=10**9, time_budget=budget).train(dataset_fn)

    How many updates there are, and the rate of each, then hangs on the machine and its load. Such a run goes on after a kill, but not to
    the weights of one that was not killed.

    Args:
        minutes: of the whole run, validation and checkpoints among them.
        begin, end: the part of it that this budget is for, from 0 to 1: a phase.
        share: the tf.Variable of another phase's budget, which goes on in this one; None makes one.
    Raises: ValueError naming the value that does not fit.
    Source: Izsak et al. 2021, "How to train BERT with an academic budget", section 3 (a schedule that the time budget decides).
    """

    def __init__(self, minutes, *, begin=0.0, end=1.0, share=None):
        if not (minutes > 0 and math.isfinite(minutes)):
            raise ValueError(f"minutes={minutes!r} is not a positive number")
        if not 0 <= begin < end <= 1:
            raise ValueError(f"begin={begin!r} and end={end!r} are no part of 0 to 1")
        self.minutes = float(minutes)
        self.begin, self.end = float(begin), float(end)
        self.share = tf.Variable(float(begin), trainable=False, dtype=tf.float32) if share is None else share
        self._seconds_before, self._started = 0.0, None

    @property
    def total_seconds(self):
        return self.minutes * 60 * (self.end - self.begin)

    @property
    def seconds(self):
        """Seconds used so far."""
        return self._seconds_before + (0.0 if self._started is None else time.monotonic() - self._started)

    @property
    def is_over(self):
        return self.seconds >= self.total_seconds

    @property
    def used(self):
        """Whole seconds used so far, of `whole`."""
        return int(min(self.seconds, self.total_seconds))

    @property
    def whole(self):
        """What a progress bar counts up to: seconds."""
        return max(1, int(self.total_seconds))

    def done(self, step):
        """Returns: int, how much of `whole` is done. Args: step: of the run."""
        return self.used

    def start(self, seconds_before=0.0):
        """Begin to count. Args: seconds_before: used by earlier processes."""
        self._seconds_before, self._started = float(seconds_before), time.monotonic()
        self.update()

    def update(self):
        """Tell the schedule the time. Returns: whether it is over."""
        used = min(1.0, self.seconds / self.total_seconds)
        self.share.assign(self.begin + used * (self.end - self.begin))
        return used >= 1.0


class NoBudget:
    """In place of a TimeBudget where updates alone end the run. Args: total_steps: of the run."""

    is_over = False
    used = seconds = 0

    def __init__(self, total_steps):
        self.whole = total_steps

    def done(self, step):
        return step

    def start(self, seconds_before=0):
        """There is nothing to count."""

    def update(self):
        return False


@keras.saving.register_keras_serializable(package="keras_bert")
class ClockSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of updates, read by the clock: as far as the time has come is how far in its total_steps it is.

    Args: schedule: one of training.schedules. budget: TimeBudget; None: the schedule by updates, as a file gives it back.
    """

    def __init__(self, schedule, budget=None):
        self.schedule = schedule
        self.budget = budget

    def __call__(self, step):
        if self.budget is None:
            return self.schedule(step)
        return self.schedule(tf.convert_to_tensor(self.budget.share) * self.schedule.total_steps)

    def get_config(self):
        return {"schedule": keras.saving.serialize_keras_object(self.schedule)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["schedule"]))
