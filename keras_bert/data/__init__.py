"""Files, tensorflow-datasets and arrays -> tf.data."""

from keras_bert.data.batching import batch_by_length
from keras_bert.data.classification import read_classification

__all__ = ["batch_by_length", "read_classification"]
