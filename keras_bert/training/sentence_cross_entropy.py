"""SentenceCrossEntropy: the loss of which sentences belong into a summary."""

import keras
from keras import ops

from keras_bert.training.target_loss import TargetLoss


@keras.saving.register_keras_serializable(package="keras_bert")
class SentenceCrossEntropy(TargetLoss):
    """Sigmoid cross-entropy of every sentence, divided by their number; padding counts nothing. See TargetLoss.

    Call: y_true: int or float [rows, sentences]: 1 is chosen, 0 is not, and there may be what is between; -1 is padding. y_pred: [rows,
        sentences], logits. sample_weight: [rows] or [rows, sentences]. Without reduction: float32 [rows, sentences].
    Source: Liu & Lapata 2019, "Text summarization with pretrained encoders", section 3.2.
    """

    TARGETS = "float32"

    def __init__(self, *, name="sentence_cross_entropy", reduction="sum_over_batch_size"):
        super().__init__(2, name=name, reduction=reduction)

    def losses(self, targets, y_pred, word_weights):
        losses = ops.softplus(y_pred) - y_pred * targets
        # No product: what padding's logits are may be no number.
        losses = ops.where(targets >= 0, losses, 0.0)
        return losses if word_weights is None else losses * word_weights

    def get_config(self):
        return {"name": self.name, "reduction": self.reduction}
