"""read_multiple_choice: files of questions with choices -> ({"text", "choices"}, label)."""

from collections.abc import Mapping

import tensorflow as tf

from keras_bert.data.tables import check_text, read_rows

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def read_multiple_choice(
    source,
    *,
    text_column="sent1",
    start_column=None,
    choice_columns=("ending0", "ending1", "ending2", "ending3"),
    label_column="label",
    header=None,
    format=None,
    data_dir=None,
    split="train",
):
    """Read questions with choices. All rows are checked before anything is returned.

        read_multiple_choice("swag.csv", start_column="sent2")                              # SWAG as it is published
        read_multiple_choice("questions.jsonl", text_column="question", choice_columns="choices")   # {"question": ..., "choices": [...]}

    Args:
        source: path of a .csv, .tsv or .jsonl file, also .gz, "tfds:NAME", or columns in memory; see read_classification.
        text_column: what all choices share. start_column: what each choice begins with, such as SWAG's sent2; None: nothing.
        choice_columns: one column for each choice; or one that holds lists of them. Empty ones at the end are none.
        label_column: which choice is right: its number from 0, or its letter from A.
        header, format, data_dir, split: see read_classification.
    Returns: unbatched tf.data.Dataset of ({"text": string, "choices": string [choices]}, int32): the lists are as long as the longest, with
        "" at the end.
    Raises: ValueError naming file and line of what cannot be used: fewer than 2 choices, a label that is none of them, and as
        read_classification. FileNotFoundError.
    """
    columns = (choice_columns,) if isinstance(choice_columns, (str, int)) else tuple(choice_columns)
    starts = () if start_column is None else (start_column,)

    def read_row(place, values):
        text, label = values[0], values[-1]
        start = values[1] if starts else ""
        choices = list(values[1 + len(starts) : -1])
        if len(columns) == 1:
            if isinstance(choices[0], (str, bytes, Mapping)) or not hasattr(choices[0], "__iter__"):
                raise ValueError(f"{place}: column {columns[0]!r} is {choices[0]!r:.60}; expected a list of choices")
            choices = list(choices[0])
        for name, value in ((text_column, text), *((name, start) for name in starts), *((columns[0], choice) for choice in choices)):
            check_text(value, place, name)
        text, start, *choices = (value.decode("utf-8") if isinstance(value, bytes) else value for value in (text, start, *choices))
        while choices and not choices[-1]:
            choices.pop()
        if len(choices) < 2:
            raise ValueError(f"{place}: {len(choices)} choices; it takes 2 to choose")
        return text, [f"{start} {choice}".strip() for choice in choices], _index(label, len(choices), place)

    options = {"header": header, "format": format, "data_dir": data_dir, "split": split}
    texts, lists, labels = zip(*read_rows(source, (text_column, *starts, *columns, label_column), read_row, **options), strict=True)
    most = max(map(len, lists))
    lists = [choices + [""] * (most - len(choices)) for choices in lists]
    return tf.data.Dataset.from_tensor_slices(({"text": list(texts), "choices": lists}, tf.constant(labels, tf.int32)))


def _index(label, count, place):
    label = label.decode("utf-8", "replace") if isinstance(label, bytes) else label
    name = str(label).strip()
    index = LETTERS.index(name) if len(name) == 1 and name in LETTERS else int(name) if name.isascii() and name.isdigit() else count
    if index >= count:
        raise ValueError(f"{place}: label {label!r} is none of {count} choices, 0 to {count - 1} or A to {LETTERS[count - 1]}")
    return index
