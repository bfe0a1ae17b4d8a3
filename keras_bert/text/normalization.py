"""BERT's cleaning of text, in TensorFlow ops, and the way from a cleaned text back to the text as it was given.

tensorflow-text's own lower-casing is NFKC case folding, which is not BERT's, so the text is normalised here, step by step as
google-research's BasicTokenizer does it.
"""

import functools
import sys

import numpy as np
import tensorflow as tf
import tensorflow_text

from keras_bert.text import ragged

# Tab, line ends and \p{Zs} but the space itself, which would be replaced, at some cost, by itself. U+2028 and U+2029 are kept
# by google-research's _clean_text but Python's str.split breaks words there.
_OTHER_WHITESPACE = r"[\t\n\r\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
_CONTROL = r"[\p{Cc}\p{Cf}\x{FFFD}]"
_ACCENT = r"\p{Mn}"
_BYTE_FOR_BYTE = r"[\t\n\r -~]*"
# Written out: for one range that spans the surrogates, RE2 takes bytes that are none of these.
_VALID_UTF8 = r"[\x{0}-\x{7F}\x{80}-\x{7FF}\x{800}-\x{D7FF}\x{E000}-\x{FFFF}\x{10000}-\x{10FFFF}]*"


class Normalizer:
    """Clean text and, as asked, lower-case it and strip its accents.

    White space becomes the space, control and format characters go, bytes that are not UTF-8 are dropped.

    Args:
        lower_case: lower-case, in no locale's way.
        strip_accents: decompose (NFD) and delete combining marks; None: where lower_case is, as google-research does.
    Source: google-research/bert tokenization.py BasicTokenizer; `strip_accents` is Transformers'.
    """

    def __init__(self, *, lower_case=True, strip_accents=None):
        self.lower_case = bool(lower_case)
        self.strip_accents = self.lower_case if strip_accents is None else bool(strip_accents)

    def __call__(self, strings):
        """Args: strings: string tensor of any shape. Returns: string tensor of that shape, valid UTF-8, its only white space the space."""
        strings = _without_invalid_utf8(strings)
        strings = tf.strings.regex_replace(strings, _OTHER_WHITESPACE, " ")
        strings = tf.strings.regex_replace(strings, _CONTROL, "")
        if self.lower_case:
            # tf.strings.lower follows the locale of the process: a Turkish one makes "I" a dotless i. Done before, it cannot.
            # The dot that "İ" leaves above its i is an accent: where accents stay it is written out.
            if self.strip_accents:
                strings = tf.strings.regex_replace(strings, "[I\u0130]", "i")
            else:
                strings = tf.strings.regex_replace(tf.strings.regex_replace(strings, "I", "i"), "\u0130", "i\u0307")
            strings = tf.strings.lower(strings, encoding="utf-8")
        if self.strip_accents:
            strings = self._without_accents(strings)
        return strings

    def _without_accents(self, strings):
        """Decompose (NFD), and delete combining marks."""
        return tf.strings.regex_replace(tensorflow_text.normalize_utf8(strings, "NFD"), _ACCENT, "")

    def with_offsets(self, strings):
        """Normalize, and give the way back.

            normalized, to_original = normalizer.with_offsets(["ÉTÉ  x"])      # normalized: "ete  x"
            to_original(starts, ends)                                           # bytes 0 to 3 there are bytes 0 to 5 here

        Args: strings: string tensor [batch].
        Returns:
            normalized: string tensor [batch].
            to_original: function of starts, ends (integer tf.RaggedTensors [batch, (spans)], bytes of the normalized strings,
                no span empty) to the same in bytes of `strings`, int64: from where the character that gave the first byte
                starts to where the one that gave the last byte ends.
        """
        # Of printable ASCII a byte stays a byte. The other rows are looked into, and most text has few.
        rows = tf.where(tf.logical_not(tf.strings.regex_full_match(strings, _BYTE_FOR_BYTE)))[:, 0]
        code_points, character_starts = tf.strings.unicode_decode_with_offsets(tf.gather(strings, rows), "UTF-8", errors="ignore")
        lengths = tf.gather(tf.constant(_normalized_lengths(self.lower_case, self.strip_accents)), code_points.values)
        # Positions in all these rows' normalized strings, joined: what lies in a row is found without going row by row.
        ends_of_characters = tf.cumsum(tf.cast(lengths, tf.int32))
        positions = ends_of_characters - tf.cast(lengths, tf.int32)
        row_positions = tf.gather(tf.concat([[0], ends_of_characters], axis=0), code_points.row_starts())

        def to_original(starts, ends):
            spans = tf.ragged.range(tf.gather(starts.row_starts(), rows), tf.gather(starts.row_limits(), rows))  # of the other rows
            bases = tf.gather(row_positions, ragged.row_ids(spans))

            def character_at(bytes_):
                # The last character at or before a byte: those that became nothing share their position with the next, and lose.
                return tf.searchsorted(positions, tf.cast(bytes_, tf.int32) + bases, side="right") - 1

            first = character_at(tf.gather(starts.values, spans.values))
            last = character_at(tf.gather(ends.values, spans.values) - 1)
            original_starts = tf.gather(character_starts.values, first)
            original_ends = tf.gather(character_starts.values, last) + utf8_lengths(tf.gather(code_points.values, last))

            def with_originals(part, originals):
                values = tf.tensor_scatter_nd_update(tf.cast(part.values, tf.int64), spans.values[:, None], originals)
                return part.with_values(values)

            return with_originals(starts, original_starts), with_originals(ends, original_ends)

        return self(strings), to_original


def _without_invalid_utf8(strings):
    # Decoding and encoding costs ten times as much as seeing that there is nothing to drop.
    return tf.cond(
        tf.reduce_all(tf.strings.regex_full_match(strings, _VALID_UTF8)),
        lambda: strings,
        lambda: tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="ignore"),
    )


@functools.lru_cache(maxsize=4)
def _normalized_lengths(lower_case, strip_accents):
    """Bytes that each code point becomes. Returns: uint8 NumPy array [0x110000].

    Made by the very ops that normalize, so that the two agree in every version of Unicode. What a character becomes may hang
    on its neighbours (the last sigma of a word), but not how many bytes that is.
    """
    points = np.array([point for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF], "int32")
    with tf.init_scope():  # once and for all, not in the graph that is being traced
        singles = tf.strings.unicode_encode(points[:, None], "UTF-8")
        lengths = tf.strings.length(Normalizer(lower_case=lower_case, strip_accents=strip_accents)(singles)).numpy()
    table = np.zeros(sys.maxunicode + 1, "uint8")
    table[points] = lengths
    return table


def utf8_lengths(code_points):
    """Bytes of each code point in UTF-8. Args: int32 tensor. Returns: int64 tensor."""
    longer = [tf.cast(code_points >= limit, tf.int64) for limit in (0x80, 0x800, 0x10000)]
    return 1 + tf.add_n(longer)
