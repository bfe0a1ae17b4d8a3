"""Writes the masked language model that every side of the suite pretraining loads: random weights, as of keras_bert_weights.

Settings `texts`, a JSON list of strings, `length` and `sequences`: it also writes the texts' ids there, a JSON list of lists, between [CLS]
and [SEP], cut to that length.
"""

import json

import bert_common  # noqa: F401  # before TensorFlow
import keras
import side

import keras_bert
from keras_bert import BertConfig, BertEncoder, BertMaskedLM, BertTokenizer
from keras_bert.version import __version__


class Weights:
    def __init__(self, settings):
        self.versions = {"keras_bert": __version__}
        keras.utils.set_random_seed(0)
        config = BertConfig(**settings["config"], initializer_range=1.2 / settings["config"]["hidden_size"] ** 0.5)
        tokenizer = BertTokenizer(settings["vocabulary"])
        model = BertMaskedLM(BertEncoder(config), tokenizer)
        keras_bert.checkpoints.to_hugging_face(model, settings["hugging_face"])
        if settings["model_garden"]:
            keras_bert.checkpoints.to_model_garden(model, settings["model_garden"])
        if settings.get("sequences"):
            most = settings["length"] - 2
            ids = tokenizer.tokenize(side.read_json(settings["texts"])).to_list()
            with open(settings["sequences"], "w", encoding="utf-8") as file:
                json.dump([[tokenizer.cls_id, *row[:most], tokenizer.sep_id] for row in ids], file)


side.serve(Weights)
