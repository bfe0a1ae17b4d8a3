"""Questions as users hand them in; and what is refused."""

import numpy as np
import pytest
import tensorflow as tf

from keras_bert.data import SquadExample
from keras_bert.preprocessing import QuestionAnsweringPreprocessor
from keras_bert.preprocessing.columns import text_columns
from keras_bert.preprocessing.question_columns import (
    answer_places,
    element_columns,
    is_questions,
    join_places,
    places_in_graph,
    question_columns,
)

QUESTIONS, CONTEXTS = ["Who?", "Où?"], ["Anna.", "Ici."]
EXPECTED = {"question": [b"Who?", "Où?".encode()], "context": [b"Anna.", b"Ici."]}
PAIRS = list(zip(QUESTIONS, CONTEXTS, strict=True))


def test_forms():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"context": CONTEXTS, "question": QUESTIONS, "id": [1, 2]})
    for x in (
        {"question": QUESTIONS, "context": CONTEXTS},
        (QUESTIONS, CONTEXTS),
        PAIRS,
        np.array(PAIRS),
        frame,
        frame[["question", "context"]].to_numpy(),
        pandas.DataFrame(PAIRS),
        [{"question": question, "context": context, "id": 3} for question, context in PAIRS],
        [SquadExample("1", *pair) for pair in PAIRS],
    ):
        assert is_questions(x) and question_columns(x) == EXPECTED


def test_places():
    contexts = EXPECTED["context"]
    for targets in ({"start": [0, -1], "end": [4, -1]}, [[0, 4], [-1, -1]], np.array([(0, 4), (-1, -1)])):
        assert answer_places(targets, contexts).tolist() == [[0, 4], [-1, -1]]
    accents = ["Où ça".encode()]  # 5 characters, 7 bytes
    assert answer_places([[0, 5]], accents).tolist() == [[0, 5]]
    with pytest.raises(ValueError, match="from 0 to 6, and its context has 5 characters"):
        answer_places([[0, 6]], accents)
    assert join_places({"start": tf.constant([0]), "end": tf.constant([4])}).numpy().tolist() == [[0, 4]]
    assert element_columns((1, 2)) == element_columns({"context": 2, "question": 1}) == {"question": 1, "context": 2}


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"question": QUESTIONS}, "a question is read with its context, 'question' and 'context'; got question"),
        ({"question": QUESTIONS, "context": CONTEXTS, "id": [1, 2]}, "got question, context, id"),
        (QUESTIONS, r"a question is read with its context: \(\[question, ...\], \[context, ...\]\); got 2 texts"),
        ([{"question": "Who?", "context": "A"}, {"question": "Who?"}], "item 1 has no 'context'"),
        ((QUESTIONS, [None, "a"]), "item 0 of the texts is None"),
        ((QUESTIONS, ["a"]), "2 texts but 1 second texts"),
    ],
)
def test_questions_without_contexts_are_refused(x, message):
    assert is_questions(x)
    with pytest.raises(ValueError, match=message):
        question_columns(x)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([[0, 6], [0, 1]], "the answer of example 0 is from 0 to 6, and its context has 5 characters; expected 0 <= start < end"),
        ([[0, 1], [2, 2]], "example 1 is from 2 to 2"),
        ([[-1, 1], [0, 1]], "example 0 is from -1 to 1"),
        ({"start": [0, 0]}, "answers have 'start' and 'end', characters of the context; got start"),
        (["Anna", "Ici"], r"answers are {'start': \[...\], 'end': \[...\]} or \[\[start, end\], ...\]"),
        ([[0.0, 1.0]], "whole numbers; got float64"),
    ],
)
def test_answers_that_are_none_are_refused(targets, message):
    with pytest.raises(ValueError, match=message):
        answer_places(targets, EXPECTED["context"])


def test_elements_of_something_else_are_refused():
    preprocessor = QuestionAnsweringPreprocessor(None, max_length=64)
    with pytest.raises(ValueError, match=r"a dataset of questions holds {'question': ..., 'context': ...}"):
        preprocessor.element_columns(tf.TensorSpec([], tf.string))
    with pytest.raises(ValueError, match="answers have 'start' and 'end', characters of the context; got answer"):
        preprocessor.element_targets({"answer": tf.constant(1)})
    for targets in ({"start": tf.constant(np.nan), "end": tf.constant(4.0)}, tf.constant(1), tf.constant([1, 2, 3])):
        with pytest.raises(ValueError, match=r"answers are {'start': ..., 'end': ...} or \[start, end\], whole numbers; got (float|int)32"):
            preprocessor.element_targets(targets)


@pytest.mark.parametrize("place", [(0, 6), (2, 2), (3, 1), (-1, 2), (-2, -2), (5, 7)])
def test_answers_of_a_dataset_that_are_not_in_their_contexts_are_refused(place):
    contexts = tf.constant(["Où ça", "Anna"])  # of 5 characters and 7 bytes
    good = [[0, 5], [-1, -1]]
    assert places_in_graph(tf.constant(good), contexts).numpy().tolist() == good
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"(?s)an answer is not in its context.*{place[0]}, {place[1]}, 5$"):
        places_in_graph(tf.constant([place, (0, 4)]), contexts)


@pytest.mark.parametrize(
    "given",
    [{"text": "abc"}, {"text": ["a", "b"], "text_pair": "cd"}, (["a", "b"], "cd"), {"text": ["a", "b"], "text_pair": b"cd"}],
    ids=["texts", "pairs by name", "pairs", "bytes"],
)
def test_one_string_for_a_column_is_not_taken_for_texts_of_a_character(given):
    with pytest.raises(ValueError, match=r"got one string, .*give a list of texts"):
        text_columns(given)


def test_one_question_that_is_no_list_is_told():
    with pytest.raises(ValueError, match="got one string, 'Who came'; give a list of texts"):
        question_columns({"question": "Who came", "context": "Anna came."})
