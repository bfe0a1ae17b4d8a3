"""Rows as TFRecords of tf.train.Example, and back.

A record is one row; all features are lists of int64:

    input_ids               [tokens]       [CLS] a [SEP] b [SEP], without padding; several such where rows are packed
    sequence_lengths        [sequences]    tokens of each sequence in the row; their sum is the row's length
    first_text_lengths      [sequences]    of them, how many are of the first text, its [CLS] and [SEP] among them: token type 0
    next_sentence_labels    [sequences]    0: the second text follows the first; 1: it does not (sentence_order: they are swapped);
                                           not there for full sentences

Nothing is masked. Files are packed by GZIP, which puts neither name nor time into them.
"""

import numpy as np
import tensorflow as tf

from keras_bert import features

SEQUENCE_LENGTHS = "sequence_lengths"
FIRST_TEXT_LENGTHS = "first_text_lengths"
NEXT_SENTENCE_LABELS = "next_sentence_labels"
# zlib's; 6, its default, takes twice as long for 2 % less.
_COMPRESSION_LEVEL = 3


def encode_rows(rows):
    """Write rows as serialized tf.train.Example.

    By hand, since their Python class takes as long for it as the tokenizer for the text; features stand in order of their names, as
    protobuf's deterministic serialization has them.

    Args: rows: Rows.
    Yields: bytes, one of each row.
    """
    columns = [
        (FIRST_TEXT_LENGTHS, rows.first_lengths, rows.sequence_starts),
        (features.INPUT_IDS, rows.ids, rows.row_starts),
        (NEXT_SENTENCE_LABELS, rows.labels, rows.sequence_starts),
        (SEQUENCE_LENGTHS, rows.sequence_lengths, rows.sequence_starts),
    ]
    encoded = []
    for name, values, starts in columns:
        if values is not None:
            data, ends = _varints(values)
            encoded.append((_EntryHeader(name), data, np.concatenate([[0], ends])[starts].tolist()))
    example_header = _Header(1)
    for row in range(len(rows)):
        parts = []
        for header, data, starts in encoded:
            start, end = starts[row], starts[row + 1]
            parts += (header[end - start], data[start:end])
        record = b"".join(parts)
        yield example_header[len(record)] + record


class _Header(dict):
    """What stands before the bytes of a protobuf field, by their number. Args: number: of the field."""

    def __init__(self, number):
        self._tag = number << 3 | 2

    def __missing__(self, size):
        header, rest = bytearray([self._tag]), size
        while rest > 127:
            header.append(rest & 127 | 128)
            rest >>= 7
        header.append(rest)
        self[size] = bytes(header)
        return self[size]


class _EntryHeader(dict):
    """What stands before the values of a feature, by the number of their bytes: Features.feature {key, Feature.int64_list {value}}."""

    def __init__(self, name):
        self._key = _Header(1)[len(name)] + name.encode()

    def __missing__(self, size):
        header = _Header(1)[size]
        header = _Header(3)[size + len(header)] + header
        header = self._key + _Header(2)[size + len(header)] + header
        self[size] = _Header(1)[size + len(header)] + header
        return self[size]


def _varints(values):
    """Protobuf's variable-length integers. Args: values: ints [count], 0 to 2^31 - 1. Returns: bytes; int64 [count], where each ends."""
    values = np.asarray(values, "uint32")
    sizes = np.ones(len(values), "uint8")
    for limit in (1 << 7, 1 << 14, 1 << 21, 1 << 28):
        if values.max(initial=0) >= limit:
            sizes += values >= limit
    places = np.arange(sizes.max(initial=1), dtype="uint8")
    sevens = (values[:, None] >> (7 * places).astype("uint32")).astype("uint8") & 127
    sevens |= (sizes[:, None] > places + 1).astype("uint8") << 7
    return sevens[sizes[:, None] > places].tobytes(), np.cumsum(sizes, dtype="int64")


def write_records(path, records):
    """Write a TFRecord file, packed by GZIP. Args: path: str. records: iterable of bytes. Raises: OSError, tf.errors.OpError."""
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=_COMPRESSION_LEVEL)
    with tf.io.TFRecordWriter(path, options) as writer:
        for record in records:
            writer.write(record)


def parse_records(records, *, labels=True):
    """Read records.

    Args: records: string tensor [batch]. labels: whether they have labels: ExampleSettings.labels.
    Returns: dict of int32 tf.RaggedTensor [batch, (tokens)] and [batch, (sequences)], by the names above.
    """
    names = (features.INPUT_IDS, SEQUENCE_LENGTHS, FIRST_TEXT_LENGTHS) + ((NEXT_SENTENCE_LABELS,) if labels else ())
    parsed = tf.io.parse_example(records, {name: tf.io.RaggedFeature(tf.int64) for name in names})
    return {name: tf.cast(parsed[name], tf.int32) for name in names}


def row_features(rows):
    """Make what a model takes of a batch of rows, but for padding.

        sequence_lengths [[4, 3]], first_text_lengths [[2, 3]] ->
        token_type_ids [[0, 0, 1, 1, 0, 0, 0]], position_ids [[0, 1, 2, 3, 0, 1, 2]], sequence_ids [[1, 1, 1, 1, 2, 2, 2]]

    Args: rows: dict that parse_records gives.
    Returns: dict of int32 tf.RaggedTensor [batch, (tokens)]: input_ids, token_type_ids, position_ids, sequence_ids.
    """
    ids, lengths = rows[features.INPUT_IDS], rows[SEQUENCE_LENGTHS]
    number_in_row = tf.ragged.range(lengths.row_lengths()).values + 1
    positions = tf.ragged.range(lengths.values).values
    is_second = positions >= tf.repeat(rows[FIRST_TEXT_LENGTHS].values, lengths.values)
    return {
        features.INPUT_IDS: ids,
        features.TOKEN_TYPE_IDS: ids.with_values(tf.cast(is_second, tf.int32)),
        features.POSITION_IDS: ids.with_values(tf.cast(positions, tf.int32)),
        features.SEQUENCE_IDS: ids.with_values(tf.cast(tf.repeat(number_in_row, lengths.values), tf.int32)),
    }


def as_ragged(rows):
    """Rows as parse_records gives them. Args: rows: Rows. Returns: dict of int32 tf.RaggedTensor."""

    def ragged(values, starts):
        return tf.RaggedTensor.from_row_splits(tf.constant(values, tf.int32), tf.constant(starts, tf.int64), validate=False)

    columns = {
        features.INPUT_IDS: ragged(rows.ids, rows.row_starts),
        SEQUENCE_LENGTHS: ragged(rows.sequence_lengths, rows.sequence_starts),
        FIRST_TEXT_LENGTHS: ragged(rows.first_lengths, rows.sequence_starts),
    }
    return columns | ({} if rows.labels is None else {NEXT_SENTENCE_LABELS: ragged(rows.labels, rows.sequence_starts)})
