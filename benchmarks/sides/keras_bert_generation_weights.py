"""Writes the weights of a bert2bert that every side loads: random, of a fixed seed, as an EncoderDecoderModel of Transformers.

As those of keras_bert_weights. The output's bias takes off what the logits of all places have in common: with that, random weights write
one token again and again, and to compare such answers would tell little.
"""

import bert_common  # before TensorFlow
import keras
import numpy as np
import side
import tensorflow as tf

import keras_bert
from keras_bert import BertConfig, BertEncoder, BertSeq2Seq, BertTokenizer
from keras_bert.version import __version__

ROWS, LENGTH = 8, 32  # of random sources and targets


class Weights:
    def __init__(self, settings):
        self.versions = {"keras_bert": __version__}
        keras.utils.set_random_seed(0)
        config = BertConfig(**settings["config"], initializer_range=1.2 / settings["config"]["hidden_size"] ** 0.5)
        model = BertSeq2Seq(BertEncoder(config), BertTokenizer(settings["vocabulary"]))
        sizes = {"batch_size": ROWS, "length": LENGTH, "vocab_size": config.vocab_size, "batches": 2}
        source, target = bert_common.random_batches(sizes)
        inputs = {name: tf.constant(source[name]) for name in ("input_ids", "token_type_ids", "attention_mask")}
        logits = model.network(inputs | {"decoder_input_ids": tf.constant(target["input_ids"])}, training=False)
        (bias,) = [weight for weight in model.network.weights if weight.path == "decoder/masked_lm/bias"]
        bias.assign(bias - np.mean(logits, axis=(0, 1)))
        keras_bert.checkpoints.to_hugging_face(model, settings["hugging_face"])


side.serve(Weights)
