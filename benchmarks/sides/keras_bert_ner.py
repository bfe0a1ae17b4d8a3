"""BertTagger as a side of the suite quality; and its writer, for what is asked of a trained tagger.

A run's request may be {"save": directory}: write the model, as Transformers loads it.
"""

import keras_bert_quality
import side

import keras_bert
from keras_bert import BertTagger


class KerasBertTagger(keras_bert_quality.KerasBert):
    def make_model(self, directory):
        model = BertTagger.from_pretrained(directory)
        model.max_length = model.encoder.config.max_position_embeddings  # no sentence is cut, as none is for the peer
        return model

    def answers(self, part):
        return [answer["tags"] for answer in self.model.answer(self.data[part]["words"])]

    def run(self, request):
        if "save" in request:
            keras_bert.checkpoints.to_hugging_face(self.model, request["save"])
            return {}
        return super().run(request)


side.serve(KerasBertTagger)
