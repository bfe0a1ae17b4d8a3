"""SpanClassifier: encoder and two scores a token, of where an answer starts and ends; the contract in, logits out."""

import keras

from keras_bert.layers import FlatDense
from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead


@keras.saving.register_keras_serializable(package="keras_bert")
class SpanClassifier(EncoderWithHead):
    """Where a span, such as the answer to a question, starts and ends.

    Args: encoder: BertEncoder.
    Inputs: the contract.
    Outputs: dict of start_logits, end_logits: float32 [batch, length], before softmax over the length; padding has scores too.
    Source: Devlin et al. 2018, section 4.2; google-research/bert run_squad.py.
    """

    def __init__(self, encoder, **kwargs):
        logits = FlatDense(
            2,
            kernel_initializer=bert_initializer(encoder.config.initializer_range),
            dtype="float32",  # the loss wants all digits
            name="span",
        )(encoder(encoder.input)["sequence_output"])  # (B, T, 2)
        outputs = {"start_logits": logits[:, :, 0], "end_logits": logits[:, :, 1]}
        super().__init__(encoder, encoder.input, outputs, **kwargs)
