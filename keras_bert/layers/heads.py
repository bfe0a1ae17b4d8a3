"""From token vectors to scores of the vocabulary."""

import keras
from keras import ops

from keras_bert.layers import kernels
from keras_bert.layers.block import activation
from keras_bert.layers.initializers import bert_initializer
from keras_bert.layers.pooling import vectors_at


@keras.saving.register_keras_serializable(package="keras_bert")
class MaskedLMHead(keras.layers.Layer):
    """What stood at chosen positions: their vectors, transformed and compared with every row of the word embedding.

    Args:
        vocab_size, hidden_size: shape of the word embedding, to which the layer is tied by `tie`.
        hidden_act: activation of the transform, as in BertConfig.
        layer_norm_eps: epsilon of its normalisation.
        initializer_range: standard deviation of new weights.
    Call: sequence_output: [batch, length, hidden_size]; masked_positions: int32 [batch, max_predictions], positions in a row; None: all.
    Returns: float32 [batch, max_predictions, vocab_size], before softmax.
    Source: google-research/bert run_pretraining.py get_masked_lm_output.
    """

    def __init__(self, vocab_size, hidden_size, *, hidden_act="gelu_tanh", layer_norm_eps=1e-12, initializer_range=0.02, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.hidden_act = hidden_act
        self.layer_norm_eps = layer_norm_eps
        self.initializer_range = initializer_range
        self.activation = activation(hidden_act)
        self.dense = keras.layers.Dense(
            hidden_size, kernel_initializer=bert_initializer(initializer_range), dtype=self.dtype_policy, name="dense"
        )
        self.norm = keras.layers.LayerNormalization(epsilon=layer_norm_eps, dtype=self.dtype_policy, name="norm")
        self._word_table = None

    def tie(self, embeddings):
        """Decode by the word embedding of a BertEmbeddings: one set of weights, trained by both. Returns: the layer itself."""
        self._word_table = lambda: embeddings.word_table  # by a function: the table is the embedding's, not a weight of this layer too
        return self

    def build(self, sequence_output_shape, masked_positions_shape=None):
        self.dense.build((None, self.hidden_size))
        self.norm.build((None, self.hidden_size))
        # Added to float32 logits.
        self.bias = self.add_weight(name="bias", shape=(self.vocab_size,), initializer="zeros", autocast=False)

    def call(self, sequence_output, masked_positions=None, training=None):
        if self._word_table is None:
            raise ValueError("a MaskedLMHead decodes by a word embedding: call tie(embeddings) first")
        batch = ops.shape(sequence_output)[0]
        asked = sequence_output if masked_positions is None else vectors_at(sequence_output, masked_positions)
        x = ops.reshape(asked, (-1, self.hidden_size))  # (B*P, H)
        x = self.dense(x)
        with keras.name_scope("dense_activation"):  # as in PostNormBlock
            x = self.activation(x, training=training)
        x = kernels.layer_norm(x, self.norm.gamma, self.norm.beta, epsilon=self.norm.epsilon, training=training)
        table = ops.cast(self._word_table(), self.compute_dtype)  # (V, H)
        # Of few rows, oneDNN lays the table out anew each time where it is transposed: half of the product's time.
        product = ops.transpose(ops.matmul(table, ops.transpose(x))) if kernels.rows_are_few() else ops.matmul(x, ops.transpose(table))
        logits = ops.cast(product, "float32") + ops.cast(self.bias, "float32")
        return ops.reshape(logits, (batch, ops.shape(asked)[1], self.vocab_size))

    def compute_output_spec(self, sequence_output, masked_positions=None, training=None):
        asked = sequence_output.shape[:2] if masked_positions is None else masked_positions.shape
        return keras.KerasTensor((*asked, self.vocab_size), dtype="float32")

    def get_config(self):
        return super().get_config() | {
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "hidden_act": self.hidden_act,
            "layer_norm_eps": self.layer_norm_eps,
            "initializer_range": self.initializer_range,
        }
