"""The house's own rules: imports point one way, and the encoder needs no TensorFlow."""

import ast
import os
import re
import subprocess
import sys

import numpy as np
import pytest

# A room may import rooms of a lower level, and itself.
LEVELS = {
    "version": -2, "files": -2, "lazy": -2,
    "safetensors_file": -1,
    "config": 0, "features": 0, "labels": 0, "tags": 0, "problem_type": 0, "similarity": 0, "generation": 0,
    "text": 1, "layers": 1,
    "data": 2, "models": 2, "preprocessing": 2, "metrics": 2,
    "checkpoints": 3, "training": 3,
    "pretraining": 4,
    "tasks": 5,
    "export": 6,
    "benchmarks": 7, "examples": 7,
}  # fmt: skip


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(dotted):
    parts = dotted.split(".")
    if parts[0] == "keras_bert":
        return parts[1] if len(parts) > 1 and parts[1] in LEVELS else "keras_bert"
    return parts[0] if parts[0] in LEVELS else None


def test_imports_point_one_way(root):
    wrong = []
    for top in ("keras_bert", "export", "examples", "benchmarks"):
        for path in (root / top).rglob("*.py"):
            relative = path.relative_to(root).with_suffix("").parts
            if relative == ("keras_bert", "__init__"):  # it says where names live, as strings
                continue
            own = room_of(".".join(relative))
            for module in imported_modules(path):
                theirs = room_of(module)
                if theirs is None or theirs == own:
                    continue
                if theirs == "keras_bert":  # the public names: for those who stand above the package
                    if LEVELS[own] < LEVELS["export"]:
                        wrong.append(f"{path}: {module}")
                elif LEVELS[theirs] >= LEVELS[own]:
                    wrong.append(f"{path}: {module}")
    assert not wrong


def test_layers_and_models_are_keras_ops_only(root):
    for room in ("layers", "models"):
        for path in (root / "keras_bert" / room).glob("*.py"):
            if path.name not in ("islands.py", "onednn.py", "bits.py"):  # the fast paths of kernels.py, which asks for the backend
                assert not [name for name in imported_modules(path) if name.split(".")[0] in ("tensorflow", "tensorflow_text")], path


def test_setup_cfg_lists_every_package(root):
    import configparser

    settings = configparser.ConfigParser()
    settings.read(root / "setup.cfg")
    listed = set(settings["options"]["packages"].split())
    there = {
        ".".join(path.parent.relative_to(root).parts) for top in ("keras_bert", "export") for path in (root / top).rglob("__init__.py")
    }
    assert listed == there


def test_public_names_are_what_the_package_gives():
    import keras_bert

    for name in keras_bert.__all__:
        assert getattr(keras_bert, name) is not None
    assert set(keras_bert.__all__) <= set(dir(keras_bert))
    with pytest.raises(AttributeError, match="BertTranslator"):
        _ = keras_bert.BertTranslator


def test_encoder_without_tensorflow_gives_the_reference_numbers(root, reference, tmp_path, shared_classifier):
    shared_classifier.save_pretrained(tmp_path / "native")
    np.savez(tmp_path / "weights.npz", *shared_classifier.encoder.get_weights())
    program = f"""
import sys
sys.modules["tensorflow"] = sys.modules["tensorflow_text"] = None    # importing either now fails
import numpy as np
import keras, keras_bert
assert keras.backend.backend() == "jax"

theirs, native = {str(reference / "hugging_face")!r}, {str(tmp_path / "native")!r}
encoder = keras_bert.from_pretrained(theirs + "/pretraining", cls=keras_bert.BertEncoder)
expected = np.load(theirs + "/pretraining/expected.npz")
batch = {{name: expected[name].astype("int32") for name in ("input_ids", "token_type_ids", "attention_mask")}}
output = np.asarray(encoder(batch)["sequence_output"])
print(np.abs(output - expected["last_hidden_state"])[expected["attention_mask"] == 1].max())

encoder = keras_bert.from_pretrained(native, cls=keras_bert.BertEncoder)
for got, saved in zip(encoder.get_weights(), np.load({str(tmp_path / "weights.npz")!r}).values(), strict=True):
    np.testing.assert_array_equal(got, saved)
spans = keras_bert.from_pretrained(theirs + "/question_answering", cls=keras_bert.models.SpanClassifier)
expected = np.load(theirs + "/question_answering/expected.npz")
output = np.asarray(spans({{name: expected[name].astype("int32") for name in batch}})["start_logits"])
print(np.abs(output - expected["start_logits"])[expected["attention_mask"] == 1].max())

for wanted in (lambda: keras_bert.BertClassifier, lambda: keras_bert.from_pretrained(native)):
    try:
        wanted()
        raise SystemExit("a task without TensorFlow")
    except ImportError as error:
        assert "BertClassifier and the other tasks take text" in str(error), error
        assert "pip install tensorflow tensorflow-text, and set KERAS_BACKEND=tensorflow" in str(error), error
"""
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert max(map(float, done.stdout.split())) < 1e-5


def commands(text):
    return [line.strip() for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]


def test_readme_has_two_set_up_commands_and_ci_runs_the_second(root):
    readme = (root / "README.md").read_text()
    set_up = [line for line in commands(readme) if "-m venv" in line]
    assert len(set_up) == 2
    assert "examples/quickstart.py" in set_up[0]
    assert "pytest" in set_up[1]
    assert set_up[1] in (root / ".ci" / "run").read_text()
