"""SpanAccuracy: how often start and end of a span are both right, while a model trains."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_bert")
class SpanAccuracy(keras.metrics.Mean):
    """Share of the rows whose start and end both have the greatest logits.

    Call: y_true: int32 [rows, 2], first and last token. y_pred: [rows, length, 2]. sample_weight: [rows], or None.
    """

    def __init__(self, name="span_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        found = ops.argmax(y_pred, axis=1)
        is_right = ops.all(ops.cast(found, "int32") == ops.cast(y_true, "int32"), axis=-1)
        # Keras's own mark on an output whose rows are not all real; see training/keras_internals.py's set_mask.
        real = getattr(y_pred, "_keras_mask", None)
        if real is not None:
            real = ops.cast(real, self.dtype)
            sample_weight = real if sample_weight is None else real * ops.cast(sample_weight, self.dtype)
        return super().update_state(ops.cast(is_right, self.dtype), sample_weight)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}
