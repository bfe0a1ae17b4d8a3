"""Transformers' BertForSequenceClassification on PyTorch, eager or compiled; trained by a plain loop with PyTorch's fused AdamW.

Settings: compile: true or false. policy "mixed_bfloat16" is autocast over float32 weights; "bfloat16" has weights and AdamW's moments in
bfloat16 too, which does less work and loses small updates.
"""

import bert_common
import numpy as np
import side
import torch
import transformers

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "mixed_bfloat16": torch.float32}


class Transformers(bert_common.ClassifierSide):
    libraries = ("transformers", "torch")

    def prepare(self):
        torch.set_num_threads(self.threads)
        settings = self.settings
        self.model = transformers.BertForSequenceClassification.from_pretrained(settings["directory"], dtype=DTYPES[self.policy])
        self.model.train(self.job == "training")
        if self.job == "training":
            parameters = self.model.parameters()
            if settings["check"]:
                self.optimizer = torch.optim.SGD(parameters, bert_common.CHECK_LEARNING_RATE)
            else:
                self.optimizer = torch.optim.AdamW(
                    parameters, bert_common.LEARNING_RATE, eps=bert_common.EPSILON, weight_decay=bert_common.WEIGHT_DECAY, fused=True
                )
        self.forward = torch.compile(self.model) if settings["compile"] else self.model

    def work(self, batches):
        if self.job == "training":
            return np.array([self.step(batch) for batch in batches])
        with torch.inference_mode(), self.autocast():
            return bert_common.concatenated(self.forward(**features(batch)).logits.float().softmax(-1).numpy() for batch in batches)

    def step(self, batch):
        with self.autocast():
            logits = self.forward(**features(batch)).logits
        loss = torch.nn.functional.cross_entropy(logits.float(), torch.from_numpy(batch["labels"]).long())
        loss.backward()
        if not self.settings["check"]:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), bert_common.CLIP_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def autocast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.policy == "mixed_bfloat16")

    def product(self, size):
        generator = torch.Generator().manual_seed(size)
        left, right = (torch.randn(size, size, generator=generator).to(getattr(torch, self.compute_dtype)) for _ in range(2))
        return lambda: left @ right


def features(batch):
    return {name: torch.from_numpy(array).long() for name, array in batch.items() if name != "labels"}


side.serve(Transformers)
