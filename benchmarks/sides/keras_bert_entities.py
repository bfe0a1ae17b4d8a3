"""BertTagger.answer: texts to their entities.

Settings: model: a Transformers directory. dtype. batch_sizes: of the forms, "batch_8" and so on.
"""

import bert_common
import latency_common
import side
import tensorflow as tf

from keras_bert import BertTagger
from keras_bert.version import __version__


class KerasBert(latency_common.LatencySide):
    libraries = ("tensorflow", "keras")

    def prepare(self):
        bert_common.use_threads(tf, self.settings["threads"])
        self.versions["keras_bert"] = __version__
        model = BertTagger.from_pretrained(self.settings["model"], dtype=self.settings["dtype"])
        model.max_length = model.encoder.config.max_position_embeddings  # the pipeline's
        self.forms = {
            f"batch_{size}": lambda texts, size=size: model.answer(texts, batch_size=size) for size in self.settings["batch_sizes"]
        }

    def outputs(self, request):
        """Returns: a list a text, of [start, end, type, score] an entity."""
        return [
            [[entity[name] for name in ("start", "end", "type", "score")] for entity in answer["entities"]]
            for batch in self.batches(request)
            for answer in self.forms[request["form"]](batch)
        ]


side.serve(KerasBert)
