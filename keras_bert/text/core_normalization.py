"""Normalizer in TensorFlow's own ops, for servers without tensorflow-text: accents are stripped by table look-ups."""

import functools
import sys
import unicodedata
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_bert.text import ragged
from keras_bert.text.normalization import Normalizer

_ASCII = r"[\x00-\x7F]*"
_CLASSES = 256  # of canonical combining classes, 0 to 254


def core_normalizer(normalizer):
    """The twin of a Normalizer in TensorFlow's own ops. Returns: Normalizer; the same one where it has no other ops."""
    if not normalizer.strip_accents:
        return normalizer
    return CoreNormalizer(lower_case=normalizer.lower_case, strip_accents=True)


class CoreNormalizer(Normalizer):
    """A Normalizer that strips accents by a table of what each code point leaves, made by the ops whose place it takes.

    Where they follow one another, the few marks that are no accents (of Hangul, of music) change places as NFD has it.
    """

    def _without_accents(self, strings):
        ascii_only = tf.reduce_all(tf.strings.regex_full_match(strings, _ASCII))
        return tf.cond(ascii_only, lambda: strings, lambda: tf.reshape(_decomposed(tf.reshape(strings, [-1])), tf.shape(strings)))


class _Decompositions(NamedTuple):
    """What code points leave that change: NFD without \\p{Mn}; sorted by code point."""

    code_points: np.ndarray  # int32 [changed]
    starts: np.ndarray  # int32 [changed]: where in `results` those of the code point begin
    lengths: np.ndarray  # int32 [changed]
    results: np.ndarray  # int32
    marks: np.ndarray  # int32: code points that stay and have a combining class, sorted
    mark_classes: np.ndarray  # int32, of these, then 0


def _decomposed(strings):
    """Args, Returns: string tensor [batch]."""
    code_points = tf.strings.unicode_decode(strings, "UTF-8", errors="ignore")
    points, table = code_points.values, _Decompositions(*map(tf.constant, _decompositions()))
    place = tf.minimum(tf.searchsorted(table.code_points, points), tf.size(table.code_points) - 1)
    changes = tf.gather(table.code_points, place) == points
    # One source of code points: the table's results, and behind them the text itself, for what stays.
    itself = tf.size(table.results) + tf.range(tf.size(points))
    starts = tf.where(changes, tf.gather(table.starts, place), itself)
    lengths = tf.where(changes, tf.gather(table.lengths, place), 1)
    results = tf.gather(tf.concat([table.results, points], axis=0), tf.ragged.range(starts, starts + lengths).values)
    row_splits = tf.gather(tf.concat([[0], tf.cumsum(lengths)], axis=0), code_points.row_splits)
    classes = tf.gather(table.mark_classes, _place_among(table.marks, results))
    results = tf.cond(tf.reduce_any(classes > 0), lambda: _ordered(results, classes, row_splits), lambda: results)
    return tf.strings.unicode_encode(ragged.from_splits(results, tf.cast(row_splits, tf.int64)), "UTF-8")


def _place_among(marks, code_points):
    """Where code points stand in a sorted array; its length where they do not."""
    place = tf.searchsorted(marks, code_points)
    there = tf.gather(marks, tf.minimum(place, tf.size(marks) - 1)) == code_points
    return tf.where(there, place, tf.size(marks))


def _ordered(code_points, classes, row_splits):
    """Sort marks that follow one another by class; what has class 0 stays and parts them, and so does the end of a row."""
    row_ends = tf.scatter_nd(row_splits[:, None], tf.ones_like(row_splits), [tf.size(code_points) + 1])[:-1]
    group = tf.cumsum(tf.cast(classes == 0, tf.int32) + row_ends)
    order = tf.argsort(tf.cast(group, tf.int64) * _CLASSES + tf.cast(classes, tf.int64), stable=True)
    return tf.gather(code_points, order)


@functools.lru_cache(maxsize=1)
def _decompositions():
    points = np.array([point for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF], "int32")
    with tf.init_scope():  # once and for all, not in the graph that is being traced
        singles = tf.strings.unicode_encode(points[:, None], "UTF-8")
        left = Normalizer(lower_case=False, strip_accents=True)._without_accents(singles)
        changed = (left != singles).numpy()
        results = tf.strings.unicode_decode(left[changed], "UTF-8")
        starts, lengths = results.row_starts().numpy().astype("int32"), results.row_lengths().numpy().astype("int32")
    marks = [(point, unicodedata.combining(chr(point))) for point in points[~changed].tolist() if unicodedata.combining(chr(point))]
    marks, mark_classes = np.array(marks, "int32").T
    return _Decompositions(points[changed], starts, lengths, results.values.numpy(), marks, np.append(mark_classes, np.int32(0)))
