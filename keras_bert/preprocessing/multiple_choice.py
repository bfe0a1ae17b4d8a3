"""MultipleChoicePreprocessor: a text and its choices, each pair of them a part of the example."""

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from keras_bert import features
from keras_bert.labels import Labels
from keras_bert.preprocessing import parts as part_lib
from keras_bert.preprocessing.columns import TEXT, text_columns
from keras_bert.preprocessing.text import TextPreprocessor
from keras_bert.problem_type import SOFTMAX, activate
from keras_bert.text import ragged

CHOICES = "choices"
CHOICE, CHOICE_TEXT, SCORE, PROBABILITIES, COUNT = "choice", "text", "score", "probabilities", "count"
NOT_THERE = -1e9  # the logit of a choice that is padding
LEAST_CHOICES = 2


class MultipleChoicePreprocessor(TextPreprocessor):
    """Texts with choices to the choice that goes with each: [CLS] text [SEP] choice [SEP] is a part of the example, see parts.

    Choices are a rectangle of strings, [batch, choices], in which "" at the end is padding; lists in memory may differ in length.

    The answers:

        choice          int32 [batch], the index of the best choice; text: string [batch], the choice itself
        score           float32 [batch], its probability
        probabilities   float32 [batch, choices], over an example's own choices, 0 at padding; count: int32 [batch], how many it has

    Of ids alone, where nothing says which rows are one example, the answer is `score`: float32 [rows], each choice's logit.

    Args: see TextPreprocessor. max_choices: room for so many, where shapes are static (pad_to_multiple_of=None); None: as there are.
    Raises: ValueError where shapes are static and there is no max_choices.
    """

    counted = {PROBABILITIES: COUNT}  # noqa: RUF012 - never changed

    def __init__(self, tokenizer, *, max_choices=None, text_pair=None, **options):
        super().__init__(tokenizer, text_pair=False, **options)  # the pair is made here
        self.max_choices = max_choices
        if max_choices is not None and not (isinstance(max_choices, int) and max_choices >= LEAST_CHOICES):
            raise ValueError(f"max_choices={max_choices!r} is not a whole number from {LEAST_CHOICES}")
        if self.pad_to_multiple_of is None and max_choices is None:
            raise ValueError("choices where shapes are static (pad_to_multiple_of=None, TPU) want a number: max_choices=4")

    # On the way in.

    def takes(self, x):
        if isinstance(x, dict):
            return CHOICES in x
        return isinstance(x, (tuple, list)) and len(x) > 0 and not isinstance(x[0], dict)

    def columns(self, x):
        if isinstance(x, dict):
            if set(x) != {TEXT, CHOICES}:
                raise ValueError(f"a question has {TEXT!r} and {CHOICES!r}; got {', '.join(sorted(map(str, x)))}")
            texts, choices = x[TEXT], x[CHOICES]
        elif isinstance(x, tuple) and len(x) == 2:
            texts, choices = x
        else:
            wrong = next((number for number, row in enumerate(x) if not (isinstance(row, (tuple, list)) and len(row) == 2)), None)
            if wrong is not None:
                raise ValueError(f"example {wrong} is {x[wrong]!r:.60}; expected (text, [choice, choice, ...])")
            texts, choices = zip(*x, strict=True)
        texts = text_columns(texts if isinstance(texts, (str, bytes)) else list(texts))[TEXT]
        choices = choices.numpy() if isinstance(choices, tf.Tensor) else choices
        rows = [_choices(row, number) for number, row in enumerate(choices)]
        if len(rows) != len(texts):
            raise ValueError(f"{len(texts)} texts but {len(rows)} lists of choices")
        most = max(map(len, rows))
        return {TEXT: texts, CHOICES: [row + [b""] * (most - len(row)) for row in rows]}

    def element_columns(self, x):
        named = x if isinstance(x, dict) else dict(zip((TEXT, CHOICES), x, strict=False)) if isinstance(x, (tuple, list)) else {}
        if set(named) != {TEXT, CHOICES} or (isinstance(x, (tuple, list)) and len(x) != 2):
            raise ValueError(f"a dataset of questions holds {{{TEXT!r}: ..., {CHOICES!r}: ...}}, or such with a label; got elements {x}")
        choices = named[CHOICES]
        return {TEXT: named[TEXT], CHOICES: choices.to_tensor("") if isinstance(choices, tf.RaggedTensor) else choices}

    def encode_targets_of(self, columns, targets):
        # Up to the last that is there, as `rows` counts them.
        counts = [max((place for place, choice in enumerate(row, 1) if choice), default=0) for row in columns[CHOICES]]
        ids = Labels([str(index) for index in range(max(max(counts), LEAST_CHOICES))]).encode(np.asarray(targets))
        wrong = next((number for number, (index, count) in enumerate(zip(ids, counts, strict=False)) if index >= count), None)
        if wrong is not None:
            raise ValueError(f"label {wrong} is {ids[wrong]}; example {wrong} has {counts[wrong]} choices, 0 to {counts[wrong] - 1}")
        return ids

    def encode_targets(self, targets):
        return np.asarray(targets, "int32").reshape(-1)

    def encode_targets_in_graph(self, targets):
        return tf.cast(targets, tf.int32)

    def input_signature(self):
        return {TEXT: tf.TensorSpec([None], tf.string, name=TEXT), CHOICES: tf.TensorSpec([None, None], tf.string, name=CHOICES)}

    def rows(self, columns, targets=None, weights=None, *, seed=None):
        choices = columns[CHOICES]
        places = tf.range(1, tf.shape(choices, tf.int64)[1] + 1)
        counts = tf.reduce_max(tf.where(choices == "", tf.zeros([], tf.int64), places[None]), axis=1)  # up to the last that is there
        counts = tf.maximum(counts, 0)  # of no choices at all, the least number
        text = self.tokenize(columns[TEXT])
        owner = ragged.repeated(counts)
        of_choices = self.tokenize(tf.boolean_mask(choices, tf.sequence_mask(counts, tf.shape(choices)[1])))
        tokens = self.packer.join(tf.gather(text, owner), of_choices)
        if self.type_vocab_size == 1:
            tokens[features.TOKEN_TYPE_IDS] = tf.zeros_like(tokens[features.TOKEN_TYPE_IDS])
        if targets is not None:
            message = "a label is none of the choices of its example; labels and numbers of choices of the batch:"
            right = tf.debugging.Assert(tf.reduce_all((targets >= 0) & (tf.cast(targets, tf.int64) < counts)), [message, targets, counts])
            with tf.control_dependencies([right]):
                targets = tf.identity(targets)
        rows = self._rows(part_lib.side_by_side(tokens, counts), targets, weights)
        return rows if targets is not None else rows._replace(facts={CHOICES: choices})

    def pad(self, rows, *, multiple_of=None):
        parts = self.max_choices if self.pad_to_multiple_of is None else None
        return part_lib.pad_parts(self.packer, rows.tokens, multiple_of=multiple_of, parts=parts), rows.targets, rows.weights

    def padded_lengths(self, rows, *, multiple_of=None):
        return part_lib.padded_lengths(self.packer, rows.tokens, multiple_of=multiple_of)

    # On the way out.

    def join_parts(self, outputs, inputs):
        """What the network gives for the rows of `split_parts` -> logits of the choices, float32 [examples, choices]."""
        mask = inputs.get(features.PART_MASK)
        return outputs if mask is None else tf.where(mask > 0, tf.reshape(outputs, tf.shape(mask)), NOT_THERE)

    def of_examples(self, predictions, inputs, rows):
        if features.PART_MASK not in inputs:
            return predictions
        return tf.where(inputs[features.PART_MASK] > 0, activate(predictions, SOFTMAX), 0.0)

    def decode(self, predictions, inputs, rows):
        if features.PART_MASK not in inputs:
            return {SCORE: predictions[:, 0]}
        probabilities = self.of_examples(predictions, inputs, rows)
        best = tf.argmax(probabilities, axis=1, output_type=tf.int32)
        answers = {
            CHOICE: best,
            SCORE: tf.reduce_max(probabilities, axis=1),
            PROBABILITIES: probabilities,
            COUNT: tf.reduce_sum(inputs[features.PART_MASK], axis=1),
        }
        text = {} if rows is None else {CHOICE_TEXT: tf.gather(_at_least_one(rows.facts[CHOICES]), best, batch_dims=1)}
        return answers | text

    def get_config(self):
        config = super().get_config()
        config.pop("text_pair")
        return config | {"max_choices": self.max_choices}


def _at_least_one(choices):
    """Rows of no choices have no best one to take."""
    return tf.pad(choices, [[0, 0], [0, 1]], constant_values="")


def _choices(row, number):
    """The choices of an example. Returns: list of bytes, without padding. Raises: ValueError naming the example."""
    row = row.tolist() if isinstance(row, np.ndarray) else row
    if isinstance(row, (str, bytes, Mapping)) or not isinstance(row, Iterable):
        raise ValueError(f"the choices of example {number} are {row!r:.60}; expected a list of texts")
    row = list(row)
    for place, choice in enumerate(row):
        if not isinstance(choice, (str, bytes)):
            raise ValueError(f"choice {place} of example {number} is {choice!r:.60}, a {type(choice).__name__}; expected str")
    row = [choice.encode("utf-8", "replace") if isinstance(choice, str) else choice for choice in row]
    while row and not row[-1]:
        row.pop()  # padding
    if len(row) < LEAST_CHOICES:
        raise ValueError(f"example {number} has {len(row)} choices; it takes {LEAST_CHOICES} to choose")
    return row
