"""A model of Transformers, or one made of such, on PyTorch, eager, trained by a plain loop with PyTorch's fused AdamW.

A task's side says which class, what its loss is, and how it answers.
"""

import bert_common
import quality_common
import torch
import transformers

NO_WEIGHT_DECAY = ("bias", "LayerNorm.weight", "LayerNorm.bias")
WARM_UP = 0.1  # of all steps


class Transformers(quality_common.QualitySide):
    """The subclass gives `answers`, `model_class`, and loss(batch): a scalar tensor."""

    libraries = ("transformers", "torch")

    def __init__(self, settings):
        torch.set_num_threads(settings["threads"])
        super().__init__(settings)

    def load(self, directory, *, seed, total_steps, epsilon):
        transformers.set_seed(seed)
        self.model = self.make_model(directory).train()
        named = [(name, parameter) for name, parameter in self.model.named_parameters() if parameter.requires_grad]
        groups = [
            {"params": [parameter for name, parameter in named if name.endswith(NO_WEIGHT_DECAY) is excluded], "weight_decay": decay}
            for excluded, decay in ((False, bert_common.WEIGHT_DECAY), (True, 0.0))
        ]
        self.optimizer = torch.optim.AdamW(groups, self.settings["learning_rate"], eps=epsilon, fused=True)
        self.schedule = transformers.get_linear_schedule_with_warmup(self.optimizer, int(total_steps * WARM_UP), total_steps)

    def make_model(self, directory):
        return self.model_class.from_pretrained(directory, dtype=torch.float32)

    def train(self, batches):
        return sum(map(self.step, batches)) / len(batches)

    def step(self, batch):
        loss = self.loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), bert_common.CLIP_NORM)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return loss.item()

    def outputs_of(self, rows):
        """Args: rows: dict of model input -> list of rows. Yields: slice, which rows; the batch; what the model gives for it."""
        self.model.eval()
        for places, batch in quality_common.batches_of(rows, self.data["padding"]):
            with torch.inference_mode():
                outputs = self.outputs_of_batch(tensors(batch))
            yield places, batch, outputs

    def outputs_of_batch(self, inputs):
        return self.model(**inputs)


def tensors(batch):
    """The inputs that Transformers takes. Returns: dict of tensors."""
    return {name: torch.from_numpy(batch[name]).long() for name in ("input_ids", "token_type_ids", "attention_mask")}
