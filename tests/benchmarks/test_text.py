"""Which text is read, and how much of it is taken."""

import gzip
import json

import pytest

from benchmarks import text
from benchmarks.peers import BenchmarkError


def test_texts_are_read_and_labels_are_not(tmp_path):
    (tmp_path / "a.txt").write_text("one line\n\n  \nthe next\none line\n", encoding="utf-8")
    with gzip.open(tmp_path / "b.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("positive\ta film\n0.5\t你好\n")
    squad = {
        "data": [{"paragraphs": [{"context": "A context.", "qas": [{"id": "q 1", "question": "Why?", "answers": [{"text": "a b"}]}]}]}]
    }
    (tmp_path / "c.json").write_text(json.dumps(squad))
    paths = [tmp_path / name for name in ("a.txt", "b.tsv.gz", "c.json")]
    assert text.read_lines(paths) == ["one line", "the next", "a film", "你好", "A context.", "Why?"]


def test_the_committed_data_is_found():
    paths = text.default_files()
    assert any(path.name == "train.tsv.gz" for path in paths)
    assert all(path.name not in ("README.md", "LICENSE") for path in paths)


@pytest.mark.parametrize(("name", "message"), [("a.parquet", "text is read from .txt, .tsv, .json"), ("no.txt", "No such file")])
def test_what_cannot_be_read_is_told(tmp_path, name, message):
    with pytest.raises(BenchmarkError, match=message):
        text.read_lines([str(tmp_path / name)])


def test_too_little_text_is_repeated_and_said_so():
    taken = text.take(["é" * 250_000, "b" * 500_000], 1.75)  # half a megabyte each
    assert (len(taken.lines), taken.megabytes, taken.real_megabytes) == (4, 2.0, 1.0)
    assert str(taken) == "2.0 MB in 4 lines: 1.0 MB of real text, repeated"


def test_enough_text_is_not_repeated():
    taken = text.take(["a" * 500_000, "b" * 500_000, "c" * 500_000], 1)
    assert (len(set(taken.lines)), taken.megabytes, taken.real_megabytes) == (2, 1.0, 1.0)
    assert str(taken) == "1.0 MB in 2 lines: real text, no repeats"


def test_no_text_is_told():
    with pytest.raises(BenchmarkError, match="no text: name files of it by --text"):
        text.take([], 1)


def test_count_for_a_size():
    lines = ["a" * 400_000] * 3
    assert text.count_for(lines, 0.5) == (2, 0.8)
    assert text.count_for(lines, 9) == (3, 1.2)


def test_documents_that_come_again_have_other_words(tmp_path):
    lines = [" ".join(f"w{line}-{word}" for word in range(30)) for line in range(50)]
    size = text.write_documents(lines, tmp_path / "a.txt", 0.03, lines_a_document=20)
    content = (tmp_path / "a.txt").read_text()
    assert size == len(content) / 1e6 and 0.03 <= size < 0.036
    written = content.split("\n")
    assert [line == "" for line in written[:42]] == [False] * 20 + [True] + [False] * 20 + [True]
    first, again = [line for line in written if line][:50], [line for line in written if line][50:]
    assert sorted(first) == sorted(lines)
    assert len(again) > 40 and not set(again) & set(lines)
    assert all(len(line.split(" ")) == 30 for line in again)
    with pytest.raises(BenchmarkError, match="no text"):
        text.write_documents([], tmp_path / "b.txt", 1)
