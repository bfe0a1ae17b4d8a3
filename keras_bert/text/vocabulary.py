"""The vocabulary: a list of pieces, a line each in vocab.txt; the line number is the id."""

import codecs
import os

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
REQUIRED = (PAD, UNK, CLS, SEP)
SPECIAL = (*REQUIRED, MASK)


def load_vocabulary(path):
    """Read a vocab.txt.

    Args: path: UTF-8 file, a piece a line; a byte-order mark at its start is no part of the first piece.
    Returns: list[str], the id of a piece being its index.
    Raises: ValueError naming file and line on bytes that are not UTF-8, an empty line, a piece that stands twice; and
        naming the pieces that every BERT needs and this file lacks.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        lines = file.read().removeprefix(codecs.BOM_UTF8).split(b"\n")  # splitlines would also break at characters that are pieces
    if lines and not lines[-1].strip(b"\r"):
        lines.pop()
    pieces = []
    for number, line in enumerate(lines, 1):
        try:
            pieces.append(line.rstrip(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}:{number}: not UTF-8 ({error.reason} at byte {error.start} of the line)") from error
    return check_vocabulary(pieces, source=path)


def check_vocabulary(pieces, *, source="vocabulary"):
    """Check that a list can serve as vocabulary. Args: pieces: list[str]. Returns: it. Raises: as load_vocabulary."""
    first_line = {}
    for number, piece in enumerate(pieces, 1):
        if not isinstance(piece, str):
            raise ValueError(f"{source}:{number}: {piece!r} is a {type(piece).__name__}, not a string")
        if not piece:
            raise ValueError(f"{source}:{number}: an empty piece")
        if piece in first_line:
            raise ValueError(f"{source}:{number}: the piece {piece!r} stands on line {first_line[piece]} already")
        first_line[piece] = number
    missing = [piece for piece in REQUIRED if piece not in first_line]
    if missing:
        raise ValueError(f"{source}: no {', '.join(missing)} among its {len(pieces)} pieces; every BERT vocabulary has them")
    return pieces


def as_vocabulary(vocabulary):
    """Args: vocabulary: path of a vocab.txt, or the list of its pieces. Returns: list[str], checked. Raises: as load_vocabulary."""
    if isinstance(vocabulary, (str, os.PathLike)):
        return load_vocabulary(vocabulary)
    return check_vocabulary(list(vocabulary))


def save_vocabulary(pieces, path):
    """Write a vocab.txt. Args: pieces: list[str]. path: the file. Raises: ValueError on a piece that spans lines."""
    for number, piece in enumerate(pieces, 1):
        if "\n" in piece or piece.endswith("\r"):
            raise ValueError(f"piece {number}, {piece!r}, holds a line break and cannot stand in vocab.txt")
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(piece + "\n" for piece in pieces)
