"""What two replicas make of raw text, beside what one does.

    python replicas.py VOCABULARY OUT

writes OUT/one.npz and OUT/two.npz. There are two logical CPUs, each a replica of the second.
"""

import os
import sys

import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)

from keras_bert import (
    BertClassifier,
    BertConfig,
    BertEncoder,
    BertMaskedLM,
    BertMultipleChoice,
    BertPretrainer,
    BertSeq2Seq,
    BertTokenizer,
)

TEXTS = ["good film", "it was great , no ?", "bad", "a good , good , great film it is ."] * 3 + ["no"]
CLASSES = [0, 1, 2, 1] * 3 + [2]
SOFT = np.eye(3, dtype="float32")[CLASSES] * 0.8 + np.float32(0.2 / 3)
CLASS_WEIGHT = {"x": 1.0, "y": 5.0, "z": 0.5}


class Told(keras.callbacks.Callback):
    """Counts what a loop of predict tells."""

    def __init__(self):
        super().__init__()
        self.told = []

    def on_predict_begin(self, logs=None):
        self.told.append("begin")

    def on_predict_batch_end(self, batch, logs=None):
        self.told.append(f"{batch}:{len(next(iter(logs.values())))}")

    def on_predict_end(self, logs=None):
        self.told.append("end")


def encoder(tokenizer):
    keras.utils.set_random_seed(3)
    config = BertConfig(
        vocab_size=tokenizer.vocabulary_size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.3,
    )
    return BertEncoder(config)


def predictions(tokenizer):
    """Returns: dict of arrays, of texts of different lengths."""
    found = {}
    for cls in (BertMaskedLM, BertPretrainer):
        model, told = cls(encoder(tokenizer), tokenizer, text_pair=False), Told()
        dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
        for way, x, options in (("memory", TEXTS, {}), ("dataset", dataset, {}), ("callbacks", TEXTS, {"callbacks": [told]})):
            outputs = model.predict(x, batch_size=4, verbose=0, **options)
            named = outputs if isinstance(outputs, dict) else {"logits": outputs}
            found |= {f"{cls.__name__}/{way}/{name}": np.asarray(part) for name, part in named.items()}
        found[f"{cls.__name__}/told"] = np.array(told.told)
    return found


def weights_by_class(tokenizer):
    """Returns: dict of arrays: weights after an epoch by plain SGD with class weights, and the words that refuse these beside others."""
    found = {}
    for kind, labels in (("hard", CLASSES), ("soft", SOFT)):
        model = BertClassifier(encoder(tokenizer), ["x", "y", "z"], tokenizer, text_pair=False)
        loss = {"loss": keras.losses.CategoricalCrossentropy(from_logits=True), "metrics": []} if kind == "soft" else {}
        model.compile(keras.optimizers.SGD(0.1), **loss)
        batch = {name: np.asarray(part) for name, part in model.preprocess(TEXTS).items()}
        model.fit(batch, np.asarray(labels), class_weight=CLASS_WEIGHT, batch_size=4, shuffle=False, verbose=0)
        found |= {f"{kind}/{weight.path}": weight.numpy() for weight in model.network.weights}
        weights = np.ones(len(TEXTS), "float32")
        try:
            model.fit(batch, np.asarray(labels), class_weight=CLASS_WEIGHT, sample_weight=weights, verbose=0)
        except ValueError as error:
            found[f"{kind}/refused"] = np.array(str(error))
    return found


def wide_rows(tokenizer):
    """Returns: dict of arrays: weights after an epoch of SGD, losses and predictions, where an example is windows or choices."""
    windows = BertClassifier(encoder(tokenizer), ["x", "y", "z"], tokenizer, max_length=8, truncate="windows", text_pair=False)
    chooser = BertMultipleChoice(encoder(tokenizer), tokenizer)
    choices = [["good", "bad film", "no , it is"][: 2 + number % 2] for number in range(len(TEXTS))]
    found = {}
    for name, model, x, y in (("windows", windows, TEXTS, CLASSES), ("choices", chooser, (TEXTS, choices), [0, 1] * 6 + [1])):
        model.compile(keras.optimizers.SGD(0.1))
        columns = model.preprocessor.columns(x)
        batches = tf.data.Dataset.from_tensor_slices((columns, y)).batch(4)
        history = model.fit(batches, verbose=0).history
        found |= {f"wide/{name}/{weight.path}": weight.numpy() for weight in model.network.weights}
        found[f"wide/{name}/shown"] = np.array([history["loss"][0], *model.evaluate(x, y, batch_size=4, verbose=0)])
        found[f"wide/{name}/predicted"] = model.predict(x, batch_size=4, verbose=0)
    return found


def written(tokenizer):
    """Returns: dict of arrays: weights after an epoch of SGD on targets of different lengths, losses, and the ids that are written."""
    model = BertSeq2Seq(encoder(tokenizer), tokenizer, max_target_length=8)
    model.compile(keras.optimizers.SGD(0.1))
    targets = ["good", "no film , it is", "", "bad film"] * 3 + ["a"]
    history = model.fit(tf.data.Dataset.from_tensor_slices((TEXTS, targets)).batch(4), verbose=0).history
    found = {f"written/{weight.path}": weight.numpy() for weight in model.network.weights}
    found["written/shown"] = np.array([history["loss"][0], *model.evaluate(TEXTS, targets, batch_size=4, verbose=0)])
    return found | {"written/ids": model.predict(TEXTS, batch_size=4, verbose=0)}


def main():
    vocabulary, out = sys.argv[1:]
    tokenizer = BertTokenizer(vocabulary)
    for name, strategy in (("one", tf.distribute.get_strategy()), ("two", tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))):
        with strategy.scope():
            found = predictions(tokenizer) | weights_by_class(tokenizer) | wide_rows(tokenizer) | written(tokenizer)
        np.savez(os.path.join(out, f"{name}.npz"), **found)


if __name__ == "__main__":
    main()
