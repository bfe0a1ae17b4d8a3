"""Embedding tables made small: what is computed stays, and Adam turns them as far as new ones."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_bert import BertEncoder, BertMaskedLM, BertPretrainer, features
from keras_bert.pretraining import shrink_embeddings


@pytest.fixture
def large(quick_config):
    """Makes a model whose tables are 5 times as large as new ones, and of which all else has been moved."""

    def make(cls, **options):
        keras.utils.set_random_seed(0)
        model = cls(BertEncoder(dataclasses.replace(quick_config, **options), pooler=cls is BertPretrainer))
        for weight in model.weights:
            if weight.dtype == "float32":
                values = weight.numpy()
                is_table = "embeddings" in weight.path and values.ndim == 2
                weight.assign(values * 5 if is_table else values + np.random.normal(0, 0.1, values.shape))
        return model

    return make


BATCH = {
    "input_ids": np.array([[2, 5, 4, 7, 3, 0]], "int32"),
    "token_type_ids": np.array([[0, 0, 0, 1, 1, 0]], "int32"),
    "attention_mask": np.array([[1, 1, 1, 1, 1, 0]], "int32"),
    "masked_positions": np.array([[2, 3]], "int32"),
}


@pytest.mark.parametrize("cls", [BertMaskedLM, BertPretrainer])
def test_what_is_computed_stays(large, cls, tmp_path):
    large(cls).save_pretrained(tmp_path / "model")
    model = cls.from_pretrained(tmp_path / "model")
    before = model(BATCH)
    of_encoder = {name: BATCH[name] for name in features.UNPACKED}
    hidden = model.encoder(of_encoder)["sequence_output"]
    assert shrink_embeddings(model) == 0.25  # 1 / 5, to the nearest power of two
    assert model.encoder.get_layer("embeddings").word_table.numpy().std() == pytest.approx(0.02 * 0.88 * 5 / 4, rel=0.1)
    np.testing.assert_allclose(model.encoder(of_encoder)["sequence_output"], hidden, atol=1e-6)
    for one, other in zip(keras.tree.flatten(before), keras.tree.flatten(model(BATCH)), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)
    assert shrink_embeddings(model) == 1.0


def test_tables_of_new_weights_stay_as_they_are(quick_config):
    model = BertMaskedLM(BertEncoder(quick_config))
    before = [weight.numpy() for weight in model.weights]
    assert shrink_embeddings(model) == 1.0
    for weight, values in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, values)


def test_sinusoids_cannot_be_scaled(large):
    with pytest.raises(ValueError, match="position_embeddings='sinusoidal': only learned tables can be scaled together"):
        shrink_embeddings(large(BertMaskedLM, position_embeddings="sinusoidal"))
