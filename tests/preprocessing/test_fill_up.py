"""Blank rows behind those of examples that are several: how many, and what they are."""

import pytest
import tensorflow as tf

from keras_bert.preprocessing import fill_up


@pytest.mark.parametrize(
    ("rows", "examples", "filled"),
    [(16, 4, 16), (17, 16, 18), (32, 16, 32), (33, 16, 36), (65, 16, 72), (130, 16, 144), (5, 3, 5), (100, 100, 100), (1030, 9, 1152)],
)
def test_the_number_of_rows_is_rounded_up_by_an_eighth_at_most(rows, examples, filled):
    batch = ({"input_ids": tf.ones([rows, 3], tf.int32)}, tf.ones([rows, 3], tf.int32), tf.ones([rows]))
    inputs, targets, weights = tf.function(fill_up)(batch, tf.constant(examples))
    assert [part.shape[0] for part in (inputs["input_ids"], targets, weights)] == [filled] * 3
    assert int(tf.reduce_sum(inputs["input_ids"])) == 3 * rows  # what is behind is 0
    assert int(tf.reduce_sum(weights)) == rows
    assert filled <= rows * 9 / 8
