"""Your own Keras layers on a BertEncoder: a bidirectional LSTM and a CRF, on a frozen encoder or with it.

    python examples/compose_bilstm_crf.py                           # MiniLM, frozen, on 400 sentences of the committed WNUT-17
    python examples/compose_bilstm_crf.py --train_encoder --train train.conll --test test.conll --sentences 2000

To compose heads is to write `build` below; the rest reads a CoNLL file and calls Keras's own fit. (For this very head there is
BertTagger(crf=True, lstm_units=64), which also answers raw text, saves and exports.) Frozen, about 3 minutes on 2 busy CPU cores and a
test F1 of 0.20; 4 epochs with --train_encoder give 0.44. The last line printed is one JSON object: test_f1, loss, trained_parameters,
sentences, seconds.
"""

import argparse
import json
import math
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

import keras
from minilm import get_minilm

import keras_bert
from keras_bert.checkpoints import open_checkpoint
from keras_bert.data import read_conll, read_tags
from keras_bert.layers import CRF, WordVectors
from keras_bert.layers.crf import split_scores
from keras_bert.metrics import EntityScore
from keras_bert.preprocessing import TaggingPreprocessor
from keras_bert.tasks.feed import Feed
from keras_bert.training import CRFLoss, create_optimizer

TWEETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "wnut17")


def build(encoder, num_tags, lstm_units):
    """The model: scores of words' tags, and of moves from tag to tag."""
    positions = keras.Input((None,), dtype="int32", name="word_positions")  # of each word's first piece; 0 is padding
    x = encoder(encoder.input)["sequence_output"]  # [batch, tokens, hidden_size]
    x = WordVectors()(x, positions)  # [batch, words, hidden_size]
    lstm = keras.layers.LSTM(lstm_units, return_sequences=True)
    x = keras.layers.Bidirectional(lstm, name="bilstm")(x, mask=keras.ops.greater(positions, 0))
    x = keras.layers.Dense(num_tags, name="emissions")(x)
    return keras.Model(encoder.input | {"word_positions": positions}, CRF(num_tags, name="crf")(x))


def best_tags(scores, mask):
    """The tags of a sentence together, by Viterbi's algorithm."""
    emissions, chain = split_scores(scores)
    return chain.viterbi(emissions, mask)[0]


def main():
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", help="checkpoint of any kind (default: all-MiniLM-L6-v2, fetched)")
    parser.add_argument("--train", default=os.path.join(TWEETS, "train.conll.gz"), help="CoNLL columns (default: WNUT-17)")
    parser.add_argument("--test", default=os.path.join(TWEETS, "test.conll.gz"), help="as --train")
    parser.add_argument("--sentences", type=int, default=400, help="of each file, at most (default: %(default)s)")
    parser.add_argument("--train_encoder", action="store_true", help="train the encoder too, not only what stands on it")
    parser.add_argument("--lstm_units", type=int, default=64, help="each way (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--batch_size", type=int, default=16, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)

    pretrained = options.pretrained or get_minilm()
    encoder = keras_bert.from_pretrained(pretrained, cls=keras_bert.BertEncoder)
    encoder.trainable = options.train_encoder
    labels = read_tags(options.train)
    tokenizer = open_checkpoint(pretrained).make_tokenizer()
    feed = Feed(TaggingPreprocessor(tokenizer, labels=labels, max_length=encoder.config.max_position_embeddings))

    def batches(path, shuffle):
        elements, _ = feed.elements_of(read_conll(path, labels=labels).take(options.sentences), labelled=True)
        return feed.batches(elements, options.batch_size, by_length=True, shuffle=shuffle)

    train, test = batches(options.train, shuffle=True), batches(options.test, shuffle=False)
    model = build(encoder, len(labels), options.lstm_units)
    # The learning rate is that of the encoder, if it is trained; what starts from nothing moves faster.
    factors = {"bilstm": 25.0, "emissions": 25.0, "crf": 25.0}
    optimizer = create_optimizer(2e-4, total_steps=len(train) * options.epochs, learning_rate_multipliers=factors)
    # On a CPU a whole step compiled by XLA is slower.
    model.compile(optimizer, CRFLoss(len(labels)), metrics=[EntityScore(labels, decode=best_tags)], jit_compile=False)
    model.fit(train, epochs=options.epochs, verbose=2)
    scores = model.evaluate(test, return_dict=True, verbose=0)
    figures = {"test_f1": round(float(scores["f1"]), 4), "loss": round(float(scores["loss"]), 4)}
    figures["trained_parameters"] = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    print(json.dumps(figures | {"sentences": options.sentences, "seconds": round(time.monotonic() - began, 1)}))


if __name__ == "__main__":
    main()
