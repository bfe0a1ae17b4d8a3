"""From token vectors to word vectors."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_bert")
class WordVectors(keras.layers.Layer):
    """The vectors of words: those of their first pieces.

    Call: sequence_output: [batch, length, features]; word_positions: int32 [batch, words], see features.WORD_POSITIONS.
    Returns: [batch, words, features]; of padding, whose position is 0, that of [CLS].
    Source: Devlin et al. 2018, section 5.3.
    """

    def call(self, sequence_output, word_positions):
        batch, length, width = ops.shape(sequence_output)
        rows = ops.arange(batch, dtype=word_positions.dtype)[:, None] * ops.cast(length, word_positions.dtype)  # (B, 1)
        flat = ops.reshape(sequence_output, (-1, width))  # (B*T, H)
        words = ops.take(flat, ops.reshape(word_positions + rows, (-1,)), axis=0)  # (B*W, H)
        return ops.reshape(words, (batch, ops.shape(word_positions)[1], width))

    def compute_output_shape(self, sequence_output_shape, word_positions_shape):
        return (*word_positions_shape, sequence_output_shape[-1])
