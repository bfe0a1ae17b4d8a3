"""Writes what both sides of a tagger's fine-tuning load, see keras_bert_quality_data.

Files: CoNLL columns or .jsonl. Data of validation and test: {"words", "tags", "inputs"}.
"""

import keras_bert_quality_data as quality_data
import numpy as np
import side

import keras_bert
from keras_bert import BertTagger
from keras_bert.data import conll_sentences, read_tags


class Data(quality_data.QualityData):
    label_padding = -1

    def write_model(self, settings):
        model = quality_data.make_model(BertTagger, settings, labels=read_tags(settings["files"]["train"]))
        model.max_length = model.encoder.config.max_position_embeddings
        keras_bert.checkpoints.to_hugging_face(model, settings["directory"])
        return model

    def train(self, model, path):
        words, tags = read(path, "train")
        return inputs_of(model.preprocessor, words) | {"labels": [[model.labels.index(tag) for tag in sentence] for sentence in tags]}

    def answered(self, model, path, part):
        words, tags = read(path, part)
        return {"words": words, "tags": tags, "inputs": inputs_of(model.preprocessor, words)}


def read(path, part):
    """Returns: words and tags of each sentence, lists of lists."""
    return [list(column) for column in zip(*conll_sentences(path, split=part), strict=True)]


def inputs_of(preprocessor, words):
    """Returns: dict of model input -> list of int a sentence. Raises: ValueError where a sentence does not fit in one row."""
    rows = preprocessor.rows(preprocessor.columns(words))
    long = np.flatnonzero(rows.counts.numpy() > 1)
    if len(long):
        raise ValueError(f"sentence {long[0]} is over {preprocessor.max_length} tokens, the most of this model; leave it out of the file")
    return quality_data.inputs_of(rows)


side.serve(Data)
