"""MaskedLM: encoder and vocabulary scores at chosen positions."""

import keras

from keras_bert import features
from keras_bert.layers import MaskedLMHead
from keras_bert.models.network import EncoderWithHead


@keras.saving.register_keras_serializable(package="keras_bert")
class MaskedLM(EncoderWithHead):
    """What stood at the masked positions.

    Args:
        encoder: BertEncoder; its word embedding is the decoder too.
        head_hidden_act, head_layer_norm_eps: of the head's transform; None: the encoder's, as in google-research's BERT. KerasHub's
            differ.
    Inputs: the contract and masked_positions, int32 [batch, max_predictions].
    Outputs: float32 [batch, max_predictions, vocab_size], before softmax.
    Source: Devlin et al. 2018; google-research/bert run_pretraining.py.
    """

    OPTIONS = ("head_hidden_act", "head_layer_norm_eps")

    def __init__(self, encoder, *, head_hidden_act=None, head_layer_norm_eps=None, **kwargs):
        inputs = encoder.input | {features.MASKED_POSITIONS: masked_positions_input()}
        outputs = encoder(encoder.input)
        logits = masked_lm_head(encoder, head_hidden_act, head_layer_norm_eps)(
            outputs["sequence_output"], inputs[features.MASKED_POSITIONS]
        )
        super().__init__(encoder, inputs, logits, **kwargs)
        self.head_hidden_act = head_hidden_act
        self.head_layer_norm_eps = head_layer_norm_eps

    def settings(self):
        return {"head_hidden_act": self.head_hidden_act, "head_layer_norm_eps": self.head_layer_norm_eps}

    @property
    def head_is_as_the_encoder(self):
        """Whether the head's activation and epsilon are the encoder's: other projects' files have no place for others."""
        config = self.encoder.config
        return self.head_hidden_act in (None, config.hidden_act) and self.head_layer_norm_eps in (None, config.layer_norm_eps)


def masked_positions_input():
    """The Keras input of the positions that are asked about."""
    return keras.Input((None,), dtype=features.DTYPE, name=features.MASKED_POSITIONS)


def masked_lm_head(encoder, hidden_act=None, layer_norm_eps=None):
    """A MaskedLMHead of an encoder's sizes, tied to its word embedding; with the encoder's activation and epsilon where they are None."""
    config = encoder.config
    return MaskedLMHead(
        config.vocab_size,
        config.hidden_size,
        hidden_act=config.hidden_act if hidden_act is None else hidden_act,
        layer_norm_eps=config.layer_norm_eps if layer_norm_eps is None else layer_norm_eps,
        initializer_range=config.initializer_range,
        dtype=encoder.dtype_policy_name,
        name="masked_lm",
    ).tie(encoder.get_layer("embeddings"))
