"""A model as TensorFlow functions: text to answer, and ids to answer."""

import tensorflow as tf

from export import signatures
from keras_bert import BertClassifier, features


class ClassifierServable(tf.Module):
    """A BertClassifier, ready to be saved: tokenizer, packer, network, softmax and label names in one graph.

    Attributes: functions: dict of signature name -> tf.function.
        serving_default: text[, text_pair]: string [batch] -> the answer.
        ids: input_ids, token_type_ids, attention_mask: int32 [batch, length] -> the answer.
    The answer: label: string [batch]; score: float32 [batch], the label's probability; probabilities: float32 [batch, labels].
    """

    def __init__(self, model):
        super().__init__()
        self._network = model.network
        self._tokenizer = model.tokenizer  # SentencePiece's is a resource, which must be tracked
        self._labels = tf.constant(model.labels)
        # Only what is tracked is saved. Keras hides its TensorFlow variables behind `value`.
        self._variables = [weight.value for weight in model.network.weights]

        def from_ids(*contract):
            return self._answer(dict(zip(features.UNPACKED, contract, strict=True)))

        self.functions = {signatures.IDS: tf.function(from_ids, input_signature=signatures.ids_signature(), autograph=False)}
        if model.tokenizer is not None:

            def from_text(*texts):
                return self._answer(model.preprocess(*texts))

            self.functions[signatures.SERVING_DEFAULT] = tf.function(
                from_text, input_signature=signatures.text_signature(bool(model.text_pair)), autograph=False
            )

    def _answer(self, contract):
        probabilities = tf.nn.softmax(self._network(contract, training=False))
        return {
            signatures.LABEL: tf.gather(self._labels, tf.argmax(probabilities, axis=-1)),
            signatures.SCORE: tf.reduce_max(probabilities, axis=-1),
            signatures.PROBABILITIES: probabilities,
        }


def servable(model):
    """Wrap a model. Args: model: BertClassifier. Returns: its servable. Raises: TypeError on what cannot be served."""
    if isinstance(model, BertClassifier):
        return ClassifierServable(model)
    raise TypeError(f"a {type(model).__name__} cannot be exported; what answers text is a BertClassifier")
