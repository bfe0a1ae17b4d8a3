"""read_classification: files, tensorflow-datasets or arrays -> (text or (text, text_pair), label)."""

import collections

import tensorflow as tf

from keras_bert.data.tables import check_text, is_column_name, is_tfds, may_start_with_header, read_rows
from keras_bert.labels import Labels, label_name, whole_number


def read_classification(source, *, text_columns=(0,), label_column=1, labels=None, header=None, format=None, data_dir=None, split="train"):
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
        header: whether a .tsv or .csv starts with column names; None: exactly where a column is given by name.
        format: "tsv", "csv" or "jsonl": what a file holds whose ending does not say it.
        data_dir: where tensorflow-datasets keeps its data.
        split: of a tfds data set.
    Returns: unbatched tf.data.Dataset of (text, label), or ((text, text_pair), label): scalar strings and an int32 scalar.
    Raises: ValueError naming file and line (data set and row) of what cannot be used: a missing column, an unknown label,
        bytes that are not UTF-8, broken JSON or gzip, a file without rows. FileNotFoundError.
    """
    text_columns = (text_columns,) if isinstance(text_columns, (str, int)) else tuple(text_columns)
    if len(text_columns) not in (1, 2):
        raise ValueError(f"text_columns={text_columns!r}: a text has 1 column, a pair 2")
    id_of = whole_number if labels is None else Labels(labels, least=1).id_of

    def read_row(place, values):
        *texts, label = values
        for column, text in zip(text_columns, texts, strict=True):
            check_text(text, place, column)
        return *texts, id_of(label, place)

    is_default = text_columns == (0,) and label_column == 1
    columns = None if is_default and is_tfds(source) else (*text_columns, label_column)
    options = {"header": header, "format": format, "data_dir": data_dir, "split": split, "class_names": labels is not None}
    *texts, ids = zip(*read_rows(source, columns, read_row, **options), strict=True)
    x = list(texts[0]) if len(texts) == 1 else tuple(map(list, texts))
    return tf.data.Dataset.from_tensor_slices((x, tf.constant(ids, tf.int32)))


def read_labels(source, *, label_column=1, header=None, format=None, data_dir=None, split="train"):
    """The label names of a data set, for read_classification(labels=...) and for a model.

    Args: as read_classification.
    Returns: list of str, in order; whole numbers from 0 give "0", "1", ... up to the largest.
    Raises: as read_classification; and where the first label is a column's name, and `header` does not say whether it is one.
    """
    columns = None if label_column == 1 and is_tfds(source) else (label_column,)
    options = {"header": header, "format": format, "data_dir": data_dir, "split": split, "class_names": True}
    counts = collections.Counter(label_name(values[-1]) for _, values in read_rows(source, columns, **options))
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
