"""MaskedLM: encoder and vocabulary scores at chosen positions."""

import keras

from keras_bert import features
from keras_bert.layers import MaskedLMHead
from keras_bert.models.network import EncoderWithHead


@keras.saving.register_keras_serializable(package="keras_bert")
class MaskedLM(EncoderWithHead):
    """What stood at the masked positions.

    Args: encoder: BertEncoder; its word embedding is the decoder too.
    Inputs: the contract and masked_positions, int32 [batch, max_predictions].
    Outputs: float32 [batch, max_predictions, vocab_size], before softmax.
    Source: Devlin et al. 2018; google-research/bert run_pretraining.py.
    """

    def __init__(self, encoder, **kwargs):
        inputs = encoder.input | {features.MASKED_POSITIONS: masked_positions_input()}
        outputs = encoder(encoder.input)
        logits = masked_lm_head(encoder)(outputs["sequence_output"], inputs[features.MASKED_POSITIONS])
        super().__init__(encoder, inputs, logits, **kwargs)


def masked_positions_input():
    """The Keras input of the positions that are asked about."""
    return keras.Input((None,), dtype=features.DTYPE, name=features.MASKED_POSITIONS)


def masked_lm_head(encoder):
    """A MaskedLMHead of an encoder's sizes, tied to its word embedding."""
    config = encoder.config
    return MaskedLMHead(
        config.vocab_size,
        config.hidden_size,
        hidden_act=config.hidden_act,
        layer_norm_eps=config.layer_norm_eps,
        initializer_range=config.initializer_range,
        dtype=encoder.dtype_policy_name,
        name="masked_lm",
    ).tie(encoder.get_layer("embeddings"))
