"""From and to checkpoints on disk."""

from keras_bert.checkpoints.encoder import load_encoder, save_encoder
from keras_bert.checkpoints.recognise import recognise

__all__ = ["load_encoder", "recognise", "save_encoder"]
