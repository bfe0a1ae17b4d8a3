"""examples/finetune_intent_slots.py as users start it, with a tiny encoder."""

import json
import os
import sys

import keras
import pytest

import keras_bert
from keras_bert import BertConfig, BertEncoder, BertIntentSlots, BertMaskedLM, BertTokenizer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, uncased_vocabulary):
    keras.utils.set_random_seed(3)
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=64)
    path = tmp_path_factory.mktemp("checkpoint") / "bert"
    BertMaskedLM(BertEncoder(config), BertTokenizer(uncased_vocabulary)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def run(root, fresh_python):
    """A function: script and flags -> (all that it printed, the JSON object of its last line)."""

    def run(script, *flags):
        command = [sys.executable, str(root / "examples" / script), *map(str, flags)]
        done = fresh_python.run(command, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stdout if "--help" in flags else json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.slow
def test_it_trains_on_the_committed_excerpt_and_reports(run, checkpoint, tmp_path):
    flags = ["--pretrained", checkpoint, "--output_dir", tmp_path, "--epochs", 12, "--learning_rate", 5e-3, "--batch_size", 16]
    printed, figures = run("finetune_intent_slots.py", *flags)
    assert "Training on 210 utterances of 7 intents and" in printed
    assert figures["intent_accuracy"] >= 0.5 and 0 < figures["slot_f1"] <= 1 and figures["frame_accuracy"] <= figures["intent_accuracy"]
    assert {"model", "seconds", "steps", "resumed_from", "interrupted"} < set(figures)
    report = json.loads((tmp_path / "report.json").read_text())
    assert round(report["slots"]["f1"], 4) == figures["slot_f1"] and "artist" in report["slots"]["types"]
    model = keras_bert.from_pretrained(figures["model"])
    assert type(model) is BertIntentSlots and len(model.intents) == 7
    again = run("finetune_intent_slots.py", *flags)[1]
    assert again["resumed_from"] == figures["steps"] and again["slot_f1"] == figures["slot_f1"]


@pytest.mark.slow
def test_a_step_on_files_of_ones_own(run, checkpoint, tmp_path):
    for name, lines in (
        ("seq.in", ["play jazz", "any rain"] * 4),
        ("seq.out", ["O B-genre", "O O"] * 4),
        ("label", ["Play", "Weather"] * 4),
    ):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    flags = ["--pretrained", checkpoint, "--train", tmp_path, "--test", tmp_path, "--output_dir", tmp_path / "out", "--max_steps", 1]
    printed, figures = run("finetune_intent_slots.py", *flags, "--intent_weight", 0.5)
    assert "Training on 8 utterances of 2 intents and 1 slots" in printed
    assert list(figures)[:4] == ["intent_accuracy", "slot_f1", "frame_accuracy", "steps"] and figures["steps"] == 1
    assert keras_bert.from_pretrained(figures["model"]).intents == ["Play", "Weather"]


def test_help(run):
    printed, _ = run("finetune_intent_slots.py", "--help")
    for flag in ("--pretrained", "--train", "--validation", "--test", "--output_dir", "--max_steps", "--head {softmax,crf}", "seq.out"):
        assert flag in printed
