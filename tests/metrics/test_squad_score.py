"""Scores of answers, against Model Garden's copies of SQuAD's official scripts; and CMRC 2018's by hand."""

import dataclasses
import logging

import numpy as np
import pytest

from keras_bert.data import Answer, SquadExample, read_squad
from keras_bert.metrics import score_squad


@pytest.fixture(scope="module")
def examples(root):
    """296 questions; of every third, nothing is known but that it has no answer; some have several answers, one of articles alone."""
    found = read_squad(root / "examples" / "data" / "xquad" / "dev.json.gz")
    generator = np.random.default_rng(0)
    changed = []
    for number, example in enumerate(found):
        if number % 3 == 0:
            example = dataclasses.replace(example, answers=(), is_impossible=True)
        elif number % 3 == 1:
            words = example.context.split()
            start = int(generator.integers(len(words)))
            example = dataclasses.replace(
                example, answers=(*example.answers, Answer(" ".join(words[start : start + 4]), 0), Answer("the", 0))
            )
        changed.append(example)
    return changed


@pytest.fixture(scope="module")
def predictions(examples):
    """Right, nearly right, of other words, of articles alone, and none."""
    generator = np.random.default_rng(1)
    found = {}
    for example in examples:
        answer = example.answers[0].text if example.answers else "something"
        words = example.context.split()
        kinds = [answer, f"The {answer.upper()}!", " ".join(words[:5]), "an a", "", answer.split()[0], f"{answer} and {words[-1]}"]
        found[example.id] = kinds[int(generator.integers(len(kinds)))]
    return found


def as_squad(examples):
    questions = [{"id": each.id, "answers": [{"text": text, "answer_start": start} for text, start in each.answers]} for each in examples]
    return [{"paragraphs": [{"qas": [question]} for question in questions]}]


def test_version_1_is_the_official_script_s(examples, predictions):
    official = pytest.importorskip("official.nlp.tools.squad_evaluate_v1_1")
    answered = [example for example in examples if example.answers]
    theirs = official.evaluate(as_squad(answered), predictions)
    ours = score_squad(answered, predictions)
    assert ours == {"exact_match": theirs["exact_match"], "f1": theirs["final_f1"], "total": len(answered)}
    assert 0.1 < ours["exact_match"] < ours["f1"] < 0.9
    fewer = {id_: text for id_, text in predictions.items() if id_ != answered[5].id}
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    with pytest.warns(UserWarning, match=f"1 of {len(answered)} questions have no prediction and count as wrong: {answered[5].id}"):
        assert score_squad(answered, fewer)["f1"] == official.evaluate(as_squad(answered), fewer)["final_f1"]


def test_version_2_is_the_official_script_s(examples, predictions):
    official = pytest.importorskip("official.nlp.tools.squad_evaluate_v2_0")
    generator = np.random.default_rng(2)
    # What has no answer tends to have a greater null score; some are equal.
    null_scores = {each.id: float(np.round(generator.normal(2.0 * each.is_impossible), 1)) for each in examples}
    # The script's own threshold, 1.0, stands for "whatever is answered": its null scores are probabilities.
    theirs = official.evaluate(as_squad(examples), predictions, dict.fromkeys(predictions, -1e9))
    tuned = official.evaluate(as_squad(examples), predictions, null_scores)
    ours = score_squad(examples, predictions, null_scores)
    names = {"exact_match": "exact", "f1": "f1"}
    for name, their_name in names.items():
        assert 100 * ours[name] == pytest.approx(theirs[their_name], rel=1e-14)
        for part, prefix in (("has_answer", "HasAns"), ("no_answer", "NoAns")):
            assert 100 * ours[part][name] == pytest.approx(theirs[f"{prefix}_{their_name}"], rel=1e-14)
            assert ours[part]["total"] == theirs[f"{prefix}_total"]
        assert 100 * ours[f"best_{name}"] == pytest.approx(tuned[f"final_{their_name}"], rel=1e-14)
        assert ours[f"best_{name}_threshold"] == tuned[f"final_{their_name}_thresh"]
    assert ours["total"] == theirs["total"] == 296 and ours["best_f1"] > ours["f1"]


def test_what_gains_nothing_moves_no_threshold():
    """As in the official script, of thresholds that are as good the first, whatever comes behind them."""
    gold = {"right": "cat", "wrong": "dog", "silent": None, "unknown": None}
    predictions = {"right": "cat", "wrong": "bird", "silent": "", "unknown": "fish"}
    null_scores = {"right": -1.0, "wrong": 0.0, "silent": 0.5, "unknown": 1.0}
    examples = [SquadExample(id_, "?", "", () if text is None else (Answer(text, 0),), id_ == "silent") for id_, text in gold.items()]
    scores = score_squad(examples, predictions, null_scores)
    assert (scores["best_f1"], scores["best_f1_threshold"]) == (3 / 4, -1.0)
    assert (scores["exact_match"], scores["no_answer"]["total"]) == (2 / 4, 2)  # no answer is known of "unknown": it has none


def one(text, *gold):
    return [SquadExample("1", "?", " ".join(gold), tuple(Answer(answer, 0) for answer in gold))], {"1": text}


@pytest.mark.parametrize(
    ("text", "gold", "exact", "f1"),
    [
        ("是，他。", "是他", 1, 1),
        (" 是他 ", "是他", 1, 1),
        ("5月", "2010年5月", 0, 2 / 3),  # 2010 | 年 | 5 | 月: the longest run is two of four
        ("甲丙乙丁", "甲乙丙丁", 0, 1 / 4),  # a run is unbroken
        ("光荣和OMEGA force", "光荣和omega force", 1, 1),
        ("光荣和omega", "光荣和omega force", 0, 8 / 9),  # 光 | 荣 | 和 | omega | force
        ("甲", "乙", 0, 0),
        ("", "乙", 0, 0),
    ],
)
def test_chinese_is_scored_by_characters_as_cmrc_does(text, gold, exact, f1):
    scores = score_squad(*one(text, gold), language="zh")
    assert (scores["exact_match"], scores["f1"]) == (exact, pytest.approx(f1))
    assert score_squad(*one(text, "不同", gold), language="zh") == scores  # the best of several


def test_what_cannot_be_scored_is_told(examples, predictions):
    for call, message in (
        (lambda: score_squad([], {}), "no examples to score"),
        (lambda: score_squad(examples, predictions, version="3"), "version='3' is none of 1.1, 2.0"),
        (lambda: score_squad(examples, predictions, language="de"), "language='de' is none of en, zh"),
        (lambda: score_squad(examples, predictions, version="1.1"), f"question '{examples[0].id}' has no answer to score by"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
