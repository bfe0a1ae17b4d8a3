"""Writes what both sides of an embedder's fine-tuning load, see keras_bert_quality_data; the checkpoint is sentence-transformers'.

Files: .tsv, the texts of an example a line: a pair, or anchor, positive and a negative. Three columns of which the first or the last is a
number in the training file's first line are a pair with a score: 5 at most where one is over 1, as STS has it, else 1.
A training example's rows are its texts, its label the score, or 1 where there is none. Data of validation and test: {"texts": columns,
"scores": numbers or None, "inputs"}, the rows of all texts, example by example.
"""

import keras_bert_quality_data as quality_data
import side

import keras_bert
from keras_bert import BertEmbedder
from keras_bert.data import read_embedding_examples
from keras_bert.data.tables import read_rows

STS_HIGHEST = 5.0


class Data(quality_data.QualityData):
    def write_model(self, settings):
        train = settings["files"]["train"]
        first_row = quality_data.first_row(train)
        self.score_column = score_column_of(first_row)
        self.text_columns = [column for column in range(len(first_row)) if column != self.score_column]
        self.highest_score = 1.0 if self.score_column is None else highest_score(train, self.score_column)
        model = quality_data.make_model(BertEmbedder, settings)
        keras_bert.checkpoints.to_sentence_transformers(model, settings["directory"])
        return model

    def train(self, model, path):
        texts, scores = self.read(path)
        rows, examples = self.rows(model, texts), len(texts[0])
        inputs = {name: quality_data.of_examples(column, [len(texts)] * examples) for name, column in quality_data.inputs_of(rows).items()}
        return inputs | {"labels": [1] * examples if scores is None else scores}

    def answered(self, model, path, part):
        texts, scores = self.read(path)
        return {"texts": texts, "scores": scores, "inputs": quality_data.inputs_of(self.rows(model, texts))}

    def read(self, path):
        """Returns: columns of texts, lists of str; list of float, scores from 0 to 1, or None."""
        columns = {"text_columns": self.text_columns, "score_column": self.score_column, "highest_score": self.highest_score}
        texts, *scores = quality_data.columns_of(read_embedding_examples(path, **columns))
        return texts, scores[0].tolist() if scores else None

    def rows(self, model, texts):
        return model.preprocessor.rows(model.preprocessor.columns(tuple(texts)))

    def run(self, request):
        return super().run(request) | {"scored": self.score_column is not None}


def score_column_of(row):
    """Args: row: list of str, a line's columns. Returns: int, which is a score, or None."""
    return next((column for column in (0, 2) if len(row) == 3 and is_number(row[column])), None)


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def highest_score(path, column):
    return STS_HIGHEST if any(float(score) > 1 for _, (score,) in read_rows(path, (column,))) else 1.0


side.serve(Data)
