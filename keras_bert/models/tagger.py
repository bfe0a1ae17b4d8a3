"""Tagger: encoder and scores of tags for every word; the contract and word_positions in."""

import keras
from keras import ops

from keras_bert import features
from keras_bert.layers import CRF, Dropout, WordVectors
from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead, check_num_labels


@keras.saving.register_keras_serializable(package="keras_bert")
class Tagger(EncoderWithHead):
    """A score a tag for every word, from its first piece; and with a CRF a score for every move from tag to tag.

    Args:
        encoder: BertEncoder.
        num_labels: tags, 2 or more.
        dropout: rate before the head; None takes the encoder's hidden_dropout_prob.
        lstm_units: units, each way, of a bidirectional LSTM over the words between encoder and dense layer; None: there is none.
        crf: whether a linear-chain CRF scores moves from tag to tag.
    Inputs: the contract and word_positions, int32 [batch, words]; 0 is padding.
    Outputs: float32 [batch, words, num_labels], before softmax; padding has scores too. With a CRF [batch, words + num_labels + 2,
        num_labels]: behind the words stand the scores of moves, see layers.CRF.
    Source: Devlin et al. 2018, section 5.3; Lample et al. 2016, "Neural architectures for named entity recognition".
    """

    OPTIONS = ("dropout", "lstm_units", "crf")
    LIKE = ("TokenClassifier",)
    LABELLED = ("classifier", "crf")

    def __init__(self, encoder, num_labels, *, dropout=None, lstm_units=None, crf=False, **kwargs):
        num_labels = check_num_labels(num_labels)
        dropout = encoder.config.hidden_dropout_prob if dropout is None else dropout
        inputs = encoder.input | {features.WORD_POSITIONS: word_positions_input()}
        positions = inputs[features.WORD_POSITIONS]
        sequence_output = encoder(encoder.input)["sequence_output"]
        scores = tag_scores(encoder, sequence_output, positions, num_labels, dropout=dropout, lstm_units=lstm_units, crf=crf)
        super().__init__(encoder, inputs, scores, **kwargs)
        self.num_labels = num_labels
        self.dropout = dropout
        self.lstm_units = lstm_units
        self.crf = crf

    def settings(self):
        return {"num_labels": self.num_labels, "dropout": self.dropout, "lstm_units": self.lstm_units, "crf": self.crf}


def word_positions_input():
    """The Keras input of where words stand."""
    return keras.Input((None,), dtype=features.DTYPE, name=features.WORD_POSITIONS)


def tag_scores(encoder, sequence_output, positions, num_labels, *, dropout, lstm_units, crf):
    """The head: layers from vectors of tokens to scores of words' tags.

    Args: encoder: BertEncoder. sequence_output: its, [batch, length, hidden_size]. positions: see word_positions_input. Others: see Tagger.
    Returns: float32, see Tagger's outputs.
    Raises: ValueError on lstm_units that are no number of units.
    """
    if lstm_units is not None and (isinstance(lstm_units, bool) or int(lstm_units) != lstm_units or lstm_units < 1):
        raise ValueError(f"lstm_units={lstm_units!r} is neither a whole number from 1 nor None")
    policy = encoder.dtype_policy_name
    x = WordVectors(dtype=policy, name="word_vectors")(sequence_output, positions)
    x = Dropout(dropout, dtype=policy, name="classifier_dropout")(x)
    if lstm_units is not None:
        cell = keras.layers.LSTM(int(lstm_units), return_sequences=True, dtype=policy, name="lstm")
        x = keras.layers.Bidirectional(cell, dtype=policy, name="bilstm")(x, mask=ops.greater(positions, 0))
    scores = keras.layers.Dense(
        num_labels,
        kernel_initializer=bert_initializer(encoder.config.initializer_range),
        dtype="float32",  # the loss wants all digits
        name="classifier",
    )(x)
    return CRF(num_labels, dtype="float32", name="crf")(scores) if crf else scores
