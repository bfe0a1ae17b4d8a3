"""Weights of classes as weights of examples, under one replica or several."""

import keras
import tensorflow as tf
from keras import tree


def check_classes(data):
    """See that class weights can be had of the targets, and are the only weights, as Keras wants it.

    Args: data: Data, as Keras takes it. Raises: ValueError saying what does not fit.
    """
    y, weights = data.y, data.sample_weight
    if isinstance(data.x, (tf.data.Dataset, tf.distribute.DistributedDataset)) and isinstance(data.x.element_spec, tuple):
        _, y, weights = keras.utils.unpack_x_y_sample_weight(data.x.element_spec)
    if weights is not None:
        raise ValueError("class_weight was given beside sample_weight; leave one out, or multiply each sample's weight by its class's")
    if tree.is_nested(y):
        raise ValueError("class_weight was given, but the targets are of several outputs; give sample_weight for each")


@tf.autograph.experimental.do_not_convert  # plain Python choices
def weighted_by_class(batch, class_weight):
    """A batch (x, y) as (x, y, weights), each example's that of its class, as Keras does it under one replica.

    Args: batch: y is ids [batch] or [batch, 1], or soft or one-hot labels [batch, classes], whose greatest is the class.
        class_weight: dict of id -> weight; an id that it lacks has 1.
    """
    x, y = batch
    if y.shape.rank is not None and y.shape.rank > 1:
        classes = tf.argmax(y, axis=-1, output_type=tf.int32) if y.shape[-1] != 1 else tf.squeeze(y, axis=-1)
    else:
        classes = y
    classes = tf.cast(tf.round(classes), tf.int32)
    known = max(class_weight) + 1
    weights = tf.constant([class_weight.get(label, 1.0) for label in range(known)], tf.float32)
    return x, y, tf.where(classes < known, tf.gather(weights, tf.minimum(classes, known - 1)), 1.0)
