"""WordPiece exactly as google-research/bert defines it, in TensorFlow ops: the same code runs eagerly, in tf.data and in a SavedModel.

tensorflow-text's own lower-casing is NFKC case folding, which is not BERT's, so the text is normalised here, step by step
as google-research's BasicTokenizer does it, and tensorflow-text splits it (Song et al. 2021, "Fast WordPiece Tokenization").
"""

import os

import tensorflow as tf
import tensorflow_text

from keras_bert.text import vocabulary as vocabulary_lib

# google-research's BasicTokenizer, step by step, as RE2 patterns. U+2028 and U+2029 are kept by its _clean_text but
# Python's str.split breaks words there.
_WHITESPACE = r"[\t\n\r\p{Zs}\x{2028}\x{2029}]"
_CONTROL = r"[\p{Cc}\p{Cf}\x{FFFD}]"
_ACCENT = r"\p{Mn}"
_ASCII_PUNCTUATION = r"!-/:-@\[-`{-~"
_CJK_COMMON = r"\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}"
_CJK_RARE = r"\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{2F800}-\x{2FA1F}"
_ONE_CHARACTER_WORD = rf"([\p{{P}}{_ASCII_PUNCTUATION}{_CJK_COMMON}{_CJK_RARE}])"
# A superset of what makes up a word, small enough that RE2 counts hundreds of them in its automaton.
_MAYBE_IN_WORD = rf"[^ {_ASCII_PUNCTUATION}{_CJK_COMMON}]"

MAX_WORD_CHARACTERS_LIMIT = 1000  # RE2 repeats a pattern at most 1000 times


class BertTokenizer:
    """Text to WordPiece ids, exactly google-research/bert's FullTokenizer.

    "[MASK]" or "[SEP]" in a text is ordinary text: brackets and a word. Bytes that are not UTF-8 are dropped. Code points
    which the Unicode versions of Python and of TensorFlow's ICU class differently are the only difference.

    Args:
        vocabulary: path of a vocab.txt, or the list of its pieces.
        lower_case: lower-case and strip accents, as uncased checkpoints want.
        max_word_characters: a longer word becomes [UNK]; characters, not bytes, counted after normalisation. google-research
            and the default: 200; Transformers: 100; Model Garden's FullTokenizer: 400.
    Raises: ValueError where the vocabulary or a limit cannot be used.
    Source: google-research/bert tokenization.py.
    """

    def __init__(self, vocabulary, *, lower_case=True, max_word_characters=200):
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = vocabulary_lib.load_vocabulary(vocabulary)
        else:
            vocabulary = vocabulary_lib.check_vocabulary(list(vocabulary))
        if isinstance(max_word_characters, bool) or not 1 <= max_word_characters <= MAX_WORD_CHARACTERS_LIMIT:
            raise ValueError(f"max_word_characters={max_word_characters!r} is not in 1 to {MAX_WORD_CHARACTERS_LIMIT}")
        self.vocabulary = vocabulary
        self.lower_case = bool(lower_case)
        self.max_word_characters = int(max_word_characters)
        self._ids = {piece: index for index, piece in enumerate(vocabulary)}
        self._stand_in = _unknown_character(vocabulary)
        self._too_long_maybe = "(?s).*" + _repeat(_MAYBE_IN_WORD, self.max_word_characters + 1) + ".*"
        self._word_pieces = tensorflow_text.FastBertTokenizer(
            vocabulary,
            token_out_type=tf.int32,
            unknown_token=vocabulary_lib.UNK,
            max_bytes_per_word=4 * self.max_word_characters,  # the characters are counted here; a character is at most 4 bytes
            lower_case_nfd_strip_accents=False,
        )

    @property
    def vocabulary_size(self):
        return len(self.vocabulary)

    @property
    def pad_id(self):
        return self._ids[vocabulary_lib.PAD]

    @property
    def unk_id(self):
        return self._ids[vocabulary_lib.UNK]

    @property
    def cls_id(self):
        return self._ids[vocabulary_lib.CLS]

    @property
    def sep_id(self):
        return self._ids[vocabulary_lib.SEP]

    @property
    def mask_id(self):
        return self.id_of(vocabulary_lib.MASK)

    def id_of(self, piece):
        """Look a piece up. Args: piece: str. Returns: int. Raises: KeyError naming it where the vocabulary has it not."""
        if piece not in self._ids:
            raise KeyError(f"{piece!r} is not in the vocabulary of {self.vocabulary_size} pieces")
        return self._ids[piece]

    def normalize(self, strings):
        """Clean and, for uncased vocabularies, lower-case and strip accents.

        Args: strings: string tensor of any shape.
        Returns: string tensor of that shape, valid UTF-8, whose only white space is the space.
        """
        strings = tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="ignore")
        strings = tf.strings.regex_replace(strings, _WHITESPACE, " ")
        strings = tf.strings.regex_replace(strings, _CONTROL, "")
        if self.lower_case:
            # tf.strings.lower follows the locale of the process: a Turkish one makes "I" a dotless i. Done before, it cannot;
            # the dot that other locales leave above an i is an accent, and goes below.
            strings = tf.strings.regex_replace(strings, "[I\u0130]", "i")
            strings = tf.strings.lower(strings, encoding="utf-8")
            strings = tensorflow_text.normalize_utf8(strings, "NFD")
            strings = tf.strings.regex_replace(strings, _ACCENT, "")
        return strings

    def tokenize(self, strings):
        """Split texts into pieces.

        Args: strings: string tensor, list or array, [batch].
        Returns: int32 tf.RaggedTensor [batch, (pieces)]. No special tokens are added; see BertPacker.
        Raises: ValueError unless [batch].
        """
        strings = tf.convert_to_tensor(strings, dtype=tf.string)
        if strings.shape.rank != 1:
            raise ValueError(f"tokenize takes strings of shape [batch]; got shape {strings.shape}")
        return self._word_pieces.tokenize(self._mark_long_words(self.normalize(strings)))

    def detokenize(self, ids):
        """Join pieces into words, a space between words. What normalisation and [UNK] lost stays lost.

        Args: ids: int32 tf.RaggedTensor or tensor [batch, (pieces)].
        Returns: string tensor [batch].
        """
        pieces = tf.gather(tf.constant(self.vocabulary), ids)
        return tf.strings.regex_replace(tf.strings.reduce_join(pieces, axis=-1, separator=" "), " ##", "")

    def get_config(self):
        """Returns: dict of the constructor's arguments."""
        return {
            "vocabulary": list(self.vocabulary),
            "lower_case": self.lower_case,
            "max_word_characters": self.max_word_characters,
        }

    def _mark_long_words(self, strings):
        """Put a character that no vocabulary piece holds in place of each word over the limit, so that it becomes [UNK].

        Words that long are rare, and a regular expression sees in one cheap pass that a batch may have none.
        """

        def mark():
            words = tf.strings.split(tf.strings.regex_replace(strings, _ONE_CHARACTER_WORD, r" \1 "), " ")
            too_long = tf.strings.length(words.values, unit="UTF8_CHAR") > self.max_word_characters
            words = words.with_values(tf.where(too_long, self._stand_in, words.values))
            return tf.strings.reduce_join(words, axis=-1, separator=" ")

        maybe = tf.reduce_any(tf.strings.regex_full_match(strings, self._too_long_maybe))
        return tf.cond(maybe, mark, lambda: strings)


def _unknown_character(vocabulary):
    """A character that occurs in no piece: a word made of it is [UNK]. Private-use ones are ordinary letters to BERT."""
    used = set().union(*vocabulary)
    for code_point in range(0xE000, 0xF900):
        if chr(code_point) not in used:
            return chr(code_point)
    raise ValueError("the vocabulary uses all 6,400 private-use characters U+E000 to U+F8FF; one must be free to mark long words")


def _repeat(pattern, times):
    """RE2 for `pattern` exactly `times` times, in parts that RE2 accepts."""
    parts = []
    while times:
        part = min(times, MAX_WORD_CHARACTERS_LIMIT)
        parts.append(f"{pattern}{{{part}}}")
        times -= part
    return "".join(parts)
