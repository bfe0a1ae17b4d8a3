"""LabelAccuracy: how many texts get their label, and how often each label is given."""

import keras
import numpy as np
from keras import ops

MANY = 50  # texts: of fewer, one label for all is no news


@keras.saving.register_keras_serializable(package="keras_bert")
class LabelAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """Accuracy that also counts labels: a model that gives every text one label may look well where labels are skewed.

    Args: num_labels: K.
    Call: y_true: ids [batch] or [batch, 1], or one-hot or soft rows [batch, K], whose greatest is the label; y_pred: [batch, K].
    Attributes: predicted, right: float32 variables [K], of how many texts each label is given, and right.
    """

    def __init__(self, num_labels, name="accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_labels = num_labels
        self.predicted, self.right = (
            self.add_variable(shape=(num_labels,), initializer=keras.initializers.Zeros(), name=name) for name in ("predicted", "right")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        mask = getattr(y_pred, "_keras_mask", None)
        if len(y_true.shape) == 2 and y_true.shape[-1] == self.num_labels:
            y_true = ops.argmax(y_true, axis=-1)
        y_true = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        for variable, ids in ((self.predicted, ops.argmax(y_pred, axis=-1)), (self.right, y_true)):
            given = ops.one_hot(ids, self.num_labels, dtype=variable.dtype)
            if mask is not None:
                given = given * ops.cast(mask, variable.dtype)[:, None]
            variable.assign_add(ops.sum(given, axis=0))
        super().update_state(y_true, y_pred, sample_weight=sample_weight)

    def only_label(self):
        """The id that every one of many texts got although others were right, or None. Returns: int or None."""
        predicted, right = (np.asarray(ops.convert_to_tensor(variable)) for variable in (self.predicted, self.right))
        is_alone = (predicted > 0).sum() == 1 and (right > 0).sum() > 1
        return int(predicted.argmax()) if is_alone and predicted.sum() >= MANY else None

    def reset_state(self):
        super().reset_state()
        for variable in (self.predicted, self.right):
            variable.assign(ops.zeros_like(variable))

    def get_config(self):
        return {"num_labels": self.num_labels, "name": self.name, "dtype": self.dtype}
