import pytest
import tensorflow as tf

from keras_bert.data import batch_by_length, endless_batches

TEXTS = ["a" * (number % 13) for number in range(100)]


def taken(dataset, number):
    return [batch.tolist() for batch in dataset.take(number).as_numpy_iterator()]


@pytest.fixture(params=["plain", "by_length"])
def dataset_fn(request):
    examples = tf.data.Dataset.from_tensor_slices([f"{text}{number:03}" for number, text in enumerate(TEXTS)])
    by_length = lambda dataset, seed: batch_by_length(dataset, 8, shuffle=True, seed=seed, window_batches=3)  # noqa: E731
    return endless_batches(examples, 8, seed=3, make_batches=by_length if request.param == "by_length" else None)


@pytest.mark.parametrize("global_seed", [0, 7])
def test_it_begins_anywhere_whatever_the_global_seed(dataset_fn, global_seed):
    tf.random.set_seed(global_seed)
    batches = taken(dataset_fn(0), 40)
    for start in (1, 12, 13, 14, 26, 33):  # 13 batches an epoch
        assert taken(dataset_fn(start), 40 - start) == batches[start:]


def test_each_epoch_has_every_example_once_in_an_order_of_its_own(dataset_fn):
    batches = taken(dataset_fn(0), 26)
    first, second = ([text for batch in batches[start : start + 13] for text in batch] for start in (0, 13))
    assert sorted(first) == sorted(second)
    assert len(set(first)) == 100
    assert first != second


def test_the_seed_decides_the_order():
    examples = tf.data.Dataset.range(50)
    orders = [taken(endless_batches(examples, 50, seed=seed)(0), 1) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_without_shuffling_the_order_stays():
    assert taken(endless_batches(tf.data.Dataset.range(5), 3, seed=0, shuffle=False)(1), 3) == [[3, 4], [0, 1, 2], [3, 4]]


def test_examples_without_a_known_number_are_told():
    with pytest.raises(ValueError, match="cardinality -2; a resumable run wants a known number"):
        endless_batches(tf.data.Dataset.range(5).filter(lambda number: number > 2), 3, seed=0)


def test_batches_by_length_hold_like_lengths_in_any_order():
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    batches = taken(batch_by_length(dataset, 10, shuffle=True, seed=5), 10)
    lengths = [[len(text) for text in batch] for batch in batches]
    assert max(max(batch) - min(batch) for batch in lengths) <= 2
    assert [max(batch) for batch in lengths] != sorted((max(batch) for batch in lengths), reverse=True)
