"""Long contexts in overlapping windows of pieces, and from which window each piece is read.

    a context of 10 pieces, room for 4, stride 2:   0123  2345  4567  6789

Core TensorFlow operations, of a whole batch at once.
"""

from typing import NamedTuple

import tensorflow as tf

from keras_bert.text import ragged


class ContextWindows(NamedTuple):
    """Windows of all contexts, one after the other.

    Args:
        counts: int32 [examples], windows of each, 1 or more.
        examples: int64 [windows], whose context it is of.
        starts, limits: int64 [windows], pieces of that context, from start (included) to limit (not).
    """

    counts: tf.Tensor
    examples: tf.Tensor
    starts: tf.Tensor
    limits: tf.Tensor


def cut_contexts(lengths, rooms, stride):
    """Cut contexts into windows that begin `stride` pieces apart, up to the first that reaches the end.

    Args: lengths: int64 [examples], pieces of each context. rooms: int64 [examples], pieces that a window of it holds, more than stride.
        stride: pieces from the start of a window to that of the next.
    Returns: ContextWindows. A context without pieces is one window without any.
    Source: Devlin's "sliding window" (google-research/bert run_squad.py, convert_examples_to_features).
    """
    counts = 1 + tf.maximum(lengths - rooms + stride - 1, 0) // stride
    examples = ragged.repeated(counts)
    starts = tf.ragged.range(counts).values * stride
    limits = tf.minimum(starts + tf.gather(rooms, examples), tf.gather(lengths, examples))
    return ContextWindows(tf.cast(counts, tf.int32), examples, starts, limits)


def sees_most(windows, lengths):
    """Which pieces of each window are read from it: those around which no other window sees more.

    Args: windows: ContextWindows. lengths: as cut_contexts.
    Returns: bool tf.RaggedTensor [windows, (pieces)]; over the windows of a context each piece is True once.
    Source: Devlin's "maximum context" (run_squad.py, _check_is_max_context): the larger of the lesser contexts, left and right, and a
        hundredth of the window's length; the first of equals.
    """
    held = tf.ragged.range(windows.starts, windows.limits)
    window, place = ragged.row_ids(held), held.values
    limit = tf.gather(windows.limits, window)
    length = limit - tf.gather(windows.starts, window)
    context = 100 * tf.minimum(place - tf.gather(windows.starts, window), limit - 1 - place) + length  # whole numbers: no rounding
    piece = place + tf.gather(tf.cumsum(lengths, exclusive=True), tf.gather(windows.examples, window))  # numbered through all contexts
    count = tf.reduce_sum(lengths)
    is_best = context == tf.gather(tf.math.unsorted_segment_max(context, piece, count), piece)
    first_best = tf.math.unsorted_segment_min(tf.where(is_best, window, tf.int64.max), piece, count)
    return held.with_values(tf.gather(first_best, piece) == window)
