"""BertClassifier and BertEmbedder asked for a few texts at a time, and the SavedModel that the classifier exports, in the same process.

Settings: classifier, embedder: directories, see keras_bert_weights. scratch: an empty directory.
"""

import bert_common
import latency_common
import side
import tensorflow as tf

from export import export_saved_model
from keras_bert import BertClassifier, BertEmbedder
from keras_bert.version import __version__


class KerasBert(latency_common.LatencySide):
    libraries = ("tensorflow", "keras")

    def prepare(self):
        bert_common.use_threads(tf, self.settings["threads"])
        self.versions["keras_bert"] = __version__
        self.classifier = BertClassifier.from_pretrained(self.settings["classifier"], text_pair=False)
        embedder = BertEmbedder.from_pretrained(self.settings["embedder"], text_pair=False)
        self.saved_model = tf.saved_model.load(export_saved_model(self.classifier, self.settings["scratch"]))
        serve = self.saved_model.signatures["serving_default"]
        self.forms = {
            "predict": lambda texts: self.classifier.predict(texts, verbose=0),
            "answer": self.classifier.answer,
            "saved_model": lambda texts: serve(text=tf.constant(texts))["probabilities"].numpy(),
            "embed": lambda texts: embedder.predict(texts, verbose=0),
        }

    def numbers(self, form, texts):
        if form == "answer":
            return [answer["probabilities"] for answer in self.classifier.answer(texts)]
        return super().numbers(form, texts)

    def run(self, request):
        if request.get("measure") == "lengths":
            return {"lengths": self.classifier.preprocess(self.texts)["attention_mask"].numpy().sum(1).tolist()}
        return super().run(request)


side.serve(KerasBert)
