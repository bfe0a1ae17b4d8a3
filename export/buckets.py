"""Requests of several lengths, for warming up a server and for measuring it."""

import numpy as np

from keras_bert import features
from keras_bert.tasks.servable import IDS, SERVING_DEFAULT

SHORTEST = 16
TEXT_WORD = "a "  # a token of nearly every vocabulary; where it is none, a token that says so


def bucket_lengths(max_length):
    """Lengths that double, up to the longest. Args: max_length: most tokens of a row. Returns: list of int, ascending."""
    lengths = [SHORTEST]
    while lengths[-1] * 2 < max_length:
        lengths.append(lengths[-1] * 2)
    return [length for length in lengths if length < max_length] + [max_length]


def bucket_requests(model):
    """One request for each length, of one example.

    Args: model: task.
    Returns: name of the signature; dict of length in tokens -> dict of input -> array [1, ...], strings as bytes. Where there is no
        tokenizer, ids are asked.
    """
    if model.tokenizer is None:
        return IDS, {length: _ids(length) for length in bucket_lengths(model.max_length)}
    lengths = [model.max_length] if model.pad_to_multiple_of is None else bucket_lengths(model.max_length)
    signature = model.preprocessor.input_signature()
    return SERVING_DEFAULT, {length: _strings(signature, length) for length in lengths}


def _ids(length):
    ones = np.ones((1, length), "int32")
    return {name: ones if name != features.TOKEN_TYPE_IDS else np.zeros_like(ones) for name in features.UNPACKED}


def _strings(signature, length):
    """Texts that are about so many tokens together with [CLS] and a [SEP] behind each."""
    words = max(1, (length - 1) // len(signature) - 1)
    text = (TEXT_WORD * words).strip().encode()
    return {name: np.array([text] if spec.shape.rank == 1 else [[text, text]]) for name, spec in signature.items()}
