"""MultipleNegatives: each anchor's positive against the positives and negatives of the whole batch."""

import keras
from keras import ops

from keras_bert.training.embedding_loss import EmbeddingLoss, unit
from keras_bert.training.replicas import rows_of_all

_NEVER = -1e9


@keras.saving.register_keras_serializable(package="keras_bert")
class MultipleNegatives(EmbeddingLoss):
    """Multiple negatives ranking (InfoNCE): a cross-entropy over the texts of the batch, of which an anchor's positive is the right one.

        loss of an example = -log(exp(scale * s(anchor, its positive)) / sum over candidates c of exp(scale * s(anchor, c)))

    Candidates are the positives and hard negatives of all examples of the batch, those of other replicas too; of micro-batches
    (gradient_accumulation_steps) each has its own. The larger the batch, the more there is to learn from: see BertEmbedder.compile's
    rows_at_once for batches that do not fit.

    Args:
        scale: factor of the similarity, the inverse of the temperature.
        symmetric: also choose, for each positive, its anchor among the anchors of the batch; the loss is the mean of both.
        similarity: "cosine" or "dot".
        skip_equal: a text of another example that is equal to the positive, or whose anchor is equal to this one, is no negative.
            sentence-transformers has no such thing and asks for batches without equal texts.
    Call: as EmbeddingLoss, without scores; [batch, 2 or more, features].
    Source: Henderson et al. 2017, "Efficient natural language response suggestion for Smart Reply"; sentence-transformers'
        MultipleNegativesRankingLoss and MultipleNegativesSymmetricRankingLoss.
    """

    SCORED = False

    def __init__(
        self,
        scale=20.0,
        *,
        symmetric=False,
        similarity="cosine",
        skip_equal=True,
        name="multiple_negatives",
        reduction="sum_over_batch_size",
    ):
        super().__init__(name=name, reduction=reduction)
        if not scale > 0:
            raise ValueError(f"scale={scale!r} is not positive")
        if similarity not in ("cosine", "dot"):
            raise ValueError(f"similarity={similarity!r} is not one of cosine, dot")
        self.scale = float(scale)
        self.symmetric = bool(symmetric)
        self.similarity = similarity
        self.skip_equal = bool(skip_equal)

    def losses(self, targets, vectors):
        vectors = unit(vectors) if self.similarity == "cosine" else vectors
        by_text = len(targets.shape) == 2
        numbers = targets if by_text else ops.repeat(targets[:, None], ops.shape(vectors)[1], axis=1)  # (B, texts)
        (all_vectors, all_numbers), start = rows_of_all(vectors, numbers)  # (N, texts, H), (N, texts)
        own = start + ops.arange(ops.shape(vectors)[0])
        is_own = own[:, None] == ops.arange(ops.shape(all_vectors)[0])[None]  # (B, N)
        anchors, positives = vectors[:, 0], vectors[:, 1]
        right = self.scale * ops.sum(anchors * positives, axis=-1)  # (B,)
        skips = by_text and self.skip_equal
        same_anchor = ops.logical_and(numbers[:, :1] == all_numbers[None, :, 0], ops.logical_not(is_own)) if skips else None  # (B, N)
        columns = []
        for index in range(1, vectors.shape[1]):
            scores = self.scale * ops.matmul(anchors, ops.transpose(all_vectors[:, index]))  # (B, N)
            hidden = (all_numbers[:, index] == 0)[None]
            if skips:
                other = ops.logical_not(is_own) if index == 1 else True
                hidden = hidden | ((numbers[:, 1:2] == all_numbers[None, :, index]) & other)
                hidden = hidden | same_anchor if index == 1 else hidden
            columns.append(ops.where(hidden, _NEVER, scores))
        total = ops.logsumexp(ops.concatenate(columns, axis=1), axis=1)
        if self.symmetric:
            scores = self.scale * ops.matmul(positives, ops.transpose(all_vectors[:, 0]))  # (B, N)
            hidden = (all_numbers[:, 0] == 0)[None]
            if skips:
                same_positive = ops.logical_and(numbers[:, 1:2] == all_numbers[None, :, 1], ops.logical_not(is_own))
                hidden = hidden | same_anchor | same_positive
            total = (total + ops.logsumexp(ops.where(hidden, _NEVER, scores), axis=1)) / 2
        return total - right

    def get_config(self):
        names = ("scale", "symmetric", "similarity", "skip_equal")
        return super().get_config() | {name: getattr(self, name) for name in names}
