import dataclasses
import random

import pytest

from keras_bert.data import Frame, PropbankSentence, arguments_of, frame_tags, propbank_dataset, role_labels

WORDS = ["Check", "these", "out", "that", "work", ":"]
CHECK = Frame(0, "check", "check_out.03", [("C-V", 2, 2), ("V", 0, 0), ("ARG1", 1, 1), ("C-ARG1", 3, 4)])
WORK = Frame(4, "work", "work.01", [("ARG0", 0, 2), ("R-ARG0", 3, 3), ("V", 4, 4)])


def test_tags_of_each_frame_and_back():
    sentence = PropbankSentence(WORDS, [WORK, CHECK])
    assert sentence.frames == (CHECK, WORK)  # in the order of their predicates
    assert CHECK.arguments == (("V", 0, 0), ("ARG1", 1, 1), ("C-V", 2, 2), ("C-ARG1", 3, 4))
    assert frame_tags(sentence, CHECK) == ["B-V", "B-ARG1", "B-C-V", "B-C-ARG1", "I-C-ARG1", "O"]
    assert frame_tags(sentence, WORK) == ["B-ARG0", "I-ARG0", "I-ARG0", "B-R-ARG0", "B-V", "O"]
    for frame in sentence.frames:
        assert arguments_of(frame_tags(sentence, frame)) == frame.arguments


def test_neighbours_of_one_role_stay_two_arguments():
    sentence = PropbankSentence(["a", "b", "c"], [Frame(2, "", "", [("A1", 0, 0), ("A1", 1, 1), ("V", 2, 2)])])
    assert frame_tags(sentence, sentence.frames[0]) == ["B-A1", "B-A1", "B-V"]
    assert arguments_of(["B-A1", "B-A1", "B-V"]) == sentence.frames[0].arguments


def test_tags_that_no_argument_gives_are_read_as_conlleval_reads_them():
    assert arguments_of(["I-A0", "I-A0", "I-A1", "O", "I-A1", "B-A1"]) == (("A0", 0, 1), ("A1", 2, 2), ("A1", 4, 4), ("A1", 5, 5))
    assert arguments_of([]) == ()


def test_random_tags_are_read_as_seqeval_reads_them():
    get_entities = pytest.importorskip("seqeval.metrics.sequence_labeling").get_entities
    draw = random.Random(0)
    for _ in range(300):
        tags = draw.choices(["O", "B-A0", "I-A0", "B-C-A0", "I-C-A0"], k=8)
        assert list(arguments_of(tags)) == get_entities(tags)


@pytest.mark.parametrize("tag", ["A0", "E-A0", "B-", "", "B"])
def test_a_tag_that_is_none_is_told(tag):
    with pytest.raises(ValueError, match=f'tag 1 is {tag!r}; expected "O", or "B-" or "I-" and a name'):
        arguments_of(["O", tag])


def test_labels_are_o_and_two_tags_of_each_role():
    sentences = [PropbankSentence(WORDS, [WORK]), PropbankSentence(["no"], [])]
    assert role_labels(sentences) == ["O", "B-ARG0", "I-ARG0", "B-R-ARG0", "I-R-ARG0", "B-V", "I-V"]
    with pytest.raises(ValueError, match="the sentences have no argument of any predicate"):
        role_labels(sentences[1:])


def test_examples_as_plain_lists():
    sentences = [PropbankSentence(WORDS, [WORK, CHECK]), PropbankSentence(["no"], [])]
    labels = role_labels(sentences)
    columns, targets = propbank_dataset(sentences, labels)
    assert columns == {"words": [WORDS, ["no"]], "predicates": [[0, 4], []]}
    assert [[labels[target] for target in row] for row in targets[0]] == [frame_tags(sentences[0], frame) for frame in (CHECK, WORK)]
    assert targets[1] == []
    with pytest.raises(ValueError, match=r"sentence 0 \(Check these out that work : \.\.\.\): the labels have no 'B-C-V'"):
        propbank_dataset(sentences, [label for label in labels if label != "B-C-V"])


@pytest.mark.parametrize(
    ("predicate", "arguments", "words"),
    [
        (-1, [], "predicate -1 is not the index of a word"),
        ("0", [], "predicate '0' is not the index of a word"),
        (1, [("A0", 0, 2), ("A1", 2, 3)], "word 1 has A0 and A1 at word 2; arguments of one predicate share no word"),
        (1, [("A0", 0, 2), ("A1", 1, 1)], "word 1 has A0 and A1 at word 1"),
        (1, [("A0", 2, 1)], r"has the argument \('A0', 2, 1\); expected \(role, first word, last word\)"),
        (1, [("A0", -1, 1)], r"\('A0', -1, 1\); expected"),
        (1, [("A0", 1)], r"\('A0', 1\); expected"),
        (1, [("A 0", 1, 1)], r"\('A 0', 1, 1\); expected .* without spaces, brackets and asterisks"),
        (1, [(None, 1, 1)], r"\(None, 1, 1\); expected"),
        (1, [("A0", 1.0, 1)], r"\('A0', 1\.0, 1\); expected"),
        (1, [3], "has the argument 3; expected"),
    ],
)
def test_a_frame_that_is_none_is_told(predicate, arguments, words):
    with pytest.raises(ValueError, match=words):
        Frame(predicate, "be", "be.01", arguments)


def test_a_sentence_that_is_none_is_told():
    with pytest.raises(ValueError, match=r"the predicate at word 0 has lemma None and sense ''; expected str"):
        Frame(0, None, "", [])
    for words in ([], "text", ["a", 1]):
        with pytest.raises(ValueError, match=r"is not a list of words \(str\), one at least"):
            PropbankSentence(words, [])
    with pytest.raises(ValueError, match="predicate 4 is out of the sentence, whose words are 0 to 3"):
        PropbankSentence(WORDS[:4], [dataclasses.replace(WORK, arguments=())])
    with pytest.raises(ValueError, match=r"the predicate at word 0 has the argument \('C-ARG1', 3, 4\), which is out of the sentence"):
        PropbankSentence(WORDS[:4], [CHECK])
    with pytest.raises(ValueError, match="word 4 is the predicate of two frames"):
        PropbankSentence(WORDS, [WORK, WORK])
