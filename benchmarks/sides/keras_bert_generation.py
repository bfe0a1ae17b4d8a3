"""A BertSeq2Seq that writes, in a tf.function, as an exported one does."""

import bert_common
import generation_common
import side
import tensorflow as tf
from generation_common import BEAMS, END, PAD, START

from keras_bert import BertSeq2Seq
from keras_bert.generation import Generation
from keras_bert.version import __version__


class KerasBert(generation_common.GenerationSide):
    libraries = ("tensorflow", "keras")

    def prepare(self):
        bert_common.use_threads(tf, self.threads)
        self.versions["keras_bert"] = __version__
        self.network = BertSeq2Seq.from_pretrained(self.settings["directory"], dtype=self.policy).network
        self.forms = {"greedy": self.form(), "beam4": self.form(num_beams=BEAMS), "uncached": self.form(cached=False)}

    def form(self, **options):
        """Returns: function of a batch."""
        tokens = self.settings["tokens"]
        generation = Generation(tokens, END, pad_id=PAD, min_length=tokens, early_stopping=True, **options)

        @tf.function
        def write(inputs):
            return self.network(inputs, training=False, generation=generation)["ids"][:, 0]

        def call(batch):
            inputs = {name: tf.constant(batch[name]) for name in ("input_ids", "token_type_ids", "attention_mask")}
            return write(inputs | {"decoder_input_ids": tf.fill([len(batch["input_ids"]), 1], START)}).numpy()

        return call


side.serve(KerasBert)
