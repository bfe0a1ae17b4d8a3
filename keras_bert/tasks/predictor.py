"""Predictor: raw input in memory to predictions or answers, by functions that are traced once and kept.

One text costs one call of one function, strings to answer: a loop of Keras's, with its iterators, takes several times as long.
"""

import functools
import threading

import keras
import numpy as np
import tensorflow as tf

from keras_bert import features
from keras_bert.data import cut_by_tokens
from keras_bert.preprocessing import Rows, take_examples
from keras_bert.tasks.feed import BATCH_SIZE, LENGTH_STEP
from keras_bert.training.prediction import joined

# Slots that a further batch of a prediction must save, for what calling the model once more costs. A guess, not a measurement: 128 to 512
# give sums of slots within 3 % of each other.
LEAST_SAVED = 256
EXAMPLES_AT_ONCE = 4096  # what one call tokenizes


class Predictor:
    """Predictions or answers of a task.

    Args: task: Task. preprocessor: Preprocessor. answers: give answers, as decode makes them; False: what `predict` gives.
    """

    def __init__(self, task, preprocessor, *, answers):
        self.task = task
        self.preprocessor = preprocessor
        self.answers = answers
        self._tracing = threading.Lock()
        self._functions = {}

    # All return arrays, or (nested) dicts of arrays, [examples, ...].

    def of_columns(self, columns, batch_size=None, budget=None, verbose=0):
        """Args: columns: dict of lists. budget: most slots of a batch, in place of batch_size. verbose: 1 shows a progress bar."""
        batch_size = batch_size or BATCH_SIZE
        count = len(next(iter(columns.values())))
        if budget is None and (count <= batch_size or self._is_static):
            starts = range(0, count, batch_size)
            batches = ({name: column[start : start + batch_size] for name, column in columns.items()} for start in starts)
            return joined([self._of_strings(batch) for batch in _counted(batches, len(starts), verbose)])
        step, rows, order, bounds = self._ordered(columns, batch_size, budget)
        function = self._function(("rows", step, *columns), functools.partial(self._from_rows, step), lambda: [_relaxed(rows), _EXAMPLES])
        batches = _counted(bounds, len(bounds), verbose)
        outputs = joined([_arrays(function(rows, tf.constant(order[start:end]))) for start, end in batches])
        places = _places(order)
        return keras.tree.map_structure(lambda part: part[places], outputs)

    def batches_of(self, columns, batch_size=None, budget=None):
        """The model's inputs, for a strategy's replicas to share. Returns: dataset of batches; int array, where each example went."""
        step, rows, order, bounds = self._ordered(columns, batch_size or BATCH_SIZE, budget)
        function = self._function(("padded", step, *columns), functools.partial(self._padded, step), lambda: [_relaxed(rows), _EXAMPLES])
        batches = [function(rows, tf.constant(order[start:end])) for start, end in bounds]
        specs = {name: tf.TensorSpec([None, part.shape[1] if self._is_static else None], part.dtype) for name, part in batches[0].items()}
        dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=specs)
        return dataset.apply(tf.data.experimental.assert_cardinality(len(batches))), _places(order)

    def of_batches(self, batches, steps=None, verbose=0):
        """Args: batches: iterable of dicts of string tensors, in whose order the outputs come."""
        return joined([self._of_strings(batch) for batch in _counted(batches, steps, verbose)])

    def of_inputs(self, inputs, batch_size=None):
        """Args: inputs: dict of the batch contract, int32 [batch, length]."""
        names = (*features.UNPACKED, *({features.PART_MASK} & set(inputs)))
        inputs = {name: tf.constant(inputs[name], tf.int32) for name in names}
        signature = {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in names}
        function = self._function(("inputs", *names), self.from_inputs, lambda: [signature])
        batch_size = batch_size or BATCH_SIZE
        starts = range(0, len(inputs[features.INPUT_IDS]), batch_size)
        return joined([_arrays(function({name: part[start : start + batch_size] for name, part in inputs.items()})) for start in starts])

    def _of_strings(self, columns):
        signature = _strings(columns)
        columns = {name: tf.convert_to_tensor(column, tf.string) for name, column in columns.items()}
        return _arrays(self._function(("strings", *signature), self.from_columns, lambda: [signature])(columns))

    def _ordered(self, columns, batch_size, budget):
        """Returns: what lengths are rounded up to; Rows of all examples; their order, longest first; the bounds of each batch in it."""
        step = None if budget is None else max(LENGTH_STEP, self.preprocessor.pad_to_multiple_of)
        rows, lengths = self._rows_of(columns, step)
        order = np.argsort(-lengths, kind="stable").astype("int32")
        count = len(order)
        starts = list(range(0, count, batch_size)) if budget is None else cut_by_tokens(lengths[order], budget, least_saved=LEAST_SAVED)
        return step, rows, order, list(zip(starts, [*starts[1:], count], strict=True))

    def _rows_of(self, columns, step):
        """Rows of all examples, and the slots that each takes in a batch."""
        signature = _strings(columns)

        def measured(columns):
            rows = self.preprocessor.rows(columns)
            return rows, self.preprocessor.padded_lengths(rows, multiple_of=step)

        function = self._function(("measured", step, *signature), measured, lambda: [signature])
        count = len(next(iter(columns.values())))
        parts = [
            function({name: tf.constant(column[start : start + EXAMPLES_AT_ONCE], tf.string) for name, column in columns.items()})
            for start in range(0, count, EXAMPLES_AT_ONCE)
        ]
        rows, lengths = parts[0] if len(parts) == 1 else tf.nest.map_structure(lambda *each: tf.concat(each, axis=0), *parts)
        return rows, lengths.numpy()

    # The functions, in TensorFlow ops: what a servable is made of, too.

    def from_columns(self, columns):
        """Args: columns: dict of string tensors [batch]."""
        return self._from_padded(self.preprocessor.rows(columns))

    def _from_rows(self, step, rows, examples):
        return self._from_padded(take_examples(Rows(*rows), examples), step)

    def _padded(self, step, rows, examples):
        return self.preprocessor.pad(take_examples(Rows(*rows), examples), multiple_of=step)[0]

    @property
    def _is_static(self):
        return self.preprocessor.pad_to_multiple_of is None

    def _from_padded(self, rows, step=None):
        return self.from_inputs(self.preprocessor.pad(rows, multiple_of=step)[0], rows)

    def from_inputs(self, inputs, rows=None):
        """Args: inputs: dict of the batch contract. rows: Rows that they were made of, or None."""
        inputs = self.preprocessor.answer_inputs(inputs) if self.answers else inputs
        predictions = self._predicted(inputs)
        again = self.preprocessor.second_pass(predictions, inputs, rows) if self.answers else None
        if again is not None:
            inputs, rows = self.preprocessor.pad(again)[0], again
            predictions = self._predicted(inputs)
        give = self.preprocessor.decode if self.answers else self.preprocessor.of_examples
        return give(predictions, inputs, rows)

    def _predicted(self, inputs):
        """What the network predicts, as many rows at a time as the preprocessor says. Args: inputs: dict. Returns: [rows, ...]."""
        most, options = self.preprocessor.rows_at_once, self.preprocessor.network_options
        if most is None:
            return self.task.predicted(inputs, **options)

        def part(number):
            start = number * most
            return self.task.predicted({name: value[start : start + most] for name, value in inputs.items()}, **options)

        def add(number, predictions):
            added = tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), predictions, part(number))
            return number + 1, added

        rows = tf.shape(inputs[features.INPUT_IDS])[0]
        first = part(0)  # outside of the loop: what most batches are
        shapes = tf.nest.map_structure(lambda prediction: tf.TensorShape([None, *prediction.shape[1:]]), first)
        _, predictions = tf.while_loop(
            lambda number, _: number * most < rows, add, (1, first), shape_invariants=(tf.TensorShape([]), shapes), parallel_iterations=1
        )
        return predictions

    def _function(self, key, function, signature):
        """A function traced once. Args: signature: function that gives its input signature."""
        if self.task.run_eagerly:
            return function
        with self._tracing:  # two threads would trace it twice
            if key not in self._functions:
                traced = tf.function(function, input_signature=signature(), autograph=False)
                self._functions[key] = traced.get_concrete_function() and traced
        return self._functions[key]


_EXAMPLES = tf.TensorSpec([None], tf.int32)


def _strings(columns):
    """The signature of columns, of strings or of equal lists of them: dict of name -> tf.TensorSpec."""
    return {name: tf.TensorSpec([None] * (1 + np.ndim(column[0])), tf.string, name=name) for name, column in columns.items()}


def _relaxed(rows):
    """The signature of such Rows of any number and length."""

    def relaxed(part):
        shape = [None] * part.shape.rank
        if isinstance(part, tf.RaggedTensor):
            return tf.RaggedTensorSpec(shape, part.dtype, part.ragged_rank, part.row_splits.dtype)
        return tf.TensorSpec(shape, part.dtype)

    return tf.nest.map_structure(relaxed, rows)


def _places(order):
    """Where each example went. Args: order: int array, a permutation. Returns: its inverse."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places


def _arrays(outputs):
    return keras.tree.map_structure(lambda part: part.numpy(), outputs)


def _counted(batches, count, verbose):
    """The batches, with a progress bar where verbose is 1 or "auto", as in Keras's predict."""
    bar = keras.utils.Progbar(count, unit_name="step") if verbose in (1, "auto") else None
    for number, batch in enumerate(batches, 1):
        yield batch
        if bar is not None:
            bar.update(number, finalize=number == count)


def plain(answers, preprocessor):
    """Answers as plain Python, one dict an example.

    Args: answers: dict of name -> array [examples, ...], as decode gives. preprocessor: what made them: its counted and records.
    Returns: list of dicts of str, int, float and lists of these, or of dicts.
    """
    counted = preprocessor.counted
    lists = {name: _decoded(array.tolist()) for name, array in answers.items()}
    examples = len(next(iter(lists.values())))
    of_each = [
        {name: values[index][: lists[counted[name]][index]] if name in counted else values[index] for name, values in lists.items()}
        for index in range(examples)
    ]
    return [_with_records(answer, preprocessor.records) for answer in of_each]


def _with_records(answer, records):
    """Lists of one length to one list of dicts. Args: answer: dict. records: see Preprocessor. Returns: dict."""
    records = {name: fields for name, fields in records.items() if answer.keys() >= set(fields.values())}
    parts = {part for fields in records.values() for part in fields.values()}
    lists = {
        name: [dict(zip(fields, values, strict=True)) for values in zip(*(answer[part] for part in fields.values()), strict=True)]
        for name, fields in records.items()
    }
    return {name: value for name, value in answer.items() if name not in parts} | lists


def _decoded(value):
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
