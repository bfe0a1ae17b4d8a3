"""Against google-research's BasicTokenizer for the normalization, and against Python's str for the rest."""

import json

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.tools.tokenization import BasicTokenizer
from unicode_lines import unicode_lines

from keras_bert.text.character import CharacterTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def lines(review_lines):
    return review_lines[:200] + unicode_lines(500) + ["", " ", "我爱北京, ok"]


def expected_ids(lines, vocabulary, lower_case):
    basic = BasicTokenizer(do_lower_case=lower_case)  # its words hold every character that is not white space, in order
    ids = {piece: index for index, piece in enumerate(vocabulary)}
    return [[ids.get(character, 1) for word in basic.tokenize(line) for character in word] for line in lines]


@pytest.mark.parametrize("lower_case", [True, False], ids=["uncased", "cased"])
def test_ids_are_of_each_character_eagerly_in_tf_data_and_in_a_saved_model(lines, lower_case, tmp_path):
    characters = sorted({character for line in lines for character in line if not character.isspace()})
    vocabulary = [*SPECIAL, "word", *characters[::2], "##s"]  # every other character is unknown
    expected = expected_ids(lines, vocabulary, lower_case)
    tokenizer = CharacterTokenizer(vocabulary, lower_case=lower_case)
    assert tokenizer.tokenize(lines).to_list() == expected

    dataset = tf.data.Dataset.from_tensor_slices(lines).batch(512).map(tokenizer.tokenize)
    assert [row for batch in dataset for row in batch.to_list()] == expected

    module = tf.Module()
    module.tokenize = tf.function(
        lambda text: tokenizer.tokenize(text).to_tensor(-1), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    dense = tf.saved_model.load(str(tmp_path / "saved")).tokenize(tf.constant(lines)).numpy()
    assert [[id_ for id_ in row if id_ >= 0] for row in dense.tolist()] == expected


def test_offsets_are_bytes_of_the_text_as_given():
    tokenizer = CharacterTokenizer([*SPECIAL, "e", "日", "ᄀ", "ᅡ", "A"])
    #        É:0-2  space  日:3-6  bad:6  e:7-8  accent:8-10  가:10-13 as two, A:13
    text = "É 日".encode() + b"\xff" + "e\u0301가A".encode()
    ids, starts, ends = tokenizer.tokenize_with_offsets([text, b"", b"  "])
    assert ids.to_list() == [[5, 6, 5, 7, 8, 1], [], []]  # lower-cased, "a" is no piece
    assert starts.to_list() == [[0, 3, 7, 10, 10, 13], [], []]
    assert ends.to_list() == [[2, 6, 8, 13, 13, 14], [], []]
    assert (ids.dtype, starts.dtype, ends.dtype) == (tf.int32, tf.int64, tf.int64)


def test_offsets_of_cased_lines_give_the_very_characters(lines):
    characters = sorted({character for line in lines for character in line if not character.isspace()})
    tokenizer = CharacterTokenizer(SPECIAL + characters, lower_case=False)
    dataset = tf.data.Dataset.from_tensor_slices(lines).batch(len(lines)).map(tokenizer.tokenize_with_offsets)
    ids, starts, ends = next(iter(dataset))
    expected = expected_ids(lines, tokenizer.vocabulary, False)
    assert ids.to_list() == expected
    for line, row, row_starts, row_ends in zip(lines, expected, starts.to_list(), ends.to_list(), strict=True):
        covered = [line.encode()[start:end].decode() for start, end in zip(row_starts, row_ends, strict=True)]
        assert covered == [tokenizer.vocabulary[id_] for id_ in row]


def test_special_tokens_written_in_a_text_are_characters():
    assert CharacterTokenizer([*SPECIAL, "[", "]"]).tokenize(["[SEP]"]).to_list() == [[5, 1, 1, 1, 6]]


def test_a_vocabulary_without_characters_knows_none():
    assert CharacterTokenizer(SPECIAL).tokenize(["ab \U0010fffd"]).to_list() == [[1, 1, 1]]


def test_made_again_from_config_and_from_its_asset(tmp_path):
    tokenizer = CharacterTokenizer([*SPECIAL, "A", "É"], lower_case=False)
    tokenizer.save_asset(tmp_path / tokenizer.ASSET)
    config = json.loads(json.dumps(tokenizer.get_config()))
    assert config == {"vocabulary": [*SPECIAL, "A", "É"], "lower_case": False}
    for again in (CharacterTokenizer(**config), CharacterTokenizer(tmp_path / "vocab.txt", **tokenizer.settings())):
        assert again.tokenize(["AÉa"]).to_list() == [[5, 6, 1]]


def test_every_piece_is_a_word_and_characters_join_without_spaces():
    tokenizer = CharacterTokenizer([*SPECIAL, "你", "好"])
    np.testing.assert_array_equal(tokenizer.starts_word, [True] * 7)
    assert tokenizer.detokenize(tokenizer.tokenize(["你好", ""])).numpy().tolist() == ["你好".encode(), b""]


def test_a_vocabulary_without_unk_is_refused():
    with pytest.raises(ValueError, match=r"no \[UNK\]"):
        CharacterTokenizer(["[PAD]", "[CLS]", "[SEP]"])
