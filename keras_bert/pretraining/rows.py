"""Examples to rows of ids with their special tokens: [CLS] a [SEP] b [SEP], one behind the other where rows are packed."""

import dataclasses

import numpy as np

from keras_bert.pretraining.packing import pack_first_fit
from keras_bert.pretraining.token_documents import starts_of


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows of one or more sequences.

    Args:
        ids: int32 [tokens], all rows one behind the other.
        row_starts: int64 [rows + 1], where in `ids` each row begins.
        sequence_starts: int64 [rows + 1], which sequence each row begins with.
        sequence_lengths: int64 [sequences], tokens of each, special ones among them.
        first_lengths: int64 [sequences], of them those of the first text with its [CLS] and [SEP].
        labels: int64 [sequences], or None where there are none.
    """

    ids: np.ndarray
    row_starts: np.ndarray
    sequence_starts: np.ndarray
    sequence_lengths: np.ndarray
    first_lengths: np.ndarray
    labels: np.ndarray | None

    def __len__(self):
        return len(self.row_starts) - 1


def make_rows(ids, examples, settings, *, cls_id, sep_id):
    """Put the special tokens around examples, and pack them where the settings say so.

    Args: ids: int32 [tokens]. examples: int64 [examples, 5], as make_examples gives them. settings: ExampleSettings. cls_id, sep_id: ints.
    Returns: Rows.
    """
    is_pair = examples[:, 3] > examples[:, 2]
    ones = np.ones(len(examples), "int64")
    lengths = np.stack([ones, examples[:, 1] - examples[:, 0], ones, examples[:, 3] - examples[:, 2], ones * is_pair], axis=1)
    sizes = lengths.sum(axis=1)
    counts = ones
    if settings.pack:
        packed = pack_first_fit(sizes, settings.row_length)
        order = np.array([example for row in packed for example in row], "int64")
        counts = np.array([len(row) for row in packed], "int64")
        examples, lengths, sizes = examples[order], lengths[order], sizes[order]
    cls = np.full(len(examples), len(ids))
    pieces = np.stack([cls, examples[:, 0], cls + 1, examples[:, 2], cls + 1], axis=1)
    with_special = np.concatenate([ids, [cls_id, sep_id]]).astype("int32")
    sequence_starts = starts_of(counts)
    return Rows(
        ids=with_special[_ranges(pieces.ravel(), lengths.ravel())],
        row_starts=starts_of(sizes)[sequence_starts],
        sequence_starts=sequence_starts,
        sequence_lengths=sizes,
        first_lengths=lengths[:, :3].sum(axis=1),
        labels=examples[:, 4] if settings.labels else None,
    )


def parted(rows, most_sequences):
    """Part rows of many sequences: what a row has beyond `most_sequences` becomes the next row.

    Args: rows: Rows. most_sequences: int.
    Returns: Rows of the same sequences in the same order.
    """
    starts, ends = rows.sequence_starts[:-1], rows.sequence_starts[1:]
    parts = -(-(ends - starts) // most_sequences)
    if not (parts > 1).any():
        return rows
    sequence_starts = np.append(np.repeat(starts, parts) + most_sequences * _ranges(np.zeros_like(parts), parts), ends[-1])
    return dataclasses.replace(rows, sequence_starts=sequence_starts, row_starts=starts_of(rows.sequence_lengths)[sequence_starts])


def _ranges(starts, lengths):
    """Returns: int64, start, start + 1, ... of each, as many as its length, one behind the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
