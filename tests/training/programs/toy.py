"""A small BERT and toy data, for the programs that the tests of training start."""

import numpy as np
import tensorflow as tf

from keras_bert import BertClassifier, BertConfig, BertEncoder, BertMaskedLM, BertPretrainer

VOCAB_SIZE, LENGTH, PREDICTIONS = 100, 16, 4
GLOBAL_BATCH = 32


def arrays(rows, seed=0):
    """Rows that are padded, and in batches of GLOBAL_BATCH most targets stand in the second half; of one batch none in the first.

    Returns: contract with masked_positions, masked_ids, masked_weights, labels (0 or 1).
    """
    random = np.random.default_rng(seed)
    lengths = random.integers(PREDICTIONS, LENGTH + 1, rows)
    attention_mask = (np.arange(LENGTH) < lengths[:, None]).astype("int32")
    input_ids = random.integers(0, VOCAB_SIZE, (rows, LENGTH)).astype("int32") * attention_mask
    masked_positions = np.sort(random.integers(0, PREDICTIONS, (rows, PREDICTIONS)), axis=1).astype("int32")
    masked_ids = random.integers(0, VOCAB_SIZE, (rows, PREDICTIONS)).astype("int32")
    in_first_half = np.arange(rows) % GLOBAL_BATCH < GLOBAL_BATCH // 2
    targets = np.where(in_first_half, random.integers(0, 2, rows), random.integers(PREDICTIONS - 1, PREDICTIONS + 1, rows))
    targets[3 * GLOBAL_BATCH : 3 * GLOBAL_BATCH + GLOBAL_BATCH // 2] = 0
    masked_weights = (np.arange(PREDICTIONS) < targets[:, None]).astype("float32")
    x = {
        "input_ids": input_ids,
        "token_type_ids": np.zeros_like(input_ids),
        "attention_mask": attention_mask,
        "masked_positions": masked_positions,
    }
    return x, masked_ids, masked_weights, random.integers(0, 2, rows).astype("int32")


def examples(task, rows, seed=0):
    """Returns: the elements that a task trains on, as arrays (x, y[, sample_weight])."""
    x, masked_ids, masked_weights, labels = arrays(rows, seed)
    if task == "masked_lm":
        return x, masked_ids, masked_weights
    if task == "pretrainer":
        return (
            x,
            {"mlm_logits": masked_ids, "nsp_logits": labels},
            {"mlm_logits": masked_weights, "nsp_logits": np.ones(rows, "float32")},
        )
    return {name: x[name] for name in ("input_ids", "token_type_ids", "attention_mask")}, labels


def dataset(task, rows, batch, seed=0):
    """Returns: tf.data.Dataset of batches, the last one with what is left."""
    return tf.data.Dataset.from_tensor_slices(examples(task, rows, seed)).batch(batch)


def make_model(task, *, num_layers=1, dropout=0.0, dtype=None):
    """Made inside a strategy's scope, after the seed is set. Args: task: "masked_lm", "pretrainer" or "classifier"."""
    config = BertConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=32,
        num_hidden_layers=num_layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LENGTH,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    encoder = BertEncoder(config, dtype=dtype)
    if task == "classifier":
        return BertClassifier(encoder, ["no", "yes"])
    return {"masked_lm": BertMaskedLM, "pretrainer": BertPretrainer}[task](encoder)
