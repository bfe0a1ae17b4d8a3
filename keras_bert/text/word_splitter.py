"""Normalised text to WordPiece ids, by tensorflow-text (Song et al. 2021, "Fast WordPiece Tokenization")."""

import unicodedata

import tensorflow as tf
import tensorflow_text

from keras_bert.text import ragged
from keras_bert.text import vocabulary as vocabulary_lib

CONTINUATION = "##"  # begins a piece that does not begin a word

_ASCII_PUNCTUATION = r"!-/:-@\[-`{-~"
_CJK_COMMON = r"\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}"
_CJK_RARE = r"\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{2F800}-\x{2FA1F}"
_PUNCTUATION_CHARACTER = rf"[\p{{P}}{_ASCII_PUNCTUATION}]"
CHINESE_CHARACTER = rf"[{_CJK_COMMON}{_CJK_RARE}]"
ONE_CHARACTER_WORD = rf"[\p{{P}}{_ASCII_PUNCTUATION}{_CJK_COMMON}{_CJK_RARE}]"
# Supersets of what makes up a word, small enough that RE2 counts hundreds of them in its automaton.
_MAYBE_IN_WORD = rf"[^ {_ASCII_PUNCTUATION}{_CJK_COMMON}]"
_MAYBE_IN_WORD_WITH_CJK = rf"[^ {_ASCII_PUNCTUATION}]"

_SEPARATOR = "\x01"  # no normalised text holds it

MAX_PIECE_BYTES = 256


class WordSplitter:
    """Splits text into words, at white space, punctuation and Chinese characters, and words into pieces, the longest first.

    Args: vocabulary: list of the pieces. max_word_characters, tokenize_chinese_chars: see BertTokenizer.
    Raises: ValueError on a vocabulary that tensorflow-text cannot use.
    """

    def __init__(self, vocabulary, *, max_word_characters, tokenize_chinese_chars):
        _check_lengths(vocabulary)
        self.vocabulary = vocabulary
        self.max_word_characters = max_word_characters
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self.mark = _letter_in_no_piece(vocabulary)
        maybe = _MAYBE_IN_WORD if tokenize_chinese_chars else _MAYBE_IN_WORD_WITH_CJK
        self._too_long_maybe = f"(?s).*{maybe}{{{max_word_characters}}}{maybe}.*"  # in two: RE2 repeats 1000 times at most
        arguments = {
            "token_out_type": tf.int32,
            "unknown_token": vocabulary_lib.UNK,
            "max_bytes_per_word": 4 * max_word_characters,  # the characters are counted here; a character is at most 4 bytes
        }
        try:
            # FastBertTokenizer would normalise once more, and change nothing.
            whole_words = not tokenize_chinese_chars
            self._word_pieces = tensorflow_text.FastWordpieceTokenizer(vocabulary, no_pretokenization=whole_words, **arguments)
        except RuntimeError as error:
            raise ValueError(f"tensorflow-text cannot use this vocabulary of {len(vocabulary)} pieces: {error}") from error

    def split(self, strings, *, offsets):
        """Split normalised texts.

        Args: strings: string tensor [batch], valid UTF-8, its only white space the space. offsets: whether they are wanted.
        Returns: ids: int32 tf.RaggedTensor [batch, (pieces)]; with offsets ids, starts, ends: bytes of the strings.
        """
        marked = self._mark_long_words(strings)
        if self.tokenize_chinese_chars:
            return self._word_pieces.tokenize_with_offsets(marked) if offsets else self._word_pieces.tokenize(marked)
        words, word_starts = self._words(marked)
        if not offsets:
            return ragged.merged(self._word_pieces.tokenize(words))
        ids, starts, ends = self._word_pieces.tokenize_with_offsets(words)
        base = tf.gather(word_starts.values, ragged.row_ids(starts.values))
        starts, ends = (part.with_flat_values(tf.cast(part.flat_values, tf.int64) + base) for part in (starts, ends))
        return tuple(ragged.merged(part) for part in (ids, starts, ends))

    def _words(self, strings):
        """Normalised strings -> words between spaces and punctuation, each punctuation character a word, and their first bytes."""
        words, starts, _ = tensorflow_text.regex_split_with_offsets(
            strings, rf"( |{_PUNCTUATION_CHARACTER})", keep_delim_regex_pattern=_PUNCTUATION_CHARACTER
        )
        return words, tf.cast(starts, tf.int64)

    def _mark_long_words(self, strings):
        """Overwrite each word over the limit with as many bytes, a letter of no vocabulary piece among them: it becomes [UNK].

        Words that long are rare, and a regular expression sees in one cheap pass that a batch may have none.
        """

        def mark():
            alone = ONE_CHARACTER_WORD if self.tokenize_chinese_chars else _PUNCTUATION_CHARACTER
            parted = tf.strings.regex_replace(strings, f"( |{alone})", rf"{_SEPARATOR}\1{_SEPARATOR}")
            places, words, _ = tf.raw_ops.StringSplitV2(input=parted, sep=_SEPARATOR)
            too_long = tf.strings.length(words, unit="UTF8_CHAR") > self.max_word_characters
            marks = tf.strings.regex_replace(tf.strings.regex_replace(words, r"\C", "x"), "^xx", self.mark)
            return tf.strings.unsorted_segment_join(tf.where(too_long, marks, words), places[:, 0], tf.size(strings))

        maybe = tf.reduce_any(tf.strings.regex_full_match(strings, self._too_long_maybe))
        return tf.cond(maybe, mark, lambda: strings)


def _check_lengths(vocabulary):
    for index, piece in enumerate(vocabulary):
        count = len(piece.removeprefix(CONTINUATION).encode("utf-8"))
        if count > MAX_PIECE_BYTES:
            raise ValueError(f"piece {index}, {piece[:20]!r}..., takes {count} bytes; tensorflow-text takes {MAX_PIECE_BYTES} at most")


def _letter_in_no_piece(vocabulary):
    """A letter of two bytes, the fewest that a word over a limit can have, that occurs in no piece: a word with it is [UNK]."""
    used = set().union(*vocabulary)
    for point in range(0x7FF, 0x7F, -1):
        if chr(point) not in used and unicodedata.category(chr(point)) == "Lo":
            return chr(point)
    raise ValueError("the pieces of the vocabulary hold every letter of U+0080 to U+07FF; one must be free to mark long words")
