"""Fine-tunes a question answerer for some steps, as examples/finetune_qa.py does, and writes it as Transformers loads it.

Settings: pretrained: a Transformers directory. train: path of questions in SQuAD's JSON. steps, batch_size, learning_rate. path: where to
write the model.
"""

import time

import bert_common
import keras
import side
import tensorflow as tf

import keras_bert
from keras_bert import BertQuestionAnswerer
from keras_bert.data import read_squad, squad_dataset
from keras_bert.training import create_optimizer
from keras_bert.version import __version__


class Trained:
    def __init__(self, settings):
        self.settings = settings
        self.versions = {"keras_bert": __version__}

    def run(self, request):
        settings, start = self.settings, time.perf_counter()
        bert_common.use_threads(tf, settings["threads"])
        keras.utils.set_random_seed(0)
        model = BertQuestionAnswerer.from_pretrained(settings["pretrained"])
        batches = model.training_batches(squad_dataset(read_squad(settings["train"])), settings["batch_size"])
        model.compile(create_optimizer(settings["learning_rate"], total_steps=settings["steps"]), metrics=None)
        history = model.fit(batches(0).take(settings["steps"]), verbose=0).history
        keras_bert.checkpoints.to_hugging_face(model, settings["path"])
        return {"seconds": time.perf_counter() - start, "loss": float(history["loss"][-1])}


side.serve(Trained)
