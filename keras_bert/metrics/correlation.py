"""PearsonCorrelation: how well scores follow the targets, while a model trains."""

import keras
from keras import ops

from keras_bert.problem_type import LINEAR, activate


@keras.saving.register_keras_serializable(package="keras_bert")
class PearsonCorrelation(keras.metrics.Metric):
    """Pearson's correlation of all texts together, from sums that add up over batches and replicas; 0 where one side is constant.

    Args: activation: what makes scores of the logits, see problem_type.
    Call: y_true: [batch] or [batch, 1]. y_pred: logits [batch, 1].
    """

    def __init__(self, activation=LINEAR, name="pearson", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.activation = activation
        # Of weight, x, y, x², y², xy.
        self.sums = self.add_variable(shape=(6,), initializer=keras.initializers.Zeros(), name="sums")

    def update_state(self, y_true, y_pred, sample_weight=None):
        mask = getattr(y_pred, "_keras_mask", None)
        x = ops.reshape(ops.cast(y_true, self.dtype), (-1,))
        y = ops.reshape(activate(ops.cast(y_pred, self.dtype), self.activation), (-1,))
        weight = ops.ones_like(x) if sample_weight is None else ops.reshape(ops.cast(sample_weight, self.dtype), (-1,))
        weight = weight if mask is None else weight * ops.cast(mask, self.dtype)
        self.sums.assign_add(ops.stack([ops.sum(weight * part) for part in (ops.ones_like(x), x, y, x * x, y * y, x * y)]))

    def result(self):
        count, x, y, xx, yy, xy = ops.unstack(self.sums.value, 6)
        count = ops.maximum(count, keras.config.epsilon())
        spread = ops.maximum(xx - x * x / count, 0.0) * ops.maximum(yy - y * y / count, 0.0)
        return ops.divide_no_nan(xy - x * y / count, ops.sqrt(spread))

    def get_config(self):
        return {"activation": self.activation, "name": self.name, "dtype": self.dtype}
