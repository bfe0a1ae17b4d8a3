"""Word, position and token type embeddings, summed, normalised and dropped out."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_bert.layers import kernels
from keras_bert.layers.dropout import Dropout
from keras_bert.layers.initializers import bert_initializer


@keras.saving.register_keras_serializable(package="keras_bert")
class BertEmbeddings(keras.layers.Layer):
    """What the first block receives.

    Args:
        vocab_size, hidden_size, max_position_embeddings, type_vocab_size: sizes of the tables.
        position_embeddings: "learned" or "sinusoidal".
        dropout: rate after the normalisation.
        layer_norm_eps: epsilon of the normalisation.
        initializer_range: standard deviation of new weights.
    Call: input_ids, token_type_ids: int32 [batch, length]; position_ids: the same, or None for 0, 1, 2, ...
    Returns: [batch, length, hidden_size]; NaN for a token whose type is not in 0 to type_vocab_size - 1.
    Raises: ValueError where a static length is over max_position_embeddings.
    Source: Devlin et al. 2018; google-research/bert modeling.py embedding_postprocessor.
    """

    def __init__(
        self,
        vocab_size,
        hidden_size,
        max_position_embeddings,
        type_vocab_size,
        *,
        position_embeddings="learned",
        dropout=0.1,
        layer_norm_eps=1e-12,
        initializer_range=0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.max_position_embeddings = max_position_embeddings
        self.type_vocab_size = type_vocab_size
        self.position_embeddings = position_embeddings
        self.dropout = dropout
        self.layer_norm_eps = layer_norm_eps
        self.initializer_range = initializer_range
        self._perturbation = None
        self.norm = keras.layers.LayerNormalization(epsilon=layer_norm_eps, dtype=self.dtype_policy, name="norm")
        self.output_dropout = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, input_ids_shape, token_type_ids_shape=None, position_ids_shape=None):
        initializer = bert_initializer(self.initializer_range)

        def table(name, rows):
            # Rows are taken first and cast then: a cast of the whole word table, and of its gradient, are passes over 100 MB.
            return self.add_weight(name=name, shape=(rows, self.hidden_size), initializer=initializer, autocast=False)

        self.word_table = table("word", self.vocab_size)
        if self.position_embeddings == "learned":
            self.position_table = table("position", self.max_position_embeddings)
        else:
            self.position_table = sinusoids(self.max_position_embeddings, self.hidden_size)
        self.token_type_table = table("token_type", self.type_vocab_size)
        self.norm.build((*input_ids_shape, self.hidden_size))

    def call(self, input_ids, token_type_ids, position_ids=None, training=None):
        length = input_ids.shape[1]
        if length is not None and length > self.max_position_embeddings and position_ids is None:
            raise ValueError(f"length={length} is over max_position_embeddings={self.max_position_embeddings}")
        if position_ids is None:
            positions = ops.convert_to_tensor(self.position_table)[: ops.shape(input_ids)[1]]  # (T, H), the same for every row
        else:
            positions = ops.take(self.position_table, position_ids, axis=0)  # (B, T, H)
        positions = ops.cast(positions, self.compute_dtype)
        words = ops.cast(ops.take(self.word_table, input_ids, axis=0), self.compute_dtype)
        if self._perturbation is not None:
            words = words + ops.reshape(ops.cast(self._perturbation, words.dtype), ops.shape(words))
        # Two or so rows: a product with a one-hot has a dense, cheap gradient, which a gather has not.
        chosen = ops.one_hot(token_type_ids, self.type_vocab_size, dtype=self.compute_dtype)  # (B, T, types)
        # A one-hot of a type that is not there is 0, a silent third segment: the second text of a pair where there is one type alone.
        known = ops.logical_and(token_type_ids >= 0, token_type_ids < self.type_vocab_size)[..., None]
        chosen = ops.where(known, chosen, ops.cast(np.nan, self.compute_dtype))
        types = ops.matmul(chosen, ops.cast(self.token_type_table, self.compute_dtype))
        x = kernels.layer_norm(words + positions + types, self.norm.gamma, self.norm.beta, epsilon=self.norm.epsilon, training=training)
        return self.output_dropout(x, training=training)

    @contextlib.contextmanager
    def perturbed(self, perturbation):
        """Add `perturbation` to the word embeddings of each call made inside: for adversarial training.

        Args: perturbation: float [batch, length, hidden_size]; or of as many numbers, of examples whose rows stand side by side.
        """
        self._perturbation = perturbation
        try:
            yield
        finally:
            self._perturbation = None

    def compute_output_shape(self, input_ids_shape, token_type_ids_shape=None, position_ids_shape=None):
        return (*input_ids_shape, self.hidden_size)

    def get_config(self):
        return super().get_config() | {
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "max_position_embeddings": self.max_position_embeddings,
            "type_vocab_size": self.type_vocab_size,
            "position_embeddings": self.position_embeddings,
            "dropout": self.dropout,
            "layer_norm_eps": self.layer_norm_eps,
            "initializer_range": self.initializer_range,
        }


def sinusoids(length, features):
    """Fixed positions: sine in the even features, cosine in the odd, of position / 10000^(2i / features).

    Args: length: positions. features: even.
    Returns: float32 NumPy array [length, features].
    Source: Vaswani et al. 2017, section 3.5.
    """
    frequencies = 10000.0 ** (-np.arange(0, features, 2) / features)
    angles = np.arange(length)[:, None] * frequencies  # (P, H/2)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, features).astype("float32")
