"""ScoredEvaluation: scores of whole answers beside the loss, in evaluate, and so in the validation of fit and of a Trainer."""

import contextlib
import threading

from keras_bert.tasks.feed import BATCH_SIZE
from keras_bert.training.averaging import averaged_weights
from keras_bert.training.distribution import untuned
from keras_bert.training.fit_data import Data
from keras_bert.training.keras_internals import is_validation_of_fit


class ScoredEvaluation:
    """The part of a task that scores what it answers; it stands before the task's other base.

    A task has `scores(data, steps, *, batch_size, max_tokens_per_batch)`: Data of raw text, batches of it or None: all -> dict of floats.
    """

    def __init__(self, *args, **kwargs):
        self._local = threading.local()  # fit's validation data, while it runs
        super().__init__(*args, **kwargs)

    def fit(self, *args, **kwargs):
        """TrainingModel.fit; validation data gives the scores of `evaluate` too, as val_..."""
        try:
            return super().fit(*args, **kwargs)
        finally:
            self._local.validation = None

    def _ready_validation(self, data, batch_size, budget):
        self._local.validation = data, {"batch_size": batch_size, "max_tokens_per_batch": budget}
        return super()._ready_validation(data, batch_size, budget)

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, *, return_dict=False, **kwargs):
        """keras.Model.evaluate: the loss, and the task's scores, see its class. Of what is no text there is the loss alone.

        Args: as TrainingModel.evaluate; return_dict: values by name; else a list, the loss first.
        """
        of_fit = is_validation_of_fit(kwargs)
        results = super().evaluate(x, y, batch_size, verbose, sample_weight, return_dict=True, **kwargs)
        options = {"batch_size": batch_size, "max_tokens_per_batch": kwargs.get("max_tokens_per_batch")}
        data, options = (getattr(self._local, "validation", None) or (None, {})) if of_fit else (Data(x, y), options)
        if data is not None and self._is_raw(data.x):
            with averaged_weights(self) if of_fit else contextlib.nullcontext():
                results |= self.scores(data, kwargs.get("steps"), **options)
        if return_dict:
            return results
        return list(results.values()) if len(results) > 1 else results["loss"]

    def labelled_batches(self, dataset, steps, batch_size):
        """Args: dataset: tf.data.Dataset of raw text with targets. steps: batches, or None: all. Returns: list of its batches in NumPy."""
        elements, batched = self._feed.elements_of(dataset, labelled=True)
        elements = elements if batched else elements.batch(batch_size or BATCH_SIZE)
        elements = elements if steps is None else elements.take(steps)
        return list(elements.with_options(untuned(elements)).as_numpy_iterator())
