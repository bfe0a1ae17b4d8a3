"""BERT for TensorFlow and Keras 3: raw text in, a SavedModel that answers raw text out.

Names are imported when they are first used, so that `import keras_bert`, BertConfig and BertEncoder need no TensorFlow
(the encoder then runs on any Keras backend).
"""

import importlib

from keras_bert.version import __version__

_HOMES = {
    "BertClassifier": "keras_bert.tasks",
    "BertConfig": "keras_bert.config",
    "BertEncoder": "keras_bert.models",
    "BertPacker": "keras_bert.text",
    "BertTokenizer": "keras_bert.text",
    "from_pretrained": "keras_bert.tasks",
}
_ROOMS = ("checkpoints", "data", "layers", "models", "tasks", "text", "training")

__all__ = ["__version__", *_HOMES, *_ROOMS]


def __getattr__(name):
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return importlib.import_module(f"keras_bert.{name}")
    raise AttributeError(f"module 'keras_bert' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
