"""Transformers' BertForTokenClassification as a side of the suite quality: a word's first piece carries its tag."""

import numpy as np
import side
import torch
import transformers
import transformers_quality

IGNORED = -100  # Transformers' label of what does not count


class TransformersTagger(transformers_quality.Transformers):
    model_class = transformers.BertForTokenClassification

    def loss(self, batch):
        return self.model(**transformers_quality.tensors(batch), labels=torch.from_numpy(self.targets(batch))).loss

    def targets(self, batch):
        """Labels of words, [batch, words], to labels of tokens, [batch, length]."""
        labels = np.full(batch["input_ids"].shape, IGNORED)
        rows, words = np.nonzero(batch["word_positions"])
        labels[rows, batch["word_positions"][rows, words]] = batch["labels"][rows, words]
        return labels

    def answers(self, part):
        names, rows = self.model.config.id2label, self.data[part]["inputs"]
        tags = []
        for places, _, outputs in self.outputs_of(rows):
            ids, words = outputs.logits.argmax(-1).numpy(), rows["word_positions"][places]
            tags += [[names[each] for each in row[positions].tolist()] for row, positions in zip(ids, words, strict=True)]
        return tags


side.serve(TransformersTagger)
