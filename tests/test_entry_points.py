"""What every command sets before it imports TensorFlow."""

import ast

import pytest

COMMANDS = ["export/__main__.py", "export/ask.py", "benchmarks/__main__.py"]
COMMANDS += [f"examples/{name}.py" for name in ("quickstart", "convert_checkpoint", "compose_bilstm_crf", "embed", "train_embedder")]
COMMANDS += ["examples/prepare_pretraining_data.py", "examples/pretrain.py", "examples/split_pairs.py"]
FINETUNED = ("classifier", "tagger", "srl", "intent_slots", "qa", "translator", "summarizer", "extractive")
COMMANDS += [f"examples/finetune_{name}.py" for name in FINETUNED]


@pytest.mark.parametrize("command", COMMANDS)
def test_onednn_is_turned_on_before_tensorflow_is_imported_unless_the_user_has_decided(root, command):
    setting = 'os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")'
    source = [ast.unparse(node).replace("'", '"') for node in ast.parse((root / command).read_text()).body]
    before = source[: source.index(setting)]
    allowed = {"import argparse", "import gc", "import json", "import math", "import os", "import shlex", "import sys", "import time"}
    assert not [line for line in before[1:] if not line.startswith("os.environ.setdefault(") and line not in allowed]


def test_every_script_with_a_main_is_listed(root):
    scripts = {
        f"examples/{path.name}"
        for path in (root / "examples").glob("*.py")
        if "__main__" in (text := path.read_text()) and "import keras_bert\n" in text
    }
    assert scripts <= set(COMMANDS)
