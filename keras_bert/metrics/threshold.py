"""From which probability on an answer is taken: chosen on validation data."""

import numpy as np


def choose_threshold(is_right, scores, *, positives=None, precision=None):
    """Choose a threshold for scores.

    Args:
        is_right: bool [answers]: whether taking the answer is right.
        scores: float [answers]; an answer is taken where its score is the threshold or more.
        positives: how many right answers there could be, some of which nobody gave; None: those that are right.
        precision: the share of right answers among those taken that is wanted at least; None: the best F1.
    Returns: dict of "threshold", midway between two scores, and the "precision", "recall" and "f1" that it gives on these. With a precision
        it is the threshold of the greatest recall that reaches it.
    Raises: ValueError where there are no answers or no right ones, or where no threshold reaches the precision, naming the best.
    """
    is_right, scores = np.asarray(is_right, bool), np.asarray(scores, "float32")
    positives = int(is_right.sum()) if positives is None else positives
    if not is_right.any():
        raise ValueError(f"none of {len(is_right)} answers is right: there is no threshold to choose")
    if precision is not None and not 0 < precision <= 1:
        raise ValueError(f"precision={precision!r} is no share above 0, up to 1")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # equal scores are taken together
    taken, right = (np.arange(len(ranked)) + 1)[last], np.cumsum(is_right[order])[last]
    precisions, recalls, f1 = right / taken, right / positives, 2 * right / (taken + positives)
    if precision is None:
        best = int(f1.argmax())
    else:
        enough = np.flatnonzero(precisions >= precision)
        if not enough.size:
            raise ValueError(f"precision={precision} is not reached: the best of any threshold is {precisions.max():.4f}")
        best = int(enough[-1])
    upper, lower = ranked[last][best], np.append(ranked[last], np.float32(0))[best + 1]
    middle = np.float32((upper + lower) / 2)
    values = (middle if middle > lower else upper, precisions[best], recalls[best], f1[best])
    return dict(zip(("threshold", "precision", "recall", "f1"), map(float, values), strict=True))
