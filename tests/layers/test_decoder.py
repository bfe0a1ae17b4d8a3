"""The decoder's parts beside formulas by hand; the whole is compared with Transformers in tests/models/test_seq2seq.py."""

import numpy as np

from keras_bert.layers import MultiHeadCrossAttention, causal_mask
from keras_bert.layers.decoder import slot_mask


def test_causal_mask_by_hand():
    mask = np.asarray(causal_mask(3))
    assert mask.shape == (1, 1, 3, 3) and mask.dtype == np.float32
    np.testing.assert_array_equal(mask[0, 0] == 0, [[1, 0, 0], [1, 1, 0], [1, 1, 1]])
    assert mask.min() == np.float32(-1e9)


def test_slot_mask_shows_each_sequence_the_slots_of_its_own_past():
    """Two sequences of three places, of which two are written; the second goes on from the first's slot 0 in place 0."""
    mask = np.asarray(slot_mask(np.array([[[0, 0, -1], [0, 1, -1]]], "int32"), 2))
    assert mask.shape == (1, 1, 2, 6)
    np.testing.assert_array_equal(mask[0, 0] == 0, [[1, 0, 1, 0, 0, 0], [1, 0, 0, 1, 0, 0]])


def test_cross_attention_is_the_formula_of_the_paper():
    """softmax(Q K^T / sqrt(d)) V in float64 NumPy, a head at a time; keys and values of a source of other features and length."""
    random = np.random.default_rng(0)
    layer = MultiHeadCrossAttention(num_heads=2, hidden_size=6, dropout=0.0)
    layer.build((None, None, 6), (None, None, 4))
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    x, source = random.normal(size=(2, 3, 6)).astype("float32"), random.normal(size=(2, 5, 4)).astype("float32")
    mask = np.zeros((2, 1, 1, 5), "float32")
    mask[1, ..., 3:] = -1e9
    output = layer(x, source, mask)
    kernels = [np.asarray(weight, "float64") for weight in (layer.query.kernel, layer.query.bias)]
    query = x @ kernels[0] + kernels[1]
    key, value = np.split(source @ np.asarray(layer.key_value.kernel, "float64") + np.asarray(layer.key_value.bias), 2, axis=-1)
    heads = []
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        scores = query[..., part] @ key[..., part].swapaxes(1, 2) / np.sqrt(3) + mask[:, 0]
        exponentials = np.exp(scores - scores.max(-1, keepdims=True))
        heads.append(exponentials / exponentials.sum(-1, keepdims=True) @ value[..., part])
    expected = np.concatenate(heads, -1) @ np.asarray(layer.output_dense.kernel) + np.asarray(layer.output_dense.bias)
    np.testing.assert_allclose(output, expected, atol=1e-5)
