"""Read off the dropout masks of a training step: they are all that decides the weights here.

    python dropout_masks.py

Two rows of ones go through Dropout(0.5) and a product with weights w; the loss is the mean over rows of what comes out, so the
gradient is the mean of the rows' masks times 2, and each update of SGD at rate 1 takes it from w. Prints a JSON object of runs:
name -> [updates][weights], what was taken in each update: 0 where both rows were dropped, 1 where one was, 2 where none was.
"""

import json

import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from keras_bert.layers import Dropout
from keras_bert.training import TrainingModel, get_strategy

FEATURES, UPDATES = 1000, 2


class Read(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights()[0].ravel())


def masks(strategy, seed, *, accumulate=1):
    keras.utils.set_random_seed(seed)
    with get_strategy(strategy).scope():
        ones = keras.Input([FEATURES])
        model = TrainingModel(ones, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(Dropout(0.5)(ones)))
    model.compile(keras.optimizers.SGD(1.0), loss=lambda y, y_pred: y_pred[:, 0], gradient_accumulation_steps=accumulate)
    data = tf.data.Dataset.from_tensor_slices((np.ones([2 * UPDATES, FEATURES], "float32"), np.zeros(2 * UPDATES)))
    read = Read()
    model.fit(data.batch(2 // accumulate), verbose=0, callbacks=[read])
    taken = -np.diff([np.zeros(FEATURES), *read.weights], axis=0)
    return taken.round().astype(int).tolist()


if __name__ == "__main__":
    runs = {
        "one_device": masks("one_device", seed=1),
        "mirrored": masks("mirrored", seed=1),
        "mirrored_again": masks("mirrored", seed=1),
        "mirrored_of_another_seed": masks("mirrored", seed=2),
        "accumulated": masks("one_device", seed=1, accumulate=2),
    }
    print(json.dumps(runs))
