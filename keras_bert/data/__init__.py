"""Files, tensorflow-datasets and arrays -> tf.data."""

from keras_bert.data.batching import batch_by_length
from keras_bert.data.classification import read_classification, read_labels
from keras_bert.data.stream import endless_batches

__all__ = ["batch_by_length", "endless_batches", "read_classification", "read_labels"]
