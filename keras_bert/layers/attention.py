"""Multi-head self-attention and the masks that say which token sees which."""

import keras
from keras import ops

from keras_bert.layers import kernels
from keras_bert.layers.dense import FlatDense
from keras_bert.layers.dropout import Dropout
from keras_bert.layers.initializers import bert_initializer

# Far below any score, and far above where float32 loses the score beside it. google-research adds -10000, which a trained
# score can outweigh; the probabilities of real tokens agree to float32's last digits.
HIDDEN = -1e9


def key_mask(attention_mask):
    """Let every query see real tokens only.

    Args: attention_mask: int32 [batch, length]; 1 marks a real token.
    Returns: float32 [batch, 1, 1, length], 0 where visible and -1e9 where not, to add to float32 attention scores.
    Raises: ValueError unless rank 2.
    Source: Devlin et al. 2018, and google-research/bert modeling.py (which adds -10000).
    """
    if len(attention_mask.shape) != 2:
        raise ValueError(f"attention_mask has shape {tuple(attention_mask.shape)}; expected [batch, length]")
    return (1.0 - ops.cast(attention_mask, "float32"))[:, None, None, :] * HIDDEN


def sequence_mask(sequence_ids):
    """Let every query see the tokens of its own packed sequence only.

        sequence_ids 1 1 2 0  ->  visible: 1 1 . .
                                           1 1 . .
                                           . . 1 .
                                           . . . 1   (padding sees padding, so that no row is empty)

    Args: sequence_ids: int32 [batch, length]; 1, 2, ... number the sequences of a row, 0 is padding.
    Returns: float32 [batch, 1, length, length], 0 where visible and -1e9 where not.
    Raises: ValueError unless rank 2.
    """
    if len(sequence_ids.shape) != 2:
        raise ValueError(f"sequence_ids has shape {tuple(sequence_ids.shape)}; expected [batch, length]")
    same = ops.equal(sequence_ids[:, :, None], sequence_ids[:, None, :])  # (B, T, T)
    return (1.0 - ops.cast(same, "float32"))[:, None, :, :] * HIDDEN


@keras.saving.register_keras_serializable(package="keras_bert")
class AttentionMask(keras.layers.Layer):
    """The additive mask of a batch: key_mask of attention_mask, or with packed=True sequence_mask of sequence_ids.

    Call: int32 [batch, length]. Returns: float32, [batch, 1, 1, length], or [batch, 1, length, length] if packed.
    """

    def __init__(self, *, packed=False, **kwargs):
        super().__init__(**kwargs)
        self.packed = packed

    def call(self, ids):
        return sequence_mask(ids) if self.packed else key_mask(ids)

    def compute_output_spec(self, ids):
        queries = ids.shape[1] if self.packed else 1
        return keras.KerasTensor((ids.shape[0], 1, queries, ids.shape[1]), dtype="float32")

    def get_config(self):
        return super().get_config() | {"packed": self.packed}


class MultiHeadAttention(keras.layers.Layer):
    """Scaled dot-product attention with its output projection. A subclass makes the projections of query, key and value.

    Args:
        num_heads: heads; they share hidden_size evenly.
        hidden_size: features of a token, in and out.
        dropout: rate on the probabilities.
        initializer_range: standard deviation of new weights.
    Source: Vaswani et al. 2017; google-research/bert modeling.py attention_layer.
    """

    def __init__(self, num_heads, hidden_size, *, dropout=0.1, initializer_range=0.02, **kwargs):
        # Keras would cast the mask too, and float16 has no -1e9; x comes in the compute dtype as it is.
        super().__init__(**({"autocast": False} | kwargs))
        if hidden_size % num_heads:
            raise ValueError(f"hidden_size={hidden_size} is not a multiple of num_heads={num_heads}")
        self.num_heads = num_heads
        self.hidden_size = hidden_size
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.make_projections()
        self.output_dense = self.dense("output", hidden_size)
        self.probabilities_dropout = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def make_projections(self):
        """Set the dense layers that query, key and value come of."""
        raise NotImplementedError

    def dense(self, name, units):
        return FlatDense(units, kernel_initializer=bert_initializer(self.initializer_range), dtype=self.dtype_policy, name=name)

    def attend(self, query, key, value, mask, training=None, return_attention_scores=False, defer_bias=False):
        """Attention and output projection of what is projected already.

        Args: query: [batch, heads, query, head_size]. key, value: [batch, heads, key, head_size]. mask, others: see
            MultiHeadSelfAttention.
        Returns: as MultiHeadSelfAttention.
        """
        head_size = self.hidden_size // self.num_heads
        scores, scale = kernels.heads_product(query, key, transpose_y=True), head_size**-0.5  # (B, N, Q, T)
        seed = self.probabilities_dropout.next_seed(training)
        context = kernels.attended(
            scores, mask, value, features=self.hidden_size, scale=scale, rate=self.dropout, seed=seed, training=training
        )
        context = ops.transpose(context, (0, 2, 1, 3))  # (B, Q, N, D)
        length = ops.shape(context)[1]
        if defer_bias:
            output = self.output_dense.product(ops.reshape(context, (-1, self.hidden_size)), training)
            output = ops.reshape(output, (-1, length, self.hidden_size))
        else:
            output = self.output_dense(ops.reshape(context, (-1, length, self.hidden_size)))
        return (output, kernels.probabilities(scores, mask, scale)) if return_attention_scores else output

    def heads(self, projected, parts):
        """[batch, length, parts * hidden_size] -> list of `parts` of [batch, heads, length, head_size]."""
        if projected.shape[1] == 1:  # nothing to transpose
            shape = (-1, self.num_heads, 1, self.hidden_size // self.num_heads)
            return [ops.reshape(part, shape) for part in ops.split(projected, parts, axis=-1)]
        shape = (-1, ops.shape(projected)[1], parts, self.num_heads, self.hidden_size // self.num_heads)
        return ops.unstack(ops.transpose(ops.reshape(projected, shape), (2, 0, 3, 1, 4)), parts, axis=0)

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "hidden_size": self.hidden_size,
            "dropout": self.dropout,
            "initializer_range": self.initializer_range,
        }


@keras.saving.register_keras_serializable(package="keras_bert")
class MultiHeadSelfAttention(MultiHeadAttention):
    """Self-attention; query, key and value come of one product.

    Args: see MultiHeadAttention.
    Call: x: [batch, length, hidden_size]; mask: additive float32, broadcastable to [batch, heads, query, key]; defer_bias: leave
        the output projection's bias to the caller, see FlatDense.product; queries: let only the first so many tokens ask; None: all.
    Returns: [batch, query, hidden_size]; with return_attention_scores=True also the probabilities before dropout,
        [batch, heads, query, key].
    """

    def make_projections(self):
        self.qkv = self.dense("qkv", 3 * self.hidden_size)

    def build(self, x_shape, mask_shape=None):
        self.qkv.build(x_shape)
        self.output_dense.build((*x_shape[:-1], self.hidden_size))

    def call(self, x, mask, training=None, return_attention_scores=False, defer_bias=False, queries=None):
        if queries is None:
            query, key, value = self.project(x, training)
        else:
            query, key, value = self._heads_of_first(x, queries)
            mask = mask if mask.shape[2] == 1 else mask[:, :, :queries]
        return self.attend(query, key, value, mask, training, return_attention_scores, defer_bias)

    def project(self, x, training=None):
        """Returns: list of query, key and value, [batch, heads, length, head_size] each."""
        return self.heads(self._projected(x, training), 3)

    def _projected(self, x, training):
        """Query, key and value: [batch, length, 3 * hidden_size]."""
        bias = self.qkv.deferred_bias if self.qkv.bias_apart(training) else None
        if bias is None:
            return self.qkv(x)
        product = self.qkv.product(ops.reshape(x, (-1, self.hidden_size)), training)
        # After the reshape, so that TensorFlow does not fuse it.
        return ops.add(ops.reshape(product, (-1, ops.shape(x)[1], 3 * self.hidden_size)), bias)

    def _heads_of_first(self, x, queries):
        """Query of the first tokens; key and value of all."""
        first = x[:, :queries]
        if self.qkv.deferred_bias is None:  # quantized, say: no part of the product can be had alone
            query, key, value = self.heads(self.qkv(x), 3)
            return query[:, :, :queries], key, value
        kernel, bias, size = ops.cast(self.qkv.kernel, self.compute_dtype), self.qkv.deferred_bias, self.hidden_size

        def projected(x, kernel, bias):
            product = ops.matmul(ops.reshape(x, (-1, size)), kernel)
            return ops.add(ops.reshape(product, (-1, ops.shape(x)[1], kernel.shape[1])), bias)

        return self.heads(projected(first, kernel[:, :size], bias[:size]), 1) + self.heads(projected(x, kernel[:, size:], bias[size:]), 2)

    def compute_output_spec(self, x, mask, training=None, return_attention_scores=False, defer_bias=False, queries=None):
        batch, length = x.shape[:2]
        queries = length if queries is None else queries
        output = keras.KerasTensor((batch, queries, x.shape[2]), dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        return output, keras.KerasTensor((batch, self.num_heads, queries, length), dtype="float32")
