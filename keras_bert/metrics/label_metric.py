"""LabelMetric: Keras's metrics of one-hot rows and probabilities, for a classifier whose labels are ids and whose outputs are logits."""

import keras
from keras import ops

from keras_bert.problem_type import SIGMOID, SOFTMAX, activate

_OF_ROWS = (
    keras.metrics.F1Score,  # with FBetaScore
    keras.metrics.FBetaScore,
    keras.metrics.CategoricalAccuracy,
    keras.metrics.TopKCategoricalAccuracy,
)
# Of yes and no at thresholds.
_OF_THRESHOLDS = (
    keras.metrics.AUC,
    keras.metrics.Precision,
    keras.metrics.Recall,
    keras.metrics.TruePositives,
    keras.metrics.TrueNegatives,
    keras.metrics.FalsePositives,
    keras.metrics.FalseNegatives,
    keras.metrics.PrecisionAtRecall,
    keras.metrics.RecallAtPrecision,
    keras.metrics.SensitivityAtSpecificity,
    keras.metrics.SpecificityAtSensitivity,
)
# Of each label by itself.
_OF_EACH = (keras.metrics.BinaryAccuracy, keras.metrics.BinaryCrossentropy)
_OF_LOGITS = {
    "sparse_categorical_crossentropy": keras.metrics.SparseCategoricalCrossentropy,
    "categorical_crossentropy": keras.metrics.CategoricalCrossentropy,
}


@keras.saving.register_keras_serializable(package="keras_bert")
class LabelMetric(keras.metrics.Metric):
    """Another metric, given what it wants.

    F1Score and its like get one-hot rows and probabilities, [batch, labels]. AUC, Precision, Recall and their like, which decide between
    yes and no, get the same, or of a classifier of two labels whether it is the second, as scikit-learn has it. Where any number of labels
    is right, or there is one score, all get the rows as they are and each label's own probability.

    Args: metric: keras.metrics.Metric. num_labels: int. activation: "softmax" of one label of several, else "sigmoid".
    Call: y_true: ids [batch], or one-hot or soft rows [batch, labels]; y_pred: logits [batch, labels].
    """

    def __init__(self, metric, num_labels, *, activation=SOFTMAX, name=None, dtype=None):
        super().__init__(name=name or metric.name, dtype=dtype or metric.dtype)
        self.metric = metric
        self.num_labels = num_labels
        self.activation = activation

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = activate(ops.cast(y_pred, "float32"), self.activation)
        if self.activation == SIGMOID:
            y_true = ops.reshape(ops.cast(y_true, "float32"), ops.shape(y_pred))
        elif len(y_true.shape) == 1 or y_true.shape[-1] == 1:
            y_true = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), self.num_labels)
        if self._is_second_or_not:
            y_true, y_pred = y_true[:, 1], y_pred[:, 1]
        return self.metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    @property
    def _is_second_or_not(self):
        of_rows = getattr(self.metric, "multi_label", False) or getattr(self.metric, "class_id", None) is not None
        return self.activation == SOFTMAX and self.num_labels == 2 and isinstance(self.metric, _OF_THRESHOLDS) and not of_rows

    def result(self):
        return self.metric.result()

    def reset_state(self):
        self.metric.reset_state()

    def get_config(self):
        metric = keras.saving.serialize_keras_object(self.metric)
        return {"name": self.name, "metric": metric, "num_labels": self.num_labels, "activation": self.activation}

    @classmethod
    def from_config(cls, config):
        return cls(**(config | {"metric": keras.saving.deserialize_keras_object(config["metric"])}))


def adapted(metric, num_labels, activation=SOFTMAX):
    """A metric for a classifier's labels and logits.

    Args: metric: as compile takes it. num_labels, activation: see LabelMetric. Returns: LabelMetric, or the metric as it is.
    """
    kinds = (*_OF_ROWS, *_OF_THRESHOLDS, *(_OF_EACH if activation == SIGMOID else ()))
    if isinstance(metric, str) and metric in _OF_LOGITS and activation == SOFTMAX:  # by name: Keras would take logits for probabilities
        return _OF_LOGITS[metric](from_logits=True)
    if isinstance(metric, str) and metric in ("accuracy", "acc") and activation == SIGMOID:
        metric = keras.metrics.BinaryAccuracy(name=metric)
    if isinstance(metric, str):
        try:
            found = keras.metrics.get(metric)
        except ValueError:
            return metric  # "accuracy" and whatever else Keras's compile knows by itself
        return adapted(found, num_labels, activation) if isinstance(found, kinds) else metric
    if isinstance(metric, type) and issubclass(metric, kinds):
        metric = metric()
    return LabelMetric(metric, num_labels, activation=activation) if isinstance(metric, kinds) else metric
