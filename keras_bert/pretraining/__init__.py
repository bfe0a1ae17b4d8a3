"""From running text to pretraining examples."""

from keras_bert.pretraining.packing import pack_first_fit
from keras_bert.pretraining.settings import ExampleSettings

__all__ = ["ExampleSettings", "pack_first_fit"]
