"""search_vectors: the nearest vectors of a corpus, exactly, in bounded memory."""

import numpy as np

from keras_bert.similarity import checked_vectors, similarities, unit

BACKENDS = ("numpy", "faiss")
QUERIES_AT_ONCE, CORPUS_AT_ONCE = 256, 16_384  # 16 MB of similarities


def search_vectors(queries, corpus, top_k=10, *, similarity="cosine", backend="numpy"):
    """Find for each query the most similar vectors of a corpus.

    Args:
        queries: float [queries, features]. corpus: float [texts, features].
        top_k: how many; of a smaller corpus, all.
        similarity: one of similarity.SIMILARITIES.
        backend: "numpy", or "faiss" (an exact index of faiss-cpu), for cosine, dot and euclidean.
    Returns: int64 [queries, k], places in the corpus, the best first (of equal ones the first in the corpus); float32 [queries, k].
    Raises: ValueError where the corpus is empty or vectors do not fit; ImportError where faiss is not installed.
    """
    queries, corpus = checked_vectors(queries, "queries'"), checked_vectors(corpus, "corpus's")
    if not len(corpus):
        raise ValueError("the corpus is empty: there is nothing to find")
    if isinstance(top_k, bool) or int(top_k) != top_k or top_k < 1:
        raise ValueError(f"top_k={top_k!r} is not a whole number from 1")
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} is not one of {', '.join(BACKENDS)}")
    top_k = min(int(top_k), len(corpus))
    if backend == "faiss":
        return _faiss(queries, corpus, top_k, similarity)
    parts = [
        _best(queries[start : start + QUERIES_AT_ONCE], corpus, top_k, similarity) for start in range(0, len(queries), QUERIES_AT_ONCE)
    ]
    if not parts:
        return np.zeros((0, top_k), "int64"), np.zeros((0, top_k), "float32")
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def _best(queries, corpus, top_k, similarity):
    places, scores = np.zeros((len(queries), 0), "int64"), np.zeros((len(queries), 0), "float32")
    for start in range(0, len(corpus), CORPUS_AT_ONCE):
        more = similarities(queries, corpus[start : start + CORPUS_AT_ONCE], similarity)
        here = _greatest(more, top_k)
        scores = np.concatenate([scores, np.take_along_axis(more, here, axis=1)], axis=1)
        places = np.concatenate([places, here + start], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]  # what stood earlier in the corpus comes first
        scores, places = np.take_along_axis(scores, order, axis=1), np.take_along_axis(places, order, axis=1)
    return places, scores


def _greatest(scores, top_k):
    """The places of the greatest of each row, sorted. Args: scores: [n, m]. Returns: int64 [n, min(top_k, m)]."""
    if top_k >= scores.shape[1]:
        return np.argsort(-scores, axis=1, kind="stable")
    chosen = np.sort(np.argpartition(-scores, top_k - 1, axis=1)[:, :top_k], axis=1)
    least = np.take_along_axis(scores, chosen, axis=1).min(axis=1, keepdims=True)
    for row in np.flatnonzero((scores >= least).sum(axis=1) > top_k):  # equal ones: partition takes any, we the first
        chosen[row] = np.sort(np.argsort(-scores[row], kind="stable")[:top_k])
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


def _faiss(queries, corpus, top_k, similarity):
    try:
        import faiss
    except ImportError as error:
        raise ImportError("backend='faiss' needs faiss: pip install faiss-cpu; backend='numpy' needs nothing more") from error
    if similarity == "manhattan":
        raise ValueError("similarity='manhattan': faiss is asked for cosine, dot and euclidean here; take backend='numpy'")
    if similarity == "cosine":
        queries, corpus = unit(queries), unit(corpus)
    index = (faiss.IndexFlatL2 if similarity == "euclidean" else faiss.IndexFlatIP)(corpus.shape[1])
    index.add(np.ascontiguousarray(corpus))
    scores, places = index.search(np.ascontiguousarray(queries), top_k)
    return places, -np.sqrt(np.maximum(scores, 0.0)) if similarity == "euclidean" else scores
