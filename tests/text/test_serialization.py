"""Each class to a description and back, through JSON."""

import io
import json

import pytest
import sentencepiece
import tensorflow as tf

from keras_bert import BertTokenizer
from keras_bert.text.character import CharacterTokenizer
from keras_bert.text.sentence_piece import SentencePieceTokenizer
from keras_bert.text.serialization import tokenizer_from_config, tokenizer_from_directory, tokenizer_to_config, tokenizer_to_dict
from keras_bert.text.tokenizer import Tokenizer
from keras_bert.text.whitespace import WhitespaceTokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "A", "b", "##b", "Ab"]
TEXT = "Ab ab Äb A b"


@pytest.fixture(scope="module")
def model(review_lines):
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(review_lines[:200]),
        model_writer=buffer,
        vocab_size=150,
        hard_vocab_limit=False,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        minloglevel=2,
        model_type="bpe",
    )
    return buffer.getvalue()


@pytest.fixture(params=["wordpiece", "cased", "added", "character", "whitespace", "sentencepiece"])
def tokenizer(request, model):
    make = {
        "wordpiece": lambda: BertTokenizer(PIECES),
        "cased": lambda: BertTokenizer(PIECES, lower_case=False, strip_accents=True, max_word_characters=7),
        "added": lambda: BertTokenizer(
            PIECES, added_tokens=["Ä", {"content": "AB", "normalized": True}], special_tokens_in_text=["[MASK]"]
        ),
        "character": lambda: CharacterTokenizer(PIECES, lower_case=False),
        "whitespace": lambda: WhitespaceTokenizer(PIECES, lower_case=True),
        "sentencepiece": lambda: SentencePieceTokenizer(model),
    }
    return make[request.param]()


def test_through_a_directory_and_through_a_config(tokenizer, tmp_path):
    description = json.loads(json.dumps(tokenizer_to_dict(tokenizer)))
    assert description == {"class": type(tokenizer).__name__} | tokenizer.settings()
    assert not {"vocabulary", "model"} & set(description)
    tokenizer.save_asset(tmp_path / tokenizer.ASSET)
    config = json.loads(json.dumps(tokenizer_to_config(tokenizer)))
    for again in (tokenizer_from_directory(tmp_path, description), tokenizer_from_config(config)):
        assert type(again) is type(tokenizer)
        assert again.get_config() == tokenizer.get_config()
        assert again.tokenize([TEXT]).to_list() == tokenizer.tokenize([TEXT]).to_list()
    assert description["class"] == config["class"]  # neither call took it out of the dict it was given


def test_a_description_without_class_is_a_bert_tokenizers(tmp_path):
    BertTokenizer(PIECES).save_asset(tmp_path / "vocab.txt")
    old = {"lower_case": False, "max_word_characters": 100}
    for again in (tokenizer_from_directory(str(tmp_path), old), tokenizer_from_config(old | {"vocabulary": PIECES})):
        assert type(again) is BertTokenizer
        assert (again.lower_case, again.max_word_characters) == (False, 100)


def test_an_unknown_class_is_told_with_those_known(tmp_path):
    message = "'Magic'; tokenizers are BertTokenizer, CharacterTokenizer, SentencePieceTokenizer, WhitespaceTokenizer"
    with pytest.raises(ValueError, match=message):
        tokenizer_from_directory(tmp_path, {"class": "Magic"})
    with pytest.raises(ValueError, match=message):
        tokenizer_from_config({"class": "Magic", "vocabulary": PIECES})


def test_a_class_of_ones_own_is_refused_before_it_is_saved():
    class BertTokenizer(Tokenizer):  # of a known name, but another class
        pass

    for describe in (tokenizer_to_dict, tokenizer_to_config):
        with pytest.raises(ValueError, match=r"test_serialization\.BertTokenizer cannot be described"):
            describe(BertTokenizer(PIECES))


def test_inside_a_graph_too(tokenizer):
    again = tokenizer_from_config(tokenizer_to_config(tokenizer))
    ids = next(iter(tf.data.Dataset.from_tensors([TEXT]).map(again.tokenize)))
    assert ids.to_list() == tokenizer.tokenize([TEXT]).to_list()
