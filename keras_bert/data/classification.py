"""read_classification: files, tensorflow-datasets or arrays -> (text or (text, text_pair), label), of every kind of classification."""

import collections
import math
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from keras_bert.data.tables import check_text, is_column_name, is_tfds, may_start_with_header, read_rows
from keras_bert.labels import Labels, label_name, whole_number
from keras_bert.problem_type import MULTI_LABEL, PROBLEM_TYPES, REGRESSION

SEPARATOR = ","


def read_classification(
    source,
    *,
    text_columns=(0,),
    label_column=1,
    labels=None,
    problem_type=None,
    separator=SEPARATOR,
    header=None,
    format=None,
    data_dir=None,
    split="train",
):
    """Read examples for classification. All rows are checked before anything is returned.

    Args:
        source:
            path of a .tsv (no quoting), .csv (quoted as RFC 4180 says) or .jsonl file, each also .gz; UTF-8; or
            "tfds:NAME" or "tfds:NAME/CONFIG", a data set of tensorflow-datasets; or
            columns in memory: a tuple of lists, a mapping of name to list, a pandas DataFrame.
        text_columns: one column for single texts, two for pairs. A column is an index, or a name (of the header, of the
            JSON object, of the tfds feature). With "tfds:NAME" the default takes the data set's supervised keys.
        label_column: the label's column.
        labels: list of label names, whose index becomes the label. None: labels are whole numbers from 0 already.
        problem_type: None, or "single_label_classification": a label a text; "multi_label_classification": any number, as a list or as
            one string, between separators, and `labels` names them; "regression": a number, also a score from 0 to 1 of a pair.
        separator: between several labels in one string: "sport,art"; an empty string is no label.
        header: whether a .tsv or .csv starts with column names; None: exactly where a column is given by name.
        format: "tsv", "csv" or "jsonl": what a file holds whose ending does not say it.
        data_dir: where tensorflow-datasets keeps its data.
        split: of a tfds data set.
    Returns: unbatched tf.data.Dataset of (text, label), or ((text, text_pair), label): scalar strings, and an int32 scalar; of several
        labels float32 [labels], 1 for those that are right; of a regression a float32 scalar.
    Raises: ValueError naming file and line (data set and row) of what cannot be used: a missing column, an unknown label, a number that
        is none (or NaN), bytes that are not UTF-8, broken JSON or gzip, a file without rows. FileNotFoundError.
    """
    text_columns = (text_columns,) if isinstance(text_columns, (str, int)) else tuple(text_columns)
    if len(text_columns) not in (1, 2):
        raise ValueError(f"text_columns={text_columns!r}: a text has 1 column, a pair 2")
    target_of, dtype = _reader(labels, problem_type, separator)

    def read_row(place, values):
        *texts, label = values
        for column, text in zip(text_columns, texts, strict=True):
            check_text(text, place, column)
        return *texts, target_of(label, place)

    is_default = text_columns == (0,) and label_column == 1
    columns = None if is_default and is_tfds(source) else (*text_columns, label_column)
    options = {"header": header, "format": format, "data_dir": data_dir, "split": split, "class_names": labels is not None}
    *texts, targets = zip(*read_rows(source, columns, read_row, **options), strict=True)
    x = list(texts[0]) if len(texts) == 1 else tuple(map(list, texts))
    return tf.data.Dataset.from_tensor_slices((x, np.array(targets, dtype)))


def _reader(labels, problem_type, separator):
    """Returns: function of a label as a file gives it, and its place -> target; the targets' dtype."""
    if problem_type not in (None, *PROBLEM_TYPES):
        raise ValueError(f"problem_type={problem_type!r} is not one of {', '.join(PROBLEM_TYPES)}")
    if problem_type == REGRESSION:
        return _number, "float32"
    if problem_type != MULTI_LABEL:
        return whole_number if labels is None else Labels(labels, least=1).id_of, "int32"
    if labels is None:
        raise ValueError("of several labels a text the names are wanted: labels=read_labels(source, problem_type=...)")
    names = Labels(labels, least=1)

    def several(label, place):
        row = np.zeros([len(names)], "float32")
        row[[names.id_of(name, place) for name in _several(label, place, separator)]] = 1
        return row

    return several, "float32"


def _number(value, place):
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{place}: {value!r} is not a finite number")
    return number


def _several(value, place, separator):
    """The labels of a text, as a file gives them. Returns: list. Raises: ValueError naming place."""
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if isinstance(value, str):
        return [name.strip() for name in value.split(separator) if name.strip()]
    if not isinstance(value, Iterable) or isinstance(value, Mapping):  # a mapping's items are its keys, right or not
        raise ValueError(f"{place}: labels {value!r} are neither a list nor a text with {separator!r} between them")
    return list(value)


def read_labels(source, *, label_column=1, problem_type=None, separator=SEPARATOR, header=None, format=None, data_dir=None, split="train"):
    """The label names of a data set, for read_classification(labels=...) and for a model.

    Args: as read_classification; problem_type: of several labels a text.
    Returns: list of str, in order; whole numbers from 0 give "0", "1", ... up to the largest.
    Raises: as read_classification; and where the first label is a column's name, and `header` does not say whether it is one.
    """
    columns = None if label_column == 1 and is_tfds(source) else (label_column,)
    options = {"header": header, "format": format, "data_dir": data_dir, "split": split, "class_names": True}
    counts = collections.Counter()
    for place, values in read_rows(source, columns, **options):
        several = _several(values[-1], place, separator) if problem_type == MULTI_LABEL else [values[-1]]
        counts.update(map(label_name, several))
    if not counts:
        raise ValueError(f"{source}: no text has a label")
    first, *others = counts  # in the order of the rows
    if may_start_with_header(source, (label_column,), header=header, format=format) and counts[first] == 1:
        is_odd = others and not _is_number(first) and all(map(_is_number, others))
        if is_odd or is_column_name(first):
            raise ValueError(
                f"{source}: the first row's label {first!r} looks like the name of a column; say header=True, or header=False if it is "
                "a label"
            )
    if all(map(_is_number, counts)):
        return [str(number) for number in range(max(map(int, counts)) + 1)]
    return sorted(counts)


def _is_number(name):
    return name.isascii() and name.isdigit()
