"""Transformers' BertForSequenceClassification as a side of the suite quality."""

import side
import torch
import transformers
import transformers_quality


class TransformersClassifier(transformers_quality.Transformers):
    model_class = transformers.BertForSequenceClassification

    def loss(self, batch):
        return self.model(**transformers_quality.tensors(batch), labels=torch.from_numpy(batch["labels"]).long()).loss

    def answers(self, part):
        names = self.model.config.id2label
        return [
            names[label] for _, _, outputs in self.outputs_of(self.data[part]["inputs"]) for label in outputs.logits.argmax(-1).tolist()
        ]


side.serve(TransformersClassifier)
