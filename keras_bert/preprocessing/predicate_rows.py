"""A row for each predicate, of the sentence or of the part of it around the predicate, which is marked. Core TensorFlow operations."""

from typing import NamedTuple

import tensorflow as tf

from keras_bert import features
from keras_bert.text import ragged


class PredicateRows(NamedTuple):
    """Rows of predicates, in their order.

    Args:
        tokens: dict of int32 tf.RaggedTensor [predicates, (tokens)], word_positions [predicates, (words)] among them.
        words: int64 tf.RaggedTensor [predicates, (words)]: the words that a row holds, numbered in their sentence.
    """

    tokens: dict
    words: tf.RaggedTensor


def longest_segment(room):
    """Pieces of a predicate that are shown as second segment at most. Returns: int."""
    return room // 4


def sentence_room(room, *, segment):
    """Pieces of a sentence that have room in every predicate's row. Args: room: pieces of a row, all but [CLS] and [SEP]. Returns: int."""
    return room - 1 - longest_segment(room) if segment else room


def predicate_rows(packer, pieces, predicates, *, type_vocab_size, segment):
    """Make the rows.

        [CLS] we go to the party [SEP]              the predicate "go"
          0   0  1  0   0    0     0                token types: 1 marks its pieces
        [CLS] we go to the party [SEP] go [SEP]     with segment: it stands once more behind, as a second text
          0   0  1  0   0    0     0   1    1

    A sentence that has no room in a row is cut to the part that has, with as much before the predicate as behind it, or more on one side
    where the sentence ends on the other.

    Args:
        packer: BertPacker.
        pieces: int32 tf.RaggedTensor [sentences, (words), (pieces)]; each word has one or more, and where the sentence has more than
            sentence_room, no more than half of a row.
        predicates: int64 tf.RaggedTensor [sentences, (predicates)], words.
        type_vocab_size: the encoder's; with 1 all token types are 0, so that only the second segment tells the predicate.
        segment: whether the predicate stands behind the sentence once more; of its pieces the first longest_segment.
    Returns: PredicateRows.
    Source: the second segment, Shi & Lin 2019; the mark, their indicator embedding, here by BERT's own token types.
    """
    words = pieces.values  # [words of all, (pieces)]
    lengths = words.row_lengths()
    ends = tf.cumsum(lengths)
    firsts = ends - lengths
    bounds = tf.concat([[0], ends], axis=0)
    sentence = ragged.row_ids(predicates)
    first_of_sentence = tf.gather(pieces.row_starts(), sentence)
    begin, stop = (tf.gather(bounds, place) for place in (first_of_sentence, tf.gather(pieces.row_limits(), sentence)))
    predicate = first_of_sentence + predicates.values
    own, own_start, own_end = (tf.gather(part, predicate) for part in (lengths, firsts, ends))
    room = tf.constant(packer.max_length - 2, tf.int64)
    shown = tf.minimum(own, longest_segment(packer.max_length - 2))
    room = room - 1 - shown if segment else room
    # Cut in the middle of what is over; the row begins at a word.
    start = tf.minimum(own_start - (room - own) // 2, stop - room)
    first = tf.cast(tf.searchsorted(firsts, tf.maximum(start, begin), "left"), tf.int64)
    start = tf.gather(bounds, first)
    last = tf.cast(tf.searchsorted(ends, tf.minimum(start + room, stop), "right"), tf.int64)  # the first that is not whole in the row
    numbers = tf.ragged.range(start, tf.gather(bounds, last))
    of = ragged.row_ids(numbers)
    is_own = (numbers.values >= tf.gather(own_start, of)) & (numbers.values < tf.gather(own_end, of))
    marks = numbers.with_values(tf.cast(is_own, tf.int32))
    second = tf.gather(words.values, tf.ragged.range(own_start, own_start + shown)) if segment else None
    tokens = packer.join(tf.gather(words.values, numbers), second)
    rows = tf.size(predicate, tf.int64)
    special = ragged.column(0, rows)
    types = [special, marks, special, *([tf.ones_like(second), special + 1] if segment else [])]
    types = ragged.side_by_side(*types)
    tokens[features.TOKEN_TYPE_IDS] = types if type_vocab_size > 1 else tf.zeros_like(types)
    held = tf.ragged.range(first, last)
    row = ragged.row_ids(held)
    tokens[features.WORD_POSITIONS] = held.with_values(tf.cast(tf.gather(firsts, held.values) - tf.gather(start, row), tf.int32) + 1)
    return PredicateRows(tokens, held.with_values(held.values - tf.gather(first_of_sentence, row)))
