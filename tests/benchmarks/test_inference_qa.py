"""Answers beside Transformers' windows: a short real run, how they are compared, and how the peer's side finds an answer."""

import importlib
import json
import subprocess
import sys
import types

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import inference_qa
from benchmarks.peers import BenchmarkError


@pytest.fixture(scope="module")
def answerer(tmp_path_factory, uncased_vocabulary):
    """A model of random weights that scores contexts over questions. Returns: path of a Transformers directory."""
    import keras

    import keras_bert
    from keras_bert import BertConfig, BertEncoder, BertQuestionAnswerer, BertTokenizer

    keras.utils.set_random_seed(0)
    tokenizer = BertTokenizer(uncased_vocabulary)
    config = BertConfig(
        vocab_size=len(tokenizer.vocabulary), hidden_size=64, num_hidden_layers=1, num_attention_heads=1, intermediate_size=128
    )
    model = BertQuestionAnswerer(BertEncoder(config), tokenizer)
    kernel = np.random.default_rng(0).normal(size=[64, 2])
    for variable in model.weights:
        if variable.path.endswith("span/kernel"):
            variable.assign(kernel)
        elif variable.path.endswith("embeddings/token_type"):
            variable.assign(np.stack([-kernel.sum(1), kernel.sum(1)]) / 20)  # trained models look for answers in the context, too
    path = tmp_path_factory.mktemp("answerer") / "model"
    keras_bert.checkpoints.to_hugging_face(model, path)
    return path


@pytest.mark.slow
def test_a_short_run_beside_transformers_windows(root, tmp_path, answerer, peers_python):
    path = tmp_path / "out.json"
    arguments = ["inference", "--task", "qa", "--model", answerer, "--texts", 20, "--rounds", 2]
    arguments += ["--peers_python", peers_python, "--json", path]
    done = subprocess.run([sys.executable, "-m", "benchmarks", *map(str, arguments)], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())
    assert [(row["texts"], row["calls"], row["target"]) for row in rows] == [(20, 1, 1.5), (1, 20, 1.0)]
    for row in rows:
        assert (row["side"], row["peer"]) == ("keras_bert answer", "transformers_windows")
        assert row["agreement"] >= 0.99
        assert row["windows"] == row["peer_windows"] >= 20  # contexts that are one window alike, and so the same tokens
        assert row["mean_length"] == row["peer_mean_length"]
        assert {"keras_bert", "torch", "transformers"} <= set(row["versions"])
    assert "| keras_bert answer | transformers_windows | 1 | 20 | 1, 1 |" in done.stdout


def test_questions_are_the_files_with_their_contexts_and_answers():
    examples = inference_qa.questions(inference_qa.DATA["dev"])
    assert len(examples) == 296
    for question, context, answers in examples:
        assert question.strip() and answers and all(answer in context for answer in answers)


class Side:
    """Stands for a side that gives these answers."""

    def __init__(self, texts):
        self.name, self.texts = "side", texts

    def ask(self, do, texts, **_):
        assert (do, texts) == ("outputs", len(self.texts))
        return {"outputs": self.texts}


TEXTS = [f"answer {number}" for number in range(100)]
EXAMPLES = [("question", "context", [text, "another"]) for text in TEXTS]


def test_answers_agree_where_texts_are_equal():
    ours = [TEXTS[0], "a wrong one", *TEXTS[2:]]
    compared = inference_qa.compare_answers(Side(ours), Side(TEXTS), EXAMPLES, set())
    assert compared == {"agreement": 0.99, "several": 0, "several_agreement": None, "right": 0.99, "peer_right": 1.0}
    with pytest.raises(BenchmarkError, match=r"agree on 98 of 100 answers from one window: 98.00%, under 99%"):
        inference_qa.compare_answers(Side(ours), Side([*TEXTS[:5], "another", *TEXTS[6:]]), EXAMPLES, set())


def test_answers_from_several_windows_may_differ():
    ours = [TEXTS[0], "a wrong one", *TEXTS[2:]]
    compared = inference_qa.compare_answers(Side(ours), Side(TEXTS), EXAMPLES, {0, 1, 2, 3})
    assert (compared["agreement"], compared["several"], compared["several_agreement"]) == (1.0, 4, 0.75)


def test_windows_are_counted_by_question():
    class Lengths:
        def __init__(self, answer):
            self.answer = answer

        def ask(self, do, measure):
            assert (do, measure) == ("run", "lengths")
            return self.answer

    ours, theirs = Lengths({"lengths": [10, 30, 14]}), Lengths({"lengths": [10, 30, 20], "questions": [0, 1, 1]})
    windows, several = inference_qa.windows_of(ours, theirs)
    assert windows == {"windows": 3, "peer_windows": 3, "mean_length": 18, "peer_mean_length": 20}
    assert several == {1}


def test_a_model_that_answers_always_alike_proves_nothing():
    same = Side([text[:8] for text in TEXTS])  # "answer 0" to "answer 9"
    assert inference_qa.compare_answers(same, same, EXAMPLES, set())["agreement"] == 1
    fewer = Side(["answer 0" if text == "answer 9" else text for text in same.texts])
    with pytest.raises(BenchmarkError, match="9 different answers to 100 questions: fewer than 10 prove nothing"):
        inference_qa.compare_answers(fewer, fewer, EXAMPLES, set())


def test_random_weights_are_not_timed(monkeypatch, tmp_path):
    monkeypatch.setattr(inference_qa.latency, "get_minilm", lambda: None)
    with pytest.raises(BenchmarkError, match="random weights answer nonsense: name a trained model by --model"):
        inference_qa.train(command.parse(["inference", "--task", "qa"]), tmp_path)


@pytest.fixture
def windows(bert_common, monkeypatch):
    """The peer's side, which is plain Python behind its model."""
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    import side

    monkeypatch.setattr(side, "serve", lambda make: None)
    peer = object.__new__(importlib.import_module("transformers_answers").Windows)
    peer.settings = {"n_best": 4, "max_answer_length": 2}
    yield peer
    for name in ("transformers_answers", "latency_common", "side"):
        sys.modules.pop(name, None)


def test_the_peer_pairs_the_best_starts_and_ends_of_the_context(windows):
    # [CLS] who [SEP] a b c [SEP], and padding
    segments = [None, 0, None, 1, 1, 1, None]
    offsets = [(0, 0), (0, 3), (0, 0), (0, 1), (2, 3), (4, 5), (0, 0)]
    starts, ends = np.array([0.0, 0, 9, 1.5, 3, 2, 0, 0]), np.array([0.0, 0, 0, 4, 0.5, 1, 0, 8])
    # Of 4 starts: [SEP], b, c, a. Of 4 ends: padding, a, c, b. From [SEP] no answer starts, and from a to c it is 3 tokens, over 2.
    spans = windows.spans(starts, ends, offsets, segments)
    assert sorted(spans) == [(2.0, 0, 3), (3.0, 4, 5), (3.5, 2, 3), (4.0, 2, 5), (5.5, 0, 1)]
    best = windows.best(spans, "a b c")
    assert best["text"] == "a"
    assert best["score"] == pytest.approx(1 / (1 + np.exp(-1.5) + np.exp(-2) + np.exp(-2.5)))  # the fifth is left out
    assert windows.best([], "a b c") == {"text": "", "score": 0.0}
