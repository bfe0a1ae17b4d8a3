import numpy as np
import pytest
import tensorflow as tf

from keras_bert.data import batch_by_length, batch_by_tokens, count_batches, cut_by_tokens, with_lengths
from keras_bert.data.batching import byte_lengths

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


LENGTHS = [8 * (1 + 5 * index % 7) for index in range(100)]  # 8 to 56


def with_known_lengths():
    return tf.data.Dataset.from_tensor_slices(((TEXTS, tf.range(100)), LENGTHS))


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"shuffle": True, "seed": 3}, {"window_examples": 30}], ids=str)
@pytest.mark.parametrize("max_tokens", [56, 100, 1000, 10_000])
def test_no_batch_is_over_its_budget_and_every_example_comes_once(max_tokens, options):
    batches = [ids.numpy().tolist() for _, ids in batch_by_tokens(with_known_lengths(), max_tokens, **options)]
    assert all(len(ids) * max(LENGTHS[number] for number in ids) <= max_tokens for ids in batches)
    assert sorted(number for ids in batches for number in ids) == list(range(100))
    for texts, ids in batch_by_tokens(with_known_lengths(), max_tokens, **options):
        assert texts.numpy().tolist() == [TEXTS[number] for number in ids.numpy()]


def test_batches_are_cut_as_the_docs_show():
    dataset = tf.data.Dataset.from_tensor_slices((["a", "b", "c", "d", "e"], [8, 8, 16, 8, 8]))
    assert [batch.tolist() for batch in batch_by_tokens(dataset, 32).as_numpy_iterator()] == [[b"c", b"a"], [b"b", b"d", b"e"]]


def test_the_longest_length_alone_gives_the_rows_but_for_the_last_batch():
    batches = [ids.numpy().tolist() for _, ids in batch_by_tokens(with_known_lengths(), 128)]
    assert [len(ids) for ids in batches[:-1]] == [128 // max(LENGTHS[number] for number in ids) for ids in batches[:-1]]
    assert len(batches) == count_batches(LENGTHS, 128)


@pytest.mark.parametrize(("least_saved", "starts"), [(None, [0]), (2015, [0, 1]), (2016, [0])])
def test_a_batch_ends_early_where_that_saves_enough_padding(least_saved, starts):
    lengths = np.array([512, 8, 8, 8, 8])  # 4 rows of 504 slots of padding each
    assert cut_by_tokens(lengths, 4096, least_saved=least_saved) == starts


def test_cuts_of_mixed_lengths_are_near_the_best_of_all():
    rng = np.random.default_rng(0)
    cost = 256

    def cost_of(lengths, starts):
        slots = [(end - start) * lengths[start] for start, end in zip(starts, [*starts[1:], len(lengths)], strict=True)]
        assert max(slots) <= 4096
        return sum(slots) + cost * len(slots)

    for _ in range(20):
        lengths = np.sort(np.where(rng.random(40) < 0.25, 512, rng.integers(1, 64, 40)))[::-1]
        best = [0]  # for so many of the shortest texts
        for count in range(1, 41):
            rows = min(4096 // lengths[40 - count], count)
            best.append(min(used * lengths[40 - count] + cost + best[count - used] for used in range(1, rows + 1)))
        found, full = (cost_of(lengths, cut_by_tokens(lengths, 4096, least_saved=saved)) for saved in (cost, None))
        assert best[-1] <= found <= min(1.05 * best[-1], full)


def test_budgeted_batches_are_shuffled_anew_unless_seeded():
    def epochs(**options):
        batches = batch_by_tokens(with_known_lengths(), 64, shuffle=True, **options)
        return [[ids.numpy().tolist() for _, ids in batches] for _ in range(2)]

    first, second = epochs()
    assert first != second and sorted(first) == sorted(second)
    first, second = epochs(seed=3)
    assert first == second == epochs(seed=3)[0] != epochs(seed=4)[0]


def test_what_is_longer_than_the_budget_is_a_batch_of_its_own():
    """As a document of many rows may be."""
    batches = [ids.numpy().tolist() for _, ids in batch_by_tokens(with_known_lengths(), 20)]
    assert sorted(number for ids in batches for number in ids) == list(range(100)) and max(LENGTHS) > 20
    assert all(len(ids) == 1 or len(ids) * max(LENGTHS[number] for number in ids) <= 20 for ids in batches)


@pytest.mark.parametrize("element", ["text", "labelled", "pair"])
def test_lengths_stand_beside_their_examples(element):
    x = tf.data.Dataset.from_tensor_slices(TEXTS[:10])
    dataset = {"text": x, "labelled": tf.data.Dataset.zip(x, x), "pair": x.map(lambda text: ((text, text),))}[element]
    measured = with_lengths(dataset, byte_lengths, examples_at_once=3)
    assert int(measured.cardinality()) == 10
    assert measured.element_spec[0] == dataset.element_spec
    lengths = [length for _, length in measured.as_numpy_iterator()]
    assert lengths == [len(text) * (2 if element == "pair" else 1) for text in TEXTS[:10]]
