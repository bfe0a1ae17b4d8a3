"""from_pretrained: the right class for a checkpoint."""

import os

from keras_bert.checkpoints import hugging_face, load_encoder, native
from keras_bert.checkpoints.recognise import NATIVE, recognise
from keras_bert.models import BertEncoder
from keras_bert.tasks.classifier import BertClassifier

_TASKS = {"BertClassifier": BertClassifier}
_BY_ARCHITECTURE = {hugging_face.CLASSIFIER_ARCHITECTURE: BertClassifier}


def from_pretrained(path, cls=None, **options):
    """Load a checkpoint.

    Args:
        path: a keras_bert or Transformers directory.
        cls: the class to load it as. None: what the checkpoint says it is (keras_bert.json, or `architectures` in
            config.json), else BertEncoder. BertEncoder: the bare encoder of any checkpoint.
        options: arguments of the class.
    Returns: cls.
    Raises: ValueError, FileNotFoundError naming what does not fit.
    """
    path = os.fspath(path)
    if cls is None:
        cls = _class_of(path)
    if cls is BertEncoder:
        return load_encoder(path, **options)
    return cls.from_pretrained(path, **options)


def _class_of(path):
    if recognise(path) == NATIVE:
        name = native.read_description(path).class_name
        known = _TASKS | {"BertEncoder": BertEncoder}
        if name not in known:
            raise ValueError(f"{path} holds a {name}; this version of keras_bert knows {', '.join(known)}")
        return known[name]
    architectures = hugging_face.read_config(path).extra.get("architectures") or []
    return next((_BY_ARCHITECTURE[name] for name in architectures if name in _BY_ARCHITECTURE), BertEncoder)
