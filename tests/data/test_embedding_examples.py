import json

import numpy as np
import pytest

from keras_bert.data import read_embedding_examples


def rows_of(dataset):
    return list(dataset.as_numpy_iterator())


def test_pairs_triplets_and_scores(write):
    pairs = write("f.tsv", "a\tb\tc\nd\te\tf\n")
    assert rows_of(read_embedding_examples(pairs)) == [((b"a", b"b"),), ((b"d", b"e"),)]
    assert rows_of(read_embedding_examples(pairs, text_columns=(0, 2, 1)))[1] == ((b"d", b"f", b"e"),)
    scored = write("g.jsonl", "".join(json.dumps({"one": "a", "two": "b", "score": score}) + "\n" for score in (5, "2.5", 0.0)))
    dataset = read_embedding_examples(scored, text_columns=("one", "two"), score_column="score", highest_score=5)
    assert [(texts, score.dtype.name, score.tolist()) for texts, score in rows_of(dataset)] == [
        ((b"a", b"b"), "float32", score) for score in (1.0, 0.5, 0.0)
    ]


def test_the_committed_pairs_are_of_every_intent(root):
    counts = {part: len(rows_of(read_embedding_examples(root / "examples" / "data" / "clinc150" / f"{part}.tsv.gz"))) for part in PARTS}
    assert counts == PARTS


PARTS = {"train": 1350, "dev": 150, "test": 150}  # 9, 1 and 1 of each of 150 intents


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("a\tb\tnan\n", {"score_column": 2}, r"f\.tsv:1: the score is 'nan', which is no finite number"),
        ("a\tb\t1\na\tb\tx\n", {"score_column": 2}, r"f\.tsv:2: the score is 'x', which is no number"),
        ("a\tb\t4.2\n", {"score_column": 2}, r"f\.tsv:1: the score 4.2 is over highest_score=1; say what the scores go up to"),
        ("a\n", {}, r"f\.tsv:1: no column 1"),
        ("a\tb\n", {"text_columns": (0,)}, r"text_columns=\(0,\): an example has 2 columns or more"),
        ("a\tb\n", {"text_columns": (0, 1, 1), "score_column": 0}, "an example with a score has 2 columns"),
        ("a\tb\n", {"highest_score": 0}, "highest_score=0 is not positive"),
    ],
)
def test_what_cannot_be_used_is_told(write, content, options, words):
    with pytest.raises(ValueError, match=words):
        read_embedding_examples(write("f.tsv", content), **options)


def test_columns_in_memory():
    assert rows_of(read_embedding_examples((["a"], ["b"], np.array([0.5])), score_column=2)) == [((b"a", b"b"), 0.5)]
