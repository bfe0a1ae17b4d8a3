"""Transformers' DataCollatorForLanguageModeling on PyTorch: rows in memory to padded batches with masks, without `datasets`.

As its documentation has it fastest: each row brings its special_tokens_mask.
"""

import time

import bert_common  # first: it hides GPUs
import side
import torch
import transformers


class Collator:
    def __init__(self, settings):
        torch.set_num_threads(settings["threads"])
        self.versions = bert_common.versions(["transformers", "torch"])
        self.batch_size = settings["batch_size"]
        self.tokenizer = transformers.BertTokenizerFast(settings["vocabulary"])
        rows = side.read_json(settings["rows"])
        special = set(self.tokenizer.all_special_ids)
        self.rows = [{"input_ids": row, "special_tokens_mask": [int(piece in special) for piece in row]} for row in rows]
        self.tokens = sum(map(len, rows))
        self.collator = transformers.DataCollatorForLanguageModeling(self.tokenizer, seed=0)

    def batches(self):
        for first in range(0, len(self.rows), self.batch_size):
            yield self.collator(self.rows[first : first + self.batch_size])

    def run(self, request):
        start = time.perf_counter()
        count = sum(1 for _ in self.batches())
        return {"seconds": time.perf_counter() - start, "checksum": [count, self.tokens], "tokens": self.tokens}

    def outputs(self, request):
        chosen = masks = same = 0
        for batch in self.batches():
            is_chosen = batch["labels"] != -100
            new = batch["input_ids"][is_chosen]
            chosen += len(new)
            masks += int((new == self.tokenizer.mask_token_id).sum())
            same += int((new == batch["labels"][is_chosen]).sum())
        return [chosen / self.tokens, masks / chosen, same / chosen]


side.serve(Collator)
