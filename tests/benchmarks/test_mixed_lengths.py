"""The suite itself: short real runs, and what it refuses."""

import json
import subprocess
import sys

import pytest

from benchmarks import mixed_lengths
from benchmarks.peers import BenchmarkError

TINY = ["--layers", 1, "--hidden", 64, "--length", 64, "--max_tokens_per_batch", 128, "--batch_size", 2]
TINY += ["--rounds", 1, "--texts", 6, "--dtype", "float32"]


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.tsv"
    words = ["a", "film", "that", "is", "good", "and", "bad", "and", "long"]
    path.write_text("".join(f"{number % 2}\t{' '.join(words[: 1 + number]) * (1 + 9 * (number == 3))}\n" for number in range(8)))
    return path


def run(root, python, path, *arguments):
    command = [sys.executable, "-m", "benchmarks", "mixed_lengths", "--peers_python", python, "--json", path, *TINY, *arguments]
    done = subprocess.run([str(part) for part in command], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


@pytest.mark.slow
def test_a_short_run_beside_padding(root, tmp_path, texts):
    rows = run(root, "unused", tmp_path / "out.json", "--text", texts, "--peers", "keras_bert_padded")
    assert [(row["job"], row["peer"], row["target"], row["texts"]) for row in rows] == [
        ("predict", "keras_bert_padded", 2.0, 6),
        ("fit", "keras_bert_padded", 2.0, 6),
    ]
    assert rows[0]["difference"] < 1e-3  # and so the rows are in the texts' order
    assert 3 < rows[0]["mean_length"] < 64


@pytest.mark.slow
def test_a_short_run_beside_transformers(root, tmp_path, texts, peers_python):
    rows = run(root, peers_python, tmp_path / "out.json", "--text", texts, "--peers", "transformers_grouped")
    assert [(row["job"], row["peer"], row["target"]) for row in rows] == [
        ("predict", "transformers_grouped", 1.3),
        ("fit", "transformers_grouped", 1.3),
    ]
    assert rows[0]["difference"] < 1e-3


def test_labels_and_texts_are_read_and_sampled_alike_in_every_run(texts):
    examples = mixed_lengths.read_examples([texts])
    assert examples[1] == (1, "a film")
    assert len(examples) == 8
    assert mixed_lengths.sample(examples, 5) == mixed_lengths.sample(examples, 5)
    assert len(set(mixed_lengths.sample(examples, 5))) == 5


def test_more_texts_than_there_are_are_refused(texts):
    with pytest.raises(BenchmarkError, match="--texts 9, but the files hold 8"):
        mixed_lengths.sample(mixed_lengths.read_examples([texts]), 9)


@pytest.mark.parametrize("line", ["no label", "2\tanother label"])
def test_a_line_that_is_no_example_is_told(tmp_path, line):
    path = tmp_path / "bad.tsv"
    path.write_text(f"1\tgood\n{line}\n")
    with pytest.raises(BenchmarkError, match=r"bad.tsv:2: expected 0 or 1, a tab and a text; got "):
        mixed_lengths.read_examples([path])


def test_missing_data_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(mixed_lengths, "DATA", tmp_path)
    with pytest.raises(BenchmarkError, match=r"train.tsv.gz is not there: name files of label<TAB>text by --text"):
        mixed_lengths.default_files()
