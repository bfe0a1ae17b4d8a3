"""Corpora: documents of running text out of files, folders, globs and tensorflow-datasets, one after the other."""

import concurrent.futures
import dataclasses
import functools
import glob
import hashlib
import os

from keras_bert.data.corpus_files import FORMATS, CorpusCounts, FileReader, format_of
from keras_bert.data.sentences import cut_text
from keras_bert.data.tables import is_tfds, read_rows

SEPARATIONS = ("blank", "line", "file")


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Documents of running text, read as they are asked for: memory stays the same however many there are.

        for document in Corpus("wiki/", documents="blank", deduplicate=True).read():
            ...                     # str, its lines separated by "\\n"

    Args:
        source: path of a file, of a folder (all files in it and its folders, linked ones too, but hidden ones), a glob
            ("texts/**/*.txt"), "tfds:NAME" or "tfds:NAME/CONFIG"; or a list of these. Files are read in order of their names, each once.
            Names that end in .jsonl, .ndjson or .parquet say what a file holds, and .gz, .xz and .zst how text and JSON lines are
            packed; all else is text.
        documents: what separates those of a text file: "blank" lines, as google-research has it; "line": each line is one; "file".
            Rows of the other formats are documents.
        text_field: where rows have their text.
        format: of FORMATS, where the names of files do not say it.
        split, data_dir: of a tfds data set.
        deduplicate: leave out documents that were there before, to the letter, by 128 bits of BLAKE2: the one thing that grows.
        skip_invalid: leave out and count lines that are not UTF-8, rows without text and binary files, which are errors otherwise.
        longest_document: characters; a longer document is cut, at line breaks or ends of sentences, into several, which are counted.
    Raises: ValueError where an argument cannot be used.
    """

    source: object
    documents: str = "blank"
    text_field: str = "text"
    format: str | None = None
    split: str = "train"
    data_dir: str | None = None
    deduplicate: bool = False
    skip_invalid: bool = False
    longest_document: int = 4_000_000

    def __post_init__(self):
        if isinstance(self.source, (str, os.PathLike)):
            object.__setattr__(self, "source", [self.source])
        object.__setattr__(self, "source", tuple(os.fspath(source) for source in self.source))
        if not self.source:
            raise ValueError("a corpus of no files; give a path, a glob or tfds:NAME")
        if self.documents not in SEPARATIONS:
            raise ValueError(f"documents={self.documents!r} is none of {', '.join(SEPARATIONS)}")
        if self.format not in (None, *FORMATS):
            raise ValueError(f"format={self.format!r} is none of {', '.join(FORMATS)}")
        if self.longest_document < 1000:
            raise ValueError(f"longest_document={self.longest_document} is less than 1000 characters")

    def parts(self):
        """List what will be read. Returns: list of paths and tfds names. Raises: FileNotFoundError, ValueError on an empty folder."""
        return list(dict.fromkeys(part for source in self.source for part in _parts_of(source)))

    def read(self, counts=None):
        """Read it.

        Args: counts: CorpusCounts to add to, or None.
        Yields: str, a document, without white space at its ends; none is empty.
        Raises: ValueError naming file and byte or line of what cannot be read, and where there is no document at all.
        """
        counts = CorpusCounts() if counts is None else counts
        seen = set()
        for part in self.parts():
            read_before = counts.source_bytes
            for document in self._documents_of(part, counts):
                data = None if document.isascii() and not self.deduplicate else document.encode("utf-8")
                if self.deduplicate:
                    digest = hashlib.blake2b(data, digest_size=16).digest()
                    if digest in seen:
                        counts.duplicates += 1
                        continue
                    seen.add(digest)
                counts.documents += 1
                counts.bytes += len(document if data is None else data)
                yield document
            counts.source_bytes = read_before + (0 if is_tfds(part) else os.path.getsize(part))
        if not counts.documents:
            raise ValueError(f"no document in {', '.join(self.source)}" + _told(counts))

    def check_is_apart(self, directory):
        """Check that what is written to a directory does not become text.

        Args: directory: path, or that of a file to be written.
        Raises: ValueError where the corpus has it in it.
        """
        written = os.path.realpath(directory)
        for source in self.source:
            if is_tfds(source) or os.path.isfile(source):
                continue
            if os.path.isdir(source):
                below = os.path.relpath(written, os.path.realpath(source)).split(os.sep)
                is_read = below == ["."] or not any(name.startswith(".") for name in below)  # hidden folders are not, nor is what is above
            else:
                is_read = any(os.path.realpath(part).startswith(os.path.join(written, "")) for part in _parts_of(source))
            if is_read:
                raise ValueError(
                    f"the corpus {source} has {directory} in it, and would read what is written there; give a path outside of it"
                )

    def fingerprint(self):
        """Describe what the texts are read from, so that a change shows.

        Returns: list of dicts: "source"; of a file "bytes" and "sha256", of a tfds data set "version", "examples" and "bytes".
        """
        parts = self.parts()
        with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # hashlib lets other threads run
            return list(pool.map(functools.partial(_fingerprint_of, split=self.split, data_dir=self.data_dir), parts))

    def settings(self):
        """Returns: dict of what decides which documents a corpus of the same files has."""
        names = ("documents", "text_field", "format", "split", "deduplicate", "skip_invalid", "longest_document")
        return {name: getattr(self, name) for name in names}

    def _documents_of(self, part, counts):
        """Yields: str, documents of one file or data set, none too long, none empty."""
        for document in self._whole_documents_of(part, counts):
            document = document.strip()
            if len(document) > self.longest_document:
                counts.long_documents += 1
                yield from filter(None, map(str.strip, cut_text(document, self.longest_document)))
            elif document:
                yield document

    def _whole_documents_of(self, part, counts):
        if is_tfds(part):
            rows = read_rows(part, (self.text_field,), data_dir=self.data_dir, split=self.split)
            return (value.decode("utf-8", "replace") if isinstance(value, bytes) else value for _, (value,) in rows)
        reader = FileReader(part, counts, skip_invalid=self.skip_invalid)
        format = self.format or format_of(part)
        if format == "jsonl":
            return reader.json_texts(self.text_field)
        if format == "parquet":
            return reader.parquet_texts(self.text_field)
        return self._text_documents(reader, counts)

    def _text_documents(self, reader, counts):
        by_line, by_blank = self.documents == "line", self.documents == "blank"
        lines, size, is_long = [], 0, False
        for chunk, goes_on in reader.lines():
            last = len(chunk) - 1 if goes_on else -1
            for number, line in enumerate(chunk):
                blank = not line or line.isspace()
                if not blank or not by_blank:
                    lines.append(line)
                    size += len(line) + 1
                ends = number != last and (by_line or (by_blank and blank))
                if size > self.longest_document and not ends:
                    # What is too long is handed on before its end is known: a file may be one line, or have no blank ones.
                    *parts, rest = cut_text("\n".join(lines), self.longest_document)
                    yield from parts
                    counts.long_documents += not is_long
                    lines, size, is_long = [rest], len(rest), True
                elif ends:
                    if lines:
                        yield "\n".join(lines)
                    lines, size, is_long = [], 0, False
        if lines:
            yield "\n".join(lines)


def _parts_of(source):
    """A source's files, in order."""
    if is_tfds(source) or os.path.isfile(source):
        return [source]
    if os.path.isdir(source):
        found = []
        seen = set()
        for folder, folders, names in os.walk(source, followlinks=True):
            if os.path.realpath(folder) in seen:  # a link to a folder above it would go on for ever
                folders.clear()
                continue
            seen.add(os.path.realpath(folder))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [os.path.join(folder, name) for name in names if not name.startswith(".")]
        if not found:
            raise ValueError(f"{source}: an empty folder; expected files of text")
        return sorted(found)
    found = sorted(path for path in glob.glob(source, recursive=True) if os.path.isfile(path))
    if not found:
        raise FileNotFoundError(f"{source}: no such file or folder, and no glob that finds a file")
    return found


def _fingerprint_of(part, *, split, data_dir):
    if is_tfds(part):
        import tensorflow_datasets as tfds

        builder = tfds.builder(part.removeprefix("tfds:"), data_dir=data_dir)
        if not builder.info.splits:  # not prepared on this machine yet
            builder.download_and_prepare()
        there = builder.info.splits[split]
        return {"source": part, "version": str(builder.info.version), "examples": there.num_examples, "bytes": there.num_bytes}
    digest = hashlib.sha256()
    with open(part, "rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return {"source": part, "bytes": os.path.getsize(part), "sha256": digest.hexdigest()}


def _told(counts):
    skipped = {name: getattr(counts, name) for name in ("skipped_lines", "skipped_files") if getattr(counts, name)}
    return "" if not skipped else f" ({', '.join(f'{name} {count}' for name, count in skipped.items())})"
