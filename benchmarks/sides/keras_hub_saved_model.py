"""Exports KerasHub's BertTextClassifier by Keras's ExportArchive, from strings to probabilities, and ends.

Settings: directory: of weights, see keras_bert_weights. length: tokens of every text, as KerasHub pads. exports: dict of dtype -> the
model's directory, in which version 1 is made.
"""

import os

import bert_common
import keras
import keras_hub
import safetensors.numpy
import side
import tensorflow as tf


class SavedModels:
    def __init__(self, settings):
        self.versions = bert_common.versions(("keras-hub", "keras", "tensorflow"))
        for dtype, path in settings["exports"].items():
            export(settings["directory"], settings["length"], dtype, os.path.join(path, "1"))


def export(directory, length, dtype, path):
    keras.config.set_dtype_policy(dtype)
    backbone = keras_hub.models.BertBackbone.from_preset(directory)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor.from_preset(directory, sequence_length=length)
    model = keras_hub.models.BertTextClassifier(backbone, 2, preprocessor=preprocessor)
    tensors = safetensors.numpy.load_file(f"{directory}/model.safetensors")  # KerasHub's converter takes no head
    model.output_dense.set_weights([tensors["classifier.weight"].T, tensors["classifier.bias"]])

    def serve(text):
        logits = model(preprocessor(text), training=False)
        # Two outputs, since the name of a single one is left out of a reply.
        return {"probabilities": tf.nn.softmax(tf.cast(logits, tf.float32)), "label": tf.argmax(logits, -1)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.preprocessor = preprocessor  # its tables are saved with the model
    archive.add_endpoint("serving_default", serve, input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    archive.write_out(path, verbose=False)


side.serve(SavedModels)
