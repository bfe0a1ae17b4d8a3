"""read_parallel: every form of file, and what is wrong in one."""

import gzip
import json

import pytest

from keras_bert.data import read_parallel

PAIRS = [("good morning", "早上好"), ("it's late", "很晚了"), ("", "空")]
TMX = """<?xml version="1.0" encoding="UTF-8"?><tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en-GB"><seg>good <hi>morning</hi></seg></tuv><tuv xml:lang="zh"><seg>早上好</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>only one side</seg></tuv></tu>
<tu><tuv xml:lang="zh"><seg>很晚了</seg></tuv><tuv lang="EN"><seg> it's late </seg></tuv></tu></body></tmx>"""


def pairs(*arguments, **options):
    return [tuple(part.decode() for part in pair) for pair in read_parallel(*arguments, **options).as_numpy_iterator()]


def test_every_form_gives_the_pairs(tmp_path):
    (tmp_path / "a.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS), encoding="utf-8")
    rows = "".join(json.dumps({"document": source, "summary": target, "id": 1}) + "\n" for source, target in PAIRS)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    for side, name in enumerate(("a.en", "a.zh")):
        (tmp_path / name).write_text("".join(pair[side] + "\n" for pair in PAIRS), encoding="utf-8")
    assert pairs(tmp_path / "a.tsv") == PAIRS
    assert pairs(tmp_path / "a.tsv", columns=(1, 0)) == [pair[::-1] for pair in PAIRS]
    assert pairs(tmp_path / "a.jsonl.gz", columns=("document", "summary")) == PAIRS
    assert pairs((tmp_path / "a.en", tmp_path / "a.zh")) == PAIRS
    assert pairs((["x", "y"], ["1", "2"])) == [("x", "1"), ("y", "2")]


def test_a_translation_memory_gives_units_that_have_both_languages(tmp_path):
    (tmp_path / "a.tmx").write_text(TMX, encoding="utf-8")
    assert pairs(tmp_path / "a.tmx", columns=("en", "zh")) == PAIRS[:2]
    (tmp_path / "b.tmx.gz").write_bytes(gzip.compress(TMX.encode()))
    assert pairs(tmp_path / "b.tmx.gz", columns=("zh", "en")) == [pair[::-1] for pair in PAIRS[:2]]


def test_what_cannot_be_used_is_named(tmp_path):
    (tmp_path / "a.en").write_text("x\ny\n")
    (tmp_path / "a.zh").write_text("x\n")
    (tmp_path / "a.tsv").write_text("x\ty\nz\n")
    (tmp_path / "a.tmx").write_text(TMX, encoding="utf-8")
    (tmp_path / "b.tmx").write_text("<tmx><body><tu>")
    with pytest.raises(ValueError, match=r"a\.en has 2 lines, .*a\.zh 1"):
        read_parallel((tmp_path / "a.en", tmp_path / "a.zh"))
    with pytest.raises(ValueError, match=r"a\.tsv:2"):
        read_parallel(tmp_path / "a.tsv")
    with pytest.raises(ValueError, match=r"no unit has both 'en' and 'fr'; its languages are en, en-gb, zh"):
        read_parallel(tmp_path / "a.tmx", columns=("en", "fr"))
    with pytest.raises(ValueError, match=r"b\.tmx: broken TMX"):
        read_parallel(tmp_path / "b.tmx", columns=("en", "fr"))
    with pytest.raises(ValueError, match="two are read"):
        read_parallel(tmp_path / "a.tsv", columns=(0,))
