"""Trainer on a model of one weight, whose every step can be had by hand.

The loss is (w - 1)^2, so that SGD at rate 1.1 turns an error e = w - 1 into -1.2 e: from w = 0 the weights are 2.2, -0.44, 2.728, -1.0736.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert.training import Trainer, TrainingModel
from keras_bert.training.run_log import RunLog

WEIGHTS = [2.2, -0.44, 2.728, -1.0736]
ERRORS = [1.2, 1.44, 1.728, 2.0736]


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """Matplotlib would take most of the time."""
    monkeypatch.setattr(RunLog, "draw_curves", lambda self: None)


def batches(target=1.0, count=1):
    return tf.data.Dataset.from_tensors((np.ones([2, 1], "float32"), np.full([2, 1], target, "float32"))).repeat(count)


def endless(batches_taken):
    return batches(count=-1)


def make_trainer(output_dir, *, total_steps=4, validation_data="as training", **options):
    x = keras.Input([1])
    # By names of our own: Keras numbers those that it gives, and a checkpoint is by names.
    model = TrainingModel(x, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="dense")(x))
    metrics = [keras.metrics.MeanAbsoluteError(), keras.metrics.MeanSquaredError("quality")]
    model.compile(keras.optimizers.SGD(1.1, name="sgd"), "mse", metrics=metrics)
    if validation_data == "as training":
        validation_data, options = batches(), {"validate_every": 1} | options
    return Trainer(model, output_dir, total_steps=total_steps, validation_data=validation_data, progress=False, **options)


def weight_of(trainer):
    return float(trainer.model.get_weights()[0][0, 0])


def steps_of(trainer):
    return int(trainer.model.optimizer.iterations.numpy())


class Killed(Exception):
    pass


def killed_at(last_step):
    """A callback that ends a run after a step, as a kill does: that step is neither validated nor saved."""

    def callback(step, values):
        if step == last_step:
            raise Killed

    return [callback]


@pytest.mark.parametrize(
    ("options", "best_step", "best_value"),
    [
        ({"monitor": "val_mean_absolute_error"}, 1, ERRORS[0]),
        ({"monitor": "val_quality", "mode": "min"}, 1, ERRORS[0] ** 2),
        ({"monitor": "val_quality", "mode": "max"}, 4, ERRORS[3] ** 2),
    ],
)
def test_the_best_is_the_least_error_unless_mode_says_otherwise(tmp_path, options, best_step, best_value):
    trainer = make_trainer(tmp_path, **options)
    result = trainer.train(endless)
    assert (result.best_step, result.best_value) == (best_step, pytest.approx(best_value, rel=1e-5))
    assert weight_of(trainer) == pytest.approx(WEIGHTS[best_step - 1], rel=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"monitor": "val_acc"}, "monitor='val_acc' is none of what validation gives: val_loss, val_mean_absolute_error, val_quality$"),
        ({"monitor": "val_quality"}, "monitor='val_quality': its name does not tell .* give mode='min' for less"),
        ({"validation_data": batches().take(0)}, "validation_data is empty"),
        ({"validation_data": batches().filter(lambda *_: False)}, "validation_data is empty"),
        ({"validation_data": batches().map(lambda x, y: (tf.ones([2, 3]), y))}, r"incompatible|expected"),
    ],
    ids=["name", "direction", "empty", "empty_unknown", "shape"],
)
def test_what_validation_would_fail_with_is_told_before_step_1(tmp_path, options, words):
    trainer = make_trainer(tmp_path, **options)
    with pytest.raises(ValueError, match=words):
        trainer.train(endless)
    assert steps_of(trainer) == 0 and weight_of(trainer) == 0
    assert not list(tmp_path.iterdir())


def test_the_look_at_a_batch_before_step_1_changes_no_step(tmp_path):
    """Nor what the log says of it, whose metrics it has counted in."""
    validation = batches(target=5.0)
    lines = {}
    for name, data in (("with", validation), ("without", None)):
        trainer = make_trainer(tmp_path / name, validation_data=data, log_every=1, restore_best=False)
        lines[name] = [{key: line[key] for key in ("loss", "mean_absolute_error")} for line in trainer.train(endless).log if "loss" in line]
        assert weight_of(trainer) == pytest.approx(WEIGHTS[3], rel=1e-5)
    assert lines["with"] == lines["without"]
    assert [line["mean_absolute_error"] for line in lines["with"]] == pytest.approx([1.0, *ERRORS[:3]], rel=1e-5)


def test_a_run_that_failed_before_its_first_checkpoint_may_be_started_with_other_values(tmp_path):
    def nothing(batches_taken):
        return batches().filter(lambda *_: False)

    with pytest.raises(ValueError, match="the dataset is empty"):
        make_trainer(tmp_path, config={"batch_size": 1}).train(nothing)
    with pytest.raises(Killed):
        make_trainer(tmp_path, config={"batch_size": 2}, callbacks=killed_at(2)).train(endless)
    assert not (tmp_path / "checkpoints" / "step-00000001").exists()
    trainer = make_trainer(tmp_path, total_steps=3, config={"batch_size": 3})
    assert trainer.train(endless).step == 3
    written = json.loads((tmp_path / "run.json").read_text())
    assert written["config"] == {"batch_size": 3, "seed": 0, "total_steps": 3}
    with pytest.raises(ValueError, match=r"holds a run with batch_size=3 \(now 4\); start with the same values to go on with it"):
        make_trainer(tmp_path, total_steps=3, config={"batch_size": 4}).train(endless)
    assert json.loads((tmp_path / "run.json").read_text()) == written


def test_a_run_goes_on_with_another_monitor_and_patience(tmp_path, capfd):
    with pytest.raises(Killed):
        make_trainer(tmp_path, checkpoint_every=1, callbacks=killed_at(3)).train(endless)
    # By the loss the best was step 1; of it alone are the weights, so that by the greatest error it is the best of what is left.
    trainer = make_trainer(tmp_path, monitor="val_mean_absolute_error", mode="max", patience=2, checkpoint_every=1)
    trainer.progress = True
    result = trainer.train(endless)
    assert (result.resumed_from, result.best_step, result.best_value) == (2, 4, pytest.approx(ERRORS[3], rel=1e-5))
    told = "The best is now chosen by val_mean_absolute_error (max). Of the validations so far, it is step 1, of 1.2."
    assert told in capfd.readouterr().err
    written = json.loads((tmp_path / "run.json").read_text())
    assert (written["monitor"], written["mode"], written["patience"]) == ("val_mean_absolute_error", "max", 2)


def test_more_patience_takes_a_run_further_that_ended_early(tmp_path):
    assert make_trainer(tmp_path, patience=1).train(endless).step == 2
    result = make_trainer(tmp_path, patience=2).train(endless)
    assert (result.resumed_from, result.step, result.stopped_early) == (2, 3, True)


def test_the_best_that_is_told_is_the_one_whose_weights_are_kept(tmp_path):
    """Killed after a validation and before its checkpoint, and gone on from by other validations."""
    # Beside 2.7 the weights of steps 1 to 4 are off by 0.5, 3.14, 0.028 and 3.77.
    options = {"validation_data": batches(target=2.7), "monitor": "val_mean_absolute_error", "checkpoint_every": 2}
    with pytest.raises(Killed):
        make_trainer(tmp_path, validate_every=1, callbacks=killed_at(4), **options).train(endless)
    trainer = make_trainer(tmp_path, **options)
    result = trainer.train(endless)
    assert (result.resumed_from, result.best_step, result.best_value) == (2, 3, pytest.approx(0.028, rel=1e-3))
    assert weight_of(trainer) == pytest.approx(WEIGHTS[2], rel=1e-5)


def test_validation_is_evaluated_as_the_training_data_says(tmp_path):
    """By the options that dataset_fn has: here a callback that counts batches."""

    class Count(keras.callbacks.Callback):
        batches = 0

        def on_test_batch_end(self, batch, logs=None):
            self.batches += 1

    count, validation = Count(), batches(count=5)
    asked = []

    def dataset_fn(batches_taken):
        return endless(batches_taken)

    dataset_fn.evaluate_options = lambda data: asked.append(data) or {"callbacks": [count]}
    make_trainer(tmp_path, total_steps=1, validation_data=validation).train(dataset_fn)
    assert asked == [validation]
    assert count.batches == 1 + 5  # one before step 1, all of them at the end


def scores_by_weight(trainer, asked):
    """A validation's own figure: the weight that it meets. Args: asked: list that gets the steps. Returns: function."""

    def scores(step):
        asked.append(step)
        return {"rougeL": weight_of(trainer)}

    return scores


def test_the_best_may_be_by_a_score_of_ones_own(tmp_path):
    asked = []
    trainer = make_trainer(tmp_path, validation_scores=lambda step: scores_by_weight(trainer, asked)(step), monitor="val_rougeL")
    result = trainer.train(endless)
    assert asked == [None, 1, 2, 3, 4]
    assert (result.best_step, result.best_value) == (3, pytest.approx(WEIGHTS[2], rel=1e-5))
    assert [line["val_rougeL"] for line in result.log if "val_loss" in line] == pytest.approx(WEIGHTS, rel=1e-5)
    wrong = make_trainer(tmp_path / "other", validation_scores=lambda step: {"rougeL": 0.0}, monitor="val_chrf")
    with pytest.raises(ValueError, match=r"monitor='val_chrf' is none of what validation gives: val_loss, .*val_rougeL$"):
        wrong.train(endless)


def test_a_killed_run_keeps_its_best_score_and_what_is_left_of_its_patience(tmp_path):
    """Step 3 is the best, so that with patience for two validations the run ends at step 5, in whichever process."""

    def start(**options):
        asked = []

        def scores(step):
            asked.append(step)
            return {"rougeL": float(step == 3)}

        options |= {"monitor": "val_rougeL", "patience": 2, "checkpoint_every": 1}
        return make_trainer(tmp_path, total_steps=9, validation_scores=scores, **options), asked

    first, _ = start(callbacks=killed_at(5))
    with pytest.raises(Killed):
        first.train(endless)
    second, asked = start()
    result = second.train(endless)
    assert asked == [None, 5] and result.resumed_from == 4
    assert (result.step, result.stopped_early, result.best_step, result.best_value) == (5, True, 3, 1.0)
    assert weight_of(second) == pytest.approx(WEIGHTS[2], rel=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"total_steps": 0}, "total_steps=0 is not a whole number from 1"),
        ({"total_steps": True}, "total_steps=True is not a whole number from 1"),
        ({"validate_every": 2.5}, "validate_every=2.5 is not a whole number"),
        ({"patience": "3"}, "patience='3' is not a whole number"),
        ({"checkpoint_every": None}, "checkpoint_every=None is not a whole number"),
        ({"log_every": float("inf")}, "log_every=inf is not a whole number"),
        ({"keep": None}, "keep=None is not a whole number"),
        ({"seed": 0.5}, "seed=0.5 is not a whole number of 32 bits"),
        ({"seed": 2**31}, "seed=2147483648 is not a whole number of 32 bits"),
        ({"restore_best": "no"}, "restore_best='no' is neither True nor False"),
        ({"progress": 1}, "progress=1 is neither True nor False"),
        ({"config": ["batch_size"]}, r"config=\['batch_size'\] is not a dict"),
        ({"callbacks": print}, "callbacks=.* is not a list of functions"),
        ({"callbacks": [keras.callbacks.Callback()]}, "callbacks=.* is not a list of functions"),
        ({"monitor": "accuracy"}, "monitor='accuracy' is no value of the validation"),
        ({"mode": "least"}, "mode='least' is not one of auto, min, max"),
        ({"validation_data": None, "patience": 1}, "patience, validate_every and validation_scores want validation_data"),
        ({"validation_data": None, "validation_scores": dict}, "validation_scores want validation_data"),
        (
            {"validation_data": batches(), "patience": 1},
            "patience=1 needs validate_every: without it there is one validation",
        ),
        ({"validation_data": iter([])}, "validation_data is an iterator, which gives its batches once"),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path, options, words):
    arguments = {"total_steps": 4, "progress": False} | options
    arguments.setdefault("validation_data", batches())
    model = TrainingModel(x := keras.Input([1]), x)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=words):
        Trainer(model, tmp_path, **arguments)


def test_a_model_that_is_not_compiled_is_told(tmp_path):
    with pytest.raises(ValueError, match="the model is not compiled"):
        Trainer(TrainingModel(x := keras.Input([1]), x), tmp_path, total_steps=1)
