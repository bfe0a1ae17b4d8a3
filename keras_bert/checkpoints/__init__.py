"""From and to checkpoints on disk, of every BERT there is."""

from keras_bert.checkpoints.checkpoint import Checkpoint, LoadReport
from keras_bert.checkpoints.networks import (
    load_encoder,
    load_network,
    parts_of,
    save_network,
    to_hugging_face,
    to_model_garden,
    to_sentence_transformers,
)
from keras_bert.checkpoints.recognise import FORMATS, open_checkpoint, recognise

__all__ = [
    "FORMATS",
    "Checkpoint",
    "LoadReport",
    "load_encoder",
    "load_network",
    "open_checkpoint",
    "parts_of",
    "recognise",
    "save_network",
    "to_hugging_face",
    "to_model_garden",
    "to_sentence_transformers",
]
