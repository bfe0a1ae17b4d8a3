"""Documents in rows beside a loop by hand."""

import random

import tensorflow as tf

from keras_bert.preprocessing.sentence_rows import cut_documents


def by_hand(documents, most):
    counts, rows, base = [], [], 0
    for lengths in documents:
        firsts, start = [], 0
        while start < len(lengths):
            firsts.append(start)
            limit = start
            while limit < len(lengths) and sum(lengths[start : limit + 1]) <= most:
                limit += 1
            start = limit
        limits = [*firsts[1:], len(lengths)]
        begin = firsts[-1]
        while begin > 0 and sum(lengths[begin - 1 :]) <= most:
            begin -= 1
        begins = [*firsts[:-1], begin]
        counts.append(len(firsts))
        rows += [tuple(base + place for place in row) for row in zip(begins, limits, firsts, strict=True)]
        base += len(lengths)
    return counts, rows


def test_rows_hold_whole_sentences_each_scored_once():
    generator = random.Random(0)
    documents = [[5, 9, 4, 8, 6], [16], [2], [16, 2, 16], [8, 8, 8, 8]]
    documents += [[generator.randint(2, 16) for _ in range(generator.randint(1, 20))] for _ in range(40)]
    rows = cut_documents(tf.ragged.constant(documents, tf.int64, row_splits_dtype=tf.int64), 16)
    counts, expected = by_hand(documents, 16)
    assert rows.counts.numpy().tolist() == counts and counts[:5] == [3, 1, 1, 3, 2]
    assert list(zip(*(part.numpy().tolist() for part in rows[1:]), strict=True)) == expected
    assert expected[:3] == [(0, 2, 0), (2, 4, 2), (3, 5, 4)]  # as the module has it
