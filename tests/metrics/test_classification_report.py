"""Scores of classifiers beside scikit-learn and SciPy on their own forms of data, and small tables by hand."""

import builtins
import json

import numpy as np
import pytest

from keras_bert.metrics import (
    draw_label_confusions,
    format_classification,
    label_confusions,
    score_classification,
    score_multi_label,
    score_numbers,
)

metrics = pytest.importorskip("sklearn.metrics")
RANDOM = np.random.default_rng(0)
NAMES = ["joy", "anger", "fear"]
GOLD = RANDOM.integers(0, 3, 200)
PREDICTED = np.where(RANDOM.uniform(size=200) < 0.7, GOLD, RANDOM.integers(0, 3, 200))


def named(ids, names=NAMES):
    return [names[index] for index in ids]


def test_one_label_of_several_is_scored_as_scikit_learn_scores_ids():
    scores = score_classification(named(GOLD), named(PREDICTED), labels=NAMES)
    report = metrics.classification_report(GOLD, PREDICTED, output_dict=True)
    assert scores["accuracy"] == scores["micro_f1"] == pytest.approx(report["accuracy"])
    assert scores["macro_f1"] == pytest.approx(report["macro avg"]["f1-score"])
    assert scores["matthews"] == pytest.approx(metrics.matthews_corrcoef(GOLD, PREDICTED))
    assert list(scores["labels"]) == NAMES and scores["support"] == 200
    for index, name in enumerate(NAMES):
        row = report[str(index)]
        assert scores["labels"][name] == pytest.approx({"f1" if key == "f1-score" else key: value for key, value in row.items()})
    json.dumps(scores)
    assert "anger" in format_classification(scores) and "matthews" in format_classification(scores)


def test_the_second_of_two_labels_is_ranked():
    probabilities = RANDOM.uniform(size=[200, 2])
    scores = score_classification(named(GOLD % 2), named(PREDICTED % 2), labels=NAMES[:2], probabilities=probabilities)
    assert scores["auc"] == pytest.approx(metrics.roc_auc_score(GOLD % 2, probabilities[:, 1]))
    assert scores["average_precision"] == pytest.approx(metrics.average_precision_score(GOLD % 2, probabilities[:, 1]))
    alone = score_classification(["joy"] * 3, ["joy"] * 3, labels=NAMES[:2], probabilities=probabilities[:3])
    assert (alone["auc"], alone["accuracy"], alone["labels"]["anger"]["f1"]) == (None, 1.0, 0.0)


def test_several_labels_are_scored_as_scikit_learn_scores_rows():
    gold = RANDOM.integers(0, 2, (100, 3))
    gold[:, 2] = 0
    probabilities = np.clip(gold * 0.4 + RANDOM.uniform(size=(100, 3)) * 0.6, 0, 1)
    rows = (probabilities >= 0.5).astype(int)
    lists = [[[name for name, one in zip(NAMES, row, strict=True) if one] for row in each] for each in (gold, rows)]
    scores = score_multi_label(*lists, NAMES, probabilities=probabilities)
    for kind in ("micro", "macro"):
        assert scores[f"{kind}_f1"] == pytest.approx(metrics.f1_score(gold, rows, average=kind, zero_division=0))
    assert scores["exact"] == pytest.approx(metrics.accuracy_score(gold, rows))
    assert scores["auc"] == pytest.approx(metrics.roc_auc_score(gold[:, :2], probabilities[:, :2], average="macro"))
    assert (
        scores["labels"]["fear"]["auc"] is None
        and scores["labels"]["joy"]["support"] == gold[:, 0].sum()
        and scores["support"] == gold.sum()
    )
    with pytest.raises(ValueError, match="text 0 has the label 'hope'; the labels are joy, anger, fear"):
        score_multi_label([["hope"]], [[]], NAMES)


def test_numbers_are_scored_as_scipy_does():
    stats = pytest.importorskip("scipy.stats")
    gold = RANDOM.normal(size=50)
    predicted = np.exp(gold) + RANDOM.normal(size=50) / 5
    scores = score_numbers(gold, predicted.tolist())
    assert scores["pearson"] == pytest.approx(stats.pearsonr(gold, predicted)[0])
    assert scores["spearman"] == pytest.approx(stats.spearmanr(gold, predicted)[0])
    assert scores["mean_squared_error"] == pytest.approx(metrics.mean_squared_error(gold, predicted))
    assert "auc" not in scores and score_numbers([1.0, 2.0], [3.0, 3.0])["pearson"] == 0
    ones = (gold > 0).astype(int)
    assert score_numbers(ones, predicted)["auc"] == pytest.approx(metrics.roc_auc_score(ones, predicted))


def test_of_many_labels_the_most_confused_are_shown(tmp_path):
    names = [f"label {index:02}" for index in range(40)]
    gold = names * 3 + ["label 07"] * 5 + ["label 31"] * 4
    predicted = names * 3 + ["label 31"] * 5 + ["label 02"] * 4
    shown, table = label_confusions(gold, predicted, most=4)
    assert shown == ["label 02", "label 07", "label 31", "(others)"]
    assert table.tolist() == [[3, 0, 0, 0], [0, 3, 5, 0], [4, 0, 3, 0], [0, 0, 0, 3 * 37]]
    path = draw_label_confusions(gold, predicted, tmp_path / "confusions.png")
    image = pytest.importorskip("matplotlib.image").imread(path)
    assert 1000 < image.shape[0] < 3000 and image.shape[1] < 3000


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: score_classification(["a"], []), "1 gold answers and 0 predicted ones"),
        (lambda: label_confusions([], []), "0 gold answers"),
        (lambda: score_numbers([1.0], [np.nan]), "predicted number 0 is nan"),
    ],
)
def test_what_cannot_be_scored_is_told(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"scored by scikit-learn: pip install keras3-bert\[metrics\]"):
        score_classification(["a"], ["a"])
