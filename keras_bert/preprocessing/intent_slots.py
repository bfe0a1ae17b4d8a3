"""IntentSlotsPreprocessor: utterances, as words or raw text, to what is wanted and the slots that its words fill."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_bert.labels import Labels
from keras_bert.preprocessing.tagging import ENTITY_COUNT, ENTITY_FIELDS, TAGS, WORD_COUNT, WORDS, TaggingPreprocessor
from keras_bert.problem_type import SOFTMAX, activate
from keras_bert.text import ragged

INTENT, SLOTS = "intent", "slots"  # targets, and outputs of the network
INTENT_SCORE, INTENT_PROBABILITIES, SLOT_COUNT = "intent_score", "intent_probabilities", "slot_count"


class IntentSlotsPreprocessor(TaggingPreprocessor):
    """A TaggingPreprocessor, whose entities are slots, with one intent an utterance beside them.

    Targets are dicts: "intent": a name or id an utterance; "slots": a list of tags an utterance. They travel as one column of strings,
    the intent's id before those of the tags: b"3 0 1 2".

    An utterance longer than max_length is several rows; each learns the utterance's intent, and the answer is of the mean of their logits.

    The answers are those of TaggingPreprocessor, with slot_text, slot_type, ..., slot_count for entity_text, ...; and

        intent                string [batch]
        intent_score          float32 [batch], its probability
        intent_probabilities  float32 [batch, intents]

    Args: intents: list of names; the index is the intent's id. others: see TaggingPreprocessor.
    """

    counted = {WORDS: WORD_COUNT, TAGS: WORD_COUNT} | {f"slot_{name}": SLOT_COUNT for name in ENTITY_FIELDS}
    records = {SLOTS: {name: f"slot_{name}" for name in ENTITY_FIELDS}}  # noqa: RUF012 - never changed

    def __init__(self, tokenizer, *, intents, **options):
        super().__init__(tokenizer, **options)
        self.intents = Labels(intents)

    # On the way in.

    def encode_targets_of(self, columns, targets):
        if not isinstance(targets, Mapping) or set(targets) != {INTENT, SLOTS}:
            raise ValueError(f"targets are {_shown(targets)}; {_FORM}")
        tags = super().encode_targets_of(columns, targets[SLOTS])
        intents = list(targets[INTENT])
        count = len(next(iter(columns.values())))
        for name, column in ((INTENT, intents), (SLOTS, tags)):
            if len(column) != count:
                raise ValueError(f"{count} utterances but {len(column)} of {name!r}")
        ids = [self._intent_id(intent, number) for number, intent in enumerate(intents)]
        return np.array([b"%d %s" % pair for pair in zip(ids, tags, strict=True)], "object")

    def _intent_id(self, intent, number):
        try:
            return int(self.intents.encode([intent])[0])
        except (TypeError, ValueError):
            names = ", ".join(self.intents.names)
            raise ValueError(f"the intent of utterance {number} is {intent!r}; the model's intents are {names}") from None

    def element_targets(self, targets):
        if not isinstance(targets, Mapping) or set(targets) != {INTENT, SLOTS}:
            raise ValueError(f"a dataset's targets are {_shown(targets)}; {_FORM}")
        intent = targets[INTENT]
        ids = tf.reshape(self.intents.encode_in_graph(tf.reshape(intent, [-1])), tf.shape(intent))
        return tf.strings.join([tf.strings.as_string(ids), super().element_targets(targets[SLOTS])], separator=" ")

    def _targets_of_rows(self, targets, pieces, windows):
        intents, tags = tf.unstack(tf.strings.split(targets, " ", maxsplit=1).to_tensor("", shape=[None, 2]), axis=1)
        ids = tf.strings.to_number(intents, tf.int32)
        return {INTENT: tf.gather(ids, ragged.repeated(windows.counts)), SLOTS: super()._targets_of_rows(tags, pieces, windows)}

    def pad(self, rows, *, multiple_of=None):
        if not isinstance(rows.targets, dict):
            return super().pad(rows, multiple_of=multiple_of)
        padded, tags, weights = super().pad(rows._replace(targets=rows.targets[SLOTS]), multiple_of=multiple_of)
        return padded, {INTENT: rows.targets[INTENT], SLOTS: tags}, weights

    # On the way out.

    def of_examples(self, predictions, inputs, rows):
        """Dict of probabilities. intent: float32 [examples, intents]. slots: as TaggingPreprocessor gives them."""
        return {INTENT: self._intents(predictions, rows), SLOTS: super().of_examples(predictions[SLOTS], inputs, rows)}

    def decode(self, predictions, inputs, rows):
        probabilities = self._intents(predictions, rows)
        answers = {
            INTENT: tf.gather(tf.constant(self.intents.names), tf.argmax(probabilities, axis=-1)),
            INTENT_SCORE: tf.reduce_max(probabilities, axis=-1),
            INTENT_PROBABILITIES: probabilities,
        }
        tagged = super().decode(predictions[SLOTS], inputs, rows)
        tagged[SLOT_COUNT] = tagged.pop(ENTITY_COUNT)
        renamed = {f"slot_{name}": tagged.pop(f"entity_{name}") for name in ENTITY_FIELDS}
        return answers | tagged | renamed

    def _intents(self, predictions, rows):
        """Probabilities of utterances. Args: rows: Rows, or None: each row is one. Returns: float32 [examples, intents]."""
        logits = predictions[INTENT]
        if rows is not None:
            logits = tf.reduce_mean(ragged.from_lengths(logits, rows.counts), axis=1)
        return activate(logits, SOFTMAX)

    def get_config(self):
        return super().get_config() | {"intents": self.intents.names}


_FORM = f"expected a dict of {INTENT!r}, one an utterance, and {SLOTS!r}, a list of tags an utterance"


def _shown(targets):
    return f"a dict of {', '.join(map(repr, targets))}" if isinstance(targets, Mapping) else f"a {type(targets).__name__}"
