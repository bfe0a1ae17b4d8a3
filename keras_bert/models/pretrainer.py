"""Pretrainer: encoder with both heads of BERT's pretraining."""

import keras

from keras_bert import features
from keras_bert.models.masked_lm import masked_lm_head, masked_positions_input
from keras_bert.models.network import EncoderWithHead
from keras_bert.models.next_sentence import check_has_pooler, next_sentence_head


@keras.saving.register_keras_serializable(package="keras_bert")
class Pretrainer(EncoderWithHead):
    """What stood at the masked positions, and whether the second text follows the first.

    Args: encoder: BertEncoder with a pooler.
    Inputs: the contract and masked_positions, int32 [batch, max_predictions].
    Outputs: dict of float32, before softmax:
        mlm_logits: [batch, max_predictions, vocab_size].
        nsp_logits: [batch, 2]; 0: the second text follows, 1: it is a random one. Of a packed encoder [batch, sequences, 2], of each
            sequence of a row by itself.
    Raises: ValueError where the encoder has no pooler.
    Source: Devlin et al. 2018; google-research/bert run_pretraining.py.
    """

    def __init__(self, encoder, **kwargs):
        check_has_pooler(encoder)
        inputs = encoder.input | {features.MASKED_POSITIONS: masked_positions_input()}
        outputs = encoder(encoder.input)
        next_sentence = next_sentence_head(encoder)
        logits = {
            "mlm_logits": masked_lm_head(encoder)(outputs["sequence_output"], inputs[features.MASKED_POSITIONS]),
            "nsp_logits": next_sentence(outputs["pooled_output"]),
        }
        super().__init__(encoder, inputs, logits, **kwargs)

    @classmethod
    def wants_pooler(cls, options):
        return True
