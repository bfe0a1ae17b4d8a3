import tensorflow as tf

from keras_bert.data import batch_by_length

TEXTS = [("x" * (7 * index % 100)).encode() for index in range(100)]


def dataset():
    return tf.data.Dataset.from_tensor_slices((TEXTS, tf.range(100)))


def test_every_example_comes_once_with_its_label():
    for shuffle in (False, True):
        pairs = [
            pair for texts, ids in batch_by_length(dataset(), 8, shuffle=shuffle) for pair in zip(texts.numpy(), ids.numpy(), strict=True)
        ]
        assert sorted(pairs, key=lambda pair: pair[1]) == list(zip(TEXTS, range(100), strict=True))


def test_batches_are_full_but_the_last_and_counted():
    batches = batch_by_length(dataset(), 8, window_batches=2)
    assert [len(ids) for _, ids in batches] == [8] * 12 + [4]
    assert int(batches.cardinality()) == 13


def test_a_batch_holds_texts_of_like_length():
    spreads = [
        int(tf.reduce_max(size) - tf.reduce_min(size)) for size in (tf.strings.length(texts) for texts, _ in batch_by_length(dataset(), 10))
    ]
    assert spreads == [9] * 10  # the lengths are 0 to 99, each once: the least possible


def test_shuffled_batches_come_in_another_order_each_epoch():
    batches = batch_by_length(dataset(), 10, shuffle=True)
    first, second = ([int(ids[0]) for _, ids in batches] for _ in range(2))
    assert first != second and sorted(first) == sorted(second)


def test_elements_of_text_alone_and_of_pairs():
    alone = list(batch_by_length(tf.data.Dataset.from_tensor_slices(TEXTS), 50))
    assert len(alone) == 2 and alone[0].shape == (50,)
    pairs = tf.data.Dataset.from_tensor_slices(((["a", "bbb", ""], ["", "", "cc"]), [0, 1, 2]))
    ((_, ids),) = batch_by_length(pairs, 3)
    assert ids.numpy().tolist() == [1, 2, 0]


def test_lengths_may_be_given():
    batches = batch_by_length(dataset(), 100, lengths=lambda texts: -tf.strings.length(texts))
    ((texts, _),) = batches
    assert texts[0].numpy() == b""
