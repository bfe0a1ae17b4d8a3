"""The suite itself: a short real run, what both sides are handed, and what it refuses."""

import gzip
import importlib
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import quality, quality_classification, quality_embedding, quality_ner, quality_qa
from benchmarks.peers import BenchmarkError

TINY = ["--random", "--layers", 1, "--hidden", 64, "--seeds", 2, "--max_steps", 7, "--batch_size", 4]
FIELDS = {
    "suite", "task", "side", "peer", "dtype", "target", "score", "weights", "examples", "epochs", "batch_size", "learning_rate", "epsilon",
    "threads", "rounds", "versions", "seeds", "steps", "loss_difference", "difference_points",
    "validation", "test", "seconds", "loss", "stolen", "peer_validation", "peer_test", "peer_seconds", "peer_loss", "peer_stolen",
    "ratio_median", "ratio_iqr", "ratio_quartiles", "ratio_fastest", "cpu", "cores", "platform", "python", "date", "kept_awake",
}  # fmt: skip


def first_sentences(text):
    blocks = "\n".join(line.strip() for line in text.split("\n")).split("\n\n")
    return "\n\n".join(blocks[:24]) + "\n"


def first_lines(text):
    return "".join(text.splitlines(keepends=True)[:24])


def scored_pairs(text):
    return "".join(f"{number % 6}.0\t{line}" for number, line in enumerate(first_lines(text).splitlines(keepends=True)))


def short_and_long(text):
    """24 questions: a row is of up to 384 tokens, and one context is of more."""
    questions = [
        {"context": part["context"], "qas": [each]} for a in json.loads(text)["data"] for part in a["paragraphs"] for each in part["qas"]
    ]
    questions[0]["context"] *= 1 + 2500 // len(questions[0]["context"])
    return json.dumps({"data": [{"paragraphs": questions[:24]}]})


# task -> name of the score, ending, function of the text of a file of it, peer
SHORT = {
    "ner": (quality_ner, "F1 of entities", "conll", first_sentences, "transformers"),
    "classification": (quality_classification, "accuracy", "tsv", first_lines, "transformers"),
    "qa": (quality_qa, "F1 of SQuAD", "json", short_and_long, "transformers"),
    "embedding": (quality_embedding, "recall@1", "tsv", first_lines, "sentence_transformers"),
    "embedding_scores": (quality_embedding, "Spearman", "tsv", scored_pairs, "sentence_transformers"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_a_short_run_beside_its_peer(root, tmp_path, name, peers_python):
    task, score, ending, shorten, peer = SHORT[name]
    if name == "ner":
        pytest.importorskip("seqeval")
    path = tmp_path / "out.json"
    arguments = ["quality", "--task", task.NAME, "--peers_python", peers_python, "--json", path, *TINY]
    for part, source in task.FILES.items():
        with gzip.open(source, "rt", encoding="utf-8") as file:
            (tmp_path / f"{part}.{ending}").write_text(shorten(file.read()), encoding="utf-8")
        arguments += [f"--{part}", tmp_path / f"{part}.{ending}"]
    done = subprocess.run([sys.executable, "-m", "benchmarks", *map(str, arguments)], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(path.read_text())
    assert set(row) == FIELDS
    assert (row["side"], row["peer"], row["examples"], row["steps"]) == (f"keras_bert {task.NAME}", peer, 24, 7)
    assert row["loss_difference"] < 1e-4  # of six updates without dropout: the same weights, batches, optimizer and schedule
    assert row["loss"][0] != row["loss"][1]
    assert row["loss"] == pytest.approx(row["peer_loss"], rel=0.2)
    assert all(len(row[name]) == 2 for name in ("seeds", "seconds", "peer_seconds", "test", "peer_test"))
    assert {"keras_bert", "tensorflow", "torch", "transformers"} <= set(row["versions"])
    assert f"| seed | validation {score}: ours, {peer} | test {score}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "rounds"), [([], 3), (["--seeds", "2"], 2), (["--rounds", "4"], 4)], ids=["default", "seeds", "rounds"]
)
def test_a_round_is_a_seed(arguments, rounds):
    assert command.parse(["quality", *arguments]).rounds == rounds


def test_an_epoch_has_every_example_once_in_an_order_of_its_seed():
    settings = {"examples": 10, "batch_size": 4, "epochs": 2}
    steps = quality.steps_of(settings, 5)
    assert [len(places) for places in steps] == [4, 4, 2] * 2
    epochs = [[place for places in steps[first : first + 3] for place in places] for first in (0, 3)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1] and steps == quality.steps_of(settings, 5) != quality.steps_of(settings, 6)
    assert quality.steps_of(settings, 5, 4) == steps[:4]


def test_files_of_two_data_sets_are_not_mixed():
    options = command.parse(["quality", "--train", "a.conll"])
    with pytest.raises(BenchmarkError, match="--validation, --test was not named: name all of train, validation, test, or none"):
        quality.files_of(quality_ner, options)
    assert quality.files_of(quality_ner, command.parse(["quality"])) == quality_ner.FILES


def test_both_sides_get_rows_as_long_as_the_batchs_longest(bert_common, monkeypatch):
    monkeypatch.delitem(sys.modules, "quality_common", raising=False)
    common = importlib.import_module("quality_common")
    data = {"train": {"input_ids": [[1, 2], [3], [4, 5, 6]], "labels": [[7], [], [8, 9]]}, "padding": {"input_ids": 0, "labels": -1}}
    data["train"] |= {"windows": [[[1], [2, 3]], [[4, 5, 6]], [[7]]], "label": [1, 0, 1], "score": [0.5, 1.0, 0.0]}
    data["padding"]["windows"] = 0
    batch = common.padded(data, [2, 1])
    assert batch["input_ids"].tolist() == [[4, 5, 6], [3, 0, 0]] and batch["input_ids"].dtype == np.int32
    assert batch["labels"].tolist() == [[8, 9], [-1, -1]]
    assert batch["label"].tolist() == [1, 0] and batch["label"].dtype == np.int32
    assert batch["score"].tolist() == [0.0, 1.0] and batch["score"].dtype == np.float32
    assert common.padded(data, [1, 0])["windows"].tolist() == [[4, 5, 6], [1, 0, 0], [2, 3, 0]]  # whole examples, row after row
    batches = list(common.batches_of({"input_ids": [[1]] * 32 + [[2, 3], [4]]}, {"input_ids": 0}))
    assert [places for places, _ in batches] == [slice(0, 32), slice(32, 64)]
    assert batches[1][1]["input_ids"].tolist() == [[2, 3], [4, 0]]


def test_entities_are_scored_by_seqeval(tmp_path):
    pytest.importorskip("seqeval")
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"test": {"tags": [["B-a", "I-a", "O"], ["B-b"]]}}))
    # Of two gold entities one is found, and of two found one is right.
    assert quality_ner.score([["B-a", "I-a", "O"], ["B-a"]], "test", {"data": str(path)}) == pytest.approx(0.5)
    assert quality_ner.score([["B-a", "O", "O"], ["O"]], "test", {"data": str(path)}) == 0


def test_classes_are_scored_by_accuracy(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"validation": {"labels": ["a", "b", "a", "b"]}}))
    assert quality_classification.score(["a", "a", "a", "b"], "validation", {"data": str(path)}) == 0.75


def test_logits_of_rows_are_decoded_to_answers():
    from keras_bert.data import SquadExample
    from keras_bert.preprocessing import QuestionAnsweringPreprocessor
    from keras_bert.text import WhitespaceTokenizer

    words = ["who", "came", "with", "anna", "##", "late", "her", "dog", "yesterday"]
    tokenizer = WhitespaceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])
    preprocessor = QuestionAnsweringPreprocessor(tokenizer, max_length=9, max_query_length=2, stride=2)
    examples = [
        SquadExample("long", "who came", "yesterday anna came late with her dog"),  # 7 words in windows of 4, two apart: 3 rows
        SquadExample("short", "who came", "anna came"),
    ]
    logits = np.zeros([9 + 9 + 8 + 7, 2], "float32")
    logits[9 + 9 + 5, 0] = logits[9 + 9 + 6, 1] = 5  # "her dog": [CLS] who came [SEP] with her dog [SEP]
    logits[-3] = 5  # "anna": [CLS] who came [SEP] anna came [SEP]
    texts, null_scores = quality_qa.decode(preprocessor, examples, logits)
    assert texts == {"long": "her dog", "short": "anna"}
    assert null_scores == {"long": pytest.approx(-10), "short": pytest.approx(-10)}
    for wrong in (logits[:-1], logits[:9], np.concatenate([logits, logits])):
        with pytest.raises(ValueError, match=f"{len(wrong)} tokens have logits, which are not those of the rows of 2 questions"):
            quality_qa.decode(preprocessor, examples, wrong)


def test_vectors_are_scored_by_what_the_data_has(tmp_path):
    stats = pytest.importorskip("scipy.stats")
    path, vectors = tmp_path / "data.json", tmp_path / "vectors.npy"
    pairs = np.random.default_rng(0).normal(size=[5, 2, 3])
    scores = [0.1, 0.9, 0.5, 0.5, 0.2]
    texts = [list("abcde"), list("vwxyz")]
    path.write_text(json.dumps({"validation": {"texts": texts, "scores": scores}, "test": {"texts": texts, "scores": None}}))
    np.save(vectors, pairs.reshape(10, 3))
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]
    settings = {"data": str(path)}
    assert quality_embedding.score(str(vectors), "validation", settings) == pytest.approx(stats.spearmanr(cosines, scores)[0])
    first, second = np.eye(5), np.eye(5)
    second[[0, 1]] = second[[1, 0]]  # the first two find each other's
    np.save(vectors, np.stack([first, second], axis=1).reshape(10, 5))
    assert quality_embedding.score(str(vectors), "test", settings) == pytest.approx(0.6)


def test_peers_of_another_task_are_refused():
    options = command.parse(["quality", "--task", "embedding", "--peers", "transformers"])
    with pytest.raises(BenchmarkError, match="--peers transformers: the peers of --task embedding are sentence_transformers"):
        next(quality.measure(options))


class Side:
    """Stands for a side of given losses, seconds and answers."""

    def __init__(self, name, losses, seconds, answers):
        self.name, self.losses, self.seconds, self.answers, self.log = name, losses, iter(seconds), answers, []

    def ask(self, do, **request):
        self.log.append((do, request.get("seed", request.get("part"))))
        if do == "outputs":
            return {"outputs": self.answers if "part" in request else self.losses}
        return {"seconds": next(self.seconds), "loss": 0.5}


def test_means_of_scores_and_ratio_of_seconds_by_turns():
    ours, theirs = Side("ours", [2.0, 1.0], [10, 30], 0.75), Side("its", [2.0, 1.0], [20, 30], 0.5)
    task = SimpleNamespace(score=lambda answers, part, settings: answers)
    settings = {"examples": 8, "batch_size": 4, "epochs": 1}
    row = quality.compare(task, ours, theirs, settings, SimpleNamespace(rounds=2, max_steps=None))
    scored = [("outputs", "validation"), ("outputs", "test")]
    assert ours.log == [("outputs", None), ("run", 0), *scored, ("run", 1), *scored]
    assert row["difference_points"] == pytest.approx(25)
    assert (row["ratio_median"], row["ratio_iqr"]) == (1.5, 0.5)
    assert (row["seconds"], row["peer_seconds"], row["test"], row["peer_test"]) == ([10, 30], [20, 30], [0.75] * 2, [0.5] * 2)


def test_sides_of_other_losses_are_not_trained():
    ours, theirs = Side("ours", [2.0, 1.0], [], None), Side("its", [2.0, 1.01], [], None)
    with pytest.raises(BenchmarkError, match=r"differ by 1.0e-02"):
        quality.compare(None, ours, theirs, {"examples": 8, "batch_size": 4, "epochs": 1}, SimpleNamespace(rounds=1, max_steps=None))


@pytest.mark.parametrize(("moved", "proves"), [(2e-5, True), (5e-6, False)])
def test_the_first_batchs_loss_must_move_more_than_losses_differ(moved, proves):
    """Of a task whose losses hardly move, or are small, agreement still says something where what differs is less by far."""
    ours, theirs = (Side("a side", [0.5, 0.5, 0.5 - moved + rounding], iter([1, 1]), 0.5) for rounding in (0, 1e-6))
    settings = {"examples": 8, "batch_size": 4, "epochs": 1}
    task, options = SimpleNamespace(score=lambda *_: 0.5), SimpleNamespace(rounds=1, max_steps=None)
    if proves:
        assert quality.compare(task, ours, theirs, settings, options)["loss_difference"] == pytest.approx(1e-6)
    else:
        with pytest.raises(BenchmarkError, match="leave the loss where it was"):
            quality.compare(task, ours, theirs, settings, options)


def test_losses_are_compared_to_the_first_batch_again():
    side = Side("a side", [1.0, 0.5], [], None)
    side.ask = lambda do, steps: pytest.fail(repr(steps)) if steps[0] != steps[-1] or len(steps) != 6 else {"outputs": [1.0, 1.0]}
    with pytest.raises(BenchmarkError, match="leave the loss where it was"):
        quality.compare(None, side, side, {"examples": 40, "batch_size": 4, "epochs": 1}, SimpleNamespace(rounds=1, max_steps=None))


def test_without_seqeval_nothing_is_begun(monkeypatch):
    monkeypatch.setattr(quality_ner.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BenchmarkError, match="entities are scored by seqeval: pip install"):
        quality_ner.prepare({}, None)
