"""Model Garden's create_pretraining_data, which is google-research's: the script's main, called with its flags. It has one process."""

import os
import tempfile
import time

import absl.flags
import bert_common  # first: it hides GPUs
import side
import tensorflow as tf
from official.nlp.data import create_pretraining_data


class Script:
    def __init__(self, settings):
        self.settings = settings
        bert_common.use_threads(tf, settings["threads"])
        self.versions = bert_common.versions(["tf-models-official", "tensorflow"])

    def run(self, request):
        examples = self.settings["examples"] | request.get("examples", {})
        with tempfile.TemporaryDirectory(dir=self.settings["scratch"]) as directory:
            path = os.path.join(directory, "examples.tfrecord")
            flags = {
                "input_file": request["text"],
                "output_file": path,
                "vocab_file": self.settings["vocabulary"],
                "max_seq_length": examples["max_length"],
                "max_predictions_per_seq": self.settings["max_predictions"],
                "short_seq_prob": examples["short_seq_prob"],
                "dupe_factor": examples["dupe_factor"],
                "random_seed": examples["seed"],
                "gzip_compress": True,  # as ours
            }
            absl.flags.FLAGS(["create_pretraining_data", *(f"--{name}={value}" for name, value in flags.items())])
            start = time.perf_counter()
            create_pretraining_data.main([])
            seconds = time.perf_counter() - start
            counts = counts_of(path)
        return {"seconds": seconds, "checksum": counts, "peak_bytes": bert_common.peak_bytes()}


def counts_of(path):
    """Returns: rows, tokens, and rows whose second text is a random one."""
    names = {"input_mask": tf.io.RaggedFeature(tf.int64), "next_sentence_labels": tf.io.FixedLenFeature([1], tf.int64)}
    rows = tokens = labels = 0
    for records in tf.data.TFRecordDataset([path], "GZIP").batch(1024):
        parsed = tf.io.parse_example(records, names)
        rows += len(records)
        tokens += int(tf.reduce_sum(parsed["input_mask"].values))
        labels += int(tf.reduce_sum(parsed["next_sentence_labels"]))
    return [rows, tokens, labels]


side.serve(Script)
