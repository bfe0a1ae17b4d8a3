"""Matryoshka: another loss at several sizes of the vectors, so that they may be cut."""

import keras

from keras_bert.training.embedding_loss import EmbeddingLoss, unit
from keras_bert.training.embedding_losses import LOSSES, loss_of


@keras.saving.register_keras_serializable(package="keras_bert")
class Matryoshka(EmbeddingLoss):
    """The sum of another loss of the first d features of the vectors, scaled to length 1, over several d.

        model.compile(loss=Matryoshka(MultipleNegatives(), [384, 256, 128, 64]))

    The vectors may then be cut: predict(texts, truncate_dim=64).

    Args: loss: EmbeddingLoss, or a name in LOSSES. dims: sizes. weights: one a size; None: all are 1.
    Source: Kusupati et al. 2022, "Matryoshka representation learning"; sentence-transformers' MatryoshkaLoss.
    """

    def __init__(self, loss, dims, weights=None, *, name="matryoshka", reduction=None):
        loss = loss_of(loss)
        if not isinstance(loss, EmbeddingLoss):
            raise ValueError(f"loss={loss!r} compares no vectors; give one of {', '.join(LOSSES)}, or an EmbeddingLoss")
        super().__init__(name=name, reduction=loss.reduction if reduction is None else reduction)
        self.loss = loss
        self.dims = [int(size) for size in dims]
        self.weights = [1.0] * len(self.dims) if weights is None else [float(weight) for weight in weights]
        if not self.dims or min(self.dims) < 1:
            raise ValueError(f"dims={dims!r}: give whole numbers from 1")
        if len(self.weights) != len(self.dims):
            raise ValueError(f"{len(self.dims)} dims but {len(self.weights)} weights")

    def check(self, y_true, y_pred):
        self.loss.check(y_true, y_pred)
        size = y_pred.shape[-1]
        if max(self.dims) > size:
            raise ValueError(f"dims={self.dims}: the vectors have {size} features")

    def losses(self, targets, vectors):
        return sum(
            weight * self.loss.losses(targets, unit(vectors[..., :size])) for size, weight in zip(self.dims, self.weights, strict=True)
        )

    def get_config(self):
        config = super().get_config() | {"dims": self.dims, "weights": self.weights}
        return config | {"loss": keras.saving.serialize_keras_object(self.loss)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})
