"""A run of Trainer that may be killed and started again: a small BERT learns masked words.

    python run.py OUT [--total_steps 160] ...

At its end OUT/final.npz holds the weights. The last line printed is a JSON object of the result.
"""

import argparse
import json
import os
import resource

import keras
import numpy as np
import tensorflow as tf
from toy import VOCAB_SIZE, arrays, make_model

from keras_bert.data import endless_batches
from keras_bert.training import Trainer, create_optimizer, get_strategy
from keras_bert.training.distribution import is_chief

MASK = 1


def masked(x, seed):
    """Mask one of the first four positions of each row. Args: x: the contract. seed: int64 [2]. Returns: (x, masked_ids)."""
    rows, length = tf.unstack(tf.shape(x["input_ids"]))
    position = tf.random.stateless_uniform([rows], seed, maxval=4, dtype=tf.int32)
    at = tf.one_hot(position, length, on_value=True, off_value=False)
    masked_ids = tf.reduce_sum(tf.where(at, x["input_ids"], 0), axis=1, keepdims=True)
    return x | {"input_ids": tf.where(at, MASK, x["input_ids"]), "masked_positions": position[:, None]}, masked_ids


def masked_batches(rows, batch_size, seed, nan_at=None):
    """Returns: dataset_fn. The masks of a batch are of the seed, its epoch and its number. nan_at: batch whose weights are NaN."""
    x = arrays(rows)[0]
    del x["masked_positions"]
    x["input_ids"] = np.maximum(x["input_ids"] % VOCAB_SIZE, MASK + 1)

    def make_batches(dataset, epoch_seed):
        return dataset.batch(batch_size).enumerate().map(lambda number, batch: masked(batch, tf.stack([epoch_seed, number])))

    dataset_fn = endless_batches(tf.data.Dataset.from_tensor_slices(x), batch_size, seed=seed, make_batches=make_batches)

    def weighted(batches_taken):
        def add(number, batch):
            weight = tf.ones(tf.shape(batch[1])) * tf.where(number == -1 if nan_at is None else number == nan_at, np.nan, 1.0)
            return (*batch, weight)

        return dataset_fn(batches_taken).enumerate(batches_taken).map(add)

    return weighted


def train(options, strategy, output_dir):
    """One run, from its last checkpoint if there is one. Returns: TrainingResult."""
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = make_model("masked_lm", dropout=options.dropout, dtype=options.dtype)
    optimizer = create_optimizer(options.learning_rate, total_steps=options.total_steps, warmup_steps=0, ema_momentum=options.ema_momentum)
    model.compile(optimizer, gradient_accumulation_steps=options.accumulate)
    dataset_fn = masked_batches(200, options.batch_size, seed=5, nan_at=options.nan_at)

    def up_to_the_end(batches_taken):
        dataset = dataset_fn(batches_taken)
        if options.ends_after is None:
            return dataset
        dataset = dataset.take(options.ends_after - batches_taken)
        return dataset if options.end_is_known else dataset.filter(lambda *_: True)

    trainer = Trainer(
        model,
        output_dir,
        total_steps=options.total_steps,
        seed=3,
        validation_data=dataset_fn(0).take(4) if options.validate_every else None,
        validate_every=options.validate_every,
        restore_best=False,
        checkpoint_every=7,
        log_every=options.log_every,
        config={"batch_size": options.batch_size, "learning_rate": options.learning_rate},
    )
    result = trainer.train(up_to_the_end)
    if not result.interrupted and is_chief(strategy):
        weights = {f"weight/{index:03d}": weight.numpy() for index, weight in enumerate(model.weights)}
        np.savez(os.path.join(output_dir, "final.npz"), **weights)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output_dirs", nargs="+", help="of runs that are made one after the other, each like the others")
    parser.add_argument("--strategy", default="one_device")
    parser.add_argument("--total_steps", type=int, default=160)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--dtype")
    parser.add_argument("--ema_momentum", type=float)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--log_every", type=int, default=1)
    parser.add_argument("--validate_every", type=int)
    parser.add_argument("--nan_at", type=int, help="number of the batch whose weights are no numbers")
    parser.add_argument("--ends_after", type=int, help="batches that the data has")
    parser.add_argument("--end_is_known", action="store_true")
    parser.add_argument("--largest_file", type=int, help="bytes; a write beyond it fails, as on a full disk")
    options = parser.parse_args()

    strategy = get_strategy(options.strategy)
    tf.config.experimental.enable_op_determinism()
    if options.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.largest_file, resource.RLIM_INFINITY))
    for output_dir in options.output_dirs:
        result = train(options, strategy, output_dir)
        names = ("step", "resumed_from", "interrupted", "best_step", "best_value")
        print(json.dumps({name: getattr(result, name) for name in names}), flush=True)


if __name__ == "__main__":
    main()
