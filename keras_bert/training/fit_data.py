"""What fit, evaluate and predict are given."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import tree

from keras_bert import features
from keras_bert.training.distribution import untuned

BATCH_SIZE = 32  # Keras's


class Data(NamedTuple):
    """What fit, evaluate and predict are given. Args: as keras.Model.fit."""

    x: Any
    y: Any = None
    sample_weight: Any = None
    batch_size: int | None = None

    def as_validation(self):
        """As Keras takes validation_data."""
        parts = tuple(part for part in (self.x, self.y, self.sample_weight) if part is not None)
        return parts if len(parts) > 1 else self.x


def batches_of_an_epoch(data, validation_split):
    """Batches in Data. Counts them where a dataset does not know: a pass over it costs less than a wrong schedule."""
    x = data.x
    if isinstance(x, tf.data.Dataset):
        steps = int(x.cardinality())
        if steps == tf.data.INFINITE_CARDINALITY:
            raise ValueError("the dataset never ends; give steps_per_epoch")
        if steps == tf.data.UNKNOWN_CARDINALITY:
            steps = int(x.with_options(untuned(x)).reduce(tf.constant(0, tf.int64), lambda count, _: count + 1))
        return steps
    if features.is_contract(x):
        rows = int(len(x[features.INPUT_IDS]) * (1 - validation_split))
        return -(-rows // (data.batch_size or BATCH_SIZE))
    if hasattr(x, "__len__"):  # keras.utils.PyDataset: its batches
        return len(x)
    raise ValueError(f"the length of a {type(x).__name__} is not known; give steps_per_epoch, or compile with an optimizer of your own")


def with_callback(callbacks, callback):
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.append(callback)
        return callbacks
    return [*(callbacks if isinstance(callbacks, (list, tuple)) else [] if callbacks is None else [callbacks]), callback]


def split_arrays(arrays, share):
    """Keep the last share of the rows for validation, as Keras does. Returns: arrays to train with, arrays to validate with."""
    rows = len(tree.flatten(arrays[0])[0])
    cut = int(rows * (1 - share))

    def part(rows):
        return tree.map_structure(lambda column: None if column is None else column[rows], arrays)

    return part(slice(None, cut)), part(slice(cut, None))
