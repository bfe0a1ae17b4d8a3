"""Batches of texts of like length, so that little is padding."""

import tensorflow as tf

# Batches sorted together. 50 leaves enough chance in what meets in a batch; Transformers' group_by_length takes 50 too.
WINDOW_BATCHES = 50


def byte_lengths(x):
    """Bytes of each example, those of both texts for a pair. Args: x: text, (text, text_pair) or a dict of them. Returns: int32 [batch]."""
    return tf.add_n([tf.strings.length(column) for column in tf.nest.flatten(x)])


def batch_by_length(dataset, batch_size, *, lengths=byte_lengths, shuffle=False, seed=None, window_batches=WINDOW_BATCHES):
    """Batch texts with others of like length.

    Examples are taken in the order given, a window at a time; each window is sorted, longest first, and cut into batches.

    Args:
        dataset: unbatched tf.data.Dataset whose element is text or (x, ...) with x as text, (text, text_pair) or a dict of them.
        batch_size: examples of a batch; the last one may hold fewer.
        lengths: x of a window -> int [batch] to sort by, in TensorFlow ops.
        shuffle: give the batches in random order, within about a window, anew each epoch; False: longest first.
        seed: int or int64 scalar of the random order, within each window, which then is the same in every epoch and run.
        window_batches: batches of a window.
    Returns: tf.data.Dataset of batches; its cardinality is known where that of `dataset` is.
    """

    is_tuple = isinstance(dataset.element_spec, tuple)

    @tf.autograph.experimental.do_not_convert
    def sort_and_cut(number, window):
        order = tf.argsort(lengths(window[0] if is_tuple else window), direction="DESCENDING", stable=True)
        window = tf.nest.map_structure(lambda column: tf.gather(column, order), window)
        if seed is None or not shuffle:
            return tf.data.Dataset.from_tensor_slices(window).batch(batch_size)
        # By stateless operations: the seed of tf.data's own shuffle cannot be a tensor where the global seed is 0.
        starts = tf.range(0, tf.shape(order)[0], batch_size)
        starts = tf.random.experimental.stateless_shuffle(starts, [tf.cast(seed, tf.int64), number])
        return tf.data.Dataset.from_tensor_slices(starts).map(
            lambda start: tf.nest.map_structure(lambda column: column[start : start + batch_size], window)
        )

    batches = dataset.batch(batch_size * window_batches).enumerate().flat_map(sort_and_cut)
    if shuffle and seed is None:
        batches = batches.shuffle(window_batches)
    examples = tf.get_static_value(dataset.cardinality())
    if examples is None or examples == tf.data.UNKNOWN_CARDINALITY:  # None: inside another dataset's function
        return batches
    examples = int(examples)
    count = examples if examples == tf.data.INFINITE_CARDINALITY else -(-examples // batch_size)
    return batches.apply(tf.data.experimental.assert_cardinality(count))
