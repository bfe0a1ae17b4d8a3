"""BertQuestionAnswerer.answer: questions and their contexts to answers.

Settings: model: a Transformers directory. max_length, stride: its own. batch_sizes: of the forms, "batch_8" and so on. texts: path of a
JSON list of [question, context].
"""

import bert_common
import latency_common
import side
import tensorflow as tf

from keras_bert import BertQuestionAnswerer
from keras_bert.version import __version__


class KerasBert(latency_common.LatencySide):
    libraries = ("tensorflow", "keras")

    def prepare(self):
        bert_common.use_threads(tf, self.settings["threads"])
        self.versions["keras_bert"] = __version__
        options = {name: self.settings[name] for name in ("max_length", "stride")}
        self.model = BertQuestionAnswerer.from_pretrained(self.settings["model"], **options)
        self.forms = {
            f"batch_{size}": lambda pairs, size=size: self.model.answer(pairs, batch_size=size) for size in self.settings["batch_sizes"]
        }

    def run(self, request):
        if request.get("measure") == "lengths":
            questions, contexts = zip(*self.texts, strict=True)
            return {"lengths": self.model.preprocess(questions, contexts)["attention_mask"].numpy().sum(1).tolist()}
        return super().run(request)

    def outputs(self, request):
        """Returns: list of str, the answer to each question."""
        return [answer["text"] for batch in self.batches(request) for answer in self.forms[request["form"]](batch)]


side.serve(KerasBert)
