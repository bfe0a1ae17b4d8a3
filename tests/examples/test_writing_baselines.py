"""What a writer is compared with, by hand; and how pairs are split."""

import json
import os
import subprocess
import sys

import pytest
from split_pairs import split
from writing_baselines import cut, nearest_targets, summary_baselines
from written_sample import WrittenSample, read_rows


def test_sentences_of_the_document_are_the_baselines_of_a_summary():
    seen = {}

    def score(answers, references, *, language):
        shared = [len(set(answer.split()) & set(reference.split())) for answer, reference in zip(answers, references, strict=True)]
        seen[tuple(answers)] = None
        return {"rougeL": sum(shared) / len(shared)}

    documents = ["It is red. A tool for maps of the sea. It is old.", "Only one here."]
    found = summary_baselines(documents, ["maps of the sea", "one"], ["a b", "a b c d"], score, language="en")
    assert found == {"first_sentence": {"rougeL": 0.5}, "first_sentence_cut": {"rougeL": 0.5}, "oracle_sentence": {"rougeL": 2.0}}
    assert ("It is red.", "Only one here.") in seen
    assert summary_baselines([""], ["a"], ["a"], score, language="en")["oracle_sentence"] == {"rougeL": 0.0}


def test_a_cut_counts_words_or_chinese_characters():
    assert cut("one two three", 2, language="en") == "one two"
    assert cut("一二三", 2, language="zh") == "一二"


def test_the_target_of_the_source_with_the_rarest_words_in_common_is_found():
    pytest.importorskip("sklearn")
    there = ["the cat sat", "the dog sat", "the the the", "我 喜欢 猫"]
    assert nearest_targets(["a DOG, the?", "他喜欢", "the"], there, ["c", "d", "t", "z"]) == ["d", "z", "t"]


def test_one_source_is_in_one_part_alone():
    pairs = [(f"{'Source' if number % 2 else 'source'}  {number // 4}", f"target {number}") for number in range(400)]
    parts = split(pairs, {"validation": 30, "test": 50}, seed=1)
    assert sorted(pair for rows in parts.values() for pair in rows) == sorted(pairs)
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 316, "validation": 32, "test": 52}
    sources = [{" ".join(source.lower().split()) for source, _ in rows} for rows in parts.values()]
    assert sum(map(len, sources)) == len(set.union(*sources)) == 100
    assert parts == split(pairs, {"validation": 30, "test": 50}, seed=1) != split(pairs, {"validation": 30, "test": 50}, seed=2)
    with pytest.raises(SystemExit, match="400 pairs leave none to train on"):
        split(pairs, {"test": 400}, seed=1)


@pytest.mark.slow
def test_the_command_writes_parts_and_a_vocabulary(root, tmp_path, fresh_python):
    (tmp_path / "pairs.tsv").write_text("".join(f"number {number}\t数 {number % 10}\n" for number in range(60)), encoding="utf-8")
    command = [sys.executable, str(root / "examples" / "split_pairs.py"), "--pairs", "pairs.tsv", "--output_dir", "out"]
    flags = ["--validation", "10", "--test", "5", "--vocabulary_size", "100"]
    done = fresh_python.run([*command, *flags], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.PIPE, text=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    vocabulary = (tmp_path / "out" / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert figures == {"train": 45, "validation": 10, "test": 5, "pieces": len(vocabulary)}
    assert {"[PAD]", "[CLS]", "数", "7"} <= set(vocabulary)
    assert len((tmp_path / "out" / "train.tsv").read_text(encoding="utf-8").splitlines()) == 45


class Writer:
    def generate(self, sources, **settings):
        return [f"{source}!" for source in sources]


def test_samples_are_even_over_the_data_and_those_after_the_step_gone_on_from_are_written_anew(tmp_path, capsys):
    def score(answers, references, *, language):
        return {"right": sum(answer == f"{reference}!" for answer, reference in zip(answers, references, strict=True))}

    texts = [str(number) for number in range(10)]
    options = {"language": "en", "examples": 5, "shown": 2, "directory": tmp_path}
    sample = WrittenSample(Writer(), (texts, texts), score, **options)
    assert sample.sources == ["0", "2", "4", "6", "8"]
    assert sample(None) == {"right": 1} and not list(tmp_path.iterdir())
    for step in (10, 20, 30, 20):
        assert sample(step) == {"right": 5}
    shown = read_rows(tmp_path / "samples.jsonl")
    assert [(row["step"], row["answer"]) for row in shown] == [(10, "0!"), (10, "4!"), (20, "0!"), (20, "4!")]
    assert "  source: 4\n  target: 4\n  answer: 4!\n" in capsys.readouterr().out
    other = WrittenSample(Writer(), (texts, texts), score, **options | {"directory": None})
    assert other(40) == {"right": 5} and len(read_rows(tmp_path / "samples.jsonl")) == 4
