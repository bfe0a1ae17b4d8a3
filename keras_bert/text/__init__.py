"""Strings to ids, in TensorFlow ops: the same code runs in tf.data and in a SavedModel."""

from keras_bert.text.packer import BertPacker, trim_pair
from keras_bert.text.tokenizer import BertTokenizer
from keras_bert.text.vocabulary import load_vocabulary, save_vocabulary

__all__ = ["BertPacker", "BertTokenizer", "load_vocabulary", "save_vocabulary", "trim_pair"]
