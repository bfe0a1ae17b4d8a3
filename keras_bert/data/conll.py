"""read_conll: sentences of words with a tag each, from files, tensorflow-datasets or memory; and write_conll, for what was found."""

import collections
import gzip
import os
import warnings
from numbers import Integral

import numpy as np
import tensorflow as tf

from keras_bert import tags as tagging
from keras_bert.data.tables import check_text, ending_of, is_file, read_rows, source_name
from keras_bert.data.word_columns import read_word_columns
from keras_bert.files import replaced_file
from keras_bert.labels import Labels

FORMATS = ("conll", "jsonl")
DEFAULT_COLUMNS = (0, -1)
DEFAULT_NAMES = ("tokens", "tags")

# place_of: function of a word's index -> str, for errors. is_first: whether it begins a file whose first line nothing says is no header.
_Sentence = collections.namedtuple("_Sentence", ["words", "tags", "place_of", "may_start_with_header"])


def read_conll(
    source,
    *,
    word_column=0,
    tag_column=-1,
    labels=None,
    scheme=None,
    to="IOB2",
    repair=False,
    separator=None,
    header=None,
    format=None,
    data_dir=None,
    split="train",
):
    """Read tagged sentences. All are checked before anything is returned.

    Args:
        source:
            path of a file of a word a line, two or more columns, a blank line between sentences, as the shared tasks of CoNLL,
            CoNLL-U (.conllu) and CoNLL-U Plus have them; or of a .jsonl file of {"tokens": [...], "tags": [...]}; each also .gz; UTF-8; or
            "tfds:NAME" or "tfds:NAME/CONFIG", a data set of tensorflow-datasets with two features that are sequences; or
            columns in memory, of a list a sentence: a pair (words, tags), a mapping of name to column, a pandas DataFrame, a Dataset
            of Hugging Face's datasets.
        word_column, tag_column: the words' and the tags' columns. Each an index, below 0 from the end; or a name: of a header, of
            "# global.columns = ", of the JSON object, of the feature. Where the default is left and columns have names and no order,
            they are "tokens" and "tags".
        labels: list of the tags, whose index becomes the label; see read_tags. Where the source has ids for tags, it is theirs too.
        scheme: the tags' scheme in the source, "IOB1", "IOB2", "BIOES" or "BILOU"; None: it is found out, see tags.find_scheme.
        to: the scheme to give; None: the tags as they are, which may be parts of speech or whatever one tells of words.
        repair: whether tags that break their scheme are read as conlleval does, with a warning; else they are an error.
        separator: what stands between columns of a file; " " is any number of spaces. None: a tab, or " " where the file has no tabs.
        header: whether the first line of a file names its columns; None: exactly where a column is given by name, and nothing else
            names them.
        format: "conll" or "jsonl": what a file holds. None: "jsonl" where its ending is .jsonl or .ndjson.
        data_dir: where tensorflow-datasets keeps its data.
        split: of a tfds data set.
    Returns: unbatched tf.data.Dataset of ({"words": string [words]}, int32 [words]), of known cardinality. `batch` makes ragged
        tensors of it.
    Raises: ValueError naming file and line (data set and row) of what cannot be used: a missing column, other numbers of words
        and tags, a sentence or a word of nothing, an unknown tag or one that breaks its scheme, bytes that are not UTF-8; and where
        there are no sentences, or labels are not given. FileNotFoundError.
    Warns: of repaired tags, once: how many, and where the first is.
    """
    if labels is None:
        raise ValueError(
            "labels=None: read_conll needs the tags' names in the order of their ids, those of the model or "
            "labels=read_tags(source, ...) of the training data"
        )
    sentences = _read(source, word_column, tag_column, labels, scheme, to, repair, separator, header, format, data_dir, split)
    id_of = Labels(labels, least=1).id_of
    ids = [id_of(tag, sentence.place_of(index)) for sentence in sentences for index, tag in enumerate(sentence.tags)]
    lengths = [len(sentence.words) for sentence in sentences]
    words = [word for sentence in sentences for word in sentence.words]
    ragged = [tf.RaggedTensor.from_row_lengths(values, lengths) for values in (tf.constant(words), tf.constant(ids, tf.int32))]
    return tf.data.Dataset.from_tensor_slices(({"words": ragged[0]}, ragged[1]))


def read_tags(
    source,
    *,
    word_column=0,
    tag_column=-1,
    scheme=None,
    to="IOB2",
    repair=False,
    separator=None,
    header=None,
    format=None,
    data_dir=None,
    split="train",
):
    """The labels of a data set, for read_conll(labels=...) and for a model.

    Args: as read_conll.
    Returns: list of str: "O" and all tags that the types of its entities may have in the scheme `to`, also those that it lacks, in
        the order of the types' names; where to=None, the tags there are, in order.
    Raises, Warns: as read_conll; and where the tags are ids, whose names the source does not have.
    """
    sentences = _read(source, word_column, tag_column, None, scheme, to, repair, separator, header, format, data_dir, split)
    if to is None:
        return sorted({tag for sentence in sentences for tag in sentence.tags})
    types = {kind for sentence in sentences for kind, _, _ in tagging.spans(sentence.tags)}
    return tagging.tag_names(sorted(types), to)


def conll_sentences(
    source,
    *,
    word_column=0,
    tag_column=-1,
    labels=None,
    scheme=None,
    to="IOB2",
    repair=False,
    separator=None,
    header=None,
    format=None,
    data_dir=None,
    split="train",
):
    """Read tagged sentences as plain lists, to score or to look at.

    Args: as read_conll; labels: only where the source has ids for tags.
    Returns: list of (words, tags), two lists of str each.
    Raises, Warns: as read_conll.
    """
    sentences = _read(source, word_column, tag_column, labels, scheme, to, repair, separator, header, format, data_dir, split)
    return [(sentence.words, sentence.tags) for sentence in sentences]


def write_conll(path, sentences, *, separator="\t"):
    """Write sentences a word a line, as read_conll and conlleval (with -d for another separator than " ") read them.

    Args:
        path: of the file, packed by gzip where it ends in .gz. What was there stays whole until all is written.
        sentences: iterable of tuples of columns: (words, tags), or (words, gold tags, predicted tags), or more; lists of str.
        separator: what to write between columns.
    Raises: ValueError naming the sentence whose columns differ in length or are none, and the word or tag that is empty, or has
        the separator, a line break or no UTF-8 in it.
    """
    path = os.fspath(path)
    with replaced_file(path) as aside, (gzip.open if path.endswith(".gz") else open)(aside, "wt", encoding="utf-8", newline="\n") as file:
        for number, columns in enumerate(sentences):
            lengths = [len(column) for column in columns]
            if not lengths or not lengths[0] or len(set(lengths)) > 1:
                raise ValueError(
                    f"sentence {number} has columns of {', '.join(map(str, lengths))} words; expected the same number, 1 or more"
                )
            for row in zip(*columns, strict=True):
                for value in row:
                    _check_writable(value, separator, f"sentence {number}")
                file.write(separator.join(row) + "\n")
            file.write("\n")


def _check_writable(value, separator, place):
    check_text(value, place, "words and tags")
    if not isinstance(value, str) or not value.strip(" \t") or any(part in value for part in (separator, "\n", "\r")):
        raise ValueError(f"{place}: {value!r} cannot stand in a column between {separator!r}; give another separator, or mend it")


# Reading.


def _read(source, word_column, tag_column, labels, scheme, to, repair, separator, header, format, data_dir, split):
    """Returns: list of _Sentence, with tags in the scheme `to`."""
    if format not in (None, *FORMATS):
        raise ValueError(f"format={format!r} is none of {', '.join(FORMATS)}")
    if to is None and (scheme is not None or repair):
        raise ValueError("to=None takes tags as they are, in no scheme: scheme= and repair= have no use there")
    for name in (scheme, to):
        if name is not None:
            tagging.check_scheme(name)
    columns = (word_column, tag_column)
    if is_file(source) and (format or ("jsonl" if ending_of(os.fspath(source)) in (".jsonl", ".ndjson") else "conll")) == "conll":
        sentences = list(_file_sentences(os.fspath(source), columns, separator, header, to))
    elif separator is not None:
        raise ValueError(f"separator={separator!r} is for files of a word a line, and {source_name(source, split)} is none")
    else:
        names = None if labels is None else Labels(labels, least=1).names
        if columns == DEFAULT_COLUMNS:
            columns = (0, 1) if isinstance(source, (tuple, list)) else DEFAULT_NAMES
        options = {"header": header, "format": format, "data_dir": data_dir, "split": split, "class_names": True}
        sentences = list(read_rows(source, columns, lambda place, values: _row_sentence(place, values, columns, names), **options))
    if not sentences:
        raise ValueError(f"there are no examples in {source_name(source, split)}")
    return sentences if to is None else _in_scheme(sentences, scheme, to, repair)


def _file_sentences(path, columns, separator, header, to):
    is_word = None if to is None else lambda values: tagging.is_entity_tag(values[1])
    may_start_with_header = header is None and not any(isinstance(column, str) for column in columns)
    for numbers, (words, tags) in read_word_columns(path, columns, separator=separator, header=header, is_word=is_word):

        def place_of(index, numbers=numbers):
            return f"{path}:{numbers[index]}"

        for index, (word, tag) in enumerate(zip(words, tags, strict=True)):
            if not word or not tag:
                raise ValueError(f"{place_of(index)}: {'the word' if tag else 'the tag'} is empty")
        yield _Sentence(words, tags, place_of, may_start_with_header)
        may_start_with_header = False


def _row_sentence(place, values, columns, names):
    """The sentence of a row of two lists."""
    words, tags = (_list_of(values, place, column, what) for values, column, what in zip(values, columns, ("words", "tags"), strict=True))
    if not words:
        raise ValueError(f"{place}: a sentence without words")
    if len(words) != len(tags):
        raise ValueError(f"{place}: {len(words)} words but {len(tags)} tags")

    def place_of(index):
        return f"{place}, word {index}"

    words = [_text_of(word, place_of(index), columns[0]) for index, word in enumerate(words)]
    tags = [_tag_of(tag, place_of(index), columns[1], names) for index, tag in enumerate(tags)]
    return _Sentence(words, tags, place_of, False)


def _list_of(values, place, column, what):
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    if not isinstance(values, (list, tuple)):
        raise ValueError(f"{place}: column {column!r} is {values!r}, a {type(values).__name__}; expected a list of {what}")
    return values


def _text_of(value, place, column):
    check_text(value, place, column)
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{place}: column {column!r} is not UTF-8: {error.reason} at byte {error.start}") from error
    if not value:
        raise ValueError(f"{place}: column {column!r} is empty")
    return value


def _tag_of(tag, place, column, names):
    if not isinstance(tag, Integral) or isinstance(tag, bool):
        return _text_of(tag, place, column)
    if names is None:
        raise ValueError(f"{place}: the tag {tag} is an id; name the tags, in the order of their ids, by labels=[...]")
    if not 0 <= tag < len(names):
        raise ValueError(f"{place}: the tag {tag} is no id of the {len(names)} labels, 0 to {len(names) - 1}")
    return names[tag]


def _in_scheme(sentences, scheme, to, repair):
    for sentence in sentences:
        for index, tag in enumerate(sentence.tags):
            if not tagging.is_entity_tag(tag):
                hint = "; if the first line names the columns, say header=True" if sentence.may_start_with_header and not index else ""
                raise ValueError(
                    f"{sentence.place_of(index)}: {tag!r} is no tag of entities, such as 'O' and 'B-PER'; for tags of other kinds "
                    f"say to=None{hint}"
                )
    if scheme is None:
        scheme = tagging.find_scheme(sentence.tags for sentence in sentences)
    broken = [tagging.broken_tags(sentence.tags, scheme) for sentence in sentences]
    wrong = next(((sentence, tags[0]) for sentence, tags in zip(sentences, broken, strict=True) if tags), None)
    if wrong is not None:
        sentence, (index, there) = wrong
        place = sentence.place_of(index)
        if not repair:
            raise ValueError(tagging.breaks_scheme(place, sentence.tags[index], there, scheme))
        # To the caller of the public function.
        warnings.warn(tagging.repaired_message(sum(map(len, broken)), place, scheme), stacklevel=4)
    return [
        sentence._replace(tags=tagging.convert(tagging.repaired(sentence.tags, tags), scheme, to))
        for sentence, tags in zip(sentences, broken, strict=True)
    ]
