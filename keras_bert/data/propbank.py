"""read_propbank, write_props: files of predicates and their arguments (semantic role labelling).

    sentences = read_propbank("train.jsonl.gz")
    sentences = read_propbank("dev.v4_gold_conll")
    sentences = read_propbank("devel.24.props.gz", words="devel.24.words.gz")
    write_props("devel.24.props", sentences)

What is read are PropbankSentences; what is written, the official scorer srl-eval.pl reads.
"""

import dataclasses
import itertools
import os
import re

from keras_bert.data.frames import Frame, PropbankSentence
from keras_bert.data.tables import check_text, read_rows, text_lines
from keras_bert.files import replaced_file

FORMATS = ("conll2005", "conll2012", "propbank", "jsonl")
_ENDINGS = ((".jsonl", "jsonl"), (".ndjson", "jsonl"), (".props", "conll2005"), ("conll", None))  # None: its columns tell
_NONE = "-"  # of a word that is no predicate
_BRACKETS = re.compile(r"((?:\([^()*]+)*)\*((?:[^()*]*\))*)")  # "(ARG0*", "*", "*)", "(V*)", and "*A0)" as of CoNLL-2004
_BOUNDARIES = ("#begin document", "#end document")


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Which column holds what, from 0.

    word, lemma, sense: columns, None where there is none. first_argument: the first predicate's. after: how many columns stand after
    the last predicate's.
    """

    word: int | None
    lemma: int
    sense: int | None
    first_argument: int
    after: int = 0

    @property
    def predicate(self):
        """What tells a predicate by not being "-". OntoNotes gives lemmas of nouns that have a word sense and no frame, too."""
        return self.lemma if self.sense is None else self.sense


_ONTONOTES_LAYOUTS = {
    "conll2012": _Layout(word=3, lemma=6, sense=7, first_argument=11, after=1),  # word sense, speaker, entities; coreference is last
    "propbank": _Layout(word=3, lemma=6, sense=7, first_argument=8),
}


def read_propbank(source, *, format=None, words=None, predicate_column=None):
    """Read sentences with the predicates and arguments that PropBank gives them. All is checked before anything is returned.

    Args:
        source: path of a file of UTF-8, also .gz; or a list of paths, read one after the other.
        format: what the file holds:
            "conll2005": columns of word, lemma of a predicate or "-", and arguments in brackets, "(A0*", "*", "*)", one column for
                each predicate, in their order; a blank line after each sentence. With `words`, without the first.
            "conll2012": the columns of OntoNotes: document, part, number, word, tag, parse, lemma, frameset or "-", word sense,
                speaker, entities, arguments ..., coreference.
            "propbank": as the PropBank release has it: document, sentence, number, word, tag, parse, lemma, roleset or "-", arguments ...
            "jsonl": {"tokens": ["We", "eat"], "frames": [{"predicate": 1, "lemma": "eat", "sense": "eat.01", "args": [["ARG0", 0, 0],
                ["V", 1, 1]]}]} a line: indexes of words, the last one included.
            None: by the ending: .jsonl or .ndjson, .props for "conll2005"; of a name that ends in "conll", the first sentence's number
                of columns tells "conll2012" from "propbank".
        words: of "conll2005", the file of the words, where they have one of their own: one a line, in its first column.
        predicate_column: of "conll2005", the column of the lemmas; the arguments follow it. None: 1, or 0 with `words`.
    Returns: list of PropbankSentence. Words are as the file has them ("-LRB-"). The sense of "conll2005" is "".
    Raises: ValueError naming file and line of what cannot be used: columns that differ in number, other columns of arguments than
        predicates, brackets that do not match, arguments of one predicate that share a word, a predicate or an argument out of the
        sentence, bytes that are not UTF-8, broken JSON or gzip, a file without sentences. FileNotFoundError.
    Source: CoNLL-2005 (Carreras & Màrquez), CoNLL-2012 (Pradhan et al.), propbank-release.
    """
    if not isinstance(source, (str, os.PathLike)):
        if words is not None:
            raise ValueError("words= goes with one file, and source is a list of them; read them one by one")
        return [sentence for path in source for sentence in read_propbank(path, format=format, predicate_column=predicate_column)]
    path = os.fspath(source)
    format = _format_of(path, format)
    if format != "conll2005" and (words is not None or predicate_column is not None):
        raise ValueError(f'{path}: words= and predicate_column= are of format="conll2005", and the file is {format or "conll2012"}')
    if format == "jsonl":
        return list(read_rows(path, ("tokens", "frames"), _json_sentence, format="jsonl"))
    if format == "conll2005":
        lemma = predicate_column if predicate_column is not None else int(words is None)
        layout = _Layout(word=0 if words is None else None, lemma=lemma, sense=None, first_argument=lemma + 1)
        blocks = _with_words(_blocks(path), words) if words is not None else ((rows, None) for rows in _blocks(path))
    else:
        layout = _ONTONOTES_LAYOUTS.get(format)
        blocks = ((rows, None) for rows in _blocks(path, boundaries=_BOUNDARIES))
    sentences = []
    for rows, words_of_rows in blocks:
        layout = layout or _layout_of(path, rows)
        sentences.append(_sentence(path, rows, layout, words_of_rows))
    if not sentences:
        raise ValueError(f"there are no sentences in {path}")
    return sentences


def write_props(path, sentences):
    """Write frames as srl-eval.pl of CoNLL-2005 reads them: a line a word, of the lemma or "-", and of a column for each predicate.

    Args: path: the file, replaced once all is written. sentences: PropbankSentences. srl-eval.pl compares lemmas: give predicted
        frames the gold ones'.
    Raises: ValueError naming sentence and word of a lemma that no column can hold.
    """
    with replaced_file(path) as aside, open(aside, "w", encoding="utf-8", newline="\n") as file:
        for number, sentence in enumerate(sentences):
            lemmas = [_NONE] * len(sentence.words)
            for frame in sentence.frames:
                if frame.lemma in ("", _NONE) or re.search(r"\s", frame.lemma):
                    raise ValueError(
                        f"sentence {number}: the predicate at word {frame.predicate} has the lemma {frame.lemma!r}; a column holds one "
                        'without spaces that is not "-"'
                    )
                lemmas[frame.predicate] = frame.lemma
            columns = [lemmas, *(_brackets(sentence, frame) for frame in sentence.frames)]
            file.writelines("\t".join(fields) + "\n" for fields in zip(*columns, strict=True))
            file.write("\n")


def _brackets(sentence, frame):
    column = ["*"] * len(sentence.words)
    for role, start, end in frame.arguments:
        column[start] = f"({role}{column[start]}"
        column[end] += ")"
    return column


# Formats.


def _format_of(path, format):
    if format is not None:
        if format not in FORMATS:
            raise ValueError(f"format={format!r} is none of {', '.join(FORMATS)}")
        return format
    name = path.removesuffix(".gz").lower()
    for ending, found in _ENDINGS:
        if name.endswith(ending):
            return found
    raise ValueError(
        f"{path}: the ending is none of .jsonl, .props, conll (each also .gz); say what the file holds by "
        f"format={', '.join(map(repr, FORMATS))}"
    )


def _layout_of(path, rows):
    """Which of OntoNotes' layouts a sentence has: in one, four columns more."""
    number, fields = rows[0]
    for layout in _ONTONOTES_LAYOUTS.values():
        predicates = sum(len(row) > layout.predicate and row[layout.predicate] != _NONE for _, row in rows)
        if len(fields) == layout.first_argument + predicates + layout.after:
            return layout
    raise ValueError(
        f"{path}:{number}: {len(fields)} columns in a sentence of {predicates} predicates; of CoNLL-2012 they would be {12 + predicates}, "
        f'of the PropBank release {8 + predicates}. Say format="conll2005" for columns of word, lemma and arguments'
    )


# JSON.


def _json_sentence(place, values):
    tokens, frames = values
    if not isinstance(tokens, list) or not isinstance(frames, list):
        raise ValueError(f"{place}: tokens and frames are {type(tokens).__name__} and {type(frames).__name__}; expected lists")
    try:
        sentence = PropbankSentence(tokens, [_json_frame(frame) for frame in frames])
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    check_text(" ".join(sentence.words), place, "tokens")
    return sentence


def _json_frame(frame):
    names = ("predicate", "lemma", "sense", "args")
    if not isinstance(frame, dict) or not all(name in frame for name in names):
        raise ValueError(f"frame {frame!r} is not an object with {', '.join(names)}")
    if not isinstance(frame["args"], list):
        raise ValueError(f"args {frame['args']!r} is not a list")
    return Frame(*(frame[name] for name in names))


# Columns.


def _blocks(path, boundaries=()):
    """Yields: the rows of each sentence, [(line, fields)]. Lines that begin with `boundaries` end one, as blank lines do."""
    rows = []
    for number, line in enumerate(text_lines(path), 1):
        line = line.strip(" \t\r\n")
        if line and not line.startswith(boundaries):
            rows.append((number, re.split(r"[ \t]+", line)))  # a word may hold a no-break space, where str.split would cut it
        elif rows:
            yield rows
            rows = []
    if rows:
        yield rows


def _with_words(blocks, words_path):
    """Yields: (rows, [word of each])."""
    words_path = os.fspath(words_path)
    for rows, words in itertools.zip_longest(blocks, _blocks(words_path)):
        if rows is None or words is None or len(rows) != len(words):
            place = f"{words_path}:{words[0][0]}" if words else words_path
            raise ValueError(
                f"{place}: a sentence of {len(words or ())} words, where the props have one of {len(rows or ())}"
                + (f" (line {rows[0][0]})" if rows else "")
            )
        yield rows, [fields[0] for _, fields in words]


def _sentence(path, rows, layout, words):
    first_line, first = rows[0]
    least = layout.first_argument + layout.after
    for line, fields in rows:
        if len(fields) != len(first) or len(fields) < least:
            expected = f"{least} or more" if len(first) < least else f"{len(first)}, as in line {first_line}"
            raise ValueError(f"{path}:{line}: {len(fields)} columns; expected {expected}")
    predicates = [index for index, (_, fields) in enumerate(rows) if fields[layout.predicate] != _NONE]
    if len(first) - least != len(predicates):
        raise ValueError(
            f"{path}:{first_line}: a sentence of {len(predicates)} predicates (column {layout.predicate}, from 0, is not {_NONE!r}) and "
            f"{len(first) - least} columns of arguments; expected one for each"
        )
    frames = []
    for column, index in enumerate(predicates, layout.first_argument):
        fields = rows[index][1]
        sense = "" if layout.sense is None else fields[layout.sense]
        frames.append(Frame(index, fields[layout.lemma], sense, _arguments(path, rows, column)))
    return PropbankSentence([fields[layout.word] for _, fields in rows] if words is None else words, frames)


def _arguments(path, rows, column):
    """The arguments of a column of brackets. Returns: list of (role, start, end)."""
    arguments = []
    role, start = None, None
    for index, (line, fields) in enumerate(rows):
        brackets = _BRACKETS.fullmatch(fields[column])
        if not brackets:
            raise ValueError(f'{path}:{line}: column {column} is {fields[column]!r}; expected "*", "(ROLE*", "*)" or "(ROLE*)"')
        opened, closed = brackets.groups()
        for name in opened.split("(")[1:]:
            if role is not None:
                raise ValueError(
                    f"{path}:{line}: column {column}: {name} begins within {role} of line {rows[start][0]}; arguments of one predicate "
                    "share no word"
                )
            role, start = name, index
        for name in closed.split(")")[:-1]:
            if role is None or name not in ("", role):
                raise ValueError(f"{path}:{line}: column {column}: {fields[column]!r} closes {name or 'an argument'}, which is not open")
            arguments.append((role, start, index))
            role = None
    if role is not None:
        raise ValueError(f"{path}:{rows[start][0]}: column {column}: {role} is not closed at the end of the sentence")
    return arguments
