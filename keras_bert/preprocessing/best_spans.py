"""The best spans of a context, out of scores for the first and the last piece in each of its windows.

Core TensorFlow operations, of a whole batch at once.
"""

from typing import NamedTuple

import tensorflow as tf

from keras_bert.text import ragged

NONE = float("-inf")


class BestSpans(NamedTuple):
    """Spans of each example, the best first.

    Args:
        scores: float32 [examples, spans], the sum of both logits; -inf beyond those that there are.
        starts, ends: int32 [examples, spans], pieces of the context, both included.
        counts: int32 [examples].
    """

    scores: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    counts: tf.Tensor


def best_spans(start_scores, end_scores, first_pieces, counts, *, searched, most, max_length=None):
    """Pair the best starts with the best ends of each window, and take the best pairs of all windows.

    Args:
        start_scores, end_scores: float32 [windows, pieces], -inf where no span may start or end.
        first_pieces: int32 [windows], the piece of the context that a window begins with.
        counts: int32 [examples], windows of each example; they stand one after the other.
        searched: starts, and ends, of a window that are tried.
        most: spans of an example to give.
        max_length: pieces of a span at most; None: any number.
    Returns: BestSpans, [examples, most].
    Source: google-research/bert run_squad.py, write_predictions. Of equals the first window, then the better start, then the better end.
    """
    starts, start_places = _top(start_scores, searched)  # (W, S)
    ends, end_places = _top(end_scores, searched)
    spans = _best_pairs(starts, start_places, ends, end_places, start_places, most, max_length)

    def of_examples(part, padding):
        part = ragged.from_lengths(part, counts).to_tensor(padding, shape=[None, None, most])
        return tf.reshape(part, tf.stack([tf.shape(counts)[0], tf.shape(part)[1] * most]))

    first = first_pieces[:, None]
    parts = of_examples(spans.scores, NONE), of_examples(spans.starts + first, 0), of_examples(spans.ends + first, 0)
    return _best(*parts, most)


def spans_over_windows(start_scores, end_scores, least_ends, *, searched, most, max_length=None):
    """The best spans that the window of their start does not hold: their end is read from another one.

    Args: start_scores, end_scores: float32 [examples, pieces], those of each piece in the window that sees most around it; -inf beyond the
        context. least_ends: int32 like them, the first piece behind that window. searched, most, max_length: as best_spans.
    Returns: BestSpans.
    """
    starts, start_places = _top(start_scores, searched)
    ends, end_places = _top(end_scores, searched)
    least = tf.gather(least_ends, start_places, batch_dims=1)
    return _best_pairs(starts, start_places, ends, end_places, least, most, max_length)


def better_of(first, second):
    """The best spans of two lists. Args: BestSpans, of the same examples and as many spans. Returns: BestSpans of as many."""
    parts = (tf.concat(each, axis=1) for each in zip(first[:3], second[:3], strict=True))
    return _best(*parts, first.scores.shape[1])


def _top(scores, count):
    return tf.math.top_k(scores, tf.minimum(count, tf.shape(scores)[1]))


def _best_pairs(starts, start_places, ends, end_places, least_ends, most, max_length):
    """The best pairs of each row. Args: least_ends: [rows, starts], where the span of each start may end. Returns: BestSpans, of rows."""
    lengths = end_places[:, None, :] - start_places[:, :, None] + 1
    may_be = end_places[:, None, :] >= least_ends[:, :, None]
    if max_length is not None:
        may_be &= lengths <= max_length
    scores = tf.where(may_be, starts[:, :, None] + ends[:, None, :], NONE)  # (R, S, S)

    def flat(part):
        return tf.reshape(tf.broadcast_to(part, tf.shape(scores)), tf.stack([tf.shape(scores)[0], tf.size(scores[0])]))

    return _best(flat(scores), flat(start_places[:, :, None]), flat(end_places[:, None, :]), most)


def _best(scores, starts, ends, most):
    """The best of each row. Args: [rows, spans], any number. Returns: BestSpans, [rows, most]."""
    missing = tf.maximum(most - tf.shape(scores)[1], 0)
    scores, starts, ends = (
        tf.pad(part, [[0, 0], [0, missing]], constant_values=padding) for part, padding in ((scores, NONE), (starts, 0), (ends, 0))
    )
    scores, order = tf.math.top_k(scores, most)
    starts, ends = (tf.gather(part, order, batch_dims=1) for part in (starts, ends))
    return BestSpans(scores, starts, ends, tf.reduce_sum(tf.cast(scores > NONE, tf.int32), axis=1))
