"""What classifiers of texts learn by: a choice of one label, any number of labels, a score, numbers.

Each gives a loss a text, float32 [batch], and their mean is over texts, however replicas and micro-batches share a batch; see global_loss.
"""

import keras
import numpy as np
from keras import ops

from keras_bert.training.token_cross_entropy import check_focus, focused


class _LabelLoss(keras.losses.Loss):
    """Base of the losses over labels.

    Args:
        num_labels: K.
        class_weights: float [K], or None: 1 each.
        focal_gamma: 0 or more: what is right already counts less (Lin et al. 2017, "Focal loss for dense object detection"); 2.0 is the
            paper's. None: 0.
        label_smoothing: from 0 to below 1.
    Raises: ValueError naming the value that does not fit.
    """

    def __init__(
        self, num_labels, class_weights=None, focal_gamma=None, label_smoothing=0.0, *, name=None, reduction="sum_over_batch_size"
    ):
        check_focus(focal_gamma, label_smoothing)
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.num_labels = num_labels
        self.class_weights = None if class_weights is None else [float(weight) for weight in class_weights]
        if class_weights is not None and len(self.class_weights) != num_labels:
            raise ValueError(f"{len(self.class_weights)} class_weights for {num_labels} labels")
        self.focal_gamma = focal_gamma
        self.label_smoothing = label_smoothing

    @property
    def _weights(self):
        return np.ones([self.num_labels], "float32") if self.class_weights is None else np.array(self.class_weights, "float32")

    def get_config(self):
        names = ("num_labels", "class_weights", "focal_gamma", "label_smoothing")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="keras_bert")
class LabelCrossEntropy(_LabelLoss):
    """Softmax cross-entropy of one label of several.

        loss of a text = class_weights[label] * sum over labels c of target[c] * (1 - p[c]) ** focal_gamma * -log p[c]

    target[c] is 1 - label_smoothing for the text's label, and label_smoothing / K is added to all. The denominator of the mean is texts,
    as with Keras's class_weight; PyTorch's CrossEntropyLoss divides by the sum of the weights.

    Args: see above.
    Call: y_true: ids [batch] or [batch, 1], or one-hot or soft rows [batch, K], whose weight is the mean of their labels' weights.
        y_pred: [batch, K], logits.
    Source: as TokenCrossEntropy, of texts.
    """

    def __init__(self, *args, name="label_cross_entropy", **kwargs):
        super().__init__(*args, name=name, **kwargs)

    def call(self, y_true, y_pred):
        if len(y_true.shape) == 1 or (y_true.shape[-1] == 1 and self.num_labels > 1):
            y_true = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), self.num_labels)
        losses = focused(-ops.log_softmax(y_pred, axis=-1), self.focal_gamma)
        # No product where a target is 0: a choice that is not there has no finite loss.
        own = ops.sum(ops.where(y_true > 0, y_true * losses, 0.0), axis=-1)
        if self.label_smoothing:
            own = (1.0 - self.label_smoothing) * own + self.label_smoothing * ops.mean(losses, axis=-1)
        return own if self.class_weights is None else own * ops.sum(y_true * self._weights, axis=-1)


@keras.saving.register_keras_serializable(package="keras_bert")
class LabelBinaryCrossEntropy(_LabelLoss):
    """Sigmoid cross-entropy of each label by itself: any number of labels a text, or one score from 0 to 1.

        loss of a label = class_weights[label] * y * (1 - p) ** focal_gamma * -log p  +  (1 - y) * p ** focal_gamma * -log(1 - p)

    A text's loss is the mean over labels. class_weights multiply what is lost where a label is right, as PyTorch's pos_weight does.
    Smoothing moves y towards 0.5, by label_smoothing / 2 at most, as Keras's BinaryCrossentropy does.

    Args: see above.
    Call: y_true: float [batch, K], or of one label [batch], from 0 to 1. y_pred: [batch, K], logits.
    Source: torch.nn.BCEWithLogitsLoss, by which Transformers trains multi-label models and sentence-transformers cross-encoders.
    """

    def __init__(self, *args, name="label_binary_cross_entropy", **kwargs):
        super().__init__(*args, name=name, **kwargs)

    def call(self, y_true, y_pred):
        y_true = ops.reshape(y_true, ops.shape(y_pred))
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        yes, no = focused(ops.softplus(-y_pred), self.focal_gamma), focused(ops.softplus(y_pred), self.focal_gamma)
        return ops.mean(self._weights * y_true * yes + (1.0 - y_true) * no, axis=-1)


@keras.saving.register_keras_serializable(package="keras_bert")
class ScoreSquaredError(keras.losses.Loss):
    """Squared error of numbers, the mean over those of a text.

    Call: y_true: float [batch, K], or of one number [batch]. y_pred: [batch, K].
    """

    def __init__(self, *, name="score_squared_error", reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction, dtype="float32")

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_pred - ops.reshape(y_true, ops.shape(y_pred))), axis=-1)
