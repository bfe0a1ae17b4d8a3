"""What the sides that write share: forms, the clock, and what is compared. NumPy and the standard library only."""

import time

import bert_common
import numpy as np

START, END, PAD = 101, 102, 0  # [CLS], [SEP], [PAD] of bert-base-uncased's vocabulary
BEAMS = 4


class GenerationSide(bert_common.ClassifierSide):
    """Ids to ids. The subclass gives `prepare`, which sets `forms`: dict of name -> function of a batch that gives ids [rows, tokens].

    Settings: directory: of an EncoderDecoderModel. policy: "float32" or "bfloat16". tokens: of an answer, START counts. Others: as
        ClassifierSide.
    """

    def run(self, request):
        write = self.forms[request["form"]]
        start = time.perf_counter()
        shapes = [list(np.shape(write(batch))) for batch in self.batches]
        return {"seconds": time.perf_counter() - start, "checksum": shapes}

    def outputs(self, request):
        """Returns: list of lists of ids, the answers; every second source is half padding."""
        batches = [bert_common.padded(batch) for batch in self.batches]
        return [row for batch in batches for row in np.asarray(self.forms[request["form"]](batch)).tolist()]
