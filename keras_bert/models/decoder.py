"""Decoder: the answer so far and a source in, scores of what comes next out."""

import dataclasses
from collections.abc import Mapping

import keras
from keras import ops

from keras_bert.config import BertConfig
from keras_bert.layers import DecoderBlock, MaskedLMHead, causal_mask, kernels, key_mask
from keras_bert.layers.decoder import slot_mask
from keras_bert.models.encoder import make_embeddings


@keras.saving.register_keras_serializable(package="keras_bert")
class Decoder(keras.layers.Layer):
    """A BERT that writes: embeddings, blocks that see what stands before and the source, and the masked-LM head over all tokens.

    Args:
        config: BertConfig, or the dict of one.
        shared_with: BertEncoder whose embeddings and blocks are the decoder's too; only the attention to the source and the head are then
            its own. None: all are.
    Call: input_ids: int32 [batch, length]; source: [batch, source_length, features]; attention_mask: int32 [batch, source_length], 1 for
        real tokens of the source. Padding may stand behind the ids, which no token before it sees.
    Returns: float32 [batch, length, vocab_size]: of each place, scores of the token that follows, before softmax.
    """

    def __init__(self, config, *, shared_with=None, **kwargs):
        super().__init__(**({"autocast": False} | kwargs))
        self.config = config = config if isinstance(config, BertConfig) else BertConfig.from_dict(config)
        policy, initializer_range = self.dtype_policy, config.initializer_range
        shared = shared_with is not None
        self._owns_embeddings = not shared
        self.embeddings = shared_with.get_layer("embeddings") if shared else make_embeddings(config, policy, initializer_range)
        theirs = shared_with.blocks() if shared else [None] * config.num_hidden_layers
        self.blocks = [
            DecoderBlock(
                config.num_attention_heads,
                config.hidden_size,
                config.intermediate_size,
                shared_with=theirs[index],
                hidden_act=config.hidden_act,
                dropout=config.hidden_dropout_prob,
                attention_dropout=config.attention_probs_dropout_prob,
                layer_norm_eps=config.layer_norm_eps,
                initializer_range=initializer_range,
                dtype=policy,
                name=f"layer_{index}",
            )
            for index in range(config.num_hidden_layers)
        ]
        self.head = MaskedLMHead(
            config.vocab_size,
            config.hidden_size,
            hidden_act=config.hidden_act,
            layer_norm_eps=config.layer_norm_eps,
            initializer_range=initializer_range,
            dtype=policy,
            name="masked_lm",
        ).tie(self.embeddings)

    def build(self, input_ids_shape, source_shape, attention_mask_shape=None):
        if self._owns_embeddings:
            self.embeddings.build(input_ids_shape)
        x_shape = (*input_ids_shape, self.config.hidden_size)
        for block in self.blocks:
            block.build(x_shape, source_shape)
        self.head.build(x_shape)

    def call(self, input_ids, source, attention_mask, training=None):
        mask, source_mask = causal_mask(ops.shape(input_ids)[1]), key_mask(attention_mask)
        x = self.embeddings(input_ids, ops.zeros_like(input_ids), training=training)
        for block in self.blocks:
            x = block(x, source, mask, source_mask, training=training)
        return self.head(x, training=training)

    def begin(self, source, attention_mask, *, slots, length):
        """Ready a source for `step`.

        Args: source, attention_mask: as call. slots: sequences of a text that are written at once. length: most tokens of one.
        Returns: what step takes as source; caches.
        """
        projected = [block.cross_attention.project_source(source) for block in self.blocks]
        caches = tuple(block.empty_caches(ops.shape(source)[0], slots, length) for block in self.blocks)
        return (projected, key_mask(attention_mask)), caches

    def step(self, tokens, position, ancestors, source, caches):
        """Scores of what follows one token more.

        Args:
            tokens: int32 [batch, slots], the last token of each sequence.
            position: int32 scalar, where they stand.
            ancestors: int32 [batch, slots, length], see layers.decoder.slot_mask.
            source, caches: of `begin`, or of the step before.
        Returns: float32 [batch, slots, vocab_size]; caches.
        """
        slots = tokens.shape[1]
        projected, source_mask = source
        mask = slot_mask(ancestors, slots)
        after = []
        with kernels.few_rows():
            x = self.embeddings(tokens, ops.zeros_like(tokens), ops.zeros_like(tokens) + position)
            for block, cache, (key, value) in zip(self.blocks, caches, projected, strict=True):
                x, cache = block.step(x, cache, position, mask, key, value, source_mask)
                after.append(cache)
            return self.head(x), tuple(after)

    def compute_output_spec(self, input_ids, source, attention_mask, training=None):
        return keras.KerasTensor((*input_ids.shape, self.config.vocab_size), dtype="float32")

    def get_config(self):
        return super().get_config() | {"config": self.config.to_dict()}


def decoder_config(encoder_config, decoder=None):
    """The configuration of a decoder.

    Args: encoder_config: BertConfig. decoder: BertConfig; or a dict of what differs from the encoder's, such as {"num_hidden_layers": 2};
        None: nothing does.
    Returns: BertConfig.
    """
    if isinstance(decoder, BertConfig):
        return decoder
    if decoder is not None and not isinstance(decoder, Mapping):
        raise TypeError(f"decoder is a {type(decoder).__name__}; it takes a BertConfig, or a dict of what differs from the encoder's")
    known = {field.name for field in dataclasses.fields(BertConfig)}
    unknown = sorted(set(decoder or ()) - known)
    if unknown:
        raise ValueError(f"decoder: BertConfig has no {', '.join(unknown)}")
    return dataclasses.replace(encoder_config, **({} if decoder is None else decoder))
