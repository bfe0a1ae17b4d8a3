"""Examples as tf.data: out of files, or straight from text."""

import os

import tensorflow as tf

from keras_bert import features
from keras_bert.pretraining.manifest import read_manifest
from keras_bert.pretraining.records import FIRST_TEXT_LENGTHS, NEXT_SENTENCE_LABELS, SEQUENCE_LENGTHS, as_ragged, parse_records
from keras_bert.pretraining.settings import ExampleSettings
from keras_bert.pretraining.shards import ShardMaker, cut_into_shards

_AT_ONCE = 256  # records that are parsed together


def read_examples(directory, *, worker=0, workers=1, length_bin=None):
    """Read the examples that prepare_pretraining_data wrote, in the order of the files.

    Args:
        directory: theirs.
        worker, workers: read each workers-th file, from number `worker` on: of a job of several, each reads its own.
        length_bin: read the files of this bin alone: the longest length in it, as the manifest has it. None: all files.
    Returns: tf.data.Dataset of dicts of int32 [tokens] and [sequences]; see keras_bert.pretraining.records. Its cardinality is known.
    Raises: FileNotFoundError where the directory is not complete. ValueError where there is no such bin, or no file for this worker.
    """
    manifest = read_manifest(directory)
    files = [file for shard in manifest["shards"] for file in shard["files"]]
    bins = sorted({file["length_bin"] for file in files if file["length_bin"] is not None})
    if length_bin is not None:
        if length_bin not in bins:
            raise ValueError(f"length_bin={length_bin}: {directory} has {', '.join(map(str, bins)) or 'no bins'}")
        files = [file for file in files if file["length_bin"] == length_bin]
    if not 0 <= worker < workers:
        raise ValueError(f"worker={worker} is not in 0 to workers - 1 = {workers - 1}")
    if len(files) < workers:
        raise ValueError(f"{directory} has {len(files)} files for workers={workers}; prepare it with smaller shard_megabytes")
    files = files[worker::workers]
    labels = ExampleSettings(**manifest["settings"]).labels
    paths = [os.path.join(directory, file["name"]) for file in files]
    records = tf.data.TFRecordDataset(paths, compression_type="GZIP")
    parsed = records.batch(_AT_ONCE).map(lambda batch: parse_records(batch, labels=labels), num_parallel_calls=tf.data.AUTOTUNE)
    rows = _rows_one_by_one(parsed)
    return rows.apply(tf.data.experimental.assert_cardinality(sum(file["rows"] for file in files)))


def stream_examples(corpus, tokenizer, settings=None):
    """Make the same examples, in the same order, without files: once through the corpus, a shard at a time in memory.

    Args: corpus: Corpus. tokenizer: Tokenizer. settings: ExampleSettings, without length_bin.
    Returns: tf.data.Dataset of dicts, as read_examples gives them.
    Raises: ValueError, here or from the dataset, as prepare_pretraining_data.
    """
    settings = settings or ExampleSettings()
    if settings.length_bin is not None:
        raise ValueError(f"length_bin={settings.length_bin} is of files; a dataset is sorted by data.batch_by_length")
    maker = ShardMaker(tokenizer, settings)

    def shards():
        for shard, documents in enumerate(cut_into_shards(corpus.read(), settings)):
            yield as_ragged(maker.rows(shard, documents)[0])

    names = (features.INPUT_IDS, SEQUENCE_LENGTHS, FIRST_TEXT_LENGTHS) + ((NEXT_SENTENCE_LABELS,) if settings.labels else ())
    signature = {name: tf.RaggedTensorSpec([None, None], tf.int32) for name in names}
    return _rows_one_by_one(tf.data.Dataset.from_generator(shards, output_signature=signature))


def _rows_one_by_one(batches):
    """Ragged batches to rows, each feature a tensor [values]."""
    return batches.unbatch().map(lambda row: {name: tf.ensure_shape(value, [None]) for name, value in row.items()})
