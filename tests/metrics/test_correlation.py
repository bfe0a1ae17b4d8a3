"""Pearson's correlation over batches, beside NumPy's of all texts."""

import keras
import numpy as np
import pytest

from keras_bert.metrics import PearsonCorrelation

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=90).astype("float32")
Y = (X + RANDOM.normal(size=90)).astype("float32")


def result_of(x, y, activation="linear", weights=None):
    metric = keras.metrics.deserialize(keras.metrics.serialize(PearsonCorrelation(activation)))
    for part in (slice(0, 20), slice(20, 90)):
        metric.update_state(x[part], y[part, None], None if weights is None else weights[part])
    return float(metric.result())


@pytest.mark.parametrize("offset", [0.0, 2000.0])
def test_it_is_that_of_all_texts_together(offset):
    expected = np.corrcoef((X * 10 + np.float32(offset)).astype("float64"), (Y + np.float32(offset / 100)).astype("float64"))[0, 1]
    assert result_of(X * 10 + np.float32(offset), Y + np.float32(offset / 100)) == pytest.approx(expected, abs=1e-6)


def test_scores_of_logits_and_weights():
    assert result_of(X, Y, "sigmoid") == pytest.approx(np.corrcoef(X, 1 / (1 + np.exp(-Y)))[0, 1], abs=1e-6)
    weights = np.array([1.0, 0.0] * 45, "float32")
    assert result_of(X, Y, weights=weights) == pytest.approx(np.corrcoef(X[::2], Y[::2])[0, 1], abs=1e-6)


def test_a_side_that_hardly_moves_correlates_with_nothing():
    for y in (np.ones_like(Y), np.float32(0.7) + Y * np.float32(1e-6)):
        assert result_of(X, y) == 0.0
    assert float(PearsonCorrelation().result()) == 0.0
