"""Long sentences in overlapping windows of whole words, each word read from the window that sees most around it.

    pieces of the words   3 1 1 2 1 1 ...    a window has room for so many pieces; the next begins `stride` pieces later, at a word

Core TensorFlow operations, of a whole batch at once.
"""

from typing import NamedTuple

import tensorflow as tf

from keras_bert.text import ragged


class Windows(NamedTuple):
    """Windows of all sentences, one after the other.

    Args:
        counts: int32 [sentences], windows of each.
        starts, limits: int64 [windows], pieces of a window, numbered through all sentences: starts (included) to limits (not).
        words: int64 tf.RaggedTensor [windows, (words)]: the words that are read from each window, numbered through all sentences. Each
            word stands once, and in order.
    """

    counts: tf.Tensor
    starts: tf.Tensor
    limits: tf.Tensor
    words: tf.RaggedTensor


def longest_word(room, stride):
    """Pieces that a word of a sentence of several windows may have: then each stands whole in one of them. Returns: int."""
    return (room - stride + 1) // 2


def cut_windows(lengths, room, stride):
    """Cut sentences into windows.

    Args:
        lengths: int64 tf.RaggedTensor [sentences, (words)]: pieces of each word, 1 or more; where a sentence has more pieces than
            `room`, no word has more than longest_word(room, stride).
        room: pieces of a window at most.
        stride: pieces from the start of a window to that of the next; less than room.
    Returns: Windows. A sentence that has room in one is one window; one without words is an empty window.
    Source: the choice among windows is Devlin's "maximum context" (google-research/bert run_squad.py, _check_is_max_context): the
        larger of the lesser contexts, left and right; the first of equals.
    """
    ends = tf.cumsum(lengths.values)  # of each word, in pieces through all sentences
    firsts = ends - lengths.values
    pieces = ragged.sums(lengths)  # (S)
    bases = tf.cumsum(pieces, exclusive=True)
    counts = tf.where(pieces <= room, tf.ones_like(pieces), (pieces - room + stride - 1) // stride + 1)
    sentence = ragged.repeated(counts)  # of each window
    number = tf.ragged.range(counts).values
    of = tf.gather(pieces, sentence)
    is_last = number == tf.gather(counts, sentence) - 1
    nominal = tf.gather(bases, sentence) + tf.where(is_last, tf.maximum(of - room, 0), number * stride)
    # A window begins at a word: the one that holds its first piece; the last window, which must reach the end, at the next.
    word = tf.where(is_last, tf.searchsorted(firsts, nominal, "left"), tf.searchsorted(firsts, nominal, "right") - 1)
    word = tf.cast(word, tf.int64)
    stop = tf.gather(bases, sentence) + of
    bounds = tf.concat([[0], ends], axis=0)
    starts = tf.gather(bounds, word)
    limits = tf.minimum(starts + room, stop)
    last_word = tf.cast(tf.searchsorted(ends, limits, "right"), tf.int64)  # the first that is not whole in the window
    last_word = tf.maximum(last_word, word)
    limits = tf.gather(bounds, last_word)
    return Windows(tf.cast(counts, tf.int32), starts, limits, _read_from(word, last_word, starts, limits, firsts, ends))


def _read_from(first_word, last_word, starts, limits, firsts, ends):
    """The words that each window is asked about. Returns: int64 tf.RaggedTensor [windows, (words)]."""
    held = tf.ragged.range(first_word, last_word)  # (windows, (words))
    window, words = ragged.row_ids(held), held.values
    context = tf.minimum(tf.gather(firsts, words) - tf.gather(starts, window), tf.gather(limits, window) - tf.gather(ends, words))
    count = tf.size(firsts, tf.int64)
    most = tf.math.unsorted_segment_max(context, words, count)
    is_best = context == tf.gather(most, words)
    first_best = tf.math.unsorted_segment_min(tf.where(is_best, window, tf.int64.max), words, count)
    return ragged.masked(held, tf.gather(first_best, words) == window)
