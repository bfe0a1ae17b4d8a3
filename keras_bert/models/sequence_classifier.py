"""SequenceClassifier: encoder, pooling and a dense layer; the contract in, logits out."""

import keras

from keras_bert import features
from keras_bert.layers import Dropout, MeanPooling
from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead, check_num_labels

POOLINGS = ("pooler", "mean")


@keras.saving.register_keras_serializable(package="keras_bert")
class SequenceClassifier(EncoderWithHead):
    """A score a label for a text, or a pair of texts.

    Args:
        encoder: BertEncoder; with a pooler where pooling is "pooler".
        num_labels: scores of a text, 2 or more.
        pooling: "pooler" (tanh of dense over [CLS], as google-research does) or "mean" (of the real tokens).
        dropout: rate before the dense layer; None takes the encoder's hidden_dropout_prob.
    Inputs: the contract. Outputs: float32 [batch, num_labels], before softmax.
    Raises: ValueError on an unknown pooling, or one that the encoder cannot give.
    Source: Devlin et al. 2018; google-research/bert run_classifier.py create_model.
    """

    def __init__(self, encoder, num_labels, *, pooling="pooler", dropout=None, **kwargs):
        if pooling not in POOLINGS:
            raise ValueError(f"pooling={pooling!r} is not one of {', '.join(POOLINGS)}")
        if pooling == "pooler" and not encoder.pooler:
            raise ValueError("pooling='pooler' needs an encoder with a pooler; this one has pooler=False")
        num_labels = check_num_labels(num_labels)
        dropout = encoder.config.hidden_dropout_prob if dropout is None else dropout
        policy = encoder.dtype_policy_name
        outputs = encoder(encoder.input, first_token_only=pooling == "pooler")
        if pooling == "pooler":
            pooled = outputs["pooled_output"]
        else:
            pooling_layer = MeanPooling(dtype=policy, name="mean_pooling")
            pooled = pooling_layer(outputs["sequence_output"], encoder.input[features.ATTENTION_MASK])
        pooled = Dropout(dropout, dtype=policy, name="classifier_dropout")(pooled)
        logits = keras.layers.Dense(
            num_labels,
            kernel_initializer=bert_initializer(encoder.config.initializer_range),
            dtype="float32",  # the loss and the served probabilities want all digits
            name="classifier",
        )(pooled)
        super().__init__(encoder, encoder.input, logits, **kwargs)
        self.num_labels = num_labels
        self.pooling = pooling
        self.dropout = dropout

    def settings(self):
        return {"num_labels": self.num_labels, "pooling": self.pooling, "dropout": self.dropout}
