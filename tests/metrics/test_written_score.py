"""Scores of written texts, on values by hand."""

import pytest

from keras_bert.metrics import score_summaries, score_translations


def test_translations_are_scored_by_words_or_by_chinese_characters():
    pytest.importorskip("sacrebleu")
    assert score_translations(["the cat sat on the mat"], ["the cat sat on the mat"]) == pytest.approx({"bleu": 100, "chrf": 100})
    zh = score_translations(["我去了北京。"], ["我去了南京。"], language="zh")
    # Of 6, 5, 4, 3 n-grams stand 5, 3, 1, 0 in the reference; sacrebleu smooths the last to 1 / 2.
    assert zh["bleu"] == pytest.approx(100 * (5 / 6 * 3 / 5 * 1 / 4 * 0.5 / 3) ** 0.25)
    with pytest.raises(ValueError, match="1 answers but 2 references"):
        score_translations(["a"], ["a", "b"])


def test_summaries_are_scored_by_words_or_by_chinese_characters():
    pytest.importorskip("rouge_score")
    got = score_summaries(["the cat sat"], ["the cat was here"])
    assert got == pytest.approx({"rouge1": 100 * 4 / 7, "rouge2": 100 * 2 / 5, "rougeL": 100 * 4 / 7})  # 2 of 3 and of 4; 1 of 2 and of 3
    zh = score_summaries(["我去了 GNU 北京"], ["我去北京gnu"], language="zh")
    assert zh["rouge1"] == pytest.approx(100 * 10 / 11) and zh["rougeL"] == pytest.approx(100 * 8 / 11)  # 我去北京 in order
    with pytest.raises(ValueError, match="there are no answers"):
        score_summaries([], [])


def test_a_package_that_is_not_there_is_named(monkeypatch):
    import sys

    for package, score, extra in (("sacrebleu", score_translations, "sacrebleu"), ("rouge_score", score_summaries, "rouge-score")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=rf"scored by {extra}: pip install keras3-bert\[metrics\]"):
            score(["a"], ["a"])
