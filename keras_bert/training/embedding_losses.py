"""The losses of embedders by name, and the one that fits the data."""

import keras

from keras_bert.training.embedding_loss import EmbeddingLoss, is_scored
from keras_bert.training.multiple_negatives import MultipleNegatives
from keras_bert.training.pair_losses import Contrastive, CosineRegression, OnlineContrastive, Triplet

LOSSES = {
    "multiple_negatives": MultipleNegatives,
    "cosine_regression": CosineRegression,
    "triplet": Triplet,
    "contrastive": Contrastive,
    "online_contrastive": OnlineContrastive,
}


def loss_of(loss):
    """A loss by its name in LOSSES; anything else as it is."""
    return LOSSES[loss]() if isinstance(loss, str) and loss in LOSSES else loss


@keras.saving.register_keras_serializable(package="keras_bert")
class DefaultEmbeddingLoss(EmbeddingLoss):
    """CosineRegression of pairs with scores, MultipleNegatives of examples without."""

    def __init__(self, *, name="embedding_loss", reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction)
        self.of_scores, self.without_scores = CosineRegression(), MultipleNegatives()

    def check(self, y_true, y_pred):
        super().check(y_true, y_pred)
        self._chosen(y_true).check(y_true, y_pred)

    def losses(self, targets, vectors):
        return self._chosen(targets).losses(targets, vectors)

    def _chosen(self, targets):
        return self.of_scores if is_scored(targets) else self.without_scores
