"""examples/finetune_translator.py as users start it, and start it again; finetune_summarizer.py stands on the same code."""

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
    config = dataclasses.replace(quick_config, hidden_size=32, intermediate_size=64, initializer_range=0.1)
    BertMaskedLM(BertEncoder(config), tiny_tokenizer).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A file whose targets are the sources word by word in another language."""
    generator = np.random.default_rng(0)
    other = {"a": "good", "b": "bad", "c": "film", "it": "great"}
    path = tmp_path_factory.mktemp("pairs") / "rows.tsv"
    sources = [generator.choice(list(other), generator.integers(1, 4)).tolist() for _ in range(160)]
    path.write_text("".join(f"{' '.join(words)}\t{' '.join(other[word] for word in words)}\n" for words in sources))
    return path


@pytest.mark.slow
def test_a_translator_learns_is_scored_and_goes_on(root, checkpoint, pairs, tmp_path, fresh_python):
    pytest.importorskip("sacrebleu")
    flags = ["--pretrained", checkpoint, "--output_dir", tmp_path / "out", "--train", pairs, "--validation", pairs, "--test", pairs]
    flags += ["--batch_size", 16, "--epochs", 30, "--learning_rate", 5e-3, "--max_length", 16, "--max_target_length", 8]
    flags += ["--rate_factor", "decoder=1.5", "--num_beams", 2]
    command = [sys.executable, str(root / "examples" / "finetune_translator.py"), *map(str, flags)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}

    def run():
        done = fresh_python.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout.splitlines()[-1])

    figures = run()
    assert figures["test_chrf"] == figures["validation_chrf"] > 90 and figures["cut_targets"] == 0 and figures["steps"] == 300
    rows = [json.loads(line) for line in (tmp_path / "out" / "test_answers.jsonl").read_text().splitlines()]
    assert len(rows) == 160 and np.mean([row["answer"] == row["target"] for row in rows]) > 0.9
    again = run()
    assert again["resumed_from"] == again["steps"] == 300 and again["test_chrf"] == figures["test_chrf"]
