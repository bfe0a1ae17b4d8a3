"""What a classifier answers, beside what is right: the field's scores by scikit-learn and SciPy, and which labels are taken for which.

scores = score_classification(gold, predicted)          # a label a text
scores = score_multi_label(gold, predicted, labels)     # a list of labels a text
scores = score_numbers(gold, predicted)                 # a number a text
print(format_classification(scores))
draw_label_confusions(gold, predicted, "confusions.png")
"""

import collections

import numpy as np

from keras_bert.metrics.confusion_picture import draw_table

MOST_DRAWN = 30  # labels of a picture; of more, those that are confused most
OTHERS = "(others)"


def score_classification(gold, predicted, *, labels=None, probabilities=None):
    """Score answers of one label of several.

    Args:
        gold, predicted: labels, by name, one a text.
        labels: the names, in the order of the table; None: those that come, sorted. A name that comes and is not among them is put behind.
        probabilities: float [texts, labels], as predict gives; of two labels, how well that of the second ranks is scored too.
    Returns: dict of plain numbers: "accuracy", "macro_f1" (the mean over labels that come), "micro_f1", "matthews", "support", how many
        texts; "labels": by label {"precision", "recall", "f1", "support"}; and of two labels with probabilities "auc" and
        "average_precision" of the second, None where one alone comes. A share of nothing is 0.
    Raises: ValueError where there are no texts, or numbers differ. ImportError without scikit-learn.
    Source: scikit-learn's accuracy_score, precision_recall_fscore_support, matthews_corrcoef, roc_auc_score, average_precision_score.
    """
    metrics = _scikit_learn()
    gold, predicted = _checked(gold, predicted)
    there = sorted({*gold, *predicted})
    names = there if labels is None else [*labels, *(name for name in there if name not in labels)]
    scores = {
        "accuracy": float(metrics.accuracy_score(gold, predicted)),
        "macro_f1": float(metrics.f1_score(gold, predicted, average="macro", labels=there, zero_division=0)),
        "micro_f1": float(metrics.f1_score(gold, predicted, average="micro", labels=there, zero_division=0)),
        "matthews": float(metrics.matthews_corrcoef(gold, predicted)) if len(there) > 1 else 0.0,
        "support": len(gold),
        "labels": _table(metrics.precision_recall_fscore_support(gold, predicted, labels=names, zero_division=0), names),
    }
    if probabilities is not None and len(names) == 2:
        scores |= _ranking(metrics, [label == names[1] for label in gold], np.asarray(probabilities)[:, 1])
    return scores


def score_multi_label(gold, predicted, labels, *, probabilities=None):
    """Score answers of any number of labels.

    Args: gold, predicted: lists of lists of labels, by name. labels: the names. probabilities: float [texts, labels], or None.
    Returns: dict of plain numbers: "exact", the share of texts whose labels are just the right ones; "micro_f1", "macro_f1"; "support", how
        many labels are right in all; "labels": by label {"precision", "recall", "f1", "support"}; with probabilities "auc" and
        "average_precision" by label, None where all or no texts have it, and their means over the others.
    Raises: as score_classification; ValueError on a label that is none.
    Source: as there; scikit-learn's averages over labels.
    """
    metrics = _scikit_learn()
    gold, predicted = _checked(gold, predicted)
    labels = list(labels)
    gold, predicted = ([_hot(row, labels, number) for number, row in enumerate(rows)] for rows in (gold, predicted))
    gold, predicted = np.array(gold), np.array(predicted)
    table = _table(metrics.precision_recall_fscore_support(gold, predicted, zero_division=0), labels)
    scores = {
        "exact": float((gold == predicted).all(axis=1).mean()),
        "micro_f1": float(metrics.f1_score(gold, predicted, average="micro", zero_division=0)),
        "macro_f1": float(metrics.f1_score(gold, predicted, average="macro", zero_division=0)),
        "support": int(gold.sum()),
        "labels": table,
    }
    if probabilities is not None:
        rankings = [_ranking(metrics, *columns) for columns in zip(gold.T, np.asarray(probabilities).T, strict=True)]
        for label, ranking in zip(labels, rankings, strict=True):
            table[label] |= ranking
        for name in ("auc", "average_precision"):
            values = [ranking[name] for ranking in rankings if ranking[name] is not None]
            scores[name] = float(np.mean(values)) if values else None
    return scores


def score_numbers(gold, predicted):
    """Score answers that are numbers.

    Args: gold, predicted: numbers, one a text.
    Returns: dict of plain numbers: "pearson", "spearman", 0 where one side is constant; "mean_squared_error", "mean_absolute_error";
        "support"; and where the gold ones are zeros and ones "auc" and "average_precision".
    Raises: ValueError where there are no texts, numbers differ, or one is not finite. ImportError without SciPy.
    Source: scipy.stats.pearsonr and spearmanr, and scikit-learn.
    """
    metrics = _scikit_learn()
    from scipy import stats  # scikit-learn's own requirement

    gold, predicted = (np.asarray(each, "float64").reshape(-1) for each in _checked(gold, predicted))
    for name, values in (("gold", gold), ("predicted", predicted)):
        wrong = np.flatnonzero(~np.isfinite(values))
        if wrong.size:
            raise ValueError(f"{name} number {wrong[0]} is {values[wrong[0]]}; expected finite numbers")
    is_constant = len(gold) < 2 or np.ptp(gold) == 0 or np.ptp(predicted) == 0
    scores = {
        "pearson": 0.0 if is_constant else float(stats.pearsonr(gold, predicted)[0]),
        "spearman": 0.0 if is_constant else float(stats.spearmanr(gold, predicted)[0]),
        "mean_squared_error": float(np.mean((gold - predicted) ** 2)),
        "mean_absolute_error": float(np.mean(np.abs(gold - predicted))),
        "support": len(gold),
    }
    return scores | (_ranking(metrics, gold == 1, predicted) if set(gold.tolist()) <= {0.0, 1.0} else {})


def format_classification(scores):
    """A table to print. Args: scores: as one of the functions above gives them. Returns: str, without a line break at its end."""
    labels = scores.get("labels", {})
    lines = []
    if labels:
        width = max(len("label"), *map(len, labels))
        lines.append(f"{'label':{width}}  {'precision':>9}  {'recall':>6}  {'f1':>6}  {'support':>7}")
        for label, row in labels.items():
            precision, recall, f1 = (100 * row[name] for name in ("precision", "recall", "f1"))
            lines.append(f"{label:{width}}  {precision:9.2f}  {recall:6.2f}  {f1:6.2f}  {row['support']:7}")
    lines += [f"{name:20} {value:10.4f}" for name, value in scores.items() if isinstance(value, float)]
    return "\n".join(lines)


def label_confusions(gold, predicted, *, most=MOST_DRAWN):
    """Count which label each text is given.

    Args: gold, predicted: labels, by name, one a text. most: labels of the table, if there are more those that are taken for others, or
        others for them, most often; the rest is one, "(others)".
    Returns: list of names; int array [names, names], row: gold, column: predicted.
    Raises: as score_classification.
    """
    gold, predicted = _checked(gold, predicted)
    names = sorted({*gold, *predicted})
    if len(names) > most:
        wrong = collections.Counter()
        for pair in zip(gold, predicted, strict=True):
            wrong.update(pair if pair[0] != pair[1] else ())
        worst = sorted(names, key=lambda name: (-wrong[name], name))[: most - 1]
        names = [name for name in names if name in worst] + [OTHERS]
    index = {name: number for number, name in enumerate(names)}
    table = np.zeros([len(names)] * 2, "int64")
    for truth, found in zip(gold, predicted, strict=True):
        table[index.get(truth, len(names) - 1), index.get(found, len(names) - 1)] += 1
    return names, table


def draw_label_confusions(gold, predicted, path, *, most=MOST_DRAWN):
    """Draw which label each text is given.

    Args: gold, predicted, most: as label_confusions. path: PNG file to write; what was there stays whole until it is.
    Returns: the path.
    Raises: as score_classification. ImportError without matplotlib.
    """
    names, table = label_confusions(gold, predicted, most=most)
    texts = [[str(count) for count in row] for row in table.tolist()]
    shown = [name if len(name) <= 30 else name[:29] + "…" for name in names]
    cell = 0.9 if len(names) <= 12 else 0.4
    return draw_table(path, table, texts, rows=shown, columns=shown, title="Labels, and what they are found as", cell=cell)


def _scikit_learn():
    try:
        from sklearn import metrics
    except ImportError as error:
        raise ImportError("classifiers are scored by scikit-learn: pip install keras3-bert[metrics]") from error
    return metrics


def _checked(gold, predicted):
    gold, predicted = list(gold), list(predicted)
    if len(gold) != len(predicted) or not gold:
        raise ValueError(f"{len(gold)} gold answers and {len(predicted)} predicted ones; expected the same number, 1 or more")
    return gold, predicted


def _table(columns, names):
    """scikit-learn's four columns -> {name: dict of plain numbers}."""
    rows = zip(*columns, strict=True)
    return {
        name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
        for name, (precision, recall, f1, support) in zip(names, rows, strict=True)
    }


def _ranking(metrics, is_right, scores):
    """How well scores rank. Args: is_right: bool [texts]. scores: float [texts]. Returns: dict; None where there is nothing to rank."""
    is_right = np.asarray(is_right, "int32")
    if is_right.min() == is_right.max():
        return {"auc": None, "average_precision": None}
    return {
        "auc": float(metrics.roc_auc_score(is_right, scores)),
        "average_precision": float(metrics.average_precision_score(is_right, scores)),
    }


def _hot(row, labels, number):
    unknown = next((name for name in row if name not in labels), None)
    if unknown is not None:
        raise ValueError(f"text {number} has the label {unknown!r}; the labels are {', '.join(labels)}")
    return [int(name in row) for name in labels]
