import keras
import numpy as np
import pytest

import keras_bert
from keras_bert import BertEmbedder, BertEncoder, BertMaskedLM, BertPretrainer, features

BATCH = {
    "input_ids": np.array([[2, 5, 6, 7, 3, 0], [2, 8, 9, 3, 0, 0]], "int32"),
    "token_type_ids": np.zeros((2, 6), "int32"),
    "attention_mask": np.array([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0]], "int32"),
    "masked_positions": np.array([[1, 3], [2, 0]], "int32"),
}
MASKED_IDS, MASKED_WEIGHTS = np.array([[5, 7], [9, 0]], "int32"), np.array([[1, 1], [1, 0]], "float32")


def cross_entropy(logits, target):
    logits = np.asarray(logits, "float64")
    return np.log(np.exp(logits - logits.max()).sum()) - (logits - logits.max())[target]


@pytest.fixture
def masked_lm(quick_config, tiny_tokenizer):
    keras.utils.set_random_seed(5)
    return BertMaskedLM(BertEncoder(quick_config, pooler=False), tiny_tokenizer)


def test_the_masked_lm_loss_is_divided_by_real_targets(masked_lm):
    logits = np.asarray(masked_lm(BATCH))
    real = [cross_entropy(logits[row, place], MASKED_IDS[row, place]) for row, place in ((0, 0), (0, 1), (1, 0))]
    got = masked_lm.evaluate(BATCH, MASKED_IDS, sample_weight=MASKED_WEIGHTS, verbose=0)[0]
    assert got == pytest.approx(np.sum(real) / 3, rel=1e-5)  # four slots, three of them real


def test_both_losses_of_pretraining_add_up(quick_config):
    keras.utils.set_random_seed(5)
    model = BertPretrainer(BertEncoder(quick_config))
    outputs = {name: np.asarray(value) for name, value in model(BATCH).items()}
    real = [cross_entropy(outputs["mlm_logits"][row, place], MASKED_IDS[row, place]) for row, place in ((0, 0), (0, 1), (1, 0))]
    following = [cross_entropy(outputs["nsp_logits"][row], target) for row, target in enumerate((0, 1))]
    targets = {"mlm_logits": MASKED_IDS, "nsp_logits": np.array([0, 1])}
    weights = {"mlm_logits": MASKED_WEIGHTS, "nsp_logits": np.ones(2, "float32")}
    got = model.evaluate(BATCH, targets, sample_weight=weights, verbose=0, return_dict=True)["loss"]
    assert got == pytest.approx(np.sum(real) / 3 + np.mean(following), rel=1e-5)


def test_fit_learns_what_stood_there(masked_lm):
    before = masked_lm.evaluate(BATCH, MASKED_IDS, sample_weight=MASKED_WEIGHTS, verbose=0)[0]
    masked_lm.compile(optimizer=keras.optimizers.Adam(0.01))
    masked_lm.fit(BATCH, MASKED_IDS, sample_weight=MASKED_WEIGHTS, epochs=15, verbose=0)
    assert masked_lm.evaluate(BATCH, MASKED_IDS, sample_weight=MASKED_WEIGHTS, verbose=0)[0] < before / 2


@pytest.mark.parametrize("cls", [BertMaskedLM, BertPretrainer, BertEmbedder])
def test_saved_and_loaded_by_name(tmp_path, tiny_config, tiny_tokenizer, cls):
    model = cls(BertEncoder(tiny_config), tiny_tokenizer, max_length=20, text_pair=False)
    model.save_pretrained(tmp_path / "model")
    again = keras_bert.from_pretrained(tmp_path / "model", strict=True)
    assert type(again) is cls and again.settings() == model.settings()
    assert again.tokenizer.get_config() == tiny_tokenizer.get_config()
    batch = BATCH if cls is not BertEmbedder else {name: BATCH[name] for name in features.UNPACKED}
    for got, expected in zip(keras.tree.flatten(again(batch)), keras.tree.flatten(model(batch)), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_fine_tuning_starts_from_a_masked_lm(tmp_path, masked_lm):
    masked_lm.save_pretrained(tmp_path / "model")
    with pytest.warns(UserWarning, match="pooler/dense/kernel.*classifier/bias: newly initialised"):
        model = keras_bert.BertClassifier.from_pretrained(tmp_path / "model", labels=["a", "b"])
    np.testing.assert_array_equal(model.encoder.get_weights()[0], masked_lm.encoder.get_weights()[0])
    assert np.asarray(model.encoder.get_layer("pooler").dense.kernel).std() > 0.01  # new, and drawn
    assert model.load_report.initialised == ("pooler/dense/kernel", "pooler/dense/bias", "classifier/kernel", "classifier/bias")


def test_embeddings_of_texts_do_not_hang_on_their_batch(quick_config, tiny_tokenizer):
    model = BertEmbedder(BertEncoder(quick_config), tiny_tokenizer)
    texts = ["a good film", "bad", "", "it was great , no ?"]
    together = model.predict(texts, verbose=0)
    assert together.shape == (4, quick_config.hidden_size) and together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), np.ones(4), atol=1e-6)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(model.predict([text], verbose=0)[0], vector, atol=1e-6)


def test_an_embedder_of_a_checkpoint_without_pooler_misses_none(tmp_path, masked_lm):
    masked_lm.save_pretrained(tmp_path / "model")
    model = BertEmbedder.from_pretrained(tmp_path / "model")  # warnings of new weights are errors here
    assert model.network.pooling == "mean" and not model.encoder.pooler
