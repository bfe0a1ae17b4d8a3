"""Tags, beside seqeval's reading of them, and regular expressions of each scheme."""

import itertools
import random
import re

import numpy as np
import pytest

from keras_bert.tags import SCHEMES, allowed_moves, broken_tags, check_tags, chunk_tables, convert, find_scheme, spans, tag_names

# "Mr. Ban Ki-moon flew Paris London ." with two places side by side.
SENTENCE = {
    "IOB1": ["O", "I-PER", "I-PER", "O", "I-LOC", "B-LOC", "O"],
    "IOB2": ["O", "B-PER", "I-PER", "O", "B-LOC", "B-LOC", "O"],
    "BIOES": ["O", "B-PER", "E-PER", "O", "S-LOC", "S-LOC", "O"],
    "BILOU": ["O", "B-PER", "L-PER", "O", "U-LOC", "U-LOC", "O"],
}
ENTITIES = [("PER", 1, 3), ("LOC", 4, 5), ("LOC", 5, 6)]
# A sentence as one letter a word, of types x and y (in capitals where the letter is of y).
PATTERNS = {
    "IOB2": r"(o|bi*|BI*)*",
    "BIOES": r"(o|s|S|bi*e|BI*E)*",
    "BILOU": r"(o|u|U|bi*l|BI*L)*",
    "IOB1": r"(o|i+(bi*)*|I+(BI*)*)*",
}
ALL_TAGS = ["O", "B", "I", "E", "S", *(f"{letter}-{kind}" for letter in "BIES" for kind in ("PER", "LOC", "a-b"))]


def letters(sequence):
    return "".join(tag[0].lower() if tag[1:] in ("", "-x") else tag[0] for tag in sequence)


def sequences(scheme, length):
    return itertools.product(tag_names(["x", "y"], scheme), repeat=length)


def seqeval_entities(sentence):
    entities = pytest.importorskip("seqeval.metrics.sequence_labeling").get_entities(sentence)
    return [(kind, start, last + 1) for kind, start, last in entities]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_four_schemes_of_one_sentence(scheme):
    assert spans(SENTENCE[scheme]) == ENTITIES
    assert find_scheme([SENTENCE[scheme]]) == scheme
    assert check_tags(SENTENCE[scheme], scheme, "here") == SENTENCE[scheme]
    for to in SCHEMES:
        assert convert(SENTENCE[scheme], scheme, to) == SENTENCE[to]


def test_longer_entities_and_types_with_a_dash():
    assert convert(["B-a-b", "I-a-b", "I-a-b", "B-a-b"], "IOB2", "BILOU") == ["B-a-b", "I-a-b", "L-a-b", "U-a-b"]
    assert convert(["B", "I", "I", "B", "O"], "IOB2", "IOB1") == ["I", "I", "I", "B", "O"]
    assert convert(["B-_", "I-_"], "IOB2", "BIOES") == ["B-_", "E-_"]


def test_spans_of_random_tags_are_seqeval_s():
    draw = random.Random(0)
    for _ in range(4000):
        sentence = draw.choices(ALL_TAGS, k=draw.randrange(12))
        assert spans(sentence) == seqeval_entities(sentence), sentence


def test_l_and_u_are_e_and_s():
    draw = random.Random(1)
    for _ in range(500):
        sentence = draw.choices([*tag_names(["x", "y"], "BILOU")], k=draw.randrange(10))
        as_bioes = [tag.replace("L-", "E-").replace("U-", "S-") for tag in sentence]
        assert spans(sentence) == seqeval_entities(as_bioes)


def test_chunk_tables_find_seqeval_s_entities():
    draw = random.Random(2)
    tables = chunk_tables(ALL_TAGS)
    assert tables.types == ["_", "PER", "LOC", "a-b"]
    assert tables.starts.shape == tables.ends.shape == (len(ALL_TAGS) + 1,) * 2
    assert tables.type_ids.dtype == np.int32
    for _ in range(2000):
        sentence = draw.choices(ALL_TAGS, k=draw.randrange(1, 12))
        ids = np.array([len(ALL_TAGS), *map(ALL_TAGS.index, sentence), len(ALL_TAGS)])
        starts = np.flatnonzero(tables.starts[ids[:-1], ids[1:]])
        ends = np.flatnonzero(tables.ends[ids[:-1], ids[1:]])
        types = [tables.types[tables.type_ids[ids[start + 1]]] for start in starts]
        assert list(zip(types, starts, ends, strict=True)) == seqeval_entities(sentence), sentence


@pytest.mark.parametrize("scheme", SCHEMES)
def test_all_short_sentences_keep_or_break_the_scheme_as_its_expression_says(scheme):
    names = tag_names(["x", "y"], scheme)
    start, end, transitions = allowed_moves(names, scheme)
    for length in range(1, 5):
        for sequence in sequences(scheme, length):
            fits = re.fullmatch(PATTERNS[scheme], letters(sequence)) is not None
            assert (broken_tags(sequence, scheme) == []) == fits, sequence
            ids = [names.index(tag) for tag in sequence]
            moves = start[ids[0]] and end[ids[-1]] and all(transitions[pair] for pair in itertools.pairwise(ids))
            assert moves == fits, sequence


def test_names_of_tags():
    assert tag_names(["PER", "LOC"], "IOB2") == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    assert tag_names(["PER"], "BIOES") == ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
    assert tag_names(["PER"], "BILOU") == ["O", "B-PER", "I-PER", "L-PER", "U-PER"]
    assert tag_names(["_"], "IOB1") == ["O", "B", "I"]


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        ([["O", "O"]], "IOB2"),
        ([["B-x", "I-x"], ["O", "I-x"], ["B-x"]], "IOB2"),  # one tag in four is wrong
        ([["I-x", "I-x"], ["O", "I-x"], ["B-x"]], "IOB1"),
        ([["I-x", "B-x"]], "IOB1"),
        ([["B-x", "I-x"], ["S-x"]], "BIOES"),
    ],
)
def test_the_scheme_that_fewer_tags_break(sentences, scheme):
    assert find_scheme(iter(sentences)) == scheme


def test_repair_is_conlleval_s_reading_and_told_once():
    wrong = ["I-PER", "I-PER", "O", "I-LOC", "I-PER"]
    with pytest.warns(UserWarning) as told:
        right = check_tags(wrong, "IOB2", lambda index: f"f.conll:{index + 1}", repair=True)
    assert [str(warning.message) for warning in told] == [
        "tags that break IOB2 and are repaired: 3, the first at f.conll:1; the entities are those that conlleval reads"
    ]
    assert right == ["B-PER", "I-PER", "O", "B-LOC", "B-PER"]
    assert spans(right) == seqeval_entities(wrong)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: check_tags(["O", "I-PER"], "IOB2", "f:3"), r"f:3, tag 1: the tag 'I-PER' breaks IOB2, where 'B-PER' would stand; mend it"),
        (lambda: check_tags(["B-PER", "O"], "BIOES", "f"), r"tag 0: the tag 'B-PER' breaks BIOES, where 'S-PER' .*repair=True.*IOB1"),
        (lambda: check_tags(["O", "PER"], "IOB2", "f", repair=True), r"f, tag 1: 'PER' is no tag of entities; expected 'O'"),
        (lambda: check_tags(["O"], "IOB3", "f"), "scheme 'IOB3' is none of IOB1, IOB2, BIOES, BILOU"),
        (lambda: convert(["O"], "IOB2", "IO"), "scheme 'IO' is none of"),
        (lambda: convert(["I-x"], "IOB2", "IOB1"), "the sentence, tag 0: the tag 'I-x' breaks IOB2"),
        (lambda: spans(["B_PER"]), "'B_PER' is no tag of entities"),
        (lambda: spans(["B-"]), "'B-' is no tag"),
        (lambda: spans([""]), "'' is no tag"),
        (lambda: spans(["O-PER"]), "'O-PER' is no tag"),
        (lambda: spans([3]), "3 is no tag"),
        (lambda: find_scheme([[], []]), "there are no tags to find a scheme in"),
        (lambda: find_scheme([["S-x"], ["U-x"]]), "the tags 'S-x' and 'U-x' are of different schemes, BIOES and BILOU"),
        (lambda: find_scheme([["NOUN"]]), "'NOUN' is no tag of entities"),
        (lambda: tag_names(["x"], "IO"), "scheme 'IO'"),
        (lambda: tag_names(["x", ""], "IOB2"), r"types\[1\] is ''; expected the name"),
        (lambda: tag_names(["x", "x"], "IOB2"), "has 'x' twice"),
        (lambda: chunk_tables(["O", "O"]), "has 'O' twice"),
        (lambda: chunk_tables(["O", "x"]), "'x' is no tag"),
        (lambda: allowed_moves(["O", "E-x"], "IOB2"), "the label 'E-x' is no tag of IOB2; its letters are B, I, O"),
        (lambda: allowed_moves(["O", "E-x"], "BILOU"), "the label 'E-x' is no tag of BILOU; its letters are B, I, L, O, U"),
        (lambda: allowed_moves(["O", "x-B"], "BILOU"), "'x-B' is no tag of entities"),
        (lambda: allowed_moves(["O"], "IO"), "scheme 'IO'"),
    ],
)
def test_errors_name_what_is_wrong(call, words):
    with pytest.raises(ValueError, match=words):
        call()
