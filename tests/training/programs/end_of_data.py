"""Data whose end is seen only when it is reached, in batches of one static size: no update and no row is counted that is not there.

    python end_of_data.py

Every label is 0, and so is every prediction: the accuracy is 1. Prints a JSON object of cases: name -> updates, accuracy in fit and
in evaluate.
"""

import json

import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from keras_bert.training import TrainingModel, get_strategy

BATCHES, EPOCHS = 11, 3


def count(strategy, *, steps_per_execution=1, accumulate=1):
    with strategy.scope():
        x = keras.Input([2])
        model = TrainingModel(x, keras.layers.Dense(1, kernel_initializer="zeros")(x))
    model.compile(
        keras.optimizers.SGD(0.0),
        "mse",
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy")],
        steps_per_execution=steps_per_execution,
        gradient_accumulation_steps=accumulate,
    )
    rows = tf.data.Dataset.from_tensors((np.ones([2], "float32"), np.zeros([1], "float32"))).repeat(4 * BATCHES)
    batches = rows.filter(lambda *_: True).batch(4, drop_remainder=True)
    history = model.fit(batches, epochs=EPOCHS, verbose=0).history
    evaluated = model.evaluate(batches, verbose=0, return_dict=True)
    return {
        "updates": int(model.optimizer.iterations.numpy()),
        "fit_accuracy": history["accuracy"],
        "accuracy": evaluated["accuracy"],
    }


if __name__ == "__main__":
    one_device, mirrored = get_strategy("one_device"), get_strategy("mirrored")
    cases = {
        "no strategy": count(tf.distribute.get_strategy()),
        "no strategy, in threes": count(tf.distribute.get_strategy(), steps_per_execution=3),
        "one_device": count(one_device),
        "mirrored": count(mirrored),
        "mirrored, in threes": count(mirrored, steps_per_execution=3),
        "accumulated": count(one_device, accumulate=2),
        "mirrored, accumulated": count(mirrored, accumulate=2, steps_per_execution=2),
    }
    print(json.dumps(cases))
