"""Weights averaged over the steps (EMA), for evaluation and export."""

import contextlib

import tensorflow as tf

from keras_bert.training.keras_internals import averages_of


@contextlib.contextmanager
def averaged_weights(model):
    """Put the optimizer's moving averages in the place of the model's weights; put the weights back at the end.

    Does nothing where the optimizer keeps no averages (use_ema=False), or has made no update yet.

    Args: model: compiled keras.Model.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if optimizer is None or not optimizer.use_ema or not optimizer.built or int(optimizer.iterations.numpy()) == 0:
        yield
        return
    variables = model.trainable_variables
    kept = [tf.identity(variable.value) for variable in variables]
    for variable, average in zip(variables, averages_of(optimizer), strict=True):
        variable.assign(average.value)
    try:
        yield
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
