"""Sentences that are cut into words already, and their tags -> columns of strings, so that they travel as texts do; and back, in the graph.

    [["John", "lives"], ["Anna"]]               # lists of words, or {"words": [...]}
    [b"\\xffJohn\\xfflives", b"\\xffAnna"]    # the column: before each word stands a byte that no UTF-8 text holds
    [["B-PER", "O"], ["B-PER"]] -> [b"1 0", b"1"]

A word may be empty, and a sentence may have none.
"""

import numpy as np
import tensorflow as tf

WORDS = "words"
MARK = b"\xff"


def is_sentences(x):
    """Tell whether x is sentences of words in memory: lists of lists of str, or a dict of them."""
    if isinstance(x, dict):
        return WORDS in x
    if isinstance(x, tf.RaggedTensor):
        return x.dtype == tf.string
    return isinstance(x, (list, tuple)) and bool(x) and _is_list(x[0])


def word_column(sentences):
    """Sentences in memory as a column.

    Args: sentences: list of lists of str or bytes, a string tf.RaggedTensor [batch, (words)], or a pandas Series of lists.
    Returns: list of bytes.
    Raises: ValueError naming sentence and word of what is no word.
    """
    sentences = sentences.to_list() if hasattr(sentences, "to_list") else list(sentences)
    if not sentences:
        raise ValueError("the list of sentences is empty")
    for number, words in enumerate(sentences):
        if not _is_list(words):
            raise ValueError(f"sentence {number} is {words!r:.60}, a {type(words).__name__}; expected a list of words")
        for place, word in enumerate(words):
            if not isinstance(word, (str, bytes)):
                raise ValueError(f"word {place} of sentence {number} is {word!r:.60}, a {type(word).__name__}; expected str")
    return [b"".join(MARK + _utf8(word) for word in words) for words in sentences]


def count_words(column):
    """Words of each sentence. Args: column: list of bytes, of word_column. Returns: list of int."""
    return [sentence.count(MARK) for sentence in column]


def join_words(words):
    """The column of a dataset's element. Args: words: string [words], or [batch, (words)] ragged. Returns: string scalar or [batch]."""
    marked = tf.strings.join([MARK, words]) if not isinstance(words, tf.RaggedTensor) else words.with_flat_values(MARK + words.flat_values)
    return tf.strings.reduce_join(marked, axis=-1)


def split_words(column):
    """The words of a column. Args: column: string [batch]. Returns: string tf.RaggedTensor [batch, (words)]."""
    parts = tf.strings.split(column, MARK)  # what stands before the first mark is empty, and no word
    return parts[:, 1:]


def tag_column(sentences, labels):
    """Tags in memory as a column.

    Args: sentences: list of lists of names or ids, one a word. labels: Labels.
    Returns: array of bytes [batch].
    Raises: ValueError naming the sentence, and what is no tag.
    """
    column = []
    for number, tags in enumerate(sentences):
        if not _is_list(tags):
            raise ValueError(f"the tags of sentence {number} are {tags!r:.60}, a {type(tags).__name__}; expected a list, one a word")
        try:
            column.append(b" ".join(b"%d" % tag for tag in labels.encode(list(tags)).tolist()) if len(tags) else b"")
        except ValueError as error:
            raise ValueError(f"sentence {number}: {error}") from None
    return np.array(column, "object")


def join_ids(ids):
    """The column of a dataset's element. Args: ids: numbers [words], or [batch, (words)] ragged. Returns: string scalar or [batch]."""
    is_ragged = isinstance(ids, tf.RaggedTensor)
    values = ids.flat_values if is_ragged else ids
    # Nine digits of a float32 are all that it has.
    names = tf.strings.as_string(values, precision=8, scientific=True) if values.dtype.is_floating else tf.strings.as_string(values)
    names = ids.with_flat_values(names) if is_ragged else names
    return tf.strings.reduce_join(names, axis=-1, separator=" ")


def split_ids(column):
    """The ids of a column. Args: column: string [batch]. Returns: int32 tf.RaggedTensor [batch, (words)]."""
    parts = tf.strings.split(column)
    return parts.with_values(tf.strings.to_number(parts.values, tf.int32))


def _is_list(words):
    return isinstance(words, (list, tuple, np.ndarray))


def _utf8(word):
    # A byte that is not UTF-8 might be the mark; a str with a lone surrogate has no UTF-8: "replace" is never fatal.
    text = word.decode("utf-8", "replace") if isinstance(word, bytes) else word
    return text.encode("utf-8", "replace")
