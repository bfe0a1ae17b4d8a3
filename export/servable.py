"""A model as TensorFlow functions: text to answer, and ids to answer."""

import functools

import tensorflow as tf

from export import signatures
from export.network import frozen, frozen_weights
from keras_bert import BertClassifier, features


class ClassifierServable(tf.Module):
    """A BertClassifier, ready to be saved: tokenizer, packer, network, softmax and label names in one graph.

    Attributes: functions: dict of signature name -> tf.function.
        serving_default: text[, text_pair]: string [batch] -> the answer.
        ids: input_ids, token_type_ids, attention_mask: int32 [batch, length] -> the answer.
    Args:
        model: BertClassifier.
        network: what answers in place of the model's own network, such as network_in_dtype's.
        freeze: see export.network.frozen.
    The answer: label: string [batch]; score: float32 [batch], the label's probability; probabilities: float32 [batch, labels].
    """

    def __init__(self, model, *, network=None, freeze=False):
        super().__init__()
        network = model.network if network is None else network
        self._logits = frozen(network) if freeze else functools.partial(network, training=False)
        self._tokenizer = model.tokenizer  # SentencePiece's is a resource, which must be tracked
        self._labels = tf.constant(model.labels)
        constants = {id(weight) for weight in frozen_weights(network)} if freeze else set()
        # Only what is tracked is saved. Keras hides its TensorFlow variables behind `value`.
        self._variables = [weight.value for weight in network.weights if id(weight) not in constants]

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
        probabilities = tf.nn.softmax(self._logits(contract))
        return {
            signatures.LABEL: tf.gather(self._labels, tf.argmax(probabilities, axis=-1)),
            signatures.SCORE: tf.reduce_max(probabilities, axis=-1),
            signatures.PROBABILITIES: probabilities,
        }


def check_servable(model):
    """Raises: TypeError on what cannot be served."""
    if not isinstance(model, BertClassifier):
        raise TypeError(f"a {type(model).__name__} cannot be exported; what answers text is a BertClassifier")


def servable(model, **options):
    """Wrap a model. Args: model: BertClassifier. options: its servable's. Returns: it. Raises: TypeError on what cannot be served."""
    check_servable(model)
    return ClassifierServable(model, **options)
