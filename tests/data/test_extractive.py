"""Labels of sentences beside a greedy search by rouge-score itself; data sets of documents with summaries."""

import random

import pytest
import tensorflow as tf

from keras_bert.data import extractive_dataset, extractive_labels, read_parallel, read_squad, sentence_scores, split_sentences
from keras_bert.metrics import score_summaries


def score(sentences, summary, language):
    got = score_summaries([" ".join(sentences)], [summary], language=language)
    return (got["rouge1"] + got["rouge2"]) / 100


def greedy(sentences, summary, max_sentences, language="en"):
    """BertSum's greedy_selection, scored by rouge-score. Returns: list of labels; the score."""
    chosen, best = [], 0.0
    for _ in range(max_sentences):
        left = [index for index in range(len(sentences)) if index not in chosen]
        scores = [score([sentences[each] for each in sorted([*chosen, index])], summary, language) for index in left]
        if not scores or max(scores) <= best + 1e-12:
            break
        best = max(scores)
        chosen.append(next(index for index, value in zip(left, scores, strict=True) if value > best - 1e-12))
    return [int(index in chosen) for index in range(len(sentences))], best


def test_labels_are_those_of_a_greedy_search_by_rouge_score(root):
    pytest.importorskip("rouge_score")
    contexts = list(dict.fromkeys(example.context for example in read_squad(root / "examples" / "data" / "xquad" / "dev.json.gz")))[:12]
    generator = random.Random(0)
    for context in contexts:
        sentences = split_sentences(context)
        words = context.split()
        start = generator.randrange(len(words))
        summary = " ".join([*words[start : start + 12], *generator.sample(words, 12)])  # over the border of two sentences, and of anywhere
        for most in (1, 3):
            assert extractive_labels(sentences, summary, max_sentences=most) == greedy(sentences, summary, most)[0]


def test_pairs_of_words_over_the_border_of_sentences_count_as_rouge_score_has_it():
    pytest.importorskip("rouge_score")
    generator = random.Random(1)
    for _ in range(60):
        sentences = [" ".join(generator.choices("abcd.", k=generator.randint(1, 4))) for _ in range(5)]
        summary = " ".join(generator.choices("abcd", k=6))
        assert extractive_labels(sentences, summary, max_sentences=4) == greedy(sentences, summary, 4)[0], (sentences, summary)


def test_chinese_is_compared_by_characters():
    pytest.importorskip("rouge_score")
    sentences, summary = ["今天下雨。", "张三在北京见了李四。", "他们吃了饭。"], "张三见李四"
    assert extractive_labels(sentences, summary, max_sentences=1, language="zh") == [0, 1, 0]
    assert greedy(sentences, summary, 1, "zh")[0] == [0, 1, 0]
    assert extractive_labels(sentences, summary) == [0, 0, 0]  # words without spaces are none


def test_scores_are_rouge_l_of_rouge_score():
    pytest.importorskip("rouge_score")
    generator = random.Random(2)
    for language, letters in (("en", "abcd"), ("zh", "今天下雨")):
        for _ in range(40):
            sentences = [" ".join(generator.choices(letters, k=generator.randint(1, 70))) for _ in range(3)]  # over 64, too
            summary = " ".join(generator.choices(letters, k=generator.randint(1, 70)))
            expected = [score_summaries([sentence], [summary], language=language)["rougeL"] / 100 for sentence in sentences]
            assert sentence_scores(sentences, summary, language=language) == pytest.approx(expected, abs=1e-12)
    assert sentence_scores(["...", "a"], "") == [0.0, 0.0] and sentence_scores([], "a") == []


def test_what_helps_nothing_is_not_chosen():
    assert extractive_labels(["a b", "c", "..."], "x y") == [0, 0, 0]
    assert extractive_labels(["a b", "a b", "c"], "a b", max_sentences=3) == [1, 0, 0]
    assert extractive_labels([], "a") == []
    with pytest.raises(ValueError, match="max_sentences=0 is not a whole number from 1"):
        extractive_labels(["a"], "a", max_sentences=0)


def test_a_data_set_of_a_file_of_documents_and_summaries(tmp_path):
    (tmp_path / "train.tsv").write_text("It rained. Ann met Bob.\tAnn met Bob\n \tnothing\nA film.\tno word of it\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="1 of 3 documents have no sentence and are left out"):
        dataset = extractive_dataset(read_parallel(tmp_path / "train.tsv"))
    assert int(dataset.cardinality()) == 2
    rows = [(text.decode(), target["labels"].tolist(), target["summary"].decode()) for text, target in dataset.as_numpy_iterator()]
    assert rows == [("It rained. Ann met Bob.", [0, 1], "Ann met Bob"), ("A film.", [0], "no word of it")]
    soft = extractive_dataset([(text, summary) for text, _, summary in rows], soft_labels=True)
    assert [target["labels"].tolist() for _, target in soft.as_numpy_iterator()] == [[0.0, 1.0], [0.0]]
    (tmp_path / "rows.jsonl").write_text('{"document": "a"}\n')
    with pytest.raises(ValueError, match=r"rows.jsonl:1: no column 'summary'; the line has document"):
        read_parallel(tmp_path / "rows.jsonl", columns=("document", "summary"))


def test_what_is_no_document_with_a_summary_is_named():
    with pytest.raises(ValueError, match="example 1 is 'b'; expected a document and its summary"):
        extractive_dataset([("a", "b"), "b"])
    with pytest.raises(ValueError, match="example 0: column 'summary' is 3, a int; expected text"):
        extractive_dataset([("a", 3)])
    with pytest.raises(ValueError, match="documents and summaries were given apart"):
        extractive_dataset((["a", "b"], ["c", "d"]))
    with pytest.raises(ValueError, match=r"sentences is one string, 'It rained\.'; give split_sentences of it"):
        extractive_labels("It rained.", "It")
    with pytest.raises(ValueError, match="sentences is one string"):
        sentence_scores("It rained.", "It")
    for language in ("ZH", "de", None):
        with pytest.raises(ValueError, match=f"language={language!r} is none of en, zh"):
            extractive_labels(["a"], "a", language=language)
    with pytest.raises(
        ValueError, match=r"nothing to learn: no sentence of 1 documents has a word of its summary, by language='en'; Chinese"
    ):
        extractive_dataset([("今天下雨。我去了北京。", "我去北京")])
    with pytest.raises(ValueError, match="there is nothing to train on: none of 2 documents has a sentence"):
        extractive_dataset(tf.data.Dataset.from_tensor_slices((["", " \n"], ["a", "b"])))
