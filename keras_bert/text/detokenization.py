"""Ids that a model wrote to text as people write it, in core TensorFlow ops.

    pieces      the café ' s owner , who ' d left ( at 10 : 30 ) , paid $ 1 , 000 . 50
    text        the café's owner, who'd left (at 10:30), paid $1,000.50
    pieces      我 在 2008 年 去 了 北 京 。
    text        我在2008年去了北京。

A tokenizer loses where spaces stood around punctuation; what is put back is what is usual, so that a dash with spaces around it becomes a
hyphen without.
"""

import numpy as np
import tensorflow as tf

from keras_bert.text.character import CharacterTokenizer
from keras_bert.text.sentence_piece import SentencePieceTokenizer

_SCRIPTS = r"[\p{Han}\p{Hiragana}\p{Katakana}\x{3000}-\x{303F}\x{30FC}\x{FF00}-\x{FFEF}]"
_WORD = r"[\p{L}\p{N}]"
_LETTER = r"[\p{Latin}\p{Cyrillic}\p{Greek}]"  # a Chinese character is a word
_ENGLISH_ENDINGS = "s|t|re|ve|ll|d|m|em"

# In this order, each twice where its matches may share a character.
_RULES = (
    # Pairs of quotation marks.
    (r'(^| )" ([^"]*?) "( |$)', r'\1"\2"\3'),
    (r"\x{201C} ", "\u201c"),
    (r" \x{201D}", "\u201d"),
    (r"(^|[ (])` ([^`]*?) `( |$)", r"\1`\2`\3"),
    # Apostrophes: it ' s, o ' brien, dogs ' tails; then pairs.
    (rf"({_WORD}) (['\x{{2019}}]) ({_ENGLISH_ENDINGS})( |$)", r"\1\2\3\4"),
    (rf"({_WORD}) (['\x{{2019}}]) ({_ENGLISH_ENDINGS})( |$)", r"\1\2\3\4"),
    (r"(^|[ (])([\p{L}]) (['\x{2019}]) (\p{L})", r"\1\2\3\4"),
    (r"(^| )' ([^']*?) '( |$)", r"\1'\2'\3"),
    (r"(s) (['\x{2019}]) ", r"\1\2 "),
    # Numbers.
    (r"(\p{N}) ([.:]) (\p{N})", r"\1\2\3"),
    (r"(\p{N}) ([.:]) (\p{N})", r"\1\2\3"),
    (r"(^|[^\p{N}.])(\p{N}{1,3}) , (\p{N}{3})( |$|[.,])", r"\1\2,\3\4"),
    (r"(^|[^\p{N}.])(\p{N}{1,3}) , (\p{N}{3})( |$|[.,])", r"\1\2,\3\4"),
    # e.g., u.s., b.s.u.
    (rf"(^|[ (])({_LETTER}) \. ({_LETTER}) \.", r"\1\2.\3."),
    (rf"(\.{_LETTER}\.) ({_LETTER}) \.", r"\1\2."),
    # Between words.
    (rf"({_WORD}) : : ({_WORD})", r"\1::\2"),
    (rf"({_WORD}) : : ({_WORD})", r"\1::\2"),
    (rf"({_WORD}) : / / ", r"\1://"),
    (rf"({_WORD}) \( \)", r"\1()"),
    (r"- -", "--"),
    (r"\+ \+", "++"),
    (rf"({_WORD}) ([-/_@]) ({_WORD})", r"\1\2\3"),
    (rf"({_WORD}) ([-/_@]) ({_WORD})", r"\1\2\3"),
    (r"(\p{L}) \+\+", r"\1++"),
    # Before and behind.
    (r" ([,.!?;:%)\]}\x{2026}\x{00B0}])", r"\1"),
    (r"([(\[{$#\x{00A3}\x{20AC}]) ", r"\1"),
)


class Detokenizer:
    """Args: tokenizer: Tokenizer by whose ids the model writes."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        specials = [tokenizer.PAD, tokenizer.UNK, tokenizer.CLS, tokenizer.SEP, tokenizer.MASK]
        self._is_text = np.array([piece not in specials for piece in tokenizer.pieces])
        self._spaces_out = not isinstance(tokenizer, (SentencePieceTokenizer, CharacterTokenizer))

    def __call__(self, ids):
        """Args: ids: int32 [..., length]; what stands behind the first [SEP], and special pieces, count nothing. Returns: string [...]."""
        rows = tf.reshape(ids, [-1, tf.shape(ids)[-1]])
        ended = tf.cumsum(tf.cast(rows == self.tokenizer.sep_id, tf.int32), axis=1) > 0
        is_piece = (rows >= 0) & (rows < len(self._is_text))
        is_text = tf.gather(tf.constant(self._is_text), tf.where(is_piece, rows, 0)) & is_piece & ~ended
        texts = self.tokenizer.detokenize(tf.ragged.boolean_mask(rows, is_text))
        if self._spaces_out:
            texts = natural_spaces(tf.strings.regex_replace(texts, "^##", ""))  # the rest of a word that was not written
        else:
            texts = tf.strings.strip(texts)
        return tf.reshape(texts, tf.shape(ids)[:-1])


def natural_spaces(strings):
    """Spaces as people set them. Args: strings: string tensor: words, each punctuation mark one, a space between. Returns: the same."""
    for pattern, by in _RULES:
        strings = tf.strings.regex_replace(strings, pattern, by)
    # Chinese and Japanese have none, on either side.
    strings = tf.strings.regex_replace(strings, rf"({_SCRIPTS}) +", r"\1")
    strings = tf.strings.regex_replace(strings, rf" +({_SCRIPTS})", r"\1")
    return tf.strings.strip(strings)
