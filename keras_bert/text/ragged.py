"""Ragged rows in few operations.

TensorFlow's methods of the same meaning are built of 50 to 120 operations each, most of them checks; these take half to a tenth of that. A
graph that tokenizes holds dozens of them, and to trace, save, load and start it takes time by the operation, as does an answer to one short
text.
"""

import tensorflow as tf

# All take tf.RaggedTensor [rows, (values)], whose values may be ragged themselves, with int64 splits.


def column(value, rows):
    """Rows of one value. Args: value: int. rows: int64 scalar tensor. Returns: int32 tf.RaggedTensor [rows, (1)]."""
    return from_splits(tf.fill([rows], tf.constant(value, tf.int32)), tf.range(rows + 1))


def from_splits(values, splits):
    """from_row_splits without its checks."""
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


def from_lengths(values, lengths):
    """from_row_lengths without its checks. Args: lengths: integer [rows]."""
    return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)


def row_ids(ragged):
    """The row that each value is in, as value_rowids gives it. Returns: int64 [values]."""
    splits = ragged.row_splits
    places = tf.range(splits[-1])
    found = tf.raw_ops.UpperBound(sorted_inputs=tf.reshape(splits, [1, -1]), values=tf.reshape(places, [1, -1]), out_type=tf.int64)
    return tf.reshape(found, [-1]) - 1


def repeated(counts):
    """The number of each row, as often as it counts: 2, 0, 3 -> 0, 0, 2, 2, 2. Args: counts: integer [rows]. Returns: int64 [sum]."""
    return row_ids(from_lengths(counts, tf.cast(counts, tf.int64)))  # nobody reads its values


def masked(ragged, keep):
    """The values that are kept, row by row, as tf.ragged.boolean_mask gives them. Args: keep: bool [values]. Returns: tf.RaggedTensor."""
    before = tf.concat([[0], tf.cumsum(tf.cast(keep, tf.int64))], axis=0)
    return from_splits(tf.gather(ragged.values, tf.where(keep)[:, 0]), tf.gather(before, ragged.row_splits))


def sums(ragged):
    """The sum of each row, as tf.reduce_sum gives it. Args: ragged: of integers. Returns: [rows]."""
    before = tf.gather(tf.concat([[0], tf.cumsum(ragged.values)], axis=0), ragged.row_splits)
    return before[1:] - before[:-1]


def merged(ragged):
    """Rows of rows to rows, as merge_dims(1, 2) gives them. Args: ragged: [rows, (parts), (values)]. Returns: [rows, (values)]."""
    return from_splits(ragged.values.values, tf.gather(ragged.values.row_splits, ragged.row_splits))


def joined(strings):
    """The strings of each row as one, as tf.strings.reduce_join(strings, axis=1) gives them. Returns: string [rows]."""
    return tf.strings.unsorted_segment_join(strings.values, row_ids(strings), strings.nrows())


def first_of_rows(ragged, counts):
    """The first values of each row. Args: counts: int64 [rows], none above the row's length. Returns: tf.RaggedTensor."""
    starts = ragged.row_starts()
    splits, places = tf.raw_ops.RaggedRange(starts=starts, limits=starts + counts, deltas=tf.constant(1, tf.int64))
    return from_splits(tf.gather(ragged.values, places), splits)


def side_by_side(*parts):
    """Rows behind rows, as tf.concat(parts, axis=1) gives them. Args: parts: of one dtype, of flat values. Returns: tf.RaggedTensor."""
    splits = tf.add_n([part.row_splits for part in parts])
    starts, places = tf.cast(splits[:-1], tf.int32), []
    for part in parts:
        limits = starts + tf.cast(part.row_lengths(), tf.int32)
        places.append(tf.raw_ops.RaggedRange(starts=starts, limits=limits, deltas=tf.constant(1))[1])
        starts = limits
    return from_splits(tf.dynamic_stitch(places, [part.values for part in parts]), splits)
