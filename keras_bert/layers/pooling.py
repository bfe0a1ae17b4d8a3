"""From token vectors to one vector a text."""

import keras
from keras import ops

from keras_bert.layers.initializers import bert_initializer


def vectors_at(sequence_output, positions):
    """Token vectors at chosen positions.

    Args: sequence_output: [batch, length, hidden_size]. positions: int32 [batch, count], positions in a row.
    Returns: [batch, count, hidden_size].
    """
    batch, length, hidden_size = ops.shape(sequence_output)
    rows = ops.arange(batch, dtype=positions.dtype)[:, None] * ops.cast(length, positions.dtype)  # (B, 1)
    flat = ops.reshape(sequence_output, (-1, hidden_size))  # (B*T, H)
    return ops.take(flat, positions + rows, axis=0)


@keras.saving.register_keras_serializable(package="keras_bert")
class Pooler(keras.layers.Layer):
    """tanh of a dense layer over the [CLS] vector.

    Args: hidden_size: features in and out. initializer_range: standard deviation of new weights.
    Call: sequence_output: [batch, length, hidden_size]; first_positions: int32 [batch, sequences], where the [CLS] of each sequence of a
        packed row stands; None: there is one, at 0.
    Returns: [batch, hidden_size]; with first_positions [batch, sequences, hidden_size].
    Source: google-research/bert modeling.py, "pooler".
    """

    def __init__(self, hidden_size, *, initializer_range=0.02, **kwargs):
        super().__init__(**kwargs)
        self.hidden_size = hidden_size
        self.initializer_range = initializer_range
        self.dense = keras.layers.Dense(
            hidden_size,
            activation="tanh",
            kernel_initializer=bert_initializer(initializer_range),
            dtype=self.dtype_policy,
            name="dense",
        )

    def build(self, sequence_output_shape, first_positions_shape=None):
        self.dense.build((sequence_output_shape[0], sequence_output_shape[-1]))

    def call(self, sequence_output, first_positions=None):
        if first_positions is None:
            return self.dense(sequence_output[:, 0])
        return self.dense(vectors_at(sequence_output, first_positions))

    def compute_output_shape(self, sequence_output_shape, first_positions_shape=None):
        return (*(sequence_output_shape[:1] if first_positions_shape is None else first_positions_shape), self.hidden_size)

    def get_config(self):
        return super().get_config() | {"hidden_size": self.hidden_size, "initializer_range": self.initializer_range}


@keras.saving.register_keras_serializable(package="keras_bert")
class MeanPooling(keras.layers.Layer):
    """Mean of the real tokens' vectors, [CLS] and [SEP] among them.

    Call: sequence_output: [batch, length, hidden_size]; attention_mask: int32 [batch, length].
    Returns: [batch, hidden_size]; zeros for a row without a real token.
    Source: Reimers & Gurevych 2019 (Sentence-BERT), "MEAN".
    """

    def call(self, sequence_output, attention_mask):
        weights = ops.cast(attention_mask, "float32")[:, :, None]  # (B, T, 1)
        total = ops.sum(ops.cast(sequence_output, "float32") * weights, axis=1)  # (B, H)
        count = ops.maximum(ops.sum(weights, axis=1), 1.0)
        return ops.cast(total / count, self.compute_dtype)

    def compute_output_shape(self, sequence_output_shape, attention_mask_shape=None):
        return (sequence_output_shape[0], sequence_output_shape[-1])


@keras.saving.register_keras_serializable(package="keras_bert")
class Normalize(keras.layers.Layer):
    """Vectors of length 1, so that a dot product is a cosine.

    Call: x: [batch, features]. Returns: the same; zeros stay zeros.
    Source: sentence-transformers' Normalize.
    """

    def call(self, x):
        squares = ops.sum(ops.square(ops.cast(x, "float32")), axis=-1, keepdims=True)
        norm = ops.sqrt(ops.maximum(squares, 1e-24))  # under the root, whose slope at 0 would make a gradient NaN
        return ops.cast(ops.cast(x, "float32") / norm, self.compute_dtype)

    def compute_output_shape(self, x_shape):
        return x_shape


@keras.saving.register_keras_serializable(package="keras_bert")
class MaxPooling(keras.layers.Layer):
    """Largest value of each feature over the real tokens.

    Call: sequence_output: [batch, length, hidden_size]; attention_mask: int32 [batch, length].
    Returns: [batch, hidden_size]; -1e9 for a row without a real token.
    Source: Reimers & Gurevych 2019 (Sentence-BERT), "MAX".
    """

    def call(self, sequence_output, attention_mask):
        real = ops.cast(attention_mask, "bool")[:, :, None]  # (B, T, 1)
        return ops.max(ops.where(real, sequence_output, ops.cast(-1e9, sequence_output.dtype)), axis=1)

    def compute_output_shape(self, sequence_output_shape, attention_mask_shape=None):
        return (sequence_output_shape[0], sequence_output_shape[-1])
