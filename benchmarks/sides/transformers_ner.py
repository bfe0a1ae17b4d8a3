"""Transformers' BertForTokenClassification as a side of the suite quality: a word's first piece carries its tag."""

import numpy as np
import quality_common
import side
import torch
import transformers
import transformers_quality

IGNORED = -100  # Transformers' label of what does not count
ANSWERED_BATCH = 32


class TransformersTagger(transformers_quality.Transformers):
    model_class = transformers.BertForTokenClassification

    def targets(self, batch):
        """Labels of words, [batch, words], to labels of tokens, [batch, length]."""
        labels = np.full(batch["input_ids"].shape, IGNORED)
        rows, words = np.nonzero(batch["word_positions"])
        labels[rows, batch["word_positions"][rows, words]] = batch["labels"][rows, words]
        return labels

    def answers(self, part):
        self.model.eval()
        names, rows = self.model.config.id2label, self.data[part]["inputs"]
        tags = []
        for first in range(0, len(rows["input_ids"]), ANSWERED_BATCH):
            chosen = {name: column[first : first + ANSWERED_BATCH] for name, column in rows.items()}
            batch = {name: quality_common.rectangle(column, self.data["padding"][name]) for name, column in chosen.items()}
            with torch.inference_mode():
                ids = self.model(**transformers_quality.tensors(batch)).logits.argmax(-1).numpy()
            tags += [
                [names[each] for each in row[positions].tolist()] for row, positions in zip(ids, chosen["word_positions"], strict=True)
            ]
        return tags


side.serve(TransformersTagger)
