"""google-research/bert's FullTokenizer: one thread of Python, a line a call. Model Garden's copy, its word limit set back to 200."""

import importlib.metadata
import os
import time

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import side
from official.nlp.tools.tokenization import FullTokenizer


class Full:
    def __init__(self, settings):
        self.versions = {"tf-models-official": importlib.metadata.version("tf-models-official")}
        self.lines = side.read_json(settings["text"])
        self.tokenizer = FullTokenizer(settings["vocabulary"], do_lower_case=True)
        self.tokenizer.wordpiece_tokenizer.max_input_chars_per_word = 200

    def split(self, line):
        return self.tokenizer.convert_tokens_to_ids(self.tokenizer.tokenize(line))

    def run(self, request):
        lines = self.lines[: request["lines"]]
        start = time.perf_counter()
        results = [self.split(line) for line in lines]
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "checksum": [sum(map(len, results)), sum(map(sum, results))]}

    def outputs(self, request):
        return [[self.split(line)] for line in self.lines[: request["lines"]]]


side.serve(Full)
