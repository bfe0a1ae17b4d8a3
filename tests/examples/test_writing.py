"""What the scripts that train a writer count and report, in this process; test_finetune_writers.py runs one whole."""

import argparse
import json

import keras
import pytest
import writing

from keras_bert import BertEncoder, BertSeq2Seq


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    parser = argparse.ArgumentParser()
    writing.add_flags(
        parser, columns=("0", "1"), max_length=6, max_target_length=5, epochs=1, batch_size=4, learning_rate=1e-3, language="en"
    )
    flags = ["--train", "a.tsv", "--output_dir", str(tmp_path_factory.mktemp("out")), "--early_stopping", "never"]
    return parser.parse_args([*flags, "--decoder_learning_rate", "0.01", "--decoder_warmup_steps", "7"])


@pytest.fixture(scope="module")
def model(quick_config, tiny_tokenizer):
    keras.utils.set_random_seed(7)
    model = BertSeq2Seq(BertEncoder(quick_config, pooler=False), tiny_tokenizer, max_length=6, max_target_length=5)
    model.compile(run_eagerly=True)
    return model


TRAIN = (["a b c", "good film , no film ."], ["a b c a", "good"])


def test_tokens_are_counted_as_the_model_reads_them_and_what_is_cut_is_told(model, options, capsys):
    read = writing._lengths(model, TRAIN, options)
    assert read == {"examples": 2, "source_tokens": 5 + 6, "cut_sources": 1, "target_tokens": 5 + 3, "cut_targets": 1}
    told = "Training on 2 pairs; 1 sources have over 6 tokens, 1 targets have over 5 tokens and are cut"
    assert told in capsys.readouterr().out
    writing._lengths(model, (["a", "b"], ["我你好", "a"]), options)
    assert "Warning: 75% of the targets' tokens are [UNK]: the vocabulary is not of their language" in capsys.readouterr().out
    seen = writing._seen(read, 2.5)
    assert seen == {"examples_seen": 5, "source_tokens_seen": 28, "target_tokens_seen": 20, "cut_sources": 1, "cut_targets": 1}


def test_the_decoder_has_a_schedule_of_its_own_where_a_flag_gives_one(options):
    assert writing._schedules(options) == {"decoder": {"learning_rate": 0.01, "warmup_steps": 7}}
    none = argparse.Namespace(decoder_learning_rate=None, decoder_warmup_steps=None)
    assert writing._schedules(none) is None


def test_the_report_has_scores_of_each_part_and_baselines_of_the_test(model, options, tmp_path):
    def score(answers, references, *, language):
        assert language == "en" and len(answers) == len(references)
        return {"chrf": len(references) + 1 / 3}

    def baselines(pairs, train, *, language):
        return {"nearest_source": {"chrf": float(len(pairs[0]) + len(train[0]))}}

    options.output_dir = str(tmp_path)
    parts = {"train": TRAIN, "validation": TRAIN, "test": (["a"], ["b"])}
    figures = writing._report(model, parts, options, score, baselines)
    assert figures == {"validation_chrf": 2.33, "test_chrf": 1.33, "test_baselines": {"nearest_source": {"chrf": 3.0}}}
    assert json.loads((tmp_path / "report.json").read_text()) == figures
    rows = [json.loads(line) for line in (tmp_path / "validation_answers.jsonl").read_text().splitlines()]
    assert [(row["source"], row["target"]) for row in rows] == list(zip(*TRAIN, strict=True)) and isinstance(rows[0]["answer"], str)
    options.no_baselines = True
    assert writing._report(model, {"train": TRAIN}, options, score, baselines) == {}
