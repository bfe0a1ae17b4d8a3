"""Spans of words that tags mark, such as entities, found in the graph; and where they stand in the text."""

from typing import NamedTuple

import tensorflow as tf

from keras_bert.preprocessing.word_pieces import ENDS, STARTS, TEXT
from keras_bert.text import characters_from_bytes, ragged

_MOST_ACCENT_BYTES = 32  # looked at behind a span


class Spans(NamedTuple):
    """What was found.

    Args:
        starts, ends: int32 [sentences, spans], words, both included; 0 beyond counts.
        types: int32 [sentences, spans]; -1 beyond counts.
        counts: int32 [sentences].
    """

    starts: tf.Tensor
    ends: tf.Tensor
    types: tf.Tensor
    counts: tf.Tensor

    @property
    def mask(self):
        """Which are spans, and not padding: bool [sentences, spans]."""
        return tf.sequence_mask(self.counts, tf.shape(self.starts)[1])


def find_spans(ids, mask, tables):
    """The spans of sentences' tags, by conlleval's rules.

    Args: ids: int32 [sentences, words]. mask: bool like it, True on words. tables: tags.ChunkTables.
    Returns: Spans.
    """
    beyond = len(tables.type_ids)
    inner = tf.where(mask, ids, beyond)
    edge = tf.fill([tf.shape(ids)[0], 1], beyond)
    before, after = tf.concat([edge, inner[:, :-1]], axis=1), tf.concat([inner[:, 1:], edge], axis=1)
    is_start = mask & tf.gather(tables.starts.reshape(-1), before[:, : tf.shape(ids)[1]] * (beyond + 1) + inner)
    is_end = mask & tf.gather(tables.ends.reshape(-1), inner * (beyond + 1) + after[:, : tf.shape(ids)[1]])
    places = tf.broadcast_to(tf.range(tf.shape(ids)[1]), tf.shape(ids))
    starts = tf.ragged.boolean_mask(places, is_start)
    types = tf.gather(tables.type_ids, tf.ragged.boolean_mask(ids, is_start))
    ends = tf.ragged.boolean_mask(places, is_end)
    return Spans(starts.to_tensor(0), ends.to_tensor(0), types.to_tensor(-1), tf.cast(starts.row_lengths(), tf.int32))


def mean_over(values, spans):
    """The mean of words' values over each span. Args: values: float32 [sentences, words]. Returns: float32 [sentences, spans]."""
    counted = tf.pad(tf.cumsum(tf.cast(values, tf.float64), axis=1), [[0, 0], [1, 0]])  # float32 would lose digits over 5,000 words
    total = tf.gather(counted, spans.ends + 1, batch_dims=1) - tf.gather(counted, spans.starts, batch_dims=1)
    return tf.cast(total / tf.cast(spans.ends - spans.starts + 1, tf.float64), tf.float32)


def words_of(facts, shape):
    """The words as they stand in the text.

    Args: facts: see word_pieces, or (). shape: int32 [2]. Returns: string of this shape, [sentences, words], padded with "".
    """
    if facts == ():
        return tf.fill(shape, "")
    return _slices(facts[TEXT], *(facts[name].to_tensor(0, shape=shape) for name in (STARTS, ENDS)))


def place_spans(spans, facts):
    """Where spans stand in the text. A span ends with the accents of its last letter, which no piece may hold.

    Args: facts: see word_pieces, or (): nothing is known of the text.
    Returns: text: string [sentences, spans]; start, end: int32 like it, characters; "" and -1 where nothing is known; "" and 0 in padding.
    """
    if facts == ():
        unknown = tf.where(spans.mask, -1, 0)
        return tf.fill(tf.shape(spans.starts), ""), unknown, unknown
    real = spans.mask
    first = tf.where(real, tf.gather(_rectangle(facts[STARTS]), spans.starts, batch_dims=1), 0)
    last = tf.where(real, tf.gather(_rectangle(facts[ENDS]), spans.ends, batch_dims=1), 0)
    last = tf.where(real, last + _accent_bytes(facts[TEXT], last), 0)
    bounds = tf.RaggedTensor.from_tensor(tf.concat([first, last], axis=1))
    characters = tf.cast(characters_from_bytes(facts[TEXT], bounds).to_tensor(0), tf.int32)
    characters = tf.reshape(characters, tf.shape(bounds.to_tensor(0)))
    start, end = tf.split(characters, 2, axis=1)
    return _slices(facts[TEXT], first, last), start, end  # padding is 0 to 0


def _rectangle(ragged):
    """Padded with 0, one column at least: padding of spans points there."""
    return ragged.to_tensor(0, shape=tf.stack([-1, tf.maximum(ragged.bounding_shape(axis=1), 1)]))


def _accent_bytes(text, ends):
    """Bytes of the combining accents behind places. Args: text: string [sentences]. ends: int64 [sentences, places]. Returns: like ends."""
    limits = tf.minimum(ends + _MOST_ACCENT_BYTES, tf.cast(tf.strings.length(text), ends.dtype)[:, None])
    behind = _slices(text, ends, limits)
    rest = tf.strings.regex_replace(behind, r"^\p{Mn}+", "")  # the last letter may be cut, which the expression must not mind
    return tf.cast(tf.strings.length(behind) - tf.strings.length(rest), ends.dtype)


def _slices(text, starts, ends):
    """Args: text: string [sentences]. starts, ends: integers [sentences, slices], bytes. Returns: string like these.

    Put together of bytes: tf.strings.substr would want a copy of the whole text for each slice, gigabytes of a long one.
    """
    letters = tf.strings.bytes_split(text)
    bases = letters.row_starts()[:, None]
    first, stop = (tf.reshape(tf.cast(part, tf.int64) + bases, [-1]) for part in (starts, ends))
    slices = tf.gather(letters.values, tf.ragged.range(first, stop))
    return tf.reshape(ragged.joined(slices), tf.shape(starts))
