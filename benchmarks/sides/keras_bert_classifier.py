"""BertClassifier: in a tf.function, by predict on strings, as an exported SavedModel, or trained by fit.

Settings: form: "graph", "predict", "saved_model" or "fit". max_tokens_per_batch: of strings, in place of batch_size; or pad_to_max: true.
Without a directory, weights are new ones of `config`. rematerialize: true for that option of BertEncoder.
tf_config: what TF_CONFIG says to a worker of MultiWorkerMirroredStrategy.
"""

import contextlib
import os

import bert_common
import numpy as np
import side
import tensorflow as tf

from keras_bert import BertClassifier, BertConfig, BertEncoder
from keras_bert.training import create_optimizer, get_strategy
from keras_bert.training.profiling import cost_table, profile
from keras_bert.training.throughput import measured_matmul_peak
from keras_bert.version import __version__


class KerasBert(bert_common.ClassifierSide):
    libraries = ("tensorflow", "keras")

    def prepare(self):
        bert_common.use_threads(tf, self.threads)
        self.versions["keras_bert"] = __version__
        settings = self.settings
        form = settings["form"]
        # The exporter turns a float32 model into the dtype that is to be served.
        dtype = "float32" if form == "saved_model" else self.policy
        if "directory" not in settings:
            self.model = BertClassifier(BertEncoder(BertConfig(**settings["config"]), dtype=dtype), ["negative", "positive"])
        else:
            options = {"pad_to_multiple_of": None} if settings.get("pad_to_max") else {}
            scope = contextlib.nullcontext()
            if "tf_config" in settings:
                os.environ["TF_CONFIG"] = settings["tf_config"]
                scope = get_strategy("multi_worker").scope()
            with scope:
                self.model = BertClassifier.from_pretrained(
                    settings["directory"], dtype=dtype, max_length=settings["length"], text_pair=False, **options
                )
        self.model.encoder.rematerialize = settings.get("rematerialize", False)
        if form == "graph":
            function = tf.function(lambda features: self.model(features, training=False), autograph=False)
            self.forward = lambda features: tf.nn.softmax(tf.cast(function(features), tf.float32)).numpy()
        elif form == "saved_model":
            from export import export_saved_model

            # In float32 freezing gains nothing, and costs memory and time.
            options = {} if self.policy == "float32" else {"dtype": self.policy, "freeze": True}
            path = export_saved_model(self.model, settings["scratch"], **options)
            self.model = tf.saved_model.load(path)
            function = self.model.signatures["ids"]
            self.forward = lambda features: function(**features)["probabilities"].numpy()
        elif form == "fit":
            self.compile()
        if self.job in ("predict", "fit"):
            self.texts = side.read_json(settings["texts"])
            name = "max_tokens_per_batch" if "max_tokens_per_batch" in settings else "batch_size"
            self.batching = {name: settings[name]}
        if self.job == "fit":
            self.labels = side.read_json(settings["labels"])
        self.datasets = {}

    def compile(self):
        if self.settings["check"]:
            import keras

            optimizer = keras.optimizers.SGD(bert_common.CHECK_LEARNING_RATE)
        else:
            optimizer = create_optimizer(bert_common.LEARNING_RATE, total_steps=100_000, bias_correction=True)  # as every peer's
        self.model.compile(optimizer)

    def work(self, batches):
        if self.job == "predict":
            return self.model.predict(self.texts, verbose=0, **self.batching)
        if self.job == "fit":
            return np.array(self.model.fit(self.texts, self.labels, verbose=0, **self.batching).history["loss"])
        if self.job == "training":
            return np.array(self.model.fit(self.dataset(batches), verbose=0).history["loss"])
        return bert_common.concatenated(self.forward(features(batch)) for batch in batches)

    def dataset(self, batches):
        if len(batches) not in self.datasets:
            parts = [(features(batch), tf.constant(batch["labels"])) for batch in batches]
            stacked = tf.nest.map_structure(lambda *tensors: tf.concat(tensors, 0), *parts)
            self.datasets[len(batches)] = tf.data.Dataset.from_tensor_slices(stacked).batch(self.settings["batch_size"])
        return self.datasets[len(batches)]

    def run(self, request):
        if request.get("measure") == "lengths":
            return {"lengths": self.model.preprocess(self.texts)["attention_mask"].numpy().sum(1).tolist()}
        if request.get("measure") == "profile":
            self.work(self.batches)  # traces and compiles
            costs = profile(request["directory"], lambda: self.work(self.batches))
            return {"table": cost_table(costs)}
        return super().run(request)

    def peak(self):
        return measured_matmul_peak(self.compute_dtype)


def features(batch):
    return {name: tf.constant(array) for name, array in batch.items() if name != "labels"}


side.serve(KerasBert)
