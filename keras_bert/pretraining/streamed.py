"""Batches with masks straight from text, without files."""

import numpy as np
import tensorflow as tf

from keras_bert.pretraining.batch_maker import MASKS, BatchMaker, seed_of
from keras_bert.pretraining.draws import Draws
from keras_bert.pretraining.records import encode_rows
from keras_bert.pretraining.rows import parted
from keras_bert.pretraining.settings import ExampleSettings
from keras_bert.pretraining.shards import ShardMaker, cut_into_shards

_LAST_EPOCH = 2**31 - 1
_ROWS_A_SHARD = 1 << 32  # the rows of a shard are numbered from its number times this


def streamed_batches(
    corpus,
    tokenizer,
    batch_size,
    settings=None,
    *,
    masking=None,
    seed=0,
    next_sentence=None,
    pad_to_multiple_of=None,
    continues=None,
    most_sequences=None,
):
    """training_batches straight from text, without files: for a corpus that is read once or twice, or a disk that is full.

    Each epoch reads the corpus anew, shard by shard in its order, and shuffles the rows of a shard, which is all that is in memory. Files
    are better where there are many epochs: here every one tokenizes the text again, in one thread, and to go on after some batches it is
    read and tokenized from its beginning up to there.

    Args:
        corpus: Corpus. tokenizer: Tokenizer.
        batch_size: rows of a global batch.
        settings: ExampleSettings, without length_bin.
        masking, seed, next_sentence, pad_to_multiple_of, continues: see training_batches.
        most_sequences: of a packed row; None: one for every 8 tokens of it. Labels and masked positions have room for so many; a row that
            has more becomes two.
    Returns: dataset_fn: number of batches already taken -> tf.data.Dataset, as training_batches gives it. Its of_worker gives each worker
        every n-th shard.
    Raises: ValueError where settings are not for a stream, or where a worker finds no example.
    """
    settings = settings or ExampleSettings()
    if settings.length_bin is not None:
        raise ValueError(f"length_bin={settings.length_bin} is of files; a stream has rows of all lengths")
    sequences = 1
    if settings.pack:
        sequences = most_sequences or max(1, settings.row_length // 8)
    batch_maker = BatchMaker(settings, sequences, tokenizer, masking, next_sentence, pad_to_multiple_of, continues)
    slots = batch_maker.masking.slots(batch_maker.longest, sequences)
    shard_maker = ShardMaker(tokenizer, settings)

    def shuffled_shards(epoch, worker, workers):
        """Yields: records, bytes [rows]; their numbers, int64 [rows]."""
        epoch_seed, found = int(seed_of(seed, epoch, MASKS)), False
        for shard, documents in enumerate(cut_into_shards(corpus.read(), settings)):
            if shard % workers != worker:
                continue
            rows = parted(shard_maker.rows(shard, documents)[0], sequences)
            found = found or len(rows) > 0
            order = Draws(epoch_seed & (1 << 63) - 1, shard).permutation(len(rows))
            yield np.array(list(encode_rows(rows)), object)[order], shard * _ROWS_A_SHARD + order
        if not found:
            raise ValueError(f"worker {worker} of {workers} finds no example in the corpus; give it more text, or smaller shard_megabytes")

    def of_worker(batches_taken, worker, workers):
        if batch_size % workers:
            raise ValueError(f"batch_size={batch_size} is not a multiple of the {workers} workers that read it")

        @tf.autograph.experimental.do_not_convert
        def of_epoch(epoch):
            shards = tf.data.Dataset.from_generator(
                lambda number: shuffled_shards(number, worker, workers),
                args=(epoch,),
                output_signature=(tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int64)),
            )
            return shards.unbatch().map(lambda record, number: (record, number, seed_of(seed, epoch, MASKS)))

        rows = tf.data.Dataset.range(_LAST_EPOCH).flat_map(of_epoch).skip(batches_taken * (batch_size // workers))
        return batch_maker.batches(rows, batch_size // workers, slots=slots)

    def dataset_fn(batches_taken):
        return of_worker(batches_taken, 0, 1).apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

    dataset_fn.of_worker = of_worker
    return dataset_fn
