"""examples/pretrain.py as users start it."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from keras_bert.files import locked_directory
from keras_bert.pretraining import Phase
from keras_bert.training.run_file import write_run
from keras_bert.training.run_log import read_log

FLAGS = ["--documents", "blank", "--recipe", "tiny", "--vocabulary_size", 80, "--block_documents", 1, "--workers", 1]
FLAGS += ["--validate_every", 10, "--checkpoint_every", 4, "--log_every", 1, "--learning_rate", 1e-3]


@pytest.fixture(scope="module")
def start(root, fresh_python):
    def run(*flags):
        command = [sys.executable, str(root / "examples" / "pretrain.py"), *map(str, flags)]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(root)}
        return fresh_python.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    return run


def finish(process):
    """Returns: the last line, read as JSON; what was written to stderr."""
    output, errors = process.communicate()
    assert process.returncode == 0, errors[-4000:]
    return json.loads(output.splitlines()[-1]), errors


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Documents of sentences that count: a word says which comes next."""
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("corpus") / "corpus.txt"
    with open(path, "w") as file:
        for _ in range(60):
            for _ in range(4):
                first = rng.integers(10)
                file.write(" ".join(words[(first + place) % 10] for place in range(rng.integers(5, 12))) + " .\n")
            file.write("\n")
    return path


def weights_of(directory):
    from keras_bert.safetensors_file import SafetensorsFile

    tensors = SafetensorsFile(str(directory / "model" / "model.safetensors"))
    return {name: np.asarray(tensors.read(name)) for name in tensors.shapes}


@pytest.mark.slow
@pytest.mark.parametrize("source", [[], ["--stream"]], ids=["of files", "of a stream"])
def test_a_run_that_was_killed_in_the_middle_of_an_epoch_ends_with_the_same_weights(start, corpus, tmp_path, source):
    """Two phases, packed; killed in the second. An epoch of the second is 9 updates or so."""
    flags = ["--corpus", corpus, *FLAGS, "--pack", "--phases", "32x8x12", "64x4x20", "--masking", "word", *source]
    whole, errors = finish(start(*flags, "--output_dir", tmp_path / "whole"))
    assert whole["steps"] == 32 and not whole["interrupted"] and " -> " in errors
    log = tmp_path / "killed" / "phase-2" / "log.jsonl"
    process = start(*flags, "--output_dir", tmp_path / "killed")
    while not log.exists() or len(read_log(log)) < 7:
        assert process.poll() is None, process.communicate()[1][-4000:]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "killed" / "model").exists()
    again, errors = finish(start(*flags, "--output_dir", tmp_path / "killed"))
    assert "Going on from the checkpoint of step" in errors
    one, other = weights_of(tmp_path / "whole"), weights_of(tmp_path / "killed")
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    same = ("test_nats", "test_unigram_entropy", "test_accuracy", "test_nsp_accuracy", "steps", "tokens_seen")
    assert {name: again[name] for name in same} == {name: whole[name] for name in same}
    made = sorted(path.parent.name for path in (tmp_path / "killed" / "examples").glob("*/lengths.png"))
    assert made == ([] if source else ["train-32", "train-64"])
    assert (tmp_path / "killed" / "training_curves.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_further_pretraining_by_the_clock_and_what_fine_tuning_takes(start, corpus, tmp_path):
    """A model that counts is better than the frequencies of words; its heads alone first, then all, for seconds, streamed; no pairs."""
    flags = ["--corpus", corpus, *FLAGS, "--objective", "full_sentences", "--masking", "span"]
    first, _ = finish(start(*flags, "--phases", "32x16x60", "--output_dir", tmp_path / "first"))
    assert first["test_nats"] < first["test_unigram_entropy"] + 0.5
    flags[flags.index("--vocabulary_size") : flags.index("--vocabulary_size") + 2] = []
    flags += ["--pretrained", tmp_path / "first" / "model", "--head_steps", 3, "--minutes", 0.2, "--phases", "32x16x60", "--stream"]
    figures, _ = finish(start(*flags, "--output_dir", tmp_path / "second"))
    assert sorted(os.listdir(tmp_path / "second" / "examples")) == ["test-32", "validation-32"]
    assert "heads" in os.listdir(tmp_path / "second") and figures["steps"] > 3 and not figures["interrupted"]
    heads = read_log(tmp_path / "second" / "heads" / "log.jsonl")
    assert [line["step"] for line in heads if "loss" in line] == [1, 2, 3]
    from keras_bert import BertClassifier

    with pytest.warns(UserWarning, match="newly initialised"):
        BertClassifier.from_pretrained(tmp_path / "second" / "model", labels=["a", "b"])


def test_a_second_run_in_the_same_directory_is_refused(start, corpus, tmp_path):
    with locked_directory(tmp_path / "out"):
        process = start("--corpus", corpus, *FLAGS, "--output_dir", tmp_path / "out")
        errors = process.communicate()[1]
    assert process.returncode and f"another process is working in {tmp_path / 'out'}" in errors
    assert os.listdir(tmp_path / "out") == []


def test_workers_wait_for_a_chief_at_work_and_not_for_one_that_ended(tmp_path, monkeypatch):
    import pretrain

    monkeypatch.setattr(pretrain, "CHIEF_SECONDS", 0.2)
    path = tmp_path / "vocab.txt"
    began = time.monotonic()

    def work():
        with locked_directory(tmp_path):
            time.sleep(1)
            path.touch()

    chief = threading.Thread(target=work)
    chief.start()
    pretrain.wait_for(path, tmp_path)
    chief.join()
    assert time.monotonic() - began > 1
    path.unlink()
    with pytest.raises(RuntimeError, match=r"vocab.txt is not there, and for 0.2 s no process has been working in .* ended or never began"):
        pretrain.wait_for(path, tmp_path)


@pytest.fixture
def parse(corpus):
    import pretraining_flags

    def options_of(*flags):
        parser = argparse.ArgumentParser()
        pretraining_flags.add_flags(parser)
        return parser.parse_args(["--corpus", str(corpus), *map(str, flags)])

    return options_of


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--minutes", 0], "--minutes 0.0 is not a positive number"),
        (["--minutes", "nan"], "--minutes nan is not a positive number"),
        (["--workers", 0], "--workers 0 is not 1 or more"),
        (["--head_steps", -1], "--head_steps -1 is not 0 or more"),
        (["--pretrained", "bert", "--vocabulary", "vocab.txt"], "--vocabulary: the vocabulary is that of --pretrained"),
        (["--pretrained", "bert", "--cased"], "--cased: the vocabulary is that of --pretrained"),
        (["--vocabulary", "vocab.txt", "--vocabulary_size", 80], "--vocabulary_size is of one that is learned"),
        (["--minutes", 1, "--steps", 9], "--minutes and --steps: the clock ends a run, or updates do; give one of them"),
        (["--seed", 2**31], "--seed 2147483648 is not a whole number of 32 bits"),
        (["--head_steps", 3], "--head_steps: the heads learn from what the encoder says, and without --pretrained"),
        (["--segment_chinese"], "--segment_chinese is of words: --masking word or span"),
        (["--masked_share", 2], "share=2.0 is not from above 0 to 1"),
        (["--shard_megabytes", 0], "shard_megabytes=0.0 is not positive"),
        (["--accumulate", 3], "--accumulate 3 does not divide the 64 rows of an update"),
        (["--output_dir", "CORPUS/out"], "would read what is written there"),
    ],
)
def test_flags_that_cannot_be_are_told_before_any_work(parse, corpus, flags, message):
    import pretraining_flags

    from keras_bert.pretraining import RECIPES

    options = parse(*(str(flag).replace("CORPUS", str(corpus.parent)) for flag in flags), "--corpus", corpus.parent)
    with pytest.raises(ValueError, match=re.escape(message)):
        pretraining_flags.check(options, RECIPES["half_hour"].phases)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("32x8", "'32x8' is no LENGTHxROWSxSTEPS, such as 128x256x9000"),
        ("32x8x0", "'32x8x0': steps=0 of a phase is not 1 or more"),
    ],
)
def test_phases_that_cannot_be_are_told(parse, capsys, given, message):
    with pytest.raises(SystemExit):
        parse("--phases", given)
    assert message in capsys.readouterr().err


def test_a_larger_share_is_not_cut_to_that_of_bert(parse):
    import pretraining_flags

    (each,) = parse("--phases", "128x8x10").phases
    counts = [pretraining_flags.masking_settings(parse("--masked_share", share), each).count(128) for share in (0.1, 0.15, 0.4)]
    assert counts == [13, 19, 51]


def test_a_vocabulary_of_another_corpus_is_learned_anew_or_told(parse, tmp_path, capsys):
    import pretrain

    path, texts = tmp_path / "vocab.txt", tmp_path / "texts.txt"

    def learn(size=30):
        options = parse("--corpus", texts, "--output_dir", tmp_path, "--documents", "line", "--block_documents", 1)
        pretrain.learn_vocabulary(options, size, str(path))
        return path.read_text().split()

    texts.write_text("low lower lowest\n" * 20)
    assert "low" in learn()
    path.write_text(path.read_text() + "kept\n")
    assert "kept" in learn()
    texts.write_text("new newer newest\n" * 20)
    assert "new" in learn()
    assert "texts.txt has changed, or is new" in capsys.readouterr().err
    (tmp_path / "examples" / "test-32").mkdir(parents=True)
    (tmp_path / "examples" / "test-32" / "examples-00000.tfrecord.gz").touch()
    with pytest.raises(ValueError, match=r"vocab\.txt was learned otherwise: size is 30 there and 31 now; give another --output_dir"):
        learn(31)
    (tmp_path / "vocab.json").unlink()  # of a user's own nobody knows what it was learned of
    learn(31)


def test_another_run_is_refused_before_its_examples_are_made(parse, tmp_path):
    import pretraining_flags

    (tmp_path / "phase-1" / "checkpoints" / "step-00000004").mkdir(parents=True)
    options = parse("--output_dir", tmp_path)
    write_run(tmp_path / "phase-1", {"config": pretraining_flags.run_config(options)})
    pretraining_flags.check_is_this_run(options)
    with pytest.raises(ValueError, match=r"phase-1 holds a run with seed='0' \(now '1'\)"):
        pretraining_flags.check_is_this_run(parse("--output_dir", tmp_path, "--seed", 1))


def test_what_cannot_be_is_one_line(start, corpus, tmp_path):
    process = start("--corpus", tmp_path / "nothing", "--output_dir", tmp_path / "out")
    errors = process.communicate()[1]
    assert process.returncode == 1 and "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("FileNotFoundError: ") and "no such file or folder" in errors
    process = start("--corpus", corpus, "--pretrained", tmp_path / "out" / "model", "--output_dir", tmp_path / "out")
    assert "is where the model of this run goes; give another --output_dir" in process.communicate()[1] and process.returncode == 1
    process = start("--corpus", corpus, *FLAGS, "--phases", "32x8x6", "--warmup_steps", 7, "--output_dir", tmp_path / "out")
    assert process.communicate()[1].splitlines()[-1].startswith("ValueError: warmup_steps=7 is not")
    assert process.returncode == 1 and not (tmp_path / "out" / "examples").exists()


def test_of_a_checkpoint_phases_and_rate_are_those_of_going_on(parse):
    import pretrain

    recipe = pretrain.chosen_recipe(parse("--pretrained", "bert"))
    assert recipe.phases == (Phase(128, 32, 10_000, 20),) and recipe.learning_rate == 2e-5 and not recipe.shrink_embeddings
    asked = pretrain.chosen_recipe(parse("--pretrained", "bert", "--recipe", "base"))
    assert asked.learning_rate == 1e-4 and len(asked.phases) == 2
    options = parse()
    assert pretrain.chosen_recipe(options).shrink_embeddings and options.recipe == "half_hour"
