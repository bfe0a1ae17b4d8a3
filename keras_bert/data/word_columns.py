"""Files of a word a line: columns beside each other, a blank line between sentences, as the shared tasks of CoNLL have them.

    # id 1                     a comment: it has not as many columns as the words' lines
    EU      NNP   B-ORG
    #       SYM   O            a word

A word may be a zero-width space or hold a no-break space: lines are cut at tabs, or else at plain spaces, and nowhere else.
"""

import itertools
import re

from keras_bert.data.tables import ending_of, index_in_header, text_lines

_DOCUMENT = "-DOCSTART-"
_GLOBAL_COLUMNS = re.compile(r"#\s*global\.columns\s*=(.*)")  # of CoNLL-U Plus
_NO_WORD = re.compile(r"\d+[-.]\d+")  # the ids of several words that are written as one, and of a word that is not written
_CONLLU = ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"]


def read_word_columns(path, columns, *, separator=None, header=None, is_word=None):
    """Read the sentences of a file, one after the other.

        for numbers, (words, tags) in read_word_columns("train.conll", (0, -1)):
            ...

    Args:
        path: str, UTF-8; packed by gzip where it ends in .gz.
        columns: which to read; each an index, below 0 from the end, or a name: of the header, of CoNLL-U Plus's "# global.columns =",
            of CoNLL-U's ten in a .conllu file.
        separator: what stands between columns; " " stands for any number of spaces. None: a tab if the first word's line has one, else " ".
        header: whether the first line of columns names them; None: where a column is given by name and nothing else names them.
        is_word: function of a line's values -> bool. In a file cut at spaces, a line that starts with "#" and has as many columns as the
            words' is a comment where this says no.
    Yields: (numbers, lists): of each word its line, from 1; of each column the words' values, str. Sentences without words, lines that
        begin with -DOCSTART-, comments, and what is no word in CoNLL-U (1-2, 1.1) are passed over.
    Raises: ValueError naming file and line of what cannot be read: other numbers of columns, a column that is not there, bytes that
        are not UTF-8.
    """
    if separator is not None and (not isinstance(separator, str) or not separator):
        raise ValueError(f"separator={separator!r} is not what stands between columns: a str such as '\\t' or ' '")
    table = _Table(path, columns, separator, header, is_word)
    numbers, rows = [], []
    for number, line in table.lines():
        row = table.row(number, line)
        if row is not None:
            numbers.append(number)
            rows.append(row)
        elif numbers and table.at_end_of_sentence:
            yield numbers, [list(column) for column in zip(*rows, strict=True)]
            numbers, rows = [], []
    if numbers:
        yield numbers, [list(column) for column in zip(*rows, strict=True)]


class _Table:
    """What the lines of one file have in common."""

    def __init__(self, path, columns, separator, header, is_word):
        self.path = path
        self.columns = columns
        self.separator = separator
        self.is_word = is_word
        self.at_end_of_sentence = False  # whether the last line, which was no word's, ends a sentence
        self.names = None if header or ending_of(path) != ".conllu" else _CONLLU
        self.named = [column for column in columns if isinstance(column, str)]
        self.header = header
        self.width = None  # of all lines of columns; None where there is none
        self.indexes = None  # of the columns; None until a header was read
        self.id_index = None  # of CoNLL-U's ids

    def lines(self):
        """Yields: (number, line without its break), once it is known how lines are cut."""
        lines = enumerate(text_lines(self.path), 1)
        lines = ((number, line.removesuffix("\n").removesuffix("\r")) for number, line in lines)
        head, example = [], None
        for number, line in lines:
            head.append((number, line))
            found = _GLOBAL_COLUMNS.match(line)
            if found and not self.header:
                self.names = found.group(1).split()
            is_data = not _is_blank(line) and not line.startswith(_DOCUMENT)
            if is_data and not line.startswith("#"):
                example = line
                break
        if example is None:  # at most words that start with "#"
            example = next((line for _, line in head if "\t" in line.strip("\t") and not line.startswith(_DOCUMENT)), None)
        if example is not None:
            if self.separator is None:
                self.separator = "\t" if "\t" in example else " "
            self.width = len(self.cut(example))
            nameless = bool(self.named) and self.names is None
            if self.header is False and nameless:
                raise ValueError(f"{self.path}: columns {self.named!r} are given by name, but header=False says that the file has no names")
            if not self.header and not nameless:
                self.find(next(number for number, line in head if line is example))
                if self.names is not None and "ID" in self.names:
                    self.id_index = self.names.index("ID")
        return itertools.chain(head, lines)

    def cut(self, line):
        return re.split(" +", line.strip(" ")) if self.separator == " " else line.split(self.separator)

    def find(self, number):
        """Find the columns, once names or their number are known."""
        place = f"{self.path}:{number}"
        if self.names is not None and len(self.names) != self.width:
            raise ValueError(f"{place}: {self.width} columns, but the file names {len(self.names)}: {', '.join(self.names)}")
        self.indexes = []
        for column in self.columns:
            if isinstance(column, str):
                self.indexes.append(index_in_header(column, self.names, place))
                continue
            if not -self.width <= column < self.width:
                raise ValueError(f"{place}: no column {column}; the line has {self.width} columns{self.hint()}")
            self.indexes.append(column % self.width)
        if len(set(self.indexes)) < len(self.indexes):
            shown = ", ".join(map(repr, self.columns))
            raise ValueError(f"{place}: the columns {shown} are the same one of {self.width}{self.hint()}")

    def hint(self):
        return "" if self.width > 1 else "; say what stands between columns by separator="

    def row(self, number, line):
        """Returns: list of the columns' values; None where the line is no word's."""
        self.at_end_of_sentence = _is_blank(line)
        if self.at_end_of_sentence or self.width is None:
            return None
        fields = self.cut(line)
        if fields[0] == _DOCUMENT:
            self.at_end_of_sentence = True
            return None
        while len(fields) > self.width and not fields[-1]:
            del fields[-1]  # separators at the end of a line
        if line.startswith("#") and (len(fields) != self.width or self.is_comment(fields)):
            return None
        place = f"{self.path}:{number}"
        if len(fields) != self.width:
            raise ValueError(f"{place}: {len(fields)} columns, where the first line of columns has {self.width}: {line[:60]!r}")
        if self.indexes is None:  # the header
            self.names = fields
            self.find(number)
            return None
        if self.id_index is not None and _NO_WORD.fullmatch(fields[self.id_index]):
            return None
        return [fields[index] for index in self.indexes]

    def is_comment(self, fields):
        return self.separator == " " and self.is_word and self.indexes and not self.is_word([fields[index] for index in self.indexes])


def _is_blank(line):
    return not line.strip(" \t")
