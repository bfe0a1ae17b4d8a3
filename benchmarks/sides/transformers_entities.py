"""Transformers' pipeline of token classification on PyTorch: texts to their entities, a word's tag its first piece's.

Settings: model: a Transformers directory. dtype. batch_sizes: of the forms, "batch_8" and so on.
"""

import latency_common
import side
import torch
import transformers


class Pipeline(latency_common.LatencySide):
    libraries = ("transformers", "torch")

    def prepare(self):
        torch.set_num_threads(self.settings["threads"])
        directory = self.settings["model"]
        pipe = transformers.pipeline(
            "token-classification",
            model=directory,
            tokenizer=directory,
            device="cpu",
            dtype=getattr(torch, self.settings["dtype"]),
            aggregation_strategy="first",  # as the model was trained; "simple" tags each piece by itself
        )
        self.forms = {f"batch_{size}": lambda texts, size=size: pipe(texts, batch_size=size) for size in self.settings["batch_sizes"]}

    def outputs(self, request):
        """Returns: a list a text, of [start, end, type, score] an entity."""
        return [
            [[entity["start"], entity["end"], entity["entity_group"], float(entity["score"])] for entity in answer]
            for batch in self.batches(request)
            for answer in self.forms[request["form"]](batch)
        ]


side.serve(Pipeline)
