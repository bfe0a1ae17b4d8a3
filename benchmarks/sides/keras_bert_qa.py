"""BertQuestionAnswerer as a side of the suite quality. Its answers are the path of its logits, see quality_qa."""

import keras_bert_quality
import side

from keras_bert import BertQuestionAnswerer


class KerasBertQuestionAnswerer(keras_bert_quality.KerasBert):
    def make_model(self, directory):
        return BertQuestionAnswerer.from_pretrained(directory)

    def answers(self, part):
        rows = self.data[part]["inputs"]
        logits = self.predictions(rows)  # (rows, the longest's length, 2)
        return self.write(part, [each[: len(ids)] for each, ids in zip(logits, rows["input_ids"], strict=True)])


side.serve(KerasBertQuestionAnswerer)
