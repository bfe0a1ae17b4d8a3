"""The transformer block."""

import functools

import keras
from keras import ops

from keras_bert.layers import kernels
from keras_bert.layers.attention import MultiHeadSelfAttention
from keras_bert.layers.dense import FlatDense
from keras_bert.layers.dropout import Dropout, repeatable
from keras_bert.layers.initializers import bert_initializer


def activation(name):
    """The function that a BertConfig.hidden_act names, of x + bias; with a kernel its product with that.

    Returns: callable (x, bias=None, kernel=None, training=False). Raises: ValueError on another name.
    """

    def plain(function):
        def activate(x, bias=None, kernel=None, training=False):
            x = function(x if bias is None else x + bias)
            return x if kernel is None else kernels.product(x, kernel, training=training)

        return activate

    functions = {
        "gelu": functools.partial(kernels.gelu, approximate=False),
        "gelu_tanh": functools.partial(kernels.gelu, approximate=True),
        "relu": plain(ops.relu),
        "tanh": plain(ops.tanh),
        "silu": plain(ops.silu),
        "linear": plain(lambda x: x),
    }
    if name not in functions:
        raise ValueError(f"hidden_act={name!r} is not one of {', '.join(functions)}")
    return functions[name]


@keras.saving.register_keras_serializable(package="keras_bert")
class PostNormBlock(keras.layers.Layer):
    """Self-attention and a feed-forward network, each followed by dropout, residual and LayerNorm: the block of classic BERT.

    Args:
        num_heads, hidden_size, intermediate_size: sizes.
        hidden_act: as in BertConfig.
        dropout: rate on the output of either part.
        attention_dropout: rate on the attention probabilities.
        layer_norm_eps: epsilon of both normalisations.
        initializer_range: standard deviation of new weights.
        rematerialize: keep only the block's input in training, and compute the rest again for the gradient: a third more work
            for a fraction of the memory (Chen et al. 2016).
    Call: x: [batch, length, hidden_size]; mask: additive float32, see MultiHeadSelfAttention; queries: give only the first so many
        tokens' vectors, where no more are wanted; None gives all.
    Returns: [batch, length, hidden_size]; with return_attention_scores=True also the probabilities.
    Source: Devlin et al. 2018; google-research/bert modeling.py transformer_model.
    """

    def __init__(
        self,
        num_heads,
        hidden_size,
        intermediate_size,
        *,
        hidden_act="gelu_tanh",
        dropout=0.1,
        attention_dropout=0.1,
        layer_norm_eps=1e-12,
        initializer_range=0.02,
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(**({"autocast": False} | kwargs))  # as MultiHeadSelfAttention: the mask stays float32
        self.num_heads = num_heads
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.hidden_act = hidden_act
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.layer_norm_eps = layer_norm_eps
        self.initializer_range = initializer_range
        self.rematerialize = rematerialize
        policy = self.dtype_policy

        def dense(name, units):
            return FlatDense(units, kernel_initializer=bert_initializer(initializer_range), dtype=policy, name=name)

        def norm(name):
            return keras.layers.LayerNormalization(epsilon=layer_norm_eps, dtype=policy, name=name)

        self.attention = MultiHeadSelfAttention(
            num_heads, hidden_size, dropout=attention_dropout, initializer_range=initializer_range, dtype=policy, name="attention"
        )
        self.attention_dropout_layer = Dropout(dropout, dtype=policy, name="attention_dropout")
        self.attention_norm = norm("attention_norm")
        self.intermediate = dense("intermediate", intermediate_size)
        self.activation = activation(hidden_act)
        self.output_dense = dense("output", hidden_size)
        self.output_dropout_layer = Dropout(dropout, dtype=policy, name="output_dropout")
        self.output_norm = norm("output_norm")

    def build(self, x_shape, mask_shape=None):
        self.attention.build(x_shape)
        self.attention_norm.build(x_shape)
        self.intermediate.build(x_shape)
        self.output_dense.build((*x_shape[:-1], self.intermediate_size))
        self.output_norm.build(x_shape)

    def call(self, x, mask, training=None, return_attention_scores=False, queries=None):
        if not (training and self.rematerialize):
            return self._forward(x, mask, training, return_attention_scores, queries)

        def forward(x, mask):
            return self._forward(x, mask, training, return_attention_scores, queries)

        first = self.output_dropout_layer if self.dropout else self.attention.probabilities_dropout
        return keras.remat(repeatable(forward, first))(x, mask)

    def _forward(self, x, mask, training, return_attention_scores, queries):
        attended = self.attention(
            x,
            mask,
            training=training,
            return_attention_scores=return_attention_scores,
            defer_bias=self.attention.output_dense.bias_apart(training),
            queries=queries,
        )
        x = x if queries is None else x[:, :queries]
        attended, *probabilities = attended if return_attention_scores else (attended,)
        # One row a token: TensorFlow fuses bias and activation with a product that no reshape parts from them.
        shape, flat = ops.shape(x), (-1, self.hidden_size)
        x, attended = ops.reshape(x, flat), ops.reshape(attended, flat)  # (B*T, H)
        x = ops.reshape(self.feed_forward(self.after_attention(attended, x, training), training), shape)
        return (x, *probabilities) if return_attention_scores else x

    def after_attention(self, attended, x, training=None):
        """Residual and LayerNorm behind the attention.

        Args: attended: its output, without the bias of the output projection where that is apart. x: what it was given. Both [rows,
            hidden_size].
        Returns: [rows, hidden_size].
        """
        return self.add_and_norm(attended, self.attention.output_dense, x, self.attention_dropout_layer, self.attention_norm, training)

    def feed_forward(self, x, training=None):
        """The feed-forward network, residual and LayerNorm. Args: x: [rows, hidden_size]. Returns: the same."""
        transformed = self._transformed_in_training(x) if training else self._transformed(x)
        return self.add_and_norm(transformed, self.output_dense, x, self.output_dropout_layer, self.output_norm, training)

    def _transformed(self, x):
        """The feed-forward network's two layers, the second without its bias where that is apart."""
        x = self.intermediate(x)
        # TensorFlow fuses the tanh formula of GELU with the product before it only where its ops' names sort after the product's.
        with keras.name_scope("intermediate_activation"):
            x = self.activation(x)
        return self.output_dense.product(x) if self.output_dense.bias_apart(False) else self.output_dense(x)

    def _transformed_in_training(self, x):
        x, bias = self.intermediate.product(x, True), self.intermediate.deferred_bias
        if self.output_dense.deferred_bias is None:  # quantized, say: it is more than a product with its kernel
            return self.output_dense.product(self.activation(x, bias, training=True), True)
        return self.activation(x, bias, kernel=self.output_dense.kernel, training=True)

    def add_and_norm(self, x, dense, residual, dropout, norm, training):
        """LayerNorm of residual + dropout(x). Args: x: of `dense`; without its bias where bias_apart."""
        return kernels.layer_norm(
            x,
            norm.gamma,
            norm.beta,
            epsilon=norm.epsilon,
            bias=dense.deferred_bias if dense.bias_apart(training) else None,
            residual=residual,
            rate=dropout.rate,
            seed=dropout.next_seed(training),
            training=training,
        )

    def compute_output_spec(self, x, mask, training=None, return_attention_scores=False, queries=None):
        return self.attention.compute_output_spec(x, mask, return_attention_scores=return_attention_scores, queries=queries)

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "hidden_act": self.hidden_act,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "layer_norm_eps": self.layer_norm_eps,
            "initializer_range": self.initializer_range,
            "rematerialize": self.rematerialize,
        }
