"""read_classification: files, tensorflow-datasets or arrays -> (text or (text, text_pair), label)."""

import csv
import gzip
import json
import os
import zlib
from collections.abc import Mapping

import tensorflow as tf

TFDS_PREFIX = "tfds:"
_DELIMITERS = {".tsv": "\t", ".csv": ","}


def read_classification(source, *, text_columns=(0,), label_column=1, labels=None, header=None, data_dir=None, split="train"):
    """Read examples for classification. All rows are checked before anything is returned.

    Args:
        source:
            path of a .tsv (no quoting), .csv (quoted as RFC 4180 says) or .jsonl file, each also .gz; UTF-8; or
            "tfds:NAME" or "tfds:NAME/CONFIG", a data set of tensorflow-datasets; or
            columns in memory: a tuple of lists, or a mapping of name to list.
        text_columns: one column for single texts, two for pairs. A column is an index, or a name (of the header, of the
            JSON object, of the tfds feature). With "tfds:NAME" the default takes the data set's supervised keys.
        label_column: the label's column.
        labels: list of label names, whose index becomes the label. None: labels are whole numbers from 0 already.
        header: whether a .tsv or .csv starts with column names; None: exactly where a column is given by name.
        data_dir: where tensorflow-datasets keeps its data.
        split: of a tfds data set.
    Returns: unbatched tf.data.Dataset of (text, label), or ((text, text_pair), label): scalar strings and an int32 scalar.
    Raises: ValueError naming file and line (data set and row) of what cannot be used: a missing column, an unknown label,
        bytes that are not UTF-8, broken JSON or gzip, a file without rows. FileNotFoundError.
    """
    text_columns = (text_columns,) if isinstance(text_columns, (str, int)) else tuple(text_columns)
    if len(text_columns) not in (1, 2):
        raise ValueError(f"text_columns={text_columns!r}: a text has 1 column, a pair 2")
    columns = (*text_columns, label_column)
    if isinstance(source, str) and source.startswith(TFDS_PREFIX):
        default = text_columns == (0,) and label_column == 1
        rows = _tfds_rows(source.removeprefix(TFDS_PREFIX), None if default else columns, split, data_dir, labels)
        name = f"{source}, split {split}"
    elif isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        rows = _file_rows(name, columns, header)
    else:
        name = "the given columns"
        rows = _memory_rows(source, columns)
    ids = None if labels is None else {label: index for index, label in enumerate(labels)}
    texts, pairs, targets = [], [], []
    for place, row in rows:
        *row_texts, label = row
        for column, text in zip(columns, row_texts, strict=False):
            if not isinstance(text, (str, bytes)):
                raise ValueError(f"{place}: column {column!r} is {text!r}, a {type(text).__name__}; expected text")
            if isinstance(text, str):
                try:
                    text.encode("utf-8")
                except UnicodeEncodeError as error:
                    raise ValueError(f"{place}: column {column!r} has no UTF-8: {error.reason} at character {error.start}") from error
        targets.append(_label_id(label, ids, place))
        texts.append(row_texts[0])
        if len(row_texts) == 2:
            pairs.append(row_texts[1])
    if not texts:
        raise ValueError(f"{name} holds no examples")
    x = (texts, pairs) if pairs else texts
    return tf.data.Dataset.from_tensor_slices((x, tf.constant(targets, tf.int32)))


def read_labels(source, *, label_column=1, header=None, data_dir=None, split="train"):
    """The label names of a data set, for read_classification(labels=...) and for a model.

    Args: as read_classification.
    Returns: list of str, in order; whole numbers from 0 give "0", "1", ... up to the largest.
    Raises: as read_classification.
    """
    if isinstance(source, str) and source.startswith(TFDS_PREFIX):
        columns = None if label_column == 1 else (label_column,)
        rows = _tfds_rows(source.removeprefix(TFDS_PREFIX), columns, split, data_dir, labels=())
    elif isinstance(source, (str, os.PathLike)):
        rows = _file_rows(os.fspath(source), (label_column,), header)
    else:
        rows = _memory_rows(source, (label_column,))
    labels = {row[-1].decode("utf-8", "replace") if isinstance(row[-1], bytes) else str(row[-1]) for _, row in rows}
    if labels and all(label.isascii() and label.isdigit() for label in labels):
        return [str(number) for number in range(max(map(int, labels)) + 1)]
    return sorted(labels)


def _label_id(label, ids, place):
    if isinstance(label, bytes):
        label = label.decode("utf-8", "replace")
    if ids is not None:
        name = label if isinstance(label, str) else str(label)
        if name not in ids:
            shown = ", ".join(list(ids)[:20]) + (", ..." if len(ids) > 20 else "")
            raise ValueError(f"{place}: unknown label {name!r}; labels are {shown}")
        return ids[name]
    try:
        number = int(label)
        if isinstance(label, (float, bool)) and number != label:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{place}: label {label!r} is not a whole number; name the labels with labels=[...]") from None
    if not 0 <= number < 2**31:
        raise ValueError(f"{place}: label {number} is not in 0 to 2147483647")
    return number


# Files.


def _file_rows(path, columns, header):
    """Yields: (place, [value of each column])."""
    base, compressed = (path[:-3], True) if path.endswith(".gz") else (path, False)
    suffix = os.path.splitext(base)[1].lower()
    lines = _text_lines(path, compressed)
    if suffix in (".jsonl", ".ndjson"):
        if header:
            raise ValueError(f"{path}: header=True, but a .jsonl file names its columns in every line")
        return _json_rows(path, lines, columns)
    if suffix not in _DELIMITERS:
        raise ValueError(f"{path}: the ending {suffix!r} is none of .tsv, .csv, .jsonl (each also .gz)")
    return _table_rows(path, lines, columns, header, _DELIMITERS[suffix])


def _text_lines(path, compressed):
    """Yields: the lines of a file as str, with their line breaks."""
    with (gzip.open if compressed else open)(path, "rb") as file:
        number = 0
        while True:
            number += 1
            try:
                line = file.readline()
            except (EOFError, OSError, zlib.error) as error:
                raise ValueError(f"{path}:{number}: cannot be read on: {error}") from error
            if not line:
                return
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}:{number}: not UTF-8 ({error.reason} at byte {error.start} of the line); convert the file, for "
                    "instance: iconv -f LATIN1 -t UTF-8"
                ) from error


def _table_rows(path, lines, columns, header, delimiter):
    named = any(isinstance(column, str) for column in columns)
    if header is False and named:
        raise ValueError(f"{path}: columns {columns!r} are given by name, but header=False says that the file has no names")
    table = _tsv_table(lines) if delimiter == "\t" else _csv_table(path, lines, delimiter)
    indexes, wanted = None, columns
    for number, fields in table:
        if indexes is None:
            if named or header:
                indexes = [_index_in_header(column, fields, f"{path}:{number}") for column in columns]
                continue
            indexes = list(columns)
        if not fields or fields == [""]:
            continue  # a blank line ends many files
        for column, index in zip(wanted, indexes, strict=True):
            if not 0 <= index < len(fields):
                raise ValueError(f"{path}:{number}: no column {column!r}; the line has {len(fields)} columns")
        yield f"{path}:{number}", [fields[index] for index in indexes]


def _tsv_table(lines):
    for number, line in enumerate(lines, 1):
        yield number, line.rstrip("\r\n").split("\t")


def _csv_table(path, lines, delimiter):
    # A text may be longer than csv's limit of 131,072 characters, which is one for the whole process.
    limit = csv.field_size_limit(2**31 - 1)
    try:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        start = 1
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise ValueError(f"{path}:{start}: broken CSV: {error}") from error
            yield start, fields
            start = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)


def _index_in_header(column, names, place):
    if isinstance(column, int):
        if column >= len(names):
            raise ValueError(f"{place}: no column {column}; the header has {len(names)}: {', '.join(names)}")
        return column
    if column not in names:
        raise ValueError(f"{place}: no column {column!r}; the header names {', '.join(names)}")
    return names.index(column)


def _json_rows(path, lines, columns):
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{place}: not JSON: {error}") from error
        if not isinstance(row, (dict, list)):
            raise ValueError(f"{place}: a JSON {type(row).__name__}; expected an object or an array")
        values = []
        for column in columns:
            found = column in row if isinstance(row, dict) else isinstance(column, int) and 0 <= column < len(row)
            if not found:
                there = ", ".join(row) if isinstance(row, dict) else f"{len(row)} items"
                raise ValueError(f"{place}: no column {column!r}; the line has {there}")
            values.append(row[column])
        yield place, values


# Columns in memory.


def _memory_rows(source, columns):
    is_mapping = isinstance(source, Mapping) or hasattr(source, "columns")  # the latter: a pandas DataFrame
    parts = []
    for column in columns:
        there = list(source.columns if hasattr(source, "columns") else source) if is_mapping else range(len(source))
        if column not in there:
            raise ValueError(f"the given columns have no {column!r}; they have {', '.join(map(str, there))}")
        parts.append(list(source[column]))
    lengths = [len(part) for part in parts]
    if len(set(lengths)) > 1:
        raise ValueError(f"the given columns differ in length: {', '.join(map(str, lengths))} rows")
    for number, values in enumerate(zip(*parts, strict=True)):
        yield f"row {number}", [value.item() if hasattr(value, "item") else value for value in values]


# tensorflow-datasets.


def _tfds_rows(name, columns, split, data_dir, labels):
    import tensorflow_datasets as tfds  # takes seconds to import; files and arrays do not need it

    builder = tfds.builder(name, data_dir=data_dir)
    if not builder.info.splits:  # not prepared on this machine yet
        builder.download_and_prepare()
    if split.partition("[")[0] not in builder.info.splits and "+" not in split:
        raise ValueError(f"tfds:{name} has no split {split!r}; it has {', '.join(builder.info.splits)}")
    if columns is None:
        keys = builder.info.supervised_keys
        if not keys or isinstance(keys[0], (tuple, dict)):
            raise ValueError(
                f"tfds:{name} names no plain text and label; give text_columns and label_column out of {', '.join(builder.info.features)}"
            )
        columns = keys[:2]
    for column in columns:
        if column not in builder.info.features:
            raise ValueError(f"tfds:{name} has no feature {column!r}; it has {', '.join(builder.info.features)}")
    label_feature = builder.info.features[columns[-1]]
    names = label_feature.names if isinstance(label_feature, tfds.features.ClassLabel) else None
    for number, example in enumerate(tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False))):
        *texts, label = [example[column] for column in columns]
        label = label.item() if hasattr(label, "item") else label
        if names is not None and not 0 <= label < len(names):
            raise ValueError(f"tfds:{name}, split {split}, row {number}: label {label}: the split has no labels (is it a test set's?)")
        if labels is not None and names is not None:
            label = names[label]  # the given labels may stand in another order
        yield f"tfds:{name}, split {split}, row {number}", [*texts, label]
