"""SentenceTransformer.encode on PyTorch, in float32. Settings: embedder: a directory, see keras_bert_weights."""

import latency_common
import side
import torch
from sentence_transformers import SentenceTransformer


class Encode(latency_common.LatencySide):
    libraries = ("sentence-transformers", "transformers", "torch")

    def prepare(self):
        torch.set_num_threads(self.settings["threads"])
        model = SentenceTransformer(self.settings["embedder"], device="cpu", model_kwargs={"dtype": torch.float32})
        self.forms = {"embed": model.encode}


side.serve(Encode)
