"""CRFLoss: the negative log-likelihood of whole sentences of tags."""

import keras
import numpy as np
from keras import ops

from keras_bert.layers.crf import split_scores
from keras_bert.training.target_loss import TargetLoss


@keras.saving.register_keras_serializable(package="keras_bert")
class CRFLoss(TargetLoss):
    """Trains a CRF and what is below it: minus the logarithm of the probability of each sentence's tags.

        model.compile(optimizer, CRFLoss(num_tags))     # of a model that ends in layers.CRF(num_tags)

    The mean is over words: the sum over sentences divided by the number of their words; see TargetLoss.

    Args:
        num_tags: K.
        tag_weights: float [K], by which the emissions of a word with that tag are multiplied; see LinearChain.log_likelihood.
        allowed: keep to these moves, see LinearChain; None: to none, so that a move which only the data has is learnt from too.
    Call: y_true: int32 [batch, words], tags; -1 for padding, which comes last. y_pred: what layers.CRF gives. sample_weight: [batch]
        multiplies the loss of a sentence; [batch, words] multiplies emissions, as tag_weights do, since a word has no loss of its own.
    Without reduction: float32 [batch].
    """

    def __init__(self, num_tags, tag_weights=None, *, allowed=None, name="crf_loss", reduction="sum_over_batch_size"):
        super().__init__(num_tags, tag_weights, name=name, reduction=reduction)
        self.allowed = None if allowed is None else [None if table is None else np.asarray(table).tolist() for table in allowed]

    def losses(self, targets, y_pred, word_weights):
        emissions, chain = split_scores(y_pred, allowed=self.allowed, constrained_training=self.allowed is not None)
        return -chain.log_likelihood(emissions, ops.maximum(targets, 0), targets >= 0, word_weights)

    def get_config(self):
        return super().get_config() | {"allowed": self.allowed}
