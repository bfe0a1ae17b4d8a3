"""examples/train_embedder.py and examples/embed.py as users start them."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def run(root, fresh_python):
    def run_script(script, *flags, returncode=0):
        command = [sys.executable, str(root / "examples" / script), *map(str, flags)]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
        done = fresh_python.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        assert done.returncode == returncode, done.stdout
        return done.stdout

    return run_script


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, quick_config, tiny_tokenizer):
    import keras

    from keras_bert import BertEmbedder, BertEncoder

    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("checkpoint") / "bert"
    BertEmbedder(BertEncoder(dataclasses.replace(quick_config, initializer_range=0.3)), tiny_tokenizer).save_pretrained(path)
    return path


WORDS = ["a", "b", "c", "good", "bad", "film", "great", "no"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pairs whose second text says the first in another order, and pairs whose score is the share of common words."""
    generator, folder = np.random.default_rng(0), tmp_path_factory.mktemp("pairs")
    with open(folder / "pairs.tsv", "w") as pairs, open(folder / "scored.jsonl", "w") as scored:
        for number in range(64):
            words = [WORDS[number % 8], WORDS[number // 8], *generator.choice(WORDS, 2)]
            others = [*words[: number % 5], *generator.choice(["is", "was", "it", ","], 4 - number % 5)]
            pairs.write(f"{' '.join(words)}\t{' '.join(words[::-1])} it\n")
            scored.write(json.dumps({"one": " ".join(words), "two": " ".join(others), "score": number % 5}) + "\n")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pairs", "scored"])
def test_it_trains_and_goes_on(run, checkpoint, files, tmp_path, kind):
    flags = ["--pretrained", checkpoint, "--output_dir", tmp_path, "--batch_size", 16, "--epochs", 10, "--learning_rate", 1e-2]
    if kind == "pairs":
        flags += [f"--{part}={files / 'pairs.tsv'}" for part in ("train", "validation", "test")]
        flags += ["--rows_at_once", 8, "--matryoshka", 16, 8, "--symmetric", "--prompt", "query=a b ", "--example_prompts", "query"]
        name, monitored = "test_recall@1", "best_val_recall@1"
    else:
        flags += [f"--{part}={files / 'scored.jsonl'}" for part in ("train", "validation", "test")]
        flags += ["--text_columns", "one", "two", "--score_column", "score", "--highest_score", 4]
        name, monitored = "test_spearman", "best_val_spearman"
    figures = json.loads(run("train_embedder.py", *flags).splitlines()[-1])
    assert figures[name] == figures[monitored] > figures[f"{name}_before"] + 0.1
    again = json.loads(run("train_embedder.py", *flags).splitlines()[-1])
    assert again["resumed_from"] == again["steps"] == figures["steps"] and again[name] == figures[name]


@pytest.mark.slow
def test_texts_are_embedded_searched_and_taken_to_tokens(run, checkpoint, tmp_path):
    from keras_bert import BertEmbedder
    from keras_bert.tasks import extract_features

    model = BertEmbedder.from_pretrained(checkpoint)
    texts = ["good film", "it was great ||| no", "bad"]
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in texts))
    (tmp_path / "corpus.txt").write_text("bad\ngood film .\n")

    def embed(output, *flags):
        printed = run("embed.py", "--model", checkpoint, "--input", tmp_path / "texts.txt", "--output", tmp_path / output, *flags)
        lines = [json.loads(line) for line in (tmp_path / output).open()] if output.endswith(".jsonl") else None
        return json.loads(printed.splitlines()[-1]), lines

    figures, _ = embed("vectors.npy", "--truncate_dim", 8)
    assert (figures["texts"], figures["features"]) == (3, 8)
    np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), model.predict(texts, truncate_dim=8, verbose=0), atol=1e-6)
    _, lines = embed("vectors.jsonl")
    assert [line["text"] for line in lines] == texts
    np.testing.assert_allclose([line["embedding"] for line in lines], model.predict(texts, verbose=0), atol=1e-6)
    figures, lines = embed("found.jsonl", "--search", tmp_path / "corpus.txt", "--top_k", 1)
    assert figures["corpus"] == 2 and lines[2]["query"] == "bad" and lines[2]["found"][0]["text"] == "bad"
    assert lines[2]["found"][0]["score"] == pytest.approx(1.0, abs=1e-5)
    _, lines = embed("features.jsonl", "--layers", -1, 0)
    (pair,) = extract_features(model, ["it was great"], ["no"], layers=(-1, 0))
    assert [line["linex_index"] for line in lines] == [0, 1, 2]
    assert [feature["token"] for feature in lines[1]["features"]] == pair.tokens
    assert [layer["index"] for layer in lines[1]["features"][0]["layers"]] == [-1, 0]
    got = [[layer["values"] for layer in feature["layers"]] for feature in lines[1]["features"]]
    np.testing.assert_allclose(got, pair.vectors, atol=1e-6)
    assert "ends in none of .jsonl" in run("embed.py", "--input", "x", "--output", "x.npy", "--layers", "-1", returncode=2)


def test_help(run):
    assert "--score_column" in (printed := run("train_embedder.py", "--help")) and "--rows_at_once" in printed and "--accumulate" in printed
    assert "--truncate_dim" in (printed := run("embed.py", "--help")) and "linex_index" in printed
