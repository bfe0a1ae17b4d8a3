"""How well vectors do: correlation with scores, and how high a search finds what belongs to a query."""

import numpy as np


def pearson(first, second):
    """Pearson's correlation. Args: first, second: float [n]. Returns: float; NaN where one of them is constant."""
    first, second = _numbers(first, second)
    first, second = first - first.mean(), second - second.mean()
    size = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.clip(first @ second / size, -1.0, 1.0)) if size else float("nan")


def spearman(first, second):
    """Spearman's rank correlation; equal values share the mean of their ranks. Args, Returns: as pearson."""
    return pearson(*(_ranks(values) for values in _numbers(first, second)))


def retrieval_scores(found, relevant, *, recall_at=(1, 5, 10), mrr_at=(10,), ndcg_at=(10,)):
    """Scores of a search, as sentence-transformers' InformationRetrievalEvaluator has them.

    Args:
        found: for each query the ids that were found, the best first: int [queries, ranks], or a list of lists.
        relevant: for each query the ids that should be: a set, or a list.
        recall_at, mrr_at, ndcg_at: ranks.
    Returns: dict of "recall@1", ..., "mrr@10", "ndcg@10" -> float, means over the queries. recall@k: the share of the relevant ids that are
        among the first k. mrr@k: 1 / rank of the first relevant id, 0 past k. ndcg@k: of relevance 0 or 1.
    Raises: ValueError where queries and answers differ in number, or a query has nothing relevant.
    Source: ndcg: Järvelin & Kekäläinen 2002.
    """
    if len(found) != len(relevant) or not len(found):
        raise ValueError(f"{len(found)} queries were searched for, but {len(relevant)} have relevant ids")
    relevant = [set(ids) for ids in relevant]
    empty = next((index for index, ids in enumerate(relevant) if not ids), None)
    if empty is not None:
        raise ValueError(f"query {empty} has no relevant id; leave it out")
    hits = [[int(item) in ids for item in row] for row, ids in zip(found, relevant, strict=True)]
    sizes = [len(ids) for ids in relevant]

    def mean(score):
        return float(np.mean([score(row, size) for row, size in zip(hits, sizes, strict=True)]))

    scores = {f"recall@{k}": mean(lambda row, size, k=k: sum(row[:k]) / size) for k in recall_at}
    scores |= {f"mrr@{k}": mean(lambda row, size, k=k: 1 / (row.index(True) + 1) if True in row[:k] else 0.0) for k in mrr_at}
    return scores | {f"ndcg@{k}": mean(lambda row, size, k=k: _dcg(row[:k]) / _dcg([True] * min(size, k))) for k in ndcg_at}


def _dcg(hits):
    return sum(hit / np.log2(rank + 2) for rank, hit in enumerate(hits))


def _ranks(values):
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + 1 + last) / 2)[places]


def _numbers(first, second):
    first, second = np.asarray(first, "float64"), np.asarray(second, "float64")
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"a correlation is of two lists of one length; got {first.shape} and {second.shape}")
    if len(first) < 2:
        raise ValueError(f"a correlation is of 2 pairs at least; got {len(first)}")
    for name, values in (("first", first), ("second", second)):
        if not np.isfinite(values).all():
            place = int(np.argwhere(~np.isfinite(values))[0][0])
            raise ValueError(f"item {place} of the {name} list is {values[place]}, which is no finite number")
    return first, second
