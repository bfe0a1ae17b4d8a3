"""Scores of an embedder on examples of several texts."""

import numpy as np

from keras_bert.metrics.embedding_score import pearson, retrieval_scores, spearman
from keras_bert.similarity import pair_similarities
from keras_bert.tasks.search import search_vectors

MOST_RANKS = 10


def score_examples(vectors, texts, scores=None, *, similarity="cosine"):
    """How well vectors do.

    Args:
        vectors: float32 [examples, texts, features].
        texts: list of columns of texts, as many as an example has: equal ones are one text of the corpus.
        scores: float [examples], or None: the first two texts of an example belong together.
        similarity: one of similarity.SIMILARITIES.
    Returns: dict of float.
        With scores: spearman, pearson: of a pair's similarity with its score.
        Without: recall@1, recall@5, recall@10, mrr@10, ndcg@10 of finding an anchor's positives among the positives and negatives of all
        examples. With negatives also triplet_accuracy: how often the positive is nearer than the negatives.
    """
    anchors, positives = vectors[:, 0], vectors[:, 1]
    if scores is not None:
        found = pair_similarities(anchors, positives, similarity)
        return {"spearman": spearman(found, scores), "pearson": pearson(found, scores)}
    numbers, corpus = {}, []
    for column, others in zip(texts[1:], np.moveaxis(vectors[:, 1:], 1, 0), strict=True):
        for text, vector in zip(column, others, strict=True):
            if numbers.setdefault(text, len(corpus)) == len(corpus):
                corpus.append(vector)
    relevant, queries = {}, {}
    for row, (anchor, positive) in enumerate(zip(texts[0], texts[1], strict=True)):
        relevant.setdefault(anchor, set()).add(numbers[positive])
        queries.setdefault(anchor, anchors[row])
    found, _ = search_vectors(np.stack(list(queries.values())), np.stack(corpus), MOST_RANKS, similarity=similarity)
    results = retrieval_scores(found, list(relevant.values()))
    if vectors.shape[1] > 2:
        right = pair_similarities(anchors, positives, similarity)
        wrong = [pair_similarities(anchors, vectors[:, index], similarity) for index in range(2, vectors.shape[1])]
        results["triplet_accuracy"] = float((right > np.max(wrong, axis=0)).mean())
    return results
