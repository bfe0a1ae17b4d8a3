"""Strings to ids, in TensorFlow ops: the same code runs in tf.data and in a SavedModel.

Names are imported when they are first used: a vocabulary file is read without TensorFlow.
"""

from keras_bert.lazy import lazy_names

_HOMES = {
    "BertPacker": "keras_bert.text.packer",
    "BertTokenizer": "keras_bert.text.wordpiece",
    "CharacterTokenizer": "keras_bert.text.character",
    "SentencePieceTokenizer": "keras_bert.text.sentence_piece",
    "Tokenizer": "keras_bert.text.tokenizer",
    "WhitespaceTokenizer": "keras_bert.text.whitespace",
    "characters_from_bytes": "keras_bert.text.tokenizer",
    "chinese_words": "keras_bert.text.segmentation",
    "load_vocabulary": "keras_bert.text.vocabulary",
    "save_vocabulary": "keras_bert.text.vocabulary",
    "segmented_word_ids": "keras_bert.text.segmentation",
    "train_vocabulary": "keras_bert.text.vocabulary_trainer",
    "trim_pair": "keras_bert.text.packer",
    "word_ids": "keras_bert.text.tokenizer",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(globals(), _HOMES)
