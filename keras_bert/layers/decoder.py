"""Decoding: attention to what stands before, and to another text; with a cache, a token at a time."""

import keras
from keras import ops

from keras_bert.layers import kernels
from keras_bert.layers.attention import HIDDEN, MultiHeadAttention
from keras_bert.layers.block import PostNormBlock
from keras_bert.layers.dropout import Dropout


def causal_mask(length):
    """Let every token see itself and what stands before it.

        length 3  ->  visible: 1 . .
                               1 1 .
                               1 1 1

    Args: length: int, or an integer scalar. Returns: float32 [1, 1, length, length], 0 where visible and -1e9 where not.
    """
    places = ops.arange(length, dtype="int32")
    return ops.cast(places[None, :] > places[:, None], "float32")[None, None] * HIDDEN


def slot_mask(ancestors, slots):
    """Let every sequence of a text see its own past, of whose tokens each stands in one of the text's slots.

    Sequences that a search drops leave their keys and values where they are, and one that is continued twice shares its past: no cache
    is ever moved.

    Args: ancestors: int32 [batch, slots, length], the slot of each token of each sequence; -1: there is no such token yet. slots: int.
    Returns: float32 [batch, 1, slots, length * slots], 0 where visible and -1e9 where not.
    """
    hidden = ops.not_equal(ancestors[..., None], ops.arange(slots, dtype="int32"))  # (B, slots, T, slots)
    return ops.cast(ops.reshape(hidden, (-1, 1, slots, ancestors.shape[2] * slots)), "float32") * HIDDEN


@keras.saving.register_keras_serializable(package="keras_bert")
class MultiHeadCrossAttention(MultiHeadAttention):
    """Attention of one text's tokens to those of another.

    Args: see MultiHeadAttention; hidden_size is that of the asking side.
    Call: x: [batch, length, hidden_size]; source: [batch, source_length, features], of any size; mask: additive float32, broadcastable
        to [batch, heads, length, source_length].
    Returns: [batch, length, hidden_size].
    """

    def make_projections(self):
        self.query = self.dense("query", self.hidden_size)
        self.key_value = self.dense("key_value", 2 * self.hidden_size)

    def build(self, x_shape, source_shape, mask_shape=None):
        self.query.build(x_shape)
        self.key_value.build(source_shape)
        self.output_dense.build((*x_shape[:-1], self.hidden_size))

    def call(self, x, source, mask, training=None, defer_bias=False):
        return self.asked(x, *self.project_source(source, training), mask, training, defer_bias)

    def project_source(self, source, training=None):
        """Returns: list of key and value, [batch, heads, source_length, head_size] each: the same for each token that asks."""
        return self.heads(self.key_value(source, training=training), 2)

    def asked(self, x, key, value, mask, training=None, defer_bias=False):
        """`call` of a source that is projected already."""
        (query,) = self.heads(self.query(x, training=training), 1)
        return self.attend(query, key, value, mask, training, defer_bias=defer_bias)

    def compute_output_spec(self, x, source, mask, training=None, defer_bias=False):
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)


@keras.saving.register_keras_serializable(package="keras_bert")
class DecoderBlock(PostNormBlock):
    """The block of a decoder: self-attention to what stands before, attention to the source, a feed-forward network.

    Args:
        those of PostNormBlock.
        shared_with: PostNormBlock whose weights this block takes, all but those of the attention to the source; None: its own.
    Call: x: [batch, length, hidden_size]; source: [batch, source_length, features]; mask: additive float32, see causal_mask; source_mask:
        the same of the source, see key_mask. Returns: [batch, length, hidden_size].
    Source: Vaswani et al. 2017, section 3.1; Rothe et al. 2020, "Leveraging pre-trained checkpoints for sequence generation tasks".
    """

    def __init__(self, num_heads, hidden_size, intermediate_size, *, shared_with=None, **options):
        super().__init__(num_heads, hidden_size, intermediate_size, **options)
        if shared_with is not None:
            for name in ("attention", "attention_norm", "intermediate", "output_dense", "output_norm"):
                setattr(self, name, getattr(shared_with, name))
        self.cross_attention = MultiHeadCrossAttention(
            num_heads,
            hidden_size,
            dropout=self.attention_dropout,
            initializer_range=self.initializer_range,
            dtype=self.dtype_policy,
            name="cross_attention",
        )
        self.cross_dropout_layer = Dropout(self.dropout, dtype=self.dtype_policy, name="cross_attention_dropout")
        self.cross_norm = keras.layers.LayerNormalization(epsilon=self.layer_norm_eps, dtype=self.dtype_policy, name="cross_attention_norm")

    def build(self, x_shape, source_shape, mask_shape=None, source_mask_shape=None):
        if not self.attention.built:  # those of another block are
            super().build(x_shape)
        self.cross_attention.build(x_shape, source_shape)
        self.cross_norm.build(x_shape)

    def call(self, x, source, mask, source_mask, training=None):
        apart = self.attention.output_dense.bias_apart(training)
        attended = self.attention(x, mask, training=training, defer_bias=apart)
        return self._after_attention(x, attended, *self.cross_attention.project_source(source, training), source_mask, training)

    def step(self, x, caches, position, mask, source_key, source_value, source_mask):
        """One token more of each sequence.

        Args:
            x: [batch, slots, hidden_size], the tokens.
            caches: keys and values so far, [batch * heads, length, slots * head_size] each; see empty_caches.
            position: int32 scalar, where these tokens stand.
            mask: see slot_mask; it shows this position too.
            source_key, source_value: see MultiHeadCrossAttention.project_source. source_mask: as in call.
        Returns: [batch, slots, hidden_size]; the caches with this position.
        """
        query, *new = self.attention.project(x)
        slots, heads, head_size = x.shape[1], self.num_heads, self.hidden_size // self.num_heads
        rows = ops.arange(ops.shape(caches[0])[0], dtype="int32")
        places = ops.stack([rows, ops.full_like(rows, position)], axis=1)
        caches = tuple(
            kernels.filled_in(cache, places, ops.reshape(part, (-1, slots * head_size))) for cache, part in zip(caches, new, strict=True)
        )
        length = caches[0].shape[1]
        key, value = (ops.reshape(cache, (-1, heads, length * slots, head_size)) for cache in caches)
        attended = self.attention.attend(query, key, value, mask, defer_bias=self.attention.output_dense.bias_apart(False))
        return self._after_attention(x, attended, source_key, source_value, source_mask, False), caches

    def empty_caches(self, batch, slots, length):
        """Room for the keys and values of `length` tokens of `slots` sequences a text. Args: batch: an integer scalar. Returns: a pair."""
        shape = (batch * self.num_heads, length, slots * (self.hidden_size // self.num_heads))
        return tuple(ops.zeros(shape, self.compute_dtype) for _ in range(2))

    def _after_attention(self, x, attended, source_key, source_value, source_mask, training):
        shape, flat = ops.shape(x), (-1, self.hidden_size)
        x = self.after_attention(ops.reshape(attended, flat), ops.reshape(x, flat), training)
        cross, apart = self.cross_attention, self.cross_attention.output_dense.bias_apart(training)
        attended = cross.asked(ops.reshape(x, shape), source_key, source_value, source_mask, training, apart)
        x = self.add_and_norm(ops.reshape(attended, flat), cross.output_dense, x, self.cross_dropout_layer, self.cross_norm, training)
        return ops.reshape(self.feed_forward(x, training), shape)

    def compute_output_spec(self, x, source, mask, source_mask, training=None):
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)
