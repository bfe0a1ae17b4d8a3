"""Writes the weights that every side of a BERT classifier loads: random, of a fixed seed, in the formats of Transformers and Model Garden.

Their standard deviation is 1.2 / sqrt(hidden_size), about twice that of new BERT weights: attention then looks at some tokens more than at
others, and outputs differ from text to text, so that comparing them tells something.

Setting `trained`: biases and LayerNorm's scales and shifts are no plain zeros and ones, as they are in no trained model: constants
of those TensorFlow folds away, and patterns that it fuses with them. Not for training, whose first steps are then so steep that
bfloat16's rounding hides what a comparison of losses should show.
"""

import bert_common  # noqa: F401  # before TensorFlow
import keras
import numpy as np
import side

import keras_bert
from keras_bert import BertClassifier, BertConfig, BertEncoder, BertTokenizer
from keras_bert.version import __version__


class Weights:
    def __init__(self, settings):
        self.versions = {"keras_bert": __version__}
        config = BertConfig(**settings["config"], initializer_range=1.2 / settings["config"]["hidden_size"] ** 0.5)
        keras.utils.set_random_seed(0)
        model = BertClassifier(BertEncoder(config), ["negative", "positive"], BertTokenizer(settings["vocabulary"]))
        generator = np.random.default_rng(0)
        for variable in model.weights:
            if settings["trained"] and len(variable.shape) == 1:
                variable.assign(variable.numpy() + 0.05 * generator.normal(size=variable.shape))
        keras_bert.checkpoints.to_hugging_face(model, settings["hugging_face"])
        if settings["model_garden"]:
            keras_bert.checkpoints.to_model_garden(model, settings["model_garden"])


side.serve(Weights)
