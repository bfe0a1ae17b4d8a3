"""ClassificationPreprocessor: one label of several, any number of labels, or a number, for a text or a pair."""

import tensorflow as tf

from keras_bert import features
from keras_bert import labels as label_lib
from keras_bert.preprocessing import parts as part_lib
from keras_bert.preprocessing.columns import TEXT, TEXT_PAIR
from keras_bert.preprocessing.text import TextPreprocessor
from keras_bert.preprocessing.truncation import HEAD, TRUNCATIONS, WINDOWS, check_stride, ends_to_keep, keep_ends, overlapping_rows
from keras_bert.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL

LABEL, SCORE, PROBABILITIES = "label", "score", "probabilities"
REJECTED = "rejected"
TOP, TOP_LABEL, TOP_SCORE = "top", "top_label", "top_score"
LABELS, COUNT, VALUE, VALUES = "labels", "count", "value", "values"

THRESHOLD = 0.5  # of a label's probability, where any number of labels is right; as Transformers' pipeline has it


class ClassificationPreprocessor(TextPreprocessor):
    """Text, or a pair, to what a classifier answers.

        single-label          label: string [batch]; score: float32 [batch], its probability; probabilities: float32 [batch, labels];
                              with a rejection_threshold rejected: bool [batch]
        one label, a scorer   score: float32 [batch]
        multi-label           labels: string [batch, labels], those that reach their threshold, then ""; count: int32 [batch]; probabilities
        regression            value: float32 [batch]; of several numbers values: float32 [batch, labels]
        and with top_k        top_label: string [batch, top_k], the likeliest labels, best first; top_score: float32, their probabilities;
                              `answer` has top, a list of dicts of label and score

    Args:
        labels: list of label names; the index is the label's id.
        problem_type: one of keras_bert.problem_type.
        thresholds: of multi-label, from which probability on a label is right: a number, or one for each label; None: 0.5.
        rejection_threshold: of single-label, below which best probability a text has none of the labels; None: each text has one.
        rejected_label: what such a text's label is called.
        top_k: how many of the likeliest labels an answer names, whatever the thresholds, all where there are fewer; None: no such list.
        truncate: what is kept of a single text that is longer than max_length: "head"; "tail"; "head_tail", a quarter of max_length and
            the rest from the end (Sun et al. 2019); or "windows": all of it, in rows that overlap, whose logits are joined. Of pairs, the
            longer text is always cut from its end.
        stride: of windows, tokens from the start of a row to that of the next; None: three quarters of what a row has room for.
        join: of windows' logits, "mean" or "max".
        max_windows: of a text, at most; None: as many as it takes, unless shapes are static (pad_to_multiple_of=None), which want a number.
        others: see TextPreprocessor.
    Raises: ValueError naming the value that does not fit.
    """

    records = {TOP: {LABEL: TOP_LABEL, SCORE: TOP_SCORE}}  # noqa: RUF012 - never changed

    def __init__(
        self,
        tokenizer,
        *,
        labels,
        problem_type=SINGLE_LABEL,
        thresholds=None,
        rejection_threshold=None,
        rejected_label="",
        truncate=HEAD,
        stride=None,
        join=part_lib.MEAN,
        max_windows=None,
        top_k=None,
        **options,
    ):
        super().__init__(tokenizer, **options)
        self.problem_type = problem_type
        self.labels = label_lib.Labels(labels, least=1)
        self.target_is_text = self.chooses
        self.counted = {LABELS: COUNT} if problem_type == MULTI_LABEL else {}
        self.top_k = None if top_k is None else self._checked_top_k(top_k)
        self.thresholds = None if thresholds is None else _thresholds(thresholds, self.labels.names, problem_type)
        self.rejection_threshold, self.rejected_label = rejection_threshold, rejected_label
        if rejection_threshold is not None:
            self._check_rejection()
        for name, value, values in (("truncate", truncate, TRUNCATIONS), ("join", join, part_lib.JOINS)):
            if value not in values:
                raise ValueError(f"{name}={value!r} is not one of {', '.join(values)}")
        self.truncate, self.stride, self.join, self.max_windows = truncate, stride, join, max_windows
        self._stride = check_stride(stride, self.max_length)
        if max_windows is not None and not (isinstance(max_windows, int) and max_windows >= 1):
            raise ValueError(f"max_windows={max_windows!r} is not a whole number from 1")
        if truncate == WINDOWS and self.pad_to_multiple_of is None and max_windows is None:
            raise ValueError("truncate='windows' where shapes are static (pad_to_multiple_of=None, TPU) wants a number: max_windows=8")
        if self.text_pair:
            self._check_pairs()

    @property
    def chooses(self):
        """Whether it answers one label of several."""
        return self.problem_type == SINGLE_LABEL and len(self.labels) > 1

    def _checked_top_k(self, top_k):
        if isinstance(top_k, bool) or int(top_k) != top_k or top_k < 1:
            raise ValueError(f"top_k={top_k!r} is not a positive whole number")
        if self.class_scores is None:
            raise ValueError(f"top_k={top_k!r}: only labels can be named best first; this model answers numbers")
        return int(top_k)

    def _check_rejection(self):
        threshold, name = self.rejection_threshold, self.rejected_label
        if not self.chooses:
            raise ValueError(f"rejection_threshold={threshold!r}: only where one label of several is chosen")
        if isinstance(threshold, bool) or not 0 <= threshold <= 1:
            raise ValueError(f"rejection_threshold={threshold!r} is no probability")
        if not isinstance(name, str) or name in self.labels.names:
            raise ValueError(f"rejected_label={name!r} is not a name of its own, beside the labels {', '.join(self.labels.names)}")

    # Targets.

    def encode_targets(self, targets):
        if self.chooses:
            return self.labels.encode(targets)
        if self.problem_type == MULTI_LABEL:
            return self.labels.encode_multi(targets)
        return label_lib.encode_scores(targets, **self._scores)

    def encode_targets_in_graph(self, targets):
        if self.chooses:
            return self.labels.encode_in_graph(targets)
        if self.problem_type == MULTI_LABEL:
            return self.labels.encode_multi_in_graph(targets)
        return label_lib.encode_scores_in_graph(targets, **self._scores)

    @property
    def _scores(self):
        """What numbers are right: of a scorer, shares of yes; of a regression, any."""
        return {"columns": len(self.labels)} | ({} if self.problem_type == REGRESSION else {"most": 1})

    # Long texts.

    def _note_pairs(self, pairs):
        super()._note_pairs(pairs)
        if pairs:
            self._check_pairs()

    def _check_pairs(self):
        if self.truncate != HEAD:
            raise ValueError(f"truncate={self.truncate!r} is of single texts; of pairs the longer text is cut from its end: 'head'")

    def rows(self, columns, targets=None, weights=None, *, seed=None):
        if self.truncate == HEAD or TEXT_PAIR in columns:
            return super().rows(columns, targets, weights, seed=seed)
        pieces = self.tokenize(columns[TEXT])
        if self.truncate != WINDOWS:
            return self._rows(self.packer.join(keep_ends(pieces, *ends_to_keep(self.truncate, self.max_length))), targets, weights)
        windows, counts = overlapping_rows(pieces, self.max_length - 2, self._stride, self.max_windows)
        return self._rows(part_lib.side_by_side(self.packer.join(windows), counts), targets, weights)

    def pad(self, rows, *, multiple_of=None):
        if part_lib.PART_LENGTHS not in rows.tokens:
            return super().pad(rows, multiple_of=multiple_of)
        parts = self.max_windows if self.pad_to_multiple_of is None else None
        options = {"multiple_of": multiple_of, "parts": parts, "few_shapes": True}
        return part_lib.pad_parts(self.packer, rows.tokens, **options), rows.targets, rows.weights

    def padded_lengths(self, rows, *, multiple_of=None):
        if part_lib.PART_LENGTHS not in rows.tokens:
            return super().padded_lengths(rows, multiple_of=multiple_of)
        return part_lib.padded_lengths(self.packer, rows.tokens, multiple_of=multiple_of)

    def join_parts(self, outputs, inputs):
        """What the network gives for the rows of `split_parts` -> [examples, scores]."""
        mask = inputs.get(features.PART_MASK)
        return outputs if mask is None else part_lib.join_windows(outputs, mask, self.join)

    def whole_lengths(self, columns):
        """Tokens of examples before anything is cut, [CLS] and [SEP] included. Args: as rows. Returns: int32 [examples]."""
        lengths = [tf.cast(self.tokenize(columns[name]).row_lengths(), tf.int32) for name in (TEXT, TEXT_PAIR) if name in columns]
        return tf.add_n(lengths) + len(lengths) + 1

    # Answers.

    def decode(self, predictions, inputs, rows):
        answers = self._decoded(predictions)
        if self.top_k is None:
            return answers
        scores, ids = tf.math.top_k(predictions, min(self.top_k, len(self.labels)))
        return answers | {TOP_LABEL: tf.gather(tf.constant(self.labels.names), ids), TOP_SCORE: scores}

    def _decoded(self, predictions):
        names = tf.constant(self.labels.names)
        if self.chooses:
            label, score = tf.gather(names, tf.argmax(predictions, axis=-1)), tf.reduce_max(predictions, axis=-1)
            if self.rejection_threshold is None:
                return {LABEL: label, SCORE: score, PROBABILITIES: predictions}
            rejected = score < tf.constant(self.rejection_threshold, score.dtype)
            label = tf.where(rejected, self.rejected_label, label)
            return {LABEL: label, SCORE: score, PROBABILITIES: predictions, REJECTED: rejected}
        if self.problem_type == MULTI_LABEL:
            chosen = predictions >= tf.constant(THRESHOLD if self.thresholds is None else self.thresholds, predictions.dtype)  # (B, L)
            ragged = tf.ragged.boolean_mask(tf.broadcast_to(names, tf.shape(chosen)), chosen)
            shape = [None, len(self.labels)]
            return {LABELS: ragged.to_tensor("", shape=shape), COUNT: tf.cast(ragged.row_lengths(), tf.int32), PROBABILITIES: predictions}
        if len(self.labels) == 1:
            return {VALUE if self.problem_type == REGRESSION else SCORE: predictions[:, 0]}
        return {VALUES: predictions}

    @property
    def class_scores(self):
        return (self.labels.names, PROBABILITIES) if self.chooses or self.problem_type == MULTI_LABEL else None

    @property
    def number(self):
        if len(self.labels) > 1 or self.problem_type == MULTI_LABEL:
            return None
        return VALUE if self.problem_type == REGRESSION else SCORE

    def get_config(self):
        names = (
            "problem_type",
            "thresholds",
            "rejection_threshold",
            "rejected_label",
            "truncate",
            "stride",
            "join",
            "max_windows",
            "top_k",
        )
        return super().get_config() | {"labels": self.labels.names} | {name: getattr(self, name) for name in names}


def _thresholds(thresholds, names, problem_type):
    """Returns: float, or list of float, one a label."""
    if problem_type != MULTI_LABEL:
        raise ValueError(f"thresholds={thresholds!r}: only where any number of labels is right (problem_type={MULTI_LABEL!r})")
    several = list(thresholds) if isinstance(thresholds, (list, tuple)) or hasattr(thresholds, "__array__") else [thresholds] * len(names)
    if len(several) != len(names):
        raise ValueError(f"{len(several)} thresholds for the {len(names)} labels {', '.join(names)}")
    for name, value in zip(names, several, strict=True):
        if isinstance(value, bool) or not 0 <= value <= 1:
            raise ValueError(f"the threshold of {name!r} is {value!r}; expected a probability")
    return [float(value) for value in several]
