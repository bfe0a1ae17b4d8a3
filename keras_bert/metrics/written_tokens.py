"""WrittenTokens: how many tokens of the targets a decoder would have written."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_bert")
class WrittenTokens(keras.metrics.Metric):
    """Accuracy of tokens, each with what should stand before it given.

    Call: y_true: int32 [batch, tokens], -1 for none; y_pred: [batch, tokens, pieces].
    """

    def __init__(self, name="token_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.right, self.count = (self.add_variable(shape=(), initializer="zeros", name=part) for part in ("right", "count"))

    def update_state(self, y_true, y_pred, sample_weight=None):
        targets = ops.cast(y_true, "int32")
        is_target = ops.cast(targets >= 0, self.dtype)
        self.right.assign_add(ops.sum(is_target * ops.cast(ops.cast(ops.argmax(y_pred, axis=-1), "int32") == targets, self.dtype)))
        self.count.assign_add(ops.sum(is_target))

    def result(self):
        return ops.divide_no_nan(self.right, self.count)
