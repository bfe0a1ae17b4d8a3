"""Rows of whatever holds a table: .tsv, .csv and .jsonl files, tensorflow-datasets, columns in memory. The readers stand on it."""

import csv
import gzip
import json
import os
import zlib
from collections.abc import Mapping

import numpy as np

TFDS_PREFIX = "tfds:"
FORMATS = ("tsv", "csv", "jsonl")
_ENDINGS = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
# What the first line of a table of texts says, where it names its columns.
_COLUMN_NAMES = {
    "text", "text1", "text2", "text_a", "text_b", "sentence", "sentence1", "sentence2", "review", "comment", "content", "title",
    "question", "question1", "question2", "answer", "context", "query", "passage", "premise", "hypothesis",
    "label", "labels", "gold", "gold_label", "class", "category", "target", "sentiment", "topic", "tag", "score", "rating",
    "id", "idx", "index",
}  # fmt: skip


def read_rows(source, columns, read_row=None, *, header=None, format=None, data_dir=None, split="train", class_names=False):
    """Read the rows of a table, one after the other.

        for place, (text, label) in read_rows("train.tsv", (0, 1)):
            ...

    Args:
        source:
            path of a .tsv (no quoting), .csv (quoted as RFC 4180 says) or .jsonl file, each also .gz; UTF-8; or
            "tfds:NAME" or "tfds:NAME/CONFIG", a data set of tensorflow-datasets; or
            columns in memory: a tuple of lists, a mapping of name to list, a pandas DataFrame, a Dataset of Hugging Face's datasets.
        columns: which to read; each an index, or a name (of the header, of the JSON object, of the tfds feature). None: with
            "tfds:NAME" alone, the data set's supervised keys.
        read_row: function of (place, values) -> what is yielded; it raises ValueError where they cannot be used. Where that is the
            first row, and looks like the header of a table that is read by column numbers, the error names header=True.
        header: whether a .tsv or .csv starts with column names; None: exactly where a column is given by name.
        format: one of FORMATS: what a file holds whose ending does not say it; .gz is still told by the ending.
        data_dir: where tensorflow-datasets keeps its data.
        split: of a tfds data set.
        class_names: whether a tfds ClassLabel, or each of a sequence of them, comes by name, not as its id.
    Yields: read_row(place, values), or (place, values). place: str, for errors: file and line, or data set and row. values: list,
        in the order of `columns`: str of a .tsv or .csv, what JSON has, what the columns in memory hold, bytes of a tfds text.
    Raises: ValueError naming file and line of what cannot be read: a missing column, bytes that are not UTF-8, broken JSON or
        gzip, nothing at all. FileNotFoundError.
    """
    if format not in (None, *FORMATS):
        raise ValueError(f"format={format!r} is none of {', '.join(FORMATS)}")
    name = source_name(source, split)
    if columns is None and not is_tfds(source):
        raise ValueError(f"columns=None takes the supervised keys of a tfds data set, and {name} has none; name the columns")
    may_be_header = may_start_with_header(source, columns, header=header, format=format)
    if is_file(source):
        rows = _file_rows(name, columns, header, _format_of(name, format))
    elif format is not None:
        raise ValueError(f"format={format!r} is for files, and {name} is none")
    elif is_tfds(source):
        rows = _tfds_rows(source, columns, split, data_dir, class_names)
    else:
        rows = _memory_rows(source, columns)
    return _read(rows, read_row or (lambda place, values: (place, values)), name, may_be_header)


def check_text(value, place, column):
    """Raises: ValueError naming place and column unless `value` is text: bytes, or str that UTF-8 can write."""
    if not isinstance(value, (str, bytes)):
        raise ValueError(f"{place}: column {column!r} is {value!r}, a {type(value).__name__}; expected text")
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"{place}: column {column!r} has no UTF-8: {error.reason} at character {error.start}") from error


def may_start_with_header(source, columns, *, header=None, format=None):
    """Whether the first row of a source, read as data, may be its header: nothing that was said tells. Returns: bool."""
    if header is not None or not is_file(source) or any(isinstance(column, str) for column in columns):
        return False
    return (format or _ENDINGS.get(ending_of(os.fspath(source)))) in ("tsv", "csv")


def is_column_name(value):
    """Whether a text is what tables of texts call their columns: "label", "Sentence", ... Returns: bool."""
    return isinstance(value, str) and value.strip().lower() in _COLUMN_NAMES


def is_tfds(source):
    """Whether a source is a data set of tensorflow-datasets. Returns: bool."""
    return isinstance(source, str) and source.startswith(TFDS_PREFIX)


def is_file(source):
    """Whether a source is the path of a file. Returns: bool."""
    return isinstance(source, (str, os.PathLike)) and not is_tfds(source)


def source_name(source, split):
    """What an error calls a source. Returns: str."""
    if is_file(source):
        return os.fspath(source)
    return f"{source}, split {split}" if is_tfds(source) else "the given columns"


def _read(rows, read_row, name, may_be_header):
    is_first = True
    for place, values in rows:
        try:
            row = read_row(place, values)
        except ValueError as error:
            if is_first and may_be_header and (any(map(is_column_name, values)) or _can_be_read(rows, read_row)):
                raise ValueError(f"{error}; if the first row names the columns, say header=True") from error
            raise
        yield row
        is_first = False
    if is_first:
        raise ValueError(f"there are no examples in {name}")


def _can_be_read(rows, read_row):
    """Whether the next row can."""
    try:
        read_row(*next(rows))
    except (StopIteration, ValueError):
        return False
    return True


# Files.


def ending_of(path):
    """Returns: what a path ends in, such as ".tsv", in small letters and without ".gz"."""
    return os.path.splitext(path.removesuffix(".gz"))[1].lower()


def _format_of(path, format):
    ending = ending_of(path)
    if format is None and ending not in _ENDINGS:
        raise ValueError(
            f"{path}: the ending {ending!r} is none of .tsv, .csv, .jsonl (each also .gz); say what the file holds by "
            'format="tsv", "csv" or "jsonl"'
        )
    return format or _ENDINGS[ending]


def _file_rows(path, columns, header, format):
    """Yields: (place, [value of each column])."""
    lines = text_lines(path)
    if format != "jsonl":
        return _table_rows(path, lines, columns, header, format)
    if header:
        raise ValueError(f"{path}: header=True, but a .jsonl file names its columns in every line")
    return _json_rows(path, lines, columns)


def text_lines(path):
    """Read the lines of a file of UTF-8, with or without a byte-order mark, packed by gzip where its name ends in .gz.

    Args: path: the file.
    Yields: str, with their line breaks.
    Raises: ValueError naming file and line of bytes that are not UTF-8, or of broken gzip; on a file whose lines end in carriage returns
        alone, which would be one line. FileNotFoundError.
    """
    path = os.fspath(path)
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        number = 0
        while True:
            number += 1
            try:
                line = file.readline()
            except (EOFError, OSError, zlib.error) as error:
                raise ValueError(f"{path}:{number}: cannot be read on: {error}") from error
            if not line:
                return
            if number == 1 and not line.endswith(b"\n") and b"\r" in line.rstrip(b"\r"):
                raise ValueError(f"{path}: its lines end in carriage returns alone; convert the file, for instance: tr '\\r' '\\n'")
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}:{number}: not UTF-8 ({error.reason} at byte {error.start} of the line); convert the file, for "
                    "instance: iconv -f LATIN1 -t UTF-8"
                ) from error


def _table_rows(path, lines, columns, header, format):
    named = any(isinstance(column, str) for column in columns)
    if header is False and named:
        raise ValueError(f"{path}: columns {columns!r} are given by name, but header=False says that the file has no names")
    table = _tsv_table(lines) if format == "tsv" else _csv_table(path, lines)
    indexes, wanted = None, columns
    for number, fields in table:
        if indexes is None:
            if named or header:
                indexes = [index_in_header(column, fields, f"{path}:{number}") for column in columns]
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


def _csv_table(path, lines):
    reader = csv.reader(lines, strict=True)
    start = 1
    while True:
        # A text may be longer than csv's limit of 131,072 characters. That is one for the whole process: it is lifted for no
        # longer than a row takes, so that tables may be read side by side.
        limit = csv.field_size_limit(2**31 - 1)
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise ValueError(f"{path}:{start}: broken CSV: {error}") from error
        finally:
            csv.field_size_limit(limit)
        if fields is None:
            return
        yield start, fields
        start = reader.line_num + 1


def index_in_header(column, names, place):
    """Args: column: index or name. names: list of str. place: of the names, for the error. Returns: int. Raises: ValueError."""
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


def _are_columns(source, columns):
    """Whether what is no tuple holds columns, and not rows, which would be misread. Returns: bool."""
    if not isinstance(source, list) or any(isinstance(part, tuple) for part in source):
        return False
    return len(source) <= 1 + max((column for column in columns if isinstance(column, int)), default=0)


def _memory_rows(source, columns):
    # The attributes: of a pandas DataFrame, of a Dataset of Hugging Face's.
    names = next((getattr(source, name) for name in ("columns", "column_names") if hasattr(source, name)), None)
    if names is None:
        if not isinstance(source, (tuple, Mapping)) and not _are_columns(source, columns):
            raise ValueError(
                f"columns in memory come as a tuple of lists, a mapping or a frame; got a {type(source).__name__}. Rows become columns by "
                "tuple(zip(*rows))"
            )
        names = source if isinstance(source, Mapping) else range(len(source))
    parts = []
    for column in columns:
        there = list(names)
        if column not in there:
            raise ValueError(f"the given columns have no {column!r}; they have {', '.join(map(str, there))}")
        parts.append(list(source[column]))
    lengths = [len(part) for part in parts]
    if len(set(lengths)) > 1:
        raise ValueError(f"the given columns differ in length: {', '.join(map(str, lengths))} rows")
    for number, values in enumerate(zip(*parts, strict=True)):
        yield f"row {number}", [_plain(value) for value in values]


# tensorflow-datasets.


def _tfds_rows(source, columns, split, data_dir, class_names):
    import tensorflow_datasets as tfds  # takes seconds to import; files and arrays do not need it

    builder = tfds.builder(source.removeprefix(TFDS_PREFIX), data_dir=data_dir)
    if not builder.info.splits:  # not prepared on this machine yet
        builder.download_and_prepare()
    if split.partition("[")[0] not in builder.info.splits and "+" not in split:
        raise ValueError(f"{source} has no split {split!r}; it has {', '.join(builder.info.splits)}")
    features = builder.info.features
    if columns is None:
        keys = builder.info.supervised_keys
        if not keys or isinstance(keys[0], (tuple, dict)):
            raise ValueError(f"{source} names no plain text and label; give text_columns and label_column out of {', '.join(features)}")
        columns = keys[:2]
    for column in columns:
        if column not in features:
            raise ValueError(f"{source} has no feature {column!r}; it has {', '.join(features)}")
    # A sequence has its items' feature as its own.
    kinds = [getattr(features[column], "feature", features[column]) for column in columns]
    names = [kind.names if isinstance(kind, tfds.features.ClassLabel) else None for kind in kinds]
    for number, example in enumerate(tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False))):
        place = f"{source}, split {split}, row {number}"
        values = [_plain(example[column]) for column in columns]
        for index, (value, names_of_ids) in enumerate(zip(values, names, strict=True)):
            if names_of_ids is None:
                continue
            ids = np.atleast_1d(value).tolist()
            wrong = next((id_ for id_ in ids if not 0 <= id_ < len(names_of_ids)), None)
            if wrong is not None:
                raise ValueError(f"{place}: label {wrong}: the split has no labels (is it a test set's?)")
            if class_names:
                values[index] = [names_of_ids[id_] for id_ in ids] if np.ndim(value) else names_of_ids[value]
        yield place, values


def _plain(value):
    """A number of numpy's as Python's; anything else as it is."""
    return value.item() if hasattr(value, "item") and not getattr(value, "shape", ()) else value
