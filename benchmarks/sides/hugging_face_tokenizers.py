"""Hugging Face tokenizers' BertWordPieceTokenizer: encode_batch, or encode_batch_fast, which leaves offsets out.

Generous to it: the time ends when the call returns, and its results are not read into Python lists within it.
"""

import time

import side
import tokenizers


class BertWordPiece:
    def __init__(self, settings):
        self.versions = {"tokenizers": tokenizers.__version__}
        self.lines = side.read_json(settings["text"])
        self.mode = settings["mode"]
        self.tokenizer = tokenizers.BertWordPieceTokenizer(settings["vocabulary"], lowercase=True)._tokenizer  # the fast call is only there
        self.encode = getattr(self.tokenizer, settings["method"])

    def run(self, request):
        lines, batch_lines = self.lines[: request["lines"]], request["batch_lines"]
        seconds, count, total = 0.0, 0, 0
        for first in range(0, len(lines), batch_lines):
            batch = lines[first : first + batch_lines]
            start = time.perf_counter()
            encodings = self.encode(batch, add_special_tokens=False)
            seconds += time.perf_counter() - start
            for encoding in encodings:  # not timed
                ids = encoding.ids
                count += len(ids)
                total += sum(ids)
        return {"seconds": seconds, "checksum": [count, total]}

    def outputs(self, request):
        encodings = self.encode(self.lines[: request["lines"]], add_special_tokens=False)
        if self.mode == "ids":
            return [[encoding.ids] for encoding in encodings]
        return [[encoding.ids, [start for start, _ in encoding.offsets], [end for _, end in encoding.offsets]] for encoding in encodings]


side.serve(BertWordPiece)
