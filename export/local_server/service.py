"""Service: what REST and gRPC both ask: predictions, classes, numbers, metadata and status."""

import asyncio
import concurrent.futures
import time

import numpy as np

from export.local_server.errors import ServingError, of_exception
from export.local_server.loaded import CLASSIFY, REGRESS

EXAMPLES, CLASSES, SCORES, VALUES = "inputs", "classes", "scores", "outputs"  # the names that TF Serving's signatures demand
OPTIONS = {"classify": CLASSIFY, "regress": REGRESS}


class Service:
    """Args: models: Models. batcher: Batcher. metrics: Metrics. timeout: seconds that an answer may take."""

    def __init__(self, models, batcher, metrics, *, timeout=60.0):
        self.models = models
        self.batcher = batcher
        self.metrics = metrics
        self.timeout = timeout

    def predict(self, model, signature, inputs):
        """Args: model: LoadedModel. inputs: dict of input -> array. Returns: Future of dict of output -> array. Raises: ServingError."""
        return self.batcher.submit(model, model.signature(signature), inputs)

    def examples(self, model, signature, kind, examples):
        """Args: kind: "classify" or "regress". examples: list of tf.train.Example. Returns: Future of the outputs."""
        signature = model.signature(signature, OPTIONS[kind])
        serialized = np.array([example.SerializeToString() for example in examples] + [None], object)[:-1]  # never an array of characters
        return self.batcher.submit(model, signature, {EXAMPLES: serialized})

    def counted(self, api, method, began, model_name, error=None):
        """Note in the metrics that a request was answered."""
        known = model_name if model_name in self.models.directories else ""  # a client's invention makes no time series
        self.metrics.request(api, method, known, "OK" if error is None else error.code, time.monotonic() - began)


def classes_of(outputs):
    """Args: outputs: of a Classify signature: classes string [batch, k], scores float [batch, k]. Returns: list of lists of (label, score).

    Raises: ServingError where they have another shape.
    """
    classes, scores = outputs.get(CLASSES), outputs.get(SCORES)
    some = classes if classes is not None else scores
    if some is None or some.ndim != 2 or (classes is not None and scores is not None and classes.shape != scores.shape):
        raise ServingError("FAILED_PRECONDITION", "the signature gives no classes and scores of shape [batch, classes]")
    labels = classes.tolist() if classes is not None else [[b""] * some.shape[1]] * len(some)
    numbers = scores.tolist() if scores is not None else [[0.0] * some.shape[1]] * len(some)
    return [list(zip(*row, strict=True)) for row in zip(labels, numbers, strict=True)]


def values_of_regression(outputs):
    """Args: outputs: of a Regress signature: outputs float [batch] or [batch, 1]. Returns: list of float. Raises: ServingError."""
    values = outputs.get(VALUES)
    if values is None or values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[1] != 1):
        raise ServingError("FAILED_PRECONDITION", "the signature gives no outputs of shape [batch] or [batch, 1]")
    return values.reshape(-1).tolist()


def refused(error):
    """Args: error: what answering raised. Returns: ServingError."""
    if isinstance(error, (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError)):
        return ServingError("DEADLINE_EXCEEDED", "the model did not answer in time")
    return of_exception(error)
