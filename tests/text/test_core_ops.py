"""Tokenizers in TensorFlow's own ops beside google-research's and beside those whose place they take."""

import random
import sys
import unicodedata

import numpy as np
import pytest
import real_text
import tensorflow as tf
from test_added_tokens import random_tokens, texts_with
from test_wordpiece import make_cased_vocabulary, oracle
from unicode_lines import unicode_lines

from keras_bert import BertTokenizer
from keras_bert.text import CharacterTokenizer, WhitespaceTokenizer
from keras_bert.text.core_normalization import core_normalizer
from keras_bert.text.normalization import Normalizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SETTINGS = [{}, {"tokenize_chinese_chars": False}, {"lower_case": False}, {"lower_case": False, "strip_accents": True}]
SETTINGS += [{"strip_accents": False, "max_word_characters": 7}]


@pytest.fixture(scope="module")
def lines():
    return unicode_lines(400, seed=1)


@pytest.fixture(scope="module")
def cased_vocabulary(lines, tmp_path_factory):
    return make_cased_vocabulary(lines, tmp_path_factory.mktemp("cased") / "vocab.txt")


def split(tokenizer, lines, size=1000):
    """Ids, starts and ends, and that `tokenize` gives the same ids. Returns: list of lists of tuples."""
    rows = []
    for first in range(0, len(lines), size):
        batch = lines[first : first + size]
        parts = tokenizer.tokenize_with_offsets(batch)
        assert [part.dtype for part in parts] == [tf.int32, tf.int64, tf.int64]
        rows += [list(zip(*row, strict=True)) for row in zip(*(part.to_list() for part in parts), strict=True)]
        assert tokenizer.tokenize(batch).to_list() == parts[0].to_list()
    return rows


def assert_same(tokenizer, lines):
    core = tokenizer.in_core_ops()
    different = [
        (line, got, want) for line, got, want in zip(lines, split(core, lines), split(tokenizer, lines), strict=True) if got != want
    ]
    assert different == []


@pytest.mark.parametrize("lower_case", [True, False], ids=["uncased", "cased"])
def test_ids_equal_google_research(lines, uncased_vocabulary, cased_vocabulary, lower_case):
    path = uncased_vocabulary if lower_case else cased_vocabulary
    assert BertTokenizer(path, lower_case=lower_case).in_core_ops().tokenize(lines).to_list() == oracle(path, lower_case)(lines)


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_ids_and_offsets_are_the_same_on_fuzz_lines(uncased_vocabulary, tmp_path, settings):
    lines = unicode_lines(5_000, seed=1)
    assert_same(BertTokenizer(uncased_vocabulary, **settings), lines)
    assert_same(BertTokenizer(make_cased_vocabulary(lines, tmp_path / "vocab.txt"), **settings), lines)


@pytest.mark.parametrize("settings", SETTINGS[:2], ids=str)
def test_offsets_are_the_same_with_chinese_characters_apart_and_not(lines, cased_vocabulary, settings):
    assert_same(BertTokenizer(cased_vocabulary, **settings), lines)


@pytest.mark.slow
@pytest.mark.skipif(not real_text.files(), reason="no ../shared/data: its real text is not committed")
def test_ids_and_offsets_are_the_same_on_20000_lines_of_real_text(uncased_vocabulary):
    assert_same(BertTokenizer(uncased_vocabulary), real_text.some_lines(20_000))


@pytest.mark.slow
@pytest.mark.parametrize("tokenize_chinese_chars", [True, False])
def test_every_code_point_is_read_the_same(uncased_vocabulary, tokenize_chinese_chars):
    points = [point for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]
    lines = [f"a{chr(point)}b" for point in points]
    tokenizer = BertTokenizer(uncased_vocabulary, tokenize_chinese_chars=tokenize_chinese_chars)
    core = tokenizer.in_core_ops()
    for first in range(0, len(lines), 100_000):
        batch = lines[first : first + 100_000]
        for got, want in zip(core.tokenize_with_offsets(batch), tokenizer.tokenize_with_offsets(batch), strict=True):
            np.testing.assert_array_equal(got.row_splits, want.row_splits)
            np.testing.assert_array_equal(got.values, want.values)


@pytest.mark.parametrize("settings", SETTINGS[:2], ids=str)
def test_added_and_special_tokens_are_found(cased_vocabulary, settings):
    generator = random.Random(0)
    tokenizer = BertTokenizer(cased_vocabulary, **settings)
    tokens = random_tokens(generator, tokenizer.vocabulary, tokenizer.normalize)
    texts = texts_with([token["content"] for token in tokens], generator, 200)
    assert_same(BertTokenizer(cased_vocabulary, added_tokens=tokens, special_tokens_in_text=True, **settings), texts)


@pytest.mark.parametrize("limit", [1, 7, 200])
@pytest.mark.parametrize("letter", ["a", "é", "가", "𐐀"])
def test_the_word_limit_counts_characters(uncased_vocabulary, letter, limit):
    lines = [f"so {letter * count}, so" for count in range(max(limit // 2 - 1, 1), limit // 2 + 2)]
    lines += [f"so {letter * count}, so" for count in range(max(limit - 1, 1), limit + 2)]
    core = BertTokenizer(uncased_vocabulary, max_word_characters=limit).in_core_ops()
    assert core.tokenize(lines).to_list() == oracle(uncased_vocabulary, True, limit)(lines)


def test_hand_computed_pieces():
    core = BertTokenizer([*SPECIAL, "ab", "abcd", "##c", "##ce", "b", "##"]).in_core_ops()
    # abce: abc leads on to abcd but no further, so ab, then ce. abcx: nothing takes x. "##" of a text is two marks.
    ids, starts, ends = core.tokenize_with_offsets(["abce abcd abcx b ab##c"])
    assert ids.to_list() == [[5, 8, 6, 1, 9, 5, 1, 1, 1]]
    assert starts.to_list() == [[0, 2, 5, 10, 15, 17, 19, 20, 21]]
    assert ends.to_list() == [[2, 4, 9, 14, 16, 19, 20, 21, 22]]


@pytest.mark.parametrize(
    "batch", [[], [""], ["", " \t", "\x00\u200b"], [b"\xff", b"good \xff film\xe4"], ["", "日é" * 5000, ""]], ids=range(5)
)
def test_odd_batches(uncased_vocabulary, batch):
    strings = tf.constant(batch, tf.string)
    tokenizer = BertTokenizer(uncased_vocabulary)
    for got, want in zip(tokenizer.in_core_ops().tokenize_with_offsets(strings), tokenizer.tokenize_with_offsets(strings), strict=True):
        assert got.to_list() == want.to_list()


def test_marks_that_are_no_accents_change_places_as_nfd_has_it():
    texts = ["a\u302e\U0001d165b", "a\u302e\u0301\U0001d165\u302f\u1715b", "\u302e", "\U0001d165", "a\u302eb\U0001d165", "\U0001d16d\u302e"]
    kept = [[c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn"] for text in texts]
    got = core_normalizer(Normalizer(lower_case=False, strip_accents=True))(tf.constant(texts)).numpy()
    assert [text.decode() for text in got] == ["".join(characters) for characters in kept]
    assert sum("".join(characters) not in text for text, characters in zip(texts, kept, strict=True)) >= 2  # the order did change


def test_the_other_tokenizers(lines):
    characters = sorted({character for line in lines for character in line if not character.isspace()})
    assert_same(CharacterTokenizer([*SPECIAL, *characters[::2]]), lines)
    assert_same(WhitespaceTokenizer([*SPECIAL, *{word for line in lines[:500] for word in line.lower().split()}], lower_case=True), lines)
