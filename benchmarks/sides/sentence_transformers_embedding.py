"""SentenceTransformer, its losses too, as a side of the suite quality. Its answers are the path of its vectors, see quality_embedding."""

import side
import torch
import transformers_quality
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import losses


class SentenceTransformers(transformers_quality.Transformers):
    """CosineSimilarityLoss of pairs with scores, MultipleNegativesRankingLoss of examples without."""

    libraries = ("sentence-transformers", "transformers", "torch")

    def make_model(self, directory):
        model = SentenceTransformer(directory, device="cpu", model_kwargs={"dtype": torch.float32})
        is_scored = isinstance(self.data["train"]["labels"][0], float)
        self.criterion = (losses.CosineSimilarityLoss if is_scored else losses.MultipleNegativesRankingLoss)(model)
        return model

    def loss(self, batch):
        labels = torch.from_numpy(batch["labels"])
        texts = len(batch["input_ids"]) // len(labels)
        columns = ({name: rows[text::texts] for name, rows in transformers_quality.tensors(batch).items()} for text in range(texts))
        return self.criterion([trimmed(column) for column in columns], labels)

    def outputs_of_batch(self, inputs):
        return self.model(inputs)["sentence_embedding"]

    def answers(self, part):
        return self.write(part, [vectors.numpy() for _, _, vectors in self.outputs_of(self.data[part]["inputs"])])


def trimmed(column):
    """A column of texts as long as its own longest, as sentence-transformers' collator makes it."""
    length = int(column["attention_mask"].sum(1).max())
    return {name: rows[:, :length] for name, rows in column.items()}


side.serve(SentenceTransformers)
