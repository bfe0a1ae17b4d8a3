"""IntentSlots: one encoder with two heads, of the sentence and of its words."""

import keras

from keras_bert import features
from keras_bert.layers import Dropout
from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead, check_num_labels
from keras_bert.models.sequence_classifier import check_pooling, pooled_vector
from keras_bert.models.tagger import tag_scores, word_positions_input

INTENT, SLOTS = "intent", "slots"


@keras.saving.register_keras_serializable(package="keras_bert")
class IntentSlots(EncoderWithHead):
    """Scores of an utterance's intents and, for every word, of the tags of its slots. Both heads train the one encoder.

    Args:
        encoder: BertEncoder; with a pooler where pooling is "pooler".
        num_labels: tags of slots, 2 or more.
        num_intents: 2 or more.
        pooling: what the intent is read from, see SequenceClassifier. "mean" is the default here: it asks for no pooler, which many
            encoders have not, or have untrained (those of sentence-transformers).
        dropout: rate before each head; None takes the encoder's hidden_dropout_prob.
        lstm_units, crf: of the slots, see Tagger.
    Inputs: those of Tagger: the contract and word_positions.
    Outputs: dict of float32, before softmax:
        intent: [batch, num_intents].
        slots: [batch, words, num_labels], or more with a CRF, see Tagger.
    Raises: ValueError on a number or name that cannot be, or a pooling that the encoder cannot give.
    Source: Chen et al. 2019, "BERT for joint intent classification and slot filling".
    """

    OPTIONS = ("num_intents", "pooling", "dropout", "lstm_units", "crf")
    LABELLED = ("classifier", "crf")

    def __init__(self, encoder, num_labels, num_intents, *, pooling="mean", dropout=None, lstm_units=None, crf=False, **kwargs):
        check_pooling(pooling, encoder)
        num_labels = check_num_labels(num_labels)
        if isinstance(num_intents, bool) or int(num_intents) != num_intents or num_intents < 2:
            raise ValueError(f"num_intents={num_intents!r}: an utterance has one of 2 intents at least")
        dropout = encoder.config.hidden_dropout_prob if dropout is None else dropout
        inputs = encoder.input | {features.WORD_POSITIONS: word_positions_input()}
        outputs = encoder(encoder.input)
        pooled = Dropout(dropout, dtype=encoder.dtype_policy_name, name="intent_dropout")(pooled_vector(encoder, outputs, pooling))
        intents = keras.layers.Dense(
            int(num_intents),
            kernel_initializer=bert_initializer(encoder.config.initializer_range),
            dtype="float32",  # the loss wants all digits
            name="intent_classifier",
        )(pooled)
        tags = {"dropout": dropout, "lstm_units": lstm_units, "crf": crf}
        slots = tag_scores(encoder, outputs["sequence_output"], inputs[features.WORD_POSITIONS], num_labels, **tags)
        super().__init__(encoder, inputs, {INTENT: intents, SLOTS: slots}, **kwargs)
        self.num_labels = num_labels
        self.num_intents = int(num_intents)
        self.pooling = pooling
        self.dropout = dropout
        self.lstm_units = lstm_units
        self.crf = crf

    def settings(self):
        return {"num_labels": self.num_labels} | {name: getattr(self, name) for name in self.OPTIONS}

    # Of a checkpoint. Of a task's it knows the intents' names too: a head of others is not taken, be they as many.

    @classmethod
    def options_from(cls, settings):
        return super().options_from(settings) | ({"intents": settings["intents"]} if "intents" in settings else {})

    @classmethod
    def wants_pooler(cls, options):
        return _pooling(options) == "pooler"

    @classmethod
    def fresh_parts(cls, options, theirs):
        same = all(options.get(name) == theirs[name] for name in ("num_intents", "intents") if name in theirs)
        return () if same and _pooling(options) == _pooling(theirs) else ("intent_classifier",)

    @classmethod
    def from_options(cls, encoder, options, num_labels=None):
        options = {name: value for name, value in options.items() if name != "intents"}
        if "num_intents" not in options:
            raise ValueError("the checkpoint says of no number of intents; give num_intents")
        return cls(encoder, num_labels, **options)


def _pooling(options):
    return options.get("pooling", "mean")
