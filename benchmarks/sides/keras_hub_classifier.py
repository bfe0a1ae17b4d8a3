"""KerasHub's BertTextClassifier: in a tf.function, by predict on strings, or trained by fit.

Settings: form: "graph", "predict" or "fit". jit_compile: False, True or "auto". KerasHub's own converter loads the directory, which is of
Transformers' format; for BERT's head it has none, so that is taken from the file here.
"""

import bert_common
import keras
import keras_hub
import numpy as np
import safetensors.numpy
import side
import tensorflow as tf


class KerasHub(bert_common.ClassifierSide):
    libraries = ("keras-hub", "keras", "tensorflow")

    def prepare(self):
        bert_common.use_threads(tf, self.threads)
        settings = self.settings
        keras.config.set_dtype_policy(self.policy)
        dropout = 0.0 if settings["check"] else 0.1
        backbone = keras_hub.models.BertBackbone.from_preset(settings["directory"], dropout=dropout)
        preprocessor = None
        if self.job == "predict":
            preprocessor = keras_hub.models.BertTextClassifierPreprocessor.from_preset(
                settings["directory"], sequence_length=settings["length"]
            )
            self.texts = side.read_json(settings["texts"])
        self.model = keras_hub.models.BertTextClassifier(backbone, 2, preprocessor=preprocessor, dropout=dropout)
        tensors = safetensors.numpy.load_file(f"{settings['directory']}/model.safetensors")
        self.model.output_dense.set_weights([tensors["classifier.weight"].T, tensors["classifier.bias"]])
        if settings["form"] == "graph":
            self.forward = tf.function(lambda x: self.model(x, training=False), autograph=False, jit_compile=settings["jit_compile"])
        else:
            if settings["check"]:
                optimizer = keras.optimizers.SGD(bert_common.CHECK_LEARNING_RATE)
            else:
                optimizer = keras.optimizers.AdamW(
                    bert_common.LEARNING_RATE,
                    weight_decay=bert_common.WEIGHT_DECAY,
                    epsilon=bert_common.EPSILON,
                    global_clipnorm=bert_common.CLIP_NORM,
                )
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            self.model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=settings["jit_compile"])
        self.datasets = {}

    def work(self, batches):
        if self.job == "predict":
            return softmax(self.model.predict(self.texts, batch_size=self.settings["batch_size"], verbose=0))
        if self.job == "training":
            return np.array(self.model.fit(self.dataset(batches), verbose=0).history["loss"])
        return softmax(bert_common.concatenated(tf.cast(self.forward(features(batch)), tf.float32) for batch in batches))

    def dataset(self, batches):
        if len(batches) not in self.datasets:
            parts = [(features(batch), tf.constant(batch["labels"])) for batch in batches]
            stacked = tf.nest.map_structure(lambda *tensors: tf.concat(tensors, 0), *parts)
            self.datasets[len(batches)] = tf.data.Dataset.from_tensor_slices(stacked).batch(self.settings["batch_size"])
        return self.datasets[len(batches)]

    def product(self, size):
        return bert_common.tensorflow_product(tf, size, self.compute_dtype)


def features(batch):
    names = {"token_ids": "input_ids", "segment_ids": "token_type_ids", "padding_mask": "attention_mask"}
    return {theirs: tf.constant(batch[ours]) for theirs, ours in names.items()}


def softmax(logits):
    return tf.nn.softmax(tf.cast(logits, tf.float32)).numpy()


side.serve(KerasHub)
