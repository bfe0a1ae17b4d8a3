"""MultipleChoice: encoder, pooler and one score, of how well a text and a choice go together; the contract in, logits out."""

import keras

from keras_bert.layers import Dropout
from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead
from keras_bert.models.sequence_classifier import pooled_vector


@keras.saving.register_keras_serializable(package="keras_bert")
class MultipleChoice(EncoderWithHead):
    """The score of a choice, which is compared with those of the other choices.

    Args: encoder: BertEncoder with a pooler. dropout: rate before the dense layer; None takes the encoder's hidden_dropout_prob.
    Inputs: the contract, a choice a row. Outputs: float32 [rows, 1].
    Raises: ValueError where the encoder has no pooler.
    Source: Transformers' BertForMultipleChoice; Zellers et al. 2018, "SWAG".
    """

    OPTIONS = ("dropout",)
    OWN = ("classifier",)

    def __init__(self, encoder, *, dropout=None, **kwargs):
        if not encoder.pooler:
            raise ValueError("a choice's score is read from the pooled output; this encoder has pooler=False")
        dropout = encoder.config.hidden_dropout_prob if dropout is None else dropout
        pooled = pooled_vector(encoder, encoder(encoder.input, first_token_only=True), "pooler")
        pooled = Dropout(dropout, dtype=encoder.dtype_policy_name, name="classifier_dropout")(pooled)
        score = keras.layers.Dense(
            1, kernel_initializer=bert_initializer(encoder.config.initializer_range), dtype="float32", name="classifier"
        )(pooled)
        super().__init__(encoder, encoder.input, score, **kwargs)
        self.dropout = dropout

    @classmethod
    def wants_pooler(cls, options):
        return True

    def settings(self):
        return {"dropout": self.dropout}
