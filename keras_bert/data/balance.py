"""Skewed labels: how often each comes, weights that make up for it, and examples of rare ones more often.

train = read_classification("train.tsv")                                # ("a text", 3), ...
label_counts(train, 150)                                                # int64 [150]
model.compile(class_weights=balanced_weights(train, model.labels))      # a rare label counts more, or
batches = model.training_batches(balanced(train), batch_size=32)        # its examples come more often
"""

import numpy as np
import tensorflow as tf

from keras_bert.data.stream import known_count
from keras_bert.labels import Labels

AT_ONCE = 1024


def label_counts(targets, labels):
    """Count how many examples have each label.

    Args:
        targets: unbatched or batched tf.data.Dataset of (x, target[, weight]); or the targets themselves as an array. Each is an id, a
            name, or a row of labels, [labels], of which any number is right; of a soft row each label's share.
        labels: list of names, or their number.
    Returns: float64 array [labels].
    Raises: ValueError where a target is none of the labels, or there are no targets.
    """
    names = [str(index) for index in range(labels)] if isinstance(labels, int) else list(labels)
    of_names = Labels(names, least=1)
    if isinstance(targets, tf.data.Dataset):
        parts = [_counted(part, of_names) for part in _targets_of(targets)]
    else:
        parts = [_counted(np.asarray(targets), of_names)] if len(targets) else []
    if not parts:
        raise ValueError("there are no labels to count: the dataset, or the array, is empty")
    return np.sum(parts, axis=0)


def balanced_weights(targets, labels):
    """Weights by which all labels count alike, for compile(class_weights=...) or fit(class_weight=...).

    Args: targets, labels: see label_counts.
    Returns: dict of name -> float. Of one label of several: n / (labels * count), scikit-learn's "balanced"; labels is the number of those
        that come at all, and one that does not has 1. Of rows of labels: (n - count) / count, how many texts are without it for each that
        has it, as PyTorch's pos_weight wants it.
    Raises: ValueError as label_counts, and where one label alone comes: there is nothing to tell it from.
    """
    names = [str(index) for index in range(labels)] if isinstance(labels, int) else list(labels)
    counts = label_counts(targets, labels)
    count, are_rows = _shape(targets)
    there = counts > 0
    if are_rows:
        weights = np.where(there & (counts < count), (count - counts) / np.maximum(counts, 1e-9), 1.0)
    else:
        _check_several(counts, names)
        weights = np.where(there, count / (there.sum() * np.maximum(counts, 1e-9)), 1.0)
    return dict(zip(names, weights.tolist(), strict=True))


def balanced(examples, *, seed=0):
    """Repeat examples of rarer labels, until each label has as many as the most common one.

    An epoch then holds every example once or more: of 900 and 100 it makes 900 and 900. Where the number is no multiple, those that come
    once more are drawn by the seed. Order and examples are the same each time, so that a run on them can be resumed.

    Args: examples: unbatched tf.data.Dataset of (x, label[, weight]), of known cardinality: an id or a name each. seed: int.
    Returns: such a dataset, in the order of the first, repeated ones side by side; training_batches and fit shuffle.
    Raises: ValueError where labels are no single ones, or there is one alone.
    """
    spec = examples.element_spec
    if not (isinstance(spec, tuple) and len(spec) in (2, 3)) or spec[1].shape.rank != 0 or spec[1].dtype.is_floating:
        raise ValueError(f"balanced repeats single examples with one label each, (x, label); got elements {spec}")
    count = known_count(examples)
    targets = targets_of(examples)
    values, ids, counts = np.unique(targets, return_inverse=True, return_counts=True)
    _check_several(counts, [value.decode() if isinstance(value, bytes) else str(value) for value in values])
    repeats = counts.max() // counts[ids]
    random = np.random.default_rng(seed)
    for label, own in enumerate(counts):
        places = np.flatnonzero(ids == label)
        repeats[random.choice(places, counts.max() % own, replace=False)] += 1
    order = np.repeat(np.arange(count), repeats)

    @tf.autograph.experimental.do_not_convert
    def repeated(*columns):
        return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(lambda column: tf.gather(column, order), columns))

    return examples.batch(count).flat_map(repeated).apply(tf.data.experimental.assert_cardinality(len(order)))


def targets_of(dataset):
    """The targets of a dataset, in memory.

    Args: dataset: unbatched or batched tf.data.Dataset of (x, target[, weight]), that ends.
    Returns: array [examples, ...]; names as bytes, lists of names padded with b"".
    Raises: ValueError where it holds none.
    """
    parts = list(_targets_of(dataset))
    if not parts:
        raise ValueError("the dataset is empty: there are no labels in it")
    width = max(part.shape[1] if part.ndim > 1 else 0 for part in parts)
    parts = [_widened(part, width) if part.ndim > 1 else part for part in parts]
    return np.concatenate(parts)


def _widened(rows, width):
    return np.pad(rows, [(0, 0), (0, width - rows.shape[1])], constant_values=b"" if rows.dtype == object else 0)


def _targets_of(dataset):
    """Yields: arrays [examples, ...] of a dataset's targets."""
    spec = dataset.element_spec
    if not (isinstance(spec, tuple) and len(spec) in (2, 3)):
        raise ValueError(f"the dataset holds no labels; its elements should be (text, label), not {spec}")
    is_batched = min(part.shape.rank for part in tf.nest.flatten(spec[0])) > 0
    targets = dataset.map(lambda x, target, *rest: target)
    targets = targets if is_batched else targets.batch(AT_ONCE)
    for part in targets:
        yield part.numpy() if isinstance(part, tf.Tensor) else part.to_tensor("").numpy()


def _shape(targets):
    """Returns: int, the number of examples; bool, whether each has a row of labels."""
    parts = list(_targets_of(targets)) if isinstance(targets, tf.data.Dataset) else [np.asarray(targets)]
    return sum(map(len, parts)), parts[0].ndim == 2 and parts[0].shape[1] != 1


def _counted(targets, labels):
    if targets.ndim == 2 and targets.shape[1] != 1:
        return labels.encode_multi(targets).astype("float64").sum(axis=0)
    return np.bincount(labels.encode(targets), minlength=len(labels)).astype("float64")


def _check_several(counts, names):
    there = np.flatnonzero(counts)
    if len(there) == 1:
        raise ValueError(f"all examples have one label, {names[there[0]]!r}: there is nothing to tell it from")
