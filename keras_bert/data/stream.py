"""Batches without end, that can be begun anywhere: what a run needs to go on exactly where it was killed."""

import tensorflow as tf


def endless_batches(examples, batch_size=None, *, seed, make_batches=None, batches_an_epoch=None, shuffle=True):
    """Epoch after epoch of batches; each epoch in another order, which its number and the seed alone decide.

        dataset_fn = endless_batches(examples, 32, seed=0)
        dataset_fn(0)       # from the beginning
        dataset_fn(1000)    # the same batches without the first 1,000; those of their epoch are passed over, none before it

    Args:
        examples: unbatched tf.data.Dataset of known cardinality, in a fixed order.
        batch_size: examples of a batch; the last one of an epoch may hold fewer.
        seed: int.
        make_batches: (dataset, epoch_seed: int64 scalar) -> dataset of batches_an_epoch batches, a function of its arguments
            alone; None: dataset.batch(batch_size).
        batches_an_epoch: None: ceil(examples / batch_size).
        shuffle: False keeps the order given.
    Returns: dataset_fn, for Trainer.train: number of batches already taken -> tf.data.Dataset without end. Its attribute
        batches_an_epoch tells what a schedule wants to know.
    Raises: ValueError where the number of examples is not known, or is 0.
    """
    count = known_count(examples)
    if batches_an_epoch is None:
        batches_an_epoch = -(-count // batch_size)

    @tf.autograph.experimental.do_not_convert
    def epoch(number):
        # Stateless operations throughout: the seed of tf.data's own shuffle cannot be a tensor where the global seed is 0.
        epoch_seed = tf.random.stateless_uniform([], [seed, number], minval=None, maxval=None, dtype=tf.int64)
        dataset = _shuffled(examples, count, epoch_seed) if shuffle else examples
        return dataset.batch(batch_size) if make_batches is None else make_batches(dataset, epoch_seed)

    def dataset_fn(batches_taken):
        first, passed = divmod(int(batches_taken), batches_an_epoch)
        numbers = tf.data.Dataset.range(first, 2**31 - 1)
        begun = numbers.take(1).flat_map(epoch).skip(passed)
        return begun.concatenate(numbers.skip(1).flat_map(epoch)).apply(
            tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        )

    dataset_fn.batches_an_epoch = batches_an_epoch
    return dataset_fn


def known_count(examples):
    """Examples in a dataset. Returns: int. Raises: ValueError where it does not know their number, or there are none."""
    count = int(examples.cardinality())
    if count <= 0:
        raise ValueError(
            f"the dataset of examples has cardinality {count}; a resumable run wants a known number of them, 1 or more: "
            "dataset.apply(tf.data.experimental.assert_cardinality(number))"
        )
    return count


def _shuffled(examples, count, seed):
    """All examples in another order; they are held in memory, as by a shuffle of them all."""

    @tf.autograph.experimental.do_not_convert
    def shuffle(*columns):
        order = tf.random.experimental.stateless_shuffle(tf.range(count), [seed, 0])
        columns = tf.nest.map_structure(lambda column: tf.gather(column, order), columns)
        return tf.data.Dataset.from_tensor_slices(columns if len(columns) > 1 else columns[0])

    return examples.batch(count).flat_map(shuffle)
