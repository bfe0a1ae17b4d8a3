"""Counts, weights and repeated examples of skewed labels, beside scikit-learn's weights."""

import numpy as np
import pytest
import tensorflow as tf

from keras_bert.data import balanced, balanced_weights, label_counts

IDS = np.array([0] * 7 + [1] * 2 + [2] * 3, "int32")
TEXTS = [f"text {index}" for index in range(12)]
DATASET = tf.data.Dataset.from_tensor_slices((TEXTS, IDS))
NAMES = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "targets",
    [IDS, DATASET, DATASET.batch(5), tf.data.Dataset.from_tensor_slices((TEXTS, [NAMES[index] for index in IDS]))],
    ids=["ids", "dataset", "batches", "names"],
)
def test_counts_and_weights_are_scikit_learn_s(targets):
    weights = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight("balanced", classes=np.arange(3), y=IDS)
    assert label_counts(targets, NAMES).tolist() == [7, 2, 3, 0]
    found = balanced_weights(targets, NAMES)
    np.testing.assert_allclose([found[name] for name in "abc"], weights)
    assert found["d"] == 1


def test_rows_of_labels_are_weighed_by_what_lacks_them():
    rows = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]], "float32")
    assert balanced_weights(rows, ["a", "b", "c"]) == {"a": pytest.approx(1 / 3), "b": pytest.approx(3.0), "c": 1.0}
    assert label_counts(tf.data.Dataset.from_tensor_slices((["t"] * 4, rows)), 3).tolist() == [3, 1, 0]


def elements(dataset):
    return [(text.decode(), int(label)) for text, label in dataset.as_numpy_iterator()]


def test_each_label_comes_as_often_as_the_most_common_and_no_example_is_lost():
    found = balanced(DATASET, seed=3)
    rows = elements(found)
    assert int(found.cardinality()) == len(rows) == 21
    assert np.bincount([label for _, label in rows]).tolist() == [7, 7, 7]
    times = {text: [each for each, _ in rows].count(text) for text in TEXTS}
    assert {times[text] for text in TEXTS[:7]} == {1}
    assert sorted(times[text] for text in TEXTS[7:9]) == [3, 4]
    assert sorted(times[text] for text in TEXTS[9:]) == [2, 2, 3]
    assert all(dict(elements(DATASET))[text] == label for text, label in rows)
    assert elements(balanced(DATASET, seed=3)) == rows


def test_batches_of_balanced_examples_begin_anywhere(shared_classifier):
    dataset_fn = shared_classifier.training_batches(balanced(DATASET), 4, seed=1)
    assert dataset_fn.batches_an_epoch == 6

    def batches(start, stop):
        return [(x["input_ids"].tolist(), y.tolist()) for x, y in dataset_fn(start).take(stop - start).as_numpy_iterator()]

    whole = batches(0, 9)
    assert batches(4, 9) == whole[4:]
    assert np.bincount(np.concatenate([labels for _, labels in whole[:6]])).tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: balanced(tf.data.Dataset.from_tensor_slices((["x", "y"], [1, 1]))), "all examples have one label, '1'"),
        (lambda: balanced_weights(np.array([1, 1]), ["a", "b"]), "all examples have one label, 'b'"),
        (lambda: balanced(DATASET.batch(2)), "single examples with one label each"),
        (lambda: balanced(tf.data.Dataset.from_tensor_slices((["x"], [0.5]))), "single examples with one label each"),
        (lambda: label_counts(np.array([0, 4]), NAMES), "label 1 is 4"),
        (lambda: label_counts(tf.data.Dataset.from_tensor_slices(TEXTS), 3), "the dataset holds no labels"),
        (lambda: label_counts(DATASET.take(0), 3), "the dataset, or the array, is empty"),
    ],
)
def test_what_cannot_be_balanced_is_told(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_no_targets_are_told():
    with pytest.raises(ValueError, match="there are no labels to count"):
        label_counts([], NAMES)
