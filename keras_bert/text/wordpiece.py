"""WordPiece exactly as google-research/bert defines it, in TensorFlow ops: the same code runs eagerly, in tf.data and in a SavedModel.

The text is normalised by keras_bert.text.normalization, and tensorflow-text splits it (Song et al. 2021, "Fast WordPiece
Tokenization").
"""

import unicodedata

import numpy as np
import tensorflow as tf
import tensorflow_text

from keras_bert.text import vocabulary as vocabulary_lib
from keras_bert.text.normalization import Normalizer
from keras_bert.text.tokenizer import Tokenizer

CONTINUATION = "##"  # begins a piece that does not begin a word

_ASCII_PUNCTUATION = r"!-/:-@\[-`{-~"
_CJK_COMMON = r"\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}"
_CJK_RARE = r"\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{2F800}-\x{2FA1F}"
_PUNCTUATION_CHARACTER = rf"[\p{{P}}{_ASCII_PUNCTUATION}]"
ONE_CHARACTER_WORD = rf"[\p{{P}}{_ASCII_PUNCTUATION}{_CJK_COMMON}{_CJK_RARE}]"
# Supersets of what makes up a word, small enough that RE2 counts hundreds of them in its automaton.
_MAYBE_IN_WORD = rf"[^ {_ASCII_PUNCTUATION}{_CJK_COMMON}]"
_MAYBE_IN_WORD_WITH_CJK = rf"[^ {_ASCII_PUNCTUATION}]"

_SEPARATOR = "\x01"  # no normalised text holds it

MAX_PIECE_BYTES = 256
MAX_WORD_CHARACTERS_LIMIT = 1000  # RE2 repeats a pattern at most 1000 times


class BertTokenizer(Tokenizer):
    """Text to WordPiece ids, exactly google-research/bert's FullTokenizer.

    "[MASK]" or "[SEP]" in a text is ordinary text: brackets and a word. Bytes that are not UTF-8 are dropped. Code points
    which the Unicode versions of Python and of TensorFlow's ICU class differently are the only difference.

    Args:
        vocabulary: path of a vocab.txt, or the list of its pieces.
        lower_case: lower-case and strip accents, as uncased checkpoints want.
        max_word_characters: a longer word becomes [UNK]; characters, not bytes, counted after normalisation. google-research
            and the default: 200; Transformers: 100; Model Garden's FullTokenizer: 400.
        strip_accents: strip accents; None: where lower_case is. As in Transformers' tokenizer_config.json.
        tokenize_chinese_chars: make every Chinese character a word of its own. As in Transformers' tokenizer_config.json.
    Raises: ValueError where the vocabulary or a limit cannot be used.
    Source: google-research/bert tokenization.py.
    """

    def __init__(self, vocabulary, *, lower_case=True, max_word_characters=200, strip_accents=None, tokenize_chinese_chars=True):
        vocabulary = vocabulary_lib.as_vocabulary(vocabulary)
        if isinstance(max_word_characters, bool) or not 1 <= max_word_characters <= MAX_WORD_CHARACTERS_LIMIT:
            raise ValueError(f"max_word_characters={max_word_characters!r} is not in 1 to {MAX_WORD_CHARACTERS_LIMIT}")
        _check_lengths(vocabulary)
        super().__init__(vocabulary)
        self.lower_case = bool(lower_case)
        self.strip_accents = None if strip_accents is None else bool(strip_accents)
        self.tokenize_chinese_chars = bool(tokenize_chinese_chars)
        self.max_word_characters = int(max_word_characters)
        self._normalizer = Normalizer(lower_case=lower_case, strip_accents=strip_accents)
        self._mark = _letter_in_no_piece(vocabulary)
        maybe = _MAYBE_IN_WORD if self.tokenize_chinese_chars else _MAYBE_IN_WORD_WITH_CJK
        self._too_long_maybe = f"(?s).*{maybe}{{{self.max_word_characters}}}{maybe}.*"  # in two: RE2 repeats 1000 times at most
        arguments = {
            "token_out_type": tf.int32,
            "unknown_token": vocabulary_lib.UNK,
            "max_bytes_per_word": 4 * self.max_word_characters,  # the characters are counted here; a character is at most 4 bytes
        }
        try:
            if self.tokenize_chinese_chars:
                self._word_pieces = tensorflow_text.FastBertTokenizer(vocabulary, lower_case_nfd_strip_accents=False, **arguments)
            else:
                self._word_pieces = tensorflow_text.FastWordpieceTokenizer(vocabulary, no_pretokenization=True, **arguments)
        except RuntimeError as error:
            raise ValueError(f"tensorflow-text cannot use this vocabulary of {len(vocabulary)} pieces: {error}") from error

    def normalize(self, strings):
        """Clean and, for uncased vocabularies, lower-case and strip accents; see Normalizer.

        Args: strings: string tensor of any shape.
        Returns: string tensor of that shape, valid UTF-8, whose only white space is the space.
        """
        return self._normalizer(strings)

    @property
    def starts_word(self):
        return np.array([not piece.startswith(CONTINUATION) for piece in self.vocabulary])

    def _split(self, strings, *, offsets):
        if not offsets:
            strings = self._mark_long_words(self.normalize(strings))
            if self.tokenize_chinese_chars:
                return self._word_pieces.tokenize(strings)
            return self._word_pieces.tokenize(self._words(strings)[0]).merge_dims(1, 2)
        normalized, to_original = self._normalizer.with_offsets(strings)
        marked = self._mark_long_words(normalized)
        if self.tokenize_chinese_chars:
            ids, starts, ends = self._word_pieces.tokenize_with_offsets(marked)
        else:
            words, word_starts = self._words(marked)
            ids, starts, ends = self._word_pieces.tokenize_with_offsets(words)
            base = tf.gather(word_starts.values, starts.values.value_rowids())
            starts, ends = (part.with_flat_values(tf.cast(part.flat_values, tf.int64) + base) for part in (starts, ends))
            ids, starts, ends = (part.merge_dims(1, 2) for part in (ids, starts, ends))
        return ids, *to_original(starts, ends)

    def _words(self, strings):
        """Normalised strings -> words between spaces and punctuation, each punctuation character a word, and their first bytes."""
        words, starts, _ = tensorflow_text.regex_split_with_offsets(
            strings, rf"( |{_PUNCTUATION_CHARACTER})", keep_delim_regex_pattern=_PUNCTUATION_CHARACTER
        )
        return words, tf.cast(starts, tf.int64)

    def detokenize(self, ids):
        return tf.strings.regex_replace(super().detokenize(ids), f" {CONTINUATION}", "")

    def settings(self):
        return {
            "lower_case": self.lower_case,
            "max_word_characters": self.max_word_characters,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": self.tokenize_chinese_chars,
        }

    def _mark_long_words(self, strings):
        """Overwrite each word over the limit with as many bytes, a letter of no vocabulary piece among them: it becomes [UNK].

        Words that long are rare, and a regular expression sees in one cheap pass that a batch may have none.
        """

        def mark():
            alone = ONE_CHARACTER_WORD if self.tokenize_chinese_chars else _PUNCTUATION_CHARACTER
            words = tf.strings.split(tf.strings.regex_replace(strings, f"( |{alone})", rf"{_SEPARATOR}\1{_SEPARATOR}"), _SEPARATOR)
            too_long = tf.strings.length(words.values, unit="UTF8_CHAR") > self.max_word_characters
            marks = tf.strings.regex_replace(tf.strings.regex_replace(words.values, r"\C", "x"), "^xx", self._mark)
            return tf.strings.reduce_join(words.with_values(tf.where(too_long, marks, words.values)), axis=-1)

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
