"""SpanCrossEntropy: the loss of where a span starts and ends."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_bert")
class SpanCrossEntropy(keras.losses.Loss):
    """Softmax cross-entropy over the tokens of a row, of the span's first and of its last, and the mean of the two.

    Call: y_true: int32 [rows, 2], first and last token; 0, which is [CLS], for no span. y_pred: float32 [rows, length, 2], logits.
        sample_weight: [rows]. Without reduction: float32 [rows].
    Source: Devlin et al. 2018, section 4.2; google-research/bert run_squad.py.
    """

    def __init__(self, *, name="span_cross_entropy", reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction, dtype="float32")

    def call(self, y_true, y_pred):
        y_pred = ops.cast(y_pred, "float32")
        is_target = ops.arange(ops.shape(y_pred)[1], dtype="int32")[None, :, None] == ops.cast(y_true, "int32")[:, None, :]
        # No product: logits of padding may be no finite numbers.
        losses = ops.where(is_target, -ops.log_softmax(y_pred, axis=1), 0.0)  # (R, T, 2)
        return ops.mean(ops.sum(losses, axis=1), axis=-1)

    def get_config(self):
        return {"name": self.name, "reduction": self.reduction}
