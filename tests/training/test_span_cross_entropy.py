"""Loss and accuracy of spans, by hand and by Keras's own cross-entropy."""

import keras
import numpy as np
import pytest

from keras_bert.metrics import SpanAccuracy
from keras_bert.training import SpanCrossEntropy

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(4, 7, 2)).astype("float32")
PLACES = np.array([[2, 4], [0, 0], [6, 6], [1, 5]], "int32")


def test_it_is_the_mean_of_both_cross_entropies():
    each = [keras.losses.sparse_categorical_crossentropy(PLACES[:, part], LOGITS[:, :, part], from_logits=True).numpy() for part in (0, 1)]
    expected = np.mean(each, axis=0)
    np.testing.assert_allclose(SpanCrossEntropy(reduction=None)(PLACES, LOGITS), expected, rtol=1e-5)
    assert float(SpanCrossEntropy()(PLACES, LOGITS)) == pytest.approx(expected.mean(), rel=1e-5)
    padded = np.concatenate([LOGITS, np.full((4, 3, 2), -np.inf, "float32")], axis=1)
    assert float(SpanCrossEntropy()(PLACES, padded)) == pytest.approx(expected.mean(), rel=1e-5)
    weights = np.array([1.0, 0.0, 2.0, 1.0], "float32")
    assert float(SpanCrossEntropy()(PLACES, LOGITS, weights)) == pytest.approx((weights * expected).mean(), rel=1e-5)
    assert SpanCrossEntropy.from_config(SpanCrossEntropy(name="a").get_config()).name == "a"


def test_a_span_is_right_where_both_its_ends_are():
    logits = np.zeros((4, 7, 2), "float32")
    for row, (start, end) in enumerate([(2, 4), (0, 1), (6, 6), (1, 4)]):  # both, one, both, one
        logits[row, start, 0] = logits[row, end, 1] = 3
    metric = SpanAccuracy()
    metric.update_state(PLACES, logits)
    assert metric.name == "span_accuracy" and float(metric.result()) == 0.5
    metric.update_state(PLACES, logits, sample_weight=np.array([2, 0, 0, 0]))
    assert float(metric.result()) == pytest.approx((2 + 2) / (4 + 2))
    assert type(metric).from_config(metric.get_config()).dtype == metric.dtype
