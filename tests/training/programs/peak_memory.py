"""By how much an epoch of one batch raises a process's peak memory.

    python peak_memory.py EXAMPLES ROWS_AT_ONCE         # ROWS_AT_ONCE 0: all

Prints one JSON object: bytes.
"""

import json
import sys

import keras
import numpy as np
from peak import peak

from keras_bert import BertConfig, BertEmbedder, BertEncoder
from keras_bert.training import create_optimizer

LENGTH = 128


def batch(examples):
    ids = np.random.default_rng(0).integers(1, 100, (examples, 2, LENGTH)).astype("int32")
    numbers = np.arange(1, 2 * examples + 1, dtype="int32").reshape(-1, 2)
    return {"input_ids": ids, "token_type_ids": 0 * ids, "attention_mask": 0 * ids + 1}, numbers


def main():
    examples, rows_at_once = map(int, sys.argv[1:])
    keras.utils.set_random_seed(0)
    config = BertConfig(
        vocab_size=100,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=512,
        max_position_embeddings=LENGTH,
    )
    model = BertEmbedder(BertEncoder(config))
    model.compile(create_optimizer(1e-4, total_steps=2), rows_at_once=rows_at_once or None)
    model.fit(*batch(2), batch_size=2, verbose=0)  # TensorFlow's own, and what tracing takes
    before = peak()
    model.fit(*batch(examples), batch_size=examples, verbose=0)
    print(json.dumps(peak() - before))


if __name__ == "__main__":
    main()
