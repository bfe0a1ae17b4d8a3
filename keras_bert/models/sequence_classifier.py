"""SequenceClassifier: encoder, pooling and a dense layer; the contract in, logits out."""

import keras

from keras_bert import features
from keras_bert.layers import Dropout, MeanPooling
from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead, check_num_labels
from keras_bert.problem_type import SINGLE_LABEL, resolve_activation

POOLINGS = ("pooler", "mean")


@keras.saving.register_keras_serializable(package="keras_bert")
class SequenceClassifier(EncoderWithHead):
    """Scores of a text, or of a pair of texts: of its labels, of several labels at once, or one number, as a regression or ranking has.

    Args:
        encoder: BertEncoder; with a pooler where pooling is "pooler".
        num_labels: scores of a text, 1 or more.
        pooling: "pooler" (tanh of dense over [CLS], as google-research does) or "mean" (of the real tokens).
        dropout: rate before the dense layer; None takes the encoder's hidden_dropout_prob.
        problem_type: what the scores mean: "single_label_classification", "multi_label_classification" or "regression"; None: the
            first. The network computes the same; losses, answers and other projects' files ask for it.
        activation: what makes answers of the logits: "softmax", "sigmoid" or "linear"; None: see problem_type.resolve_activation.
    Inputs: the contract. Outputs: float32 [batch, num_labels], before the activation.
    Attributes: problem_type, activation: the names that None stands for.
    Raises: ValueError on an unknown name, or a pooling that the encoder cannot give.
    Source: Devlin et al. 2018; google-research/bert run_classifier.py create_model.
    """

    OPTIONS = ("pooling", "dropout", "problem_type", "activation")
    LABELLED = ("classifier",)

    def __init__(self, encoder, num_labels, *, pooling="pooler", dropout=None, problem_type=None, activation=None, **kwargs):
        check_pooling(pooling, encoder)
        num_labels = check_num_labels(num_labels, least=1)
        resolved = resolve_activation(num_labels, problem_type, activation)
        dropout = encoder.config.hidden_dropout_prob if dropout is None else dropout
        policy = encoder.dtype_policy_name
        pooled = pooled_vector(encoder, encoder(encoder.input, first_token_only=pooling == "pooler"), pooling)
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
        self.problem_type = problem_type or SINGLE_LABEL
        self.activation = resolved
        self._given_problem_type, self._given_activation = problem_type, activation

    def settings(self):
        return {
            "num_labels": self.num_labels,
            "pooling": self.pooling,
            "dropout": self.dropout,
            # As given: a file that leaves them out is written again so.
            "problem_type": self._given_problem_type,
            "activation": self._given_activation,
        }

    @classmethod
    def wants_pooler(cls, options):
        return _pooling(options) == "pooler"

    @classmethod
    def fresh_parts(cls, options, theirs):
        return () if _pooling(options) == _pooling(theirs) else ("classifier",)


def _pooling(options):
    return options.get("pooling", "pooler")


def check_pooling(pooling, encoder):
    """Raises: ValueError on an unknown pooling, or one that the encoder cannot give."""
    if pooling not in POOLINGS:
        raise ValueError(f"pooling={pooling!r} is not one of {', '.join(POOLINGS)}")
    if pooling == "pooler" and not encoder.pooler:
        raise ValueError("pooling='pooler' needs an encoder with a pooler; this one has pooler=False")


def pooled_vector(encoder, outputs, pooling):
    """One vector a text. Args: encoder: BertEncoder. outputs: its, dict. pooling: one of POOLINGS. Returns: [batch, hidden_size]."""
    if pooling == "pooler":
        return outputs["pooled_output"]
    pooling_layer = MeanPooling(dtype=encoder.dtype_policy_name, name="mean_pooling")
    return pooling_layer(outputs["sequence_output"], encoder.input[features.ATTENTION_MASK])
