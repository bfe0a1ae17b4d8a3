"""A tokenizer to a description and back: for a saved model's files, and for Keras's get_config."""

import os

from keras_bert.text.character import CharacterTokenizer
from keras_bert.text.sentence_piece import SentencePieceTokenizer
from keras_bert.text.whitespace import WhitespaceTokenizer
from keras_bert.text.wordpiece import BertTokenizer

_CLASSES = {cls.__name__: cls for cls in (BertTokenizer, CharacterTokenizer, SentencePieceTokenizer, WhitespaceTokenizer)}


def tokenizer_to_dict(tokenizer):
    """Describe a tokenizer whose asset is saved beside the description.

    Args: tokenizer: of a class of this package.
    Returns: dict for JSON: "class", and the tokenizer's settings.
    Raises: ValueError on another class, which nobody could make again.
    """
    return {"class": _class_name(tokenizer)} | tokenizer.settings()


def tokenizer_from_directory(directory, description):
    """Make a tokenizer again.

    Args:
        directory: where the tokenizer's `save_asset` wrote a file of the class's name for it, ASSET.
        description: what tokenizer_to_dict gave; without "class", as older files have it, a BertTokenizer's.
    Returns: the tokenizer.
    Raises: ValueError on a class that is not known.
    """
    cls, settings = _class_and_arguments(description)
    return cls(os.path.join(directory, cls.ASSET), **settings)


def tokenizer_to_config(tokenizer):
    """Describe a tokenizer whole, as Keras wants it. Args and raises: as tokenizer_to_dict. Returns: dict for JSON."""
    return {"class": _class_name(tokenizer)} | tokenizer.get_config()


def tokenizer_from_config(config):
    """Make a tokenizer again.

    Args: config: what tokenizer_to_config gave; without "class" a BertTokenizer's.
    Returns: the tokenizer.
    Raises: ValueError on a class that is not known.
    """
    cls, arguments = _class_and_arguments(config)
    return cls(**arguments)


def _class_name(tokenizer):
    name = type(tokenizer).__name__
    if _CLASSES.get(name) is not type(tokenizer):
        raise ValueError(f"a {type(tokenizer).__module__}.{name} cannot be described; tokenizers are {', '.join(_CLASSES)}")
    return name


def _class_and_arguments(description):
    arguments = dict(description)
    name = arguments.pop("class", BertTokenizer.__name__)
    if name not in _CLASSES:
        raise ValueError(f"unknown tokenizer class {name!r}; tokenizers are {', '.join(_CLASSES)}")
    return _CLASSES[name], arguments
