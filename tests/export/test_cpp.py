"""A C++ program without Python gives the answers of exported models: serve.cc beside this file."""

import itertools
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text
from served_tasks import TASKS, assert_same, make, nested

import export
from keras_bert.layers import onednn
from keras_bert.tasks.predictor import plain

OPS = ("_fast_wordpiece_tokenizer.so", "_normalize_ops.so")  # as README has them
LONG = "so long " * 1250  # 10,000 characters
BATCH_SIZE = 66  # 200 texts are three batches and one of two, which have no words at all


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """serve.cc compiled against TensorFlow's wheel: a function (SavedModel, columns) -> list of dict of output -> array, one a batch.

    Columns are dicts of input -> list of bytes, or of lists of them of one length. Its options: signature, and the op libraries to load.
    """
    if sys.platform != "linux" or shutil.which("g++") is None:
        pytest.skip("needs Linux and g++, by which serve.cc is compiled")
    folder = tmp_path_factory.mktemp("serve")
    program, library = folder / "serve", tf.sysconfig.get_lib()
    # The kernels register themselves from libtensorflow_cc, of which serve.cc names nothing: a linker may leave such a library out.
    link = [f"-Wl,--no-as-needed,-rpath,{library}", *tf.sysconfig.get_link_flags(), "-l:libtensorflow_cc.so.2"]
    source = pathlib.Path(__file__).with_name("serve.cc")
    # -w: the warnings are those of TensorFlow's headers.
    subprocess.run(["g++", "-O0", "-w", *tf.sysconfig.get_compile_flags(), source, *link, "-o", program], check=True)
    ops = pathlib.Path(tensorflow_text.__file__).parent / "python" / "ops"
    answered = itertools.count()

    def serve(saved_model, columns, signature="serving_default", libraries=OPS):
        number = str(next(answered))
        arrays, asked = folder / f"{number}.arrays", folder / f"{number}.inputs"
        arrays.mkdir()
        asked.mkdir()
        for name, column in columns.items():
            texts, width = (column, 0) if isinstance(column[0], bytes) else ([text for row in column for text in row], len(column[0]))
            written = b"".join(struct.pack("=I", len(text)) + text for text in texts)
            (asked / name).write_bytes(struct.pack("=I", width) + written)
        # By the same kernels as here: with oneDNN and without, sums are rounded in other orders.
        environment = {"TF_CPP_MIN_LOG_LEVEL": "2", onednn.VARIABLE: str(int(onednn.is_on()))}
        command = [program, saved_model, signature, asked, str(BATCH_SIZE), arrays, *(ops / name for name in libraries)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        mapped = {os.path.basename(line.split()[-1]) for line in (arrays / "maps").read_text().splitlines()}
        assert {"libtensorflow_cc.so.2", *libraries} <= mapped
        others = [name for name in OPS if name not in libraries]
        assert not [name for name in mapped if re.match("libpython|python|_pywrap", name) or name in others]
        batches = {}
        for path in arrays.glob("*.npy"):
            number, name, _ = path.name.split(".")
            batches.setdefault(int(number), {})[name] = np.load(path)
        return [batches[number] for number in sorted(batches)]

    return serve


def answers_of(batches, model):
    """What the program gave, as `answer` gives it. Returns: list of dicts."""
    return [nested(answer) for batch in batches for answer in plain(batch, model.preprocessor)]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_program_without_python_gives_the_answers(serve, inputs, tokenizer, tmp_path, task):
    model, x = make(task, tokenizer), inputs[TASKS[task][-1]]
    if isinstance(x, list):
        x = [LONG, *x[1:]]
    model.export(tmp_path / "model")
    columns = model.preprocessor.columns(x)
    batches = serve(tmp_path / "model", columns)
    assert [len(part) for batch in batches for part in batch.values()] == [66] * (3 * len(batches[0])) + [2] * len(batches[0])
    assert not [name for name in batches[0] if name.endswith("_bytes")]  # TF Serving's REST would give these in base64
    served = answers_of(batches, model)
    json.dumps(served, allow_nan=False)  # where nothing is found, too: the last two have no words
    answers = model.answer(x)
    for number, pair in enumerate(zip(served, answers, strict=True)):
        assert_same(*pair, f"answer {number}")
    for name in {"entities", "slots", "frames"} & answers[0].keys():
        counts = [len(answer[name]) for answer in answers]
        assert sum(counts) > 200 and counts[-3] > 10 and counts[-2:] == [0, 0]
    if task == "question_answerer":
        given = [found for answer in served for found in (answer, *answer["alternatives"])]
        contexts = [context for context, answer in zip(x[1], served, strict=True) for _ in range(1 + len(answer["alternatives"]))]
        assert all(context[found["start"] : found["end"]] == found["text"] for context, found in zip(contexts, given, strict=True))
        assert 50 < sum(answer["text"] != "" for answer in served) < 198 and [answer["alternatives"] for answer in served[-2:]] == [[], []]
    if task == "multiple_choice":
        assert [answer["count"] for answer in served] == [len(choices) for choices in x[1]]
        assert [answer["text"] for answer in served] == [row[answer["choice"]] for row, answer in zip(x[1], served, strict=True)]


def serialized(**columns):
    """Examples as TF Serving's clients send them. Args: columns: name -> list of str. Returns: list of bytes, a tf.Example each."""

    def example(texts):
        features = {name: {"bytes_list": {"value": [text.encode()]}} for name, text in zip(columns, texts, strict=True)}
        return tf.train.Example(features={"feature": features}).SerializeToString()

    return [example(texts) for texts in zip(*columns.values(), strict=True)]


@pytest.mark.slow
def test_serialized_examples_are_answered_classified_and_regressed(serve, inputs, tokenizer, tmp_path):
    texts, pairs = inputs["texts"], dict(zip(("text", "text_pair"), inputs["pairs"], strict=True))
    model = make("pair_classifier", tokenizer)
    model.export(tmp_path / "pairs")
    served = answers_of(serve(tmp_path / "pairs", {"examples": serialized(**pairs)}, "examples"), model)
    for number, pair in enumerate(zip(served, model.answer(inputs["pairs"]), strict=True)):
        assert_same(*pair, f"answer {number}")
    model = make("classifier", tokenizer)
    model.export(tmp_path / "classifier")
    batches = serve(tmp_path / "classifier", {"inputs": serialized(text=texts)}, "classify")
    assert np.concatenate([batch["classes"] for batch in batches]).tolist() == [[b"negative", b"positive"]] * 200
    np.testing.assert_allclose(np.concatenate([batch["scores"] for batch in batches]), model.predict(texts, verbose=0), atol=1e-5)
    model = make("regression", tokenizer)
    model.export(tmp_path / "regression")
    batches = serve(tmp_path / "regression", {"inputs": serialized(text=texts)}, "regress")
    numbers = [answer["value"] for answer in model.answer(texts)]
    np.testing.assert_allclose(np.concatenate([batch["outputs"] for batch in batches]), numbers, atol=1e-5)


@pytest.mark.slow
def test_core_ops_need_no_library_of_tensorflow_text(serve, inputs, tokenizer, tmp_path):
    model = make("tagger", tokenizer)
    path = export.export_saved_model(model, tmp_path, core_ops=True)
    texts = [text.encode() for text in inputs["texts"]]
    served = answers_of(serve(path, {"text": texts}, libraries=()), model)
    for number, pair in enumerate(zip(served, model.answer(inputs["texts"]), strict=True)):
        assert_same(*pair, f"answer {number}")
