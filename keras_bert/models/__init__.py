"""Networks: an encoder, and the encoder with each head. Keras only; text and files live elsewhere."""

from keras_bert.models.encoder import BertEncoder
from keras_bert.models.sequence_classifier import SequenceClassifier

__all__ = ["BertEncoder", "SequenceClassifier"]
