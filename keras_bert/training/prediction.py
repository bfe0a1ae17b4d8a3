"""The loop of predict, over batches whose outputs may differ in length. Keras's own gives ragged tensors there, or fails."""

import keras
import numpy as np
import tensorflow as tf
from keras import tree


def predict_batches(model, batches, *, steps=None, verbose=0, callbacks=None):
    """Predict batch after batch, as Keras's predict does, and join the outputs.

    Args:
        model: TrainingModel.
        batches: tf.data.Dataset of batches, or a distributed one.
        steps: most batches to take; None takes all.
        verbose, callbacks: as keras.Model.predict; each batch is a step.
    Returns: arrays, or (nested) dicts of arrays, [examples, ...], see joined.
    Raises: ValueError where there is no batch, or no end of them.
    """
    strategy = model.distribute_strategy
    count = _count(batches)
    if count == tf.data.INFINITE_CARDINALITY and steps is None:
        raise ValueError("the dataset never ends; give steps, or take(number) of it")
    if not isinstance(batches, tf.distribute.DistributedDataset):
        batches = strategy.experimental_distribute_dataset(batches)
    known = [number for number in (steps, count) if number is not None and number >= 0]
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = keras.callbacks.CallbackList(
            callbacks, add_progbar=verbose != 0, verbose=verbose, epochs=1, steps=min(known, default=None), model=model
        )
    model.make_predict_function()
    model.stop_predicting = False
    callbacks.on_predict_begin()
    outputs = []
    for number, batch in enumerate(batches):
        if number == steps:
            break
        callbacks.on_predict_batch_begin(number)
        of_batch = model.predict_function([batch])
        outputs.append(tree.map_structure(np.asarray, of_batch))
        callbacks.on_predict_batch_end(number, {"outputs": of_batch})
        if model.stop_predicting:
            break
    callbacks.on_predict_end()
    return joined(outputs)


def _count(batches):
    """Batches, where a dataset knows; a negative number where it does not."""
    cardinality = batches.cardinality
    return int(cardinality() if callable(cardinality) else cardinality)


def joined(outputs):
    """Outputs of batches as one array each; where batches differ in length, the shorter ones are filled up with zeros or empty strings.

    Args: outputs: list of arrays, or of (nested) dicts of arrays, [examples of the batch, ...].
    Raises: ValueError where there are none.
    """
    if not outputs:
        raise ValueError("there is nothing to predict: the data is empty")

    def of_parts(*parts):
        widest = np.max([part.shape for part in parts], axis=0)[1:]
        return np.concatenate([_filled(part, widest) for part in parts])

    return outputs[0] if len(outputs) == 1 else tree.map_structure(of_parts, *outputs)


def _filled(part, widest):
    missing = [(0, 0), *((0, wide - size) for wide, size in zip(widest, part.shape[1:], strict=True))]
    if not np.any(missing):
        return part
    return np.pad(part, missing, constant_values=b"" if part.dtype.kind == "O" else 0)
