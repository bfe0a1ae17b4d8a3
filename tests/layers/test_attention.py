import numpy as np
import pytest

from keras_bert.layers import MultiHeadSelfAttention, key_mask, sequence_mask


def test_key_mask_by_hand():
    mask = np.asarray(key_mask(np.array([[1, 1, 0]], "int32")))
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask, np.array([[[[0, 0, -1e9]]]], "float32"))


def test_sequence_mask_by_hand():
    mask = np.asarray(sequence_mask(np.array([[1, 1, 2, 0]], "int32")))
    visible = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(mask == 0, np.array([[visible]], bool))


@pytest.mark.parametrize("function", [key_mask, sequence_mask])
def test_masks_want_rank_two(function):
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        function(np.ones(3, "int32"))


def test_attention_is_the_formula_of_the_paper():
    """softmax(Q K^T / sqrt(d)) V in float64 NumPy, a head at a time (Vaswani et al. 2017, section 3.2)."""
    random = np.random.default_rng(0)
    layer = MultiHeadSelfAttention(num_heads=2, hidden_size=6, dropout=0.0)
    layer.build((None, None, 6))
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    x, mask = random.normal(size=(2, 4, 6)).astype("float32"), np.zeros((2, 1, 1, 4), "float32")
    mask[1, ..., 2:] = -1e9
    output, probabilities = layer(x, mask, return_attention_scores=True)

    kernel, bias = (np.asarray(weight, "float64") for weight in (layer.qkv.kernel, layer.qkv.bias))
    query, key, value = np.split(x @ kernel + bias, 3, axis=-1)
    heads = []
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        scores = query[..., part] @ key[..., part].swapaxes(1, 2) / np.sqrt(3) + mask[:, 0]
        exponentials = np.exp(scores - scores.max(-1, keepdims=True))
        weights = exponentials / exponentials.sum(-1, keepdims=True)
        np.testing.assert_allclose(probabilities[:, head], weights, atol=1e-6)
        heads.append(weights @ value[..., part])
    expected = np.concatenate(heads, -1) @ np.asarray(layer.output_dense.kernel) + np.asarray(layer.output_dense.bias)
    np.testing.assert_allclose(output, expected, atol=1e-5)


def test_heads_share_the_features_evenly():
    with pytest.raises(ValueError, match="hidden_size=7 is not a multiple of num_heads=2"):
        MultiHeadSelfAttention(num_heads=2, hidden_size=7)
