"""read_parallel: every form of file, and what is wrong in one."""

import gzip
import json

import numpy as np
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


@pytest.mark.parametrize(
    ("tag", "english", "chinese", "segment"),
    [
        ("tmx version='1.4' xmlns='http://www.lisa.org/tmx14'", "en", "zh", "good morning"),  # a namespace
        ("tmx", "en_GB", "zh_CN", "good morning"),
        ("tmx", "en", "zh", "<bpt i='1'>&lt;b&gt;</bpt>good<ept i='1'>&lt;/b&gt;</ept><ph>{0}</ph> <hi>mor<it>x</it>ning</hi>"),  # codes
    ],
)
def test_translation_memories_as_other_tools_write_them(tmp_path, tag, english, chinese, segment):
    units = f"<tu><tuv xml:lang='{english}'><seg>{segment}</seg></tuv><tuv xml:lang='{chinese}'><seg>早上好</seg></tuv></tu>"
    text = f"<?xml version='1.0' encoding='UTF-16'?><{tag}><body>{units}</body></{tag.split()[0]}>"
    (tmp_path / "a.tmx").write_bytes(text.encode("utf-16"))
    for languages in (("en", "zh"), (english, chinese)):
        assert pairs(tmp_path / "a.tmx", columns=languages) == PAIRS[:1]


def test_rows_in_memory_are_not_read_as_columns():
    for rows in (PAIRS, list(map(list, PAIRS)), np.array(PAIRS)):
        with pytest.raises(ValueError, match=r"a tuple of lists, .* got a (list|ndarray). Rows become columns by tuple\(zip\(\*rows\)\)"):
            read_parallel(rows)
        assert pairs(tuple(zip(*rows, strict=True))) == PAIRS


def test_what_cannot_be_used_is_named(tmp_path):
    (tmp_path / "a.en").write_text("x\ny\n")
    (tmp_path / "a.zh").write_text("x\n")
    (tmp_path / "a.tsv").write_text("x\ty\nz\n")
    (tmp_path / "a.tmx").write_text(TMX, encoding="utf-8")
    (tmp_path / "b.tmx").write_text("<tmx><body><tu>")
    with pytest.raises(ValueError, match=r"a\.en has 2 lines, .*a\.zh 1"):
        read_parallel((tmp_path / "a.en", tmp_path / "a.zh"))
    (tmp_path / "mac.en").write_bytes(b"x\ry\r")
    (tmp_path / "mac.tsv").write_bytes(b"x\ty\rz\tw")
    for source in ((tmp_path / "mac.en", tmp_path / "mac.en"), tmp_path / "mac.tsv"):
        with pytest.raises(ValueError, match=r"mac\.(en|tsv): its lines end in carriage returns alone"):
            read_parallel(source)
    with pytest.raises(ValueError, match=r"a\.tsv:2"):
        read_parallel(tmp_path / "a.tsv")
    with pytest.raises(ValueError, match=r"no unit has both 'en' and 'fr'; its languages are en, en-gb, zh"):
        read_parallel(tmp_path / "a.tmx", columns=("en", "fr"))
    with pytest.raises(ValueError, match=r"b\.tmx: broken TMX"):
        read_parallel(tmp_path / "b.tmx", columns=("en", "fr"))
    with pytest.raises(ValueError, match="two are read"):
        read_parallel(tmp_path / "a.tsv", columns=(0,))
