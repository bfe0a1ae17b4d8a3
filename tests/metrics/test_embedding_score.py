"""Scores of vectors: by hand, and beside scipy and scikit-learn."""

import numpy as np
import pytest

from keras_bert.metrics import pair_similarities, pearson, retrieval_scores, similarities, spearman


def test_correlations_are_scipy_s():
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=50), generator.integers(0, 6, 50) / 5  # with ties
    assert pearson(first, second) == pytest.approx(stats.pearsonr(first, second)[0])
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second)[0])


def test_correlations_by_hand():
    assert spearman([1, 2, 3, 4], [10, 100, 1000, 10000]) == pytest.approx(1.0)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert spearman([1, 2, 3, 4], [1, 2, 2, 3]) == pytest.approx(4.5 / np.sqrt(5 * 4.5))  # ranks 1, 2.5, 2.5, 4
    assert pearson([0, 1, 2], [0, 0, 3]) == pytest.approx(3 / np.sqrt(2 * 6))
    assert np.isnan(pearson([1, 2, 3], [5, 5, 5]))


def test_a_search_s_scores_by_hand():
    found = [[4, 7, 1], [0, 2, 9], [5, 6, 8]]
    scores = retrieval_scores(found, [{7}, {0, 9}, {1}], recall_at=(1, 3), mrr_at=(1, 3), ndcg_at=(1, 3))
    assert scores["recall@1"] == pytest.approx((0 + 1 / 2 + 0) / 3)
    assert scores["recall@3"] == pytest.approx((1 + 1 + 0) / 3)
    assert scores["mrr@1"] == scores["ndcg@1"] == pytest.approx((0 + 1 + 0) / 3)
    assert scores["mrr@3"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert scores["ndcg@3"] == pytest.approx((1 / np.log2(3) + (1 + 1 / 2) / (1 + 1 / np.log2(3)) + 0) / 3)


def test_ndcg_is_scikit_learn_s():
    sklearn = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(1)
    similar = generator.normal(size=(20, 30))
    relevant = [set(generator.choice(30, 3, replace=False).tolist()) for _ in range(20)]
    truth = np.array([[index in ids for index in range(30)] for ids in relevant], float)
    scores = retrieval_scores(np.argsort(-similar, axis=1), relevant)
    assert scores["ndcg@10"] == pytest.approx(sklearn.ndcg_score(truth, similar, k=10))


def test_similarities_by_hand():
    first, second = np.array([[3.0, 4.0], [0.0, 2.0]]), np.array([[4.0, 3.0]])
    expected = {"cosine": [24 / 25, 3 / 5], "dot": [24, 6], "euclidean": [-np.sqrt(2), -np.sqrt(17)], "manhattan": [-2, -5]}
    for kind, values in expected.items():
        np.testing.assert_allclose(similarities(first, second, kind)[:, 0], values, rtol=1e-5)
        np.testing.assert_allclose(pair_similarities(first, np.repeat(second, 2, axis=0), kind), values, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: spearman([1.0, np.nan], [1.0, 2.0]), "item 1 of the first list is nan, which is no finite number"),
        (lambda: spearman([1.0], [1.0]), "of 2 pairs at least; got 1"),
        (lambda: pearson([1.0, 2.0], [1.0]), r"two lists of one length; got \(2,\) and \(1,\)"),
        (lambda: retrieval_scores([[1]], [{1}, {2}]), "1 queries were searched for, but 2 have relevant ids"),
        (lambda: retrieval_scores([[1], [2]], [{1}, set()]), "query 1 has no relevant id"),
        (lambda: similarities(np.ones((1, 2)), np.ones((1, 3))), "vectors of 2 and of 3 features cannot be compared"),
        (lambda: similarities(np.ones(2), np.ones((1, 2))), r"the first vectors have shape \(2,\)"),
        (lambda: similarities([[np.nan]], [[1.0]]), "vector 0 of the first holds what is no finite number"),
        (lambda: similarities([[1.0]], [[1.0]], "l2"), "similarity='l2' is not one of"),
        (lambda: pair_similarities([[1.0]], [[1.0], [2.0]]), "make no pairs"),
        (lambda: pair_similarities([[1.0]], [[1.0]], "l2"), "similarity='l2' is not one of"),
    ],
)
def test_what_does_not_fit_is_told(call, words):
    with pytest.raises(ValueError, match=words):
        call()
