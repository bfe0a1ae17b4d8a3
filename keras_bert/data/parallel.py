"""read_parallel: files of sources and their targets, translations or summaries -> (source, target)."""

import codecs
import gzip
import os
import xml.etree.ElementTree as ElementTree
import zlib

import tensorflow as tf

from keras_bert.data.tables import check_text, ending_of, is_file, read_rows, text_lines

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CODES = {"bpt", "ept", "it", "ph", "ut"}  # what they hold is markup of another format, as TMX 1.4b says


def read_parallel(source, *, columns=(0, 1), header=None, format=None, data_dir=None, split="train"):
    """Read sources with their targets. All are checked before anything is returned.

        read_parallel("train.tsv")                                              # source, tab, target
        read_parallel("summaries.jsonl", columns=("document", "summary"))
        read_parallel(("train.en", "train.zh"))                                 # two files, line by line
        read_parallel("memory.tmx", columns=("en", "zh"))                       # by languages

    Args:
        source: path of a .tsv, .csv or .jsonl file; a tuple of the paths of two files of as many lines; path of a .tmx file; all also .gz,
            UTF-8. Or "tfds:NAME", or columns in memory; see read_classification.
        columns: of source and target, by number or name; of a .tmx file their languages, in which "en" takes "en-GB" and "en_GB" too.
        header, format, data_dir, split: see read_classification.
    Returns: unbatched tf.data.Dataset of (source, target), scalar strings.
    Raises: ValueError naming file and line of what cannot be used; where two files differ in lines. FileNotFoundError.
    """
    columns = tuple(columns)
    if len(columns) != 2:
        raise ValueError(f"columns={columns!r}: two are read, of the source and of its target")
    if _are_two_files(source):
        pairs = _aligned(*map(os.fspath, source))
    elif is_file(source) and ending_of(os.fspath(source)) == ".tmx":
        pairs = _translation_memory(os.fspath(source), columns)
    else:
        options = {"header": header, "format": format, "data_dir": data_dir, "split": split}
        pairs = list(read_rows(source, columns, lambda place, values: _checked(place, columns, values), **options))
    return tf.data.Dataset.from_tensor_slices(tuple(map(list, zip(*pairs, strict=True))))


def _checked(place, columns, values):
    for column, text in zip(columns, values, strict=True):
        check_text(text, place, column)
    return tuple(values)


def _are_two_files(source):
    return isinstance(source, (tuple, list)) and len(source) == 2 and all(isinstance(part, (str, os.PathLike)) for part in source)


def _aligned(first, second):
    sides = [[line.rstrip("\r\n") for line in text_lines(path)] for path in (first, second)]
    if len(sides[0]) != len(sides[1]):
        raise ValueError(f"{first} has {len(sides[0])} lines, {second} {len(sides[1])}: line by line they are one text's")
    if not sides[0]:
        raise ValueError(f"{first} is empty")
    return list(zip(*sides, strict=True))


def _translation_memory(path, languages):
    """Pairs of a TMX file: of each unit that has both languages. Raises: ValueError naming the file."""
    wanted = list(map(_language, languages))
    pairs, found = [], set()
    try:
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            if file.read(3) != codecs.BOM_UTF8:
                file.seek(0)
            for _, element in ElementTree.iterparse(file):
                if _name(element) == "tu":
                    texts = _texts_of_unit(element)
                    found |= set(texts)
                    sides = [next((text for name, text in texts.items() if _is_of(name, language)), None) for language in wanted]
                    if None not in sides:
                        pairs.append(tuple(sides))
                    element.clear()
    except (ElementTree.ParseError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: broken TMX ({error})") from error
    if not pairs:
        raise ValueError(
            f"{path}: no unit has both {' and '.join(map(repr, languages))}; its languages are {', '.join(sorted(found)) or 'none'}"
        )
    return pairs


def _texts_of_unit(unit):
    texts = {}
    for variant in (part for part in unit if _name(part) == "tuv"):
        segment = next((part for part in variant if _name(part) == "seg"), None)
        language = variant.get(_LANGUAGE) or variant.get("lang") or ""
        if segment is not None:
            texts.setdefault(_language(language), _text_of(segment).strip())
    return texts


def _text_of(element):
    parts = [element.text or ""]
    for part in element:
        parts += ["" if _name(part) in _CODES else _text_of(part), part.tail or ""]
    return "".join(parts)


def _name(element):
    return element.tag.rpartition("}")[2]  # some files name their namespace


def _language(name):
    return str(name).lower().replace("_", "-")


def _is_of(name, language):
    return name == language or name.startswith(f"{language}-")
