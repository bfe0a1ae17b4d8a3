"""Windows of long contexts, by hand and against google-research's loops, written anew."""

import numpy as np
import tensorflow as tf

from keras_bert.preprocessing.context_windows import cut_contexts, sees_most


def windows_of(length, room, stride):
    """[(start, limit)] as convert_examples_to_features makes them; one without pieces where there are none."""
    spans, start = [], 0
    while True:
        limit = min(start + room, length)
        spans.append((start, limit))
        if limit == length:
            return spans
        start += stride


def best_window(spans, piece):
    """_check_is_max_context: which window a piece is read from."""
    best, best_score = None, None
    for index, (start, limit) in enumerate(spans):
        if start <= piece < limit:
            score = min(piece - start, limit - 1 - piece) + 0.01 * (limit - start)
            if best_score is None or score > best_score:
                best, best_score = index, score
    return best


def test_a_context_by_hand():
    """10 pieces, room for 4, every 2: 0123 2345 4567 6789. Piece 2 has 1 beside it in the first window and 0 in the second."""
    windows = cut_contexts(tf.constant([10, 0, 4], tf.int64), tf.constant([4, 4, 4], tf.int64), 2)
    assert windows.counts.numpy().tolist() == [4, 1, 1]
    assert windows.starts.numpy().tolist() == [0, 2, 4, 6, 0, 0] and windows.limits.numpy().tolist() == [4, 6, 8, 10, 0, 4]
    assert windows.examples.numpy().tolist() == [0, 0, 0, 0, 1, 2]
    assert sees_most(windows, tf.constant([10, 0, 4], tf.int64)).to_list() == [
        [True, True, True, False],  # 0 1 2
        [False, True, True, False],  # 3 4
        [False, True, True, False],  # 5 6
        [False, True, True, True],  # 7 8 9
        [],
        [True] * 4,
    ]


def test_windows_are_google_research_s():
    generator = np.random.default_rng(0)
    cut = tf.function(cut_contexts, reduce_retracing=True)
    for round_ in range(21):
        stride = int(generator.integers(1, 9))
        lengths = generator.integers(0, 60, 5)
        rooms = stride + generator.integers(1, 12, 5)
        windows = (cut if round_ % 10 == 0 else cut_contexts)(tf.constant(lengths), tf.constant(rooms), tf.constant(stride, tf.int64))
        reads = sees_most(windows, tf.constant(lengths)).to_list()
        place = 0
        for length, room, count in zip(lengths.tolist(), rooms.tolist(), windows.counts.numpy().tolist(), strict=True):
            spans = windows_of(length, room, stride)
            slices = slice(place, place + count)
            assert list(zip(windows.starts.numpy()[slices].tolist(), windows.limits.numpy()[slices].tolist(), strict=True)) == spans
            for index, (start, limit) in enumerate(spans):
                assert reads[place + index] == [best_window(spans, piece) == index for piece in range(start, limit)]
            place += count
        assert place == len(reads)
