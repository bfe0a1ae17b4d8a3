"""The steps between two lines of the log: their means, and a stop where one is no number."""

import time

import numpy as np
import tensorflow as tf

from keras_bert.training.distribution import is_tpu
from keras_bert.training.guards import non_finite_message
from keras_bert.training.step import REPORT
from keras_bert.training.throughput import measured_matmul_peak, rates


class Interval:
    """The steps since the last line of the log."""

    def __init__(self, trainer, step):
        self.trainer = trainer
        self.reports = []
        self.first_step = step
        self.scales_loss = hasattr(trainer.model.optimizer, "inner_optimizer")
        self.config = getattr(getattr(trainer.model, "encoder", None), "config", None)
        self.peak = None
        if self.config is not None and trainer.is_chief:
            dtype = getattr(trainer.model.encoder, "compute_dtype", "float32")
            self.peak = measured_matmul_peak(dtype) * _devices(trainer.strategy)
        self.restart()

    def restart(self):
        self.start = time.perf_counter()

    def values(self, step, metrics):
        """Means over the steps, which begin anew. Raises: FloatingPointError naming the first whose loss is no number."""
        reports = np.stack([report.numpy() for report in self.reports]).astype("float64")
        columns = {name: reports[:, index] for index, name in enumerate(REPORT)}
        self._check_finite(columns)
        sums = {name: float(column.sum()) for name, column in columns.items()}
        now = time.perf_counter()
        seconds, self.start = now - self.start, now
        self.reports.clear()
        self.first_step = step
        values = {name: float(value) for name, value in metrics.items()}
        values["loss"] = sums["loss"] / sums["updates"]
        values["learning_rate"] = float(columns["learning_rate"][-1])
        values["gradient_norm"] = sums["gradient_norm"] / sums["updates"]
        if self.config is None or not sums["slots"]:
            return values | {"examples_per_second": sums["examples"] / seconds}
        counts = {name: sums[name] for name in ("examples", "tokens", "slots", "squared_slots")}
        return values | rates(self.config, seconds=seconds, peak_flops=self.peak, **counts)

    def _check_finite(self, columns):
        for name in ("loss", "gradient_norm"):
            if name == "gradient_norm" and self.scales_loss:
                continue  # float16 finds its scale by such steps, and leaves them out
            broken = np.flatnonzero(~np.isfinite(columns[name]))
            if broken.size:
                step = self.first_step + int(columns["updates"][: broken[0]].sum()) + 1
                saved = self.trainer.store.latest()
                kept = "no checkpoint was saved before" if saved is None else f"the checkpoint of step {saved} is kept"
                what = f"{name.replace('_', ' ')} is {columns[name][broken[0]]}"
                raise FloatingPointError(f"{non_finite_message(f'step {step}', what)}. {kept[0].upper()}{kept[1:]}.")


def _devices(strategy):
    """Devices that the measured peak counts for: logical CPUs of a machine share its one set of cores."""
    return strategy.num_replicas_in_sync if is_tpu(strategy) or tf.config.list_logical_devices("GPU") else 1
