"""ClassificationPreprocessor: one label of several, any number of labels, or a number, for a text or a pair."""

import tensorflow as tf

from keras_bert import labels as label_lib
from keras_bert.preprocessing.text import TextPreprocessor
from keras_bert.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL

LABEL, SCORE, PROBABILITIES = "label", "score", "probabilities"
LABELS, COUNT, VALUE, VALUES = "labels", "count", "value", "values"

THRESHOLD = 0.5  # of a label's probability, where any number of labels is right; as Transformers' pipeline has it


class ClassificationPreprocessor(TextPreprocessor):
    """Text, or a pair, to what a classifier answers.

        single-label          label: string [batch]; score: float32 [batch], its probability; probabilities: float32 [batch, labels]
        one label, a scorer   score: float32 [batch]
        multi-label           labels: string [batch, labels], those of 0.5 or more, then ""; count: int32 [batch]; probabilities
        regression            value: float32 [batch]; of several numbers values: float32 [batch, labels]

    Args:
        labels: list of label names; the index is the label's id.
        problem_type: one of keras_bert.problem_type.
        others: see TextPreprocessor.
    """

    def __init__(self, tokenizer, *, labels, problem_type=SINGLE_LABEL, **options):
        super().__init__(tokenizer, **options)
        self.problem_type = problem_type
        self.labels = label_lib.Labels(labels, least=1)
        self.target_is_text = self.chooses
        self.counted = {LABELS: COUNT} if problem_type == MULTI_LABEL else {}

    @property
    def chooses(self):
        """Whether it answers one label of several."""
        return self.problem_type == SINGLE_LABEL and len(self.labels) > 1

    def encode_targets(self, targets):
        if self.chooses:
            return self.labels.encode(targets)
        return self.labels.encode_multi(targets) if self.problem_type == MULTI_LABEL else label_lib.encode_scores(targets)

    def encode_targets_in_graph(self, targets):
        if self.chooses:
            return self.labels.encode_in_graph(targets)
        return self.labels.encode_multi_in_graph(targets) if self.problem_type == MULTI_LABEL else label_lib.encode_scores_in_graph(targets)

    def decode(self, predictions, inputs, rows):
        names = tf.constant(self.labels.names)
        if self.chooses:
            label = tf.gather(names, tf.argmax(predictions, axis=-1))
            return {LABEL: label, SCORE: tf.reduce_max(predictions, axis=-1), PROBABILITIES: predictions}
        if self.problem_type == MULTI_LABEL:
            chosen = predictions >= THRESHOLD  # (B, L)
            ragged = tf.ragged.boolean_mask(tf.broadcast_to(names, tf.shape(chosen)), chosen)
            shape = [None, len(self.labels)]
            return {LABELS: ragged.to_tensor("", shape=shape), COUNT: tf.cast(ragged.row_lengths(), tf.int32), PROBABILITIES: predictions}
        if len(self.labels) == 1:
            return {VALUE if self.problem_type == REGRESSION else SCORE: predictions[:, 0]}
        return {VALUES: predictions}

    def get_config(self):
        return super().get_config() | {"labels": self.labels.names, "problem_type": self.problem_type}
