"""Writes what both sides of a question answerer's fine-tuning load, see keras_bert_quality_data.

Files: as data.read_squad reads them. A training example is the rows of a question, labels the first and last token of the answer in each,
0 where the row has none. Data of validation and test: {"inputs"}, the rows of all questions.
"""

import keras_bert_quality_data as quality_data
import side

import keras_bert
from keras_bert import BertQuestionAnswerer
from keras_bert.data import read_squad, squad_dataset

AT_ONCE = 512  # questions made rows of


class Data(quality_data.QualityData):
    def write_model(self, settings):
        model = quality_data.make_model(BertQuestionAnswerer, settings)
        keras_bert.checkpoints.to_hugging_face(model, settings["directory"])
        return model

    def train(self, model, path):
        data = {}
        for columns, targets in squad_dataset(read_squad(path)).batch(AT_ONCE):
            rows = model.preprocessor.rows(columns, model.preprocessor.element_targets(targets))
            values = quality_data.inputs_of(rows) | {"labels": rows.targets.numpy().tolist()}
            add(data, {name: quality_data.of_examples(column, rows.counts.numpy()) for name, column in values.items()})
        return data

    def answered(self, model, path, part):
        data, examples = {}, read_squad(path)
        for first in range(0, len(examples), AT_ONCE):
            columns = model.preprocessor.columns(examples[first : first + AT_ONCE])
            add(data, quality_data.inputs_of(model.preprocessor.rows(columns)))
        return {"inputs": data}


def add(data, values):
    """Append the lists of values to those of data, by name."""
    for name, column in values.items():
        data.setdefault(name, []).extend(column)


side.serve(Data)
