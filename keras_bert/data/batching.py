"""Batches of texts of like length, so that little is padding."""

import numpy as np
import tensorflow as tf

# Batches sorted together. 50 leaves enough chance in what meets in a batch; Transformers' group_by_length takes 50 too.
WINDOW_BATCHES = 50
# Examples sorted together for a budget of tokens: a window ends with one batch that is not full, so it should hold many.
WINDOW_EXAMPLES = 20_000
# Examples that one thread prepares, tokenizes above all, where a window is to be prepared by several.
CHUNK_EXAMPLES = 1024


def byte_lengths(x):
    """Bytes of each example, those of both texts for a pair. Args: x: text, (text, text_pair) or a dict of them. Returns: int32 [batch]."""
    return tf.add_n([tf.strings.length(column) for column in tf.nest.flatten(x)])


def batch_by_length(
    dataset, batch_size, *, lengths=byte_lengths, prepare=None, take=None, shuffle=False, seed=None, window_batches=WINDOW_BATCHES
):
    """Batch texts with others of like length.

    Examples are taken in the order given, a window at a time; each window is sorted, longest first, and cut into batches.

    Args:
        dataset: unbatched tf.data.Dataset whose element is text or (x, ...) with x as text, (text, text_pair) or a dict of them.
        batch_size: examples of a batch; the last one may hold fewer.
        lengths: x of a window -> int [batch] to sort by, in TensorFlow ops.
        prepare: in place of lengths: a window's elements -> what batches are made of, and int [batch] to sort by.
        take: (what prepare gives, integer [examples]) -> those examples of it; None: a gather of each tensor.
        shuffle: give the batches in random order, within about a window, anew each epoch; False: longest first.
        seed: int or int64 scalar of the random order, within each window, which then is the same in every epoch and run.
        window_batches: batches of a window.
    Returns: tf.data.Dataset of batches; its cardinality is known where that of `dataset` is.
    """
    take = take or _gather
    is_tuple = isinstance(dataset.element_spec, tuple)
    if prepare is None:

        def prepare(*window):
            window = window if is_tuple else window[0]
            return window, lengths(window[0] if is_tuple else window)

    @tf.autograph.experimental.do_not_convert
    def sort_and_cut(number, window):
        elements, by = window
        order = tf.argsort(by, direction="DESCENDING", stable=True)
        starts = tf.range(0, tf.shape(order)[0], batch_size)
        if shuffle and seed is not None:
            # By stateless operations: the seed of tf.data's own shuffle cannot be a tensor where the global seed is 0.
            starts = tf.random.experimental.stateless_shuffle(starts, [tf.cast(seed, tf.int64), number])
        batches = tf.data.Dataset.from_tensor_slices(starts)
        return batches.map(lambda start: take(elements, order[start : start + batch_size]))

    windows = _prepared(dataset, batch_size * window_batches, prepare)
    batches = windows.enumerate().flat_map(sort_and_cut)
    if shuffle and seed is None:
        batches = batches.shuffle(window_batches)
    examples = tf.get_static_value(dataset.cardinality())
    if examples is None or examples == tf.data.UNKNOWN_CARDINALITY:  # None: inside another dataset's function
        return batches
    examples = int(examples)
    count = examples if examples == tf.data.INFINITE_CARDINALITY else -(-examples // batch_size)
    return batches.apply(tf.data.experimental.assert_cardinality(count))


def _gather(elements, places):
    return tf.nest.map_structure(lambda column: tf.gather(column, places), elements)


def _prepared(dataset, examples, prepare):
    """Windows of so many examples, prepared in parallel: in chunks, which are joined, where a window is large."""
    prepare = tf.autograph.experimental.do_not_convert(prepare)
    chunks = -(-examples // CHUNK_EXAMPLES)
    if chunks < 3:
        return dataset.batch(examples).map(prepare, num_parallel_calls=tf.data.AUTOTUNE)

    @tf.autograph.experimental.do_not_convert
    def joined(*window):
        return tf.nest.map_structure(lambda part: part.merge_dims(0, 1), window)

    prepared = dataset.batch(-(-examples // chunks)).map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    return prepared.ragged_batch(chunks).map(joined)


def with_lengths(dataset, lengths, *, examples_at_once=1024):
    """Put each example's length beside it, for batch_by_tokens.

    Args:
        dataset: unbatched tf.data.Dataset whose element is text or (x, ...).
        lengths: x of a batch -> int [batch], the slots that each takes in a batch, in TensorFlow ops.
        examples_at_once: how many `lengths` gets.
    Returns: tf.data.Dataset of (element, length: int32).
    """
    is_tuple = isinstance(dataset.element_spec, tuple)

    @tf.autograph.experimental.do_not_convert
    def measure(*element):
        element = element if is_tuple else element[0]
        return element, tf.cast(lengths(element[0] if is_tuple else element), tf.int32)

    count = dataset.cardinality()
    measured = dataset.batch(examples_at_once).map(measure, num_parallel_calls=tf.data.AUTOTUNE).unbatch()
    return measured.apply(tf.data.experimental.assert_cardinality(count)) if int(count) >= 0 else measured


def batch_by_tokens(dataset, max_tokens, *, prepare=None, take=None, shuffle=False, seed=None, window_examples=WINDOW_EXAMPLES):
    """Batch texts with others of like length, as many as have room: rows times the longest row's length is at most max_tokens.

        lengths 8 8 16 8 8 with max_tokens=32  ->  16 8 | 8 8 8: the first has room for two rows of 16, the second for four of 8

    Examples are taken in the order given, a window at a time; each window is sorted, longest first, and cut. A batch's rows
    follow from its longest length alone, but for a window's last batch, so that there are few different shapes.

    Args:
        dataset: unbatched tf.data.Dataset of (element, length: int32); see with_lengths. Lengths that are rounded up, as the
            packer's are, leave fewer shapes.
        max_tokens: most slots of a batch, padding among them.
        prepare: see batch_by_length; the dataset's elements may then be any.
        take: see batch_by_length.
        shuffle: give the batches of a window in random order, anew each epoch; False: longest first.
        seed: int or int64 scalar of the random order, which then is the same in every epoch and run.
        window_examples: examples that are sorted together.
    Returns: tf.data.Dataset of batches of elements.
    """
    take = take or _gather

    @tf.autograph.experimental.do_not_convert
    def sort_and_cut(number, window):
        elements, lengths = window
        order = tf.argsort(lengths, direction="DESCENDING", stable=True)
        starts = batch_starts(tf.gather(lengths, order), max_tokens)
        bounds = tf.stack([starts, tf.concat([starts[1:], tf.shape(order)], axis=0)], axis=1)
        if shuffle:
            # By stateless operations: see batch_by_length.
            fold = [tf.constant(0, tf.int64) if seed is None else tf.cast(seed, tf.int64), number]
            bounds = tf.random.experimental.stateless_shuffle(bounds, fold)
        return tf.data.Dataset.from_tensor_slices(bounds).map(lambda bound: take(elements, order[bound[0] : bound[1]]))

    windows = _prepared(dataset, window_examples, prepare or (lambda elements, lengths: (elements, lengths)))
    if shuffle and seed is None:
        numbers = tf.data.Dataset.random(rerandomize_each_iteration=True)
        return tf.data.Dataset.zip(numbers, windows).flat_map(sort_and_cut)
    return windows.enumerate().flat_map(sort_and_cut)


def batch_starts(lengths, max_tokens):
    """Where batches begin.

    Args: lengths: int32 [examples], longest first. max_tokens: most rows times length of a batch; what is longer, as a document of several
        rows may be, is a batch of its own.
    Returns: int32 [batches].
    """
    examples = tf.shape(lengths)[0]
    lengths = tf.maximum(lengths, 1)

    def add(start, number, starts):
        return start + tf.maximum(max_tokens // lengths[start], 1), number + 1, starts.write(number, start)

    starts = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
    *_, starts = tf.while_loop(lambda start, *_: start < examples, add, (0, 0, starts))
    return tf.ensure_shape(starts.stack(), [None])


def count_batches(lengths, max_tokens):
    """The batches that batch_by_tokens makes of one window. Args: lengths: int [examples]. max_tokens: as there. Returns: int."""
    return len(cut_by_tokens(np.sort(lengths)[::-1], max_tokens))


def cut_by_tokens(lengths, max_tokens, *, least_saved=None):
    """batch_starts, of an array in memory.

    Args:
        lengths, max_tokens: as there.
        least_saved: end a batch early where its shorter rows, in batches of their own, save more slots of padding than this; None: a
            batch is as full as it can be.
    Returns: list of int.
    """
    lengths = np.maximum(lengths, 1)
    starts, start = [], 0
    while start < len(lengths):
        starts.append(start)
        end = min(start + max(max_tokens // int(lengths[start]), 1), len(lengths))
        if least_saved is not None and end - start > 1:
            places = np.arange(start + 1, end)
            saved = (end - places) * (lengths[start] - lengths[places])
            best = int(np.argmax(saved))
            end = int(places[best]) if saved[best] > least_saved else end
        start = end
    return starts
