"""Feed: raw input -> a tf.data.Dataset of (model inputs[, targets[, weights]]), by whatever preprocessor a task has.

An element of raw input is x, (x, target) or (x, target, weight); what x may be, the preprocessor says. Each example is tokenized
once a pass: batching by length looks at its rows, and the same rows are padded.
"""

import numpy as np
import tensorflow as tf

from keras_bert.data import batch_by_length, batch_by_tokens, count_batches, endless_batches, known_count
from keras_bert.preprocessing import Rows, example_lengths, fill_up, take_examples
from keras_bert.training.distribution import untuned

BATCH_SIZE = 32  # google-research's run_classifier.py, and Keras's default
# Where batches have a budget of tokens, lengths are rounded up to this at least: a batch's rows follow from its length, so that
# there are max_length / 8 shapes, 16 for 128, but for the last batch of a window. Each new shape costs a compilation under XLA.
LENGTH_STEP = 8


class Feed:
    """Args: preprocessor: Preprocessor."""

    def __init__(self, preprocessor):
        self.preprocessor = preprocessor

    # Elements: (columns,), (columns, targets) or (columns, targets, weights), columns being a dict.

    def elements_in_memory(self, columns, targets=None, weights=None):
        """Args: columns: dict of lists. targets, weights: arrays of as many rows, or None. Returns: unbatched dataset of elements."""
        rows = len(next(iter(columns.values())))
        for name, column in (("labels", targets), ("sample weights", weights)):
            if column is not None and len(column) != rows:
                raise ValueError(f"{rows} texts but {len(column)} {name}")
        parts = (columns,) if targets is None else (columns, targets) if weights is None else (columns, targets, weights)
        return tf.data.Dataset.from_tensor_slices(parts)

    def elements_of(self, dataset, *, labelled):
        """A dataset of raw input as elements.

        Args: dataset: tf.data.Dataset. labelled: whether targets are wanted; False drops them.
        Returns: dataset of elements, and whether they are batches.
        Raises: ValueError where the elements are none of what the task takes.
        """
        dataset = dataset if labelled else self.without_targets(dataset)
        spec = dataset.element_spec
        parts = len(spec) if isinstance(spec, tuple) else 1
        if parts > 3:
            raise ValueError(f"the dataset's elements have {parts} parts; expected x, (x, label) or (x, label, weight): {spec}")
        self.preprocessor.element_columns(spec[0] if isinstance(spec, tuple) else spec)  # refuses what it cannot take, before it is traced

        @tf.autograph.experimental.do_not_convert
        def named(*element):
            element = element if isinstance(spec, tuple) else (element[0],)
            columns = self.preprocessor.element_columns(element[0])
            if not labelled or len(element) == 1:
                return (columns,)
            return (columns, self.preprocessor.element_targets(element[1]), *element[2:])

        # One dict is an element of its own to tf.data, not the arguments of a function.
        elements = dataset.map(named) if isinstance(spec, tuple) else dataset.map(lambda x: named(x))
        return elements, next(iter(elements.element_spec[0].values())).shape.rank == 1

    def without_targets(self, dataset):
        """Without labels, two strings are the pair that the task reads. Returns: dataset."""
        spec = dataset.element_spec
        if isinstance(spec, tuple) and len(spec) == 2 and not isinstance(spec[0], (tuple, dict)):
            if all(getattr(part, "dtype", None) == tf.string for part in tf.nest.flatten(spec)):
                if getattr(self.preprocessor, "text_pair", None):
                    return dataset.map(lambda *pair: (pair,))
                if not self.preprocessor.target_is_text or getattr(self.preprocessor, "text_pair", None) is None:
                    raise ValueError(
                        f"the dataset's elements are two strings, {spec}: is the second a text? Then set text_pair=True, or give "
                        "elements ((text, text_pair),). Is it a label? Then leave it out, or set text_pair=False"
                    )
        return dataset

    # Batches of the model's inputs.

    def batches(self, elements, batch_size=None, *, by_length, shuffle=False):
        """Args: elements: unbatched. by_length: batch with others of like length. Returns: dataset."""
        batch_size = batch_size or BATCH_SIZE
        if not by_length:
            return self.padded(elements.batch(batch_size))
        return self._finished(batch_by_length(elements, batch_size, prepare=self._measured(), take=take_examples, shuffle=shuffle))

    def padded(self, batches):
        """Args: batches: dataset of batched elements. Returns: dataset of the model's inputs."""
        return self._finished(batches.map(self._rows, num_parallel_calls=tf.data.AUTOTUNE))

    def batches_within(self, elements, budget, *, shuffle=False):
        """Args: elements: unbatched. budget: most slots of a batch. Returns: dataset, of known cardinality where elements are."""
        step = self._step
        examples = int(elements.cardinality())
        options = {"prepare": self._measured(step), "take": take_examples, "shuffle": shuffle}
        if examples <= 0:  # not known, or without end: in windows
            batches = self._finished(batch_by_tokens(elements, budget, **options), step)
            is_endless = examples == tf.data.INFINITE_CARDINALITY
            return batches.apply(tf.data.experimental.assert_cardinality(examples)) if is_endless else batches
        batches = batch_by_tokens(elements, budget, window_examples=examples, **options)
        count = count_batches(self.lengths(elements), budget)  # which Keras shows, and a schedule wants
        return self._finished(batches, step).apply(tf.data.experimental.assert_cardinality(count))

    def endless(self, elements, *, batch_size=None, budget=None, by_length, seed, shuffle):
        """Batches that can be begun anywhere, see data.endless_batches. Returns: dataset_fn, with batches_an_epoch."""
        step, batches_an_epoch = None, None
        if budget is not None:
            step, count = self._step, known_count(elements)
            # An epoch is one window: where it is cut then depends on the lengths alone, and not on the order of that epoch.
            batches_an_epoch = count_batches(self.lengths(elements), budget)
        prepare = self._measured(step)

        def make_batches(dataset, epoch_seed):
            options = {"prepare": prepare, "take": take_examples, "shuffle": shuffle, "seed": epoch_seed}
            if budget is not None:
                return batch_by_tokens(dataset, budget, window_examples=count, **options)
            if by_length:
                return batch_by_length(dataset, batch_size, **options)
            return dataset.batch(batch_size).map(self._rows, num_parallel_calls=tf.data.AUTOTUNE)

        rows_fn = endless_batches(
            elements, batch_size, seed=seed, make_batches=make_batches, batches_an_epoch=batches_an_epoch, shuffle=shuffle
        )

        def dataset_fn(batches_taken):
            return self._finished(rows_fn(batches_taken), step)

        dataset_fn.batches_an_epoch = rows_fn.batches_an_epoch
        return dataset_fn

    def lengths(self, elements):
        """Returns: int32 array [examples], the slots that each takes in a batch of a budget."""
        measured = elements.batch(1024).map(lambda *element: self._measured(self._step)(*element)[1], num_parallel_calls=tf.data.AUTOTUNE)
        return np.concatenate(list(measured.with_options(untuned(measured)).as_numpy_iterator()))

    @property
    def _step(self):
        return max(LENGTH_STEP, self.preprocessor.pad_to_multiple_of)

    @tf.autograph.experimental.do_not_convert  # plain Python choices; an error then shows this code
    def _rows(self, *element):
        return self.preprocessor.rows(*element)

    def _measured(self, multiple_of=None):
        """Function: a batched element -> its Rows, and the length to batch each example by."""

        def measured(*element):
            rows = self._rows(*element)
            if multiple_of is None:
                return rows, example_lengths(rows)
            return rows, self.preprocessor.padded_lengths(rows, multiple_of=multiple_of)

        return measured

    def _finished(self, batches, multiple_of=None):
        @tf.autograph.experimental.do_not_convert
        def pad(*rows):
            rows = rows[0] if len(rows) == 1 else Rows(*rows)
            padded = self.preprocessor.pad(rows, multiple_of=multiple_of)
            given = tuple(part for part in padded if not (isinstance(part, tuple) and not part))
            if len(given) > 1 and self.preprocessor.fills_up:
                given = fill_up(given, tf.size(rows.counts))
            return given if len(given) > 1 else given[0]

        return batches.map(pad, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
