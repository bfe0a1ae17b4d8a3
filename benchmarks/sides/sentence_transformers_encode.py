"""SentenceTransformer.encode on PyTorch, in float32.

Settings: embedder: a directory, see keras_bert_weights. batch_sizes: of further forms, "batch_8" and so on; "embed" has the default, 32.
"""

import latency_common
import side
import torch
from sentence_transformers import SentenceTransformer


class Encode(latency_common.LatencySide):
    libraries = ("sentence-transformers", "transformers", "torch")

    def prepare(self):
        torch.set_num_threads(self.settings["threads"])
        model = SentenceTransformer(self.settings["embedder"], device="cpu", model_kwargs={"dtype": torch.float32})
        sizes = self.settings.get("batch_sizes", ())
        self.forms = {"embed": model.encode}
        self.forms |= {f"batch_{size}": lambda texts, size=size: model.encode(texts, batch_size=size) for size in sizes}


side.serve(Encode)
