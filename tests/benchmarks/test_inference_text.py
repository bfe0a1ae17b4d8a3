"""What tasks of raw text share: batch sizes, the timing of one call or many, the table, and what is refused."""

import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import inference, inference_text
from benchmarks.peers import BenchmarkError


class Side:
    """Stands for a side that takes so many seconds a call by batch size."""

    versions = {"library": "1.0"}  # noqa: RUF012  # never changed

    def __init__(self, seconds, name="side"):
        self.seconds, self.name = seconds, name

    def ask(self, do, form, texts, calls):
        return {"seconds": calls * self.seconds[int(form.removeprefix("batch_"))], "checksum": [texts] * calls}


@pytest.fixture(autouse=True)
def brief_warm_up(monkeypatch):
    monkeypatch.setattr(inference_text.peers, "WARM_UP_SECONDS", 0.1)


def test_each_side_takes_its_fastest_batch_size():
    ours, theirs = Side({1: 4.0, 8: 1.0, 32: 0.5, 128: 0.75}), Side({1: 2.0, 8: 1.5, 32: 3.0, 128: 6.0})
    row = inference_text.time_all(ours, theirs, 3, rounds=2)
    assert (row["texts"], row["calls"], row["batch_sizes"]) == (3, 1, [32, 8])
    assert row["ratio_median"] == pytest.approx(3)
    assert (row["examples_per_second"], row["peer_examples_per_second"]) == pytest.approx((6, 2))


def test_single_texts_are_as_many_calls():
    row = inference_text.time_singles(Side({1: 0.1}), Side({1: 0.2}), calls=20, rounds=2)
    assert (row["texts"], row["calls"], row["batch_sizes"]) == (1, 20, [1, 1])
    assert (row["examples_per_second"], row["peer_examples_per_second"]) == pytest.approx((10, 5))


def test_a_task_adds_columns_to_the_table():
    own, its = Side({1: 0.1}, "ours"), Side({1: 0.2}, "theirs")
    row = inference_text.row_of(options("ner"), "ner", own, its, 1.5, "MiniLM") | {"found": 7}
    row |= inference_text.time_singles(own, its, calls=20, rounds=2)
    lines = inference_text.table([row], {"how many": lambda row: str(row["found"])}).split("\n")
    assert "ner, weights: MiniLM" in lines and "library 1.0" in lines
    assert "| ours | theirs | float32 | 1 | 20 | 1, 1 | 10.0, 5.0 | 2.00 | 0.00 | 2.00 | ≥ 1.5 | 7 |" in lines


def options(task, *arguments):
    return command.parse(["inference", "--task", task, "--peers_python", sys.executable, *arguments])


@pytest.mark.parametrize(
    ("task", "wish"),
    [*((task, ("--peers", "onnxruntime")) for task in inference.TASKS), *((task, ("--dtype", "bfloat16")) for task in ("qa", "embedding"))],
)
def test_a_wish_that_leaves_nothing_to_compare_is_told(task, wish):
    (peer,) = inference.TASKS[task].PEERS
    with pytest.raises(BenchmarkError, match=f"nothing to compare: --task {task} is beside {peer}, in float32"):
        next(inference.measure(options(task, *wish)))


def test_a_task_has_a_plot_of_its_own(monkeypatch):
    drawn = []
    monkeypatch.setattr(inference_text.report, "plot_ratios", lambda *arguments: drawn.append(arguments) or arguments[2])
    row = {
        "task": "ner",
        "side": "ours",
        "peer": "theirs",
        "dtype": "float32",
        "texts": 1,
        "cpu": "a processor",
        "date": "2026-01-01T00:00",
    }
    assert inference.plot([row], "plots") == ["plots/inference_ner.png"]
    ((rows, labels, _, title),) = drawn
    assert (rows, labels, title) == ([row], ["ours / theirs, float32, 1 texts a call"], "Inference, ner, a processor, 2026-01-01")
