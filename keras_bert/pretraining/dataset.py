"""Batches with masks of a directory of examples: for a Trainer, beginning anywhere, and once through, for evaluation.

batches = training_batches("examples_128", tokenizer, 256, seed=0)
Trainer(model, "run", total_steps=10_000, validation_data=evaluation_batches("held_out", tokenizer, 256)).train(batches)
"""

import dataclasses
import hashlib
import os

import numpy as np
import tensorflow as tf

from keras_bert import features
from keras_bert.pretraining.manifest import read_manifest
from keras_bert.pretraining.masking import Masker, MaskingSettings, draw
from keras_bert.pretraining.records import NEXT_SENTENCE_LABELS, SEQUENCE_LENGTHS, parse_records, row_features
from keras_bert.pretraining.settings import ExampleSettings

_LAST_EPOCH = 2**31 - 1
_CHOICES_AT_ONCE = 1 << 16  # of bins
_ORDER, _MASKS, _BINS = range(3)  # what a seed is for


def training_batches(
    directory, tokenizer, batch_size, *, masking=None, seed=0, next_sentence=None, pad_to_multiple_of=None, continues=None
):
    """Batches without end, for Trainer.train: each epoch in another order and with other masks, by the seed and its number alone.

    An epoch is an order of the files, and an order of the rows in each. To go on after some batches, files are passed over by their
    numbers of rows in the manifest: one is read again, whatever the size of the corpus. A batch may hold rows of two epochs.

    Args:
        directory: that prepare_pretraining_data wrote.
        tokenizer: with whose vocabulary it did.
        batch_size: rows of a global batch.
        masking: MaskingSettings; None: those of BERT.
        seed: int.
        next_sentence: give labels of the next sentence, for BertPretrainer; False: for BertMaskedLM; None: where there are labels.
        pad_to_multiple_of: None gives all batches the length of the longest possible row (TPU, XLA); a number that of their own longest
            row, rounded up. The masks are the same.
        continues: function of ids [length] as a NumPy array -> bools [length], which tokens go on with the word before them, where "##"
            does not say it, as segmented_continues gives it for Chinese. None: by "##".
    Returns: dataset_fn: number of batches already taken -> tf.data.Dataset of (features, targets, weights), all batches of one static
        shape but for their lengths. batches_an_epoch: float, how many batches there are of each row once. of_worker: function (batches
        taken, worker, workers) -> the part of its batches that a worker reads, from files of its own.
    Raises: ValueError where the directory is of another vocabulary, or has no files for all workers. FileNotFoundError.
    """
    reader = _Reader.of(directory, tokenizer, masking, next_sentence, pad_to_multiple_of, continues)

    def of_worker(batches_taken, worker, workers):
        if batch_size % workers:
            raise ValueError(f"batch_size={batch_size} is not a multiple of the {workers} workers that read it")
        if len(reader.bins) == 1:
            return reader.endless(reader.bins[0], batches_taken, batch_size // workers, seed, worker, workers)
        taken, choices = _choices([part.rows.sum() for part in reader.bins], batches_taken, seed)
        parts = [
            reader.endless(part, count, batch_size // workers, seed, worker, workers)
            for part, count in zip(reader.bins, taken.tolist(), strict=True)
        ]
        return tf.data.Dataset.choose_from_datasets(parts, choices)

    def dataset_fn(batches_taken):
        return of_worker(batches_taken, 0, 1).apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

    dataset_fn.of_worker = of_worker
    dataset_fn.batches_an_epoch = sum(int(part.rows.sum()) for part in reader.bins) / batch_size
    return dataset_fn


def evaluation_batches(
    directory, tokenizer, batch_size, *, masking=None, seed=0, next_sentence=None, pad_to_multiple_of=None, continues=None
):
    """Each row once, in the order of the files, with the same masks each time.

    Args, Raises: as training_batches. Returns: tf.data.Dataset of (features, targets, weights); the last batch may be smaller.
    """
    reader = _Reader.of(directory, tokenizer, masking, next_sentence, pad_to_multiple_of, continues)
    parts = [reader.once(part, batch_size, seed) for part in reader.bins]
    dataset = parts[0]
    for part in parts[1:]:
        dataset = dataset.concatenate(part)
    return dataset


@dataclasses.dataclass(frozen=True)
class _Files:
    """Files of rows of one length at most. Args: paths: list. rows: int64 [files]. starts: int64 [files], the number of the first row of
    each in the data. length: int.
    """

    paths: list
    rows: np.ndarray
    starts: np.ndarray
    length: int


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Records to batches.

    Args: bins: list of _Files. sequences: of a row, at most. labels: whether records have them. Others: see training_batches.
    """

    bins: list
    tokenizer: object
    masking: MaskingSettings
    is_packed: bool
    sequences: int
    labels: bool
    next_sentence: bool
    pad_to_multiple_of: int | None
    continues: object

    @classmethod
    def of(cls, directory, tokenizer, masking, next_sentence, pad_to_multiple_of, continues):
        manifest = read_manifest(directory)
        _check_vocabulary(directory, manifest, tokenizer)
        settings = ExampleSettings(**manifest["settings"])
        if next_sentence and not settings.labels:
            raise ValueError(f"next_sentence=True: the examples of {directory} are {settings.objective}, without labels")
        next_sentence = settings.labels if next_sentence is None else next_sentence
        files = [file for shard in manifest["shards"] for file in shard["files"] if file["rows"]]
        starts = np.cumsum([0] + [file["rows"] for file in files])
        longest = settings.row_length if settings.pack else settings.max_length
        bins = {}
        for number, file in enumerate(files):
            bins.setdefault(file["length_bin"] or longest, []).append(number)
        groups = [
            _Files(
                [os.path.join(directory, files[number]["name"]) for number in numbers],
                np.array([files[number]["rows"] for number in numbers], "int64"),
                starts[numbers].astype("int64"),
                length,
            )
            for length, numbers in sorted(bins.items())
        ]
        sequences = manifest["totals"]["most_sequences"] if settings.pack else 1
        masking = masking or MaskingSettings()
        return cls(groups, tokenizer, masking, settings.pack, sequences, settings.labels, next_sentence, pad_to_multiple_of, continues)

    @property
    def slots(self):
        return self.masking.slots(max(part.length for part in self.bins), self.sequences)

    def endless(self, files, batches_taken, batch_size, seed, worker, workers):
        """A worker's part of the batches that follow. Returns: tf.data.Dataset."""
        if len(files.paths) < workers:
            raise ValueError(f"{len(files.paths)} files for {workers} workers; prepare the data with smaller shard_megabytes")
        epoch, passed_files, passed_rows = _place(files, batches_taken * batch_size, seed, worker, workers)

        @tf.autograph.experimental.do_not_convert
        def of_epoch(number):
            order = _file_order(files, seed, number)[worker::workers]
            return tf.data.Dataset.from_tensor_slices(order).map(lambda file: (file, number))

        numbers = tf.data.Dataset.range(epoch, _LAST_EPOCH)
        first = numbers.take(1).flat_map(of_epoch).skip(passed_files)
        rest = first.skip(1).concatenate(numbers.skip(1).flat_map(of_epoch))

        @tf.autograph.experimental.do_not_convert
        def shuffled(file, number):
            return _shuffled_rows(files, file, _seed(seed, number, _MASKS))

        rows = first.take(1).flat_map(shuffled).skip(passed_rows).concatenate(rest.flat_map(shuffled))
        return self._batches(rows, files.length, batch_size, drop_remainder=True)

    def once(self, files, batch_size, seed):
        numbers = np.concatenate([start + np.arange(count) for start, count in zip(files.starts, files.rows, strict=True)])
        seeds = tf.data.Dataset.from_tensors(_seed(seed, _LAST_EPOCH, _MASKS)).repeat()
        rows = tf.data.Dataset.zip((tf.data.TFRecordDataset(files.paths, "GZIP"), tf.data.Dataset.from_tensor_slices(numbers), seeds))
        batches = self._batches(rows, files.length, batch_size, drop_remainder=False)
        return batches.apply(tf.data.experimental.assert_cardinality(-(-len(numbers) // batch_size)))

    def _batches(self, rows, length, batch_size, *, drop_remainder):
        """Args: rows: dataset of (record, its number in the data, seed of the epoch's masks)."""
        masker = Masker(self.tokenizer, self.masking, slots=self.slots)

        @tf.autograph.experimental.do_not_convert
        def with_draws(record, number, epoch_seed):
            return record, draw(epoch_seed, number, length)

        @tf.autograph.experimental.do_not_convert
        def batch(records, draws):
            return self._batch(records, draws, masker, length, batch_size if drop_remainder else None)

        drawn = rows.map(with_draws, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size, drop_remainder=drop_remainder)
        return drawn.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def _batch(self, records, draws, masker, length, batch_size):
        rows = parse_records(records, labels=self.labels)
        padded = self._padded(row_features(rows), length)
        numbers = padded.pop(features.SEQUENCE_IDS)
        padded[features.ATTENTION_MASK] = tf.cast(numbers > 0, tf.int32)
        positions = padded.pop(features.POSITION_IDS)
        if self.is_packed:
            padded |= {features.POSITION_IDS: positions, features.SEQUENCE_IDS: numbers}
        masked = masker(padded | self._continues(rows), draws)
        x = padded | {name: masked[name] for name in (features.INPUT_IDS, features.MASKED_POSITIONS)}
        targets, weights = masked[features.MASKED_IDS], tf.cast(masked[features.MASKED_WEIGHTS], tf.float32)
        if self.next_sentence:
            lengths = rows[SEQUENCE_LENGTHS].to_tensor(shape=[None, self.sequences])
            is_there = tf.cast(lengths > 0, tf.int32)
            labels = rows[NEXT_SENTENCE_LABELS].to_tensor(shape=[None, self.sequences])
            if self.is_packed:
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
        return {"continues": self._padded({features.INPUT_IDS: marked}, max(part.length for part in self.bins))[features.INPUT_IDS]}


def _check_vocabulary(directory, manifest, tokenizer):
    pieces = "\n".join(tokenizer.pieces).encode("utf-8", "surrogatepass")
    if hashlib.sha256(pieces).hexdigest() != manifest["tokenizer"]["vocabulary_sha256"]:
        theirs = manifest["tokenizer"]["vocabulary_size"]
        raise ValueError(
            f"{directory} was made with another vocabulary, of {theirs} pieces; this one has {tokenizer.vocabulary_size}: give that one, "
            "or prepare the data anew"
        )


def _seed(seed, epoch, purpose):
    """Returns: int64 scalar tensor."""
    both = tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64) * 4 + purpose])
    return tf.random.stateless_uniform([], both, minval=None, maxval=None, dtype=tf.int64, alg="philox")


def _file_order(files, seed, epoch):
    """Returns: int64 [files], a permutation."""
    order = tf.random.experimental.stateless_shuffle(tf.range(len(files.paths)), tf.stack([_seed(seed, epoch, _ORDER), 0]), alg="philox")
    return tf.cast(order, tf.int64)


def _shuffled_rows(files, file, epoch_seed):
    """Rows of a file in random order. Returns: tf.data.Dataset of (record, its number in the data, epoch_seed)."""
    count = tf.gather(files.rows, file)
    records = tf.data.TFRecordDataset(tf.gather(files.paths, file), "GZIP").batch(count)

    @tf.autograph.experimental.do_not_convert
    def shuffle(records):
        seed = tf.stack([epoch_seed, file])
        order = tf.cast(tf.random.experimental.stateless_shuffle(tf.range(count), seed, alg="philox"), tf.int64)
        return tf.data.Dataset.from_tensor_slices((tf.gather(records, order), tf.gather(files.starts, file) + order))

    return records.flat_map(shuffle).map(lambda record, number: (record, number, epoch_seed))


def _place(files, rows_taken, seed, worker, workers):
    """Where a worker is after some rows. Returns: epoch, files of it that are passed over, rows passed over in the next."""
    epoch = 0
    if workers == 1:  # all epochs have the same rows
        epoch, rows_taken = divmod(rows_taken, int(files.rows.sum()))
    while True:
        rows = np.cumsum(files.rows[_file_order(files, seed, epoch).numpy()[worker::workers]])
        if rows_taken < rows[-1]:
            break
        epoch, rows_taken = epoch + 1, rows_taken - int(rows[-1])
    passed = int(np.searchsorted(rows, rows_taken, side="right"))
    return epoch, passed, rows_taken - int(rows[passed - 1] if passed else 0)


def _choices(rows, batches_taken, seed):
    """Which bin each batch is of, by chance, as often as it has rows.

    Args: rows: of each bin. Returns: int64 [bins], batches taken of each; tf.data.Dataset of int64, the bins of those that follow.
    """
    shares = np.cumsum(rows)[:-1] / np.sum(rows)

    def block(number):
        draws = tf.random.stateless_uniform([_CHOICES_AT_ONCE], tf.stack([_seed(seed, number, _BINS), 0]), dtype=tf.float64, alg="philox")
        return tf.cast(tf.searchsorted(tf.constant(shares, tf.float64), draws, side="right"), tf.int64)

    blocks, rest = divmod(batches_taken, _CHOICES_AT_ONCE)
    taken = np.zeros(len(rows), "int64")
    for number in range(blocks):
        taken += np.bincount(block(number).numpy(), minlength=len(rows))
    taken += np.bincount(block(blocks).numpy()[:rest], minlength=len(rows))
    numbers = tf.data.Dataset.range(blocks, _LAST_EPOCH)
    return taken, numbers.flat_map(lambda number: tf.data.Dataset.from_tensor_slices(block(number))).skip(rest)
