"""PearsonCorrelation: how well scores follow the targets, while a model trains."""

import keras
from keras import ops

from keras_bert.problem_type import LINEAR, activate

# Variance beside the mean square: what is less may be rounding, of sums that replicas exchange in float32.
LEAST_SPREAD = 1e-6


@keras.saving.register_keras_serializable(package="keras_bert")
class PearsonCorrelation(keras.metrics.Metric):
    """Pearson's correlation of all texts together, from sums that add up over batches and replicas; 0 where one side is constant, or
    spreads over less than a thousandth of its size.

    Args: activation: what makes scores of the logits, see problem_type.
    Call: y_true: [batch] or [batch, 1]. y_pred: logits [batch, 1].
    """

    def __init__(self, activation=LINEAR, name="pearson", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.activation = activation
        # Of weight, x, y, x², y², xy. In float32, what is left of x² without the mean's would be rounding after few texts.
        self.sums = self.add_variable(shape=(6,), initializer=keras.initializers.Zeros(), dtype="float64", name="sums")

    def update_state(self, y_true, y_pred, sample_weight=None):
        mask = getattr(y_pred, "_keras_mask", None)
        x = ops.reshape(ops.cast(y_true, "float64"), (-1,))
        y = ops.reshape(ops.cast(activate(y_pred, self.activation), "float64"), (-1,))
        weight = ops.ones_like(x) if sample_weight is None else ops.reshape(ops.cast(sample_weight, "float64"), (-1,))
        weight = weight if mask is None else weight * ops.cast(mask, "float64")
        self.sums.assign_add(ops.stack([ops.sum(weight * part) for part in (ops.ones_like(x), x, y, x * x, y * y, x * y)]))

    def result(self):
        count, x, y, xx, yy, xy = ops.unstack(ops.convert_to_tensor(self.sums), 6)
        count = ops.maximum(count, keras.config.epsilon())
        of_x, of_y = xx - x * x / count, yy - y * y / count
        spreads = ops.logical_and(of_x > LEAST_SPREAD * xx, of_y > LEAST_SPREAD * yy)
        correlation = (xy - x * y / count) / ops.sqrt(ops.where(spreads, of_x * of_y, 1.0))
        return ops.cast(ops.where(spreads, ops.clip(correlation, -1.0, 1.0), 0.0), "float32")

    def get_config(self):
        return {"activation": self.activation, "name": self.name, "dtype": self.dtype}
