"""Transformers' BertForMaskedLM on PyTorch: a plain loop with PyTorch's fused AdamW. Logits of every position, as it has them.

Policy "mixed_bfloat16" is autocast over float32 weights.
"""

import bert_common
import numpy as np
import pretraining_common
import side
import torch
import transformers

IGNORED = -100  # a label that counts nothing


class Transformers(pretraining_common.PretrainingSide):
    libraries = ("transformers", "torch")

    def prepare(self):
        torch.set_num_threads(self.threads)
        settings = self.settings
        self.model = transformers.BertForMaskedLM.from_pretrained(settings["directory"])
        self.model.train()
        parameters = self.model.parameters()
        if settings["check"]:
            self.optimizer = torch.optim.SGD(parameters, bert_common.CHECK_LEARNING_RATE)
        else:
            self.optimizer = torch.optim.AdamW(
                parameters, bert_common.LEARNING_RATE, eps=bert_common.EPSILON, weight_decay=bert_common.WEIGHT_DECAY, fused=True
            )
        self.forward = torch.compile(self.model) if settings.get("compile") else self.model

    def work(self, batches):
        return np.array([self.step(batch) for batch in batches])

    def step(self, batch):
        names = ("input_ids", "token_type_ids", "attention_mask")
        with torch.autocast("cpu", torch.bfloat16, enabled=self.policy == "mixed_bfloat16"):
            loss = self.forward(**{name: torch.from_numpy(batch[name]).long() for name in names}, labels=labels(batch)).loss
        loss.backward()
        if not self.settings["check"]:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), bert_common.CLIP_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def product(self, size):
        generator = torch.Generator().manual_seed(size)
        left, right = (torch.randn(size, size, generator=generator).to(getattr(torch, self.compute_dtype)) for _ in range(2))
        return lambda: left @ right


def labels(batch):
    """Returns: int64 tensor [rows, length]: the masked ids in their places."""
    values = np.full(batch["input_ids"].shape, IGNORED)
    rows, slots = np.nonzero(batch["masked_weights"])
    values[rows, batch["masked_positions"][rows, slots]] = batch["masked_ids"][rows, slots]
    return torch.from_numpy(values)


side.serve(Transformers)
