import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import keras_bert
from keras_bert import BertPretrainer
from keras_bert.checkpoints import open_checkpoint


@pytest.fixture
def convert(root, fresh_python):
    """Run the real script. Returns: (return code, last line's object or None, stderr)."""

    def run(*arguments):
        command = [sys.executable, str(root / "examples" / "convert_checkpoint.py"), *map(str, arguments)]
        done = fresh_python.run(command, cwd=root)
        return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None, done.stderr

    return run


@pytest.mark.parametrize(
    "steps", [("hugging_face",), pytest.param(("model_garden", "hugging_face", "keras_bert"), marks=pytest.mark.slow)], ids=["one", "all"]
)
def test_a_tf1_directory_to_other_formats(convert, reference, tmp_path, steps):
    source = reference / "google_tf1"
    expected = {weight.path: weight for weight in BertPretrainer.from_pretrained(source).network.weights}
    for format in steps:
        code, result, errors = convert("--input", source, "--output_dir", tmp_path / format, "--format", format)
        assert code == 0, errors
        assert result["max_abs_diff"] <= 1e-6 and result["output"] == str(tmp_path / format)
        assert result["parameters"] == sum(int(np.prod(weight.shape)) for weight in expected.values())
        source = tmp_path / format
    model = keras_bert.from_pretrained(source)
    assert type(model) is BertPretrainer
    for weight in model.network.weights:
        np.testing.assert_array_equal(weight, expected[weight.path])


def test_labels_and_vocabulary_come_along(convert, tiny_classifier, tmp_path):
    tiny_classifier.save_pretrained(tmp_path / "model")
    code, _, errors = convert("--input", tmp_path / "model", "--output_dir", tmp_path / "out", "--format", "hugging_face")
    assert code == 0, errors
    checkpoint = open_checkpoint(tmp_path / "out")
    assert checkpoint.labels == tiny_classifier.labels
    assert checkpoint.make_tokenizer().vocabulary == tiny_classifier.tokenizer.vocabulary


def test_an_embedder_to_sentence_transformers(convert, reference, tmp_path):
    source, out = reference / "found" / "sentence_transformers_modules", tmp_path / "out"
    code, result, errors = convert("--input", source, "--output_dir", out, "--format", "sentence_transformers")
    assert code == 0, errors
    assert result["max_abs_diff"] <= 1e-6 and result["output"] == str(out) and result["parameters"] > 1000
    again, expected = open_checkpoint(out), open_checkpoint(source)
    assert again.format == "sentence_transformers" and again.settings == expected.settings  # max_length too
    assert again.make_tokenizer().vocabulary == expected.make_tokenizer().vocabulary
    code, _, errors = convert("--input", reference / "google_tf1", "--output_dir", tmp_path / "no", "--format", "sentence_transformers")
    assert code != 0 and "sentence-transformers' modules make a TextEmbedder, not a" in errors and "Traceback" not in errors
    assert not os.path.exists(tmp_path / "no")


def test_labels_that_a_bare_encoder_s_file_names_do_not_matter(tiny_transformers_directory, tmp_path):
    from convert_checkpoint import convert

    path, tensors, rewrite = tiny_transformers_directory
    del tensors["classifier.weight"], tensors["classifier.bias"]
    rewrite(architectures=None)  # as old files are; id2label stays
    assert convert(str(path), str(tmp_path / "out"), "keras_bert")["max_abs_diff"] == 0


def test_what_cannot_be_read_is_told_in_one_line_and_nothing_is_written(convert, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "pytorch_model.bin").write_bytes(b"")
    code, _, errors = convert("--input", tmp_path / "in", "--output_dir", tmp_path / "out", "--format", "keras_bert")
    assert code != 0 and "pytorch_model.bin, a pickle" in errors and "Traceback" not in errors
    assert not os.path.exists(tmp_path / "out")


LARGE_PROGRAM = """
import json, os, sys
import numpy as np
from keras_bert import BertConfig
from keras_bert.checkpoints import hugging_face
from keras_bert.models import BertEncoder, Pretrainer
from keras_bert.safetensors_file import write_safetensors

config = BertConfig(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
                    extra={"architectures": ["BertForPreTraining"]})
network = Pretrainer(BertEncoder(config, initialize=False))
rows = {row.path: row for row in hugging_face.rows(config)}
shapes = {}
for weight in network.weights:
    for name, array in rows[weight.path].save(np.broadcast_to(np.float32(0), weight.shape)).items():
        shapes[name if name.startswith("cls.") else "bert." + name] = array.shape
generator = np.random.default_rng(0)
os.makedirs(sys.argv[1])
arrays = ((name, 0.02 * generator.standard_normal(shape, dtype="float32")) for name, shape in shapes.items())
write_safetensors(sys.argv[1] + "/model.safetensors", shapes, arrays, metadata={"format": "pt"})
with open(sys.argv[1] + "/config.json", "w") as file:
    json.dump(config.to_transformers(), file)
"""

# The kernel's high-water mark of this very program: getrusage's would be that of the process that started it, where it was larger.
MEASURED_PROGRAM = """
import json, re, runpy, sys, time
started = time.monotonic()
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0])
runpy.run_path(sys.argv[0], run_name="__main__")
peak = 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps({"peak_bytes": peak, "seconds": time.monotonic() - started}))
"""


@pytest.fixture(scope="module")
def large(root, fresh_python, tmp_path_factory):
    """Directory of a BERT-large in Transformers' format."""
    path = tmp_path_factory.mktemp("large") / "bert"
    fresh_python.run([sys.executable, "-c", LARGE_PROGRAM, path], check=True, cwd=root)
    yield path
    shutil.rmtree(path)  # 1.3 GB


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak is read from Linux's /proc")
@pytest.mark.parametrize("format", ["keras_bert", "hugging_face", "model_garden"])
def test_bert_large_takes_little_memory(root, large, tmp_path, format):
    script = str(root / "examples" / "convert_checkpoint.py")
    arguments = ["--input", str(large), "--output_dir", str(tmp_path / "out"), "--format", format]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED_PROGRAM, script, *arguments], capture_output=True, text=True, check=False, cwd=root
    )
    assert done.returncode == 0, done.stderr
    result, measured = map(json.loads, done.stdout.splitlines()[-2:])
    assert result["max_abs_diff"] <= 1e-5 and result["parameters"] > 335_000_000
    print(f"{format}: {measured['seconds']:.0f} s, {measured['peak_bytes'] / (4 * result['parameters']):.2f} times the float32 size")
    assert measured["peak_bytes"] < 2.5 * 4 * result["parameters"]
