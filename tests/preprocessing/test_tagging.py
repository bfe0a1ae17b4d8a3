"""Words and texts to rows, targets and entities, on values worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertTokenizer, features
from keras_bert.preprocessing import TaggingPreprocessor
from keras_bert.tasks.predictor import plain

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


@pytest.fixture(scope="module")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary)


@pytest.fixture(scope="module")
def tagging(tokenizer):
    return TaggingPreprocessor(tokenizer, labels=TAGS, max_length=64)


def answers(preprocessor, x, tags):
    """The answers where the network gives these tags, a list a sentence, with all its weight."""
    columns = {name: tf.constant(column) for name, column in preprocessor.columns(x).items()}
    rows = preprocessor.rows(columns)
    inputs, *_ = preprocessor.pad(rows)
    scores = np.zeros((*inputs[features.WORD_POSITIONS].shape, len(TAGS)), "float32")
    flat = [TAGS.index(tag) for sentence in tags for tag in sentence]
    scores[inputs[features.WORD_POSITIONS].numpy() > 0] = 50.0 * np.eye(len(TAGS))[flat]
    decoded = preprocessor.decode(tf.constant(scores), inputs, rows)
    return plain({name: value.numpy() for name, value in decoded.items()}, preprocessor)


def entities(answer):
    return [(each["text"], each["type"], each["start"], each["end"]) for each in answer["entities"]]


def test_a_word_without_a_piece_keeps_its_tag_and_shifts_no_other(tagging):
    words = [["a", "\u200b", "b"], [], ["2013-10-23", "AT&T", "U.S."], ["", "x" * 10_000]]
    tags = [["O", "B-PER", "B-LOC"], [], ["O", "B-LOC", "B-PER"], ["B-PER", "B-LOC"]]
    found = answers(tagging, words, tags)
    assert [answer["tags"] for answer in found] == tags
    assert [answer["words"] for answer in found] == words
    assert entities(found[0]) == [("\u200b", "PER", 2, 3), ("b", "LOC", 4, 5)]
    assert entities(found[1]) == [] and found[1]["word_count"] == 0
    assert entities(found[2]) == [("AT&T", "LOC", 11, 15), ("U.S.", "PER", 16, 20)]
    assert entities(found[3])[1] == ("x" * 10_000, "LOC", 1, 10_001)


def test_entities_of_a_text_are_slices_of_it(tagging):
    texts = ["Groenlinks praat over Schiphol.", "\U0001f4a9\U0001f4a9\U0001f4a9 ok", "アリババ in 北京", "naïve Café", ""]
    tags = [["O", "O", "O", "B-LOC", "O"], ["B-PER", "B-LOC"], ["B-PER", "O", "B-LOC", "I-LOC"], ["B-PER", "I-PER"], []]
    found = answers(tagging, texts, tags)
    assert [entities(answer) for answer in found] == [
        [("Schiphol", "LOC", 22, 30)],
        [("\U0001f4a9\U0001f4a9\U0001f4a9", "PER", 0, 3), ("ok", "LOC", 4, 6)],
        [("アリババ", "PER", 0, 4), ("北京", "LOC", 8, 10)],
        [("naïve Café", "PER", 0, 10)],
        [],
    ]
    for text, answer in zip(texts, found, strict=True):
        assert all(text[each["start"] : each["end"]] == each["text"] for each in answer["entities"])
        assert [(each["word_start"], each["word_end"]) for each in answer["entities"]] == sorted(
            (each["word_start"], each["word_end"]) for each in answer["entities"]
        )


def test_bytes_that_are_not_utf_8_are_answered_in_utf_8(tagging):
    (answer,) = answers(tagging, [b"Ann \xff Lee"], [["B-PER", "I-PER"]])
    assert entities(answer) == [("Ann \ufffd Lee", "PER", 0, 9)]


def test_rows_hold_first_pieces_and_their_targets(tokenizer):
    tagging = TaggingPreprocessor(tokenizer, labels=TAGS, max_length=10, stride=4)  # room for 8 pieces
    words = [["unbelievableness", "in", "paris"], ["a"] * 9]
    columns = tagging.columns(words)
    targets = tagging.encode_targets_of(columns, [["O", "O", "B-LOC"], [*["O"] * 8, "B-PER"]])
    rows = tagging.rows({name: tf.constant(column) for name, column in columns.items()}, tf.constant(targets), tf.constant([2.0, 3.0]))
    inputs, targets, weights = tagging.pad(rows, multiple_of=2)
    pieces = len(tokenizer.tokenize(["unbelievableness"]).to_list()[0])
    assert rows.counts.numpy().tolist() == [1, 2] and weights.numpy().tolist() == [2, 3, 3]
    # Nine words of a piece, in rows of the first and the last eight. Word 4 has 4 and 3 beside it in the first row, 3 and 4 in the second.
    assert inputs[features.WORD_POSITIONS].numpy().tolist() == [
        [1, 1 + pieces, 2 + pieces, 0, 0, 0],
        [1, 2, 3, 4, 5, 0],
        [5, 6, 7, 8, 0, 0],
    ]
    assert targets.numpy().tolist() == [[0, 0, 3, -1, -1, -1], [0, 0, 0, 0, 0, -1], [0, 0, 0, 1, -1, -1]]
    ids = inputs[features.INPUT_IDS].numpy()
    assert ids[1].tolist() == [101, *[1037] * 8, 102] and ids[2].tolist() == ids[1].tolist()


def test_ids_alone_give_tags_of_their_words(tagging, tokenizer):
    packed = tagging.packer(["Groenlinks praat over Schiphol."])
    inputs = tagging.answer_inputs(packed)
    ids = packed["input_ids"][0].numpy()
    starts = [place for place, piece in enumerate(ids) if tokenizer.starts_word[piece] and piece not in (0, 101, 102)]
    assert inputs[features.WORD_POSITIONS].numpy().tolist() == [starts] and len(starts) == 5
    scores = 9.0 * np.eye(5, dtype="float32")[[[0, 0, 0, 3, 0]]]
    (answer,) = plain({name: value.numpy() for name, value in tagging.decode(scores, inputs, None).items()}, tagging)
    assert answer["tags"] == ["O", "O", "O", "B-LOC", "O"]
    (entity,) = answer["entities"]
    assert (entity["text"], entity["start"], entity["word_start"], entity["word_end"]) == ("", -1, 3, 4)


def test_tags_that_mark_no_entities_give_none(tokenizer):
    speech = TaggingPreprocessor(tokenizer, labels=["NN", "VB"], max_length=16)
    rows = speech.rows({"text": tf.constant(["dogs bark"])})
    scores = [[[2.0, 0.0], [0.0, 2.0], [0.0, 9.0], [0.0, 9.0]]]  # two words, and padding
    decoded = speech.decode(tf.constant(scores), speech.pad(rows)[0], rows)
    (answer,) = plain({name: value.numpy() for name, value in decoded.items()}, speech)
    assert answer["tags"] == ["NN", "VB"] and answer["entities"] == []


@pytest.mark.parametrize(
    ("x", "targets", "message"),
    [
        ([["a", "b"], ["c"]], [["O", "O"], ["O", "O"]], "sentence 1 has 1 words and 2 tags"),
        ([["a"], ["c"]], [["O"], ["B-ORG"]], "sentence 1: label 0 is 'B-ORG'; the model's labels are O, B-PER"),
        ([["a"]], ["O"], "the tags of sentence 0 are 'O', a str; expected a list"),
        ([["a", 3]], [["O", "O"]], "word 1 of sentence 0 is 3, a int; expected str"),
        ([["a"], "b c"], [["O"], ["O"]], "sentence 1 is 'b c', a str; expected a list of words"),
        (["a b"], [["O", "O"]], "tags were given beside raw texts"),
        ([("a text", "another")], None, "word|pairs"),
        ({"text": ["a"], "words": [["a"]]}, None, "a tagger reads 'words' or 'text', one of them; got text, words"),
    ],
)
def test_what_does_not_fit_is_named(tagging, x, targets, message):
    if message == "word|pairs":  # two lists of words would be two sentences: a tagger never takes pairs of texts
        assert tagging.columns(x) == {"words": [b"\xffa text\xffanother"]}
        return
    with pytest.raises(ValueError, match=message):
        tagging.encode_targets_of(tagging.columns(x), targets)


@pytest.mark.parametrize(("max_length", "stride"), [(16, 14), (16, 0), (16, 2.5), (16, True)])
def test_a_stride_that_skips_text_is_refused(tokenizer, max_length, stride):
    with pytest.raises(ValueError, match=rf"stride={stride}: rows of max_length=16 have room for 14 pieces"):
        TaggingPreprocessor(tokenizer, labels=TAGS, max_length=max_length, stride=stride)
    with pytest.raises(ValueError, match="max_length=7 leaves no room for a tagger's rows: 8 at least"):
        TaggingPreprocessor(tokenizer, labels=TAGS, max_length=7)


def test_an_entity_ends_with_the_accents_of_its_last_letter(tagging):
    text = "a cafe\u0301\u0323, the \u2764\ufe0f"  # a letter and two marks; a heart and the sign that it is an emoji
    (answer,) = answers(tagging, [text], [["O", "B-LOC", "O", "O", "B-PER"]])
    assert entities(answer) == [("cafe\u0301\u0323", "LOC", 2, 8), ("\u2764\ufe0f", "PER", 14, 16)]
    assert text[14:16] == "\u2764\ufe0f"
