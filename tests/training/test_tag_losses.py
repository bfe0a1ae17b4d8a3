"""Losses over the words of sentences: values by hand and by Keras's own losses, and one result however a batch is shared."""

import os
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert.layers import CRF
from keras_bert.training import CRFLoss, TokenCrossEntropy, TrainingModel
from keras_bert.training.global_loss import Term

Y = np.array([[2, 0, 1, -1], [1, -1, -1, -1], [-1, -1, -1, -1]], "int32")
LOGITS = np.random.default_rng(0).normal(size=(3, 4, 3)).astype("float32") * 2
IS_TARGET = Y >= 0


def make_crf(num_tags=3):
    crf = CRF(num_tags, name="crf")
    crf.build((None, None, num_tags))
    return crf


CHAIN = make_crf()


def with_moves(loss, logits):
    """What a network of that loss gives."""
    return CHAIN(logits) if isinstance(loss, CRFLoss) else logits


def both_losses(**options):
    return [CRFLoss(3, **options), TokenCrossEntropy(3, **options)]


@pytest.mark.slow
def test_replicas_micro_batches_and_xla_come_to_the_weights_of_a_loop_by_hand(root, tmp_path, fresh_python):
    program = root / "tests" / "training" / "programs" / "tag_losses.py"
    environment = os.environ | {"PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": ""}
    done = fresh_python.run([sys.executable, str(program), str(tmp_path / "results.npz")], env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    results = dict(np.load(tmp_path / "results.npz"))
    assert len(results) == 10
    for key, result in results.items():
        name, _, kind = key.split("/")
        np.testing.assert_allclose(result, results[f"{name}/by_hand/{kind}"], atol=1e-5, err_msg=key)


def test_cross_entropy_and_its_smoothing_are_keras_s():
    one_hot = np.eye(3, dtype="float32")[Y]
    for smoothing in (0.0, 0.3):
        theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction=None)(one_hot, LOGITS)
        ours = TokenCrossEntropy(3, label_smoothing=smoothing, reduction=None)(Y, LOGITS)
        np.testing.assert_allclose(ours, theirs * IS_TARGET, rtol=1e-5)


@pytest.mark.parametrize(("gamma", "smoothing"), [(2.0, 0.0), (0.5, 0.2)])
def test_the_focal_factor_is_keras_s(gamma, smoothing):
    theirs = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=gamma, from_logits=True, label_smoothing=smoothing, reduction=None)
    ours = TokenCrossEntropy(3, focal_gamma=gamma, label_smoothing=smoothing, reduction=None)(Y, LOGITS)
    np.testing.assert_allclose(ours, theirs(np.eye(3, dtype="float32")[Y], LOGITS) * IS_TARGET, rtol=2e-5)


def test_a_word_that_is_wholly_right_has_a_focal_slope():
    logits = tf.constant([[[200.0, 0.0, 0.0]]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = TokenCrossEntropy(3, focal_gamma=0.5)(np.zeros((1, 1)), logits)
    assert np.isfinite(tape.gradient(loss, logits)).all()


def test_the_mean_is_over_real_words_and_weights_by_tag_are_no_part_of_it():
    values = np.asarray(TokenCrossEntropy(3, reduction=None)(Y, LOGITS))
    by_tag = [1.0, 10.0, 0.5]
    weighted = values[0, 0] * 0.5 + values[0, 1] * 1.0 + values[0, 2] * 10.0 + values[1, 0] * 10.0
    assert float(TokenCrossEntropy(3)(Y, LOGITS)) == pytest.approx(values.sum() / 4)
    assert float(TokenCrossEntropy(3, by_tag)(Y, LOGITS)) == pytest.approx(weighted / 4)
    assert float(TokenCrossEntropy(3, by_tag, reduction="sum")(Y, LOGITS)) == pytest.approx(weighted)
    likelihoods = np.asarray(CHAIN.chain().log_likelihood(LOGITS, np.maximum(Y, 0), IS_TARGET))
    assert float(CRFLoss(3)(Y, CHAIN(LOGITS))) == pytest.approx(-likelihoods.sum() / 4)
    np.testing.assert_allclose(CRFLoss(3, reduction=None)(Y, CHAIN(LOGITS)), -likelihoods, rtol=1e-6)


def test_a_weight_of_a_sentence_weighs_its_loss_and_its_words():
    sample_weight = np.array([1.0, 3.0, 5.0], "float32")
    for loss in both_losses():
        loss.reduction = None
        outputs = with_moves(loss, LOGITS)
        values = np.asarray(loss(Y, outputs)).reshape(3, -1).sum(axis=1)
        loss.reduction = "mean"
        expected = (values * sample_weight).sum() / (3 * 1.0 + 1 * 3.0)
        assert float(loss(Y, outputs, sample_weight)) == pytest.approx(expected, rel=1e-5)
        np.testing.assert_array_equal(loss.count(Y, sample_weight), [3.0, 3.0, 0.0])


def test_a_weight_of_a_word_weighs_its_loss_or_in_a_crf_its_emissions():
    sample_weight = np.array([[1.0, 0.0, 2.0, 9.0], [4.0, 9.0, 9.0, 9.0], [9.0] * 4], "float32")
    values = np.asarray(TokenCrossEntropy(3, reduction=None)(Y, LOGITS))
    expected = (values[0, 0] + 2 * values[0, 2] + 4 * values[1, 0]) / 7
    assert float(TokenCrossEntropy(3)(Y, LOGITS, sample_weight)) == pytest.approx(expected)
    by_tag = np.array([2.0, 1.0, 0.5], "float32")
    likelihoods = CHAIN.chain().log_likelihood(LOGITS * (sample_weight * by_tag[Y])[..., None], np.maximum(Y, 0), IS_TARGET)
    assert float(CRFLoss(3, by_tag)(Y, CHAIN(LOGITS), sample_weight)) == pytest.approx(-float(tf.reduce_sum(likelihoods)) / 7, rel=1e-5)


def test_padding_counts_nothing_whatever_stands_there():
    other = np.where(IS_TARGET[..., None], LOGITS, np.nan)
    for loss in both_losses(tag_weights=[1.0, 2.0, 3.0]):
        assert float(loss(Y, with_moves(loss, other))) == float(loss(Y, with_moves(loss, LOGITS)))
        nothing = Y[2:], LOGITS[2:]
        logits = tf.constant(nothing[1])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(nothing[0], with_moves(loss, logits))
        assert float(value) == 0.0 and not tape.gradient(value, logits).numpy().any()


class Counting(keras.losses.Loss):
    """Squared differences, divided by ten for each row of y = 1."""

    def call(self, y_true, y_pred):
        return keras.ops.square(y_true - y_pred)[:, 0]

    def count(self, y_true, sample_weight):
        counts = keras.ops.where(y_true[:, 0] == 1, 10.0, 0.0)
        return counts if sample_weight is None else counts * sample_weight


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 1.0]])
def test_a_loss_that_counts_says_its_own_denominator(weights):
    """y_pred = w x at w = 0; rows of y 1, 3, 1: the sum of squares is 11, or 20 with weights; the slopes -2 x y are in the sum -10, -16."""
    x, y = np.ones((3, 1), "float32"), np.array([[1.0], [3.0], [1.0]], "float32")
    weights = None if weights is None else np.array(weights, "float32")
    inputs = keras.Input([1])
    model = TrainingModel(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs))
    for reduction, parts in {"sum_over_batch_size": 20.0, "sum": 1.0}.items():
        model.set_weights([np.zeros((1, 1))])
        model.compile(keras.optimizers.SGD(1.0), Counting(reduction=reduction), gradient_accumulation_steps=2)
        total, slope = (11.0, 10.0) if weights is None else (20.0, 16.0)
        if reduction != "sum":
            assert model.evaluate(x, y, sample_weight=weights, batch_size=2, verbose=0) == pytest.approx(total / parts)
        fitted = model.fit(x, y, sample_weight=weights, batch_size=2, shuffle=False, verbose=0).history["loss"][0]
        if reduction != "sum":
            assert fitted == pytest.approx(total / parts)
        assert float(model.get_weights()[0][0, 0]) == pytest.approx(slope / parts)


def test_rows_that_only_fill_up_a_batch_add_to_neither_sum_nor_count():
    """On TPU a short batch is filled up with rows of zeros, which would be words of tag 0."""
    for loss in both_losses():
        loss.reduction = None
        term = Term((), loss, "sum_over_batch_size", 1.0, None)
        y, row_mask = np.array([[1, -1], [0, 0]]), tf.constant([1.0, 0.0])
        weights = np.array([0.5, 1.0], "float32")
        assert float(term.count(1, y, weights, row_mask)) == 0.5
        first = 0.5 * float(tf.reduce_sum(loss(y[:1], with_moves(loss, LOGITS[:1, :2]))))
        assert float(term.sum(1, y, with_moves(loss, LOGITS[:2, :2]), weights, row_mask)) == pytest.approx(first)


def test_a_loss_is_read_with_all_it_says():
    for loss in (
        TokenCrossEntropy(3, [1.0, 2.0, 3.0], 2.0, 0.1, name="own", reduction="sum"),
        CRFLoss(3, [1.0, 2.0, 3.0], allowed=([1, 1, 0], None, np.ones((3, 3), bool)), name="own", reduction="sum"),
    ):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
        assert again.get_config() == loss.get_config()
        outputs = with_moves(loss, LOGITS)
        assert float(again(Y, outputs)) == float(loss(Y, outputs))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TokenCrossEntropy(3, [1.0, 2.0]), r"tag_weights has shape \(2,\); give one weight for each of the 3 tags"),
        (lambda: TokenCrossEntropy(2, [1.0, -2.0]), r"tag_weights\[1\] is -2\.0; a weight is a number from 0"),
        (lambda: TokenCrossEntropy(2, [float("nan"), 1.0]), r"tag_weights\[0\] is nan; a weight is a number from 0"),
        (lambda: TokenCrossEntropy(2, focal_gamma=-1), "focal_gamma=-1 is neither a number from 0 nor None"),
        (lambda: TokenCrossEntropy(2, label_smoothing=1.0), r"label_smoothing=1\.0 is not from 0 to below 1"),
        (
            lambda: TokenCrossEntropy(3)(Y, LOGITS, LOGITS),
            r"sample_weight has shape \(3, 4, 3\) beside targets \(3, 4\); give \[batch\], of sentences, or \[batch, words\]",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
