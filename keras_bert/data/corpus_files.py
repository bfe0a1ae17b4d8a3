"""Files of running text, read a piece at a time: what is packed is unpacked, and what cannot be read is told by its byte, or counted."""

import codecs
import contextlib
import dataclasses
import gzip
import io
import json
import lzma
import os
import zlib

_ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
FORMATS = ("text", "jsonl", "parquet")
_PACKED = (".gz", ".xz", ".zst")
_MARK = codecs.BOM_UTF8
_CHUNK_BYTES = 1 << 20  # read at once; a line that is longer is handed on in pieces
_ROW_BYTES = 1 << 28  # a line of JSON must be whole in memory; this long it is no line, but a file without line breaks
_PARQUET_ROWS = 256  # decoded at once
_ZSTD_WINDOW = 1 << 31  # of `zstd --long=31`, the longest


@dataclasses.dataclass
class CorpusCounts:
    """What was met while a corpus was read.

    Attributes: documents, bytes: of what was given out, in UTF-8. source_bytes: of the files, packed as they are, that were read.
        duplicates: documents left out. long_documents: those that were cut. skipped_lines (rows too), skipped_files: what could not
        be read, where that is allowed.
    """

    documents: int = 0
    bytes: int = 0
    source_bytes: int = 0
    duplicates: int = 0
    long_documents: int = 0
    skipped_lines: int = 0
    skipped_files: int = 0


class _Skipped(Exception):
    """A file of which nothing more is read."""


def format_of(path):
    """Returns: which of FORMATS a file's name says it has; "text" where it says nothing.

    Raises: ValueError on .json, which at times is lines of JSON: as text, braces and names of fields would become words.
    """
    name = path.lower()
    for ending in _PACKED:
        name = name.removesuffix(ending)
    ending = os.path.splitext(name)[1]
    if ending == ".json":
        raise ValueError(f"{path}: .json does not say what it holds: give format='jsonl' for an object a line, or 'text', or take it away")
    return _ENDINGS.get(ending, "text")


class FileReader:
    """Reads one file. Args: path: str. counts: CorpusCounts. skip_invalid: count what cannot be read, in place of an error."""

    def __init__(self, path, counts, *, skip_invalid=False):
        self.path = path
        self._counts = counts
        self._skip = skip_invalid
        self._read_before = counts.source_bytes

    def lines(self):
        """Read a text file.

        Yields: list of str, lines without their breaks, and whether the last of them goes on in the next list: a line over a mebibyte
            comes in pieces, cut at white space where there is some.
        Raises: ValueError naming file and byte of what is not UTF-8 text.
        """
        try:
            for data, offset in self._chunks():
                yield self._decoded_lines(data, offset), not data.endswith(b"\n")
        except _Skipped:
            self._counts.skipped_files += 1

    def json_texts(self, field):
        """Read JSON lines. Args: field: of each object. Yields: str. Raises: ValueError naming file and line."""
        with self._opened() as file:
            number = 0
            while line := file.readline(_ROW_BYTES + 1):
                number += 1
                place = f"{self.path}:{number}"
                if number % 1000 == 0:
                    self._count_read()
                if len(line) > _ROW_BYTES:
                    self._refuse(f"{place}: a line of JSON over {_ROW_BYTES >> 20} MiB")
                    while line and not line.endswith(b"\n"):
                        line = file.readline(_ROW_BYTES)
                elif line.strip():
                    text = self._field_of(line.removeprefix(_MARK) if number == 1 else line, field, place)
                    if text is not None:
                        yield text

    def parquet_texts(self, field):
        """Read a Parquet file. Args: field: a column of strings; null is no document. Yields: str. Raises: ValueError, ImportError."""
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise ImportError(f'{self.path}: Parquet files need pyarrow: pip install "keras3-bert[corpora]"') from error
        try:
            file = pyarrow.parquet.ParquetFile(self.path)
        except pyarrow.ArrowException as error:
            self._refuse(f"{self.path}: no Parquet file: {error}", "skipped_files")
            return
        if field not in file.schema_arrow.names:
            raise ValueError(f"{self.path}: no column {field!r}; it has {', '.join(file.schema_arrow.names)}; say text_field=")
        batches = file.iter_batches(batch_size=_PARQUET_ROWS, columns=[field])
        while True:
            try:
                texts = next(batches).column(0).to_pylist()
            except StopIteration:
                return
            except (pyarrow.ArrowException, OSError) as error:
                raise ValueError(f"{self.path}: broken Parquet: {error}") from error
            for text in texts:
                if text is not None and not isinstance(text, str):
                    raise ValueError(f"{self.path}: column {field!r} holds a {type(text).__name__}; expected strings")
                if text is not None:
                    yield text

    @contextlib.contextmanager
    def _opened(self):
        """The file, unpacked. Names it where unpacking fails, and counts how far it was read."""
        with open(self.path, "rb") as packed, unpacked(packed, self.path) as file:
            self._packed = packed
            try:
                yield file
            except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
                raise ValueError(f"{self.path}: broken {os.path.splitext(self.path)[1]}: {error}") from error
            except Exception as error:
                if type(error).__module__.partition(".")[0] != "zstandard":
                    raise
                raise ValueError(f"{self.path}: broken .zst: {error}") from error

    def _count_read(self):
        self._counts.source_bytes = self._read_before + self._packed.tell()

    def _refuse(self, message, counted="skipped_lines"):
        """Raises: ValueError, or counts where that is allowed."""
        if not self._skip:
            raise ValueError(f"{message}; skip_invalid=True leaves it out and counts it")
        setattr(self._counts, counted, getattr(self._counts, counted) + 1)

    def _chunks(self):
        """Yields: bytes that end with a line, or inside a long one, and the offset in the unpacked file."""
        with self._opened() as file:
            offset, rest = 0, b""
            while data := file.read(_CHUNK_BYTES):
                self._count_read()
                self._check_is_text(data, offset + len(rest))
                data = rest + data
                cut = data.rfind(b"\n") + 1
                if not cut and len(data) < _CHUNK_BYTES:
                    rest = data
                    continue
                cut = cut or _place_to_cut(data)
                yield data[:cut], offset
                offset, rest = offset + cut, data[cut:]
            if rest:
                yield rest + b"\n", offset

    def _check_is_text(self, data, offset):
        place = data.find(b"\0")
        if place < 0:
            return
        if self._skip:
            raise _Skipped
        raise ValueError(
            f"{self.path}: binary: a zero byte at byte {offset + place}; take the file away, convert UTF-16 by iconv -t UTF-8, or say "
            "skip_invalid=True to leave such files out and count them"
        )

    def _decoded_lines(self, data, offset):
        if not offset and data.startswith(_MARK):
            data, offset = data[len(_MARK) :], len(_MARK)
        try:
            lines = data.decode("utf-8").split("\n")
        except UnicodeDecodeError:
            lines = list(self._valid_lines(data, offset))
        if data.endswith(b"\n"):
            lines.pop()
        return lines

    def _valid_lines(self, data, offset):
        start = 0
        for line in data.split(b"\n"):
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                self._refuse(f"{self.path}: not UTF-8: {error.reason} at byte {offset + start + error.start}; convert it by iconv -t UTF-8")
            start += len(line) + 1

    def _field_of(self, line, field, place):
        try:
            row = json.loads(line)
        except ValueError as error:  # UnicodeDecodeError too
            return self._refuse(f"{place}: not JSON: {error}")
        if not isinstance(row, dict) or field not in row:
            there = ", ".join(row) if isinstance(row, dict) else f"a JSON {type(row).__name__}"
            return self._refuse(f"{place}: no field {field!r}; there is {there}; say text_field=")
        if not isinstance(row[field], str):
            return self._refuse(f"{place}: {field!r} is a {type(row[field]).__name__}; expected a string")
        text = row[field]
        return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")  # JSON's "\\ud800" has no UTF-8


def unpacked(file, path):
    """Args: file: binary file. path: its name, which says how it is packed. Returns: binary file of what is packed. Raises: ImportError."""
    ending = os.path.splitext(path)[1].lower()
    if ending == ".gz":
        return gzip.GzipFile(fileobj=file)
    if ending == ".xz":
        return lzma.open(file)
    if ending == ".zst":
        try:
            import zstandard
        except ImportError as error:
            raise ImportError(f'{path}: .zst files need zstandard: pip install "keras3-bert[corpora]"') from error
        return io.BufferedReader(_ZstdFile(file, zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)), _CHUNK_BYTES)
    return file


class _ZstdFile(io.RawIOBase):
    """What is packed in one frame of zstd after the other. zstandard's own reader takes a file that is cut off for one that ends."""

    def __init__(self, file, decompressor):
        self._file, self._decompressor = file, decompressor
        self._frame, self._packed, self._data = None, b"", memoryview(b"")

    def readable(self):
        return True

    def readinto(self, buffer):
        while not self._data:
            # Little at once: a few bytes may be 128 KB.
            self._packed = self._packed or self._file.read(4096)
            if not self._packed:
                if self._frame is not None and not self._frame.eof:
                    raise EOFError("compressed file ended before the end of its frame")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            self._data = memoryview(self._frame.decompress(self._packed))
            self._packed = self._frame.unused_data if self._frame.eof else b""
        count = min(len(buffer), len(self._data))
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


def _place_to_cut(data):
    """Where to cut a line of UTF-8: behind its last white space, or Chinese full stop, or else between two characters."""
    half = len(data) // 2
    place = max(data.rfind(b" ", half) + 1, data.rfind("。".encode(), half) + 3)
    if place > half:
        return place
    place = len(data)
    while place > len(data) - 4 and data[place - 1] & 0xC0 == 0x80:
        place -= 1
    # The last character begins there; it may lack its end.
    return place - 1 if data[place - 1] & 0x80 and place > 1 else len(data)
