"""Texts from files, a line each."""

import gzip
import os
import zlib


def read_lines(files):
    """Read texts.

    Args:
        files: path, or list or tuple of paths: UTF-8, a text a line; .gz is unpacked. Any other iterable (a generator, or
            iter(texts)) gives the texts themselves, str.
    Yields: bytes, valid UTF-8, a text each.
    Raises: ValueError on bytes that are not UTF-8 or broken gzip (file and line), or on a text that is no str. FileNotFoundError.
    """
    if isinstance(files, (str, os.PathLike)):
        files = [files]
    if not isinstance(files, (list, tuple)):
        for number, text in enumerate(files, 1):
            if not isinstance(text, str):
                raise ValueError(f"text {number}: {text!r} is a {type(text).__name__}; expected str")
            yield text.encode("utf-8")
        return
    for path in files:
        path = os.fspath(path)
        number = 0
        try:
            with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        line.decode("utf-8")
                    except UnicodeDecodeError as error:
                        raise ValueError(f"{path}:{number}: not UTF-8 ({error.reason} at byte {error.start} of the line)") from error
                    yield line
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{path}:{number + 1}: broken gzip ({error})") from error
