"""A run by the clock, on a clock that goes on by 10 seconds an update."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert.training import TimeBudget, Trainer, TrainingModel, create_optimizer, time_budget
from keras_bert.training.run_log import RunLog


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(RunLog, "draw_curves", lambda self: None)

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(time_budget, "time", clock)
    return clock


def train(directory, clock, *, killed_at=None, **part):
    keras.utils.clear_session()  # an optimizer is numbered in its process, and a checkpoint is by names
    x = keras.Input([1])
    model = TrainingModel(x, keras.layers.Dense(1, use_bias=False, name="dense")(x))
    budget = TimeBudget(1, **part)
    model.compile(create_optimizer(0.6, total_steps=100, warmup_steps=0, time_budget=budget), "mse")

    def tick(step, values):
        clock.now += 10
        if step == killed_at:
            raise KeyboardInterrupt

    batch = (np.ones([2, 1], "float32"), np.ones([2, 1], "float32"))
    options = {"total_steps": 10**9, "log_every": 1, "checkpoint_every": 1, "time_budget": budget, "callbacks": [tick], "progress": False}
    return Trainer(model, directory, **options).train(lambda taken: tf.data.Dataset.from_tensors(batch).repeat())


def rates(result):
    return pytest.approx([line["learning_rate"] for line in result.log if "learning_rate" in line], abs=1e-6)


def test_the_clock_ends_the_run_and_decides_the_rate(tmp_path, clock):
    """After 0, 10, 20, ... of 60 seconds the rate is 0.6, 0.5, 0.4, ...: the last update ends after the budget."""
    result = train(tmp_path, clock)
    assert result.step == 7 and not result.interrupted
    assert rates(result) == [0.6, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert train(tmp_path, clock).step == 7  # it is over, and stays so


def test_a_run_goes_on_with_the_time_that_it_had_used(tmp_path, clock):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, clock, killed_at=4)
    clock.now += 10_000  # in which nobody trained
    result = train(tmp_path, clock)
    assert (result.step, result.resumed_from) == (7, 3)


def test_a_phase_has_its_part_of_the_schedule(tmp_path, clock):
    result = train(tmp_path, clock, begin=0.5, end=1.0)
    assert rates(result) == [0.3, 0.3, 0.2, 0.1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"minutes": 0}, "minutes=0 is not a positive number"), ({"minutes": 1, "begin": 0.5, "end": 0.5}, "are no part of 0 to 1")],
)
def test_budgets_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        TimeBudget(**arguments)
