"""From running text to pretraining examples, and from those to batches with masks."""

from keras_bert.pretraining.masking import Masker, MaskingSettings

__all__ = ["Masker", "MaskingSettings"]
