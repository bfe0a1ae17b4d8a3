"""Figures worked out by hand, and the table that srl-eval.pl prints."""

import pytest

from keras_bert.data import Frame, PropbankSentence, read_propbank
from keras_bert.metrics import role_table, score_roles

WORDS = list("abcdefgh")


def counts(row):
    return row["correct"], row["excess"], row["missed"]


def score(gold, predicted, **options):
    """Of one predicate at word 3, "V", and these arguments."""
    gold, predicted = (PropbankSentence(WORDS, [Frame(3, "", "", [("V", 3, 3), *roles])]) for roles in (gold, predicted))
    return score_roles([gold], [predicted], **options)


def test_a_wrong_role_and_a_wrong_border_are_excess_and_missed():
    found = score([("A0", 0, 0), ("A1", 4, 5), ("A2", 6, 6)], [("A0", 0, 0), ("A1", 4, 4), ("A1", 6, 6)])
    # Correct is A0. A1 4-4 has another border than A1 4-5, A1 6-6 another role than A2 6-6: two excess, two missed.
    assert counts(found) == (1, 2, 2)
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert {role: counts(row) for role, row in found["by_role"].items()} == {"A0": (1, 0, 0), "A1": (0, 2, 1), "A2": (0, 0, 1)}
    assert found["perfect_propositions"] == 0


def test_precision_and_recall_are_not_exchanged():
    found = score([("A0", 0, 0), ("A1", 4, 5), ("A2", 6, 6)], [("A0", 0, 0)])
    # 1 of 1 predicted, 1 of 3 gold: P 1, R 1/3, F1 = 2 · 1/3 / (4/3) = 1/2.
    assert counts(found) == (1, 0, 2)
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((1, 1 / 3, 1 / 2))


def test_the_predicate_itself_is_not_counted():
    gold = [PropbankSentence(WORDS, [Frame(3, "", "", [("V", 3, 4), ("A0", 0, 0)])])]
    found = score_roles(gold, [PropbankSentence(WORDS, [Frame(3, "", "", [("V", 3, 3), ("A0", 0, 0)])])])
    assert counts(found) == (1, 0, 0) and found["perfect_propositions"] == 1
    assert counts(found["not_counted"]["V"]) == (0, 1, 1) and set(found["by_role"]) == {"A0"}
    found = score([("C-V", 5, 5)], [("C-V", 5, 5)])  # a part of the V
    assert counts(found) == (0, 0, 0) and counts(found["not_counted"]["V"]) == (1, 0, 0)


def test_a_continued_argument_is_one_and_correct_as_a_whole():
    gold = [("A1", 0, 0), ("C-A1", 4, 4), ("C-A1", 6, 7)]
    assert {role: counts(row) for role, row in score(gold, gold)["by_role"].items()} == {"A1": (1, 0, 0)}
    # One part short, another border in the middle, the span as one piece: each time 1 excess and 1 missed, though parts agree.
    for predicted in (gold[:2], [gold[0], ("C-A1", 4, 5), gold[2]], [("A1", 0, 0), ("C-A1", 6, 7)]):
        assert counts(score(gold, predicted)) == (0, 1, 1)
    # What continues nothing is an argument itself; then gold A1 0-0 is met, and A1 4-4 is not gold.
    assert counts(score([("A1", 0, 0)], [("A1", 0, 0), ("A1", 4, 4)])) == (1, 1, 0)


def test_a_continuation_of_nothing_is_an_argument_of_that_role():
    assert counts(score([("A1", 4, 5)], [("C-A1", 4, 5)])) == (1, 0, 0)
    # Before the A1 it continues nothing: A1 0-0 and A1 4-4, of which the second is gold.
    found = score([("A1", 4, 4)], [("C-A1", 0, 0), ("A1", 4, 4)])
    assert counts(found) == (1, 1, 0) and set(found["by_role"]) == {"A1"}
    # Another one after it continues it: A1 in two parts.
    assert counts(score([("A1", 0, 0), ("C-A1", 4, 4)], [("C-A1", 0, 0), ("C-A1", 4, 4)])) == (1, 0, 0)


def test_a_continuation_continues_the_last_argument_of_its_role():
    # A1 0-0 alone, and A1 2-2 with 6-6; A0 between them in parts of its own, 1-1 with 5-5.
    gold = [("A1", 0, 0), ("A0", 1, 1), ("A1", 2, 2), ("C-A0", 5, 5), ("C-A1", 6, 6)]
    assert counts(score(gold, gold)) == (3, 0, 0)
    # Without C-A1, A1 2-2 is in one part: 0-0 and A0 are met, 2-2 is 1 excess and 1 missed.
    found = score(gold, gold[:-1])
    assert {role: counts(row) for role, row in found["by_role"].items()} == {"A0": (1, 0, 0), "A1": (1, 1, 1)}


def test_a_reference_is_an_argument_of_its_own():
    found = score([("A0", 0, 1), ("R-A0", 2, 2)], [("A0", 0, 1), ("A0", 2, 2)])
    assert {role: counts(row) for role, row in found["by_role"].items()} == {"A0": (1, 1, 0), "R-A0": (0, 0, 1)}
    assert counts(score([("R-A0", 0, 0), ("C-R-A0", 2, 2)], [("R-A0", 0, 0), ("C-R-A0", 2, 2)])) == (1, 0, 0)


def test_predicates_that_are_left_out_or_not_gold():
    def frame(word, *arguments):
        return Frame(word, "", "", [("V", word, word), *arguments])

    gold = [PropbankSentence(WORDS, [frame(1, ("A0", 0, 0)), frame(3, ("A0", 0, 1), ("A1", 4, 4)), frame(7)]), PropbankSentence(["a"], [])]
    predicted = [PropbankSentence(WORDS, [frame(1, ("A0", 0, 0)), frame(5, ("A0", 0, 0))]), PropbankSentence(["a"], [])]
    found = score_roles(gold, predicted)
    # Word 1 is right. Word 3 has no frame: 2 missed. Word 5 is no predicate: 1 excess. Word 7 has none, and no arguments.
    assert counts(found) == (1, 1, 2)
    assert counts(found["predicates"]) == (1, 1, 2)
    assert (found["predicates"]["precision"], found["predicates"]["recall"]) == (1 / 2, 1 / 3)
    assert counts(found["not_counted"]["V"]) == (1, 1, 2)
    assert (found["sentences"], found["propositions"]) == (2, 3)
    assert found["perfect_propositions"] == pytest.approx(2 / 3)  # words 1 and 7
    skipped = score_roles(gold, predicted, skip_unmatched=True)
    assert counts(skipped) == (1, 0, 2) and counts(skipped["not_counted"]["V"]) == (1, 0, 2)
    assert counts(skipped["predicates"]) == (1, 1, 2)


def test_spans_are_compared_predicate_by_predicate():
    frames = [[Frame(word, "", "", [("A0", 0, 0)])] for word in (1, 2)]
    gold, predicted = ([PropbankSentence(WORDS, frame)] for frame in frames)
    assert counts(score_roles(gold, predicted)) == (0, 1, 1)


def test_nothing_at_all_is_zero():
    found = score_roles([], [])
    assert counts(found) == (0, 0, 0) and found["f1"] == found["perfect_propositions"] == 0 and found["by_role"] == {}
    assert counts(score([], [])) == (0, 0, 0) and score([], [])["perfect_propositions"] == 1


def test_the_table_is_what_srl_eval_prints(reference):
    folder = reference / "propbank"
    gold = read_propbank(folder / "gold.jsonl")
    predicted = read_propbank(folder / "predicted.props", words=folder / "words")
    expected = (folder / "srl_eval.txt").read_text()
    assert role_table(score_roles(gold, predicted, skip_unmatched=True)) == expected
    assert role_table(score_roles(gold, predicted)) != expected  # two frames at words that are no predicates


def test_sentences_that_do_not_match_are_told():
    with pytest.raises(ValueError, match="1 gold sentences, but 0 predicted ones"):
        score_roles([PropbankSentence(WORDS, [])], [])
    with pytest.raises(ValueError, match="sentence 1 has 8 gold words, but 1 predicted ones"):
        score_roles([PropbankSentence(WORDS, [])] * 2, [PropbankSentence(WORDS, []), PropbankSentence(["a"], [])])
