"""Preprocessor: all that a task does to data around its network, on the way in and on the way out.

    what users hand in -> columns -> rows -> pad -> network -> decode -> answers

`rows`, `pad` and `decode` are TensorFlow ops, and the same code runs in tf.data, in predict and answer, and in the SavedModel.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from keras_bert import features
from keras_bert.text import ragged


class Rows(NamedTuple):
    """Examples as token ids, before padding. An example may be several rows: windows of a long text, predicates, choices.

    Args:
        tokens: dict of model input -> int32 tf.RaggedTensor [rows, (tokens)]; features.INPUT_IDS is among them.
        counts: int32 [examples], how many rows each example is; they stand one after the other.
        targets: tensors [rows, ...] that the loss takes, or () where there are none.
        weights: sample weights [rows, ...], or ().
        facts: dict of what `decode` wants to know of each example: tensors [examples, ...], such as offsets into its text; or ().
    """

    tokens: dict[str, Any]
    counts: Any
    targets: Any = ()
    weights: Any = ()
    facts: Any = ()


def take_examples(rows, examples):
    """Choose examples. Args: rows: Rows. examples: integer tensor, in the order wanted. Returns: Rows."""
    stops = tf.cumsum(rows.counts)
    starts = stops - rows.counts
    places = tf.ragged.range(tf.gather(starts, examples), tf.gather(stops, examples)).values
    tokens, targets, weights = tf.nest.map_structure(lambda part: tf.gather(part, places), (rows.tokens, rows.targets, rows.weights))
    counts, facts = tf.nest.map_structure(lambda part: tf.gather(part, examples), (rows.counts, rows.facts))
    return Rows(tokens, counts, targets, weights, facts)


def example_lengths(rows):
    """The tokens of each example's longest row. Args: rows: Rows. Returns: int32 [examples]."""
    lengths = tf.cast(rows.tokens[features.INPUT_IDS].row_lengths(), tf.int32)
    return tf.reduce_max(ragged.from_lengths(lengths, rows.counts), axis=1)


def fill_up(batch, examples):
    """Fill a batch up with blank rows, so that batches have few different numbers of rows, each of which costs XLA a compilation.

        rows    up to 16    32    64    128    256 ...
        to      1           2     4     8      16 ...     a multiple of this: an eighth more at most

    Args:
        batch: tuple of (nested) tensors [rows, ...]: model inputs, targets, perhaps weights.
        examples: int32 scalar; where each is one row, nothing is done: there the batch size is the number of rows.
    Returns: the same, with blank rows behind: all 0. A TrainingModel with has_blank_rows counts them nowhere.
    """
    rows = tf.shape(tf.nest.flatten(batch)[0])[0]
    step = tf.constant(1)
    for most in (16, 32, 64, 128, 256, 512, 1024):
        step = tf.where(rows > most, most // 8, step)
    missing = tf.where(rows > examples, -rows % step, 0)

    def filled(part):
        wider = tf.pad(part, [[0, missing], *([[0, 0]] * (part.shape.rank - 1))])
        return tf.ensure_shape(wider, [None, *part.shape[1:]])

    return tf.nest.map_structure(filled, batch)


class Preprocessor:
    """What a task plugs in. A subclass gives all that raises NotImplementedError here, and `get_config`.

    Attributes:
        tokenizer: Tokenizer, or None: raw input cannot be read.
        pad_to_multiple_of: None: batches have one static length.
        target_is_text: whether a target may be a string, a label's name: two strings of a dataset are then a text and its label.
        class_scores: (names of the classes, which output has their scores, [examples, classes]), for TF Serving's Classify; or None.
        number: which output is the one number of an example, for TF Serving's Regress; or None.
        labelled_as: how targets are given, for an error where they are missing.
        several_rows: whether an example may be several rows.
        rows_at_once: rows that the network answers at a time, for the memory that they take; None: all of a batch's examples.
        network_options: keyword arguments, beside the inputs, with which the network is called for predictions and answers.
        fills_up: whether batches to learn from end in blank rows where examples are of several rows, see fill_up.
        counted: dict of answer -> name of the answer that counts it, where examples differ in number: the first is a rectangle,
            padded, and `answer` cuts it to the count.
        records: dict of name -> dict of field -> name of the answer that holds it: `answer` makes a list of dicts of them, where they are.
    """

    target_is_text = False
    class_scores: tuple[list[str], str] | None = None
    number: str | None = None
    labelled_as = "fit(texts, labels), evaluate(texts, labels)"
    several_rows = False
    rows_at_once: int | None = None
    network_options: dict[str, Any] = {}  # noqa: RUF012 - never changed
    fills_up = False
    counted: dict[str, str] = {}  # noqa: RUF012 - never changed
    records: dict[str, dict[str, str]] = {}  # noqa: RUF012 - never changed

    @property
    def longest_example(self):
        """Tokens of an example of one row at most, as padded_lengths counts them."""
        return self.max_length

    # On the way in.

    def takes(self, x):
        """Whether x is raw input of this task in memory, rather than the batch contract or something of Keras's own. Returns: bool."""
        raise NotImplementedError

    def columns(self, x):
        """What a user hands in, in memory, by name and checked.

        Returns: dict of name -> list, all of one length; the names are those of input_signature.
        Raises: ValueError naming the item that cannot be used.
        """
        raise NotImplementedError

    def element_columns(self, x):
        """The same of a dataset's element, batched or not. Args: x: (nested) tensors or specs. Returns: dict of name -> x's part."""
        raise NotImplementedError

    def encode_targets(self, targets):
        """Targets in memory, as users write them -> array that `rows` takes. Raises: ValueError naming one that is none."""
        return targets

    def encode_targets_of(self, columns, targets):
        """`encode_targets` where the examples are known. Args: columns: what `columns` gave. Raises: ValueError where they do not fit."""
        return self.encode_targets(targets)

    def element_targets(self, targets):
        """Targets of a dataset's element, as tf.data can batch them. Args, Returns: (nested) tensors."""
        return targets

    def encode_targets_in_graph(self, targets):
        """The same in TensorFlow ops, with a check. Args, Returns: tensor [batch, ...]."""
        return targets

    def input_signature(self):
        """Returns: dict of name -> tf.TensorSpec, [batch]: the inputs of serving_default."""
        raise NotImplementedError

    def rows(self, columns, targets=None, weights=None, *, seed=None):
        """Text to ids, and targets and weights made together with them.

        Args:
            columns: dict of tensors [examples].
            targets, weights: tensors [examples, ...], or None.
            seed: integers [2], for a task that draws, such as masking.
        Returns: Rows.
        """
        raise NotImplementedError

    def pad(self, rows, *, multiple_of=None):
        """Rows to a batch.

        Args: rows: Rows. multiple_of: round the length up to a multiple of this, in place of the preprocessor's own.
        Returns: features: dict of int32 [rows, length], the model's inputs; targets; weights.
        """
        raise NotImplementedError

    def padded_lengths(self, rows, *, multiple_of=None):
        """The length of the batch that each example would be alone. Args: as pad. Returns: int32 [examples]."""
        raise NotImplementedError

    # On the way out.

    def of_examples(self, predictions, inputs, rows):
        """What the network predicts, a row each, to what `predict` gives, an example each.

        Args: predictions: (nested) tensors [rows, ...]. inputs: the model inputs. rows: as decode.
        Returns: (nested) tensors [examples, ...].
        """
        return predictions

    def answer_inputs(self, inputs):
        """The model inputs of an answer, where they are more than those of `predict`.

        Args: inputs: dict of the batch contract, int32 [rows, length]. Returns: the same, or with more.
        """
        return inputs

    def second_pass(self, predictions, inputs, rows):
        """What an answer asks the network once more, where that depends on what it said at first: the roles of predicates that it found.

        Args: as decode.
        Returns: Rows, of the same examples, with the facts that `decode` wants: it is then given these, their inputs and what the network
            predicts for them. None: once is enough.
        """
        return None

    def decode(self, predictions, inputs, rows):
        """What the network predicts to answers.

        Args:
            predictions: what the network predicts for all rows of the examples, before `of_examples`.
            inputs: the model inputs that it was given.
            rows: Rows, or None where only the inputs are known: each row is an example.
        Returns: dict of name -> tensor [examples, ...]; the outputs of serving_default.
        """
        raise NotImplementedError

    def get_config(self):
        """Returns: dict of the constructor's arguments but the tokenizer, plain enough for JSON."""
        raise NotImplementedError

    def with_settings(self, tokenizer=None, **changes):
        """The same preprocessor with other settings. Args: tokenizer: None keeps it. changes: as the constructor's. Returns: a new one."""
        return type(self)(tokenizer or self.tokenizer, **(self.get_config() | changes))
