"""Train a few updates on a directory of examples, under the strategy that TF_CONFIG says; print what came of it.

python own_files.py EXAMPLES VOCABULARY OUT
"""

import json
import os
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_bert import BertConfig, BertEncoder, BertPretrainer, BertTokenizer
from keras_bert.pretraining import training_batches
from keras_bert.training import Trainer, create_optimizer, get_strategy
from keras_bert.training.distribution import is_multi_worker


def main():
    examples, vocabulary, out = sys.argv[1:]
    strategy = get_strategy("auto")
    keras.utils.set_random_seed(0)
    tokenizer = BertTokenizer(vocabulary)
    config = BertConfig(tokenizer.vocabulary_size, 16, 1, 2, 32, max_position_embeddings=64)
    with strategy.scope():
        model = BertPretrainer(BertEncoder(config, packed=True, pooler=True), tokenizer, max_length=64)
    model.compile(create_optimizer(1e-2, total_steps=10))
    batches = training_batches(examples, tokenizer, 8)
    read = []

    def of_worker(taken, worker, workers):
        read.append([int(taken), int(worker), int(workers)])
        return own(taken, worker, workers)

    own, batches.of_worker = batches.of_worker, of_worker
    result = Trainer(model, out, total_steps=4, progress=False).train(batches)
    read = read if is_multi_worker(strategy) else []
    weights = float(np.sum([np.abs(weight).sum() for weight in model.get_weights()]))
    print(json.dumps({"step": result.step, "read": read, "weights": weights, "loss": result.log[-1]["loss"] if result.log else None}))


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
