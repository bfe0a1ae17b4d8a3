"""Vectors beside SentenceTransformer.encode: a short real run, what is embedded, and how vectors are compared."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import inference_embedding, inference_qa
from benchmarks.peers import BenchmarkError


@pytest.mark.slow
def test_a_short_run_beside_sentence_transformers(root, tmp_path, peers_python):
    path = tmp_path / "out.json"
    arguments = ["inference", "--task", "embedding", "--random", "--layers", 1, "--hidden", 64, "--texts", 20, "--rounds", 2]
    arguments += ["--peers_python", peers_python, "--json", path]
    done = subprocess.run([sys.executable, "-m", "benchmarks", *map(str, arguments)], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())
    assert [(row["texts"], row["calls"], row["target"]) for row in rows] == [(20, 1, 1.5), (1, 20, 1.0)]
    for row in rows:
        assert (row["side"], row["peer"], row["model"]) == ("keras_bert predict", "sentence_transformers", "random")
        assert row["difference"] < 1e-5
        assert 128 < row["longest"] <= 256  # a classifier's texts would be cut at 128
        assert {"keras_bert", "torch", "sentence-transformers"} <= set(row["versions"])
    assert "| keras_bert predict | sentence_transformers | 1 | 20 | 1, 1 |" in done.stdout


def test_texts_are_of_three_kinds_in_one_order():
    texts = inference_embedding.texts()
    assert texts == inference_embedding.texts()
    contexts = {context for path in inference_qa.DATA.values() for _, context, _ in inference_qa.questions(path)}
    assert len(texts) == 3 * len(contexts) == 720
    assert contexts < set(texts)
    lengths = [len(text.split()) for text in texts[:60]]
    assert min(lengths) < 10 and max(lengths) > 100


class Side:
    """Stands for a side that gives these vectors."""

    def __init__(self, vectors):
        self.name, self.vectors = "side", vectors

    def ask(self, do, **_):
        return {"outputs": self.vectors}


def test_vectors_are_compared_by_direction():
    # The angle of 0.01 has a cosine of 1 - 0.01 ** 2 / 2.
    ours, near, far = [[2.0, 0.0], [0.0, 1.0]], *([[np.cos(angle), np.sin(angle)], [0.0, 1.0]] for angle in (0.01, 0.02))
    assert inference_embedding.compare_vectors(Side(ours), Side(near), 2) == pytest.approx(5e-5, rel=1e-3)
    with pytest.raises(BenchmarkError, match=r"vectors of side and side differ by 0.0002 \(1 - cosine\), over 0.0001"):
        inference_embedding.compare_vectors(Side(ours), Side(far), 2)


def test_one_vector_for_all_texts_proves_nothing():
    same = Side([[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(BenchmarkError, match="2 texts are given the same vector"):
        inference_embedding.compare_vectors(same, same, 2)
