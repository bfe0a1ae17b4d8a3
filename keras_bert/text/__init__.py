"""Strings to ids, in TensorFlow ops: the same code runs in tf.data and in a SavedModel.

Names are imported when they are first used: a vocabulary file is read without TensorFlow.
"""

from keras_bert.lazy import lazy_names

_HOMES = {
    "BertPacker": "keras_bert.text.packer",
    "BertTokenizer": "keras_bert.text.wordpiece",
    "characters_from_bytes": "keras_bert.text.tokenizer",
    "word_ids": "keras_bert.text.tokenizer",
    "load_vocabulary": "keras_bert.text.vocabulary",
    "save_vocabulary": "keras_bert.text.vocabulary",
    "trim_pair": "keras_bert.text.packer",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(globals(), _HOMES)
