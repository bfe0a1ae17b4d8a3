"""BertClassifier as a side of the suite quality."""

import keras_bert_quality
import side

from keras_bert import BertClassifier


class KerasBertClassifier(keras_bert_quality.KerasBert):
    def make_model(self, directory):
        return BertClassifier.from_pretrained(directory)

    def answers(self, part):
        predictions = self.predictions(self.data[part]["inputs"])
        return [self.model.labels[label] for label in predictions.argmax(-1)]


side.serve(KerasBertClassifier)
