"""A token a word, words being what white space parts, in TensorFlow ops: for text that is split already, logs, or codes."""

import numpy as np
import tensorflow as tf

from keras_bert.text import ragged
from keras_bert.text import vocabulary as vocabulary_lib
from keras_bert.text.normalization import Normalizer
from keras_bert.text.tokenizer import Tokenizer, characters_from_bytes

# What Python's str.split parts words at, by bytes in UTF-8.
_SPACE_1 = r"[\t-\r\x1C-\x20]"
_SPACE_2 = r"[\x{85}\x{A0}]"
_SPACE_3 = r"[\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"


class WhitespaceTokenizer(Tokenizer):
    """Text to ids, one for each word between white space, as Python's str.split sees white space.

        WhitespaceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "error", "E-42"]).tokenize(["error  E-42!"])    # [[4, 1]]

    A word that is no piece is [UNK], and so is a word "[CLS]" or "[MASK]": a text cannot write special tokens. Bytes that
    are not UTF-8 are dropped.

    Args:
        vocabulary: path of a vocab.txt, or the list of its pieces, each a whole word.
        lower_case: lower-case words, accents kept; control and format characters go then, and a word of only those with them.
    Raises: ValueError where the vocabulary cannot be used.
    """

    def __init__(self, vocabulary, *, lower_case=False):
        vocabulary = vocabulary_lib.as_vocabulary(vocabulary)
        super().__init__(vocabulary)
        self.lower_case = bool(lower_case)
        self._normalizer = Normalizer(lower_case=True, strip_accents=False) if self.lower_case else None
        # Constants, which a graph keeps: a lookup table would be a resource that whoever saves must track. That two pieces of a
        # million share a hash happens once in ten million vocabularies; one of them would then read [UNK].
        with tf.init_scope():
            hashes = _hash(tf.constant(vocabulary)).numpy()
        self._by_hash = np.argsort(hashes, kind="stable").astype("int32")
        self._hashes = hashes[self._by_hash]
        special = {self.PAD, self.UNK, self.CLS, self.SEP, self.MASK}
        self._written_ids = np.array([self.unk_id if piece in special else index for index, piece in enumerate(vocabulary)], "int32")

    @property
    def starts_word(self):
        return np.ones(self.vocabulary_size, "bool")

    def _split(self, strings, *, offsets):
        cleaned = tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="ignore")
        if not offsets:
            return self._kept_words(tf.strings.split(tf.strings.regex_replace(cleaned, f"{_SPACE_1}|{_SPACE_2}|{_SPACE_3}", " ")))
        # As many bytes as before, so that words stay where they are; and split at every one, so that lengths tell where that is.
        # (tensorflow_text.regex_split_with_offsets would do, but it ends a string at its first NUL.)
        spaced = tf.strings.regex_replace(cleaned, _SPACE_1, " ")
        spaced = tf.strings.regex_replace(spaced, _SPACE_2, "  ")
        spaced = tf.strings.regex_replace(spaced, _SPACE_3, "   ")
        words = tf.strings.split(spaced, " ")
        lengths = tf.cast(tf.strings.length(words.values), tf.int64)
        positions = tf.cumsum(lengths + 1, exclusive=True)  # + 1: the space
        starts = positions - tf.gather(tf.concat([positions, [0]], axis=0), tf.gather(words.row_starts(), ragged.row_ids(words)))
        words, starts, ends = (
            ragged.masked(words.with_values(part), words.values != "") for part in (words.values, starts, starts + lengths)
        )
        starts, ends = tf.cond(
            tf.reduce_all(cleaned == strings),
            lambda: (starts.values, ends.values),
            lambda: _to_given(strings, cleaned, starts, ends),
        )
        return self._kept_words(words, words.with_values(starts), words.with_values(ends))

    def _kept_words(self, words, *spans):
        """Words to ids, and what goes with them, without the words that normalization leaves nothing of."""
        if self._normalizer is not None:
            words = words.with_values(self._normalizer(words.values))
            kept = words.values != ""
            words, *spans = (ragged.masked(part, kept) for part in (words, *spans))
        ids = words.with_values(self._look_up(words.values))
        return (ids, *spans) if spans else ids

    def _look_up(self, words):
        place = tf.searchsorted(tf.constant(self._hashes), _hash(words), side="left")
        candidate = tf.gather(tf.constant(self._by_hash), tf.minimum(place, self.vocabulary_size - 1))
        known = words == tf.gather(tf.constant(self.vocabulary), candidate)  # another word may have a piece's hash
        return tf.where(known, tf.gather(tf.constant(self._written_ids), candidate), self.unk_id)

    def in_core_ops(self):
        return self  # it has no others: accents are kept

    def settings(self):
        return {"lower_case": self.lower_case}


def _hash(words):
    """Returns: int64 tensor like words; the same on every machine and in every version of TensorFlow."""
    return tf.strings.to_hash_bucket_fast(words, 2**63 - 1)


def _to_given(strings, cleaned, starts, ends):
    """Values of spans in the cleaned strings -> in the strings as given, which have bytes more that are not UTF-8."""
    _, given = tf.strings.unicode_decode_with_offsets(strings, "UTF-8", errors="ignore")
    _, here = tf.strings.unicode_decode_with_offsets(cleaned, "UTF-8", errors="ignore")  # the same characters, row by row
    row_base = tf.gather(here.row_starts(), ragged.row_ids(starts))
    first = characters_from_bytes(cleaned, starts).values + row_base
    last = characters_from_bytes(cleaned, ends).values - 1 + row_base
    last_length = ends.values - tf.gather(here.values, last)
    return tf.gather(given.values, first), tf.gather(given.values, last) + last_length
