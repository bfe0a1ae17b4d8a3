"""keras_bert.pretraining.Masker in a tf.data pipeline: rows in memory to padded batches with masks, drawn anew in each run.

It also makes the rows: settings `text`, a file of documents, `rows`, where to write them for the peer, `examples` and `scratch`.
"""

import itertools
import json
import os
import tempfile
import time

import bert_common  # first: it hides GPUs
import numpy as np
import side
import tensorflow as tf

from keras_bert import BertTokenizer
from keras_bert.data import Corpus
from keras_bert.pretraining import ExampleSettings, Masker, MaskingSettings, prepare_pretraining_data, read_examples
from keras_bert.pretraining.masking import draw
from keras_bert.version import __version__


class Masking:
    def __init__(self, settings):
        bert_common.use_threads(tf, settings["threads"])
        self.versions = {"keras_bert": __version__} | bert_common.versions(["tensorflow"])
        self.settings = settings
        self.tokenizer = BertTokenizer(settings["vocabulary"])
        with tempfile.TemporaryDirectory(dir=settings["scratch"]) as directory:
            path, examples = os.path.join(directory, "examples"), ExampleSettings(sentences="line", **settings["examples"])
            prepare_pretraining_data(Corpus(settings["text"]), path, self.tokenizer, examples, workers=1, progress=False)
            rows = [row["input_ids"].tolist() for row in read_examples(path).as_numpy_iterator()]
        with open(settings["rows"], "w", encoding="utf-8") as file:
            json.dump(rows, file)
        self.rows, self.tokens = tf.ragged.constant(rows, tf.int32), sum(map(len, rows))
        masking = MaskingSettings(max_predictions=settings["max_predictions"])
        self.masker = Masker(self.tokenizer, masking, slots=masking.slots(examples.max_length))
        self.length, self.epochs = examples.max_length, itertools.count()
        self.batches = {}

    def pipeline(self, epoch):
        """Returns: tf.data.Dataset: what the masker gives of each batch, and how its ids were."""
        count, batch_size, rows = self.rows.nrows(), self.settings["batch_size"], self.rows

        @tf.autograph.experimental.do_not_convert
        def masked(first, draws):
            ids = rows[first : first + batch_size].to_tensor(shape=[None, self.length])
            return self.masker({"input_ids": ids, "attention_mask": tf.cast(ids > 0, tf.int32)}, draws) | {"before": ids}

        numbers = tf.data.Dataset.range(count)
        draws = numbers.map(lambda number: draw(epoch, number, self.length)).batch(batch_size)
        options = tf.data.Options()
        options.autotune.enabled = False
        return tf.data.Dataset.zip((tf.data.Dataset.range(0, count, batch_size), draws)).map(masked).with_options(options)

    def run(self, request):
        dataset = self.pipeline(next(self.epochs))
        start = time.perf_counter()
        count = sum(1 for _ in dataset)
        return {"seconds": time.perf_counter() - start, "checksum": [count, self.tokens], "tokens": self.tokens}

    def outputs(self, request):
        """Returns: the share of tokens that were asked about; of those, the shares of [MASK] and of tokens that stay."""
        chosen = masks = same = 0
        for batch in self.pipeline(next(self.epochs)).as_numpy_iterator():
            real = batch["masked_weights"] == 1
            new = np.take_along_axis(batch["input_ids"], batch["masked_positions"], axis=1)[real]
            chosen += len(new)
            masks += int((new == self.tokenizer.mask_id).sum())
            same += int((new == batch["masked_ids"][real]).sum())
        return [chosen / self.tokens, masks / chosen, same / chosen]


side.serve(Masking)
