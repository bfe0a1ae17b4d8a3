"""Which words are predicates, and a row of tags for each -> columns of strings, see words; and back, in the graph.

predicates [[1, 4], []]                    -> [b"1 4", b""]
roles      [[[0, 2, 0], [1, 0, 2]], []]    -> [b"0,2,0 1,0,2", b""]
"""

from numbers import Integral

import numpy as np
import tensorflow as tf


def predicate_column(predicates, word_counts):
    """Predicates in memory as a column.

    Args: predicates: list of lists of int, indexes of words from 0. word_counts: list of int, the words of each sentence.
    Returns: list of bytes.
    Raises: ValueError naming the sentence, and what is no predicate of it.
    """
    predicates = predicates.to_list() if hasattr(predicates, "to_list") else list(predicates)
    if len(predicates) != len(word_counts):
        raise ValueError(f"{len(word_counts)} sentences but {len(predicates)} lists of predicates")
    for number, (places, words) in enumerate(zip(predicates, word_counts, strict=True)):
        if not isinstance(places, (list, tuple, np.ndarray)):
            raise ValueError(
                f"the predicates of sentence {number} are {places!r:.60}, a {type(places).__name__}; expected a list of indexes"
            )
        for index, place in enumerate(places):
            if not isinstance(place, Integral) or isinstance(place, bool):
                raise ValueError(f"predicate {index} of sentence {number} is {place!r:.60}; expected the index of a word")
            if not 0 <= place < words:
                raise ValueError(f"predicate {place} of sentence {number} is out of the sentence, which has {words} words, from 0")
            if place in list(places)[:index]:
                raise ValueError(f"predicate {place} of sentence {number} is given twice")
    return [b" ".join(b"%d" % place for place in places) for places in predicates]


def count_predicates(column):
    """Predicates of each sentence. Args: column: list of bytes, of predicate_column. Returns: list of int."""
    return [len(places.split()) for places in column]


def role_column(targets, labels, predicate_counts, word_counts):
    """Tags in memory as a column.

    Args: targets: [sentences][predicates][words], names or ids. labels: Labels. predicate_counts, word_counts: lists of int.
    Returns: array of bytes [sentences].
    Raises: ValueError naming sentence and predicate whose tags are none, or too many or too few.
    """
    targets = targets.to_list() if hasattr(targets, "to_list") else list(targets)
    column = []
    for number, rows in enumerate(targets[: len(word_counts)]):
        if not isinstance(rows, (list, tuple, np.ndarray)) or any(not isinstance(row, (list, tuple, np.ndarray)) for row in rows):
            raise ValueError(f"the roles of sentence {number} are {rows!r:.60}; expected a list of tags for each predicate")
        if len(rows) != predicate_counts[number]:
            raise ValueError(f"sentence {number} has {predicate_counts[number]} predicates, and tags for {len(rows)}")
        parts = []
        for index, row in enumerate(rows):
            place = f"sentence {number}, predicate {index}"
            if len(row) != word_counts[number]:
                raise ValueError(f"{place}: {word_counts[number]} words and {len(row)} tags")
            try:
                parts.append(b",".join(b"%d" % tag for tag in labels.encode(list(row)).tolist()))
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from None
        column.append(b" ".join(parts))
    column += [b""] * (len(targets) - len(column))  # whoever compares the numbers of sentences finds them unequal
    return np.array(column, "object")


def join_predicates(places):
    """The column of a dataset's element. Args: places: int or string [predicates], or ragged [batch, (predicates)]. Returns: string."""
    return tf.strings.reduce_join(_as_strings(places), axis=-1, separator=" ")


def join_roles(ids):
    """The column of a dataset's element. Args: ids: int [predicates, words], or ragged [batch, (predicates), (words)]. Returns: string."""
    rows = tf.strings.reduce_join(_as_strings(ids), axis=-1, separator=",")
    return tf.strings.reduce_join(rows, axis=-1, separator=" ")


def split_predicates(column):
    """Args: column: string [batch]. Returns: int64 tf.RaggedTensor [batch, (predicates)]."""
    parts = tf.strings.split(column)
    return parts.with_values(tf.strings.to_number(parts.values, tf.int64))


def split_roles(column):
    """Args: column: string [batch]. Returns: int32 tf.RaggedTensor [batch, (predicates), (words)]."""
    rows = tf.strings.split(column)
    ids = tf.strings.split(rows.values, ",")
    return rows.with_values(ids.with_values(tf.strings.to_number(ids.values, tf.int32)))


def _as_strings(numbers):
    if isinstance(numbers, tf.RaggedTensor):
        return numbers.with_flat_values(_as_strings(numbers.flat_values))
    return numbers if numbers.dtype == tf.string else tf.strings.as_string(numbers)
