"""SequenceCrossEntropy: the loss of a text that a decoder should write."""

import keras
from keras import ops

from keras_bert.training.target_loss import TargetLoss
from keras_bert.training.token_cross_entropy import check_focus


@keras.saving.register_keras_serializable(package="keras_bert")
class SequenceCrossEntropy(TargetLoss):
    """Softmax cross-entropy of every token that should be written, divided by their number; padding counts nothing. See TargetLoss.

        loss of a token = (1 - label_smoothing) * -log p[token] + label_smoothing * mean over the vocabulary of -log p

    The same as TokenCrossEntropy, in few passes over scores of a whole vocabulary.

    Args:
        num_pieces: of the vocabulary.
        label_smoothing: from 0 to below 1. 0.1 is usual.
    Call: y_true: int32 [batch, tokens], -1 for none. y_pred: [batch, tokens, num_pieces], logits. sample_weight: [batch] or
        [batch, tokens]. Without reduction: float32 [batch, tokens].
    Source: Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision", section 7; Vaswani et al. 2017.
    """

    def __init__(self, num_pieces, label_smoothing=0.0, *, name="sequence_cross_entropy", reduction="sum_over_batch_size"):
        check_focus(None, label_smoothing)
        super().__init__(num_pieces, name=name, reduction=reduction)
        self.label_smoothing = label_smoothing

    def losses(self, targets, y_pred, word_weights):
        ids = ops.maximum(targets, 0)
        losses = ops.sparse_categorical_crossentropy(ids, y_pred, from_logits=True)  # (B, T)
        if self.label_smoothing:
            # log of the sum of exponentials stands in both parts: what is left is how much the target's score is over the mean.
            over = ops.take_along_axis(y_pred, ids[..., None], axis=-1)[..., 0] - ops.mean(y_pred, axis=-1)
            losses = losses + self.label_smoothing * over
        losses = ops.where(targets >= 0, losses, 0.0)
        return losses if word_weights is None else losses * word_weights

    def get_config(self):
        names = {"num_pieces": self.num_tags, "label_smoothing": self.label_smoothing}
        return names | {"name": self.name, "reduction": self.reduction}
