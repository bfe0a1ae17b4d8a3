"""What would fail after hours, or worse would not, told before step 1."""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from keras_bert import features


class StopOnNonFinite(keras.callbacks.Callback):
    """Raise where the loss of a batch is NaN or infinite: what follows would train on nothing."""

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(float(loss)):
            iterations = int(self.model.optimizer.iterations.numpy())
            raise FloatingPointError(non_finite_message(f"update {iterations} (batch {batch})", f"the loss is {float(loss)}"))


def non_finite_message(place, what):
    """The words for a loss or gradient that is no number."""
    return (
        f"{what} at {place}; training stopped. Usual mends: a lower learning rate, more warm-up steps, clipping (clip_norm=1.0), "
        "bfloat16 in place of float16; and look at the data of that step"
    )


def check_batches(data, model):
    """Check that batches of the contract fit a model: names, dtypes and shapes here, the ids of a dataset as it is read.

    Args: data: tf.data.Dataset of (contract, ...), or arrays of the contract; anything else is handed back as it is.
        model: keras.Model; where it has an `encoder` with a `config`, sizes and ids are compared with that.
    Returns: data; a dataset with the check of ids in it.
    Raises: ValueError naming feature, value and mend, where there is no batch, or features are missing, are no int32, differ in
        shape, or arrays hold an id or length outside the model's. A dataset's raise tf.errors.InvalidArgumentError as they are read.
    """
    if isinstance(data, tf.data.Dataset):
        if int(data.cardinality()) == 0:
            raise ValueError("the dataset is empty: there is nothing to train on")
        spec = data.element_spec[0] if isinstance(data.element_spec, tuple) else data.element_spec
        if not features.is_contract(spec):
            _refuse_part_of_contract(spec)
            return data
        _check_specs(spec, _ranks_of(model))
        config = _config_of(model)
        return data if config is None else data.map(lambda *batch: _with_checked_ids(batch, config), num_parallel_calls=tf.data.AUTOTUNE)
    if features.is_contract(data):
        _check_specs({name: tf.TensorSpec(np.shape(value), np.asarray(value).dtype) for name, value in data.items()}, _ranks_of(model))
        config = _config_of(model)
        if config is not None:
            for name, limit, what in _limits(config):
                _check_range(name, np.asarray(data[name]), limit, what)
            parts = np.shape(data[features.PART_MASK])[1] if features.PART_MASK in data else 1
            _check_length(np.shape(data[features.INPUT_IDS])[-1] // parts, config)
    return data


def _config_of(model):
    return getattr(getattr(model, "encoder", None), "config", None)


def _ranks_of(model):
    """Of a batch's features. Returns: tuple of int: 2, and 3 where a model takes examples of several texts, [batch, texts, length]."""
    return (2, 3) if getattr(model, "takes_several_texts", False) else (2,)


def _limits(config):
    return (
        (features.INPUT_IDS, config.vocab_size, "vocab_size"),
        (features.TOKEN_TYPE_IDS, config.type_vocab_size, "type_vocab_size"),
        (features.ATTENTION_MASK, 2, "a mask, of 0 and 1:"),
    )


def _refuse_part_of_contract(spec):
    if isinstance(spec, dict) and features.INPUT_IDS in spec:
        missing = [name for name in features.UNPACKED if name not in spec]
        raise ValueError(f"the batches lack {', '.join(missing)}; the contract is {', '.join(features.UNPACKED)}, int32 [batch, length]")


def _check_specs(spec, ranks):
    for name, feature in spec.items():
        if feature.dtype != tf.int32:
            raise ValueError(f"feature {name!r} is {feature.dtype.name}; the contract wants int32: tf.cast({name}, tf.int32)")
        if feature.shape.rank not in ranks:
            raise ValueError(f"feature {name!r} has shape {feature.shape}; the contract wants [batch, length]: batch the dataset")
    shapes = {name: spec[name].shape for name in features.UNPACKED}
    first = shapes[features.INPUT_IDS]
    for name, shape in shapes.items():
        if not shape.is_compatible_with(first):
            raise ValueError(f"feature {name!r} has shape {shape} but {features.INPUT_IDS!r} has {first}; the contract wants one")


def _check_range(name, values, limit, what):
    if values.size and not 0 <= values.min() <= values.max() < limit:
        place = tuple(int(index) for index in np.argwhere((values < 0) | (values >= limit))[0])
        raise ValueError(f"{name}[{', '.join(map(str, place))}] is {values[place]}; {what}={limit} allows 0 to {limit - 1}")


def _check_length(length, config):
    if length > config.max_position_embeddings:
        raise ValueError(f"the batches have length {length}, over max_position_embeddings={config.max_position_embeddings} of the encoder")


@tf.autograph.experimental.do_not_convert  # plain Python choices, which autograph would take longer to trace
def _with_checked_ids(batch, config):
    x = batch[0]
    limit = config.max_position_embeddings
    length = tf.shape(x[features.INPUT_IDS])[-1]
    if features.PART_MASK in x:
        length = length // tf.maximum(tf.shape(x[features.PART_MASK])[1], 1)
    checks = [_assert(length <= limit, f"a batch is longer than max_position_embeddings={limit} of the encoder: its length is", length)]
    for name, limit, what in _limits(config):
        message = f"feature {name!r} holds a value outside {what}={limit}, which allows 0 to {limit - 1}; its least and greatest are"
        least, greatest = tf.reduce_min(x[name]), tf.reduce_max(x[name])
        checks.append(_assert((least >= 0) & (greatest < limit), message, least, greatest))
    with tf.control_dependencies(checks):
        return (tree.map_structure(tf.identity, x), *batch[1:]) if len(batch) > 1 else tree.map_structure(tf.identity, x)


def _assert(condition, *data):
    # The op itself: tf.debugging's functions trace a tf.cond each, which took 0.2 s of every fit.
    return tf.raw_ops.Assert(condition=condition, data=list(data))
