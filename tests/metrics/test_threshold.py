"""Thresholds, beside every threshold there is."""

import numpy as np
import pytest

from keras_bert.metrics import choose_threshold

RANDOM = np.random.default_rng(0)


def figures(is_right, scores, threshold, positives):
    taken = scores >= threshold
    right = int((is_right & taken).sum())
    return right / max(taken.sum(), 1), right / positives, 2 * right / (taken.sum() + positives)


@pytest.mark.parametrize("missing", [0, 7])
def test_no_threshold_is_better(missing):
    for _ in range(20):
        scores = RANDOM.integers(1, 30, 40).astype("float32") / 30
        is_right = RANDOM.uniform(size=40) < scores
        positives = int(is_right.sum()) + missing
        options = None if not missing else positives
        found = choose_threshold(is_right, scores, positives=options)
        every = [figures(is_right, scores, threshold, positives) for threshold in np.unique(scores)]
        assert found["f1"] == pytest.approx(max(f1 for *_, f1 in every))
        assert [found[name] for name in ("precision", "recall", "f1")] == pytest.approx(
            figures(is_right, scores, np.float32(found["threshold"]), positives)
        )
        wanted = sorted(precision for precision, *_ in every)[20 * len(every) // 30]
        by_precision = choose_threshold(is_right, scores, positives=options, precision=wanted)
        assert by_precision["precision"] >= wanted
        assert by_precision["recall"] == pytest.approx(max(recall for precision, recall, _ in every if precision >= wanted))


def test_a_threshold_is_midway_to_the_next_score():
    assert choose_threshold([True, True, False], [0.9, 0.8, 0.4])["threshold"] == pytest.approx(0.6)
    assert choose_threshold([False, True], [0.9, 0.8])["threshold"] == pytest.approx(0.4)  # all are taken


def test_neighbouring_numbers_are_told_apart():
    upper = np.float32(0.7)
    lower = np.nextafter(upper, np.float32(0))
    threshold = np.float32(choose_threshold([True, False], [upper, lower])["threshold"])
    assert lower < threshold <= upper


def test_what_cannot_be_chosen_is_told():
    with pytest.raises(ValueError, match="none of 2 answers is right"):
        choose_threshold([False, False], [0.1, 0.2])
    with pytest.raises(ValueError, match=r"precision=0\.9 is not reached: the best of any threshold is 0\.5000"):
        choose_threshold([False, True], [0.9, 0.8], precision=0.9)
    with pytest.raises(ValueError, match="precision=2 is no share"):
        choose_threshold([True], [0.9], precision=2)
