"""Texts that are longer than a row: what is kept of them, or the rows that they are read in. Core TensorFlow operations."""

import tensorflow as tf

from keras_bert.text import ragged

HEAD, TAIL, HEAD_TAIL, WINDOWS = "head", "tail", "head_tail", "windows"
TRUNCATIONS = (HEAD, TAIL, HEAD_TAIL, WINDOWS)


def ends_to_keep(truncate, max_length):
    """Pieces of a text that are kept from its start and from its end.

    Args: truncate: HEAD, TAIL or HEAD_TAIL. max_length: tokens of a row, [CLS] and [SEP] included.
    Returns: two int, which together are the room of a row.
    Source: HEAD_TAIL: Sun et al. 2019, "How to fine-tune BERT for text classification?", section 5.3.1: of 512 tokens the first 128 and
        the last 382; so a quarter of max_length, and the rest.
    """
    room = max_length - 2
    head = {HEAD: room, TAIL: 0, HEAD_TAIL: min(max_length // 4, room)}[truncate]
    return head, room - head


def keep_ends(pieces, head, tail):
    """Cut texts of more than head + tail pieces to their first `head` and their last `tail`.

    Args: pieces: int32 tf.RaggedTensor [texts, (pieces)]. head, tail: int.
    Returns: such a tensor.
    """
    lengths = pieces.row_lengths()
    places = tf.ragged.range(lengths).values
    of = tf.gather(lengths, ragged.row_ids(pieces))
    kept = (places < head) | (places >= of - tail) | (of <= head + tail)
    return ragged.from_lengths(tf.boolean_mask(pieces.values, kept), tf.minimum(lengths, head + tail))


def overlapping_rows(pieces, room, stride, most=None):
    """Cut texts of more than `room` pieces into rows that overlap.

        0 1 2 3 4 5 6 7 8   with room=4, stride=3  ->  0 1 2 3 | 3 4 5 6 | 5 6 7 8: the last reaches the end, and is full

    Args:
        pieces: int32 tf.RaggedTensor [texts, (pieces)].
        room: pieces of a row. stride: from the start of a row to that of the next, 1 to room.
        most: rows of a text at most; what lies behind them is left out. None: as many as it takes.
    Returns: int32 tf.RaggedTensor [rows, (pieces)]; int64 [texts], how many rows each text is, 1 or more.
    """
    lengths = pieces.row_lengths()
    wanted = 1 + tf.maximum(lengths - room + stride - 1, 0) // stride
    counts = wanted if most is None else tf.minimum(wanted, most)
    text = ragged.repeated(counts)
    starts = tf.minimum(tf.ragged.range(counts).values * stride, tf.maximum(tf.gather(lengths, text) - room, 0))
    limits = tf.minimum(starts + room, tf.gather(lengths, text))
    base = tf.gather(pieces.row_starts(), text)
    return tf.gather(pieces.values, tf.ragged.range(base + starts, base + limits)), counts


def default_stride(room):
    """Neighbours share a quarter of a row. Returns: int."""
    return max(1, room - room // 4)


def check_stride(stride, max_length):
    """Returns: int, stride or its default. Raises: ValueError unless it is a whole number that skips no text."""
    room = max_length - 2
    if stride is None:
        return default_stride(room)
    if isinstance(stride, bool) or int(stride) != stride or not 1 <= stride <= room:
        raise ValueError(
            f"stride={stride!r}: rows of max_length={max_length} have room for {room} pieces, so that a greater stride skips text; give a "
            f"whole number from 1 to {room}"
        )
    return int(stride)
