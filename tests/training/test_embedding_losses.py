"""Losses of embedders beside sentence-transformers' numbers, and what they refuse."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert.training import Contrastive, CosineRegression, Matryoshka, MultipleNegatives, OnlineContrastive, Triplet
from keras_bert.training.embedding_losses import DefaultEmbeddingLoss

CASES = {
    "multiple_negatives/pairs": (MultipleNegatives(), 2, None),
    "multiple_negatives/triplets": (MultipleNegatives(), 3, None),
    "multiple_negatives/two_negatives": (MultipleNegatives(), 4, None),
    "multiple_negatives/scale_5": (MultipleNegatives(5.0), 2, None),
    "multiple_negatives/dot": (MultipleNegatives(1.0, similarity="dot"), 2, None),
    "multiple_negatives/symmetric": (MultipleNegatives(symmetric=True), 2, None),
    "multiple_negatives/symmetric_triplets": (MultipleNegatives(symmetric=True), 3, None),
    "triplet/euclidean": (Triplet(), 3, None),
    "triplet/cosine": (Triplet(0.3, distance="cosine"), 3, None),
    "triplet/manhattan": (Triplet(1.0, distance="manhattan"), 3, None),
    "cosine_regression": (CosineRegression(), 2, "scores"),
    "contrastive/cosine": (Contrastive(), 2, "binary"),
    "contrastive/euclidean": (Contrastive(4.0, distance="euclidean"), 2, "binary"),
    "online_contrastive": (OnlineContrastive(), 2, "binary"),
    "online_contrastive/one_kind": (OnlineContrastive(), 2, "ones"),
    "matryoshka/multiple_negatives": (Matryoshka("multiple_negatives", [8, 4, 2]), 3, None),
    "matryoshka/cosine_regression": (Matryoshka(CosineRegression(), [8, 4], [1.0, 0.5]), 2, "scores"),
}


@pytest.fixture(scope="module")
def theirs(reference):
    found = dict(np.load(reference / "embedding_losses" / "sentence_transformers.npz"))
    return found | {"ones": np.ones(6, "float32")}


def numbers(examples, texts):
    """Targets of examples without scores, no two texts alike."""
    return np.arange(1, examples * texts + 1, dtype="int32").reshape(examples, texts)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_sentence_transformers_s(theirs, name):
    loss, texts, targets = CASES[name]
    vectors = tf.constant(theirs["vectors"][:, :texts])
    targets = numbers(6, texts) if targets is None else theirs[targets]
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        value = loss(targets, vectors)
    assert float(value) == pytest.approx(float(theirs[f"{name}/loss"]), rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(tape.gradient(value, vectors), theirs[f"{name}/gradient"], atol=1e-5)


@pytest.mark.parametrize("name", ["multiple_negatives/symmetric", "triplet/cosine", "online_contrastive", "matryoshka/cosine_regression"])
def test_a_loss_of_a_file_is_the_same(theirs, name):
    loss, texts, targets = CASES[name]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    targets = numbers(6, texts) if targets is None else theirs[targets]
    assert float(again(targets, theirs["vectors"][:, :texts])) == pytest.approx(float(theirs[f"{name}/loss"]), rel=1e-5)


def test_the_default_is_by_what_the_examples_have(theirs):
    vectors = theirs["vectors"]
    assert float(DefaultEmbeddingLoss()(theirs["scores"], vectors[:, :2])) == pytest.approx(float(theirs["cosine_regression/loss"]))
    got = DefaultEmbeddingLoss()(numbers(6, 3), vectors[:, :3])
    assert float(got) == pytest.approx(float(theirs["multiple_negatives/triplets/loss"]), rel=1e-5)


@pytest.mark.parametrize("equal", [0, 1], ids=["anchors", "positives"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_equal_texts_of_other_examples_are_no_negatives(theirs, symmetric, equal):
    # Examples 0 and 1 have one anchor, or one positive: each alone among examples 2 to 5 has the loss that both have together.
    vectors = theirs["vectors"][:, :2].copy()
    vectors[1, equal] = vectors[0, equal]
    targets = numbers(6, 2)
    targets[1, equal] = targets[0, equal]
    loss = MultipleNegatives(symmetric=symmetric, reduction=None)
    got = np.asarray(loss(targets, vectors))
    for row in (0, 1):
        alone = [row, 2, 3, 4, 5]
        np.testing.assert_allclose(got[row], np.asarray(loss(numbers(5, 2), vectors[alone]))[0], rtol=1e-5)
    plain = np.asarray(MultipleNegatives(symmetric=symmetric, skip_equal=False, reduction=None)(targets, vectors))
    np.testing.assert_allclose(plain, loss(numbers(6, 2), vectors), rtol=1e-6)
    assert abs(plain[0] - got[0]) > 0.1


def test_a_positive_of_an_equal_anchor_and_a_negative_that_is_the_positive_are_no_negatives(theirs):
    vectors, loss = theirs["vectors"][:, :3], MultipleNegatives(reduction=None)
    targets = numbers(6, 3)
    targets[1, 0] = targets[0, 0]
    got = np.asarray(loss(targets, vectors))[0]
    anchors, positives, negatives = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in np.moveaxis(vectors, 1, 0))
    candidates = np.concatenate([np.delete(positives, 1, axis=0), negatives])
    scores = 20 * candidates @ anchors[0]
    assert got == pytest.approx(np.log(np.exp(scores).sum()) - scores[0], rel=1e-5)
    targets = numbers(6, 3)
    targets[4, 2] = targets[0, 1]
    scores = 20 * np.concatenate([positives, np.delete(negatives, 4, axis=0)]) @ anchors[0]
    assert np.asarray(loss(targets, vectors))[0] == pytest.approx(np.log(np.exp(scores).sum()) - scores[0], rel=1e-5)


@pytest.mark.parametrize("symmetric", [False, True])
def test_examples_of_padding_are_no_candidates(theirs, symmetric):
    vectors = theirs["vectors"][:, :2]
    targets = np.array([1, 1, 1, 1, 0, 0], "int32")  # of a batch that was filled up
    loss = MultipleNegatives(symmetric=symmetric, reduction=None)
    np.testing.assert_allclose(np.asarray(loss(targets, vectors))[:4], loss(numbers(4, 2), vectors[:4]), rtol=1e-5)


def test_cut_vectors_are_of_length_1_whatever_compares_them(theirs):
    vectors = theirs["vectors"][:, :3]
    cut = vectors[..., :4] / np.linalg.norm(vectors[..., :4], axis=-1, keepdims=True)
    apart = np.linalg.norm(cut[:, 0] - cut[:, 1], axis=1) - np.linalg.norm(cut[:, 0] - cut[:, 2], axis=1)
    got = Matryoshka("triplet", [4], reduction="none")(numbers(6, 3), vectors)
    np.testing.assert_allclose(got, apart + 5.0, atol=1e-4)  # the margin is more than any distance


def test_sample_weights_multiply_an_example_s_loss(theirs):
    weights = np.array([0.0, 1.0, 2.0, 0.5, 1.0, 3.0], "float32")
    values = np.asarray(CosineRegression(reduction=None)(theirs["scores"], theirs["vectors"][:, :2]))
    assert float(CosineRegression()(theirs["scores"], theirs["vectors"][:, :2], weights)) == pytest.approx((values * weights).mean())


def test_zero_vectors_have_a_gradient():
    vectors = tf.zeros([2, 2, 4])
    for loss, targets in ((MultipleNegatives(), numbers(2, 2)), (Contrastive(distance="euclidean"), np.ones(2, "float32"))):
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            value = loss(targets, vectors)
        assert np.isfinite(tape.gradient(value, vectors)).all()


SCORES = np.zeros(2, "float32")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MultipleNegatives()(SCORES, np.zeros((2, 2, 4))), "multiple_negatives takes examples without scores"),
        (lambda: MultipleNegatives()(numbers(2, 1), np.zeros((2, 4))), r"got vectors of shape \(2, 4\)"),
        (
            lambda: CosineRegression()(numbers(2, 2), np.zeros((2, 2, 4))),
            "cosine_regression learns from scores, and the",
        ),
        (lambda: Triplet()(numbers(2, 2), np.zeros((2, 2, 4))), "triplet takes 3 texts an example; these have 2"),
        (lambda: DefaultEmbeddingLoss()(SCORES, np.zeros((2, 3, 4))), "cosine_regression takes 2 texts an example; these have 3"),
        (lambda: MultipleNegatives(0), "scale=0 is not positive"),
        (lambda: MultipleNegatives(similarity="l2"), "similarity='l2' is not one of cosine, dot"),
        (lambda: Triplet(distance="l2"), "distance='l2' is not one of cosine, euclidean, manhattan"),
        (lambda: Matryoshka("mse", [4]), "loss='mse' compares no vectors"),
        (lambda: Matryoshka("triplet", []), r"dims=\[\]: give whole numbers from 1"),
        (lambda: Matryoshka("triplet", [4, 2], [1.0]), "2 dims but 1 weights"),
        (lambda: Matryoshka("triplet", [8])(numbers(2, 3), np.zeros((2, 3, 4))), r"dims=\[8\]: the vectors have 4 features"),
    ],
)
def test_what_does_not_fit_is_told(call, words):
    with pytest.raises(ValueError, match=words):
        call()
