"""What a SavedModel is asked and what it answers: names, dtypes and shapes."""

import tensorflow as tf

from keras_bert import features

SERVING_DEFAULT, IDS = "serving_default", "ids"
TEXT, TEXT_PAIR = "text", "text_pair"
LABEL, SCORE, PROBABILITIES = "label", "score", "probabilities"


def text_signature(text_pair):
    """Inputs of serving_default. Args: text_pair: whether there is a second text. Returns: list of tf.TensorSpec, string [batch]."""
    names = (TEXT, TEXT_PAIR) if text_pair else (TEXT,)
    return [tf.TensorSpec([None], tf.string, name=name) for name in names]


def ids_signature():
    """Inputs of ids: the batch contract. Returns: list of tf.TensorSpec, int32 [batch, length]."""
    return [tf.TensorSpec([None, None], features.DTYPE, name=name) for name in features.UNPACKED]
