"""Trainer: a long run of a model, which a kill, a full disk or a bad batch does not cost.

    trainer = Trainer(model, "run", total_steps=10_000, validation_data=validation, validate_every=500)
    result = trainer.train(dataset_fn)      # the same program started again goes on where the last checkpoint stands

    run/
      run.json                the configuration; see run_file
      log.jsonl, tensorboard/, training_curves.png        see run_log
      checkpoints/            the newest few, and the best; see checkpoint_store

A checkpoint holds weights, optimizer and step. Dropout masks come of seed, step, replica and layer; data order of
dataset_fn: so a run that was killed ends with the weights of one that was not.
"""

import dataclasses
import numbers
import os

import keras
import numpy as np
import tensorflow as tf

from keras_bert.training.averaging import averaged_weights
from keras_bert.training.checkpoint_store import CheckpointStore
from keras_bert.training.distribution import is_chief, is_multi_worker, untuned_devices
from keras_bert.training.guards import check_batches
from keras_bert.training.interval import Interval
from keras_bert.training.monitor import Best
from keras_bert.training.progress import ProgressBar
from keras_bert.training.run_file import check_configuration, write_run
from keras_bert.training.run_log import RunLog, read_log
from keras_bert.training.signals import StopSignals
from keras_bert.training.state import arrays_of, assign_arrays, state_of, weights_of
from keras_bert.training.step import REPORT
from keras_bert.training.time_budget import NoBudget
from keras_bert.training.workers import WorkerLostError, check_that_workers_agree, distributed

CHECKPOINTS = "checkpoints"


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What Trainer.train came to.

    Args:
        step: updates done in all, those before a resume too.
        resumed_from: step of the checkpoint that this process began with; 0: none.
        interrupted: a signal ended it; the same program started again goes on.
        stopped_early: validation had not improved for `patience` validations.
        best_step, best_value: of the monitored value; None where nothing was validated.
        log: list of dicts, the lines of log.jsonl; empty on workers but the chief.
    """

    step: int
    resumed_from: int
    interrupted: bool
    stopped_early: bool
    best_step: int | None
    best_value: float | None
    log: list


class Trainer:
    """Trains a compiled TrainingModel for a number of updates.

    Args:
        model: compiled TrainingModel; made inside its strategy's scope.
        output_dir: path; of several workers, one that all of them see.
        total_steps: updates in the whole run.
        seed: of the dropout masks. Data order is dataset_fn's.
        validation_data: as model.evaluate takes it, or None. One batch is evaluated before step 1, to see that it fits.
        validation_scores: function of the step -> dict of name to number: what a validation gives besides, such as scores of what the model
            writes, with "val_" put in front. Before step 1 it is called with None, to see its names. None: there is none.
        validate_every: updates between validations, and one at the end; None: only that.
        monitor: what the best is chosen by: "val_" and the name of a loss or metric.
        mode: "min" where less of it is better, "max" where more is; "auto": as its name says, see monitor.better_direction.
        patience: validations without improvement after which the run ends; None goes on to total_steps.
        restore_best: leave the model with the best weights at the end, where there was a validation; else the last ones (with
            an optimizer's use_ema, their averages).
        checkpoint_every: updates between checkpoints; there is one at the end, and on SIGTERM and SIGINT.
        keep: newest checkpoints that are kept; the best is besides.
        log_every: updates between lines of the log, each a mean over them.
        config: dict for run.json: what determines the run. Once there is a checkpoint, a start with another one is refused. Leave out
            settings that do not affect training: monitor, mode, patience, validate_every and those of checkpoints and logs may
            change at each start. After a change of monitor or mode, the best so far is compared by the new one.
        progress: show a progress bar.
        time_budget: TimeBudget by whose clock the run ends, if total_steps does not end it before; its model's schedule is a ClockSchedule.
            Not with several workers.
        callbacks: functions (step, values) that are called after each update; values: dict of what the log of this step holds, or
            None where nothing is logged.
    Raises: ValueError naming the value that does not fit.
    """

    def __init__(
        self,
        model,
        output_dir,
        *,
        total_steps,
        seed=0,
        validation_data=None,
        validation_scores=None,
        validate_every=None,
        monitor="val_loss",
        mode="auto",
        patience=None,
        restore_best=True,
        checkpoint_every=500,
        keep=2,
        log_every=20,
        config=None,
        progress=True,
        time_budget=None,
        callbacks=(),
    ):
        for name, value in (
            ("total_steps", total_steps),
            ("validate_every", validate_every),
            ("patience", patience),
            ("checkpoint_every", checkpoint_every),
            ("keep", keep),
            ("log_every", log_every),
        ):
            if not (value is None and name in ("validate_every", "patience")) and not (_is_whole(value) and value >= 1):
                raise ValueError(f"{name}={value!r} is not a whole number from 1")
        if not (_is_whole(seed) and -(2**31) <= seed < 2**31):
            raise ValueError(f"seed={seed!r} is not a whole number of 32 bits, -2147483648 to 2147483647")
        for name, value in (("restore_best", restore_best), ("progress", progress)):
            if not isinstance(value, (bool, np.bool_)):
                raise ValueError(f"{name}={value!r} is neither True nor False")
        if not isinstance(config, (dict, type(None))):
            raise ValueError(f"config={config!r} is not a dict")
        if not isinstance(callbacks, (list, tuple)) or not all(map(callable, callbacks)):
            raise ValueError(f"callbacks={callbacks!r} is not a list of functions (step, values)")
        if not model.compiled:
            raise ValueError("the model is not compiled; call model.compile(optimizer=..., loss=...)")
        if (patience or validate_every or validation_scores) and validation_data is None:
            raise ValueError("patience, validate_every and validation_scores want validation_data")
        if patience and not validate_every:
            raise ValueError(f"patience={patience} needs validate_every: without it there is one validation, at the end")
        if hasattr(validation_data, "__next__"):
            raise ValueError("validation_data is an iterator, which gives its batches once; give a tf.data.Dataset or arrays")
        self.model = model
        self.output_dir = os.path.abspath(os.fspath(output_dir))
        self.total_steps = int(total_steps)
        self.seed = int(seed)
        self.validation_data = validation_data
        self.validation_scores = validation_scores
        self.validate_every = None if validate_every is None else int(validate_every)
        self.monitor = monitor
        self.best = Best(monitor, mode=mode, patience=patience)
        self.restore_best = restore_best
        self.checkpoint_every = int(checkpoint_every)
        self.log_every = int(log_every)
        self.config = {"total_steps": self.total_steps, "seed": self.seed} | (config or {})
        self.strategy = model.distribute_strategy
        self.is_chief = is_chief(self.strategy)
        self.progress = progress and self.is_chief
        self.callbacks = tuple(callbacks)
        self.clock = NoBudget(self.total_steps) if time_budget is None else time_budget
        if time_budget is not None and is_multi_worker(self.strategy):
            raise ValueError("time_budget: clocks of several workers do not agree; give total_steps alone")
        self.store = CheckpointStore(os.path.join(self.output_dir, CHECKPOINTS), keep=keep)
        self._evaluate_options = {}
        self._seconds_before = 0  # of a time budget, used by earlier processes

    # The run.

    def train(self, dataset_fn):
        """Train up to total_steps, from the last checkpoint if there is one.

        Args: dataset_fn: number of batches already taken -> tf.data.Dataset of (contract, labels[, weights]) in global batches
            that goes on from there, with as many as are left or without end. The same number must give the same batches. Where it has
            an attribute `of_worker`, a function (batches taken, worker, workers) -> dataset, each of several workers reads its rows of each
            batch by that. Where it has an attribute `evaluate_options`, a function of validation_data -> dict, those are arguments of
            model.evaluate: training_batches of a task has raw text evaluated in batches such as it trains on.
        Returns: TrainingResult.
        Raises:
            FloatingPointError naming the step whose loss or gradient is no number; older checkpoints are kept.
            ValueError before step 1 where validation gives no `monitor`, or the name does not tell whether less is better; where
                the data is empty, ends early or does not fit; or where output_dir holds another run.
            CheckpointSaveError where the disk is full. WorkerLostError where another worker is gone.
        """
        try:
            return self._train(dataset_fn)
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError) as error:
            if not is_multi_worker(self.strategy):
                raise
            raise WorkerLostError.after(error, self.store.latest()) from error

    def _train(self, dataset_fn):
        step = self.store.latest()
        check_that_workers_agree(self.strategy, step or 0, self.output_dir)
        if step is not None:
            check_configuration(self.output_dir, self.config)
        self._check_validation(dataset_fn)
        measured_anew = step is not None and self._restore(step)
        self.clock.start(self._seconds_before)
        if self.is_chief:
            write_run(self.output_dir, self._description())
        started_at = step = step or 0
        with StopSignals(self.model) as signals:
            log = RunLog(self.output_dir, first_step=step) if self.is_chief else None
            bar = ProgressBar(self.clock.whole, first_step=self.clock.done(step), enabled=self.progress)
            if step:
                bar.write(f"Going on from the checkpoint of step {step} in {self.store.directory}")
            if measured_anew:
                bar.write(self._told_best())
            try:
                step = self._loop(dataset_fn, step, log, bar, signals)
            finally:
                bar.close()
                if log is not None:
                    log.close()
        stopped_early = self.best.is_out_of_patience
        interrupted = step < self.total_steps and not stopped_early and not self.clock.is_over  # on every worker, whichever got the signal
        check_that_workers_agree(self.strategy, step, self.output_dir)  # none reads the best before the chief has written it
        if not interrupted:
            self._finish()
        lines = []
        if log is not None:
            log.draw_curves()
            lines = read_log(log.path)
        return TrainingResult(step, started_at, interrupted, stopped_early, self.best.step, self.best.value, lines)

    def _loop(self, dataset_fn, step, log, bar, signals):
        if step >= self.total_steps or self.best.is_out_of_patience or self.clock.is_over:
            return step
        model = self.model
        batches_each = model.gradient_accumulation_steps
        dataset = check_batches(dataset_fn(step * batches_each), model)
        self._check_length(dataset, step, batches_each)
        left = (self.total_steps - step) * batches_each
        dataset = dataset.take(left)  # else the last call would make them all
        first = step * batches_each

        def of_worker(worker, workers):
            return check_batches(dataset_fn.of_worker(first, worker, workers), model).take(left)

        with untuned_devices():
            iterator = iter(distributed(model, dataset, of_worker if hasattr(dataset_fn, "of_worker") else None))
        model.step_seed = self.seed
        update = model.make_update_function(dataset.element_spec)
        interval = Interval(self, step)
        model.reset_metrics()
        saved = validated = step
        while step < self.total_steps:
            before = step
            try:
                metrics, report = update(iterator)
            except (StopIteration, tf.errors.OutOfRangeError):
                if not step:  # no checkpoint of it, which would hold the next start to this configuration
                    raise ValueError("the dataset is empty: there is nothing to train on") from None
                self._save(step)
                raise ValueError(
                    f"the dataset ended after step {step} of total_steps={self.total_steps}; a checkpoint of it is saved. "
                    "dataset_fn should repeat the data; for a run of fewer total_steps give another output_dir"
                ) from None
            interval.reports.append(report)
            # Of several the last call may make fewer.
            step += 1 if model.steps_per_execution == batches_each else int(report[REPORT.index("updates")])
            if is_multi_worker(self.strategy):  # all stop after the same step: it takes one worker to be asked
                stop = float(report[REPORT.index("stop")]) > 0
            else:
                stop = signals.received is not None
            over = self.clock.update()
            last = stop or over or step == self.total_steps
            checkpoints = last or _is_due(self.checkpoint_every, step, saved)
            validates = self.validation_data is not None and not stop
            validates = validates and (last or _is_due(self.validate_every, step, validated))
            values = None
            if last or checkpoints or validates or _is_due(self.log_every, step, before):
                values = interval.values(step, metrics)
                model.reset_metrics()
                if log is not None:
                    log.write(step, values)
            bar.update(self.clock.done(step), values)
            for callback in self.callbacks:
                callback(step, values)
            if validates:
                validated = step
                self._validate(step, log, bar)
                model.reset_metrics()
                interval.restart()
            if checkpoints or self.best.is_out_of_patience:
                saved = step
                self._save(step)
                interval.restart()
            if stop:
                bar.write(f"Stopped by {signals.name}; a checkpoint of step {step} is saved. The same command goes on from there.")
            if stop or over or self.best.is_out_of_patience:
                break
        return step

    def _check_validation(self, dataset_fn):
        """Evaluate one batch, to find before step 1 what would fail after hours. All workers do it: they evaluate together."""
        if self.validation_data is None:
            return
        options = getattr(dataset_fn, "evaluate_options", None)
        self._evaluate_options = {} if options is None else options(self.validation_data)
        with self.model.before_training():
            values = self._evaluate(None, steps=1)
        self.best.check(values)

    def _evaluate(self, step, **options):
        results = self.model.evaluate(self.validation_data, verbose=0, return_dict=True, **self._evaluate_options, **options)
        if not results:
            raise ValueError("validation_data is empty: there is nothing to choose the best by")
        if self.validation_scores is not None:
            results |= self.validation_scores(step)
        return {f"val_{name}": float(value) for name, value in results.items()}

    def _validate(self, step, log, bar):
        with averaged_weights(self.model):
            values = self._evaluate(step)
            better = self.best.update(step, values)
            if better and self.is_chief:
                self.store.save_best(step, arrays_of(weights_of(self.model)), {"step": step, **values})
        if log is not None:
            log.write(step, values)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        bar.write(f"Step {step}: {shown}{' (the best so far)' if better else ''}")

    def _told_best(self):
        kept = "none" if self.best.step is None else f"step {self.best.step}, of {self.best.value:.4g}"
        return f"The best is now chosen by {self.monitor} ({self.best.direction}). Of the validations so far, it is {kept}."

    def _finish(self):
        """Leave the model with the weights that the run was for."""
        if self.restore_best and self.best.step is not None:
            best = self.store.load_best()
            if best is not None:
                arrays, values = best
                assign_arrays(weights_of(self.model), arrays)
                self.best.take(values)  # a process that was killed may have left a better one, later than its last checkpoint
                return
        if self.model.optimizer.built:
            with self.strategy.scope():  # outside it, the weights of the first replica alone would be the averages
                self.model.optimizer.finalize_variable_values(self.model.trainable_variables)

    # Checkpoints.

    def checkpoint_arrays(self):
        """What a checkpoint holds, as CheckpointStore.save takes it: weights and the optimizer's state."""
        return arrays_of(state_of(self.model))

    def _save(self, step):
        if not self.is_chief:
            return
        info = {
            "step": step,
            "best": self.best.state(),
            "seconds": self.clock.seconds,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        }
        self.store.save(step, self.checkpoint_arrays(), info)

    def _restore(self, step):
        """Returns: bool, whether the best so far is by another monitor than before."""
        arrays, info = self.store.load(step)
        assign_arrays(state_of(self.model), arrays)
        self._seconds_before = info.get("seconds", 0)
        return self.best.restore(info["best"], lambda: (self.store.load_best() or (None, None))[1])

    def _description(self):
        optimizer = self.model.optimizer
        return {
            "config": self.config,
            "optimizer": {"class": type(optimizer).__name__, **optimizer.get_config()},
            "gradient_accumulation_steps": self.model.gradient_accumulation_steps,
            "strategy": {"class": type(self.strategy).__name__, "replicas": self.strategy.num_replicas_in_sync},
            "dtype": self.model.dtype_policy.name,
            "parameters": int(sum(np.prod(variable.shape) for variable in self.model.trainable_variables)),
            "validate_every": self.validate_every,
            "monitor": self.monitor,
            "mode": self.best.mode,
            "patience": self.best.patience,
            "checkpoint_every": self.checkpoint_every,
            "log_every": self.log_every,
            "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        }

    def _check_length(self, dataset, step, batches_each):
        there, wanted = int(dataset.cardinality()), (self.total_steps - step) * batches_each
        if 0 <= there < wanted:
            raise ValueError(
                f"the dataset ends early: it has {there} batches, and steps {step + 1} to total_steps={self.total_steps} take {wanted}; "
                "repeat the data, or give fewer total_steps"
            )


def _is_whole(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and float(value).is_integer()


def _is_due(every, step, done):
    """Whether what is done each `every` steps (0 or None: never) is to be done at `step`. Args: done: the step when it was done last."""
    return bool(every) and step // every > done // every
