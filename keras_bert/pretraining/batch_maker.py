"""Records of examples to batches with masks, whatever they are read from."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_bert import features
from keras_bert.pretraining.masking import Masker, MaskingSettings, draw
from keras_bert.pretraining.records import NEXT_SENTENCE_LABELS, SEQUENCE_LENGTHS, parse_records, row_features
from keras_bert.pretraining.settings import ExampleSettings

ORDER, MASKS, BINS = range(3)  # what a seed is for


def seed_of(seed, epoch, purpose):
    """The seed of an epoch. Args: purpose: ORDER, MASKS or BINS. Returns: int64 scalar tensor."""
    both = tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64) * 4 + purpose])
    return tf.random.stateless_uniform([], both, minval=None, maxval=None, dtype=tf.int64, alg="philox")


@dataclasses.dataclass(frozen=True)
class BatchMaker:
    """Masks and pads records.

    Args:
        settings: ExampleSettings of the records.
        sequences: of a row, at most.
        tokenizer: Tokenizer. masking: MaskingSettings, or None: BERT's.
        next_sentence: give labels of the next sentence; None: where there are labels.
        pad_to_multiple_of, continues: see training_batches.
    Raises: ValueError where labels are wanted that are not there.
    """

    settings: ExampleSettings
    sequences: int
    tokenizer: object
    masking: MaskingSettings | None = None
    next_sentence: bool | None = None
    pad_to_multiple_of: int | None = None
    continues: object = None

    def __post_init__(self):
        if self.next_sentence and not self.settings.labels:
            raise ValueError(f"next_sentence=True: the examples are {self.settings.objective}, without labels")
        if self.next_sentence is None:
            object.__setattr__(self, "next_sentence", self.settings.labels)
        if self.masking is None:
            object.__setattr__(self, "masking", MaskingSettings())

    @property
    def longest(self):
        """Tokens of a row at most."""
        return self.settings.row_length if self.settings.pack else self.settings.max_length

    def batches(self, rows, batch_size, *, slots, length=None, drop_remainder=True):
        """Make batches.

        Args: rows: tf.data.Dataset of (record, its number in the data, int64 seed of the epoch's masks). slots: masked positions of a
            row, at most. length: tokens of a row at most; None: `longest`. drop_remainder: leave out a last batch that is not full.
        Returns: tf.data.Dataset of (features, targets, weights).
        """
        length = length or self.longest
        masker = Masker(self.tokenizer, self.masking, slots=slots)

        @tf.autograph.experimental.do_not_convert
        def with_draws(record, number, epoch_seed):
            return record, draw(epoch_seed, number, length)

        @tf.autograph.experimental.do_not_convert
        def batch(records, draws):
            return self._batch(records, draws, masker, length, batch_size if drop_remainder else None)

        drawn = rows.map(with_draws, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size, drop_remainder=drop_remainder)
        return drawn.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def _batch(self, records, draws, masker, length, batch_size):
        rows = parse_records(records, labels=self.settings.labels)
        padded = self._padded(row_features(rows), length)
        numbers = padded.pop(features.SEQUENCE_IDS)
        padded[features.ATTENTION_MASK] = tf.cast(numbers > 0, tf.int32)
        positions = padded.pop(features.POSITION_IDS)
        if self.settings.pack:
            padded |= {features.POSITION_IDS: positions, features.SEQUENCE_IDS: numbers}
        masked = masker(padded | self._continues(rows), draws)
        x = padded | {name: masked[name] for name in (features.INPUT_IDS, features.MASKED_POSITIONS)}
        targets, weights = masked[features.MASKED_IDS], tf.cast(masked[features.MASKED_WEIGHTS], tf.float32)
        if self.next_sentence:
            lengths = rows[SEQUENCE_LENGTHS].to_tensor(shape=[None, self.sequences])
            is_there = tf.cast(lengths > 0, tf.int32)
            labels = rows[NEXT_SENTENCE_LABELS].to_tensor(shape=[None, self.sequences])
            if self.settings.pack:
                x[features.FIRST_POSITIONS] = tf.cumsum(lengths, axis=1, exclusive=True) * is_there
            else:
                labels, is_there = labels[:, 0], is_there[:, 0]
            targets = {"mlm_logits": targets, "nsp_logits": labels}
            weights = {"mlm_logits": weights, "nsp_logits": tf.cast(is_there, tf.float32)}
        if batch_size is not None:
            x, targets, weights = tf.nest.map_structure(
                lambda part: tf.ensure_shape(part, [batch_size, *part.shape[1:]]), (x, targets, weights)
            )
        return x, targets, weights

    def _padded(self, ragged, length):
        if self.pad_to_multiple_of is None:
            return {name: value.to_tensor(shape=[None, length]) for name, value in ragged.items()}
        step = self.pad_to_multiple_of
        longest = tf.cast(tf.reduce_max(ragged[features.INPUT_IDS].row_lengths()), tf.int32)
        wanted = tf.minimum((longest + step - 1) // step * step, length)
        return {name: tf.pad(value.to_tensor(), [[0, 0], [0, wanted - longest]]) for name, value in ragged.items()}

    def _continues(self, rows):
        if self.continues is None:
            return {}
        ids = rows[features.INPUT_IDS]

        def marks(values, splits):
            parts = [np.asarray(self.continues(part)) for part in np.split(values, splits[1:-1])]
            return np.concatenate(parts).astype("int32")

        values = tf.numpy_function(marks, [ids.values, ids.row_splits], tf.int32)
        marked = ids.with_values(tf.ensure_shape(values, [None]))
        return {"continues": self._padded({features.INPUT_IDS: marked}, self.longest)[features.INPUT_IDS]}
