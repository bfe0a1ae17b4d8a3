"""trim_vocabulary: a smaller model, by cutting the words that a use never meets."""

import os

import numpy as np
import tensorflow as tf

from keras_bert.tasks.task import Task
from keras_bert.text.lines import read_lines
from keras_bert.training.distribution import untuned

BATCH = 1024


def trim_vocabulary(model, keep, *, min_count=1):
    """Cut unused pieces from vocabulary, word embedding and masked-LM head together.

        small = trim_vocabulary(model, "reviews.txt.gz")        # what these texts need
        small = trim_vocabulary(model, ["good", "film", "##s"]) # these pieces

    A text that needs only pieces that are kept is split as before, and its outputs stay equal (WordPiece takes the longest piece
    that fits, and a longest one that was kept is still the longest). Ids change: data that holds ids must be made again.

    Args:
        model: a task (BertClassifier, BertMaskedLM, ...) with a tokenizer whose vocabulary is a list: all but SentencePieceTokenizer.
        keep: path or paths of text files (.txt, .gz; a text a line), texts, or pieces: a list whose every item is in the vocabulary.
        min_count: how often a piece must occur in the texts to be kept.
    Returns: a new task of the same class and settings; the model that was given stays as it is.
    Raises: ValueError where the model has no such tokenizer, or there is nothing to keep.
    """
    if not isinstance(model, Task):
        raise TypeError(f"trim_vocabulary takes a task with a tokenizer, such as BertClassifier; got a {type(model).__name__}")
    tokenizer = model.tokenizer
    if tokenizer is None or "vocabulary" not in tokenizer.get_config():
        raise ValueError(f"the model's tokenizer is {type(tokenizer).__name__}; only one with a vocabulary that is a list can be trimmed")
    config = model.get_config()
    added = config["tokenizer"].get("added_tokens") or []  # found whole whatever the texts, so they stay
    pieces = len(tokenizer.vocabulary)
    wanted = _wanted_ids(tokenizer, keep, min_count) | _special_ids(tokenizer) | {token["id"] for token in added}
    kept = sorted(wanted)  # with those behind the vocabulary, last
    new_ids = {old: new for new, old in enumerate(kept)}

    config["encoder"]["config"]["config"]["vocab_size"] = len(kept)
    if "decoder" in config and config["decoder_tokenizer"] is None:  # it writes by the same vocabulary
        config["decoder"] = config["decoder"] | {"vocab_size": len(kept)}
    config["tokenizer"]["vocabulary"] = [tokenizer.vocabulary[index] for index in kept if index < pieces]
    if added:
        config["tokenizer"]["added_tokens"] = [token | {"id": new_ids[token["id"]]} for token in added]
    trimmed = type(model).from_config(config)
    for new, old in zip(trimmed.network.weights, model.network.weights, strict=True):
        value = old.numpy()
        new.assign(value if tuple(new.shape) == value.shape else value[kept])
    return trimmed


def _special_ids(tokenizer):
    specials = (tokenizer.PAD, tokenizer.UNK, tokenizer.CLS, tokenizer.SEP, tokenizer.MASK)
    return {tokenizer.id_of(piece) for piece in specials if piece in tokenizer.vocabulary}


def _wanted_ids(tokenizer, keep, min_count):
    if not isinstance(keep, (str, os.PathLike)):
        keep = list(keep)
        if not keep:
            raise ValueError("nothing to keep: the list of texts or pieces is empty")
        pieces = set(tokenizer.vocabulary)
        if all(item in pieces for item in keep):
            return {tokenizer.id_of(item) for item in keep}
        if not all(isinstance(item, (str, os.PathLike)) and os.path.exists(item) for item in keep):
            keep = iter(keep)  # texts, not files
    counts = np.zeros(tokenizer.vocabulary_size, "int64")
    texts = tf.data.Dataset.from_generator(lambda: read_lines(keep), output_signature=tf.TensorSpec([], tf.string))
    batches = texts.batch(BATCH).map(lambda batch: tokenizer.tokenize(batch).values, num_parallel_calls=tf.data.AUTOTUNE)
    for ids in batches.with_options(untuned(batches)):
        counts += np.bincount(ids.numpy(), minlength=len(counts))
    if not counts.any():
        raise ValueError("nothing to keep: there is no word in the texts")
    return set(np.flatnonzero(counts >= min_count).tolist())
