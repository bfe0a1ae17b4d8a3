"""Texts, or pairs of texts, as users hand them in -> columns of strings.

["a film", "another"]                           texts: list, array or pandas column of str or bytes
np.array([["a film"], ["another"]])             the same, as a column of a table
(["a film", "another"], ["b", "c"])             pairs: a tuple of two of these
[("a film", "b"), ("another", "c")]             pairs, a row each; an array or a pandas DataFrame of two columns
{"text": [...], "text_pair": [...]}             the same by name
"""

import numpy as np
import tensorflow as tf

TEXT, TEXT_PAIR = "text", "text_pair"


def is_text(x):
    """Tell whether x is text in memory, in one of the forms above."""
    if isinstance(x, (str, bytes)):
        return True
    if isinstance(x, dict):
        return TEXT in x
    if isinstance(x, tf.Tensor):
        return x.dtype == tf.string
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "USO"
    if isinstance(x, (list, tuple)):
        return not x or is_text(x[0])
    # pandas, and whatever else is array-like and holds str.
    return hasattr(x, "__array__") and np.asarray(x).dtype.kind in "USO"


def text_columns(x):
    """Text in memory as columns.

    Args: x: see the module.
    Returns: dict of TEXT, and TEXT_PAIR where there are pairs, -> list of bytes, of one length.
    Raises: ValueError where x is one string, where an item is no text (naming it), or where the two differ in length.
    """
    if isinstance(x, (str, bytes)):
        raise ValueError(_one_string(x))
    if isinstance(x, dict):
        unknown = set(x) - {TEXT, TEXT_PAIR}
        if unknown:
            raise ValueError(f"raw text has the keys {TEXT!r} and {TEXT_PAIR!r}; got {', '.join(sorted(map(str, unknown)))} too")
        columns = [x[TEXT]] + ([x[TEXT_PAIR]] if TEXT_PAIR in x else [])
    elif isinstance(x, tuple) and len(x) == 2 and not isinstance(x[0], (str, bytes)):
        columns = list(x)
    elif isinstance(x, list) and x and isinstance(x[0], (list, tuple)):
        wrong = next((index for index, row in enumerate(x) if len(row) != 2), None)
        if wrong is not None:
            raise ValueError(f"item {wrong} of the texts has {len(x[wrong])} parts; a pair has 2")
        columns = [[row[0] for row in x], [row[1] for row in x]]
    elif len(getattr(x, "shape", ())) == 2:
        columns = _of_table(x)
    else:
        columns = [x]
    columns = [_texts(column) for column in columns]
    if len(columns) == 2 and len(columns[0]) != len(columns[1]):
        raise ValueError(f"{len(columns[0])} texts but {len(columns[1])} second texts")
    if not columns[0]:
        raise ValueError("the list of texts is empty")
    return dict(zip((TEXT, TEXT_PAIR), columns, strict=False))


def element_columns(x):
    """The columns of a dataset's element.

    Args: x: text, (text, text_pair) or a dict of these names: tensors or specs.
    Returns: dict of TEXT, and TEXT_PAIR, -> the element's part; None where x is something else.
    """
    if isinstance(x, dict):
        return dict(x) if TEXT in x and set(x) <= {TEXT, TEXT_PAIR} else None
    if isinstance(x, (tuple, list)):
        return dict(zip((TEXT, TEXT_PAIR), x, strict=True)) if len(x) == 2 else None
    return {TEXT: x}


def _of_table(x):
    """An array or DataFrame [rows, 1 or 2] as columns."""
    rows = x.numpy() if isinstance(x, tf.Tensor) else np.asarray(x)
    if rows.shape[1] not in (1, 2):
        named = f" ({', '.join(map(str, x.columns))})" if hasattr(x, "columns") else ""
        raise ValueError(f"the texts have {rows.shape[1]} columns{named}; a text has 1 and a pair 2")
    return list(rows.T)


def _one_string(text):
    return f"got one string, {_short(text)}; give a list of texts: [{_short(text)}]"


def _texts(column):
    if isinstance(column, (str, bytes)):  # a list of its characters otherwise
        raise ValueError(_one_string(column))
    if hasattr(column, "dtype") and np.ndim(column) == 0:
        raise ValueError(f"the texts are an array without a dimension: {column!r}; give a list of texts")
    items = column.numpy().tolist() if isinstance(column, tf.Tensor) else list(column)
    if items and all(isinstance(item, np.ndarray) and item.shape == (1,) for item in items):  # a column [rows, 1] within a pair
        items = [item[0] for item in items]
    for index, item in enumerate(items):
        if not isinstance(item, (str, bytes)):
            raise ValueError(f"item {index} of the texts is {_short(item)}, a {type(item).__name__}; expected str")
    # tf.constant takes one type throughout, and a str with a lone surrogate has no UTF-8: "replace" is never fatal.
    return [item.encode("utf-8", "replace") if isinstance(item, str) else bytes(item) for item in items]


def _short(item):
    shown = repr(item)
    return shown if len(shown) <= 60 else shown[:57] + "..."
