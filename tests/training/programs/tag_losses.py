"""Losses over the words of sentences, on one device, on two replicas and in micro-batches.

    python tag_losses.py OUTPUT.npz

Writes for each loss and way the weights after one epoch of SGD, and the losses that fit and evaluate show. "by_hand" is plain TensorFlow.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)

from keras_bert.layers import CRF
from keras_bert.training import CRFLoss, TokenCrossEntropy, TrainingModel, get_strategy

ROWS, WORDS, FEATURES, TAGS, BATCH = 13, 6, 3, 4, 8  # the second batch has 5 rows, of which one replica gets 2
TAG_WEIGHTS = [1.0, 2.0, 0.5, 1.5]


def data():
    """Returns: x, y, sample_weight. Row 2 has no target, row 3 no weight; in each batch most words are in the first rows."""
    generator = np.random.default_rng(0)
    lengths = np.array([6, 6, 0, 4, 1, 1, 2, 1, 6, 5, 1, 1, 2])
    y = np.where(np.arange(WORDS) < lengths[:, None], generator.integers(0, TAGS, (ROWS, WORDS)), -1).astype("int32")
    weights = generator.uniform(0.5, 2.0, ROWS).astype("float32")
    weights[3] = 0.0
    return generator.normal(size=(ROWS, WORDS, FEATURES)).astype("float32"), y, weights


def make_model(name):
    keras.utils.set_random_seed(3)
    x = keras.Input([WORDS, FEATURES])
    logits = keras.layers.Dense(TAGS)(x)
    return TrainingModel(x, CRF(TAGS, name="crf")(logits) if name == "crf" else logits)


def make_loss(name, model):
    return CRFLoss(TAGS, TAG_WEIGHTS) if name == "crf" else TokenCrossEntropy(TAGS, TAG_WEIGHTS)


def trained(name, strategy, *, accumulate=1, jit_compile=False):
    with strategy.scope():
        model = make_model(name)
    model.compile(keras.optimizers.SGD(0.5), make_loss(name, model), gradient_accumulation_steps=accumulate, jit_compile=jit_compile)
    batches = tf.data.Dataset.from_tensor_slices(data()).batch(BATCH // accumulate)
    fitted = model.fit(batches, verbose=0).history["loss"]
    return weights_of(model), np.array([fitted[0], model.evaluate(batches, verbose=0)])


def weights_of(model):
    return np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables])


def by_hand(name):
    """SGD on the sum of weighted losses, divided by the sum of the weights of all words."""
    model = make_model(name)
    variables = [variable.value for variable in model.trainable_variables]

    def parts(x, y, weights):
        outputs, tags, mask = model(x), np.maximum(y, 0), y >= 0
        by_tag = np.array(TAG_WEIGHTS, "float32")[tags]
        if name == "crf":
            emissions = outputs[:, :WORDS]
            losses = -model.get_layer("crf").chain().log_likelihood(emissions, tags, mask, by_tag)
        else:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tags, outputs) * by_tag * mask
            losses = tf.reduce_sum(losses, axis=1)
        return tf.reduce_sum(losses * weights), float((mask * weights[:, None]).sum())

    x, y, weights = data()
    fitted = []
    for first in range(0, ROWS, BATCH):
        with tf.GradientTape() as tape:
            total, words = parts(*(part[first : first + BATCH] for part in (x, y, weights)))
            loss = total / words
        fitted.append((float(total), words))
        for variable, slope in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.5 * slope)
    total, words = parts(x, y, weights)
    fit_loss = sum(total for total, _ in fitted) / sum(words for _, words in fitted)
    return weights_of(model), np.array([fit_loss, float(total) / words])


if __name__ == "__main__":
    one_device, mirrored = get_strategy("one_device"), get_strategy("mirrored")
    ways = {
        "crf/by_hand": by_hand("crf"),
        "crf/mirrored_and_accumulated": trained("crf", mirrored, accumulate=2),
        "crf/one_device_xla": trained("crf", one_device, jit_compile=True),
        "token/by_hand": by_hand("token"),
        "token/mirrored": trained("token", mirrored),
    }
    results = {f"{way}/{kind}": values for way, both in ways.items() for kind, values in zip(("weights", "losses"), both, strict=True)}
    np.savez(sys.argv[1], **results)
