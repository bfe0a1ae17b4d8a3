import math

import numpy as np
import pytest

from keras_bert.layers import BertEmbeddings, FlatDense, MeanPooling, Pooler, sinusoids
from keras_bert.layers.block import activation


def test_sinusoids_by_the_formula():
    table = sinusoids(5, 4)
    for position in range(5):
        for pair in range(2):
            angle = position / 10000 ** (2 * pair / 4)
            assert table[position, 2 * pair] == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 2 * pair + 1] == pytest.approx(math.cos(angle), abs=1e-6)


def test_embeddings_are_the_normalised_sum_of_three_tables():
    layer = BertEmbeddings(10, 4, 6, 2, dropout=0.0)
    ids, types = np.array([[3, 7, 0]], "int32"), np.array([[0, 1, 1]], "int32")
    got = np.asarray(layer(ids, types))
    word, position, token_type = (np.asarray(table) for table in (layer.word_table, layer.position_table, layer.token_type_table))
    total = (word[ids] + position[:3] + token_type[types]).astype("float64")
    expected = (total - total.mean(-1, keepdims=True)) / np.sqrt(total.var(-1, keepdims=True) + 1e-12)
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("type_vocab_size", [1, 2])
def test_a_token_type_that_is_not_there_is_no_silent_zero(type_vocab_size):
    layer = BertEmbeddings(5, 4, 6, type_vocab_size)
    types = np.array([[0, type_vocab_size - 1, type_vocab_size, -1]], "int32")
    x = np.asarray(layer(np.array([[1, 2, 3, 4]], "int32"), types))
    assert np.isfinite(x[0, :2]).all() and np.isnan(x[0, 2:]).all()


def test_given_positions_are_used():
    layer = BertEmbeddings(10, 4, 6, 2, dropout=0.0)
    ids, types = np.array([[3, 3]], "int32"), np.zeros((1, 2), "int32")
    here, there = layer(ids, types), layer(ids, types, np.array([[1, 0]], "int32"))
    np.testing.assert_allclose(np.asarray(here)[0], np.asarray(there)[0, ::-1], atol=1e-6)


def test_sinusoidal_positions_are_not_trained():
    layer = BertEmbeddings(10, 4, 6, 2, position_embeddings="sinusoidal")
    layer(np.zeros((1, 2), "int32"), np.zeros((1, 2), "int32"))
    assert sorted(weight.name for weight in layer.weights) == ["beta", "gamma", "token_type", "word"]


def test_a_text_longer_than_the_positions_is_told():
    layer = BertEmbeddings(10, 4, 6, 2)
    with pytest.raises(ValueError, match="length=7 is over max_position_embeddings=6"):
        layer(np.zeros((1, 7), "int32"), np.zeros((1, 7), "int32"))


def test_mean_pooling_counts_real_tokens_only():
    vectors = np.array([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]], [[5.0, 6.0], [7.0, 7.0], [7.0, 7.0]]], "float32")
    mask = np.array([[1, 1, 0], [0, 0, 0]], "int32")
    np.testing.assert_allclose(MeanPooling()(vectors, mask), [[2.0, 3.0], [0.0, 0.0]])


def test_pooler_is_tanh_of_dense_over_the_first_token():
    layer = Pooler(2)
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    got = np.asarray(layer(x))
    np.testing.assert_allclose(got, np.tanh(x[:, 0] @ np.asarray(layer.dense.kernel)), atol=1e-6)


def test_flat_dense_is_a_product_over_the_last_axis():
    layer = FlatDense(5)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    got = np.asarray(layer(x))
    np.testing.assert_allclose(got, np.einsum("btf,fu->btu", x, np.asarray(layer.kernel)), atol=1e-5)


@pytest.mark.parametrize("x", [-2.0, -0.3, 0.0, 1.7])
def test_activations_by_their_formulas(x):
    expected = {
        "gelu": x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
        "gelu_tanh": 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        "relu": max(x, 0.0),
        "tanh": math.tanh(x),
        "silu": x / (1 + math.exp(-x)),
        "linear": x,
    }
    for name, value in expected.items():
        assert float(activation(name)(np.float32(x))) == pytest.approx(value, abs=1e-6), name


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match="'mish'"):
        activation("mish")
