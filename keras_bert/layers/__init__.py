"""The parts of a network, in keras.ops only: they run on any Keras backend."""

from keras_bert.layers.attention import AttentionMask, MultiHeadSelfAttention, key_mask, sequence_mask
from keras_bert.layers.block import PostNormBlock
from keras_bert.layers.crf import CRF
from keras_bert.layers.decoder import DecoderBlock, MultiHeadCrossAttention, causal_mask
from keras_bert.layers.dense import FlatDense
from keras_bert.layers.dropout import Dropout, dropout_seed
from keras_bert.layers.embeddings import BertEmbeddings, sinusoids
from keras_bert.layers.heads import MaskedLMHead
from keras_bert.layers.pooling import MaxPooling, MeanPooling, Normalize, Pooler
from keras_bert.layers.words import WordVectors

__all__ = [
    "CRF",
    "AttentionMask",
    "BertEmbeddings",
    "DecoderBlock",
    "Dropout",
    "FlatDense",
    "MaskedLMHead",
    "MaxPooling",
    "MeanPooling",
    "MultiHeadCrossAttention",
    "MultiHeadSelfAttention",
    "Normalize",
    "Pooler",
    "PostNormBlock",
    "WordVectors",
    "causal_mask",
    "dropout_seed",
    "key_mask",
    "sequence_mask",
    "sinusoids",
]
