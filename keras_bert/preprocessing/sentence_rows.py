"""Documents of whole sentences in rows that do not overlap.

    tokens of the sentences    5 9 4 8 6     rows of 16 tokens: 5 9 | 4 8 | (8) 6

Each sentence is scored in one row, the first that has room for it. The last row of several begins as early as it has room for, so that its
sentences are read behind those before them. Core TensorFlow operations, of a whole batch at once.
"""

from typing import NamedTuple

import tensorflow as tf

from keras_bert.text import ragged


class SentenceRows(NamedTuple):
    """Rows of all documents, one after the other.

    Args:
        counts: int32 [documents], rows of each, 1 or more.
        begins, limits: int64 [rows], sentences of a row, numbered through all documents, from begin (included) to limit (not).
        firsts: int64 [rows], the first of them that is scored in this row: begin, but for the last row of several.
    """

    counts: tf.Tensor
    begins: tf.Tensor
    limits: tf.Tensor
    firsts: tf.Tensor


def cut_documents(lengths, most):
    """Put sentences into rows.

    Args: lengths: int64 tf.RaggedTensor [documents, (sentences)], tokens of each, `most` at most; no document is without a sentence.
        most: tokens of a row.
    Returns: SentenceRows.
    """
    ends = tf.cumsum(lengths.values)
    starts = ends - lengths.values
    last = lengths.row_limits()
    fits = tf.cast(tf.searchsorted(ends, starts + most, "right"), tf.int64)
    limits = tf.minimum(fits, tf.gather(last, ragged.row_ids(lengths)))  # of a row that would begin at each sentence
    is_first = tf.zeros_like(starts, tf.bool)

    def mark(place, is_first):
        left = tf.boolean_mask(place, place < last)
        is_first = tf.tensor_scatter_nd_update(is_first, left[:, None], tf.ones_like(left, tf.bool))
        return tf.where(place < last, tf.gather(limits, tf.minimum(place, tf.size(limits, tf.int64) - 1)), place), is_first

    shapes = {"shape_invariants": (last.shape, is_first.shape), "parallel_iterations": 1}
    _, is_first = tf.while_loop(lambda place, _: tf.reduce_any(place < last), mark, (lengths.row_starts(), is_first), **shapes)
    firsts = tf.where(is_first)[:, 0]
    documents = tf.gather(ragged.row_ids(lengths), firsts)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(firsts, tf.int32), documents, lengths.nrows())
    limits = tf.gather(limits, firsts)
    earliest = tf.cast(tf.searchsorted(starts, tf.gather(ends, limits - 1) - most, "left"), tf.int64)
    earliest = tf.maximum(earliest, tf.gather(lengths.row_starts(), documents))
    begins = tf.where(limits == tf.gather(last, documents), tf.minimum(earliest, firsts), firsts)
    return SentenceRows(counts, begins, limits, firsts)
