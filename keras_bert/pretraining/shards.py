"""A shard: a run of documents, and the files that its examples are written to."""

import contextlib
import dataclasses
import hashlib
import os

import numpy as np
import tensorflow as tf

from keras_bert.files import replaced_file, write_json
from keras_bert.pretraining.draws import Draws
from keras_bert.pretraining.examples import make_examples
from keras_bert.pretraining.records import encode_rows, write_records
from keras_bert.pretraining.rows import make_rows
from keras_bert.pretraining.token_documents import DocumentTokenizer

ENDING = ".tfrecord.gz"
FINISHED = ".finished"  # folder of one JSON file for each finished shard, until all are


def cut_into_shards(documents, settings):
    """Cut a corpus into runs of documents.

    A run ends with the document that brings it to shard_megabytes. Where what is left at the end is less than half of that, it joins
    the run before: it would have few other documents to take random texts from.

    Args: documents: iterable of str. settings: ExampleSettings.
    Yields: list of str. At most three runs are in memory.
    """
    least = settings.shard_megabytes * 1e6
    ready, run, size = None, [], 0
    for document in documents:
        run.append(document)
        size += len(document) if document.isascii() else len(document.encode("utf-8"))
        if size >= least:
            if ready is not None:
                yield ready
            ready, run, size = run, [], 0
    if ready is not None and size < least / 2:
        ready, run = ready + run, []
    if ready is not None:
        yield ready
    if run:
        yield run


class ShardMaker:
    """Documents of a shard to rows, and to files. Args: tokenizer: Tokenizer. settings: ExampleSettings."""

    def __init__(self, tokenizer, settings):
        self.settings = settings
        self._tokenizer = tokenizer
        self._tokenize = DocumentTokenizer(tokenizer, sentences=settings.sentences)

    def rows(self, shard, documents):
        """Make all rows of a shard, in random order. Args: shard: its number. documents: list of str. Returns: Rows; dict of counts."""
        settings = self.settings
        tokens = self._tokenize(documents)
        examples = [make_examples(tokens, settings, Draws(settings.seed, shard, dupe)) for dupe in range(settings.dupe_factor)]
        examples = np.concatenate(examples)
        examples = examples[Draws(settings.seed, shard, settings.dupe_factor).permutation(len(examples))]
        rows = make_rows(tokens.ids, examples, settings, cls_id=self._tokenizer.cls_id, sep_id=self._tokenizer.sep_id)
        counts = {
            "documents": len(tokens.document_starts) - 1,
            "sentences": len(tokens.sentence_starts) - 1,
            "examples": len(examples),
            "label_1": int(examples[:, 4].sum()),
        }
        return rows, counts

    def write(self, shard, documents, directory):
        """Write a shard, each file aside and then renamed; last what says that it is finished.

        Args: shard: its number. documents: list of str. directory: str.
        Returns: dict of counts, and of each file name, rows, tokens, bytes and sha256.
        Raises: OSError naming the file that cannot be written.
        """
        rows, counts = self.rows(shard, documents)
        files = []
        for length_bin, part in self._parts(rows):
            name = f"examples-{shard:05d}" + ("" if length_bin is None else f"-to-{length_bin:04d}") + ENDING
            path = os.path.join(directory, name)
            with written_whole(path) as aside:
                write_records(aside, encode_rows(part))
                described = {"bytes": os.path.getsize(aside), "sha256": sha256_of(aside)}
            lengths = np.diff(part.row_starts)
            files.append(
                {
                    "name": name,
                    "length_bin": length_bin,
                    "rows": len(part),
                    "tokens": len(part.ids),
                    "longest_row": int(lengths.max(initial=0)),
                }
                | {"sequences": len(part.sequence_lengths), "most_sequences": int(np.diff(part.sequence_starts).max(initial=0))}
                | described
            )
        description = {"shard": shard} | counts | {"files": files}
        with written_whole(finished_path(directory, shard)) as aside:
            write_json(aside, description)
        return description

    def _parts(self, rows):
        """Yields: (longest length of the bin, or None; Rows)."""
        width = self.settings.length_bin
        if width is None:
            yield None, rows
            return
        bins = -(-np.diff(rows.row_starts) // width)
        for number in np.unique(bins):
            yield min(int(number) * width, self.settings.max_length), _chosen(rows, np.flatnonzero(bins == number))


@contextlib.contextmanager
def written_whole(path):
    """replaced_file, for a file beside finished shards. Raises: OSError naming it, and what to do."""
    try:
        with replaced_file(path) as aside:
            yield aside
    except (OSError, tf.errors.OpError) as error:
        raise OSError(
            f"{path} cannot be written: {error}; finished shards stay: make room, or mend what is wrong, and call again to go on"
        ) from error


def finished_path(directory, shard):
    """Returns: path of the JSON file that is there once a shard is finished."""
    return os.path.join(directory, FINISHED, f"{shard:05d}.json")


def sha256_of(path):
    """Returns: hexadecimal str of a file's contents."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def _chosen(rows, places):
    """Some of unpacked rows. Args: places: int64 [chosen]. Returns: Rows."""
    lengths = np.diff(rows.row_starts)
    is_chosen = np.zeros(len(rows), "bool")
    is_chosen[places] = True
    return dataclasses.replace(
        rows,
        ids=rows.ids[np.repeat(is_chosen, lengths)],
        row_starts=np.concatenate([[0], np.cumsum(lengths[places])]),
        sequence_starts=np.arange(len(places) + 1),
        sequence_lengths=rows.sequence_lengths[places],
        first_lengths=rows.first_lengths[places],
        labels=None if rows.labels is None else rows.labels[places],
    )
