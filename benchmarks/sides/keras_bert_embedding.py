"""BertEmbedder as a side of the suite quality. Its answers are the path of its vectors, see quality_embedding."""

import keras_bert_quality
import side

from keras_bert import BertEmbedder


class KerasBertEmbedder(keras_bert_quality.KerasBert):
    """Targets have no numbers of texts: equal texts of a batch are each other's negatives, as they are to sentence-transformers."""

    def make_model(self, directory):
        return BertEmbedder.from_pretrained(directory)

    def example_of(self, batch):
        inputs, labels = super().example_of(batch)
        return {name: rows.reshape(len(labels), -1, rows.shape[-1]) for name, rows in inputs.items()}, labels

    def answers(self, part):
        return self.write(part, [self.predictions(self.data[part]["inputs"])])


side.serve(KerasBertEmbedder)
