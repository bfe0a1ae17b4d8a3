"""Hand-numbered pieces, and jieba itself."""

import logging
import sys

import jieba
import pytest
import tensorflow as tf

from keras_bert import BertTokenizer
from keras_bert.text import word_ids
from keras_bert.text.segmentation import _segmenter, chinese_words, segmented_word_ids

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = "我爱北京天安门中国人民.!x"
TOKENIZER = BertTokenizer([*SPECIAL, *CHARACTERS, "play", "##ing", "na", "##ive", "##te", "co", "##op", "3", "14", "ok", "##😀"])


def numbered(text, tokenizer=TOKENIZER):
    """Returns: the pieces and their words' numbers, as one string to read."""
    ids, starts, ends = tokenizer.tokenize_with_offsets([text])
    numbers = segmented_word_ids([text], starts, ends)
    assert numbers.dtype == tf.int32
    return " ".join(f"{tokenizer.vocabulary[id_]}:{number}" for id_, number in zip(ids.to_list()[0], numbers.to_list()[0], strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我爱北京天安门", "我:0 爱:1 北:2 京:2 天:3 安:3 门:3"),
        ("北京 playing, 中国!", "北:0 京:0 play:1 ##ing:1 [UNK]:2 中:3 国:3 !:4"),  # the comma is no piece
        ("naïveté ok", "na:0 ##ive:0 ##te:0 ok:1"),  # jieba splits at each accented letter, BERT at none
        ("co\u00adop ok", "co:0 ##op:0 ok:1"),  # nothing is left of the soft hyphen
        ("nai\u0308ve\u0301te", "na:0 ##ive:0 ##te:0"),  # nor of combining accents
        ("co\x1cop ok", "co:0 ##op:0 ok:1"),  # one word to BERT, though Python calls U+001C white space
        ("3.14 ok", "3:0 .:0 14:0 ok:1"),  # one word to jieba
        ("x😀 ok", "x:0 ##😀:0 ok:1"),
        ("爱ok爱", "爱:0 ok:1 爱:2"),
        ("  爱\u3000\u2028 我 ", "爱:0 我:1"),
        ("", ""),
    ],
)
def test_pieces_are_numbered_by_words(text, expected):
    assert numbered(text) == expected


def test_a_piece_over_two_words_joins_them():
    starts, ends = tf.ragged.constant([[0, 3, 9]]), tf.ragged.constant([[3, 9, 12]])  # 中 国人 民, where jieba has 中国 人民
    assert segmented_word_ids(["中国人民"], starts, ends).to_list() == [[0, 0, 0]]


def test_what_stands_whole_is_a_word_by_itself():
    tokenizer = BertTokenizer(
        [*SPECIAL, *CHARACTERS, "foo", "bar", "##bar"], added_tokens=["foo", "京天", {"content": "<e>", "lstrip": True}]
    )
    text = "foobar 北京天安门  <e>x"
    ids, starts, ends = tokenizer.tokenize_with_offsets([text])
    assert [tokenizer.pieces[id_] for id_ in ids.to_list()[0]] == ["foo", "bar", "北", "京天", "安", "门", "<e>", "x"]
    # To jieba "foobar" is a word, and so is 天安门.
    assert segmented_word_ids([text], starts, ends).to_list() == [[0, 0, 1, 1, 1, 1, 2, 3]]
    whole = tf.gather(tokenizer.found_whole, ids)
    assert segmented_word_ids([text], starts, ends, found_whole=whole).to_list() == [[0, 1, 2, 3, 4, 4, 5, 6]]


def test_rows_are_numbered_apart_and_may_be_bytes_or_a_tensor():
    texts = ["中国ok", "", b"\xff\xe6\x88\x91 ok", "我"]
    _, starts, ends = TOKENIZER.tokenize_with_offsets(texts)
    assert segmented_word_ids(texts, starts, ends).to_list() == [[0, 0, 1], [], [0, 1], [0]]
    assert segmented_word_ids(tf.constant(texts), starts, ends).to_list() == [[0, 0, 1], [], [0, 1], [0]]
    bad = [b"\xff\xff\xff" + "我爱北京".encode()]
    assert segmented_word_ids(bad, *TOKENIZER.tokenize_with_offsets(bad)[1:]).to_list() == [[0, 1, 2, 2]]
    assert chinese_words(bad) == [[(3, 6), (6, 9), (9, 15)]]
    nothing = tf.RaggedTensor.from_row_splits(tf.zeros([0], tf.int64), [0])
    assert segmented_word_ids([], nothing, nothing).to_list() == []


def test_continuations_have_the_number_of_their_word(review_lines, uncased_vocabulary):
    # word_ids goes by the pieces, and knows nothing of jieba: what it counts as one word must be one here.
    tokenizer = BertTokenizer(uncased_vocabulary)
    lines = review_lines[:300]
    ids, starts, ends = tokenizer.tokenize_with_offsets(lines)
    for row, by_pieces in zip(segmented_word_ids(lines, starts, ends).to_list(), word_ids(tokenizer, ids).to_list(), strict=True):
        assert len(dict.fromkeys(zip(row, by_pieces, strict=True))) == len(set(by_pieces))
        assert sorted(set(row)) == list(range(len(set(row))))
        assert row == sorted(row)


def test_words_of_chinese_are_jiebas():
    texts = ["我来到北京清华大学", "小明硕士毕业于中国科学院计算所，后在日本京都大学深造"]
    got = [[text.encode()[start:end].decode() for start, end in spans] for text, spans in zip(texts, chinese_words(texts), strict=True)]
    assert got == [jieba.lcut(text) for text in texts]


def test_words_of_other_text_are_not_torn_and_white_space_is_none():
    assert chinese_words(["我爱北京 ok", "café\u3000naïve", "", " \u00ad"]) == [
        [(0, 3), (3, 6), (6, 12), (13, 15)],
        [(0, 5), (8, 14)],
        [],
        [],
    ]


def test_one_text_in_place_of_a_batch_is_refused():
    with pytest.raises(ValueError, match="got one text"):
        chinese_words("我爱北京")


def test_without_jieba_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    _segmenter.cache_clear()
    with pytest.raises(ImportError, match=r"pip install keras3-bert\[chinese\]"):
        chinese_words(["我"])


def test_jieba_logs_nothing():
    told = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = told.append
    jieba.default_logger.addHandler(handler)
    try:
        jieba.setLogLevel(logging.DEBUG)  # its own default
        _segmenter.cache_clear()
        assert chinese_words(["北京"]) == [[(0, 6)]]
        assert told == []
    finally:
        jieba.default_logger.removeHandler(handler)
