"""Batches of texts of like length, so that little is padding."""

import tensorflow as tf

# Batches sorted together. 50 leaves enough chance in what meets in a batch; Transformers' group_by_length takes 50 too.
WINDOW_BATCHES = 50


def byte_lengths(x):
    """Bytes of each example, those of both texts for a pair. Args: x: text, (text, text_pair) or a dict of them. Returns: int32 [batch]."""
    return tf.add_n([tf.strings.length(column) for column in tf.nest.flatten(x)])


def batch_by_length(dataset, batch_size, *, lengths=byte_lengths, shuffle=False, window_batches=WINDOW_BATCHES):
    """Batch texts with others of like length.

    Examples are taken in the order given, a window at a time; each window is sorted, longest first, and cut into batches.

    Args:
        dataset: unbatched tf.data.Dataset whose element is text or (x, ...) with x as text, (text, text_pair) or a dict of them.
        batch_size: examples of a batch; the last one may hold fewer.
        lengths: x of a window -> int [batch] to sort by, in TensorFlow ops.
        shuffle: give the batches in random order, within about a window, anew each epoch; False: longest first.
        window_batches: batches of a window.
    Returns: tf.data.Dataset of batches; its cardinality is known where that of `dataset` is.
    """

    @tf.autograph.experimental.do_not_convert
    def sort_and_cut(*window):
        x = window[0] if isinstance(dataset.element_spec, tuple) else window
        order = tf.argsort(lengths(x), direction="DESCENDING", stable=True)
        window = tf.nest.map_structure(lambda column: tf.gather(column, order), window)
        return tf.data.Dataset.from_tensor_slices(window if isinstance(dataset.element_spec, tuple) else window[0]).batch(batch_size)

    batches = dataset.batch(batch_size * window_batches).flat_map(sort_and_cut)
    if shuffle:
        batches = batches.shuffle(window_batches)
    examples = int(dataset.cardinality())
    if examples == tf.data.UNKNOWN_CARDINALITY:
        return batches
    count = examples if examples == tf.data.INFINITE_CARDINALITY else -(-examples // batch_size)
    return batches.apply(tf.data.experimental.assert_cardinality(count))
