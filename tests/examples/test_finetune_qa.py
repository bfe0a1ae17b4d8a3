"""examples/finetune_qa.py as users start it, and start it again."""

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
def questions(tmp_path_factory):
    """A file of SQuAD v2.0's shape: the answer to "is it" is the word behind "was", of which a quarter of the contexts has none."""
    generator = np.random.default_rng(0)
    paragraphs = []
    for number in range(80):
        words = generator.choice(["a", "b", "c", "it", "is"], generator.integers(2, 9)).tolist()
        answers = []
        if number % 4:
            place = int(generator.integers(len(words)))
            words[place:place] = ["was", "film"]
            answers = [{"text": "film", "answer_start": len(" ".join(words[: place + 1])) + 1}]
        question = {"id": str(number), "question": "is it", "answers": answers, "is_impossible": not answers}
        paragraphs.append({"context": " ".join(words), "qas": [question]})
    path = tmp_path_factory.mktemp("questions") / "rows.json"
    path.write_text(json.dumps({"version": "v2.0", "data": [{"paragraphs": paragraphs}]}))
    return path


@pytest.mark.slow
def test_it_trains_reports_and_goes_on(root, checkpoint, questions, tmp_path, fresh_python):
    flags = ["--pretrained", checkpoint, "--output_dir", tmp_path / "out", "--batch_size", 8, "--epochs", 12, "--learning_rate", 5e-3]
    flags += [f"--{part}={questions}" for part in ("train", "validation", "test")]
    command = [sys.executable, str(root / "examples" / "finetune_qa.py"), *map(str, flags), "--max_length", "16"]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}

    def run():
        done = fresh_python.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout.splitlines()[-1])

    figures = run()
    assert figures["test_f1"] == figures["validation_f1"] > 0.9 and figures["validation_exact_match"] > 0.9
    assert figures["best_val_span_accuracy"] > 0.8 and figures["resumed_from"] == 0
    report, predictions, odds, model = (
        json.loads((tmp_path / "out" / name).read_text())
        for name in ("report.json", "predictions.json", "null_odds.json", "model/keras_bert.json")
    )
    assert round(report["validation"]["f1"], 4) == figures["validation_f1"] and report["test"]["no_answer"]["total"] == 20
    assert set(predictions.values()) >= {"", "film"} and len(predictions) == len(odds) == 80
    threshold = model["settings"]["null_threshold"]
    assert round(threshold, 4) == figures["null_threshold"]
    assert {id_ for id_, text in predictions.items() if not text} == {id_ for id_, score in odds.items() if score > threshold}
    again = run()
    assert again["resumed_from"] == again["steps"] == figures["steps"] and again["test_f1"] == figures["test_f1"]
