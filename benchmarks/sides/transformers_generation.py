"""Transformers' EncoderDecoderModel.generate on PyTorch, with its cache, as its documentation shows."""

import generation_common
import side
import torch
import transformers
from generation_common import BEAMS, END, PAD, START


class Transformers(generation_common.GenerationSide):
    libraries = ("transformers", "torch")

    def prepare(self):
        torch.set_num_threads(self.threads)
        dtype = getattr(torch, self.policy)
        self.model = transformers.EncoderDecoderModel.from_pretrained(self.settings["directory"], dtype=dtype).eval()
        self.forms = {"greedy": self.form(num_beams=1), "beam4": self.form(num_beams=BEAMS, early_stopping=True, length_penalty=1.0)}

    def form(self, **options):
        """Returns: function of a batch."""
        tokens = self.settings["tokens"]
        special = {"decoder_start_token_id": START, "eos_token_id": END, "pad_token_id": PAD}
        config = transformers.GenerationConfig(max_length=tokens, min_length=tokens, do_sample=False, use_cache=True, **special, **options)

        def call(batch):
            inputs = {name: torch.from_numpy(batch[name]).long() for name in ("input_ids", "token_type_ids", "attention_mask")}
            with torch.inference_mode():
                return self.model.generate(**inputs, generation_config=config).numpy()

        return call


side.serve(Transformers)
