"""Writes what both sides of a classifier's fine-tuning load, see keras_bert_quality_data.

Files: .tsv, a label, a text and perhaps its pair a line. Data of validation and test: {"labels", "inputs"}.
"""

import keras_bert_quality_data as quality_data
import side

import keras_bert
from keras_bert import BertClassifier
from keras_bert.data import read_classification, read_labels


class Data(quality_data.QualityData):
    def write_model(self, settings):
        train = settings["files"]["train"]
        self.text_columns = range(1, len(quality_data.first_row(train)))
        labels = read_labels(train, label_column=0)
        model = quality_data.make_model(BertClassifier, settings, labels=labels, pooling="pooler", text_pair=len(self.text_columns) == 2)
        keras_bert.checkpoints.to_hugging_face(model, settings["directory"])
        return model

    def train(self, model, path):
        inputs, labels = self.read(model, path)
        return inputs | {"labels": labels}

    def answered(self, model, path, part):
        inputs, labels = self.read(model, path)
        return {"labels": [model.labels[label] for label in labels], "inputs": inputs}

    def read(self, model, path):
        """Returns: dict of model input -> list of rows; list of int, labels."""
        texts, labels = quality_data.columns_of(
            read_classification(path, text_columns=self.text_columns, label_column=0, labels=model.labels)
        )
        texts = tuple(texts) if model.text_pair else texts[0]
        return quality_data.inputs_of(model.preprocessor.rows(model.preprocessor.columns(texts))), labels.tolist()


side.serve(Data)
