"""keras_bert.BertTokenizer as users run it: a tf.data pipeline over lines in memory, batched, then mapped."""

import os
import time

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # text is the CPU's work

import side
import tensorflow as tf
import tensorflow_text

import keras_bert
from keras_bert.version import __version__


class Wordpiece:
    def __init__(self, settings):
        self.threads = settings["threads"]
        tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        tf.config.threading.set_inter_op_parallelism_threads(self.threads)
        self.versions = {"keras_bert": __version__, "tensorflow": tf.__version__, "tensorflow-text": tensorflow_text.__version__}
        self.lines = side.read_json(settings["text"])
        tokenizer = keras_bert.BertTokenizer(settings["vocabulary"])
        whole = settings["mode"] == "offsets"

        def split(lines):
            parts = tokenizer.tokenize_with_offsets(lines) if whole else (tokenizer.tokenize(lines),)
            # Flat, with the rows' ends beside: tf.data takes a ragged tensor apart row by row to hand it on.
            return *(part.values for part in parts), parts[0].row_splits

        # Traced once, here: a pipeline over the same function then only calls it.
        self.split = tf.function(split, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        self.split.get_concrete_function()

    def pipeline(self, lines, batch_lines):
        options = tf.data.Options()
        options.threading.private_threadpool_size = self.threads
        if self.threads == 1:
            options.threading.max_intra_op_parallelism = 1
        options.autotune.enabled = False  # the parallelism is given; on one core the tuner alone costs a third of the time
        parallel = self.threads if self.threads > 1 else None  # one thread runs the plain map, without the queue of a parallel one
        lines = tf.constant(lines)
        starts = tf.data.Dataset.range(0, len(lines), batch_lines)  # a slice a batch: a line at a time costs a fifth more
        return starts.map(lambda start: self.split(lines[start : start + batch_lines]), num_parallel_calls=parallel).with_options(options)

    def run(self, request):
        lines = self.lines[: request["lines"]]
        start = time.perf_counter()
        results = list(self.pipeline(lines, request["batch_lines"]))
        seconds = time.perf_counter() - start
        values = tf.concat([batch[0] for batch in results], axis=0)
        return {"seconds": seconds, "checksum": [int(tf.size(values)), int(tf.reduce_sum(tf.cast(values, tf.int64)))]}

    def outputs(self, request):
        batches = self.pipeline(self.lines[: request["lines"]], 512)
        rows = [
            list(zip(*(tf.RaggedTensor.from_row_splits(part, batch[-1]).to_list() for part in batch[:-1]), strict=True))
            for batch in batches
        ]
        return [row for batch in rows for row in batch]


side.serve(Wordpiece)
