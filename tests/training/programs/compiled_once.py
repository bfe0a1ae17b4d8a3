"""Train a writer under XLA on texts of many lengths, and count what XLA compiles.

    XLA_FLAGS="--xla_dump_to=DIR --xla_dump_hlo_as_text" python compiled_once.py DIR

prints one JSON object: for static and for dynamic lengths, the programs that XLA has dumped after each update.
"""

import json
import pathlib
import sys

import keras
import tensorflow as tf

from keras_bert import BertConfig, BertEncoder, BertSeq2Seq, BertTokenizer
from keras_bert.training import create_optimizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefgh"]
ROWS = 4


def make(pad_to_multiple_of):
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    encoder = BertEncoder(config, pooler=False)
    model = BertSeq2Seq(encoder, BertTokenizer(WORDS), max_length=16, max_target_length=12, pad_to_multiple_of=pad_to_multiple_of)
    model.compile(create_optimizer(1e-3, total_steps=10), jit_compile=True)
    return model


def batches(count):
    """Whose longest texts have another length each."""
    sources = [" ".join("abcdefgh"[: 1 + (row + batch) % 8]) for batch in range(count) for row in range(ROWS)]
    targets = [source[::-1] for source in sources]
    return tf.data.Dataset.from_tensor_slices((sources, targets)).batch(ROWS, drop_remainder=True)


class Programs(keras.callbacks.Callback):
    """The programs that there are after each update."""

    def __init__(self, directory):
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.counts = []

    def on_train_batch_end(self, batch, logs=None):
        self.counts.append(len(list(self.directory.glob("*before_optimizations.txt"))))


def main():
    counts = {}
    for name, multiple, count in (("static", None, 4), ("dynamic", 1, 2)):
        programs = Programs(sys.argv[1])
        make(multiple).fit(batches(count), verbose=0, callbacks=[programs])
        counts[name] = programs.counts
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
