"""EmbeddingPreprocessor: a vector a text."""

from keras_bert.preprocessing.text import TextPreprocessor

EMBEDDING = "embedding"


class EmbeddingPreprocessor(TextPreprocessor):
    """Text, or a pair read as one, to its vector: the answer `embedding`, float32 [batch, features]. Args: see TextPreprocessor."""

    def decode(self, predictions, inputs, rows):
        return {EMBEDDING: predictions}
