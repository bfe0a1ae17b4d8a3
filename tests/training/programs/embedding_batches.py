"""Multiple negatives of an embedder, on one device, on two replicas and a few rows at a time.

    python embedding_batches.py OUTPUT.npz

Writes for each way the weights after one epoch of SGD, and the losses that fit and evaluate show. "by_hand" is plain TensorFlow.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)

from keras_bert import BertConfig, BertEmbedder, BertEncoder
from keras_bert.layers import dropout_seed
from keras_bert.layers.bits import folded_seed
from keras_bert.training import MultipleNegatives, get_strategy

EXAMPLES, TEXTS, LENGTH, BATCH = 13, 3, 6, 8  # the second batch has 5 examples, of which one replica gets 2


def make_model(dropout=0.0):
    keras.utils.set_random_seed(3)
    config = BertConfig(
        vocab_size=30,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=LENGTH,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=0.3,
    )
    return BertEmbedder(BertEncoder(config))


def data():
    generator = np.random.default_rng(0)
    ids = generator.integers(1, 30, (EXAMPLES, TEXTS, LENGTH)).astype("int32")
    mask = (np.arange(LENGTH) < generator.integers(2, LENGTH + 1, (EXAMPLES, TEXTS, 1))).astype("int32")
    x = {"input_ids": ids * mask, "token_type_ids": ids * 0, "attention_mask": mask}
    return x, np.arange(1, EXAMPLES * TEXTS + 1, dtype="int32").reshape(EXAMPLES, TEXTS)


def trained(strategy, rows_at_once=None):
    with strategy.scope():
        model = make_model()
    model.compile(keras.optimizers.SGD(0.5), MultipleNegatives(symmetric=True), rows_at_once=rows_at_once)
    batches = tf.data.Dataset.from_tensor_slices(data()).batch(BATCH)
    fitted = model.fit(batches, verbose=0).history["loss"]
    return weights_of(model), np.array([fitted[0], model.evaluate(batches, verbose=0)])


def weights_of(model):
    return np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables])


def loss_by_hand(vectors):
    """Cross-entropy of the positive among all positives and negatives, and of the anchor among all anchors. Returns: its sum."""
    anchors, positives, negatives = tf.unstack(vectors, axis=1)
    own = tf.range(tf.shape(vectors)[0])
    there = 20 * tf.matmul(anchors, tf.concat([positives, negatives], axis=0), transpose_b=True)
    back = 20 * tf.matmul(positives, anchors, transpose_b=True)
    losses = [tf.nn.sparse_softmax_cross_entropy_with_logits(own, scores) for scores in (there, back)]
    return tf.reduce_sum(tf.add_n(losses)) / 2


def by_hand():
    model = make_model()
    variables = [variable.value for variable in model.trainable_variables]
    x, _ = data()

    def total(first):
        rows = {name: part[first : first + BATCH].reshape(-1, LENGTH) for name, part in x.items()}
        return loss_by_hand(tf.reshape(model.network(rows), [-1, TEXTS, 8]))

    fitted = 0.0
    for first in range(0, EXAMPLES, BATCH):
        with tf.GradientTape() as tape:
            value = total(first)
            loss = value / min(BATCH, EXAMPLES - first)
        fitted += float(value)
        for variable, slope in zip(variables, tape.gradient(loss, variables), strict=True):
            if slope is not None:
                variable.assign_sub(0.5 * tf.convert_to_tensor(slope))
    return weights_of(model), np.array([fitted, sum(float(total(first)) for first in range(0, EXAMPLES, BATCH))]) / EXAMPLES


def with_dropout():
    """Gradients of one batch with dropout, by the step and by one tape over the same few rows with the same seeds."""
    model, (x, y) = make_model(dropout=0.2), data()
    model.compile(keras.optimizers.SGD(0.5), MultipleNegatives(symmetric=True), rows_at_once=7)
    model.fit(x, y, batch_size=EXAMPLES, epochs=1, verbose=0)  # builds what it takes
    step = model.replica_step(model._global_loss)
    seed = tf.constant([11, 12])
    gradients, _ = tf.function(step.gradients)((x, y, None), step.counts((x, y, None)), seed)
    rows = {name: part.reshape(-1, LENGTH) for name, part in x.items()}
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        parts = []
        for number, start in enumerate(range(0, EXAMPLES * TEXTS, 7)):
            with dropout_seed(folded_seed(seed, number)):
                parts.append(model.network({name: part[start : start + 7] for name, part in rows.items()}, training=True))
        loss = loss_by_hand(tf.reshape(tf.concat(parts, axis=0), [-1, TEXTS, 8])) / EXAMPLES
    expected = [slope for slope in tape.gradient(loss, variables) if slope is not None]
    flat = [np.concatenate([tf.convert_to_tensor(slope).numpy().ravel() for slope in slopes]) for slopes in (gradients, expected)]
    return {"dropout/step": flat[0], "dropout/by_hand": flat[1]}


if __name__ == "__main__":
    one_device, mirrored = get_strategy("one_device"), get_strategy("mirrored")
    ways = {
        "by_hand": by_hand(),
        "one_device": trained(one_device),
        "cached": trained(one_device, rows_at_once=5),
        "mirrored": trained(mirrored),
        "mirrored_and_cached": trained(mirrored, rows_at_once=5),
    }
    results = {f"{way}/{kind}": values for way, both in ways.items() for kind, values in zip(("weights", "losses"), both, strict=True)}
    np.savez(sys.argv[1], **results, **with_dropout())
