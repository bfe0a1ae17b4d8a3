"""Padding before and after packing, by hand; and the picture of a real directory."""

import numpy as np
import pytest

from keras_bert import BertTokenizer
from keras_bert.pretraining import ExampleSettings, draw_lengths, prepare_pretraining_data
from keras_bert.pretraining.length_picture import padding_of_rows

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", "."]


def test_padding_of_packed_rows_and_of_the_examples_alone():
    lengths, rows = np.array([6, 10, 3, 7]), np.array([0, 0, 1, 1])
    before, after = padding_of_rows(lengths, rows, {"pack": True, "max_length": 10, "row_length": 20})
    assert (before[0], before[1].tolist()) == (10, [4, 0, 7, 3])
    assert (after[0], after[1].tolist()) == (20, [4, 10])


def test_padding_that_packing_would_leave():
    lengths = np.array([6, 10, 3, 7])  # first fit in rows of 10: 6 + 3, 10, 7
    before, after = padding_of_rows(lengths, np.arange(4), {"pack": False, "max_length": 10, "row_length": None})
    assert (before[0], before[1].tolist()) == (10, [4, 0, 7, 3])
    assert (after[0], after[1].tolist()) == (10, [1, 0, 3])


@pytest.mark.parametrize("pack", [True, False])
def test_a_directory_is_drawn_from_what_is_in_its_files(tmp_path, monkeypatch, pack):
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    sentences = [" ".join(rng.choice(list("abcdefgh"), rng.integers(3, 12))) + " .\n" for _ in range(100)]
    (tmp_path / "corpus.txt").write_text("".join(line + "\n" * (number % 5 == 4) for number, line in enumerate(sentences)))
    settings = ExampleSettings(max_length=32, pack=pack, sentences="line")
    directory = tmp_path / "examples"
    manifest = prepare_pretraining_data(tmp_path / "corpus.txt", directory, BertTokenizer(PIECES), settings, workers=1, progress=False)
    seen = []
    monkeypatch.setattr(
        "keras_bert.pretraining.length_picture.padding_of_rows",
        lambda lengths, rows, settings: seen.append((lengths, rows)) or padding_of_rows(lengths, rows, settings),
    )
    assert draw_lengths(directory) == str(directory / "lengths.png")
    assert (directory / "lengths.png").read_bytes()[:4] == b"\x89PNG"
    lengths, rows = seen[0]
    assert (len(lengths), lengths.sum(), len(set(rows))) == tuple(manifest["totals"][name] for name in ("sequences", "tokens", "rows"))


def test_without_matplotlib_a_warning_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "manifest.json").write_text("{}")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.warns(UserWarning, match=r'lengths.png needs matplotlib: pip install "keras3-bert\[plot\]"'):
        assert draw_lengths(tmp_path) is None
    with pytest.raises(FileNotFoundError, match=r"no manifest\.json"):
        draw_lengths(tmp_path / "none")
