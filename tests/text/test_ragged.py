"""Ragged rows, against TensorFlow's own methods."""

import numpy as np
import pytest
import tensorflow as tf

from keras_bert.text import ragged


def rows_of(lengths, seed=0):
    values = np.random.default_rng(seed).integers(0, 9, sum(lengths)).astype("int32")
    return tf.RaggedTensor.from_row_lengths(values, tf.constant(lengths, tf.int64))


def operations(function, *arguments):
    graph = tf.function(function, autograph=False).get_concrete_function(*arguments).graph.as_graph_def()
    return len(graph.node) + sum(len(each.node_def) for each in graph.library.function)


def equal(ours, theirs):
    theirs = theirs.to_list() if isinstance(theirs, tf.RaggedTensor) else theirs.numpy().tolist()
    ours = ours.to_list() if isinstance(ours, tf.RaggedTensor) else ours.numpy().tolist()
    assert ours == theirs


LENGTHS = [[], [0], [3], [0, 0], [2, 0, 3], [0, 1, 0, 0, 4, 0], [1, 2, 3, 4, 5]]


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_each_gives_what_tensorflow_s_gives(lengths):
    rows, counts = rows_of(lengths), tf.constant(lengths, tf.int64)
    equal(ragged.row_ids(rows), rows.value_rowids())
    equal(ragged.from_lengths(rows.values, counts), rows)
    equal(ragged.from_splits(rows.values, rows.row_splits), rows)
    equal(ragged.repeated(tf.cast(counts, tf.int32)), tf.repeat(tf.range(len(lengths)), counts))
    equal(ragged.sums(rows), tf.reduce_sum(rows, axis=1))
    keep = rows.values % 2 == 0
    equal(ragged.masked(rows, keep), tf.ragged.boolean_mask(rows, rows.with_values(keep)))
    equal(ragged.first_of_rows(rows, tf.minimum(counts, 2)), rows[:, :2])
    strings = rows.with_values(tf.strings.as_string(rows.values))
    equal(ragged.joined(strings), tf.strings.reduce_join(strings, axis=1))
    column = tf.RaggedTensor.from_uniform_row_length(tf.fill([len(lengths)], 7), 1, nrows=len(lengths))
    equal(ragged.column(7, rows.nrows()), column)
    other = rows_of(lengths[::-1], seed=1)
    equal(ragged.side_by_side(column, rows, other), tf.concat([column, rows, other], axis=1))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_rows_of_rows(lengths):
    inner = rows_of([number % 3 for number in range(sum(lengths))])
    rows = tf.RaggedTensor.from_row_lengths(inner, tf.constant(lengths, tf.int64))
    equal(ragged.merged(rows), rows.merge_dims(1, 2))
    equal(ragged.row_ids(rows), rows.value_rowids())
    keep = np.arange(sum(lengths)) % 2 == 0
    equal(ragged.masked(rows, tf.constant(keep, tf.bool)), tf.ragged.boolean_mask(rows, rows.with_values(tf.constant(keep, tf.bool))))


def test_they_take_half_the_operations_or_fewer():
    rows = rows_of([2, 0, 3])
    assert operations(ragged.row_ids, rows) * 2 < operations(lambda each: each.value_rowids(), rows)
    assert operations(ragged.sums, rows) * 2 < operations(lambda each: tf.reduce_sum(each, axis=1), rows)
    masks = ragged.masked, lambda each, keep: tf.ragged.boolean_mask(each, each.with_values(keep))
    ours, theirs = (operations(lambda each, function=function: function(each, each.values > 2), rows) for function in masks)
    assert ours * 2 < theirs
