"""Files, tensorflow-datasets and arrays -> tf.data."""

from keras_bert.data.batching import batch_by_length, batch_by_tokens, count_batches, cut_by_tokens, with_lengths
from keras_bert.data.classification import read_classification, read_labels
from keras_bert.data.conll import conll_sentences, read_conll, read_tags, write_conll
from keras_bert.data.stream import endless_batches, known_count

__all__ = [
    "batch_by_length",
    "batch_by_tokens",
    "conll_sentences",
    "count_batches",
    "cut_by_tokens",
    "endless_batches",
    "known_count",
    "read_classification",
    "read_conll",
    "read_labels",
    "read_tags",
    "with_lengths",
    "write_conll",
]
