"""BertEmbedder.predict: texts to vectors.

Settings: embedder: a directory, see keras_bert_weights. batch_sizes: of the forms, "batch_8" and so on.
"""

import bert_common
import latency_common
import side
import tensorflow as tf

from keras_bert import BertEmbedder
from keras_bert.version import __version__


class KerasBert(latency_common.LatencySide):
    libraries = ("tensorflow", "keras")

    def prepare(self):
        bert_common.use_threads(tf, self.settings["threads"])
        self.versions["keras_bert"] = __version__
        self.model = BertEmbedder.from_pretrained(self.settings["embedder"], text_pair=False)
        self.forms = {
            f"batch_{size}": lambda texts, size=size: self.model.predict(texts, batch_size=size, verbose=0)
            for size in self.settings["batch_sizes"]
        }

    def run(self, request):
        if request.get("measure") == "lengths":
            return {"lengths": self.model.preprocess(self.texts)["attention_mask"].numpy().sum(1).tolist()}
        return super().run(request)


side.serve(KerasBert)
