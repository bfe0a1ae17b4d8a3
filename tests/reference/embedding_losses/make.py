"""What sentence-transformers' losses give for the vectors of a file, and their gradients.

    python make.py sentence_transformers.npz        # sentence-transformers 6.2.0, PyTorch 2, float32, one CPU

Written for this project; it calls sentence-transformers (Apache-2.0) and copies nothing of it.
"""

import sys

import numpy as np
import torch
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.losses.contrastive import SiameseDistanceMetric
from sentence_transformers.sentence_transformer.losses.matryoshka import shrink
from sentence_transformers.sentence_transformer.losses.triplet import TripletDistanceMetric
from sentence_transformers.util import dot_score

NO_MODEL = torch.nn.Identity()
generator = np.random.default_rng(0)
vectors = generator.normal(size=(6, 4, 8)).astype("float32")  # anchors, positives and two negatives
vectors[:, 1] += 1.5 * vectors[:, 0]
vectors[:, 2] += 0.8 * vectors[:, 0]
scores = np.array([0.0, 0.2, 0.5, 0.8, 1.0, 0.3], "float32")
binary = np.array([1, 0, 1, 0, 1, 1], "float32")
found = {"vectors": vectors, "scores": scores, "binary": binary}


def run(name, loss, texts, targets=None, dims=None):
    """dims: of Matryoshka: {size: weight}; MatryoshkaLoss sums the same, around a whole model."""
    columns = [torch.tensor(vectors[:, index], requires_grad=True) for index in range(texts)]
    targets = None if targets is None else torch.tensor(targets)
    if dims is None:
        value = loss.compute_loss_from_embeddings(columns, targets)
    else:
        cut = [(weight, [shrink(column, size) for column in columns]) for size, weight in dims.items()]
        value = sum(weight * loss.compute_loss_from_embeddings(each, targets) for weight, each in cut)
    value.backward()
    found[f"{name}/loss"] = np.float32(value.item())
    found[f"{name}/gradient"] = np.stack([column.grad.numpy() for column in columns], axis=1)


negatives, symmetric = losses.MultipleNegativesRankingLoss, losses.MultipleNegativesSymmetricRankingLoss
run("multiple_negatives/pairs", negatives(NO_MODEL), 2)
run("multiple_negatives/triplets", negatives(NO_MODEL), 3)
run("multiple_negatives/two_negatives", negatives(NO_MODEL), 4)
run("multiple_negatives/scale_5", negatives(NO_MODEL, scale=5.0), 2)
run("multiple_negatives/dot", negatives(NO_MODEL, scale=1.0, similarity_fct=dot_score), 2)
run("multiple_negatives/symmetric", symmetric(NO_MODEL), 2)
run("multiple_negatives/symmetric_triplets", symmetric(NO_MODEL), 3)
run("triplet/euclidean", losses.TripletLoss(NO_MODEL), 3)
run("triplet/cosine", losses.TripletLoss(NO_MODEL, distance_metric=TripletDistanceMetric.COSINE, triplet_margin=0.3), 3)
run("triplet/manhattan", losses.TripletLoss(NO_MODEL, distance_metric=TripletDistanceMetric.MANHATTAN, triplet_margin=1.0), 3)
run("cosine_regression", losses.CosineSimilarityLoss(NO_MODEL), 2, scores)
run("contrastive/cosine", losses.ContrastiveLoss(NO_MODEL), 2, binary)
run("contrastive/euclidean", losses.ContrastiveLoss(NO_MODEL, distance_metric=SiameseDistanceMetric.EUCLIDEAN, margin=4.0), 2, binary)
run("online_contrastive", losses.OnlineContrastiveLoss(NO_MODEL), 2, binary)
run("online_contrastive/one_kind", losses.OnlineContrastiveLoss(NO_MODEL), 2, np.ones(6, "float32"))
run("matryoshka/multiple_negatives", negatives(NO_MODEL), 3, dims={8: 1.0, 4: 1.0, 2: 1.0})
run("matryoshka/cosine_regression", losses.CosineSimilarityLoss(NO_MODEL), 2, scores, dims={8: 1.0, 4: 0.5})
np.savez_compressed(sys.argv[1], **found)
