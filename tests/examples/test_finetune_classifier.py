"""examples/finetune_classifier.py as users start it, kill it, and start it again; alone, and as two workers."""

import argparse
import dataclasses
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

STEPS = 60
ROWS_TXT = ("--train", "rows.txt", "--validation", "rows.txt", "--test", "rows.txt")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, quick_config, tiny_tokenizer):
    """A masked language model, as users fine-tune one; with dropout."""
    import keras

    from keras_bert import BertEncoder, BertMaskedLM

    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("checkpoint") / "bert"
    config = dataclasses.replace(quick_config, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, initializer_range=0.2)
    BertMaskedLM(BertEncoder(config), tiny_tokenizer).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """A file of each kind that the script takes; 300 rows."""
    folder = tmp_path_factory.mktemp("reviews")
    rows = []
    for number in range(300):
        good = number % 3 != 0
        words = ["it", "is", "a", "good" if good else "bad", "film", *["no", "was", "great"][: number % 4]]
        rows.append({"text": " ".join(words), "second": "a film", "label": "good" if good else "bad"})
    (folder / "train.tsv").write_text("".join(f"{row['text']}\t{row['label']}\n" for row in rows))
    (folder / "dev.tsv").write_text("".join(f"{row['text']}\t{row['label']}\n" for row in rows[:50]))
    (folder / "rows.txt").write_text("sentence\tgold\n" + (folder / "train.tsv").read_text())
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def command(root, checkpoint, reviews, output_dir, *more):
    """The script's command line. More flags override those here."""
    flags = [
        "--pretrained",
        checkpoint,
        "--train",
        reviews / "train.tsv",
        "--validation",
        reviews / "dev.tsv",
        "--test",
        reviews / "dev.tsv",
    ]
    flags += ["--output_dir", output_dir, "--max_steps", STEPS, "--batch_size", 16, "--epochs", 10, "--learning_rate", 1e-3]
    flags += ["--checkpoint_every", 5, "--log_every", 1, "--validate_every", 20, *more]
    return [sys.executable, str(root / "examples" / "finetune_classifier.py"), *map(str, flags)]


@pytest.fixture(scope="module")
def start(fresh_python):
    def start(arguments, **environment):
        variables = os.environ | {"CUDA_VISIBLE_DEVICES": ""} | environment
        return fresh_python.Popen(arguments, stderr=subprocess.STDOUT, env=variables)

    return start


def figures(process, *, returncode=0, timeout=300):
    """Wait for a process. Returns: the JSON object of its last line; or all it printed, where it is to fail."""
    output = process.communicate(timeout=timeout)[0]
    assert process.returncode == returncode, output
    return output if returncode else json.loads(output.splitlines()[-1])


def logged_step(output_dir):
    try:
        return json.loads((output_dir / "log.jsonl").read_text().splitlines()[-1])["step"]
    except (FileNotFoundError, IndexError, ValueError):
        return 0


def wait_for_step(process, output_dir, step, timeout=120):
    end = time.monotonic() + timeout
    while logged_step(output_dir) < step:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, f"no step {step} in {timeout} s"
        time.sleep(0.02)


def model_weights(output_dir):
    from safetensors.numpy import load_file

    return load_file(output_dir / "model" / "model.safetensors")


def largest_difference(one, other):
    assert set(one) == set(other)
    return max(float(np.abs(one[name].astype("float64") - other[name]).max()) for name in one)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, root, checkpoint, reviews):
    """Directory of a run that nothing disturbed, and its figures; Python started it, no fork."""
    output_dir = tmp_path_factory.mktemp("uninterrupted") / "run"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command(root, checkpoint, reviews, output_dir), capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return output_dir, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_it_is_stopped_by_sigterm_and_goes_on_to_the_same_weights(tmp_path, start, root, checkpoint, reviews, uninterrupted):
    expected, expected_figures = uninterrupted
    assert expected_figures["steps"] == STEPS
    assert {path.name for path in expected.iterdir()} >= {"run.json", "log.jsonl", "tensorboard", "checkpoints", "model"}
    output_dir = tmp_path / "run"
    process = start(command(root, checkpoint, reviews, output_dir))
    wait_for_step(process, output_dir, 12)
    process.send_signal(signal.SIGTERM)
    stopped = figures(process)
    assert stopped["interrupted"] and 12 <= stopped["steps"] < STEPS
    done = figures(start(command(root, checkpoint, reviews, output_dir)))
    assert (done["resumed_from"], done["steps"], done["interrupted"]) == (stopped["steps"], STEPS, False)
    assert largest_difference(model_weights(output_dir), model_weights(expected)) <= 1e-6
    for name in ("test_accuracy", "test_loss", "best_step", "best_val_accuracy"):
        assert done[name] == expected_figures[name]
    steps = [json.loads(line)["step"] for line in (output_dir / "log.jsonl").read_text().splitlines() if "learning_rate" in line]
    assert steps == list(range(1, STEPS + 1))


@pytest.mark.slow
def test_five_kills_end_with_the_same_weights(tmp_path, start, root, checkpoint, reviews, uninterrupted):
    output_dir, chance = tmp_path / "run", random.Random(0)
    for number in range(5):
        process = start(command(root, checkpoint, reviews, output_dir))
        wait_for_step(process, output_dir, chance.randrange(10 * number + 2, 10 * number + 10))
        process.kill()
        process.communicate()
    done = figures(start(command(root, checkpoint, reviews, output_dir)))
    assert done["steps"] == STEPS > done["resumed_from"] > 0
    difference = largest_difference(model_weights(output_dir), model_weights(uninterrupted[0]))
    print(f"largest difference of a weight after five kills: {difference:.1e}")
    assert difference <= 1e-6


@pytest.mark.slow
def test_a_finished_run_trains_nothing_more_and_another_configuration_is_refused(start, root, checkpoint, reviews, uninterrupted):
    output_dir, expected = uninterrupted
    before = model_weights(output_dir)
    others = ["--monitor", "val_loss", "--monitor_mode", "min", "--patience", 9, "--validate_every", 7, "--keep", 1]  # of no training
    again = figures(start(command(root, checkpoint, reviews, output_dir, *others)))
    assert again["resumed_from"] == again["steps"] == STEPS
    assert again["test_accuracy"] == expected["test_accuracy"]
    assert again["best_step"] == expected["best_step"] and "best_val_loss" in again
    assert largest_difference(model_weights(output_dir), before) == 0
    refused = figures(start(command(root, checkpoint, reviews, output_dir, "--batch_size", 8)), returncode=1)
    assert "holds a run with batch_size=16 (now 8)" in refused


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ["--accumulate", 2, "--dtype", "bfloat16", "--steps_per_execution", 2],
        ["--dtype", "float16", "--ema_momentum", 0.9, "--layer_decay", 0.9, "--rate_factor", "classifier=10"],
        ["--optimizer", "lamb", "--schedule", "cosine", "--adversarial_epsilon", 0.5, "--patience", 1],
        ["--max_tokens_per_batch", 128, "--accumulate", 2, *ROWS_TXT, "--format", "tsv", "--header"],
        ["--train", "pairs.jsonl", "--validation", "pairs.jsonl", "--test", "pairs.jsonl", "--text_columns", "text", "second"],
    ],
    ids=["accumulate", "float16", "lamb", "tokens_and_text_files", "pairs"],
)
def test_flags(tmp_path, start, root, checkpoint, reviews, flags):
    flags = [reviews / flag if str(flag).endswith((".jsonl", ".txt")) else flag for flag in flags]
    if "pairs.jsonl" in str(flags):
        flags += ["--label_column", "label"]
    got = figures(start(command(root, checkpoint, reviews, tmp_path / "run", "--max_steps", 20, "--validate_every", 10, *flags)))
    assert got["steps"] == 20 or "--patience" in flags
    assert np.isfinite(got["test_loss"])


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """A file of each kind of classification; 120 rows, whose words decide."""
    folder = tmp_path_factory.mktemp("kinds")
    generator = np.random.default_rng(0)
    rows = {"several.tsv": [], "numbers.tsv": [], "intents.tsv": []}
    for _ in range(120):
        words = generator.choice(["good", "bad", "film", "it", "is", "a"], generator.integers(3, 30)).tolist()
        good, bad = words.count("good"), words.count("bad")
        labels = [name for name, count in (("praise", good), ("blame", bad)) if count]
        rows["several.tsv"].append(f"{' '.join(words)}\t{'|'.join(labels)}\n")
        rows["numbers.tsv"].append(f"{5 * good / max(good + bad, 1)}\t{' '.join(words)}\ta film\n")
        word = generator.choice(["good", "bad", "no"], p=[0.7, 0.2, 0.1])
        rows["intents.tsv"].append(f"it is {word}\t{ {'good': 'praise', 'bad': 'blame', 'no': 'oos'}[word] }\n")
    for name, lines in rows.items():
        (folder / name).write_text("".join(lines))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "flags", "figure"),
    [
        ("several.tsv", ["--problem_type", "multi_label", "--separator", "|", "--focal_gamma", 2], "test_micro_f1"),
        ("numbers.tsv", ["--problem_type", "score", "--target_scale", 5, "--text_columns", 1, 2, "--label_column", 0], "test_pearson"),
        ("numbers.tsv", ["--problem_type", "regression", "--text_columns", 1, "--label_column", 0, "--truncate", "tail"], "test_spearman"),
        ("intents.tsv", ["--reject", "oos", "--class_weights", "praise=3", "--balanced_sampling"], "test_in_scope_accuracy"),
        (
            "several.tsv",
            ["--problem_type", "multi_label", "--separator", "|", "--truncate", "windows", "--max_length", 12],
            "test_macro_f1",
        ),
    ],
    ids=["several", "score", "regression", "reject", "windows"],
)
def test_every_kind_is_trained_and_reported(tmp_path, start, root, checkpoint, kinds, name, flags, figure):
    files = [f"--{part}={kinds / name}" for part in ("train", "validation", "test")]
    output_dir = tmp_path / "run"
    process = start(command(root, checkpoint, kinds, output_dir, *files, "--validate_every", 60, "--learning_rate", 5e-3, *flags))
    got = figures(process)
    assert got[figure] > 0.2 and 0 <= got["over_length"] <= 1
    report = json.loads((output_dir / "report.json").read_text())
    assert round(report[figure.removeprefix("test_")], 4) == got[figure]
    assert (output_dir / "confusions.png").exists() == (name == "intents.tsv")
    settings = json.loads((output_dir / "model" / "keras_bert.json").read_text())["settings"]
    if name == "several.tsv":
        assert len(settings["thresholds"]) == 2
    if name == "intents.tsv":
        assert settings["rejected_label"] == "oos" and 0 <= settings["rejection_threshold"] <= 1
        assert settings["labels"] == ["blame", "praise"] and "oos" in report["labels"]


@pytest.mark.slow
def test_one_label_alone_and_what_is_no_number_are_told(tmp_path, start, root, checkpoint, kinds):
    (tmp_path / "one.tsv").write_text("good\tpraise\nbad\tpraise\n")
    flags = [f"--{part}={tmp_path / 'one.tsv'}" for part in ("train", "validation", "test")]
    output = figures(start(command(root, checkpoint, kinds, tmp_path / "run", *flags, "--labels", "praise", "blame")), returncode=1)
    assert "one.tsv have one label: there is nothing to tell it from" in output
    output = figures(start(command(root, checkpoint, kinds, tmp_path / "run", *flags, "--problem_type", "regression")), returncode=1)
    assert "one.tsv:1: 'praise' is not a finite number" in output


@pytest.mark.slow
def test_a_misspelt_monitor_is_told_before_step_1_and_any_value_may_be_corrected(tmp_path, start, root, checkpoint, reviews):
    output = figures(start(command(root, checkpoint, reviews, tmp_path, "--monitor", "val_acc", "--batch_size", 8)), returncode=1)
    assert "monitor='val_acc' is none of what validation gives: val_loss, val_accuracy" in output
    assert not (tmp_path / "log.jsonl").exists()
    assert figures(start(command(root, checkpoint, reviews, tmp_path, "--max_steps", 3)))["steps"] == 3


@pytest.mark.slow
def test_a_profile_is_printed_and_written(tmp_path, start, root, checkpoint, reviews):
    process = start(command(root, checkpoint, reviews, tmp_path / "run", "--max_steps", 25, "--profile", tmp_path / "profile"))
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert list((tmp_path / "profile").glob("plugins/profile/*/*.xplane.pb"))
    table = output[output.index("Where the time goes") :].splitlines()[1:12]
    assert table[0].split() == ["operation", "ms", "count", "share"]
    assert any("MatMul" in line for line in table)
    assert "profile" not in json.loads((tmp_path / "run" / "run.json").read_text())["config"]


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path, start, root, checkpoint, reviews):
    flags = ["--learning_rate", 1e30, "--warmup_steps", 0, "--clip_norm", 0, "--checkpoint_every", 1, "--log_every", 1]
    output = figures(start(command(root, checkpoint, reviews, tmp_path / "run", *flags)), returncode=1)
    assert "FloatingPointError" in output and "at step " in output and "lower learning rate" in output


def workers(start, arguments, count=2):
    """Start one process a worker, on free ports of this machine."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    configs = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}} for index in range(count)]
    return [start([*arguments, "--strategy", "multi_worker"], TF_CONFIG=json.dumps(config)) for config in configs]


@pytest.mark.slow
def test_two_workers_survive_the_death_of_one_and_a_signal_to_one(tmp_path, start, root, checkpoint, reviews):
    def arguments(output_dir):
        # Two workers draw other dropout masks than one does; so both runs are of two.
        return command(root, checkpoint, reviews, output_dir)

    expected = tmp_path / "uninterrupted"
    for process in workers(start, arguments(expected)):
        assert figures(process)["steps"] == STEPS

    output_dir = tmp_path / "run"
    chief, other = workers(start, arguments(output_dir))
    wait_for_step(chief, output_dir, 13)
    other.kill()
    began = time.monotonic()
    output = figures(chief, returncode=1, timeout=60)
    print(f"the survivor ended after {time.monotonic() - began:.1f} s")
    assert "error: another worker is gone" in output and "training goes on from the checkpoint of step 10" in output
    other.communicate()

    chief, other = workers(start, arguments(output_dir))
    wait_for_step(chief, output_dir, 25)
    other.send_signal(signal.SIGTERM)  # one is asked; both stop after the same step
    stopped = [figures(process) for process in (chief, other)]
    assert [each["interrupted"] for each in stopped] == [True, True]
    assert stopped[0]["steps"] == stopped[1]["steps"]

    done = [figures(process) for process in workers(start, arguments(output_dir))]
    assert {each["resumed_from"] for each in done} == {stopped[0]["steps"]}
    assert done[0]["test_accuracy"] == done[1]["test_accuracy"]
    difference = largest_difference(model_weights(output_dir), model_weights(expected))
    print(f"largest difference of a weight: {difference:.1e}")
    assert difference <= 1e-6


def test_help(root, fresh_python):
    done = fresh_python.run([sys.executable, str(root / "examples" / "finetune_classifier.py"), "--help"])
    assert done.returncode == 0
    for flag in ("--pretrained", "--train", "--output_dir", "--strategy", "--max_steps", "--accumulate", "--dtype", "--seed", "--tpu"):
        assert flag in done.stdout
    assert "--monitor_mode {auto,min,max}" in done.stdout


def test_what_a_run_may_change_are_flags():
    """A misspelt name there would have a resume refused that should not be."""
    import training_flags

    parser = argparse.ArgumentParser()
    training_flags.add_training_flags(parser, epochs=1, batch_size=1, learning_rate=1.0)
    assert set(training_flags._NOT_OF_THE_RUN) - {"test"} <= set(vars(parser.parse_args([])))
