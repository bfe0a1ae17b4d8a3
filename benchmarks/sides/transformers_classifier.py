"""Transformers' BertForSequenceClassification on PyTorch, eager or compiled; trained by a plain loop with PyTorch's fused AdamW.

Settings: compile: true or false. policy "mixed_bfloat16" is autocast over float32 weights; "bfloat16" has weights and AdamW's moments in
bfloat16 too, which does less work and loses small updates. Strings are tokenized by its fast tokenizer and padded to a batch's longest;
batches are of like length: by its own LengthGroupedSampler in training, sorted in prediction.
"""

import bert_common
import numpy as np
import side
import torch
import transformers
from transformers.trainer_pt_utils import LengthGroupedSampler

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "mixed_bfloat16": torch.float32}


class Transformers(bert_common.ClassifierSide):
    libraries = ("transformers", "torch")

    def prepare(self):
        torch.set_num_threads(self.threads)
        settings = self.settings
        self.model = transformers.BertForSequenceClassification.from_pretrained(settings["directory"], dtype=DTYPES[self.policy])
        trains = self.job in ("training", "fit")
        self.model.train(trains)
        if self.job in ("predict", "fit"):
            self.tokenizer = transformers.BertTokenizerFast.from_pretrained(settings["directory"])
            self.texts = side.read_json(settings["texts"])
        if self.job == "fit":
            self.labels = np.array(side.read_json(settings["labels"]))
        if trains:
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
        if self.job == "fit":
            encoded = self.tokenized()
            order = list(LengthGroupedSampler(self.settings["batch_size"], lengths=[len(ids) for ids in encoded["input_ids"]]))
            return np.array([self.step(batch) for _, batch in self.padded(encoded, order)])
        if self.job == "predict":
            return self.predict()
        with torch.inference_mode(), self.autocast():
            return bert_common.concatenated(self.forward(**features(batch)).logits.float().softmax(-1).numpy() for batch in batches)

    def predict(self):
        encoded = self.tokenized()
        order = np.argsort([-len(ids) for ids in encoded["input_ids"]])
        scores = np.empty([len(order), 2], "float32")
        with torch.inference_mode(), self.autocast():
            for places, batch in self.padded(encoded, order):
                scores[places] = self.forward(**features(batch)).logits.float().softmax(-1).numpy()
        return scores

    def tokenized(self):
        return self.tokenizer(self.texts, truncation=True, max_length=self.settings["length"])

    def padded(self, encoded, order):
        """Yields: places of a batch's texts, and the batch, as long as its longest."""
        for first in range(0, len(order), self.settings["batch_size"]):
            places = order[first : first + self.settings["batch_size"]]
            rows = {name: [encoded[name][place] for place in places] for name in ("input_ids", "token_type_ids", "attention_mask")}
            batch = dict(self.tokenizer.pad(rows, return_tensors="np"))
            yield places, batch | ({"labels": self.labels[places]} if self.job == "fit" else {})

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
