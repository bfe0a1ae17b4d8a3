"""prepare_pretraining_data: a file of documents, a sentence a line, to record files, as `threads` processes."""

import os
import tempfile
import time

import bert_common  # first: it hides GPUs
import side
import tensorflow as tf

from keras_bert import BertTokenizer
from keras_bert.data import Corpus
from keras_bert.pretraining import ExampleSettings, prepare_pretraining_data
from keras_bert.version import __version__


class Maker:
    def __init__(self, settings):
        self.settings = settings
        bert_common.use_threads(tf, 1)  # as each of its processes
        self.versions = {"keras_bert": __version__} | bert_common.versions(["tensorflow", "tensorflow-text"])

    def run(self, request):
        with tempfile.TemporaryDirectory(dir=self.settings["scratch"]) as directory:
            start = time.perf_counter()
            manifest = self.make(request["text"], os.path.join(directory, "examples"), request.get("examples", {}))
            seconds = time.perf_counter() - start
        totals = manifest["totals"]
        counts = [totals["rows"], totals["tokens"], totals["label_1"]]
        return {"seconds": seconds, "checksum": counts, "peak_bytes": bert_common.peak_bytes()}

    def make(self, text, directory, other):
        settings = ExampleSettings(sentences="line", **self.settings["examples"] | other)
        tokenizer = BertTokenizer(self.settings["vocabulary"])
        return prepare_pretraining_data(Corpus(text), directory, tokenizer, settings, workers=self.settings["threads"], progress=False)


if __name__ == "__main__":  # its processes import this
    side.serve(Maker)
