"""Directories of examples: complete or not, the same whoever makes them, killed and gone on with."""

import contextlib
import dataclasses
import glob
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertTokenizer, files
from keras_bert.data import Corpus
from keras_bert.pretraining import (
    ExampleSettings,
    prepare_pretraining_data,
    prepare_with_beam,
    read_examples,
    read_manifest,
    row_features,
    stream_examples,
)
from keras_bert.pretraining.manifest import begin, describe

SETTINGS = ExampleSettings(max_length=32, shard_megabytes=0.02, seed=3)


@pytest.fixture(scope="module")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary)


@pytest.fixture(scope="module")
def texts(tmp_path_factory, review_lines):
    """A folder of two files, 60 KB and 35 KB: documents of four reviews."""
    folder = tmp_path_factory.mktemp("corpus") / "texts"
    folder.mkdir()
    for name, lines in (("a.txt", review_lines[:520]), ("b.txt", review_lines[1000:1300])):
        documents = ["\n".join(line.partition("\t")[2] for line in lines[place : place + 4]) for place in range(0, len(lines), 4)]
        (folder / name).write_text("\n\n".join(documents))
    return folder


@pytest.fixture(scope="module")
def made(texts, tokenizer, tmp_path_factory):
    directory = tmp_path_factory.mktemp("made") / "examples"
    return directory, prepare_pretraining_data(Corpus(texts), directory, tokenizer, SETTINGS, workers=1, progress=False)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def rows_of(dataset):
    return [{name: value.tolist() for name, value in row.items()} for row in dataset.as_numpy_iterator()]


def test_the_manifest_tells_what_is_there(made, texts, tokenizer):
    directory, manifest = made
    assert json.loads((directory / "manifest.json").read_text()) == manifest == read_manifest(directory)
    files = [file for shard in manifest["shards"] for file in shard["files"]]
    assert sorted(os.listdir(directory)) == [*(file["name"] for file in files), "manifest.json"]
    for file in files:
        data = (directory / file["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
        records = list(tf.data.TFRecordDataset([str(directory / file["name"])], compression_type="GZIP").as_numpy_iterator())
        lengths = [len(tf.train.Example.FromString(record).features.feature["input_ids"].int64_list.value) for record in records]
        assert (len(lengths), sum(lengths), max(lengths)) == (file["rows"], file["tokens"], file["longest_row"])
    assert manifest["settings"] == dataclasses.asdict(SETTINGS)
    assert [source["bytes"] for source in manifest["sources"]] == [(texts / name).stat().st_size for name in ("a.txt", "b.txt")]
    assert manifest["tokenizer"]["vocabulary_sha256"] == hashlib.sha256("\n".join(tokenizer.vocabulary).encode()).hexdigest()
    assert manifest["totals"]["rows"] == sum(file["rows"] for file in files)
    assert manifest["read"]["documents"] == manifest["totals"]["documents"] == 130 + 75
    assert 4 <= len(manifest["shards"]) <= 5  # 95 KB in runs of 20


def test_examples_are_read_and_streamed_alike_and_each_worker_reads_its_own(made, texts, tokenizer):
    directory, manifest = made
    dataset = read_examples(directory)
    rows = rows_of(dataset)
    assert int(dataset.cardinality()) == len(rows) == manifest["totals"]["rows"]
    assert rows == rows_of(stream_examples(Corpus(texts), tokenizer, SETTINGS))
    assert sum(row["next_sentence_labels"][0] for row in rows) == manifest["totals"]["label_1"]
    shares = [rows_of(read_examples(directory, worker=worker, workers=2)) for worker in range(2)]
    assert sorted(map(str, shares[0] + shares[1])) == sorted(map(str, rows))
    assert all(shares)
    with pytest.raises(ValueError, match="files for workers=100; prepare it with smaller shard_megabytes"):
        read_examples(directory, workers=100)
    with pytest.raises(ValueError, match="worker=2 is not in 0 to workers - 1 = 1"):
        read_examples(directory, worker=2, workers=2)


def test_every_word_of_the_corpus_is_in_full_sentences(tmp_path, texts, tokenizer):
    settings = dataclasses.replace(SETTINGS, objective="full_sentences", short_seq_prob=0)
    prepare_pretraining_data(Corpus(texts), tmp_path / "examples", tokenizer, settings, workers=1, progress=False)
    rows = rows_of(read_examples(tmp_path / "examples"))
    specials = {tokenizer.cls_id, tokenizer.sep_id}
    there = np.sort([id_ for row in rows for id_ in row["input_ids"] if id_ not in specials])
    text = "\n".join((texts / name).read_text() for name in ("a.txt", "b.txt"))
    np.testing.assert_array_equal(there, np.sort(tokenizer.tokenize([text]).values))
    assert "next_sentence_labels" not in rows[0]


def test_packed_rows_hold_the_examples_of_unpacked_ones(made, tmp_path, texts, tokenizer):
    settings = dataclasses.replace(SETTINGS, pack=True, row_length=64)
    manifest = prepare_pretraining_data(Corpus(texts), tmp_path / "examples", tokenizer, settings, workers=1, progress=False)
    sequences, dataset = [], read_examples(tmp_path / "examples")
    for row in rows_of(dataset):
        ends = np.cumsum(row["sequence_lengths"])
        assert ends[-1] == len(row["input_ids"]) <= 64
        parts = np.split(row["input_ids"], ends[:-1])
        sequences += [str((part.tolist(), *label)) for part, *label in zip(parts, row["next_sentence_labels"], strict=True)]
    alone = [str((row["input_ids"], *row["next_sentence_labels"])) for row in rows_of(read_examples(made[0]))]
    assert sorted(sequences) == sorted(alone)
    assert manifest["totals"]["rows"] < 0.6 * len(alone)
    assert manifest["totals"]["most_sequences"] > 1
    made_of = row_features(next(iter(dataset.ragged_batch(8))))
    assert made_of["sequence_ids"].row_lengths().numpy().tolist() == made_of["input_ids"].row_lengths().numpy().tolist()


def test_length_bins_are_files_of_like_length(made, tmp_path, texts, tokenizer):
    settings = dataclasses.replace(SETTINGS, length_bin=10)
    directory = tmp_path / "examples"
    manifest = prepare_pretraining_data(Corpus(texts), directory, tokenizer, settings, workers=1, progress=False)
    assert {file["length_bin"] for shard in manifest["shards"] for file in shard["files"]} <= {10, 20, 30, 32}
    for longest, shortest in ((20, 11), (32, 31)):
        lengths = [len(row["input_ids"]) for row in rows_of(read_examples(directory, length_bin=longest))]
        assert lengths
        assert set(lengths) <= set(range(shortest, longest + 1))
    assert sorted(map(str, rows_of(read_examples(directory)))) == sorted(map(str, rows_of(read_examples(made[0]))))
    with pytest.raises(ValueError, match=r"length_bin=64: .* has .*20, 30, 32"):
        read_examples(directory, length_bin=64)
    with pytest.raises(ValueError, match="length_bin=10 is of files"):
        stream_examples(Corpus(texts), tokenizer, settings)


def test_duplicates_have_other_pairs_and_another_seed_other_examples(made, tmp_path, texts, tokenizer):
    twice = dataclasses.replace(SETTINGS, dupe_factor=2)
    rows = rows_of(stream_examples(Corpus(texts), tokenizer, twice))
    once = rows_of(read_examples(made[0]))
    assert len(rows) == pytest.approx(2 * len(once), rel=0.1)
    assert len(set(map(str, rows))) > 1.5 * len(set(map(str, once)))
    other = rows_of(stream_examples(Corpus(texts), tokenizer, dataclasses.replace(SETTINGS, seed=4)))
    assert sorted(map(str, other)) != sorted(map(str, once))


def test_a_complete_directory_is_left_as_it_is_and_lost_files_are_made_again(made, tmp_path, texts, tokenizer):
    directory = shutil.copytree(made[0], tmp_path / "examples")
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    assert prepare_pretraining_data(Corpus(texts), directory, tokenizer, SETTINGS, progress=False) == made[1]
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before
    (directory / "examples-00001.tfrecord.gz").unlink()
    (directory / ".building-of-a-killed-process").touch()
    (directory / "examples-00001-to-0064.tfrecord.gz").touch()
    prepare_pretraining_data(Corpus(texts), directory, tokenizer, SETTINGS, workers=1, progress=False)
    assert contents(directory) == contents(made[0])


def test_another_corpus_or_other_settings_are_refused_naming_what_differs(made, tmp_path, texts, tokenizer):
    def prepare(corpus, settings=SETTINGS, tokenizer=tokenizer):
        prepare_pretraining_data(corpus, made[0], tokenizer, settings, workers=1, progress=False)

    with pytest.raises(ValueError, match=r"settings\.max_length is 32 there and 64 now; settings\.seed is 3 there and 0 now"):
        prepare(Corpus(texts), dataclasses.replace(SETTINGS, max_length=64, seed=0))
    with pytest.raises(ValueError, match=r"corpus\.documents is 'blank' there and 'line' now"):
        prepare(Corpus(texts, documents="line"))
    with pytest.raises(ValueError, match=r"tokenizer\.lower_case is True there and False now"):
        prepare(Corpus(texts), tokenizer=BertTokenizer(tokenizer.vocabulary, lower_case=False))
    with pytest.raises(ValueError, match=r"tokenizer\.vocabulary_sha256 is"):
        prepare(Corpus(texts), tokenizer=BertTokenizer([*tokenizer.vocabulary[:-1], "nothingwritten"]))
    moved = shutil.copytree(texts, tmp_path / "moved")
    prepare(Corpus(moved))
    (moved / "b.txt").write_text((moved / "b.txt").read_text().replace("film", "movie"))
    with pytest.raises(ValueError, match=r"moved/b\.txt has changed, or is new"):
        prepare(Corpus(moved))
    with pytest.raises(ValueError, match=r"b\.txt is gone"):
        prepare(Corpus(texts / "a.txt"))
    with pytest.raises(ValueError, match="stand in another order"):
        prepare(Corpus([texts / "b.txt", texts / "a.txt"]))


def test_directories_of_others_and_those_that_are_not_complete_are_told(tmp_path, texts, tokenizer):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ValueError, match=r"holds thesis\.txt, and no manifest\.json; give an empty or a new directory"):
        prepare_pretraining_data(Corpus(texts), tmp_path, tokenizer, SETTINGS)
    with pytest.raises(FileNotFoundError, match=r"no manifest\.json; prepare_pretraining_data makes"):
        read_examples(tmp_path)
    with pytest.raises(ValueError, match="texts/new in it, and would read what is written there; give a path outside"):
        prepare_pretraining_data(Corpus(texts), texts / "new", tokenizer, SETTINGS)
    with pytest.raises(ValueError, match="workers=0 is not 1 or more"):
        prepare_pretraining_data(Corpus(texts), tmp_path / "new", tokenizer, SETTINGS, workers=0)


def test_a_fault_in_the_corpus_loses_no_finished_shard(tmp_path, texts, made, tokenizer):
    directory = tmp_path / "examples"
    corpus = Corpus(texts, skip_invalid=False)

    class Failing(Corpus):
        def read(self, counts=None):
            for number, document in enumerate(super().read(counts)):
                if number == 120:
                    raise ValueError("bad.txt: not UTF-8")
                yield document

    with pytest.raises(ValueError, match=r"bad\.txt"):
        prepare_pretraining_data(Failing(texts), directory, tokenizer, SETTINGS, workers=1, progress=False)
    kept = {path.name: path.stat().st_mtime_ns for path in directory.glob("*.gz")}
    assert len(kept) == 1  # two of three runs are held back until what follows them is known
    with pytest.raises(FileNotFoundError, match="its examples are not complete; run what makes them again"):
        read_examples(directory)
    with pytest.raises(ValueError, match=r"settings\.seed is 3 there and 1 now"):
        prepare_pretraining_data(corpus, directory, tokenizer, dataclasses.replace(SETTINGS, seed=1), workers=1)
    prepare_pretraining_data(corpus, directory, tokenizer, SETTINGS, workers=1, progress=False)
    assert {path.name: path.stat().st_mtime_ns for path in directory.glob("*.gz")}.items() >= kept.items()
    assert contents(directory) == contents(made[0])


def test_a_directory_in_which_another_process_works_is_refused(made, tmp_path, texts, tokenizer, monkeypatch):
    monkeypatch.setattr(files, "_PATIENCE_SECONDS", 0.1)
    directory = tmp_path / "examples"
    with files.locked_directory(directory), pytest.raises(BlockingIOError, match=r"another process is working in .*examples: wait for it"):
        prepare_pretraining_data(Corpus(texts), directory, tokenizer, SETTINGS, workers=1, progress=False)
    assert os.listdir(directory) == []
    (directory / files.LOCK).touch()  # a killed process left it
    prepare_pretraining_data(Corpus(texts), directory, tokenizer, SETTINGS, workers=1, progress=False)
    assert contents(directory) == contents(made[0])


PROGRAM = """
import json, resource, sys
from keras_bert import BertTokenizer, files
from keras_bert.data import Corpus
from keras_bert.pretraining import ExampleSettings, prepare_pretraining_data

if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    if options["file_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options["file_bytes"], options["file_bytes"]))
    settings, tokenizer = ExampleSettings(**options["settings"]), BertTokenizer(options["vocabulary"])
    try:
        prepare_pretraining_data(Corpus(options["texts"]), options["output"], tokenizer, settings, workers=options["workers"])
    except OSError as error:
        print("OSError:", error)
"""


@pytest.fixture
def start(fresh_python, root, texts, uncased_vocabulary):
    def start_preparing(output, *, file_bytes=0, workers=1):
        options = {"texts": str(texts), "output": str(output), "vocabulary": str(uncased_vocabulary), "file_bytes": file_bytes}
        options |= {"settings": dataclasses.asdict(SETTINGS), "workers": workers}
        return fresh_python.Popen([sys.executable, "-c", PROGRAM, json.dumps(options)], env=os.environ | {"PYTHONPATH": str(root)})

    return start_preparing


def test_killed_at_any_shard_it_is_gone_on_with_to_the_same_bytes(start, made, tmp_path):
    directory = tmp_path / "examples"
    for number in (0, 2):
        process = start(directory)
        deadline = time.monotonic() + 120
        while not (directory / ".finished" / f"{number:05d}.json").exists():
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() != 0
        assert not (directory / "manifest.json").exists()
    output, errors = start(directory).communicate()
    assert contents(directory) == contents(made[0]), (output, errors)


def test_where_a_file_cannot_be_written_whole_the_error_names_it_and_what_is_done_stays(start, made, tmp_path):
    directory = tmp_path / "examples"
    sizes = [(made[0] / f"examples-0000{shard}.tfrecord.gz").stat().st_size for shard in range(4)]
    largest = int(np.argmax(sizes))
    output, errors = start(directory, file_bytes=max(sizes) - 1).communicate()
    assert f"examples-0000{largest}.tfrecord.gz cannot be written" in output, errors
    assert "finished shards stay" in output
    assert len(list(directory.glob("*.gz"))) == largest
    assert not list(directory.glob(".building-*"))
    assert "OSError" not in start(directory).communicate()[0]
    assert contents(directory) == contents(made[0])


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them_and_write_its_bytes(start, made, tmp_path, texts, tokenizer):
    def children(pid):
        found = []
        for path in glob.glob("/proc/[0-9]*/stat"):
            with contextlib.suppress(OSError, ValueError), open(path) as file:
                number, _, state, parent = file.read().split()[:4]
                found += [int(number)] if int(parent) == pid and state != "Z" else []
        return found

    process = start(tmp_path / "examples", workers=2)
    deadline = time.monotonic() + 120
    while len(started := children(process.pid)) < 3:  # with that which Python itself keeps beside them
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while left := [pid for pid in started if os.path.exists(f"/proc/{pid}")]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
    prepare_pretraining_data(Corpus(texts), tmp_path / "examples", tokenizer, SETTINGS, workers=2)
    assert contents(tmp_path / "examples") == contents(made[0])


@pytest.mark.slow
def test_what_goes_wrong_in_a_process_is_told_and_the_others_finish(tmp_path, texts, tokenizer):
    directory = tmp_path / "examples"
    begin(str(directory), describe(Corpus(texts), tokenizer, SETTINGS))
    (directory / "examples-00000.tfrecord.gz").mkdir()  # in the way of a shard
    with pytest.raises(OSError, match=r"examples-00000\.tfrecord\.gz cannot be written.*finished shards stay"):
        prepare_pretraining_data(Corpus(texts), directory, tokenizer, SETTINGS, workers=2)
    assert (directory / ".finished" / "00001.json").exists()


def test_without_apache_beam_the_extra_to_install_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ImportError, match=r'pip install "keras3-bert\[beam\]"'):
        prepare_with_beam(Corpus("a.txt"), tmp_path, None)


def test_a_beam_pipeline_of_several_workers_writes_the_same_bytes(made, tmp_path, texts, tokenizer):
    runner = pytest.importorskip("apache_beam.runners.portability.fn_api_runner").FnApiRunner()
    directory = tmp_path / "examples"
    shutil.copytree(made[0], directory)
    (directory / "examples-00001.tfrecord.gz").unlink()  # what is there already stays
    options = ["--direct_num_workers=2", "--direct_running_mode=multi_threading"]
    for output in (directory, tmp_path / "new"):
        assert prepare_with_beam(Corpus(texts), output, tokenizer, SETTINGS, runner=runner, options=options) == made[1]
        assert contents(output) == contents(made[0])


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_so_and_ends(tmp_path, texts, uncased_vocabulary, root):
    script = tmp_path / "no_guard.py"
    script.write_text(
        "from keras_bert import BertTokenizer\n"
        "from keras_bert.pretraining import ExampleSettings, prepare_pretraining_data\n"
        f"tokenizer = BertTokenizer({str(uncased_vocabulary)!r})\n"
        f"settings = ExampleSettings(**{dataclasses.asdict(SETTINGS)!r})\n"
        f"prepare_pretraining_data({str(texts)!r}, {str(tmp_path / 'examples')!r}, tokenizer, settings, workers=2)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode
    assert "Put what the script does under `if __name__ == '__main__':`, or say workers=1" in done.stderr


@pytest.mark.slow
def test_a_killed_process_is_told_and_not_waited_for(tmp_path, texts, tokenizer):
    def kill():
        while not (processes := multiprocessing.active_children()):
            time.sleep(0.01)
        os.kill(processes[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(RuntimeError, match=r"one that was killed \(for want of memory\?\); finished shards stay"):
        prepare_pretraining_data(Corpus(texts), tmp_path / "examples", tokenizer, SETTINGS, workers=2, progress=False)
    killer.join()
