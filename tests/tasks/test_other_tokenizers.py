"""A task takes any tokenizer: text in, saved, loaded, exported."""

import dataclasses
import io

import keras
import numpy as np
import pytest
import sentencepiece

import export
import keras_bert
from keras_bert import BertClassifier, BertEncoder, BertTokenizer, CharacterTokenizer, SentencePieceTokenizer, WhitespaceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = ["good film", "bad film , no", "", "日本 é"]


def sentence_piece():
    model = io.BytesIO()
    pieces = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3, "control_symbols": ["[MASK]"]}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20), model_writer=model, vocab_size=40, hard_vocab_limit=False, minloglevel=2, **pieces
    )
    return SentencePieceTokenizer(model.getvalue())


MAKERS = {
    "character": lambda: CharacterTokenizer([*SPECIAL, *"godflimba,n日本e"]),
    "whitespace": lambda: WhitespaceTokenizer([*SPECIAL, "good", "bad", "film", ",", "no"]),
    "sentence_piece": sentence_piece,
    "wordpiece": lambda: BertTokenizer(
        [*SPECIAL, "good", "bad", "film", ",", "no", "日", "##本", "é"], strip_accents=False, tokenize_chinese_chars=False
    ),
}


@pytest.fixture
def make(quick_config):
    def make(name):
        keras.utils.set_random_seed(4)
        tokenizer = MAKERS[name]()
        config = dataclasses.replace(quick_config, vocab_size=tokenizer.vocabulary_size, initializer_range=0.3)
        return BertClassifier(BertEncoder(config), ["a", "b"], tokenizer, text_pair=False)

    return make


@pytest.mark.parametrize("name", MAKERS)
def test_saved_and_loaded(make, tmp_path, name):
    model = make(name)
    expected = model.predict(TEXTS, verbose=0)
    assert len(np.unique(expected[:, 0])) == 4  # the texts are told apart
    model.save_pretrained(tmp_path / "model")
    again = keras_bert.from_pretrained(tmp_path / "model", strict=True)
    assert type(again.tokenizer) is type(model.tokenizer)
    np.testing.assert_array_equal(again.predict(TEXTS, verbose=0), expected)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras").predict(TEXTS, verbose=0), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_exported(make, answers_of_forks, tmp_path, name):
    model = make(name)
    path = export.export_saved_model(model, tmp_path)
    assert export.verify_saved_model(path, model) <= 1e-6
    answers = export.run_saved_model(path, {"serving_default/text": np.array([text.encode() for text in TEXTS])})
    np.testing.assert_allclose(answers["serving_default/probabilities"], model.predict(TEXTS, verbose=0), atol=1e-6)


def test_transformers_has_no_other_tokenizer(make, tmp_path):
    with pytest.raises(ValueError, match="a CharacterTokenizer cannot be written for Transformers' BERT"):
        keras_bert.checkpoints.to_hugging_face(make("character"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
