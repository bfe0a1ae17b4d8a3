"""examples/finetune_translator.py as users start it, kill it and start it again; finetune_summarizer.py stands on the same code."""

import dataclasses
import json
import os
import subprocess
import sys
import time

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
def test_a_translator_that_was_killed_goes_on_learns_and_is_scored(root, checkpoint, pairs, tmp_path, fresh_python):
    pytest.importorskip("sacrebleu")
    pytest.importorskip("sklearn")
    out = tmp_path / "out"
    flags = ["--pretrained", checkpoint, "--output_dir", out, "--train", pairs, "--validation", pairs, "--test", pairs]
    flags += ["--batch_size", 16, "--epochs", 30, "--learning_rate", 5e-3, "--max_length", 16, "--max_target_length", 8]
    flags += ["--decoder_learning_rate", 8e-3, "--decoder_warmup_steps", 20, "--num_beams", 2, "--patience", 20]
    flags += ["--validate_every", 50, "--validation_examples", 40, "--checkpoint_every", 60]
    command = [sys.executable, str(root / "examples" / "finetune_translator.py"), *map(str, flags)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": os.environ | {"CUDA_VISIBLE_DEVICES": ""}}

    def run():
        done = fresh_python.run(command, **options)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout.splitlines()[-1])

    killed = fresh_python.Popen(command, **options)
    while not (out / "samples.jsonl").exists() or len((out / "samples.jsonl").read_text().splitlines()) < 6:  # two validations
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    figures = run()
    assert figures["resumed_from"] >= 60 and figures["steps"] == 300
    assert figures["test_chrf"] == figures["validation_chrf"] > 90
    assert figures["test_baselines"]["nearest_source"]["chrf"] > 50  # of the same words, if not in their order
    seen = {name: figures[name] for name in ("cut_sources", "cut_targets", "examples_seen", "batch_size")}
    assert seen == {"cut_sources": 0, "cut_targets": 0, "examples_seen": 30 * 160, "batch_size": 16}
    words = sum(len(line.split("\t")[0].split()) + 2 for line in pairs.read_text().splitlines())
    assert figures["source_tokens_seen"] == 30 * words
    rows = [json.loads(line) for line in (out / "test_answers.jsonl").read_text().splitlines()]
    assert len(rows) == 160 and np.mean([row["answer"] == row["target"] for row in rows]) > 0.9
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert [row["step"] for row in samples] == [step for step in range(50, 301, 50) for _ in range(3)]
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    best = max((line["val_chrf"], -line["step"]) for line in log if "val_chrf" in line)
    assert (figures["best_val_chrf"], figures["best_step"]) == (pytest.approx(best[0], abs=1e-4), -best[1])
    again = run()
    assert again["resumed_from"] == again["steps"] == 300 and again["test_chrf"] == figures["test_chrf"]
