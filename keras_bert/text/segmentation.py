"""Chinese words by jieba, so that masking can take whole ones: Chinese text is written without spaces.

For the preparation of data: jieba is Python, and no part of any graph. (Cui et al. 2019, "Pre-Training with Whole Word
Masking for Chinese BERT": the pieces stay characters; only what is masked together changes.)
"""

import functools
import itertools
import logging
import unicodedata
import warnings

import numpy as np
import tensorflow as tf

from keras_bert.text import ragged

# The characters that BERT makes words of by themselves, first and last.
_CHINESE = (
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F),
)  # fmt: skip

_SPACE, _DELETED, _ALONE, _LETTER = range(4)  # kinds of characters; one of _ALONE is a word to BERT


def chinese_words(texts):
    """Find the words of texts: Chinese ones by jieba's dictionary and its hidden Markov model, others as BERT does or in longer units.

        chinese_words(["我爱北京 ok"])       # [[(0, 3), (3, 6), (6, 12), (13, 15)]], that is 我 爱 北京 ok

    Args: texts: strings, or bytes in UTF-8: a list, an array or a tensor [batch].
    Returns: for each text the list of its words' (start, end), bytes of its UTF-8. White space is no word, nor is what
        normalization deletes.
    Raises: ImportError without jieba, naming the extra to install.
    """
    result = []
    for text in _decoded(texts):
        at, breaks = _byte_offsets(text), _breaks(text)
        spans = zip(breaks, [*breaks, len(text)][1:], strict=True)
        spans = [(start, end) for start, end in spans if not {_kind(character) for character in text[start:end]} <= {_SPACE, _DELETED}]
        result.append([(int(at[start]), int(at[end])) for start, end in spans])
    return result


def segmented_word_ids(texts, starts, ends, *, found_whole=None):
    """Number the words of each text, from 0, for pieces that a tokenizer has split off: as `word_ids`, in Chinese words.

        ids, starts, ends = tokenizer.tokenize_with_offsets(["我爱北京 playing"])    # 我 爱 北 京 play ##ing
        segmented_word_ids(["我爱北京 playing"], starts, ends)                       # 0  1  2  2  3    3

    Pieces of one word of jieba's have one number, and so have the pieces of one word of BERT's where jieba would split it
    ("naïve"), and what a piece joins that covers several words.

    Args:
        texts: strings, or bytes in UTF-8: a list, an array or a tensor [batch].
        starts, ends: integer tf.RaggedTensor [batch, (pieces)], bytes, as tokenize_with_offsets gives them.
        found_whole: bool tf.RaggedTensor [batch, (pieces)]: pieces that are words by themselves though letters may stand beside
            them, tf.gather(tokenizer.found_whole, ids); None: there are no such.
    Returns: int32 tf.RaggedTensor [batch, (pieces)].
    Raises: ImportError without jieba, naming the extra to install.
    """
    rows = []
    starts_in_rows = starts.to_list()
    alone = [[]] * len(starts_in_rows) if found_whole is None else found_whole.to_list()
    for text, row_starts, row_ends, row_alone in zip(_decoded(texts), starts_in_rows, ends.to_list(), alone, strict=True):
        at = _byte_offsets(text)
        breaks = at[np.array(_breaks(text), "int64")]
        # A break inside a piece joins what lies before and behind it.
        inside = np.zeros(len(breaks), "bool")
        for start, end in zip(row_starts, row_ends, strict=True):
            inside[np.searchsorted(breaks, start, side="right") : np.searchsorted(breaks, end, side="left")] = True
        breaks = breaks[~inside]
        edges = [edge for span in itertools.compress(zip(row_starts, row_ends, strict=True), row_alone) for edge in span]
        if edges:
            breaks = np.union1d(breaks, edges)
        words = np.searchsorted(breaks, row_starts, side="right")
        rows.append(np.unique(words, return_inverse=True)[1])  # numbered without gaps: white space is a word to jieba
    values = np.concatenate([np.zeros(0, "int32"), *rows]).astype("int32")
    return ragged.from_splits(tf.constant(values), starts.row_splits)


@functools.lru_cache(maxsize=1)
def _segmenter():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it holds strings and imports that newer Pythons warn of
            import jieba
    except ImportError as error:
        raise ImportError("Chinese words are found by jieba: pip install keras3-bert[chinese]") from error
    jieba.setLogLevel(logging.ERROR)  # it tells on stderr how long its dictionary took to load
    return jieba.Tokenizer()


def _decoded(texts):
    if isinstance(texts, (str, bytes)):
        raise ValueError("texts of shape [batch] are wanted; got one text")
    texts = texts.numpy().tolist() if tf.is_tensor(texts) else texts
    return [text if isinstance(text, str) else text.decode("utf-8", "surrogateescape") for text in texts]


def _byte_offsets(text):
    """Returns: int64 NumPy array [characters + 1]: the byte at which each character starts, and the end."""
    lengths = [len(character.encode("utf-8", "surrogateescape")) for character in text]
    return np.concatenate([[0], np.cumsum(lengths, dtype="int64")]).astype("int64")


def _breaks(text):
    """Returns: list of the characters at which jieba begins a word, or white space, but those inside a word of BERT's."""
    kinds = [_kind(character) for character in text]
    before, behind = _last_kept(kinds), _last_kept(kinds[::-1])[::-1]  # of what lies on each side of a character's start
    starts = [start for _, start, _ in _segmenter().tokenize(text)]
    return [start for start in starts if start == 0 or before[start - 1] != _LETTER or behind[start] != _LETTER]


def _last_kept(kinds):
    """For each place the kind at or before it of what normalization keeps."""
    return list(itertools.accumulate(kinds, lambda last, kind: last if kind == _DELETED else kind))


@functools.lru_cache(maxsize=100_000)
def _kind(character):
    """What BERT's normalization and splitting make of a character. Bytes that are not UTF-8 are surrogates here, and deleted."""
    category = unicodedata.category(character)
    if character in "\t\n\r\u2028\u2029" or category == "Zs":
        return _SPACE
    if category in ("Cc", "Cf", "Cs", "Mn") or character == "\ufffd":
        return _DELETED
    if category[0] == "P" or character in "$+<=>^`|~" or any(first <= ord(character) <= last for first, last in _CHINESE):
        return _ALONE
    return _LETTER
