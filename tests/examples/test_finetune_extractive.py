"""examples/finetune_extractive.py as users start it, and start it again."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_bert import BertEncoder, BertMaskedLM
from keras_bert.metrics import score_summaries

WORDS = ["good", "bad", "film", "it", "was"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, quick_config, tiny_tokenizer):
    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("checkpoint") / "bert"
    BertMaskedLM(BertEncoder(quick_config), tiny_tokenizer).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A file of documents with a sentence that says "great", never the first, which is the summary."""
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(96):
        sentences = [" ".join(generator.choice(WORDS, 3)).capitalize() for _ in range(4)]
        place = generator.integers(1, 4)
        sentences[place] += " great"
        rows.append({"document": ". ".join(sentences) + ".", "summary": sentences[place]})
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path, rows


@pytest.mark.slow
def test_it_learns_is_scored_beside_lead_and_oracle_and_goes_on(root, checkpoint, rows, tmp_path, fresh_python):
    pytest.importorskip("rouge_score")
    path, rows = rows
    flags = ["--pretrained", checkpoint, "--output_dir", tmp_path / "out", "--train", path, "--validation", path, "--test", path]
    flags += ["--columns", "document", "summary", "--num_sentences", 1, "--batch_size", 8, "--epochs", 10, "--learning_rate", 1e-2]
    command = [sys.executable, str(root / "examples" / "finetune_extractive.py"), *map(str, flags)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}

    def run():
        done = fresh_python.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout.splitlines()[-1])

    figures = run()
    summaries = [row["summary"] for row in rows]
    firsts = [row["document"].split(". ")[0] + "." for row in rows]
    assert figures["test_oracle_rougeL"] == 100 and figures["mean_summary_words"] == 4
    for name, texts in (("lead", firsts), ("lead_cut", firsts)):  # the first sentences have three words
        assert figures[f"test_{name}_rougeL"] == round(score_summaries(texts, summaries)["rougeL"], 2)
    assert figures["test_rougeL"] == figures["validation_rougeL"] == round(figures["best_val_rougeL"], 2)
    assert figures["test_rougeL"] > 90 > figures["test_lead_rougeL"] + 20
    chosen = [json.loads(line) for line in (tmp_path / "out" / "test_answers.jsonl").read_text().splitlines()]
    assert all(row["sentence_count"] == 1 and row["text"] in row["document"] for row in chosen) and len(chosen) == 96
    again = run()
    assert again["resumed_from"] == again["steps"] == 120 and again["test_rougeL"] == figures["test_rougeL"]
