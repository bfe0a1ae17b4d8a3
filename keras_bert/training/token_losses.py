"""Losses of words: a sum over a batch's real words, divided by their number, whichever replica or micro-batch a sentence is in.

Targets are int32 [batch, words], ids of tags, -1 where there is no word. `count_targets` tells global_loss the denominator.
"""

import keras
import numpy as np
from keras import ops

from keras_bert.layers.crf import split_scores


class WordLoss(keras.losses.Loss):
    """Base of the two. Args: tag_weights: list of weights from 0, one a tag, or None: all 1."""

    def __init__(self, *, tag_weights=None, name=None):
        super().__init__(name=name, reduction="sum_over_batch_size")
        self.tag_weights = None if tag_weights is None else [float(weight) for weight in tag_weights]

    def count_targets(self, targets):
        """Returns: float32 [batch], the real words of each sentence."""
        return ops.sum(ops.cast(ops.greater_equal(targets, 0), "float32"), axis=1)

    def _parts(self, targets):
        """Returns: mask: bool [batch, words]; ids: int32, 0 in padding; weights: float32 [batch, words], or None."""
        mask = ops.greater_equal(targets, 0)
        ids = ops.where(mask, targets, ops.zeros_like(targets))
        weights = None if self.tag_weights is None else ops.take(ops.convert_to_tensor(self.tag_weights, "float32"), ids)
        return mask, ids, weights

    def get_config(self):
        return {"name": self.name, "tag_weights": self.tag_weights}


@keras.saving.register_keras_serializable(package="keras_bert")
class TokenCrossEntropy(WordLoss):
    """Cross-entropy of each word's tag.

    Args:
        tag_weights: what a word's loss is multiplied by, by its tag. As Keras's class weights, they leave the denominator as it is.
        focal_gamma: multiply a word's loss by (1 - probability of its tag) ** focal_gamma, so that words which are learnt already count
            less; 2 is usual. None leaves it.
        label_smoothing: share of a target that is spread over all tags, in [0, 1).
    Call: targets: int32 [batch, words]; logits: float32 [batch, words, tags].
    Raises: ValueError on a value out of its range.
    Source: Lin et al. 2017, "Focal loss for dense object detection"; Szegedy et al. 2016, section 7, of label smoothing.
    """

    def __init__(self, *, tag_weights=None, focal_gamma=None, label_smoothing=0.0, name="token_cross_entropy"):
        super().__init__(tag_weights=tag_weights, name=name)
        if focal_gamma is not None and not focal_gamma >= 0:
            raise ValueError(f"focal_gamma={focal_gamma!r} is neither a number from 0 nor None")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing={label_smoothing!r} is not in [0, 1)")
        self.focal_gamma = focal_gamma
        self.label_smoothing = label_smoothing

    def call(self, targets, logits):
        """Returns: float32 [batch, words], 0 in padding."""
        mask, ids, weights = self._parts(targets)
        logs = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        is_tag = ops.one_hot(ids, ops.shape(logits)[-1], dtype="float32")
        wanted = is_tag
        if self.label_smoothing:
            wanted = is_tag * (1 - self.label_smoothing) + self.label_smoothing / ops.cast(ops.shape(logits)[-1], "float32")
        loss = -ops.sum(wanted * logs, axis=-1)
        if self.focal_gamma:
            rest = 1 - ops.exp(ops.sum(is_tag * logs, axis=-1))
            loss = loss * ops.maximum(rest, 1e-7) ** self.focal_gamma  # at 0 the power has no slope
        loss = loss if weights is None else loss * weights
        return ops.where(mask, loss, 0.0)

    def get_config(self):
        return super().get_config() | {"focal_gamma": self.focal_gamma, "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="keras_bert")
class ChainLoss(WordLoss):
    """What a CRF says of whole sentences: the negative logarithm of the probability of their tags.

    Args:
        tag_weights: what each word's emissions are multiplied by, by its tag, in the score of the tags and in the sum over all paths
            alike; see layers.crf.LinearChain.log_likelihood.
        allowed: moves that may be, see layers.crf.LinearChain: others then have no probability. None: all, so that a move which the data
            has and the scheme has not can be learnt from.
    Call: targets: int32 [batch, words]; scores: what layers.CRF gives.
    """

    def __init__(self, *, tag_weights=None, allowed=None, name="chain_loss"):
        super().__init__(tag_weights=tag_weights, name=name)
        self.allowed = None if allowed is None else [np.asarray(table, "bool") for table in allowed]

    def call(self, targets, scores):
        """Returns: float32 [batch]."""
        mask, ids, weights = self._parts(targets)
        emissions, chain = split_scores(scores, allowed=self.allowed, constrained_training=self.allowed is not None)
        return -chain.log_likelihood(emissions, ids, mask, weights)

    def get_config(self):
        return super().get_config() | {"allowed": None if self.allowed is None else [table.tolist() for table in self.allowed]}
