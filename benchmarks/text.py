"""Real text to measure with: lines of English and Chinese, so many megabytes."""

import gzip
import itertools
import json
import os
import random
from dataclasses import dataclass

from benchmarks.peers import ROOT, BenchmarkError

SUFFIXES = (".txt", ".tsv", ".json")
# JSON is read as SQuAD has it; of its texts, those that run.
JSON_TEXTS = ("context", "question")


@dataclass(frozen=True)
class Text:
    """lines: list of str. megabytes: their UTF-8, in 10^6 bytes. real_megabytes: that without repeats."""

    lines: list
    megabytes: float
    real_megabytes: float

    def __str__(self):
        repeated = self.megabytes > self.real_megabytes
        kind = f"{self.real_megabytes:.1f} MB of real text, repeated" if repeated else "real text, no repeats"
        return f"{self.megabytes:.1f} MB in {len(self.lines):,} lines: {kind}"


def default_files():
    """Returns: paths: the committed data, and what text a directory shared/data beside the clone holds."""
    folders = (ROOT / "examples" / "data", ROOT.parent / "shared" / "data")
    paths = (path for folder in folders for path in sorted(folder.rglob("*")))
    return [path for path in paths if path.is_file() and _suffix(path) in SUFFIXES]


def read_lines(paths):
    """Read texts, a line each: each line of .txt, each field of .tsv that is no label, each question and context of .json; also .gz.

    Args: paths: list.
    Returns: list of str: in the files' order, no line twice and none empty.
    Raises: BenchmarkError where a file is missing or of another kind.
    """
    lines = []
    for path in paths:
        suffix = _suffix(path)
        if suffix not in SUFFIXES:
            raise BenchmarkError(f"{path}: text is read from {', '.join(SUFFIXES)}, each also .gz")
        content = read_file(path)
        if suffix == ".txt":
            lines += content.split("\n")
        elif suffix == ".tsv":
            fields = (field for line in content.split("\n") for field in line.split("\t"))
            lines += (field for field in fields if " " in field or not field.isascii())  # others are labels, scores, names
        else:
            lines += _strings(json.loads(content))
    return list(dict.fromkeys(line for line in lines if line.strip()))


def read_file(path):
    """Returns: str, a file's text, unpacked where it is .gz. Raises: BenchmarkError where it cannot be read."""
    try:
        with (gzip.open if str(path).endswith(".gz") else open)(path, "rt", encoding="utf-8", newline="\n") as file:
            return file.read()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path}: {error}") from error


def _strings(value, key=None):
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _strings(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part, key)
    elif isinstance(value, str) and key in JSON_TEXTS:
        yield value


def take(lines, megabytes, seed=0):
    """Shuffle lines, so that every part holds a like mixture, and take so many megabytes, repeating all where they do not suffice.

    Args: lines: list of str. megabytes: float, 10^6 bytes of UTF-8.
    Returns: Text; its last line may pass the size.
    Raises: BenchmarkError where there is no text at all.
    """
    if not lines:
        raise BenchmarkError("no text: name files of it by --text")
    shuffled = random.Random(seed).sample(lines, len(lines))
    sizes = [len(line.encode()) for line in shuffled]
    taken, size, first_time = [], 0, None
    while size < megabytes * 1e6:
        for line, line_size in zip(shuffled, sizes, strict=True):
            if size >= megabytes * 1e6:
                break
            taken.append(line)
            size += line_size
        first_time = size if first_time is None else first_time
    return Text(taken, size / 1e6, first_time / 1e6)


def write_documents(lines, path, megabytes, *, lines_a_document=20, seed=0):
    """Write documents of some lines each, blank lines between, repeating all lines with changed words until there is enough.

    From the second time on, every tenth word is another one of the text: what is found again is not the same.

    Args: lines: list of str. path: the file. megabytes: float, 10^6 bytes of UTF-8.
    Returns: float, its true size in megabytes; the last document may pass the size.
    Raises: BenchmarkError where there is no text at all.
    """
    if not lines:
        raise BenchmarkError("no text: name files of it by --text")
    draws = random.Random(seed)
    shuffled = draws.sample(lines, len(lines))
    words = [word for line in shuffled for word in line.split(" ")]
    with open(path, "wb") as file:
        for number in itertools.count():
            for first in range(0, len(shuffled), lines_a_document):
                if file.tell() >= megabytes * 1e6:
                    return file.tell() / 1e6
                document = shuffled[first : first + lines_a_document]
                if number:
                    document = [_with_other_words(line, words, draws) for line in document]
                file.write(("\n".join(document) + "\n\n").encode())


def _with_other_words(line, words, draws, every=10):
    own = line.split(" ")
    first = draws.randrange(every)
    count = len(range(first, len(own), every))
    place = draws.randrange(max(1, len(words) - count))
    own[first::every] = (words[place : place + count] + own[first::every])[:count]
    return " ".join(own)


def count_for(lines, megabytes):
    """Returns: how many lines from the first make up that size, and their true size in megabytes."""
    size = 0
    for count, line in enumerate(lines):
        if size >= megabytes * 1e6:
            return count, size / 1e6
        size += len(line.encode())
    return len(lines), size / 1e6


def _suffix(path):
    return os.path.splitext(str(path).removesuffix(".gz"))[1]
