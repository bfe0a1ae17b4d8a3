"""Entities beside the pipeline's: a short real run, how they are compared, and what it refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import inference_ner, inference_text, quality_ner
from benchmarks.peers import BenchmarkError


@pytest.fixture(scope="module")
def tagger(tmp_path_factory, uncased_vocabulary):
    """A tagger of random weights that finds many entities. Returns: path of a Transformers directory."""
    import keras

    import keras_bert
    from keras_bert import BertConfig, BertEncoder, BertTagger, BertTokenizer

    keras.utils.set_random_seed(0)
    tokenizer = BertTokenizer(uncased_vocabulary)
    config = BertConfig(
        vocab_size=len(tokenizer.vocabulary), hidden_size=64, num_hidden_layers=1, num_attention_heads=1, intermediate_size=128
    )
    model = BertTagger(BertEncoder(config), ["O", "B-a", "I-a", "B-b", "I-b"], tokenizer)
    for variable in model.weights:
        if variable.path.startswith("classifier/kernel"):
            variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    path = tmp_path_factory.mktemp("tagger") / "model"
    keras_bert.checkpoints.to_hugging_face(model, path)
    return path


@pytest.mark.slow
def test_a_short_run_beside_transformers_pipeline(root, tmp_path, tagger, peers_python):
    path = tmp_path / "out.json"
    arguments = ["inference", "--task", "ner", "--model", tagger, "--texts", 20, "--rounds", 2]
    arguments += ["--peers_python", peers_python, "--json", path]
    done = subprocess.run([sys.executable, "-m", "benchmarks", *map(str, arguments)], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row, in_bfloat16 = json.loads(path.read_text())
    assert (row["dtype"], in_bfloat16["dtype"]) == ("float32", "bfloat16")
    assert (row["side"], row["peer"], row["texts"], row["calls"], row["target"]) == ("keras_bert answer", "transformers_pipeline", 20, 1, 3)
    assert row["agreement"] >= 0.99 and row["difference"] < 1e-4 and row["entities"] > 20
    assert row["entities_per_second"] == pytest.approx(row["examples_per_second"] * row["entities"] / 20)
    assert set(row["batch_sizes"]) <= set(inference_text.BATCH_SIZES)
    assert {"keras_bert", "torch", "transformers"} <= set(row["versions"])
    assert "| keras_bert answer | transformers_pipeline |" in done.stdout


def test_texts_are_the_words_of_sentences_joined_by_spaces(tmp_path):
    path = tmp_path / "test.conll"
    path.write_text("Anna\tB-person\n's\tO\n\t\nHello\tO\n\n")
    assert inference_ner.sentences(path) == ["Anna 's", "Hello"]
    assert len(inference_ner.sentences(quality_ner.FILES["test"])) == 1287


class Side:
    """Stands for a side that finds these entities, and takes so many seconds by batch size."""

    def __init__(self, outputs, seconds=None):
        self.name, self.given, self.seconds = "side", outputs, seconds

    def ask(self, do, form, texts, calls):
        if do == "outputs":
            return {"outputs": self.given}
        return {"seconds": self.seconds[int(form.removeprefix("batch_"))], "checksum": [texts]}


FOUND = [[[5 * place, 5 * place + 4, "a", 0.9] for place in range(60)], [[0, 4, "b", 0.5]], []]
REQUEST = {"form": "batch_8", "texts": 3, "calls": 1}


def other(text, place, **changes):
    """FOUND with one entity changed."""
    names = ("start", "end", "type", "score")
    found = [[list(entity) for entity in entities] for entities in FOUND]
    found[text][place] = [changes.get(name, value) for name, value in zip(names, found[text][place], strict=True)]
    return found


def test_entities_agree_where_place_and_type_do():
    same = inference_ner.compare_entities(Side(FOUND), Side(other(1, 0, score=0.75)), REQUEST, 0.99)
    assert same == {"entities": 61, "peer_entities": 61, "agreement": 1.0, "difference": 0.25}
    for changes in ({"end": 3}, {"start": 1}, {"type": "c"}):
        with pytest.raises(BenchmarkError, match=r"of which 60 are the same: 98.36%, under 99%"):
            inference_ner.compare_entities(Side(FOUND), Side(other(1, 0, **changes)), REQUEST, 0.99)


def test_a_tagger_that_finds_next_to_nothing_proves_nothing():
    with pytest.raises(BenchmarkError, match=r"finds 1 entities.*fewer than 10 prove nothing"):
        inference_ner.compare_entities(Side(FOUND[1:]), Side(FOUND[1:]), REQUEST, 0.99)


def test_entities_a_second_are_of_either_side(monkeypatch):
    monkeypatch.setattr(inference_text.peers, "WARM_UP_SECONDS", 0.1)
    row = inference_ner.compare(
        Side(FOUND, dict.fromkeys((1, 8, 32, 128), 0.5)), Side(FOUND, dict.fromkeys((1, 8, 32, 128), 1.5)), 3, 2, 0.99
    )
    assert (row["examples_per_second"], row["entities_per_second"]) == pytest.approx((6, 122))
    assert (row["peer_examples_per_second"], row["peer_entities_per_second"]) == pytest.approx((2, 61 / 1.5))


def test_random_weights_are_not_timed(monkeypatch, tmp_path):
    monkeypatch.setattr(inference_ner.quality, "prepare", lambda *_: {"pretrained": None})
    with pytest.raises(BenchmarkError, match="a tagger of random weights finds nonsense: name a trained one by --model"):
        inference_ner.train(command.parse(["inference", "--task", "ner"]), tmp_path)
