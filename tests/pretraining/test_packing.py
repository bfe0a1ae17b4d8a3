import numpy as np
import pytest

from keras_bert.pretraining import pack_first_fit


def test_each_example_goes_to_the_first_row_with_room():
    assert pack_first_fit([90, 60, 30, 40, 38], 128) == [[0, 2], [1, 3], [4]]


def test_when_too_many_rows_are_open_the_fullest_is_closed():
    # With one open row the row of 60 is closed for that of 100, and gets no more.
    assert pack_first_fit([60, 100, 60, 20], 128, open_rows=1) == [[0], [1], [2, 3]]
    assert pack_first_fit([60, 100, 90, 60], 128, open_rows=3) == [[0, 3], [1], [2]]
    # The row of 100 is the fullest: that of 60 is still open.
    assert pack_first_fit([60, 100, 90, 50], 128, open_rows=2) == [[0, 3], [1], [2]]


def test_no_row_is_too_long_and_every_example_is_in_one():
    lengths = np.random.default_rng(0).integers(5, 129, 5000)
    rows = pack_first_fit(lengths, 128)
    assert sorted(example for row in rows for example in row) == list(range(5000))
    assert max(lengths[row].sum() for row in rows) <= 128
    assert len(rows) * 128 < 1.04 * lengths.sum() + 128 * 256


def test_an_example_longer_than_a_row_is_an_error():
    with pytest.raises(ValueError, match="example 1 of 129 tokens is longer than row_length=128"):
        pack_first_fit([1, 129], 128)
