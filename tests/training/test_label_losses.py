"""Losses of texts: values by Keras's own losses, by PyTorch's formulas, and one result however a batch is shared."""

import os
import sys

import keras
import numpy as np
import pytest

from keras_bert.training import LabelBinaryCrossEntropy, LabelCrossEntropy, ScoreSquaredError

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(6, 3)).astype("float32") * 2
IDS = np.array([2, 0, 1, 1, 0, 2], "int32")
ROWS = np.eye(3, dtype="float32")[IDS]
MANY = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]], "float32")
SHARES = RANDOM.uniform(size=(6, 3)).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype("float64")))


@pytest.mark.parametrize("gamma", [None, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("targets", [IDS, IDS[:, None], ROWS, SHARES / SHARES.sum(1, keepdims=True)], ids=["ids", "column", "rows", "soft"])
def test_one_label_of_several_is_keras_s(targets, gamma, smoothing):
    rows = ROWS if targets.dtype == np.int32 else targets
    if gamma is None:
        theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction=None)
    else:
        options = {"alpha": 1.0, "gamma": gamma, "from_logits": True, "label_smoothing": smoothing}
        theirs = keras.losses.CategoricalFocalCrossentropy(reduction=None, **options)
    ours = LabelCrossEntropy(3, focal_gamma=gamma, label_smoothing=smoothing, reduction=None)
    np.testing.assert_allclose(ours(targets, LOGITS), theirs(rows, LOGITS), rtol=2e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("targets", [MANY, SHARES], ids=["hot", "shares"])
def test_any_number_of_labels_is_keras_s(targets, smoothing):
    theirs = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing, reduction=None)
    ours = LabelBinaryCrossEntropy(3, label_smoothing=smoothing, reduction=None)
    np.testing.assert_allclose(ours(targets, LOGITS), theirs(targets, LOGITS), rtol=1e-5)


def test_the_focal_factor_of_each_label_is_keras_s():
    theirs = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True, reduction=None)(MANY, LOGITS)
    np.testing.assert_allclose(LabelBinaryCrossEntropy(3, focal_gamma=2.0, reduction=None)(MANY, LOGITS), theirs, rtol=2e-5)


def test_weights_of_labels_are_pytorch_s_pos_weight():
    weights, p = np.array([1.0, 5.0, 0.5]), sigmoid(LOGITS)
    expected = -(weights * MANY * np.log(p) + (1 - MANY) * np.log(1 - p)).mean(1)
    np.testing.assert_allclose(LabelBinaryCrossEntropy(3, weights, reduction=None)(MANY, LOGITS), expected, rtol=1e-5)


def test_weights_of_classes_are_no_part_of_the_denominator():
    weights = np.array([1.0, 10.0, 0.5])
    for options in ({}, {"label_smoothing": 0.3}, {"focal_gamma": 2.0}):
        values = np.asarray(LabelCrossEntropy(3, reduction=None, **options)(IDS, LOGITS))
        assert float(LabelCrossEntropy(3, weights, **options)(IDS, LOGITS)) == pytest.approx((values * weights[IDS]).sum() / 6, rel=1e-5)
    np.testing.assert_allclose(LabelCrossEntropy(3, weights)(ROWS, LOGITS), LabelCrossEntropy(3, weights)(IDS, LOGITS), rtol=1e-6)


def test_a_score_s_targets_are_a_column_or_none():
    scores, logits = SHARES[:, 0], LOGITS[:, :1]
    p = sigmoid(logits[:, 0])
    expected = -(scores * np.log(p) + (1 - scores) * np.log(1 - p)).mean()
    error = ((scores - logits[:, 0]) ** 2).mean()
    for targets in (scores, scores[:, None]):
        assert float(LabelBinaryCrossEntropy(1)(targets, logits)) == pytest.approx(expected, rel=1e-5)
        assert float(ScoreSquaredError()(targets, logits)) == pytest.approx(error, rel=1e-5)
    assert float(ScoreSquaredError()(SHARES, LOGITS)) == pytest.approx(((SHARES - LOGITS) ** 2).mean(), rel=1e-5)


def test_a_label_that_cannot_be_has_no_part_in_the_loss():
    logits = LOGITS.copy()
    logits[:, 2] = -1e9
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(IDS[1:5], LOGITS[1:5, :2])
    assert float(LabelCrossEntropy(3)(IDS[1:5], logits[1:5])) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("loss", [LabelCrossEntropy(3, [1, 2, 3], 2.0, 0.1), LabelBinaryCrossEntropy(3, [1, 2, 3]), ScoreSquaredError()])
def test_losses_come_back_from_their_configuration(loss):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss) and float(again(MANY, LOGITS)) == float(loss(MANY, LOGITS))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"class_weights": [1.0]}, "1 class_weights for 3 labels"),
        ({"focal_gamma": -1}, "focal_gamma=-1"),
        ({"label_smoothing": 1.0}, r"label_smoothing=1\.0"),
    ],
)
def test_bad_options_are_told(options, words):
    with pytest.raises(ValueError, match=words):
        LabelCrossEntropy(3, **options)


@pytest.mark.slow
def test_replicas_and_micro_batches_come_to_the_weights_of_a_loop_by_hand(root, tmp_path, fresh_python):
    program = root / "tests" / "training" / "programs" / "label_losses.py"
    environment = os.environ | {"PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": ""}
    done = fresh_python.run([sys.executable, str(program), str(tmp_path / "results.npz")], env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    results = dict(np.load(tmp_path / "results.npz"))
    assert len(results) == 16
    for key, result in results.items():
        name, _, kind = key.split("/")
        np.testing.assert_allclose(result, results[f"{name}/by_hand/{kind}"], atol=1e-5, err_msg=key)
