"""What fit, evaluate and predict are given."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import tree

from keras_bert import features
from keras_bert.training.class_weights import weighted_by_class
from keras_bert.training.distribution import shard, untuned

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


def global_batches(data, strategy, *, shuffle=False, class_weight=None):
    """What Keras takes, as a tf.data.Dataset of global batches; a distributed dataset is handed on.

    Args: data: Data. strategy: tf.distribute.Strategy of several replicas. class_weight: dict of id -> float, or None.
    Raises: ValueError on what cannot be shared, such as a keras.utils.PyDataset.
    """
    x = data.x
    if isinstance(x, tf.distribute.DistributedDataset):
        return x
    if not isinstance(x, tf.data.Dataset):
        if not all(hasattr(part, "shape") or isinstance(part, list) for part in tree.flatten(x)):
            raise ValueError(
                f"a {type(x).__name__} cannot be shared between {strategy.num_replicas_in_sync} replicas; give arrays or a tf.data.Dataset"
            )
        parts = tuple(part for part in (x, data.y, data.sample_weight) if part is not None)
        dataset = tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else x)
        if shuffle:
            dataset = dataset.shuffle(int(dataset.cardinality()), reshuffle_each_iteration=True)
        x = dataset.batch(data.batch_size or BATCH_SIZE)
    return x if class_weight is None else x.map(lambda *batch: weighted_by_class(batch, class_weight))


def given_out(x, strategy, *, shared):
    """A dataset as Keras's loops shall have it; anything else as it is.

    Args: shared: whether the strategy's replicas share each batch.
    Returns: x; a tf.data.Dataset with options; or a distributed one, with global_batch_spec.
    """
    if not isinstance(x, tf.data.Dataset):
        return x
    if not shared:
        # Keras hands every dataset to the strategy, which for one replica would still rewrite it, and warn of what it cannot.
        options = untuned(x)
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return x.with_options(options)
    distributed = shard(x, strategy)
    distributed.global_batch_spec = x.element_spec
    return distributed
