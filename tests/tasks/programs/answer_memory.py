"""By how much a context of more tokens raises the peak memory of a process that answers questions.

    python answer_memory.py VOCABULARY DIRECTORY        # DIRECTORY of a SavedModel, to be written; "" asks the model itself

Prints one JSON object: bytes.
"""

import json
import sys

import keras
import tensorflow as tf
from peak import peak

from keras_bert import BertConfig, BertEncoder, BertQuestionAnswerer, BertTokenizer

FEW, MANY = 3_000, 30_000  # tokens: 46 and 468 rows, of which 32 are answered at a time


def make_model(vocabulary):
    config = BertConfig(
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
        max_position_embeddings=128,
        initializer_range=0.1,
    )
    return BertQuestionAnswerer(BertEncoder(config), BertTokenizer(vocabulary), max_query_length=16, stride=64)


def main():
    vocabulary, directory = sys.argv[1:]
    keras.utils.set_random_seed(0)
    model = make_model(vocabulary)
    if directory:
        model.export(directory)
        serve = tf.saved_model.load(directory).signatures["serving_default"]

    def ask(tokens):
        question, context = tf.constant(["who was it ?"]), " ".join(["good", "film", "it", "was"] * (tokens // 4))
        if directory:
            serve(question=question, context=tf.constant([context]))
        else:
            model.answer((["who was it ?"], [context]))

    ask(FEW)  # TensorFlow's own, what tracing takes, and 32 rows
    before = peak()
    ask(MANY)
    print(json.dumps(peak() - before))


if __name__ == "__main__":
    main()
