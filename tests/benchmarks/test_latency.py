"""The suite itself: short real runs, what it refuses, and what it means to reach."""

import importlib
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as command
from benchmarks import latency
from benchmarks.peers import BenchmarkError

TINY = ["--random", "--layers", 1, "--hidden", 64, "--rounds", 2, "--calls", 6]
FIELDS = {
    "suite", "side", "peer", "dtype", "target", "difference", "rounds", "threads", "texts", "calls", "milliseconds", "peer_milliseconds",
    "ratio_median", "ratio_iqr", "ratio_quartiles", "ratio_fastest", "weights", "layers", "hidden", "mean_length",
    "versions", "cpu", "cores", "platform", "python", "date", "kept_awake",
}  # fmt: skip
BY_NAME = {peer.name: peer for peer in latency.ALL}


def run(root, path, *arguments):
    command = [sys.executable, "-m", "benchmarks", "latency", "--json", path, *TINY, *arguments]
    done = subprocess.run([str(part) for part in command], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text()), done.stdout


@pytest.mark.slow
def test_a_short_run_beside_our_own_saved_model(root, tmp_path):
    rows, printed = run(root, tmp_path / "out.json", "--texts", 1, 3, "--peers", "saved_model", "--peers_python", "unused")
    assert [(row["side"], row["texts"], row["calls"]) for row in rows] == [
        ("keras_bert predict", 1, 6),
        ("keras_bert answer", 1, 6),
        ("keras_bert predict", 3, 5),
        ("keras_bert answer", 3, 5),
    ]
    for row in rows:
        assert set(row) == FIELDS
        assert row["difference"] < 1e-6
        assert 8 < row["mean_length"] < 60
        assert (row["weights"], row["layers"], row["hidden"]) == ("random", 1, 64)
    assert 0 < rows[0]["target"] < 1 / 1.2
    assert "| keras_bert answer | saved_model | 3 | 5 |" in printed


@pytest.mark.slow
def test_a_short_run_beside_transformers_and_sentence_transformers(root, tmp_path, peers_python):
    peers = ["pipeline", "pipeline_default", "sentence_transformers"]
    rows, _ = run(root, tmp_path / "out.json", "--texts", 1, 2, "--peers_python", peers_python, "--peers", *peers)
    assert [(row["side"].split()[1], row["peer"], row["texts"]) for row in rows] == [
        ("predict", "pipeline", 1),
        ("answer", "pipeline", 1),
        ("predict", "pipeline", 2),
        ("answer", "pipeline", 2),
        ("predict", "pipeline_default", 2),
        ("answer", "pipeline_default", 2),
        ("embed", "sentence_transformers", 1),
        ("embed", "sentence_transformers", 2),
    ]
    assert [row["target"] for row in rows] == [1, 1, None, None, None, None, 1, None]
    assert "sentence-transformers" in rows[-1]["versions"]


def test_one_text_may_cost_a_fifth_and_a_millisecond_more_than_the_model():
    saved_model, pipeline = BY_NAME["saved_model"], BY_NAME["pipeline"]
    assert latency.target(saved_model, 1, 0.005) == pytest.approx(5 / (1.2 * 5 + 1))
    assert [latency.target(saved_model, texts, 0.005) for texts in (4, 32)] == [None, None]
    assert [latency.target(pipeline, texts, 0.005) for texts in (1, 4, 32)] == [1.0, None, 1.0]


def test_runs_of_one_text_have_many_calls():
    assert [latency.calls_of(texts, 30) for texts in (1, 4, 32)] == [30, 7, 5]


def test_reviews_are_the_same_in_every_run_and_no_more_than_there_are():
    reviews = latency.reviews(40)
    assert reviews == latency.reviews(40)
    assert len(set(reviews)) == 40 and all(" " in review for review in reviews)
    with pytest.raises(BenchmarkError, match="want 20000 texts of one run, and there are 1"):
        latency.reviews(20_000)


def test_a_wish_that_leaves_nothing_to_compare_is_told():
    options = command.parse(["latency", "--texts", "1", "--peers", "pipeline_default", "--peers_python", sys.executable])
    with pytest.raises(BenchmarkError, match="nothing to compare: of 1 text a call, pipeline_default is what pipeline is"):
        next(latency.measure(options))


class Answers:
    """Stands for a side that gives these numbers and takes so many seconds a run, by form."""

    def __init__(self, outputs, seconds):
        self.given, self.seconds = outputs, seconds
        self.name, self.log = "side", []

    def ask(self, do, form, texts, calls):
        self.log.append((do, form, texts, calls))
        return {"outputs": self.given[form]} if do == "outputs" else {"seconds": self.seconds[form], "checksum": [texts] * calls}


def compared(form, ours, theirs):
    requests = [{"form": name, "texts": 2, "calls": 1} for name in (form, "theirs")]
    return latency.compare_outputs(Answers({form: ours}, {}), Answers({"theirs": theirs}, {}), "a peer", *requests)


def test_a_peer_of_other_probabilities_is_not_timed():
    ours = [[0.4, 0.6], [0.25, 0.75]]
    with pytest.raises(BenchmarkError, match=r"answer and a peer, 2 texts a call: outputs differ by 0.002, over 0.0001"):
        compared("answer", ours, [[0.4, 0.6], [0.252, 0.748]])
    assert compared("predict", ours, ours) == 0


def test_a_peer_of_other_vectors_is_not_timed_whatever_their_length():
    ours = [[1.0, 0.0], [0.0, 1.0]]
    with pytest.raises(BenchmarkError, match=r"embed and a peer, 2 texts a call: outputs differ by 0.005, over 1e-05"):
        compared("embed", ours, [[1.0, 0.1], [0.0, 1.0]])  # 1 - 1 / sqrt(1.01)
    assert compared("embed", ours, [[2.0, 0.0], [0.0, 3.0]]) == pytest.approx(0)


def test_answers_that_do_not_depend_on_the_text_prove_nothing():
    with pytest.raises(BenchmarkError, match="all texts are given the same"):
        compared("predict", [[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]])


def test_a_row_tells_milliseconds_of_a_call_and_the_table_shows_them(monkeypatch):
    monkeypatch.setattr(latency.peers, "WARM_UP_SECONDS", 0.1)
    numbers = [[0.4, 0.6], [0.25, 0.75]]
    ours = Answers({"predict": numbers, "saved_model": numbers}, {"predict": 0.06, "saved_model": 0.05})
    options = SimpleNamespace(calls=10, rounds=2)
    row = latency.compare(ours, ours, "predict", BY_NAME["saved_model"], 1, options)
    assert (row["milliseconds"], row["peer_milliseconds"]) == pytest.approx((6, 5))
    assert row["ratio_median"] == pytest.approx(5 / 6)
    assert ours.log[-4:] == [("run", "predict", 1, 10), ("run", "saved_model", 1, 10)] * 2
    row |= {"side": "keras_bert predict", "peer": "saved_model", "versions": {"one": "1"}, "cpu": "A CPU", "cores": 2, "threads": 2}
    row |= {"python": "3", "date": "2025-01-01", "rounds": 2, "layers": 6, "hidden": 384, "weights": "random", "dtype": "float32"}
    printed = latency.table([row | {"mean_length": 24.6}])
    assert "| keras_bert predict | saved_model | 1 | 10 | 6.00 | 5.00 | 0.83 | 0.00 | 0.83 | ≥ 0.71 | 0.0e+00 |" in printed
    assert "6 layers of 384, weights: random, float32; texts of 25 tokens in the mean" in printed


@pytest.mark.parametrize(("code", "path"), [(0, "/where/it/is"), (1, None)])
def test_weights_are_random_where_there_are_no_published_ones(monkeypatch, capsys, code, path):
    done = SimpleNamespace(returncode=code, stdout="Getting them ...\n/where/it/is\n", stderr="No network.\n")
    monkeypatch.setattr(latency.subprocess, "run", lambda *_, **__: done)
    assert latency.get_minilm() == path
    assert capsys.readouterr().err == ("No network.\nWeights are random therefore, of --layers and --hidden.\n" if code else "")


def test_calls_take_one_text_after_another_and_are_all_timed(bert_common, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "latency_common", raising=False)
    latency_common = importlib.import_module("latency_common")
    path = tmp_path / "texts.json"
    path.write_text(json.dumps(["a", "b", "c", "d", "e"]))

    class Side(latency_common.LatencySide):
        libraries = ("numpy",)

        def prepare(self):
            self.asked = []
            self.forms = {"codes": lambda texts: self.asked.append(texts) or [[ord(text)] for text in texts]}

    side = Side({"texts": str(path)})
    request = {"form": "codes", "texts": 2, "calls": 2}
    assert side.outputs(request) == [[97], [98], [99], [100]]
    answer = side.run(request)
    assert side.asked == [["a", "b"], ["c", "d"]] * 2
    assert answer["checksum"] == [2, 2] and answer["seconds"] > 0
    assert list(side.versions) == ["numpy"]
