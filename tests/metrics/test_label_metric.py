"""Keras's metrics on a classifier's ids and logits, beside scikit-learn's on its probabilities."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert.metrics import LabelMetric

sklearn = pytest.importorskip("sklearn.metrics")

RANDOM = np.random.default_rng(0)
IDS = {labels: RANDOM.integers(0, labels, 300) for labels in (2, 4)}
LOGITS = {labels: (RANDOM.normal(size=(300, labels)) + 1.2 * np.eye(labels)[IDS[labels]]).astype("float32") for labels in (2, 4)}


def result_of(metric, labels):
    metric = LabelMetric.from_config(LabelMetric(metric, labels).get_config())
    for part in (slice(0, 100), slice(100, 300)):
        metric.update_state(tf.constant(IDS[labels][part]), tf.constant(LOGITS[labels][part]))
    return np.asarray(metric.result())


def probabilities(labels):
    exponentials = np.exp(LOGITS[labels])
    return exponentials / exponentials.sum(-1, keepdims=True)


@pytest.mark.parametrize("labels", [2, 4])
def test_macro_f1(labels):
    expected = sklearn.f1_score(IDS[labels], LOGITS[labels].argmax(-1), average="macro")
    assert result_of(keras.metrics.F1Score(average="macro"), labels) == pytest.approx(expected, abs=1e-6)


def test_of_two_labels_the_second_is_yes():
    chosen = LOGITS[2].argmax(-1)
    assert result_of(keras.metrics.Precision(), 2) == pytest.approx(sklearn.precision_score(IDS[2], chosen), abs=1e-6)
    assert result_of(keras.metrics.Recall(), 2) == pytest.approx(sklearn.recall_score(IDS[2], chosen), abs=1e-6)
    auc = sklearn.roc_auc_score(IDS[2], probabilities(2)[:, 1])
    assert result_of(keras.metrics.AUC(num_thresholds=2000), 2) == pytest.approx(auc, abs=1e-3)


def test_auc_of_four_labels_is_each_label_s_mean():
    auc = sklearn.roc_auc_score(np.eye(4)[IDS[4]], probabilities(4), average="macro")
    metric = keras.metrics.AUC(num_thresholds=2000, multi_label=True, num_labels=4)
    assert result_of(metric, 4) == pytest.approx(auc, abs=1e-3)


def test_a_classifier_s_fit_and_evaluate_score_by_them(make_tiny_classifier):
    texts, ids = ["good film", "bad", "it was great , no ?", "", "bad bad film"] * 4, np.array([1, 0, 1, 2, 0] * 4)
    model = make_tiny_classifier(text_pair=False)
    expected = sklearn.f1_score(ids, model.predict(texts, verbose=0).argmax(-1), average="macro", zero_division=0)
    model.compile(metrics=["accuracy", keras.metrics.F1Score(average="macro", name="f1_score"), keras.metrics.AUC(name="auc"), "Precision"])
    found = model.evaluate(texts, ids, verbose=0, return_dict=True)
    assert found["f1_score"] == pytest.approx(expected, abs=1e-6)
    assert {"accuracy", "auc"} < set(found) and any(name.startswith("precision") for name in found)
    history = model.fit(texts, ids, class_weight={"negative": 1.0, "positive": 5.0}, validation_data=(texts, ids), verbose=0)
    assert "val_f1_score" in history.history
