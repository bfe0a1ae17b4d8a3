"""Windows of long sentences, against what their definition says, word by word."""

import functools
import operator

import numpy as np
import pytest
import tensorflow as tf

from keras_bert.preprocessing.windows import cut_windows, longest_word


def contexts(firsts, word, spans):
    """What each window sees around a word, in pieces: the lesser side; -1 where it does not hold it whole."""
    start, end = firsts[word], firsts[word + 1]
    return [min(start - first, last - end) if first <= start and end <= last else -1 for first, last in spans]


@pytest.mark.parametrize("in_graph", [False, True])
def test_every_word_is_read_once_from_the_window_that_sees_most_around_it(in_graph):
    generator = np.random.default_rng(0)
    cut = tf.function(cut_windows, reduce_retracing=True) if in_graph else cut_windows
    several = 0
    for _ in range(10 if in_graph else 150):
        room = int(generator.integers(4, 20))
        stride = int(generator.integers(1, room))
        sentences = [generator.integers(1, 6, generator.integers(0, 40)) for _ in range(generator.integers(1, 5))]
        sentences = [np.minimum(each, longest_word(room, stride)) if each.sum() > room else each for each in sentences]
        lengths = tf.RaggedTensor.from_row_lengths(np.concatenate(sentences), [len(each) for each in sentences])
        windows = cut(lengths, room, stride)
        of_windows = windows.words.to_list()
        firsts = np.concatenate([[0], np.cumsum(np.concatenate(sentences))])
        assert functools.reduce(operator.iadd, of_windows, []) == list(range(len(firsts) - 1))
        window = word = 0
        for sentence, count in zip(sentences, windows.counts.numpy(), strict=True):
            several += count > 1
            spans = [(int(windows.starts[index]), int(windows.limits[index])) for index in range(window, window + count)]
            assert spans[0][0] == firsts[word] and spans[-1][1] == firsts[word + len(sentence)]
            assert all(last - first <= room and {first, last} <= set(firsts.tolist()) for first, last in spans)
            for index in range(word, word + len(sentence)):
                (own,) = (number for number in range(count) if index in of_windows[window + number])
                seen = contexts(firsts, index, spans)
                assert seen[own] >= 0 and own == int(np.argmax(seen))
            window, word = window + count, word + len(sentence)
        assert window == len(of_windows)
    assert several > 5
