"""Against tf-models-official's copy of google-research's FullTokenizer, the word limit set to ours."""

import collections
import os
import sys
import unicodedata

import pytest
import real_text
import tensorflow as tf
import tensorflow_text
from official.nlp.tools.tokenization import BasicTokenizer, FullTokenizer
from unicode_lines import LATER_THAN_PYTHON_3_11, POOLS, is_assigned, unicode_lines

from keras_bert import BertPacker, BertTokenizer
from keras_bert.text import save_vocabulary
from keras_bert.text.normalization import Normalizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def oracle(path, lower_case, limit=200):
    tokenizer = FullTokenizer(str(path), do_lower_case=lower_case)
    tokenizer.wordpiece_tokenizer.max_input_chars_per_word = limit
    return lambda lines: [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(line)) for line in lines]


@pytest.fixture(scope="module")
def lines(review_lines):
    return review_lines + unicode_lines(2000) + [line.title() for line in review_lines[:1000]]


@pytest.fixture(scope="module")
def cased_vocabulary(lines, tmp_path_factory):
    return make_cased_vocabulary(lines, tmp_path_factory.mktemp("cased") / "vocab.txt")


@pytest.fixture(scope="module")
def cased_ids(lines, cased_vocabulary):
    """google-research's."""
    return oracle(cased_vocabulary, False)(lines)


def test_cased_vocabulary_hides_nothing_behind_unk(cased_ids):
    ids = [id_ for row in cased_ids for id_ in row]
    assert ids.count(SPECIAL.index("[UNK]")) < 0.01 * len(ids)


@pytest.mark.parametrize("lower_case", [True, False], ids=["uncased", "cased"])
def test_ids_equal_google_research_eagerly_in_tf_data_and_in_a_saved_model(
    lines, uncased_vocabulary, cased_vocabulary, cased_ids, lower_case, tmp_path
):
    path = uncased_vocabulary if lower_case else cased_vocabulary
    expected = oracle(path, lower_case)(lines) if lower_case else cased_ids
    tokenizer = BertTokenizer(path, lower_case=lower_case)
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


def make_cased_vocabulary(lines, path):
    """Every character of the lines, as first and as later piece, and their commonest words: only over-long words are [UNK]."""
    words = collections.Counter(word for line in lines for word in BasicTokenizer(do_lower_case=False).tokenize(line))
    characters = sorted({character for word in words for character in word})
    common = [word for word, _ in words.most_common(5000) if 1 < len(word) < 60]
    save_vocabulary([*SPECIAL, *characters, *("##" + character for character in characters), *common], path)
    return path


@pytest.mark.parametrize("lower_case", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["uncased", "cased"])
def test_ids_equal_google_research_on_20000_fuzz_lines(uncased_vocabulary, tmp_path, lower_case):
    lines = unicode_lines(20_000, seed=1)
    path = uncased_vocabulary if lower_case else make_cased_vocabulary(lines, tmp_path / "vocab.txt")
    expected = oracle(path, lower_case)(lines)
    got = BertTokenizer(path, lower_case=lower_case).tokenize(lines).to_list()
    assert [line for line, a, b in zip(lines, got, expected, strict=True) if a != b] == []


@pytest.mark.slow
@pytest.mark.skipif(not real_text.files(), reason="no ../shared/data: its real text is not committed")
@pytest.mark.parametrize(("lower_case", "every"), [(True, 2), (False, 8)], ids=["a_half_uncased", "an_eighth_cased"])
def test_ids_equal_google_research_on_real_text(uncased_vocabulary, tmp_path, lower_case, every):
    files = [real_text.lines_of(path) for path in real_text.files()]
    sample = [line for lines in files for line in lines[:300]]
    path = uncased_vocabulary if lower_case else make_cased_vocabulary(sample, tmp_path / "vocab.txt")
    tokenizer, theirs = BertTokenizer(path, lower_case=lower_case), oracle(path, lower_case)
    for lines in files:
        lines = sorted(set(lines))[::every]
        for first in range(0, len(lines), 1000):
            batch = lines[first : first + 1000]
            got, expected = tokenizer.tokenize(batch).to_list(), theirs(batch)
            assert [line for line, a, b in zip(batch, got, expected, strict=True) if a != b] == []


def different_points(points, vocabulary):
    """Code points that are split otherwise than google-research does. Letters beside them tell kept, dropped and split off apart."""
    lines = [f"a{chr(point)}b" for point in points]
    expected = oracle(vocabulary, True)(lines)
    return {
        point for point, got, want in zip(points, BertTokenizer(vocabulary).tokenize(lines).to_list(), expected, strict=True) if got != want
    }


def test_every_assigned_character_is_split_as_google_research_does(uncased_vocabulary):
    points = [point for point in range(sys.maxunicode + 1) if is_assigned(chr(point)) and point not in LATER_THAN_PYTHON_3_11]
    assert different_points(points, uncased_vocabulary) == set()


@pytest.mark.slow
@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="the list is of what Unicode 14 (Python 3.11) has not assigned")
def test_the_unassigned_code_points_that_differ_are_those_listed(uncased_vocabulary):
    points = [point for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) == "Cn"]
    assert different_points(points, uncased_vocabulary) == LATER_THAN_PYTHON_3_11
    assert len(LATER_THAN_PYTHON_3_11) == 78


LETTERS = ("a", "é", "д", "가", "𐐀")


@pytest.mark.parametrize(("limit", "letter"), [(limit, letter) for limit in (1, 7, 100, 200) for letter in LETTERS] + [(1000, "é")])
def test_the_word_limit_counts_characters_at_its_edge(uncased_vocabulary, letter, limit):
    # "가" is two Jamo and "é" one letter after normalisation: about the edge, in whatever it becomes.
    lines = [f"so {letter * count}, so" for count in range(max(limit // 2 - 1, 1), limit // 2 + 2)]
    lines += [f"so {letter * count}, so" for count in range(max(limit - 1, 1), limit + 2)]
    tokenizer = BertTokenizer(uncased_vocabulary, max_word_characters=limit)
    assert tokenizer.tokenize(lines).to_list() == oracle(uncased_vocabulary, True, limit)(lines)


def test_a_piece_that_is_too_long_is_named():
    with pytest.raises(ValueError, match=r"piece 6, '##ддд.* takes 258 bytes; tensorflow-text takes 256 at most"):
        BertTokenizer([*SPECIAL, "a", "##" + "д" * 129])


@pytest.mark.parametrize("limit", [0, -1, 1001, True])
def test_a_word_limit_out_of_range_is_refused(limit):
    with pytest.raises(ValueError, match=f"max_word_characters={limit}"):
        BertTokenizer(SPECIAL, max_word_characters=limit)


@pytest.mark.parametrize(
    "text", ["", " ", "a" * 100_000, "a b" * 33_333, "日é" * 50_000, "[MASK] [SEP] ##s", "\x00\ufffd\u200b"], ids=range(7)
)
def test_odd_texts(uncased_vocabulary, text):
    assert BertTokenizer(uncased_vocabulary).tokenize([text]).to_list() == oracle(uncased_vocabulary, True)([text])


def test_bytes_that_are_not_utf8_are_dropped_as_google_research_drops_them(uncased_vocabulary):
    texts = [b"good \xff film", b"cut off \xe4\xbd", b"\xc3\x28 \xed\xa0\x80 x", b"\xff"]
    # google-research decodes bytes with errors="ignore".
    expected = oracle(uncased_vocabulary, True)([text.decode("utf-8", "ignore") for text in texts])
    assert BertTokenizer(uncased_vocabulary).tokenize(texts).to_list() == expected


LOCALE_PROGRAM = """
import locale, sys
from keras_bert import BertPacker, BertTokenizer
print(BertTokenizer(sys.argv[1]).normalize([line for line in sys.argv[2:]]).numpy().tolist())
"""


OTHER_LOCALES = [pytest.param(name, marks=pytest.mark.slow) for name in ("lt_LT.UTF-8", "az_AZ.UTF-8", "C")]


@pytest.mark.parametrize("locale", ["tr_TR.UTF-8", *OTHER_LOCALES])
def test_the_locale_of_the_process_changes_nothing(root, fresh_python, other_python, uncased_vocabulary, locale):
    texts = ["THIS IS IN INDIA", "\u0130STANBUL I\u0307X", "\u00cc J\u0300 \u012e\u0301"]
    command = [sys.executable, "-c", LOCALE_PROGRAM, str(uncased_vocabulary), *texts]
    python = other_python if locale.startswith("tr") else fresh_python  # the former's very start was in Turkish
    done = python.run(command, env=os.environ | {"LC_ALL": locale, "LANG": locale}, check=True, cwd=root)
    # By Python, whose str.lower knows no locale: lower, NFD, accents off, as google-research's BasicTokenizer.
    decomposed = [unicodedata.normalize("NFD", text.lower()) for text in texts]
    expected = ["".join(c for c in text if unicodedata.category(c) != "Mn").encode() for text in decomposed]
    assert done.stdout.splitlines()[-1] == repr(expected)


def test_a_sentence_that_published_models_were_asked_about(uncased_vocabulary):
    ids = BertPacker(BertTokenizer(uncased_vocabulary), 16, pad_to_multiple_of=1)(["The capital of France is Paris."])["input_ids"]
    # Ids of bert-base-uncased as other projects print them.
    assert ids.numpy().tolist() == [[101, 1996, 3007, 1997, 2605, 2003, 3000, 1012, 102]]


def test_special_tokens_and_lookups(tiny_tokenizer):
    assert (tiny_tokenizer.pad_id, tiny_tokenizer.unk_id, tiny_tokenizer.cls_id) == (0, 1, 2)
    assert (tiny_tokenizer.sep_id, tiny_tokenizer.mask_id, tiny_tokenizer.vocabulary_size) == (3, 4, 20)
    with pytest.raises(KeyError, match="'zebra' is not in the vocabulary of 20 pieces"):
        tiny_tokenizer.id_of("zebra")
    with pytest.raises(KeyError, match="MASK"):
        _ = BertTokenizer([*SPECIAL[:4], "a"]).mask_id


def test_detokenize_joins_pieces(tiny_tokenizer):
    ids = tiny_tokenizer.tokenize(["films, good!", "", "it was great"])
    assert tiny_tokenizer.detokenize(ids).numpy().tolist() == [b"films , good [UNK]", b"", b"it was great"]
    assert tiny_tokenizer.detokenize(tf.constant([[8, 9]])).numpy().tolist() == [b"good bad"]


def test_rank_is_checked(tiny_tokenizer):
    with pytest.raises(ValueError, match=r"shape \(\)"):
        tiny_tokenizer.tokenize("one text")


def test_a_vocabulary_that_uses_the_marking_letter_still_marks_long_words():
    letter = BertTokenizer([*SPECIAL, "a"])._splitter.mark
    pieces = [*SPECIAL, letter, f"##{letter}", "a", "##a", "##x", "x"]
    assert BertTokenizer(pieces, max_word_characters=3).tokenize([f"aaaa a {letter}"]).to_list() == [[1, 7, 5]]


def test_pools_reach_every_class_of_trouble():
    text = "".join(unicode_lines(2000))
    assert all(any(character in text for character in pool) for pool in POOLS.values())


@pytest.mark.parametrize("lower_case", [True, False])
def test_tensorflow_text_s_normalizer_would_change_nothing(lower_case):
    """Of no code point, alone or beside others: what is normalised needs no FastBertTokenizer, but only its word pieces."""
    points = [point for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]
    normalizer = tensorflow_text.FastBertNormalizer(lower_case_nfd_strip_accents=False)
    for around in ("{}", "a{}b", "{}\u0301"):
        normalized = Normalizer(lower_case=lower_case)(tf.constant([around.format(chr(point)).encode() for point in points]))
        assert tf.reduce_all(normalizer.normalize(normalized) == normalized)
