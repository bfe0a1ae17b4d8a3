"""Losses of texts, on one device, on two replicas and in micro-batches: by hand in NumPy, and by what fit does.

    python label_losses.py OUTPUT.npz

Writes for each loss and way the weights after one epoch of SGD, and what fit and evaluate show: loss, and a metric that adds up.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)

from keras_bert.metrics import LabelAccuracy, PearsonCorrelation
from keras_bert.training import LabelBinaryCrossEntropy, LabelCrossEntropy, ScoreSquaredError, TrainingModel, get_strategy

ROWS, FEATURES, BATCH = 13, 3, 8  # the second batch has 5 rows, of which one replica gets 2
CLASS_WEIGHTS = [1.0, 2.0, 0.5]
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, FEATURES)).astype("float32")
WEIGHTS = RANDOM.uniform(0.5, 2.0, ROWS).astype("float32")
TARGETS = {
    "one": RANDOM.integers(0, 3, ROWS).astype("int32"),
    "many": RANDOM.integers(0, 2, (ROWS, 3)).astype("float32"),
    "score": RANDOM.uniform(size=ROWS).astype("float32"),
    "number": RANDOM.normal(size=ROWS).astype("float32"),
}


def loss_of(name):
    if name == "one":
        return LabelCrossEntropy(3, CLASS_WEIGHTS)
    if name == "many":
        return LabelBinaryCrossEntropy(3, CLASS_WEIGHTS)
    return LabelBinaryCrossEntropy(1) if name == "score" else ScoreSquaredError()


def trained(name, strategy, accumulate):
    columns = 3 if name in ("one", "many") else 1
    with strategy.scope():
        x = keras.Input([FEATURES])
        model = TrainingModel(x, keras.layers.Dense(columns, kernel_initializer="ones")(x))
    metrics = {"one": [LabelAccuracy(3)], "number": [PearsonCorrelation()]}.get(name, [])
    model.compile(keras.optimizers.SGD(0.5), loss_of(name), metrics=metrics, gradient_accumulation_steps=accumulate)
    batches = tf.data.Dataset.from_tensor_slices((X, TARGETS[name], WEIGHTS)).batch(BATCH // accumulate)
    fitted = model.fit(batches, verbose=0).history["loss"]
    weights = np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables])
    return weights, np.append(fitted, model.evaluate(batches, verbose=0))


def by_hand(name):
    """Weighted sums of the losses' slopes, divided by rows."""
    columns = 3 if name in ("one", "many") else 1
    kernel, bias = np.ones((FEATURES, columns)), np.zeros(columns)
    y = TARGETS[name]

    def losses(logits, y):
        """Returns: losses [rows], slopes [rows, columns]."""
        if name == "one":
            p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            of_class = np.array(CLASS_WEIGHTS)[y]
            return -of_class * np.log(p[np.arange(len(y)), y]), of_class[:, None] * (p - np.eye(3)[y])
        y = np.reshape(y, logits.shape)
        if name == "number":
            return np.mean((logits - y) ** 2, axis=1), 2 * (logits - y)
        p, positive = 1 / (1 + np.exp(-logits)), np.array(CLASS_WEIGHTS) if name == "many" else 1.0
        value = -(positive * y * np.log(p) + (1 - y) * np.log(1 - p))
        return value.mean(1), (-positive * y * (1 - p) + (1 - y) * p) / columns

    total = 0.0
    for first in range(0, ROWS, BATCH):
        part = slice(first, first + BATCH)
        value, slope = losses(X[part] @ kernel + bias, y[part])
        total += (value * WEIGHTS[part]).sum()
        slope *= WEIGHTS[part, None] / len(value)
        kernel, bias = kernel - 0.5 * X[part].T @ slope, bias - 0.5 * slope.sum(0)
    logits = X @ kernel + bias
    shown = [total / ROWS, (losses(logits, y)[0] * WEIGHTS).sum() / ROWS]
    if name == "one":
        shown.append(np.average(logits.argmax(1) == y, weights=np.ones(ROWS)))
    if name == "number":
        shown.append(np.corrcoef(logits[:, 0], y)[0, 1])
    return np.concatenate([kernel.ravel(), bias]), np.array(shown)


if __name__ == "__main__":
    one_device, mirrored = get_strategy("one_device"), get_strategy("mirrored")
    results = {}
    for name in TARGETS:
        ways = {"by_hand": by_hand(name), "shared": trained(name, mirrored, 2 if name in ("one", "score") else 1)}
        for way, both in ways.items():
            results |= {f"{name}/{way}/{kind}": values for kind, values in zip(("weights", "shown"), both, strict=True)}
    np.savez(sys.argv[1], **results)
