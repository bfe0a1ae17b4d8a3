"""Writes what both sides of a tagger's fine-tuning load: a checkpoint with a new head, and the sentences as ids.

Settings: files: dict of part ("train" among them) -> path, CoNLL columns or .jsonl. pretrained: a Transformers directory; None: random
weights of `config` and `vocabulary`. directory: where to write the checkpoint, as Transformers loads it. data: where to write the
sentences, see quality_common: "train" has the model inputs and labels, every other part {"words", "tags", "inputs"}.
"""

import json

import bert_common  # noqa: F401  # before TensorFlow
import keras
import numpy as np
import side

import keras_bert
from keras_bert import BertConfig, BertEncoder, BertTagger, BertTokenizer, features
from keras_bert.data import conll_sentences, read_tags
from keras_bert.version import __version__


class Data:
    def __init__(self, settings):
        self.versions = {"keras_bert": __version__}
        keras.utils.set_random_seed(0)
        files = settings["files"]
        labels = read_tags(files["train"])
        model = make_model(settings, labels)
        keras_bert.checkpoints.to_hugging_face(model, settings["directory"])
        data = {"padding": {"input_ids": 0, "token_type_ids": 0, "attention_mask": 0, "word_positions": 0, "labels": -1}}
        for part, path in files.items():
            words, tags = (list(column) for column in zip(*conll_sentences(path, split=part), strict=True))
            inputs = inputs_of(model.preprocessor, words)
            if part == "train":
                self.examples = len(words)
                data[part] = inputs | {"labels": [[labels.index(tag) for tag in sentence] for sentence in tags]}
            else:
                data[part] = {"words": words, "tags": tags, "inputs": inputs}
        with open(settings["data"], "w", encoding="utf-8") as file:
            json.dump(data, file)

    def run(self, request):
        return {"examples": self.examples}


def make_model(settings, labels):
    if settings["pretrained"]:
        model = BertTagger.from_pretrained(settings["pretrained"], labels=labels)
    else:
        model = BertTagger(BertEncoder(BertConfig(**settings["config"])), labels, BertTokenizer(settings["vocabulary"]))
    model.max_length = model.encoder.config.max_position_embeddings
    return model


def inputs_of(preprocessor, words):
    """Returns: dict of model input -> list of int a sentence. Raises: ValueError where a sentence does not fit in one row."""
    rows = preprocessor.rows(preprocessor.columns(words))
    long = np.flatnonzero(rows.counts.numpy() > 1)
    if len(long):
        raise ValueError(f"sentence {long[0]} is over {preprocessor.max_length} tokens, the most of this model; leave it out of the file")
    inputs = {name: ragged.to_list() for name, ragged in rows.tokens.items()}
    return inputs | {features.ATTENTION_MASK: [[1] * len(ids) for ids in inputs[features.INPUT_IDS]]}


side.serve(Data)
