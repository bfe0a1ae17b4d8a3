"""TokenClassifier: encoder and a dense layer over every token; the contract in, logits out."""

import keras

from keras_bert.layers import Dropout, FlatDense
from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead, check_num_labels


@keras.saving.register_keras_serializable(package="keras_bert")
class TokenClassifier(EncoderWithHead):
    """A score a label for every token: named entities, parts of speech, roles.

    Args:
        encoder: BertEncoder.
        num_labels: scores of a token, 2 or more.
        dropout: rate before the dense layer; None takes the encoder's hidden_dropout_prob.
    Inputs: the contract. Outputs: float32 [batch, length, num_labels], before softmax; padding has scores too.
    Source: Devlin et al. 2018, section 5.3.
    """

    OPTIONS = ("dropout",)
    LABELLED = ("classifier",)

    def __init__(self, encoder, num_labels, *, dropout=None, **kwargs):
        num_labels = check_num_labels(num_labels)
        dropout = encoder.config.hidden_dropout_prob if dropout is None else dropout
        x = encoder(encoder.input)["sequence_output"]
        x = Dropout(dropout, dtype=encoder.dtype_policy_name, name="classifier_dropout")(x)
        logits = FlatDense(
            num_labels,
            kernel_initializer=bert_initializer(encoder.config.initializer_range),
            dtype="float32",  # the loss wants all digits
            name="classifier",
        )(x)
        super().__init__(encoder, encoder.input, logits, **kwargs)
        self.num_labels = num_labels
        self.dropout = dropout

    def settings(self):
        return {"num_labels": self.num_labels, "dropout": self.dropout}
