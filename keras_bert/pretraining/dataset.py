"""Batches with masks of a directory of examples: for a Trainer, beginning anywhere, and once through, for evaluation.

batches = training_batches("examples_128", tokenizer, 256, seed=0)
Trainer(model, "run", total_steps=10_000, validation_data=evaluation_batches("held_out", tokenizer, 256)).train(batches)
"""

import dataclasses
import hashlib
import os

import numpy as np
import tensorflow as tf

from keras_bert.pretraining.batch_maker import BINS, MASKS, ORDER, BatchMaker, seed_of
from keras_bert.pretraining.manifest import read_manifest
from keras_bert.pretraining.settings import ExampleSettings

_LAST_EPOCH = 2**31 - 1
_CHOICES_AT_ONCE = 1 << 16  # of bins


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
    reader = _Reader(directory, tokenizer, masking, next_sentence, pad_to_multiple_of, continues)

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
    reader = _Reader(directory, tokenizer, masking, next_sentence, pad_to_multiple_of, continues)
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


class _Reader:
    """The files of a directory as batches. Attributes: bins: list of _Files. Args: see training_batches."""

    def __init__(self, directory, tokenizer, masking, next_sentence, pad_to_multiple_of, continues):
        manifest = read_manifest(directory)
        _check_vocabulary(directory, manifest, tokenizer)
        settings = ExampleSettings(**manifest["settings"])
        sequences = manifest["totals"]["most_sequences"] if settings.pack else 1
        try:
            self._maker = BatchMaker(settings, sequences, tokenizer, masking, next_sentence, pad_to_multiple_of, continues)
        except ValueError as error:
            raise ValueError(f"{directory}: {error}") from None
        files = [file for shard in manifest["shards"] for file in shard["files"] if file["rows"]]
        starts = np.cumsum([0] + [file["rows"] for file in files])
        bins = {}
        for number, file in enumerate(files):
            bins.setdefault(file["length_bin"] or self._maker.longest, []).append(number)
        self.bins = [
            _Files(
                [os.path.join(directory, files[number]["name"]) for number in numbers],
                np.array([files[number]["rows"] for number in numbers], "int64"),
                starts[numbers].astype("int64"),
                length,
            )
            for length, numbers in sorted(bins.items())
        ]
        self._slots = self._maker.masking.slots(self.bins[-1].length, sequences)

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
            return _shuffled_rows(files, file, seed_of(seed, number, MASKS))

        rows = first.take(1).flat_map(shuffled).skip(passed_rows).concatenate(rest.flat_map(shuffled))
        return self._maker.batches(rows, batch_size, slots=self._slots, length=files.length)

    def once(self, files, batch_size, seed):
        numbers = np.concatenate([start + np.arange(count) for start, count in zip(files.starts, files.rows, strict=True)])
        seeds = tf.data.Dataset.from_tensors(seed_of(seed, _LAST_EPOCH, MASKS)).repeat()
        rows = tf.data.Dataset.zip((tf.data.TFRecordDataset(files.paths, "GZIP"), tf.data.Dataset.from_tensor_slices(numbers), seeds))
        batches = self._maker.batches(rows, batch_size, slots=self._slots, length=files.length, drop_remainder=False)
        return batches.apply(tf.data.experimental.assert_cardinality(-(-len(numbers) // batch_size)))


def _check_vocabulary(directory, manifest, tokenizer):
    pieces = "\n".join(tokenizer.pieces).encode("utf-8", "surrogatepass")
    if hashlib.sha256(pieces).hexdigest() != manifest["tokenizer"]["vocabulary_sha256"]:
        theirs = manifest["tokenizer"]["vocabulary_size"]
        raise ValueError(
            f"{directory} was made with another vocabulary, of {theirs} pieces; this one has {tokenizer.vocabulary_size}: give that one, "
            "or prepare the data anew"
        )


def _file_order(files, seed, epoch):
    """Returns: int64 [files], a permutation."""
    order = tf.random.experimental.stateless_shuffle(tf.range(len(files.paths)), tf.stack([seed_of(seed, epoch, ORDER), 0]), alg="philox")
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
        draws = tf.random.stateless_uniform([_CHOICES_AT_ONCE], tf.stack([seed_of(seed, number, BINS), 0]), dtype=tf.float64, alg="philox")
        return tf.cast(tf.searchsorted(tf.constant(shares, tf.float64), draws, side="right"), tf.int64)

    blocks, rest = divmod(batches_taken, _CHOICES_AT_ONCE)
    taken = np.zeros(len(rows), "int64")
    for number in range(blocks):
        taken += np.bincount(block(number).numpy(), minlength=len(rows))
    taken += np.bincount(block(blocks).numpy()[:rest], minlength=len(rows))
    numbers = tf.data.Dataset.range(blocks, _LAST_EPOCH)
    return taken, numbers.flat_map(lambda number: tf.data.Dataset.from_tensor_slices(block(number))).skip(rest)
