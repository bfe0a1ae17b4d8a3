"""Writes the weights that every side of a BERT classifier loads: random, of a fixed seed, in the formats of Transformers and Model Garden.

Their standard deviation is 1.2 / sqrt(hidden_size), about twice that of new BERT weights: attention then looks at some tokens more than at
others, and outputs differ from text to text, so that comparing them tells something.

Setting `trained`: biases and LayerNorm's scales and shifts are no plain zeros and ones, as they are in no trained model: constants
of those TensorFlow folds away, and patterns that it fuses with them. Not for training, whose first steps are then so steep that
bfloat16's rounding hides what a comparison of losses should show.

Setting `pretrained`: a Transformers directory, whose encoder and vocabulary are taken in place of random ones; the head is random still.
Setting `embedder`: where to write the encoder for sentence-transformers too, as all-MiniLM-L6-v2 is: the mean, scaled to length 1.
`embedder_length`: its most tokens of a text, where they are not the classifier's.
"""

import json
import os

import bert_common  # noqa: F401  # before TensorFlow
import keras
import numpy as np
import side

import keras_bert
from keras_bert import BertClassifier, BertConfig, BertEncoder, BertTokenizer
from keras_bert.version import __version__

LABELS = ["negative", "positive"]
HEAD_DEVIATION = 0.3  # of a head on trained weights: MiniLM's texts then have logits that differ by some 1

MODULES = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}


class Weights:
    def __init__(self, settings):
        self.versions = {"keras_bert": __version__}
        keras.utils.set_random_seed(0)
        model = pretrained_classifier(settings["pretrained"]) if settings.get("pretrained") else random_classifier(settings)
        generator = np.random.default_rng(0)
        for variable in model.weights:
            if settings["trained"] and len(variable.shape) == 1:
                variable.assign(variable.numpy() + 0.05 * generator.normal(size=variable.shape))
        keras_bert.checkpoints.to_hugging_face(model, settings["hugging_face"])
        if settings["model_garden"]:
            keras_bert.checkpoints.to_model_garden(model, settings["model_garden"])
        if settings.get("embedder"):
            write_embedder(settings["embedder"], model, settings.get("embedder_length", model.max_length))


def random_classifier(settings):
    config = BertConfig(**settings["config"], initializer_range=1.2 / settings["config"]["hidden_size"] ** 0.5)
    return BertClassifier(BertEncoder(config), LABELS, BertTokenizer(settings["vocabulary"]))


def pretrained_classifier(path):
    encoder = keras_bert.from_pretrained(path, cls=BertEncoder)
    tokenizer = keras_bert.checkpoints.open_checkpoint(path).make_tokenizer()
    model = BertClassifier(encoder, LABELS, tokenizer)
    for variable in model.weights:
        if variable.path.startswith("classifier/kernel"):
            variable.assign(HEAD_DEVIATION * np.random.default_rng(0).normal(size=variable.shape))
    return model


def write_embedder(path, model, max_length):
    """Write a classifier's encoder as a sentence-transformers directory, for texts of so many tokens at most."""
    keras_bert.checkpoints.to_hugging_face(model.encoder, path, tokenizer=model.tokenizer)
    modules = [
        {"idx": index, "name": str(index), "path": folder, "type": f"sentence_transformers.models.{kind}"}
        for index, (folder, kind) in enumerate(MODULES.items())
    ]
    write_json(modules, path, "modules.json")
    write_json({"max_seq_length": max_length, "do_lower_case": False}, path, "sentence_bert_config.json")
    pooling = {"word_embedding_dimension": model.encoder.config.hidden_size, "pooling_mode_mean_tokens": True}
    write_json(pooling, path, "1_Pooling", "config.json")
    os.makedirs(os.path.join(path, "2_Normalize"))


def write_json(value, *path):
    path = os.path.join(*path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file)


side.serve(Weights)
