"""TokenCrossEntropy: softmax cross-entropy of each word by itself."""

import math

import keras
from keras import ops

from keras_bert.training.target_loss import TargetLoss


@keras.saving.register_keras_serializable(package="keras_bert")
class TokenCrossEntropy(TargetLoss):
    """Softmax cross-entropy over the words that have a target, divided by their number; see TargetLoss.

        loss of a word = tag_weights[tag] * sum over tags c of target[c] * (1 - p[c]) ** focal_gamma * -log p[c]

    Args:
        num_tags: K.
        tag_weights: float [K]; each word's loss is multiplied by that of its tag (the paper's alpha). The denominator stays the number of
            words, as with Keras's class_weight; PyTorch's CrossEntropyLoss divides by the sum of these weights.
        focal_gamma: 0 or more; words that are right already count less. 2.0 is the paper's. None is 0: cross-entropy.
        label_smoothing: from 0 to below 1; target[c] is 1 - label_smoothing for the word's tag, and label_smoothing / K is added to all.
    Call: y_true: int32 [batch, words], -1 for none. y_pred: [batch, words, K], logits. sample_weight: [batch] or [batch, words].
    Without reduction: float32 [batch, words].
    Source: Lin et al. 2017, "Focal loss for dense object detection", section 3.2; smoothing as Keras's CategoricalCrossentropy, and
        both together as its CategoricalFocalCrossentropy.
    """

    def __init__(
        self,
        num_tags,
        tag_weights=None,
        focal_gamma=None,
        label_smoothing=0.0,
        *,
        name="token_cross_entropy",
        reduction="sum_over_batch_size",
    ):
        check_focus(focal_gamma, label_smoothing)
        super().__init__(num_tags, tag_weights, name=name, reduction=reduction)
        self.focal_gamma = focal_gamma
        self.label_smoothing = label_smoothing

    def losses(self, targets, y_pred, word_weights):
        is_tag = targets[:, :, None] == ops.arange(self.num_tags, dtype="int32")
        losses = focused(-ops.log_softmax(y_pred, axis=-1), self.focal_gamma)  # (B, T, K)
        own = ops.sum(ops.where(is_tag, losses, 0.0), axis=-1)
        if self.label_smoothing:
            own = (1.0 - self.label_smoothing) * own + self.label_smoothing * ops.mean(losses, axis=-1)
        # No product: what padding's logits are may be no number.
        own = ops.where(targets >= 0, own, 0.0)
        return own if word_weights is None else own * word_weights

    def get_config(self):
        return super().get_config() | {"focal_gamma": self.focal_gamma, "label_smoothing": self.label_smoothing}


def check_focus(focal_gamma, label_smoothing):
    """Raises: ValueError unless focal_gamma is a number from 0 or None, and label_smoothing from 0 to below 1."""
    if focal_gamma is not None and not (focal_gamma >= 0 and math.isfinite(focal_gamma)):
        raise ValueError(f"focal_gamma={focal_gamma!r} is neither a number from 0 nor None")
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing={label_smoothing!r} is not from 0 to below 1")


def focused(losses, focal_gamma):
    """Focal losses: what is right already counts less. Args: losses: -log p. focal_gamma: see TokenCrossEntropy. Returns: as losses."""
    if not focal_gamma:
        return losses
    # Where p rounds to 1, the slope of a root would have no end.
    rest = ops.maximum(-ops.expm1(-losses), keras.config.epsilon())
    return rest**focal_gamma * losses
