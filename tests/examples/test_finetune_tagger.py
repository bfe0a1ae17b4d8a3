"""examples/finetune_tagger.py as users start it, and start it again."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, quick_config, tiny_tokenizer):
    import keras

    from keras_bert import BertEncoder, BertMaskedLM

    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("checkpoint") / "bert"
    BertMaskedLM(BertEncoder(dataclasses.replace(quick_config, initializer_range=0.3)), tiny_tokenizer).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """A file of CoNLL columns in IOB1, each sentence of which is decided by its words."""
    generator = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("sentences") / "rows.conll"
    blocks = []
    for _ in range(60):
        words = generator.choice(["good", "film", "it", "is", "no"], generator.integers(2, 9))
        blocks.append("".join(f"{word} X {({'good': 'I-QUALITY', 'film': 'I-WORK'}).get(word, 'O')}\n" for word in words))
    path.write_text("-DOCSTART- X O\n\n" + "\n".join(blocks))
    return path


@pytest.mark.slow
def test_it_trains_reports_and_goes_on(root, checkpoint, sentences, tmp_path, fresh_python):
    flags = ["--pretrained", checkpoint, "--output_dir", tmp_path / "out", "--batch_size", 8, "--epochs", 12, "--learning_rate", 5e-3]
    flags += [f"--{part}={sentences}" for part in ("train", "validation", "test")]
    command = [sys.executable, str(root / "examples" / "finetune_tagger.py"), *map(str, flags), "--max_length", "12", "--scheme", "IOB1"]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}

    def run(*more):
        done = fresh_python.run([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        assert done.returncode == 0, done.stdout
        return done.stdout, json.loads(done.stdout.splitlines()[-1])

    printed, figures = run()
    assert figures["test_f1"] == figures["best_val_f1"] > 0.95 and figures["resumed_from"] == 0
    assert "QUALITY" in printed and "mean of types" in printed
    with open(tmp_path / "out" / "report.json") as file:
        report = json.load(file)
    assert set(report["types"]) == {"QUALITY", "WORK"} and round(report["f1"], 4) == figures["test_f1"]
    assert (tmp_path / "out" / "confusions.png").stat().st_size > 5000
    again = run()[1]
    assert again["resumed_from"] == again["steps"] == figures["steps"] and again["test_f1"] == figures["test_f1"]
