"""Examples of several rows that are answered as one: windows of a text, choices of a question.

An example is one wide row, its parts side by side, so that a batch, whoever shares it, has a row, a target and a weight an example:

    input_ids       [CLS] a b [SEP]  [CLS] c [SEP] [PAD]        [examples, parts * length]
    part_mask       1                1                          [examples, parts]: which parts there are; 0 is padding

The network reads [examples * parts, length], and what it gives is joined: the loss is that of the example.
"""

import tensorflow as tf

from keras_bert import features
from keras_bert.text import ragged

PART_LENGTHS = "part_lengths"  # beside the ids in Rows: int64 tf.RaggedTensor [examples, (parts)], tokens of each part

MEAN, MAX = "mean", "max"
JOINS = (MEAN, MAX)


def side_by_side(tokens, counts):
    """Rows to wide rows.

    Args: tokens: dict of int32 tf.RaggedTensor [parts of all, (tokens)]. counts: int64 [examples], parts of each.
    Returns: dict of int32 tf.RaggedTensor [examples, (tokens of all its parts)], and PART_LENGTHS.
    """
    lengths = tokens[features.INPUT_IDS].row_lengths()
    wide = {name: ragged.merged(ragged.from_lengths(part, counts)) for name, part in tokens.items()}
    return wide | {PART_LENGTHS: ragged.from_lengths(lengths, counts)}


def pad_parts(packer, tokens, *, multiple_of=None, parts=None, few_shapes=False):
    """Wide rows to a batch.

    Args: packer: BertPacker. tokens: what side_by_side gives. multiple_of: see BertPacker.pad. parts: how many an example has room for,
        where shapes are static; None: as many as the greatest number in the batch. few_shapes: round that up, by an eighth at most, to one
        of few numbers: each new number of the network's rows costs XLA a compilation.
    Returns: dict of int32 [examples, parts * length], and features.PART_MASK [examples, parts].
    """
    lengths = tokens[PART_LENGTHS]
    single = {name: ragged.from_lengths(part.values, lengths.values) for name, part in tokens.items() if name != PART_LENGTHS}
    padded = packer.pad(single, multiple_of=multiple_of)  # [parts of all, length]
    counts = lengths.row_lengths()
    most = tf.constant(parts, tf.int64) if parts is not None else tf.maximum(lengths.bounding_shape(axis=1), 1)
    most = _rounded_up(most) if few_shapes and parts is None else most
    length = tf.shape(padded[features.INPUT_IDS], tf.int64)[1]
    wide = {}
    for name, part in padded.items():
        padding = packer.tokenizer.pad_id if name == features.INPUT_IDS else 0
        places = tf.stack([ragged.row_ids(lengths), tf.ragged.range(counts).values], axis=1)
        empty = tf.fill(tf.stack([tf.size(counts, tf.int64), most, length]), tf.constant(padding, part.dtype))
        wide[name] = tf.reshape(tf.tensor_scatter_nd_update(empty, places, part), tf.stack([-1, most * length]))
    wide[features.PART_MASK] = tf.sequence_mask(counts, most, dtype=tf.int32)
    if parts is not None and packer.pad_to_multiple_of is None:
        wide = {
            name: tf.ensure_shape(part, [None, parts if name == features.PART_MASK else parts * packer.max_length])
            for name, part in wide.items()
        }
    return wide


def _rounded_up(count):
    """A count up to 16 as it is, up to 32 to a multiple of 2, up to 64 of 4, ... Args, Returns: int64 scalar."""
    step = tf.constant(1, tf.int64)
    for most in (16, 32, 64, 128, 256):
        step = tf.where(count > most, tf.constant(most // 8, tf.int64), step)
    return count + -count % step


def padded_lengths(packer, tokens, *, multiple_of=None):
    """Slots that each example takes in a batch. Args: as pad_parts. Returns: int32 [examples]."""
    lengths = tokens[PART_LENGTHS]
    longest = packer.round_up(tf.cast(tf.reduce_max(lengths, axis=1), tf.int32), multiple_of=multiple_of)
    return longest * tf.maximum(tf.cast(lengths.row_lengths(), tf.int32), 1)


def split_parts(inputs):
    """A batch of wide rows as the network reads it. Args: inputs: model inputs; without features.PART_MASK they come back as they are.
    Returns: dict of int32 [examples * parts, length].
    """
    if features.PART_MASK not in inputs:
        return inputs
    examples, parts = tf.unstack(tf.shape(inputs[features.PART_MASK]))
    result = {}
    for name in features.UNPACKED:
        part, known = inputs[name], inputs[features.PART_MASK].shape[1]
        width = None if known is None or part.shape[1] is None else part.shape[1] // known
        rows = tf.reshape(part, tf.stack([examples * parts, tf.shape(part)[1] // parts]))
        result[name] = tf.ensure_shape(rows, [None, width])
    return result


def scores_of_parts(outputs, mask):
    """Args: outputs: [examples * parts, scores]. mask: PART_MASK. Returns: [examples, parts, scores]."""
    return tf.reshape(outputs, tf.stack([tf.shape(mask)[0], tf.shape(mask)[1], tf.shape(outputs)[-1]]))


def join_windows(outputs, mask, join):
    """Logits of windows to those of their text.

    Args: outputs: float [examples * windows, scores]. mask: PART_MASK. join: MEAN or MAX, over the windows that there are.
    Returns: float [examples, scores].
    """
    scores, is_there = scores_of_parts(outputs, mask), tf.cast(mask, tf.bool)[:, :, None]
    if join == MAX:
        joined = tf.reduce_max(tf.where(is_there, scores, scores.dtype.min), axis=1)
    else:
        count = tf.reduce_sum(tf.cast(is_there, scores.dtype), axis=1)
        joined = tf.math.divide_no_nan(tf.reduce_sum(tf.where(is_there, scores, 0.0), axis=1), count)
    return tf.ensure_shape(joined, [None, outputs.shape[-1]])
