"""What is kept of long texts, and the rows that they are read in, beside plain Python."""

import numpy as np
import pytest
import tensorflow as tf

from keras_bert.preprocessing.parts import join_windows, pad_parts, padded_lengths, side_by_side, split_parts
from keras_bert.preprocessing.truncation import ends_to_keep, keep_ends, overlapping_rows
from keras_bert.text import BertPacker

LENGTHS = [0, 1, 5, 6, 7, 8, 23, 6, 40]
TEXTS = [list(range(100 * index, 100 * index + length)) for index, length in enumerate(LENGTHS)]
PIECES = tf.ragged.constant(TEXTS, tf.int32)


def test_sun_et_al_keep_the_first_128_and_the_last_382_of_512():
    assert ends_to_keep("head_tail", 512) == (128, 382)
    assert [ends_to_keep(way, 10) for way in ("head", "tail", "head_tail")] == [(8, 0), (0, 8), (2, 6)]


@pytest.mark.parametrize(("head", "tail"), [(6, 0), (0, 6), (2, 4)])
def test_the_ends_of_long_texts_are_kept(head, tail):
    expected = [text if len(text) <= 6 else text[:head] + text[len(text) - tail :] for text in TEXTS]
    for keep in (keep_ends, tf.function(keep_ends)):
        assert keep(PIECES, head, tail).to_list() == expected


def windows_by_hand(text, room, stride, most):
    starts = [0]
    while starts[-1] + room < len(text):
        starts.append(starts[-1] + stride)
    starts = [min(start, max(len(text) - room, 0)) for start in starts[:most]]
    return [text[start : start + room] for start in starts]


@pytest.mark.parametrize(("room", "stride", "most"), [(6, 6, None), (6, 4, None), (6, 1, None), (7, 5, 3)])
def test_windows_overlap_by_the_stride_and_reach_the_end(room, stride, most):
    expected = [windows_by_hand(text, room, stride, most) for text in TEXTS]
    rows, counts = tf.function(overlapping_rows)(PIECES, room, stride, most)
    assert counts.numpy().tolist() == [len(rows) for rows in expected]
    assert rows.to_list() == [row for rows in expected for row in rows]
    if most is None:
        assert all({piece for row in rows for piece in row} == set(text) for rows, text in zip(expected, TEXTS, strict=True))


@pytest.mark.parametrize("multiple", [4, None])
def test_wide_rows_are_split_into_what_the_packer_makes_of_each_window(tiny_tokenizer, multiple):
    packer = BertPacker(tiny_tokenizer, 8, pad_to_multiple_of=multiple)
    pieces = tf.ragged.constant([[5, 6, 7], [], [5, 6, 7, 8, 9, 10, 11, 12]], tf.int32)
    windows, counts = overlapping_rows(pieces, 6, 4)
    tokens = side_by_side(packer.join(windows), counts)
    assert padded_lengths(packer, tokens).numpy().tolist() == ([8, 4, 16] if multiple else [8, 8, 16])
    wide = pad_parts(packer, tokens, parts=3 if multiple is None else None)
    parts = 3 if multiple is None else 2
    assert wide["input_ids"].shape == (3, parts * 8)
    assert wide["part_mask"].numpy().tolist() == [[1, 0, 0][:parts], [1, 0, 0][:parts], [1, 1, 0][:parts]]
    alone = packer.pack_ids(windows)
    places = [0, parts, 2 * parts, 2 * parts + 1]
    for name, part in split_parts(wide).items():
        assert part.shape == (3 * parts, 8)
        np.testing.assert_array_equal(part.numpy()[places], alone[name])
        rest = np.delete(part.numpy(), places, axis=0)
        assert not rest.any()  # [PAD] is 0 here


def test_many_windows_come_in_few_numbers(tiny_tokenizer):
    packer = BertPacker(tiny_tokenizer, 4, pad_to_multiple_of=4)
    expected = {1: 1, 3: 3, 16: 16, 17: 18, 18: 18, 31: 32, 33: 36, 65: 72}
    for count, rounded in expected.items():
        wide = side_by_side(packer.join(tf.ragged.constant([[5]] * count, tf.int32)), tf.constant([count], tf.int64))
        mask = pad_parts(packer, wide, few_shapes=True)["part_mask"].numpy()
        assert mask.tolist() == [[1] * count + [0] * (rounded - count)]


def test_logits_are_joined_over_the_windows_that_there_are():
    outputs, mask = tf.constant([[1.0, -4.0], [3.0, -2.0], [-5.0, 7.0], [9.0, 9.0]]), tf.constant([[1, 1], [1, 0]])
    assert join_windows(outputs, mask, "mean").numpy().tolist() == [[2, -3], [-5, 7]]
    assert join_windows(outputs, mask, "max").numpy().tolist() == [[3, -2], [-5, 7]]
