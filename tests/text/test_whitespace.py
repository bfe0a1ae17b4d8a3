"""Against Python's str.split, str.lower and a dict."""

import json
import random
import sys

import numpy as np
import pytest
import tensorflow as tf
from unicode_lines import unicode_lines

from keras_bert.text.whitespace import WhitespaceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ALL_SPACE = [chr(point) for point in range(sys.maxunicode + 1) if chr(point).isspace()]


@pytest.fixture(scope="module")
def lines(review_lines):
    spaced = [f"a{space}b{space}{space}{space}c" for space in ALL_SPACE]
    return review_lines[:500] + unicode_lines(1000) + spaced + ["", " ", " a\x00 \x00", "x" * 5000 + " " + "x" * 4999]


@pytest.fixture(scope="module")
def vocabulary(lines):
    words = sorted({word for line in lines for word in line.split()})
    return [*SPECIAL, *words[::2], "two words", "##s"]  # every other word is unknown, and parts of words are pieces


def test_ids_are_of_whole_words_eagerly_in_tf_data_and_in_a_saved_model(lines, vocabulary, tmp_path):
    ids = {piece: index for index, piece in enumerate(vocabulary)}
    expected = [[ids.get(word, 1) for word in line.split()] for line in lines]
    tokenizer = WhitespaceTokenizer(vocabulary)
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


def test_offsets_cover_each_word_eagerly_and_in_tf_data(lines, vocabulary):
    tokenizer = WhitespaceTokenizer(vocabulary)
    in_tf_data = next(iter(tf.data.Dataset.from_tensors(lines).map(tokenizer.tokenize_with_offsets)))
    for ids, starts, ends in (tokenizer.tokenize_with_offsets(lines), in_tf_data):
        assert ids.to_list() == tokenizer.tokenize(lines).to_list()
        for line, row_starts, row_ends in zip(lines, starts.to_list(), ends.to_list(), strict=True):
            assert [line.encode()[start:end].decode() for start, end in zip(row_starts, row_ends, strict=True)] == line.split()
        assert (ids.dtype, starts.dtype, ends.dtype) == (tf.int32, tf.int64, tf.int64)


def test_bytes_that_are_not_utf8_are_dropped_and_offsets_step_over_them():
    tokenizer = WhitespaceTokenizer([*SPECIAL, "film", "日本"])
    texts = [b"\xfffi\xfflm\xff \xff \xe6\x97\xa5\xe6\x9c\xac!\xe6 x", b"film"]
    assert tokenizer.tokenize(texts).to_list() == [[5, 1, 1], [5]]
    ids, starts, ends = tokenizer.tokenize_with_offsets(texts)
    assert ids.to_list() == [[5, 1, 1], [5]]
    assert starts.to_list() == [[1, 10, 19], [0]]
    assert ends.to_list() == [[6, 17, 20], [4]]


def test_random_bytes_are_split_as_python_splits_what_is_utf8_of_them():
    generator = random.Random(0)
    texts = [bytes(generator.choice(b"ab \t\xe3\x80\x80\xff\xf0\xc2\x85") for _ in range(30)) for _ in range(500)]
    expected = [text.decode("utf-8", "ignore").split() for text in texts]
    pieces = SPECIAL + sorted({word for words in expected for word in words})
    ids, starts, ends = WhitespaceTokenizer(pieces).tokenize_with_offsets(texts)
    assert [[pieces[id_] for id_ in row] for row in ids.to_list()] == expected
    for text, words, row_starts, row_ends in zip(texts, expected, starts.to_list(), ends.to_list(), strict=True):
        covered = [text[start:end].decode("utf-8", "ignore") for start, end in zip(row_starts, row_ends, strict=True)]
        assert covered == words
        assert all(text[start : start + 1] != b"\xff" != text[end - 1 : end] for start, end in zip(row_starts, row_ends, strict=True))


def test_lower_case_keeps_accents_and_drops_words_of_control_characters():
    tokenizer = WhitespaceTokenizer([*SPECIAL, "école", "ok", "σας"], lower_case=True)
    ids, starts, ends = tokenizer.tokenize_with_offsets(["ÉCOLE \u200b Ok ΣΑΣ", "\u200b"])
    assert ids.to_list() == tokenizer.tokenize(["ÉCOLE \u200b Ok ΣΑΣ", "\u200b"]).to_list() == [[5, 6, 7], []]
    assert starts.to_list() == [[0, 11, 14], []]
    assert ends.to_list() == [[6, 13, 20], []]


def test_special_tokens_cannot_be_written_in_a_text():
    assert WhitespaceTokenizer([*SPECIAL, "a"]).tokenize(["a [SEP] [MASK] [PAD] [UNK]"]).to_list() == [[5, 1, 1, 1, 1]]


def test_a_word_whose_hash_is_another_pieces_is_unknown(monkeypatch):
    monkeypatch.setattr("keras_bert.text.whitespace._hash", lambda words: tf.zeros_like(tf.strings.length(words), tf.int64))
    assert WhitespaceTokenizer(["[UNK]", "[PAD]", "[CLS]", "[SEP]"]).tokenize(["other"]).to_list() == [[0]]


def test_few_pieces_and_many_unknown_words():
    words = [str(number) for number in range(1000)]  # their hashes lie before, between and beyond those of the pieces
    assert WhitespaceTokenizer([*SPECIAL, "7"]).tokenize([" ".join(words)]).to_list() == [[5 if word == "7" else 1 for word in words]]


def test_no_texts_and_no_words():
    tokenizer = WhitespaceTokenizer(SPECIAL)
    assert tokenizer.tokenize(tf.constant([], tf.string)).to_list() == []
    assert [part.to_list() for part in tokenizer.tokenize_with_offsets(["", "  "])] == [[[], []]] * 3


def test_made_again_from_config_and_from_its_asset(tmp_path):
    tokenizer = WhitespaceTokenizer([*SPECIAL, "ok"], lower_case=True)
    tokenizer.save_asset(tmp_path / tokenizer.ASSET)
    config = json.loads(json.dumps(tokenizer.get_config()))
    assert config == {"vocabulary": [*SPECIAL, "ok"], "lower_case": True}
    for again in (WhitespaceTokenizer(**config), WhitespaceTokenizer(tmp_path / "vocab.txt", **tokenizer.settings())):
        assert again.tokenize(["OK"]).to_list() == [[5]]


def test_every_piece_is_a_word_and_words_join_with_spaces():
    tokenizer = WhitespaceTokenizer([*SPECIAL, "##s", "no!"])
    np.testing.assert_array_equal(tokenizer.starts_word, [True] * 7)
    assert tokenizer.detokenize(tokenizer.tokenize(["no!\t##s x"])).numpy().tolist() == [b"no! ##s [UNK]"]
