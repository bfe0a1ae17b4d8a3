"""Rows, marks and targets of predicates, worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertTokenizer
from keras_bert.data import Frame, PropbankSentence, role_examples
from keras_bert.preprocessing import RoleLabelingPreprocessor
from keras_bert.tasks.feed import Feed

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "we", "go", "##ing", "to", "the", "party", "."]
CLS, SEP, WE, GO, ING, TO, THE, PARTY, DOT = 2, 3, 5, 6, 7, 8, 9, 10, 11
LABELS = ["O", "B-ARG0", "I-ARG0", "B-V", "I-V", "B-ARG4", "I-ARG4"]
X = {"words": [["We", "going", "to", "party"], ["the"], ["go", "go", "the"]], "predicates": [[1], [], [1, 0]]}
Y = [[["B-ARG0", "B-V", "O", "B-ARG4"]], [], [["O", "B-V", "B-ARG0"], [3, 0, 0]]]


def make(**options):
    return RoleLabelingPreprocessor(BertTokenizer(PIECES), **({"labels": LABELS, "max_length": 16} | options))


def rows_of(preprocessor, x, y=None):
    columns = preprocessor.columns(x)
    targets = None if y is None else tf.constant(preprocessor.encode_targets_of(columns, y))
    return preprocessor.rows({name: tf.constant(column) for name, column in columns.items()}, targets)


def test_a_training_example_is_its_detection_row_and_a_row_for_each_predicate():
    rows = rows_of(make(), X, Y)
    assert rows.counts.numpy().tolist() == [2, 1, 3]
    going, gogo = [CLS, WE, GO, ING, TO, PARTY, SEP], [CLS, GO, GO, THE, SEP]
    assert rows.tokens["input_ids"].to_list() == [going, going, [CLS, THE, SEP], gogo, gogo, gogo]
    assert rows.tokens["token_type_ids"].to_list() == [
        [0] * 7,
        [0, 0, 1, 1, 0, 0, 0],  # both pieces of "going"
        [0] * 3,
        [0] * 5,
        [0, 0, 1, 0, 0],  # in the order that the predicates were given in
        [0, 1, 0, 0, 0],
    ]
    assert rows.tokens["word_positions"].to_list() == [[1, 2, 4, 5], [1, 2, 4, 5], [1], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    none = [-1, -1, -1]
    assert rows.targets["roles"].to_list() == [[*none, -1], [1, 3, 0, 5], [-1], none, [0, 3, 1], [3, 0, 0]]
    assert rows.targets["predicates"].to_list() == [[0, 1, 0, 0], [*none, -1], [0], [1, 1, 0], none, none]


def test_padding_has_no_target():
    preprocessor = make(pad_to_multiple_of=8)
    padded, targets, _ = preprocessor.pad(rows_of(preprocessor, X, Y))
    assert {name: part.shape for name, part in padded.items()} == dict.fromkeys(padded, (6, 8))
    assert targets["roles"][1].numpy().tolist() == [1, 3, 0, 5, -1, -1, -1, -1]
    assert targets["predicates"][2].numpy().tolist() == [0] + [-1] * 7
    fixed = make(pad_to_multiple_of=None)
    assert fixed.pad(rows_of(fixed, X, Y))[1]["roles"].shape == (6, 16)


def test_a_predicate_may_stand_once_more_as_second_text():
    rows = rows_of(make(predicate_segment=True), X)
    assert rows.tokens["input_ids"].to_list()[0] == [CLS, WE, GO, ING, TO, PARTY, SEP, GO, ING, SEP]
    assert rows.tokens["token_type_ids"].to_list()[0] == [0, 0, 1, 1, 0, 0, 0, 1, 1, 1]
    one_type = rows_of(make(predicate_segment=True, type_vocab_size=1), X).tokens
    assert one_type["input_ids"].to_list() == rows.tokens["input_ids"].to_list()
    assert one_type["token_type_ids"].to_list()[0] == [0] * 10


def test_a_long_sentence_is_cut_around_the_predicate():
    # Room for 6 pieces; pieces of the words: 1 2 1 1 1 2 1 1 1 1.
    x = {"words": [["we", "going", "to", "the", "party", "going", "to", "the", "party", "."]], "predicates": [[0, 4, 8]]}
    y = [[[0] * 10, [0, 1, 2, 2, 3, 0, 5, 6, 6, 6], [0, 0, 0, 0, 0, 0, 5, 0, 3, 0]]]
    preprocessor = make(max_length=8)
    rows = rows_of(preprocessor, x, y)
    ids, types = (rows.tokens[name].to_list()[-3:] for name in ("input_ids", "token_type_ids"))
    assert ids[0] == [CLS, WE, GO, ING, TO, THE, PARTY, SEP] and types[0] == [0, 1, 0, 0, 0, 0, 0, 0]
    # Of the 5 pieces beside "party" 2 before it, and what follows as far as whole words go.
    assert ids[1] == [CLS, TO, THE, PARTY, GO, ING, TO, SEP] and types[1] == [0, 0, 0, 1, 0, 0, 0, 0]
    assert rows.tokens["word_positions"].to_list()[-2] == [1, 2, 3, 4, 6]
    assert rows.targets["roles"].to_list()[-2] == [2, 2, 3, 0, 5]
    assert ids[2] == [CLS, GO, ING, TO, THE, PARTY, DOT, SEP] and types[2] == [0, 0, 0, 0, 0, 1, 0, 0]
    assert rows.targets["roles"].to_list()[-1] == [0, 5, 0, 3, 0]
    # The detection rows ask about each word once.
    detection = [part for part in rows.targets["predicates"].to_list() if -1 not in part]
    assert [asked for part in detection for asked in part] == [1, 0, 0, 0, 1, 0, 0, 0, 1, 0]
    given = rows_of(preprocessor, x).facts
    assert given["first_word"].to_list() == [[0, 2, 5]] and given["word_count"].numpy().tolist() == [10]


def test_a_second_text_takes_its_room_from_the_sentence():
    x = {"words": [["we", "going", "to", "the", "party", "going", "to", "the", "party", "."]], "predicates": [[5]]}
    rows = rows_of(make(max_length=10, predicate_segment=True), x)  # 10 less [CLS], two [SEP] and "going": 5 pieces
    assert rows.tokens["input_ids"].to_list() == [[CLS, PARTY, GO, ING, TO, THE, SEP, GO, ING, SEP]]
    assert rows.tokens["word_positions"].to_list() == [[1, 2, 4, 5]] and rows.facts["first_word"].to_list() == [[4]]


def test_a_predicate_of_more_pieces_than_a_row_is_cut():
    for segment in (False, True):
        preprocessor = make(max_length=8, predicate_segment=segment)
        rows = rows_of(preprocessor, {"words": [["we", "go" + "ing" * 30, "to"]], "predicates": [[1]]})
        ids, types = rows.tokens["input_ids"].to_list()[0], rows.tokens["token_type_ids"].to_list()[0]
        assert len(ids) <= 8 and types[ids.index(GO)] == 1 and len(rows.tokens["word_positions"].to_list()[0]) == 3


def test_a_dataset_gives_the_batches_that_lists_give():
    sentences = [
        PropbankSentence(["We", "going", "to", "party"], [Frame(1, "go", "go.01", [("ARG0", 0, 0), ("V", 1, 1), ("ARG4", 3, 3)])]),
        PropbankSentence(["the"], []),
    ]
    feed, preprocessor = Feed(make()), make()
    elements, batched = feed.elements_of(role_examples(sentences, LABELS), labelled=True)
    assert not batched and int(elements.cardinality()) == 2
    ((features, targets),) = list(feed.padded(elements.batch(2)))
    wanted, wanted_targets, _ = preprocessor.pad(rows_of(preprocessor, {"words": X["words"][:2], "predicates": [[1], []]}, Y[:2]))
    for got, expected in ((features, wanted), (targets, wanted_targets)):
        assert got.keys() == expected.keys()
        for name, part in expected.items():
            np.testing.assert_array_equal(got[name], part)
    names = tf.data.Dataset.from_tensors(({"words": ["go", "the"], "predicates": ["0"]}, [["B-V", "O"]]))
    ((_, targets),) = list(feed.padded(feed.elements_of(names, labelled=True)[0].batch(1)))
    assert targets["roles"][1].numpy().tolist()[:2] == [3, 0]


def test_what_is_no_labelled_sentence_is_refused():
    words = [["we", "go"], ["go"]]
    cases = (
        ({"words": words, "predicates": [[1]]}, None, "2 sentences but 1 lists of predicates"),
        ({"words": words, "predicates": [[1], [1]]}, None, "predicate 1 of sentence 1 is out of the sentence, which has 1 words"),
        ({"words": words, "predicates": [[-1], []]}, None, "predicate -1 of sentence 0 is out of the sentence"),
        ({"words": words, "predicates": [[0, 0], []]}, None, "predicate 0 of sentence 0 is given twice"),
        ({"words": words, "predicates": [[True], []]}, None, "predicate 0 of sentence 0 is True; expected the index of a word"),
        ({"words": words, "predicates": [1, []]}, None, "the predicates of sentence 0 are 1, a int; expected a list"),
        (
            {"text": ["we go"], "predicates": [[1]]},
            None,
            "'predicates' are indexes of 'words', and go with these alone; got predicates, text",
        ),
        ({"words": words, "tags": []}, None, "a role labeller reads 'text', 'words', or 'words' with 'predicates'; got tags, words"),
        ({"words": words}, [[], []], "roles were given without the predicates"),
        ({"words": words, "predicates": [[1], []]}, [[], []], "sentence 0 has 1 predicates, and tags for 0"),
        ({"words": words, "predicates": [[1], [0]]}, [[[0, 0]], [[0, 0]]], "sentence 1, predicate 0: 1 words and 2 tags"),
        ({"words": words, "predicates": [[1], []]}, [[["O", "B-X"]], []], "sentence 0, predicate 0: .*B-X"),
        ({"words": words, "predicates": [[1], []]}, [[0, 0], []], "the roles of sentence 0 are .0, 0.; expected a list of tags for each"),
    )
    for x, y, message in cases:
        with pytest.raises(ValueError, match=message):
            rows_of(make(), x, y)
    for options, message in (
        ({"type_vocab_size": 1}, "type_vocab_size=1., which cannot mark a predicate: predicate_segment=True"),
        ({"threshold": 0}, "threshold=0 is no probability above 0"),
        ({"threshold": 1.1}, "threshold=1.1 is no probability"),
        ({"labels": ["O", "B-ARG0", "E-ARG0"]}, "'E-ARG0' is no tag of IOB2"),
    ):
        with pytest.raises(ValueError, match=message):
            make(**options)


def test_a_dataset_that_does_not_fit_is_refused():
    preprocessor = make()
    words, marked = tf.constant([b"\xffwe\xffgo"]), tf.constant([b"2"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="a predicate is out of its sentence"):
        preprocessor.rows({"words": words, "predicates": marked})
    with pytest.raises(tf.errors.InvalidArgumentError, match="not as many rows of tags as predicates"):
        preprocessor.rows({"words": words, "predicates": tf.constant([b"1"])}, tf.constant([b""]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="not as many tags as the sentence has words"):
        preprocessor.rows({"words": words, "predicates": tf.constant([b"1"])}, tf.constant([b"0,0,0"]))
