"""Scores of entities, beside seqeval's own, and which types are taken for which."""

import random
import sys

import numpy as np
import pytest

from keras_bert.metrics import draw_confusions, entity_confusions, format_scores, score_entities
from keras_bert.tags import SCHEMES, convert, tag_names

GOLD = [["B-PER", "I-PER", "O", "B-LOC", "O"], ["B-ORG", "O", "B-LOC", "I-LOC"], ["O", "O"]]
FOUND = [["B-PER", "I-PER", "O", "B-ORG", "B-LOC"], ["O", "O", "B-LOC", "O"], ["O", "O"]]
# One PER right; a LOC taken for an ORG; a LOC that is none; an ORG missed; a LOC of which a word was found.


def random_pair(labels, *, sentences=60, seed=0):
    draw = random.Random(seed)
    gold = [draw.choices(labels, k=draw.randrange(12)) for _ in range(sentences)]
    return gold, [[tag if draw.random() < 0.8 else draw.choice(labels) for tag in tags] for tags in gold]


@pytest.mark.parametrize("labels", [tag_names(["PER", "LOC", "a-b"], "BIOES"), ["O", "B", "I", "B-x", "I-x"]])
def test_every_number_is_seqeval_s(labels):
    seqeval = pytest.importorskip("seqeval.metrics")
    gold, found = random_pair(labels)
    scores = score_entities(gold, found)
    report = seqeval.classification_report(gold, found, output_dict=True, zero_division=0)
    assert {kind: list(row.values()) for kind, row in scores["types"].items()} == {
        kind: list(row.values()) for kind, row in report.items() if not kind.endswith(" avg")
    }
    assert [scores[name] for name in ("precision", "recall", "f1", "support")] == list(report["micro avg"].values())
    assert scores["macro_f1"] == report["macro avg"]["f1-score"]
    assert {type(value) for row in (scores, *scores["types"].values()) for value in row.values()} == {float, int, dict}


def test_by_hand():
    scores = score_entities(GOLD, FOUND)
    assert (scores["precision"], scores["recall"], scores["f1"], scores["support"]) == (1 / 4, 1 / 4, 1 / 4, 4)
    assert scores["macro_f1"] == pytest.approx(1 / 3)
    assert list(scores["types"]) == ["LOC", "ORG", "PER"]
    assert scores["types"]["LOC"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_scheme_makes_no_difference(scheme):
    as_scheme = [[convert(tags, "IOB2", scheme) for tags in sentences] for sentences in (GOLD, FOUND)]
    assert score_entities(*as_scheme) == score_entities(GOLD, FOUND)


def test_ill_formed_bilou_is_read_as_bioes():
    seqeval = pytest.importorskip("seqeval.metrics")
    gold, found = random_pair(tag_names(["x", "y"], "BILOU"), seed=1)
    as_bioes = [[[tag.replace("L-", "E-").replace("U-", "S-") for tag in tags] for tags in sentences] for sentences in (gold, found)]
    assert score_entities(gold, found)["f1"] == seqeval.f1_score(*as_bioes)


@pytest.mark.filterwarnings("error")
def test_nothing_to_find_is_zero():
    assert score_entities([["O"], []], [["O"], []]) == {
        "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0, "macro_f1": 0.0, "types": {}
    }  # fmt: skip
    assert score_entities([["B-x"]], [["O"]])["macro_f1"] == 0.0


def test_the_table():
    assert format_scores(score_entities(GOLD, FOUND)).splitlines() == [
        "               precision  recall      f1  support",
        "LOC                 0.00    0.00    0.00        2",
        "ORG                 0.00    0.00    0.00        1",
        "PER               100.00  100.00  100.00        1",
        "all                25.00   25.00   25.00        4",
        "mean of types                      33.33",
    ]


def test_confusions_by_hand():
    types, same, other = entity_confusions(GOLD, FOUND)
    assert types == ["LOC", "ORG", "PER"]
    assert same.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]]
    assert other.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_pairs_are_those_of_the_same_words_then_of_most_words():
    gold = [["B-x", "I-x", "I-x", "B-y", "O"]]
    types, same, other = entity_confusions(gold, [["B-y", "B-x", "I-x", "B-x", "O"]])
    assert types == ["x", "y"]
    assert same.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert other.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_among_equals_the_pair_of_the_same_type_is_taken():
    _, same, other = entity_confusions([["B-x", "I-x"]], [["B-y", "B-x"]])
    assert same.tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert other.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_every_entity_is_counted_once():
    gold, found = random_pair(tag_names(["x", "y", "z"], "IOB2"), seed=2)
    types, same, other = entity_confusions(gold, found)
    scores = score_entities(gold, found)
    assert (same + other)[:-1].sum(axis=1).tolist() == [scores["types"][kind]["support"] for kind in types]
    assert np.diag(same)[:-1].sum() == round(scores["recall"] * scores["support"])


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    path = draw_confusions(GOLD, FOUND, tmp_path / "confusions.png")
    assert (tmp_path / "confusions.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert path == str(tmp_path / "confusions.png") and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("gold", "found", "words"),
    [
        ([], [], "0 gold sentences and 0 predicted ones; expected the same number, 1 or more"),
        ([["O"]], [], "1 gold sentences and 0 predicted ones"),
        ([["O"], ["O"]], [["O"], ["O", "O"]], "sentence 1 has 1 gold tags and 2 predicted ones"),
        ([["O"], ["O"]], [["O"], ["NOUN"]], "sentence 1 has 'NOUN', which is no tag of entities, such as 'O' and 'B-PER'"),
    ],
)
def test_what_cannot_be_scored(gold, found, words):
    for score in (score_entities, entity_confusions):
        with pytest.raises(ValueError, match=words):
            score(gold, found)


def test_nothing_to_draw(tmp_path):
    with pytest.raises(ValueError, match="there are no entities to draw, neither gold nor predicted ones"):
        draw_confusions([["O"]], [["O"]], tmp_path / "confusions.png")


def test_missing_packages_are_told_with_what_installs_them(monkeypatch, tmp_path):
    for module in ("seqeval.metrics.sequence_labeling", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"scored by seqeval: pip install keras3-bert\[metrics\]"):
        score_entities(GOLD, FOUND)
    with pytest.raises(ImportError, match=r"drawn by matplotlib: pip install keras3-bert\[plot\]"):
        draw_confusions(GOLD, FOUND, tmp_path / "confusions.png")
