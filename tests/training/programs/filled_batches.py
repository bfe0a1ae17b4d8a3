"""Train, evaluate and predict on one device, then on two replicas whose batches are filled up as on TPU; print how they differ.

TPUStrategy itself needs a TPU: two CPU replicas stand in for it, and only the question "is this a TPU?" is answered yes.
"""

import json

import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)

from keras_bert import BertClassifier, BertConfig, BertEncoder
from keras_bert.training import create_optimizer, distribution, get_strategy, model, step, step_functions

ROWS, LENGTH, BATCH = 53, 16, 16  # the last batch has 5 rows
CONFIG = BertConfig(
    vocab_size=100,
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=LENGTH,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    initializer_range=0.3,
)


def results(strategy, filled):
    for module in (distribution, model, step, step_functions):
        module.is_tpu = lambda _: filled
    random = np.random.default_rng(0)
    ids = random.integers(5, 100, (ROWS, LENGTH)).astype("int32")
    x = {"input_ids": ids, "token_type_ids": 0 * ids, "attention_mask": 0 * ids + 1}
    labels = random.integers(0, 3, ROWS).astype("int32")
    dataset = tf.data.Dataset.from_tensor_slices((x, labels)).batch(BATCH)
    keras.utils.set_random_seed(1)
    with strategy.scope():
        classifier = BertClassifier(BertEncoder(CONFIG), ["a", "b", "c"])
    classifier.compile(create_optimizer(1e-3, total_steps=10))
    history = classifier.fit(dataset, verbose=0).history
    return {
        "weights": np.concatenate([variable.numpy().ravel() for variable in classifier.trainable_variables]),
        "fit": np.array([history["loss"][0], history["accuracy"][0]]),
        "evaluate": np.array(classifier.evaluate(dataset, verbose=0)),
        "predict": classifier.predict(dataset.map(lambda x, label: x), verbose=0),
    }


expected = results(get_strategy("one_device"), filled=False)
filled = results(get_strategy("mirrored"), filled=True)
print(json.dumps({name: float(np.abs(filled[name] - expected[name]).max()) for name in expected}))
