"""The suite itself: short real runs, what its sides share, and what it refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import pretraining
from benchmarks.peers import BenchmarkError

TINY = ["--layers", 1, "--hidden", 64, "--lengths", 16, "--packed_length", 64, "--slots", 256, "--batches", 1, "--texts", 12]
TINY += ["--rounds", 1, "--dtype", "float32", "--threads", 1]


def run(root, path, *arguments):
    text = root / "examples" / "data" / "sentence_polarity" / "dev.tsv.gz"
    command = [sys.executable, "-m", "benchmarks", "pretraining", "--text", text, "--json", path, *TINY, *arguments]
    done = subprocess.run([str(part) for part in command], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


def check(rows, peer):
    assert [(row["part"], row["peer"], row["target"], row["batch_size"]) for row in rows] == [
        ("steps", peer, 1.5, 16),
        ("packing", peer, 2, 4),
    ]
    steps, packing = rows
    assert all(row["difference"] < 1e-4 for row in rows)
    assert (steps["padding_share"], steps["peer_padding_share"]) == (0, 0)
    assert packing["padding_share"] < packing["peer_padding_share"]
    assert packing["tokens_per_second"] == pytest.approx(packing["examples_per_second"] * packing["mean_length"])


@pytest.mark.slow
def test_a_short_run_beside_model_garden(root, tmp_path):
    pytest.importorskip("official.nlp.modeling")
    rows = run(root, tmp_path / "out.json", "--peers", "model_garden", "keras_bert_padded")
    check([row for row in rows if row["peer"] == "model_garden"], "model_garden")
    (row,) = (row for row in rows if row["peer"] != "model_garden")  # packing beside padding of our own
    assert (row["part"], row["peer"], row["target"]) == ("packing", "keras_bert_padded", 1.5)
    assert row["difference"] < 1e-4 and row["padding_share"] < row["peer_padding_share"]


@pytest.mark.slow
def test_a_short_run_beside_transformers(root, tmp_path, peers_python):
    rows = run(root, tmp_path / "out.json", "--peers", "transformers_eager", "--peers_python", peers_python)
    check(rows, "transformers_eager")


@pytest.fixture
def common(bert_common, monkeypatch):
    """benchmarks/sides/pretraining_common.py."""
    monkeypatch.delitem(sys.modules, "pretraining_common", raising=False)
    import pretraining_common

    yield pretraining_common
    del sys.modules["pretraining_common"]


def test_masks_are_of_the_sequence_and_never_of_its_ends(common):
    ids = [common.CLS, *range(2000, 2100), common.SEP]
    one, again, other = common.masked(ids, 3), common.masked(ids, 3), common.masked(ids, 4)
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not np.array_equal(one["masked_positions"], other["masked_positions"])
    assert len(one["masked_ids"]) == 15
    assert one["masked_ids"].tolist() == [ids[place] for place in one["masked_positions"]]
    changed = np.flatnonzero(one["input_ids"] != ids)
    assert set(changed) <= set(one["masked_positions"]) <= set(range(1, 101))
    assert (one["input_ids"] == common.MASK).sum() >= 8


def test_a_batch_is_padded_to_its_longest_or_to_a_length(common):
    rows = [common.masked([common.CLS, 2000, 2001, common.SEP], 0), common.masked([common.CLS, *[2000] * 10, common.SEP], 1)]
    batch = common.batch_of(rows)
    assert batch["attention_mask"].sum(1).tolist() == [4, 12]
    assert batch["masked_weights"].tolist() == [[1, 0], [1, 1]]
    assert batch["input_ids"].shape == (2, 12) and common.batch_of(rows, 16)["input_ids"].shape == (2, 16)


def test_slots_of_padded_batches():
    options = command.parse(["pretraining", "--slots", "20"])
    options = pretraining.sized(options, 10)
    model_garden, _, transformers = pretraining.ALL
    assert options.batch_size == 2
    assert pretraining.padded_slots([4, 6, 3], options, transformers) == 2 * 6 + 3
    assert pretraining.padded_slots([4, 6, 3], options, model_garden) == 3 * 10


def test_a_step_s_products_are_of_the_encoder_and_of_masked_words():
    config = {"hidden_size": 2, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 100}
    # Encoder, forward: 20 slots of 2 * (4 h h + 2 h i) and 4 * 20 * 20 * h; the head: 3 predictions of 2 * (h h + h V).
    assert pretraining.flops_of(config, [20]) == 3 * (20 * 2 * (16 + 32) + 4 * 400 * 2 + 3 * 2 * (4 + 200))


def test_a_wish_that_leaves_nothing_to_compare_is_told():
    options = command.parse(["pretraining", "--parts", "steps", "--peers", "keras_bert_padded"])
    with pytest.raises(BenchmarkError, match="nothing to compare: keras_bert_padded is a peer of part packing alone"):
        next(pretraining.measure(options))


def test_more_texts_than_there_are_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    options = command.parse(["pretraining", "--text", str(tmp_path / "a.txt"), "--texts", "3"])
    with pytest.raises(BenchmarkError, match="--texts 3, but the files hold 2 lines"):
        pretraining.sample(options)
    options.texts = 2
    assert sorted(pretraining.sample(options)) == ["one", "two"]
