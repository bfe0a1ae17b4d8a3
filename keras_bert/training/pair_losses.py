"""Losses of pairs and triplets, each example by itself: cosine regression, contrastive, triplet."""

import keras
from keras import ops

from keras_bert.training.embedding_loss import EmbeddingLoss, check_distance, cosines, distances
from keras_bert.training.replicas import rows_of_all


@keras.saving.register_keras_serializable(package="keras_bert")
class CosineRegression(EmbeddingLoss):
    """The squared difference between the cosine of a pair and its score, which is between -1 and 1, or 0 and 1.

    Call: as EmbeddingLoss, with scores; [batch, 2, features].
    Source: Reimers & Gurevych 2019 (Sentence-BERT), section 3; sentence-transformers' CosineSimilarityLoss.
    """

    SCORED, TEXTS = True, (2, 2)

    def __init__(self, *, name="cosine_regression", reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction)

    def losses(self, targets, vectors):
        return ops.square(cosines(vectors[:, 0], vectors[:, 1]) - ops.cast(targets, "float32"))


@keras.saving.register_keras_serializable(package="keras_bert")
class Triplet(EmbeddingLoss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin).

    Args: margin: by how much the negative is to be farther. distance: "cosine", "euclidean" or "manhattan". With cosines, or vectors of
        length 1, distances are 2 at most: a margin such as 0.3 suits them.
    Call: as EmbeddingLoss, without scores; [batch, 3, features].
    Source: Schroff et al. 2015 (FaceNet); sentence-transformers' TripletLoss, whose defaults these are.
    """

    SCORED, TEXTS = False, (3, 3)

    def __init__(self, margin=5.0, *, distance="euclidean", name="triplet", reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction)
        self.margin = float(margin)
        self.distance = check_distance(distance)

    def losses(self, targets, vectors):
        anchors, positives, negatives = (vectors[:, index] for index in range(3))
        apart = distances(anchors, positives, self.distance) - distances(anchors, negatives, self.distance)
        return ops.relu(apart + self.margin)

    def get_config(self):
        return super().get_config() | {"margin": self.margin, "distance": self.distance}


@keras.saving.register_keras_serializable(package="keras_bert")
class Contrastive(EmbeddingLoss):
    """Draws pairs of score 1 together, and those of score 0 apart up to a margin: score * d^2 / 2 + (1 - score) * max(0, margin - d)^2 / 2.

    Args: margin: the distance at which pairs of score 0 are far enough. distance: "cosine", "euclidean" or "manhattan".
    Call: as EmbeddingLoss, with scores 0 and 1; [batch, 2, features].
    Source: Hadsell et al. 2006; sentence-transformers' ContrastiveLoss.
    """

    SCORED, TEXTS = True, (2, 2)

    def __init__(self, margin=0.5, *, distance="cosine", name="contrastive", reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction)
        self.margin = float(margin)
        self.distance = check_distance(distance)

    def losses(self, targets, vectors):
        apart = distances(vectors[:, 0], vectors[:, 1], self.distance)
        targets = ops.cast(targets, "float32")
        return 0.5 * (targets * ops.square(apart) + (1.0 - targets) * ops.square(ops.relu(self.margin - apart)))

    def get_config(self):
        return super().get_config() | {"margin": self.margin, "distance": self.distance}


@keras.saving.register_keras_serializable(package="keras_bert")
class OnlineContrastive(Contrastive):
    """Contrastive over the hard pairs of the batch, all replicas': pairs of score 1 that are farther than the nearest of score 0, and
    pairs of score 0 that are nearer than the farthest of score 1. Where the batch has one kind only, its mean takes the other's place.

    The loss is a sum, as sentence-transformers': it grows with the batch.

    Args: as Contrastive. Source: sentence-transformers' OnlineContrastiveLoss, which has no 1/2.
    """

    def __init__(self, margin=0.5, *, distance="cosine", name="online_contrastive", reduction="sum"):
        super().__init__(margin, distance=distance, name=name, reduction=reduction)

    def losses(self, targets, vectors):
        apart = distances(vectors[:, 0], vectors[:, 1], self.distance)
        targets = ops.cast(targets, "float32")
        (of_all, targets_of_all), _ = rows_of_all(ops.stop_gradient(apart), targets)
        near, far = targets_of_all == 1, targets_of_all == 0

        def mean(of):
            chosen = ops.cast(of, "float32")
            return ops.sum(chosen * of_all) / ops.maximum(ops.sum(chosen), 1.0)

        farthest = ops.where(ops.any(near), ops.max(ops.where(near, of_all, -1e9)), mean(far))
        nearest = ops.where(ops.any(far), ops.min(ops.where(far, of_all, 1e9)), mean(near))
        hard_near = ops.cast((targets == 1) & (apart > nearest), "float32")
        hard_far = ops.cast((targets == 0) & (apart < farthest), "float32")
        return hard_near * ops.square(apart) + hard_far * ops.square(ops.relu(self.margin - apart))
