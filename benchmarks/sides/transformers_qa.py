"""Transformers' BertForQuestionAnswering as a side of the suite quality. Its answers are the path of its logits, see quality_qa."""

import side
import torch
import transformers
import transformers_quality

PADDING_LOGIT = -1e9


class TransformersQuestionAnswerer(transformers_quality.Transformers):
    model_class = transformers.BertForQuestionAnswering

    def loss(self, batch):
        """Transformers' own, the mean over rows, of logits that padding has no share in.

        In the loss that its model gives padding may be where the answer starts, so that a row's loss depends on what it is batched with.
        """
        inputs = transformers_quality.tensors(batch)
        outputs = self.model(**inputs)
        logits = (part.masked_fill(inputs["attention_mask"] == 0, PADDING_LOGIT) for part in (outputs.start_logits, outputs.end_logits))
        return self.model.loss_function(*logits, *torch.from_numpy(batch["labels"]).long().unbind(1))

    def answers(self, part):
        arrays = []
        for _, batch, outputs in self.outputs_of(self.data[part]["inputs"]):
            logits = torch.stack([outputs.start_logits, outputs.end_logits], dim=-1).numpy()
            arrays.append(logits[batch["attention_mask"] == 1])
        return self.write(part, arrays)


side.serve(TransformersQuestionAnswerer)
