"""The bare encoder of any checkpoint that is read."""

import os

from keras_bert.checkpoints import hugging_face, native
from keras_bert.checkpoints.recognise import NATIVE, recognise
from keras_bert.config import BertConfig
from keras_bert.models import BertEncoder


def load_encoder(directory, **options):
    """Load the encoder of a checkpoint, whatever head it has.

    Args: directory: path. options: those of BertEncoder but config.
    Returns: BertEncoder.
    Raises: ValueError, FileNotFoundError naming what does not fit.
    """
    directory = os.fspath(directory)
    if recognise(directory) == NATIVE:
        settings = native.read_description(directory).settings
        encoder_settings = settings.get("encoder", settings)
        pooler = options.pop("pooler", None)
        pooler = encoder_settings.get("pooler", True) and not options.get("packed", False) if pooler is None else pooler
        encoder = BertEncoder(BertConfig.from_dict(encoder_settings["config"]), pooler=pooler, **options)
        native.load_weights(directory, {weight.path: weight for weight in encoder.weights})
        return encoder
    encoder = BertEncoder(hugging_face.read_config(directory), **options)
    hugging_face.load_encoder_weights(encoder, directory)
    return encoder


def save_encoder(encoder, directory):
    """Write a BertEncoder to keras_bert's own directory. Args: encoder, directory: path."""
    settings = {"config": encoder.config.to_dict(), "pooler": encoder.pooler}
    native.write(directory, native.Description("BertEncoder", settings, None), {weight.path: weight for weight in encoder.weights})
