"""BertEncoder: the contract in, token vectors out."""

import keras

from keras_bert import features
from keras_bert.config import BertConfig
from keras_bert.layers import AttentionMask, BertEmbeddings, Pooler, PostNormBlock
from keras_bert.models.network import check_keywords, refuse_to_quantize


@keras.saving.register_keras_serializable(package="keras_bert")
class BertEncoder(keras.Model):
    """BERT without a head.

    Args:
        config: BertConfig.
        packed: take packed batches: position_ids and sequence_ids too, and no attention between sequences.
        return_hidden_states: add hidden_states to the outputs.
        return_attention_scores: add attention_scores to the outputs.
        pooler: add pooled_output to the outputs; None does so unless packed. With packed, the inputs then have first_positions too.
        dtype: Keras dtype policy of all layers; None takes the global one.
        initialize: draw new weights. False leaves those of embeddings and blocks 0, for a loader that fills them all: drawing
            BERT-large's takes longer than reading them.
        rematerialize: keep only each block's input in training and compute the rest again for the gradient. It can be set at any
            time before fit, as `encoder.rematerialize = True`.
    Inputs: dict of int32 [batch, length]: the keys of features.UNPACKED, or features.PACKED if packed; all are required. A packed
        encoder with a pooler takes first_positions, int32 [batch, sequences], where each sequence's [CLS] stands in the row.
    Outputs: dict of
        sequence_output: [batch, length, hidden_size], the last block's.
        pooled_output: [batch, hidden_size]; if packed, [batch, sequences, hidden_size].
        hidden_states: list of num_hidden_layers + 1 arrays [batch, length, hidden_size]; the first is the embedding output.
        attention_scores: list of num_hidden_layers arrays [batch, heads, query, key], after softmax.
    Call: first_token_only=True leaves out what only the other tokens' vectors want: the last block works for [CLS] alone, some
        7 % less work in BERT-base. The outputs are then sequence_output, [batch, 1, hidden_size], and pooled_output. Raises:
        ValueError where packed.
    Source: Devlin et al. 2018.
    """

    def __init__(
        self,
        config,
        *,
        packed=False,
        return_hidden_states=False,
        return_attention_scores=False,
        pooler=None,
        dtype=None,
        initialize=True,
        rematerialize=False,
        **kwargs,
    ):
        check_keywords("BertEncoder", kwargs)
        if not isinstance(config, BertConfig):
            raise TypeError(f"config is a {type(config).__name__}; BertEncoder takes a BertConfig")
        pooler = not packed if pooler is None else pooler
        policy = keras.dtype_policies.get(dtype)
        names = features.UNPACKED
        if packed:
            names = features.PACKED + ((features.FIRST_POSITIONS,) if pooler else ())
        inputs = {name: keras.Input((None,), dtype=features.DTYPE, name=name) for name in names}
        # A name that sorts after the blocks': else TensorFlow does not fuse scale and mask with the product of float32 scores.
        mask = AttentionMask(packed=packed, dtype=policy, name="mask")(inputs[features.SEQUENCE_IDS if packed else features.ATTENTION_MASK])
        embedding_arguments = [inputs[features.INPUT_IDS], inputs[features.TOKEN_TYPE_IDS]]
        if packed:
            embedding_arguments.append(inputs[features.POSITION_IDS])
        initializer_range = config.initializer_range if initialize else 0.0
        x = make_embeddings(config, policy, initializer_range)(*embedding_arguments)
        hidden_states, attention_scores = [x], []
        for index in range(config.num_hidden_layers):
            block = _block(config, index, policy, initializer_range)
            if return_attention_scores:
                x, probabilities = block(x, mask, return_attention_scores=True)
                attention_scores.append(probabilities)
            else:
                x = block(x, mask)
            hidden_states.append(x)
        outputs = {"sequence_output": x}
        if pooler:
            pool = Pooler(config.hidden_size, initializer_range=config.initializer_range, dtype=policy, name="pooler")
            outputs["pooled_output"] = pool(x, inputs[features.FIRST_POSITIONS]) if packed else pool(x)
        if return_hidden_states:
            outputs["hidden_states"] = hidden_states
        if return_attention_scores:
            outputs["attention_scores"] = attention_scores
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.config = config
        self.packed = packed
        self.pooler = pooler
        self.return_hidden_states = return_hidden_states
        self.return_attention_scores = return_attention_scores
        self.dtype_policy_name = policy.name
        self.rematerialize = rematerialize

    def call(self, inputs, training=None, mask=None, first_token_only=False):
        if not first_token_only:
            return super().call(inputs, training=training, mask=mask)
        self._check_first_token()
        arguments = [inputs[features.INPUT_IDS], inputs[features.TOKEN_TYPE_IDS]]
        x = self.get_layer("embeddings")(*arguments, training=training)
        attention_mask = self.get_layer("mask")(inputs[features.ATTENTION_MASK])
        *blocks, last = self.blocks()
        for block in blocks:
            x = block(x, attention_mask, training=training)
        x = last(x, attention_mask, training=training, queries=1)
        return {"sequence_output": x} | ({"pooled_output": self.get_layer("pooler")(x)} if self.pooler else {})

    def compute_output_spec(self, inputs, training=None, mask=None, first_token_only=False):
        if not first_token_only:
            return super().compute_output_spec(inputs, training=training, mask=mask)
        self._check_first_token()
        batch, dtype = inputs[features.INPUT_IDS].shape[0], self.blocks()[-1].compute_dtype
        sequence_output = keras.KerasTensor((batch, 1, self.config.hidden_size), dtype=dtype)
        pooled_output = keras.KerasTensor((batch, self.config.hidden_size), dtype=dtype)
        return {"sequence_output": sequence_output} | ({"pooled_output": pooled_output} if self.pooler else {})

    def _check_first_token(self):
        if self.packed:
            raise ValueError("first_token_only=True with packed=True: a packed row holds several sequences, so it has no one [CLS] vector")

    @property
    def rematerialize(self):
        return self.blocks()[0].rematerialize

    @rematerialize.setter
    def rematerialize(self, value):
        for block in self.blocks():
            block.rematerialize = value

    def blocks(self):
        """Returns: list of PostNormBlock, the first layer first."""
        return [layer for layer in self.layers if isinstance(layer, PostNormBlock)]

    def quantize(self, mode=None, config=None, **kwargs):
        refuse_to_quantize(self)

    def get_config(self):
        return {
            "config": self.config.to_dict(),
            "packed": self.packed,
            "return_hidden_states": self.return_hidden_states,
            "return_attention_scores": self.return_attention_scores,
            "pooler": self.pooler,
            "dtype": self.dtype_policy_name,
            "rematerialize": self.rematerialize,
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**{**config, "config": BertConfig.from_dict(config["config"])})


def make_embeddings(config, policy, initializer_range):
    """The embeddings of a configuration."""
    return BertEmbeddings(
        config.vocab_size,
        config.hidden_size,
        config.max_position_embeddings,
        config.type_vocab_size,
        position_embeddings=config.position_embeddings,
        dropout=config.hidden_dropout_prob,
        layer_norm_eps=config.layer_norm_eps,
        initializer_range=initializer_range,
        dtype=policy,
        name="embeddings",
    )


def _block(config, index, policy, initializer_range):
    """The block of a layer: the one place where a configuration chooses its kind. Heads see only its output."""
    return PostNormBlock(
        config.num_attention_heads,
        config.hidden_size,
        config.intermediate_size,
        hidden_act=config.hidden_act,
        dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        layer_norm_eps=config.layer_norm_eps,
        initializer_range=initializer_range,
        dtype=policy,
        name=f"layer_{index}",
    )
