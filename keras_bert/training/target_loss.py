"""TargetLoss: what losses over the words of sentences have in common: which words are targets, their weights, and the mean over them."""

import keras
import numpy as np
from keras import ops


class TargetLoss(keras.losses.Loss):
    """A loss of targets int32 [batch, words], -1 where a word has none, whose mean is over targets, not over rows or slots.

        loss of a batch = sum over its sentences of (sample weight * loss) / sum over its targets of their sample weight

    so that padding counts nothing, and a TrainingModel's loss does not depend on how replicas and micro-batches share a batch: `count`
    says the denominator, see global_loss. Under Keras's own `fit` it is the same of the batch that one replica sees.

    Args:
        num_tags: K.
        tag_weights: float [K], weights of the targets by their tag; None is 1. They are no part of the denominator, as Keras's class_weight
            is none.
        reduction: "sum_over_batch_size", "mean" and "mean_with_sample_weight" are the mean above; "sum" and None as in Keras.
    Call: y_true: int32 [batch, words]. y_pred: [batch, words, K]. sample_weight: [batch], of sentences, or [batch, words], of words.
    To be written by a subclass: losses.
    """

    TARGETS = "int32"  # their dtype; float32 of a subclass whose targets are degrees

    def __init__(self, num_tags, tag_weights=None, *, name=None, reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.num_tags = num_tags
        self.tag_weights = None if tag_weights is None else _tag_weights(tag_weights, num_tags)

    def losses(self, targets, y_pred, word_weights):
        """Losses without reduction.

        Args: targets: int32 [batch, words], -1 for none. y_pred: float32 [batch, words, K]. word_weights: float32 [batch, words], those of
            tags and words in one, 0 where there is no target; or None: all targets have 1.
        Returns: float32 [batch] or [batch, words], 0 where there is no target.
        """
        raise NotImplementedError

    def call(self, y_true, y_pred):
        return self(y_true, y_pred)

    def __call__(self, y_true, y_pred, sample_weight=None):
        with keras.name_scope(self.name):
            targets = ops.cast(y_true, self.TARGETS)
            of_sentences, of_words = _split(sample_weight, targets)
            values = self.losses(targets, ops.cast(y_pred, "float32"), self._word_weights(targets, of_words))
            if of_sentences is not None:
                values = values * ops.reshape(of_sentences, (-1, *[1] * (len(values.shape) - 1)))
            if self.reduction in (None, "none"):
                return values
            total = ops.sum(values)
            return total if self.reduction == "sum" else ops.divide_no_nan(total, ops.sum(self.count(y_true, sample_weight)))

    def count(self, y_true, sample_weight=None):
        """Returns: float32 [batch], what each row adds to the denominator: its targets, or the sum of their weights."""
        targets = ops.cast(y_true, self.TARGETS)
        of_sentences, of_words = _split(sample_weight, targets)
        is_target = ops.cast(targets >= 0, "float32")
        counts = ops.sum(is_target if of_words is None else is_target * of_words, axis=1)
        return counts if of_sentences is None else counts * of_sentences

    def _word_weights(self, targets, of_words):
        if self.tag_weights is None and of_words is None:
            return None
        is_target = ops.cast(targets >= 0, "float32")
        weights = is_target if of_words is None else is_target * of_words
        if self.tag_weights is None:
            return weights
        return weights * ops.take(np.array(self.tag_weights, "float32"), ops.maximum(targets, 0), axis=0)

    def get_config(self):
        weights = {"tag_weights": None if self.tag_weights is None else list(self.tag_weights)}
        return super().get_config() | {"num_tags": self.num_tags} | weights


def _split(sample_weight, targets):
    """Returns: weights of sentences and of words, one of them None."""
    if sample_weight is None:
        return None, None
    weights = ops.cast(sample_weight, "float32")
    if len(weights.shape) not in (1, 2):
        shapes = f"{tuple(weights.shape)} beside targets {tuple(targets.shape)}"
        raise ValueError(f"sample_weight has shape {shapes}; give [batch], of sentences, or [batch, words]")
    return (weights, None) if len(weights.shape) == 1 else (None, weights)


def _tag_weights(tag_weights, num_tags):
    weights = np.asarray(tag_weights, "float64")
    if weights.shape != (num_tags,):
        raise ValueError(f"tag_weights has shape {weights.shape}; give one weight for each of the {num_tags} tags")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        tag = int(np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))[0])
        raise ValueError(f"tag_weights[{tag}] is {weights[tag]}; a weight is a number from 0")
    return tuple(weights.tolist())
