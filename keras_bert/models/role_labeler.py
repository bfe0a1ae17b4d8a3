"""RoleLabeler: encoder, scores of role tags for every word, and of its being a predicate; the contract and word_positions in."""

import keras

from keras_bert import features
from keras_bert.layers import CRF, Dropout, WordVectors
from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead, check_num_labels
from keras_bert.models.tagger import word_positions_input

ROLES, PREDICATES = "roles", "predicates"


@keras.saving.register_keras_serializable(package="keras_bert")
class RoleLabeler(EncoderWithHead):
    """Two scores of words, from their first pieces: which role each has to the predicate that a row marks, and whether it is a predicate.

    What marks the predicate is in the contract (token types), and no concern of the network's.

    Args:
        encoder: BertEncoder.
        num_labels: tags of roles, 2 or more.
        dropout: rate before the heads; None takes the encoder's hidden_dropout_prob.
        crf: whether a linear-chain CRF scores moves from tag to tag.
    Inputs: the contract and word_positions, int32 [batch, words]; 0 is padding.
    Outputs: dict of float32, before softmax; padding has scores too:
        roles: [batch, words, num_labels]; with a CRF [batch, words + num_labels + 2, num_labels], see layers.CRF.
        predicates: [batch, words, 2]; 1: it is one.
    Source: Shi & Lin 2019, "Simple BERT models for relation extraction and semantic role labeling", without their LSTM.
    """

    OPTIONS = ("dropout", "crf")
    LABELLED = ("classifier", "crf")

    def __init__(self, encoder, num_labels, *, dropout=None, crf=False, **kwargs):
        num_labels = check_num_labels(num_labels)
        dropout = encoder.config.hidden_dropout_prob if dropout is None else dropout
        policy = encoder.dtype_policy_name
        inputs = encoder.input | {features.WORD_POSITIONS: word_positions_input()}
        vectors = encoder(encoder.input)["sequence_output"]
        x = WordVectors(dtype=policy, name="word_vectors")(vectors, inputs[features.WORD_POSITIONS])
        x = Dropout(dropout, dtype=policy, name="classifier_dropout")(x)

        def scores(units, name):
            initializer = bert_initializer(encoder.config.initializer_range)
            return keras.layers.Dense(units, kernel_initializer=initializer, dtype="float32", name=name)(x)  # the loss wants all digits

        roles, predicates = scores(num_labels, "classifier"), scores(2, "predicates")
        if crf:
            roles = CRF(num_labels, dtype="float32", name="crf")(roles)
        super().__init__(encoder, inputs, {ROLES: roles, PREDICATES: predicates}, **kwargs)
        self.num_labels = num_labels
        self.dropout = dropout
        self.crf = crf

    def settings(self):
        return {"num_labels": self.num_labels, "dropout": self.dropout, "crf": self.crf}
