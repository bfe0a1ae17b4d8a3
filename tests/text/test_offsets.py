"""Offsets and ids beside Hugging Face `tokenizers`, an implementation of BERT's tokenization of its own."""

import sys
import unicodedata

import pytest
import real_text
import tensorflow as tf
from tokenizers import BertWordPieceTokenizer
from unicode_lines import LATER_THAN_PYTHON_3_11, NEWER_THAN_TOKENIZERS, NOT_CHINESE_TO_TOKENIZERS, is_assigned, unicode_lines

from keras_bert import BertTokenizer
from keras_bert.text import characters_from_bytes

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def hugging_face(vocabulary, lines, **options):
    """Returns: for each line [(id, start, end)], characters."""
    encodings = BertWordPieceTokenizer(str(vocabulary), **options).encode_batch(list(lines), add_special_tokens=False)
    return [[(id_, *span) for id_, span in zip(e.ids, e.offsets, strict=True)] for e in encodings]


def ours(tokenizer, lines):
    ids, starts, ends = tokenizer.tokenize_with_offsets(lines)
    starts, ends = characters_from_bytes(lines, starts), characters_from_bytes(lines, ends)
    return [list(zip(*row, strict=True)) for row in zip(ids.to_list(), starts.to_list(), ends.to_list(), strict=True)]


def ids_of(rows):
    return [[id_ for id_, _, _ in row] for row in rows]


def is_private(line):
    return any(unicodedata.category(character) == "Co" for character in line)


def mends_last_sigma(line):
    """Whether lower-casing the line whole gives a last sigma that lower-casing it letter by letter does not."""
    kept = "".join(character for character in line if unicodedata.category(character) not in ("Cc", "Cf") or character in "\t\n\r")
    return kept.lower() != "".join(character.lower() for character in kept)


def tokenizers_differs_on(line):
    return (
        is_private(line)
        or mends_last_sigma(line)
        or any(ord(character) in NEWER_THAN_TOKENIZERS | NOT_CHINESE_TO_TOKENIZERS for character in line)
    )


@pytest.mark.parametrize("lower_case", [True, False], ids=["uncased", "cased"])
def test_offsets_equal_hugging_face_on_the_committed_lines(review_lines, uncased_vocabulary, lower_case):
    tokenizer = BertTokenizer(uncased_vocabulary, lower_case=lower_case, max_word_characters=100)
    assert ours(tokenizer, review_lines) == hugging_face(uncased_vocabulary, review_lines, lowercase=lower_case)


@pytest.mark.skipif(not real_text.files(), reason="no ../shared/data: its real lines are not committed")
def test_offsets_equal_hugging_face_on_20000_real_lines(uncased_vocabulary):
    lines = real_text.some_lines(20_000)
    assert ours(BertTokenizer(uncased_vocabulary, max_word_characters=100), lines) == hugging_face(uncased_vocabulary, lines)


@pytest.mark.parametrize("lower_case", [True, False], ids=["uncased", "cased"])
def test_offsets_equal_hugging_face_on_5000_fuzz_lines_where_the_ids_do(uncased_vocabulary, lower_case):
    lines = [line for line in unicode_lines(8000, seed=3) if not is_private(line)][:5000]
    assert len(lines) == 5000
    expected = hugging_face(uncased_vocabulary, lines, lowercase=lower_case)
    got = ours(BertTokenizer(uncased_vocabulary, lower_case=lower_case, max_word_characters=100), lines)
    other = [(line, a, b) for line, a, b in zip(lines, got, expected, strict=True) if a != b]
    assert [row for row in other if not tokenizers_differs_on(row[0])] == []
    assert len(other) < 100


@pytest.mark.slow
@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="the list is of what Unicode 14 (Python 3.11) has assigned")
def test_the_code_points_on_which_hugging_face_differs_are_those_listed(uncased_vocabulary):
    points = [point for point in range(sys.maxunicode + 1) if is_assigned(chr(point)) and point not in LATER_THAN_PYTHON_3_11]
    points = [point for point in points if not is_private(chr(point))]
    lines = [f"a{chr(point)}b" for point in points]
    rows = zip(points, ours(BertTokenizer(uncased_vocabulary), lines), hugging_face(uncased_vocabulary, lines), strict=True)
    assert {point for point, a, b in rows if a != b} == NEWER_THAN_TOKENIZERS | NOT_CHINESE_TO_TOKENIZERS


def test_the_classes_on_which_hugging_face_differs_are_those_listed(uncased_vocabulary):
    """Private use (deleted there), the last sigma (never made there), characters newer than its tables, a part of Chinese."""
    tokenizer = BertTokenizer(uncased_vocabulary, max_word_characters=100)
    for line in ("a\ue000b", "ΟΔΟΣ", "a\u2e4db", "a\U0002b847b"):
        assert tokenizers_differs_on(line)
        assert ids_of(ours(tokenizer, [line])) != ids_of(hugging_face(uncased_vocabulary, [line]))


def test_hand_computed_offsets(uncased_vocabulary):
    tokenizer = BertTokenizer(uncased_vocabulary)
    text = "Cafe\u0301  \x07ＦＵＬＬ, İs 日本\u200b!"
    ids, starts, ends = tokenizer.tokenize_with_offsets([text])
    data = text.encode()
    spans = [data[start:end].decode() for start, end in zip(starts.to_list()[0], ends.to_list()[0], strict=True)]
    # A mark after the last letter belongs to no piece; a mark or control character inside a word lies within its piece.
    assert spans == ["Cafe", "ＦＵＬＬ", ",", "İs", "日", "本", "!"]
    assert ids.to_list() == tokenizer.tokenize([text]).to_list()


def test_characters_count_as_python_counts(uncased_vocabulary):
    texts = ["é日𐐀 a", "", "b", "日"]
    offsets = tf.ragged.constant([[0, 2, 5, 9, 10, 11], [0], [0, 1], [3]], dtype=tf.int64)
    assert characters_from_bytes(texts, offsets).to_list() == [[0, 1, 2, 3, 4, 5], [0], [0, 1], [1]]


def test_a_word_that_normalization_deletes_has_no_piece_and_shifts_no_other(uncased_vocabulary):
    words = ["a", "\u200b", "b"]
    ids, starts, ends = BertTokenizer(uncased_vocabulary).tokenize_with_offsets(words)
    assert ids.to_list() == [[1037], [], [1038]]
    assert ids.row_lengths().numpy().tolist() == [1, 0, 1]  # what a tagger asks
    assert (starts.to_list(), ends.to_list()) == ([[0], [], [0]], [[1], [], [1]])


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("💩💩💩 ok", [(0, 3), (4, 6)]),
        ("アリババ", [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ("アリハ\u3099ハ\u3099", [(0, 1), (1, 2), (2, 3), (4, 5)]),  # the marks written apart
    ],
)
def test_characters_of_several_bytes_are_counted_once(text, spans, uncased_vocabulary):
    _ids, *found = BertTokenizer(uncased_vocabulary).tokenize_with_offsets([text])
    starts, ends = (characters_from_bytes([text], part).to_list()[0] for part in found)
    assert list(zip(starts, ends, strict=True)) == spans
    assert ours(BertTokenizer(uncased_vocabulary, max_word_characters=100), [text]) == hugging_face(uncased_vocabulary, [text])


def test_dropped_bytes_shift_nothing(uncased_vocabulary):
    _ids, starts, ends = BertTokenizer(uncased_vocabulary).tokenize_with_offsets([b"\xffgood \xe4\xbd film\xc3"])
    assert (starts.to_list(), ends.to_list()) == ([[1, 9]], [[5, 13]])
    assert characters_from_bytes([b"\xffgood \xe4\xbd film\xc3"], starts).to_list() == [[0, 6]]


def test_a_word_over_the_limit_is_one_unknown_piece(uncased_vocabulary):
    ids, starts, ends = BertTokenizer(uncased_vocabulary, max_word_characters=4).tokenize_with_offsets(["so éàüôa, so", "aaaaa"])
    assert ids.to_list() == [[2061, 100, 1010, 2061], [100]]
    assert (starts.to_list(), ends.to_list()) == ([[0, 3, 12, 14], [0]], [[2, 12, 13, 16], [5]])


def test_offsets_in_tf_data_and_in_a_saved_model(uncased_vocabulary, tmp_path):
    lines = unicode_lines(300, seed=8)
    tokenizer = BertTokenizer(uncased_vocabulary)
    expected = [part.to_list() for part in tokenizer.tokenize_with_offsets(lines)]
    batches = list(tf.data.Dataset.from_tensor_slices(lines).batch(64).map(tokenizer.tokenize_with_offsets))
    assert [[row for batch in batches for row in batch[part].to_list()] for part in range(3)] == expected
    module = tf.Module()
    module.split = tf.function(
        lambda text: [part.to_tensor(-1) for part in tokenizer.tokenize_with_offsets(text)],
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    dense = tf.saved_model.load(str(tmp_path / "saved")).split(tf.constant(lines))
    assert [[[value for value in row if value >= 0] for row in part.numpy().tolist()] for part in dense] == expected


SETTINGS = [
    {"lowercase": lower, "strip_accents": strip, "handle_chinese_chars": chinese}
    for lower in (True, False)
    for strip in (None, True, False)
    for chinese in (True, False)
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(str(value) for value in settings.values()))
def test_accent_and_chinese_settings_equal_hugging_face(review_lines, tmp_path, settings):
    lines = [line for line in unicode_lines(1500, seed=5) if not tokenizers_differs_on(line)] + review_lines[:300]
    lines += ["Crème BRÛLÉE, ÉTÉ İstanbul", "中文和English混排，没有空格！", "日本語\u3000テキスト 한국어"]
    characters = sorted(
        {character for line in lines for form in (line, line.lower(), unicodedata.normalize("NFD", line)) for character in form}
    )
    pieces = [c for c in characters if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf")]
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*SPECIAL, *pieces, *(f"##{piece}" for piece in pieces)]) + "\n", encoding="utf-8", newline="\n")
    tokenizer = BertTokenizer(
        path,
        max_word_characters=100,
        lower_case=settings["lowercase"],
        strip_accents=settings["strip_accents"],
        tokenize_chinese_chars=settings["handle_chinese_chars"],
    )
    expected, got = hugging_face(path, lines, **settings), ours(tokenizer, lines)
    assert [(line, a, b) for line, a, b in zip(lines, got, expected, strict=True) if a != b] == []
    assert tokenizer.tokenize(lines).to_list() == ids_of(expected)


def test_every_code_point_has_its_own_length(uncased_vocabulary):
    """The table behind the offsets: a code point's bytes after normalisation are those between its two neighbours."""
    points = [point for point in range(0x80, sys.maxunicode + 1, 7) if is_assigned(chr(point)) and point not in LATER_THAN_PYTHON_3_11]
    letters = [f"x{chr(point)}y" for point in points]
    _ids, _starts, ends = BertTokenizer([*SPECIAL, "x", "y", "xy", "##y"]).tokenize_with_offsets(letters)
    ends = characters_from_bytes(letters, ends)
    for letter, row in zip(letters, ends.to_list(), strict=True):
        assert row[-1] == 3, ascii(letter)
