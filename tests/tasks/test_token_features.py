"""Vectors of tokens, beside Transformers' hidden states."""

import numpy as np
import pytest

from keras_bert import BertEmbedder, BertEncoder
from keras_bert.tasks import extract_features


@pytest.fixture(scope="module")
def model(tiny_config, tiny_tokenizer):
    return BertEmbedder(BertEncoder(tiny_config), tiny_tokenizer)


def test_layers_are_those_of_an_encoder_that_returns_all(model, tiny_config):
    whole = BertEncoder(tiny_config, return_hidden_states=True, pooler=model.encoder.pooler)
    whole.set_weights(model.encoder.get_weights())
    texts, pairs = ["good film", "it was great , no ?", ""], ["bad", "a b c", ""]
    states = [np.asarray(state) for state in whole(model.preprocess(texts))["hidden_states"]]
    found = extract_features(model, texts, layers=(-1, -2, 0), batch_size=2)
    assert found[0].tokens == ["[CLS]", "good", "film", "[SEP]"] and found[2].tokens == ["[CLS]", "[SEP]"]
    for row, text in enumerate(found):
        expected = np.stack([states[layer][row, : len(text.tokens)] for layer in (-1, -2, 0)], axis=1)
        np.testing.assert_allclose(text.vectors, expected, atol=1e-5)
    (of_pair, *_) = extract_features(model, texts, pairs, layers=(-1,))
    assert of_pair.tokens == ["[CLS]", "good", "film", "[SEP]", "bad", "[SEP]"]


def test_layers_are_combined(model):
    (each,) = extract_features(model, ["good film"], layers=(-1, -2))
    for combine, expected in (
        ("sum", each.vectors.sum(1)),
        ("mean", each.vectors.mean(1)),
        ("concatenation", np.concatenate([each.vectors[:, 0], each.vectors[:, 1]], axis=-1)),
    ):
        np.testing.assert_allclose(extract_features(model, ["good film"], layers=(-1, -2), combine=combine)[0].vectors, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((["a"],), {"layers": (-4,)}, r"layers=\(-4,\): the encoder has 2 blocks, so there are layers from -3 to 2"),
        ((["a"],), {"layers": ()}, "the encoder has 2 blocks"),
        ((["a"],), {"combine": "max"}, "combine='max' is not one of None, sum, mean, concatenation"),
        (("a",), {}, "got one string, 'a'; give a list of texts"),
        ((["a"], []), {}, "1 texts but 0 second texts"),
    ],
)
def test_what_does_not_fit_is_told(model, arguments, options, words):
    with pytest.raises(ValueError, match=words):
        extract_features(model, *arguments, **({"layers": (-1,)} | options))


def test_a_model_without_a_vocabulary_is_told(tiny_config):
    with pytest.raises(ValueError, match="without a vocabulary, so it cannot read texts"):
        extract_features(BertEmbedder(BertEncoder(tiny_config)), ["a"], layers=(-1,))


def test_second_texts_are_read_once_and_are_a_list(model):
    (first,) = extract_features(model, ["good"], (text for text in ["bad"]), layers=(-1,))
    assert first.tokens == ["[CLS]", "good", "[SEP]", "bad", "[SEP]"]
    with pytest.raises(ValueError, match="got one string, 'ab'; give a list of texts"):
        extract_features(model, ["good", "bad"], "ab", layers=(-1,))
