"""What the suites about a BERT share, on numbers made by hand."""

import argparse
import json

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import bert, peers

SETTINGS = {"batch_size": 4, "length": 8, "batches": 2, "vocab_size": 2000}


def options(*arguments):
    parser = argparse.ArgumentParser()
    bert.add_arguments(parser, command.positive, dtypes=("float32", "bfloat16"), batches=2)
    return parser.parse_args(arguments)


def test_sizes_of_bert_base_are_the_default():
    config = bert.config_of(options())
    assert config == {
        "vocab_size": 30522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
    }


@pytest.mark.parametrize(("wish", "message"), [(["--hidden", "100"], "not a multiple of 64"), (["--threads", "5000"], "may use")])
def test_impossible_sizes_are_told(wish, message):
    with pytest.raises(peers.BenchmarkError, match=message):
        bert.config_of(options(*wish))


def test_weights_are_linked_and_only_the_configuration_changes(tmp_path):
    (tmp_path / "hugging_face").mkdir()
    (tmp_path / "hugging_face" / "model.safetensors").write_bytes(b"weights")
    original = {"hidden_act": "gelu_new", "hidden_dropout_prob": 0.1, "hidden_size": 64}
    (tmp_path / "hugging_face" / "config.json").write_text(json.dumps(original))
    weights = bert.Weights.__new__(bert.Weights)
    weights.directory, weights.hugging_face, weights.model_garden = str(tmp_path), str(tmp_path / "hugging_face"), None
    path = weights.settings(bert.ERF, dropout=0.0)["directory"]
    with open(f"{path}/config.json", encoding="utf-8") as file:
        changed = json.load(file)
    assert (changed["hidden_act"], changed["hidden_dropout_prob"], changed["hidden_size"]) == ("gelu", 0.0, 64)
    assert json.loads((tmp_path / "hugging_face" / "config.json").read_text()) == original
    assert (tmp_path / "hugging_face" / "model.safetensors").stat().st_nlink == 2
    assert weights.settings(bert.TANH)["directory"] != path


class Clock:
    """Stands for a side of given seconds a run and a given peak."""

    def __init__(self, name, seconds, peak):
        self.name, self.seconds, self.peaks = name, seconds, iter((peak / 2, peak))

    def ask(self, do, measure=None):
        if measure == "peak":
            return {"flops_per_second": next(self.peaks)}
        return {"seconds": self.seconds, "checksum": 1, "peak_bytes": 7}


def test_rates_ratio_and_shares_of_the_greater_peak():
    row = bert.time_beside(Clock("ours", 0.5, 1e9), Clock("its", 1.0, 2e9), 3, examples=32, flops=1e8)
    assert (row["examples_per_second"], row["peer_examples_per_second"], row["ratio_median"]) == (64, 32, 2)
    assert (row["matmul_peak"], row["peer_matmul_peak"]) == (1e9, 2e9)
    assert (row["peak_share"], row["peer_peak_share"]) == pytest.approx((0.1, 0.05))


def test_every_side_has_the_same_batches_and_padding_is_not_at_the_rows_front(bert_common):
    first, again = bert_common.random_batches(SETTINGS), bert_common.random_batches(SETTINGS)
    assert all(np.array_equal(one[name], other[name]) for one, other in zip(first, again, strict=True) for name in one)
    assert not np.array_equal(first[0]["input_ids"], first[1]["input_ids"])
    batch = bert_common.padded(first[0])
    assert batch["attention_mask"].sum(1).tolist() == [4, 8, 4, 8]
    assert np.array_equal(batch["input_ids"] != 0, batch["attention_mask"] == 1)


def test_outputs_are_of_all_batches_not_of_the_first_alone(bert_common):
    class Side(bert_common.ClassifierSide):
        def prepare(self):
            pass

        def work(self, batches):  # a score that tells the row and how much of it is not padding
            return np.concatenate([(batch["input_ids"] * batch["attention_mask"]).sum(1, keepdims=True) for batch in batches])

    side = Side(SETTINGS | {"threads": 1, "job": "inference", "policy": "float32", "batch_size": 1, "batches": 3})
    ids = [batch["input_ids"] for batch in side.batches]
    assert side.outputs({}) == [[row[0, : row.shape[1] // 2].sum()] for row in ids]


def test_the_peak_is_of_the_fastest_product(bert_common):
    sizes = []
    peak = bert_common.matmul_peak(lambda size: lambda: sizes.append(size))  # does nothing, quickly
    assert set(sizes) == set(bert_common.PEAK_SIZES)
    assert peak > 1e12


def test_the_most_memory_of_this_process_is_told(bert_common):
    before = bert_common.peak_bytes()
    if before is None:
        pytest.skip("this system has no /proc/self/status")
    held = np.ones(20_000_000)
    assert bert_common.peak_bytes() - before > 0.5 * held.nbytes or before > 2 * held.nbytes
