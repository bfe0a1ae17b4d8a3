"""Examples of several texts, as users hand them in -> columns of strings.

["a film", "another"]                               single texts, in any form of preprocessing.columns
(anchors, positives)                                a tuple of columns: pairs
(anchors, positives, negatives)                     and a hard negative; a column of lists holds several: [["n1", "n2"], ...]
[("anchor", "positive"), ...]                       a row each; an array or a pandas DataFrame of as many columns
{"anchor": [...], "positive": [...], "negative": [...]}     by name
"""

import re

from keras_bert.preprocessing.columns import TEXT, is_text, text_columns

ANCHOR, POSITIVE, NEGATIVE = "anchor", "positive", "negative"
# What the first and the second text of an example may be called.
_FIRST, _SECOND = (ANCHOR, TEXT, "sentence1", "query"), (POSITIVE, "text_pair", "sentence2", "passage")


def column_name(index):
    """The name of an example's text. Args: index: its place, from 0."""
    return TEXT if index == 0 else f"{TEXT}_{index}"


def is_texts(x):
    """Tell whether x is texts in memory, in one of the forms above."""
    return any(name in x for name in _FIRST) if isinstance(x, dict) else is_text(x)


def tuple_columns(x):
    """Texts in memory as columns.

    Args: x: see the module.
    Returns: dict of column_name(0), column_name(1), ... -> list of bytes, all of one length.
    Raises: ValueError naming the column and item that is no text, or columns that differ in length.
    """
    if isinstance(x, dict):
        x = tuple(in_order(x).values())
        x = x if len(x) > 1 else x[0]
    if isinstance(x, list) and x and isinstance(x[0], (list, tuple)):
        wrong = next((index for index, row in enumerate(x) if len(row) != len(x[0])), None)
        if wrong is not None:
            raise ValueError(f"item {wrong} of the examples has {len(x[wrong])} texts; the first has {len(x[0])}")
        x = tuple(map(list, zip(*x, strict=True)))
    elif len(getattr(x, "shape", ())) == 2 and x.shape[1] > 1:
        x = tuple((x.numpy() if hasattr(x, "numpy") else x.to_numpy() if hasattr(x, "to_numpy") else x).T)
    if not isinstance(x, tuple) or not x or isinstance(x[0], (str, bytes)):
        return {TEXT: text_columns(list(x) if isinstance(x, tuple) else x)[TEXT]}
    parts = [*x[:2], *(column for part in x[2:] for column in _expanded(part))]
    columns = [text_columns(part)[TEXT] for part in parts]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ValueError(f"the columns of texts differ in length: {', '.join(map(str, lengths))}; an example has one of each")
    return {column_name(index): column for index, column in enumerate(columns)}


def tuple_element_columns(x):
    """The same of a dataset's element. Args: x: text, a tuple of texts or a dict: tensors or specs. Returns: dict; None: it is neither."""
    if isinstance(x, dict):
        return {column_name(index): part for index, part in enumerate(in_order(x).values())}
    if isinstance(x, (tuple, list)):
        return {column_name(index): part for index, part in enumerate(x)}
    return {TEXT: x}


def in_order(named):
    """The texts of an example by its names, the anchor first. Args, Returns: dict. Raises: ValueError on names that it does not know."""

    def place(name):
        if name in _FIRST:
            return 0
        if name in _SECOND:
            return 1
        numbered = re.fullmatch(rf"({TEXT}|{NEGATIVE})_?(\d*)", name)
        if numbered is None:
            raise ValueError(f"{name!r} names no text of an example: {ANCHOR}, {POSITIVE}, {NEGATIVE} or {NEGATIVE}_1, {NEGATIVE}_2, ...")
        return int(numbered[2] or 0) + (2 if numbered[1] == NEGATIVE else 0)

    return {name: named[name] for name in sorted(named, key=place)}


def _expanded(column):
    """A column of negatives, where it holds lists, as several columns. Returns: list of columns."""
    if isinstance(column, (list, tuple)) and column and isinstance(column[0], (list, tuple)):
        wrong = next((index for index, items in enumerate(column) if len(items) != len(column[0])), None)
        if wrong is not None:
            raise ValueError(f"item {wrong} has {len(column[wrong])} negatives; the first has {len(column[0])}, and each must")
        return [list(part) for part in zip(*column, strict=True)]
    return [column]
