"""Exact search, beside a full sort."""

import numpy as np
import pytest

from keras_bert.tasks import search
from keras_bert.tasks.search import search_vectors


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "manhattan"])
def test_chunks_find_what_a_full_sort_finds(monkeypatch, similarity):
    monkeypatch.setattr(search, "CORPUS_AT_ONCE", 7)
    monkeypatch.setattr(search, "QUERIES_AT_ONCE", 3)
    generator = np.random.default_rng(0)
    queries, corpus = generator.normal(size=(8, 4)), generator.normal(size=(40, 4))
    corpus[[30, 3, 17]] = corpus[11]  # equal ones: the first in the corpus comes first
    full = {
        "cosine": (queries / np.linalg.norm(queries, axis=1)[:, None]) @ (corpus / np.linalg.norm(corpus, axis=1)[:, None]).T,
        "dot": queries @ corpus.T,
        "euclidean": -np.linalg.norm(queries[:, None] - corpus[None], axis=-1),
        "manhattan": -np.abs(queries[:, None] - corpus[None]).sum(-1),
    }[similarity]
    places, scores = search_vectors(queries, corpus, 5, similarity=similarity)
    # Equal vectors may differ in the last bit of a product, so their order is looked at by one query alone.
    np.testing.assert_allclose(scores, -np.sort(-full, axis=1)[:, :5], atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(full, places, axis=1), scores, atol=1e-5)


def test_equal_scores_come_in_the_order_of_the_corpus(monkeypatch):
    monkeypatch.setattr(search, "CORPUS_AT_ONCE", 4)
    corpus = np.array([[1.0], [2.0], [2.0], [1.0], [2.0], [3.0], [2.0]])
    assert search_vectors([[1.0]], corpus, 3, similarity="dot")[0].tolist() == [[5, 1, 2]]
    monkeypatch.undo()
    corpus = np.random.default_rng(0).integers(0, 3, [200, 1])  # of equal ones, a partition takes any
    expected = np.argsort(-corpus[:, 0], kind="stable")[:10]
    assert search_vectors([[1.0]], corpus, 10, similarity="dot")[0].tolist() == [expected.tolist()]


def test_a_small_corpus_gives_all_of_it():
    places, scores = search_vectors([[1.0, 0.0]], [[0.0, 1.0]], 10)
    assert (places.tolist(), scores.tolist()) == ([[0]], [[0.0]])
    assert search_vectors(np.zeros((0, 2)), [[0.0, 1.0]])[0].shape == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([[1.0]], np.zeros((0, 1))), {}, "the corpus is empty"),
        (([[1.0]], [[1.0]], 0), {}, "top_k=0 is not a whole number from 1"),
        (([[1.0]], [[1.0]]), {"backend": "annoy"}, "backend='annoy' is not one of numpy, faiss"),
        (([[1.0]], [[np.inf]]), {}, "vector 0 of the corpus's holds what is no finite number"),
    ],
)
def test_what_does_not_fit_is_told(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        search_vectors(*arguments, **options)


def test_faiss_that_is_not_there_is_told(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match="pip install faiss-cpu"):
        search_vectors([[1.0]], [[1.0]], backend="faiss")


def test_faiss_finds_the_same():
    pytest.importorskip("faiss")
    generator = np.random.default_rng(0)
    queries, corpus = generator.normal(size=(8, 4)), generator.normal(size=(40, 4))
    for similarity in ("cosine", "dot", "euclidean"):
        ours, theirs = (search_vectors(queries, corpus, 5, similarity=similarity, backend=backend) for backend in ("numpy", "faiss"))
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_allclose(ours[1], theirs[1], atol=1e-5)
