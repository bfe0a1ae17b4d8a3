"""SentenceScorer: encoder and one score a sentence, read from the [CLS] before each; the contract and sentence_positions in."""

import keras
from keras import ops

from keras_bert import features
from keras_bert.layers import Dropout, WordVectors
from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead


@keras.saving.register_keras_serializable(package="keras_bert")
class SentenceScorer(EncoderWithHead):
    """How much each sentence of a document belongs into its summary.

    Args: encoder: BertEncoder. dropout: rate before the dense layer; None takes the encoder's hidden_dropout_prob.
    Inputs: the contract and sentence_positions, int32 [batch, sentences]; -1 is padding.
    Outputs: float32 [batch, sentences], before the sigmoid; padding has scores too.
    Source: Liu & Lapata 2019, "Text summarization with pretrained encoders", section 3.2, with their simple classifier.
    """

    OPTIONS = ("dropout",)
    OWN = ("classifier",)

    def __init__(self, encoder, *, dropout=None, **kwargs):
        dropout = encoder.config.hidden_dropout_prob if dropout is None else dropout
        positions = keras.Input((None,), dtype=features.DTYPE, name=features.SENTENCE_POSITIONS)
        policy = encoder.dtype_policy_name
        sequence_output = encoder(encoder.input)["sequence_output"]
        x = WordVectors(dtype=policy, name="sentence_vectors")(sequence_output, ops.maximum(positions, 0))
        x = Dropout(dropout, dtype=policy, name="classifier_dropout")(x)
        scores = keras.layers.Dense(
            1,
            kernel_initializer=bert_initializer(encoder.config.initializer_range),
            dtype="float32",  # the loss wants all digits
            name="classifier",
        )(x)
        super().__init__(encoder, encoder.input | {features.SENTENCE_POSITIONS: positions}, scores[:, :, 0], **kwargs)
        self.dropout = dropout

    def settings(self):
        return {"dropout": self.dropout}
