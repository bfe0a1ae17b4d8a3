"""extract_features: vectors of tokens, of any layers, as google-research's extract_features.py gives them."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_bert import features

COMBINATIONS = (None, "sum", "mean", "concatenation")


class TokenFeatures(NamedTuple):
    """Tokens of a text and their vectors.

    Args: tokens: list of str, [CLS] first and [SEP] last. vectors: float32 [tokens, layers, hidden_size]; [tokens, size] where combined.
    """

    tokens: list
    vectors: np.ndarray


def extract_features(model, texts, text_pairs=None, *, layers=(-1, -2, -3, -4), combine=None, batch_size=32):
    """Vectors of each token, out of the layers of a model's encoder.

        first, = extract_features(model, ["a fine film"], layers=(-1, -2, -3, -4), combine="sum")
        first.tokens        # ["[CLS]", "a", "fine", "film", "[SEP]"]
        first.vectors       # float32 [5, hidden_size]: Devlin et al. 2018, table 7

    Args:
        model: a task with a tokenizer, as BertEmbedder. Texts are cut to its max_length.
        texts, text_pairs: lists of str; text_pairs may be None.
        layers: whole numbers: -1 is the last block's output, -2 that before; 0 is the embedding output, 1 the first block's.
        combine: None gives each layer by itself; "sum", "mean" or "concatenation" of the layers.
        batch_size: texts at once.
    Returns: list of TokenFeatures, one a text.
    Raises: ValueError where the model has no tokenizer, or there is no such layer.
    Source: google-research/bert extract_features.py.
    """
    count = model.encoder.config.num_hidden_layers
    layers = tuple(layers)
    wrong = [layer for layer in layers if not -count - 1 <= layer <= count]
    if wrong or not layers:
        raise ValueError(f"layers={layers!r}: the encoder has {count} blocks, so there are layers from {-count - 1} to {count}")
    if combine not in COMBINATIONS:
        raise ValueError(f"combine={combine!r} is not one of None, {', '.join(filter(None, COMBINATIONS))}")
    for given in (texts, text_pairs):
        if isinstance(given, str):
            raise ValueError(f"got one string, {given!r:.60}; give a list of texts")
    texts, text_pairs = list(texts), None if text_pairs is None else list(text_pairs)
    if text_pairs is not None and len(text_pairs) != len(texts):
        raise ValueError(f"{len(texts)} texts but {len(text_pairs)} second texts")
    if model.tokenizer is None:
        raise ValueError(f"this {type(model).__name__} was made without a vocabulary, so it cannot read texts")
    tokenizer, packer = model.tokenizer, model.packer
    run = tf.function(lambda inputs: _combined(_states(model.encoder, inputs), layers, combine), reduce_retracing=True, autograph=False)
    found = []
    for start in range(0, len(texts), batch_size):
        pairs = None if text_pairs is None else tokenizer.tokenize(text_pairs[start : start + batch_size])
        inputs = packer.pad(packer.join(tokenizer.tokenize(texts[start : start + batch_size]), pairs))
        vectors = run(inputs).numpy()
        for ids, mask, of_text in zip(inputs[features.INPUT_IDS].numpy(), inputs[features.ATTENTION_MASK].numpy(), vectors, strict=True):
            real = int(mask.sum())
            found.append(TokenFeatures([tokenizer.pieces[index] for index in ids[:real]], of_text[:real]))
    return found


def _states(encoder, inputs):
    """Returns: list of the embedding output and that of each block, [batch, length, hidden_size]."""
    x = encoder.get_layer("embeddings")(inputs[features.INPUT_IDS], inputs[features.TOKEN_TYPE_IDS], training=False)
    mask = encoder.get_layer("mask")(inputs[features.ATTENTION_MASK])
    states = [x]
    for index in range(encoder.config.num_hidden_layers):
        states.append(encoder.get_layer(f"layer_{index}")(states[-1], mask, training=False))
    return states


def _combined(states, layers, combine):
    chosen = [tf.cast(states[layer], tf.float32) for layer in layers]
    if combine == "concatenation":
        return tf.concat(chosen, axis=-1)
    chosen = tf.stack(chosen, axis=2)  # (B, T, layers, H)
    return chosen if combine is None else tf.reduce_sum(chosen, axis=2) if combine == "sum" else tf.reduce_mean(chosen, axis=2)
