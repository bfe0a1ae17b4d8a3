"""Transformers' pipeline of text classification on PyTorch, in float32.

Settings: classifier: a directory, see keras_bert_weights. batch: true has all texts of a call in one batch; false leaves the pipeline's
default, a text at a time.
"""

import latency_common
import side
import torch
import transformers


class Pipeline(latency_common.LatencySide):
    libraries = ("transformers", "torch")

    def prepare(self):
        torch.set_num_threads(self.settings["threads"])
        directory = self.settings["classifier"]
        self.pipe = transformers.pipeline("text-classification", model=directory, tokenizer=directory, device="cpu", dtype=torch.float32)
        self.forms = {"classify": self.classify}

    def classify(self, texts, **options):
        return self.pipe(texts, **options, **({"batch_size": len(texts)} if self.settings["batch"] else {}))

    def numbers(self, form, texts):
        names = self.pipe.model.config.id2label
        answers = ({answer["label"]: answer["score"] for answer in answers} for answers in self.classify(texts, top_k=None))
        return [[scores[names[index]] for index in range(len(names))] for scores in answers]


side.serve(Pipeline)
