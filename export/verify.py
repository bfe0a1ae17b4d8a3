"""Reload a SavedModel in a new process, which knows nothing of keras_bert, and compare its answers with the model's."""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

from keras_bert import features
from keras_bert.layers import onednn
from keras_bert.preprocessing import split_parts
from keras_bert.tasks.servable import CLASSIFY, EXAMPLES, IDS, REGRESS, SERVING_DEFAULT

ASK, MEASURE = (os.path.join(os.path.dirname(os.path.abspath(__file__)), name) for name in ("ask.py", "measure.py"))

# Short, long, empty, not English, not UTF-8, a mask: what a server is sent.
PROBE_TEXTS = (
    b"a gorgeous , witty , seductive movie .",
    b"Unflinchingly bleak and [MASK]",
    b"",
    "Ça m'a beaucoup plu, naïve café! 你好，世界 Ａｂｃ ß".encode(),
    b"bytes that are not UTF-8: \xff\xfe\xe4\xbd",
    b"[MASK] \x00 \t tokens\r\n in # brackets " * 40,
)
# Differences up to this are rounding, of one dtype; names that answers hold are then compared too.
ROUNDING = 1e-5


def verify_saved_model(path, model):
    """Compare a SavedModel with the model it was made from: every output of every signature.

    Args: path: version directory, from export_saved_model. model: the model, a task.
    Returns: float, the largest absolute difference of any number, relative where numbers are over 1; 1e-6 or less where dtypes
        agree, about 1e-2 where bfloat16 is compared with float32.
    Raises: RuntimeError with its last words where the new process fails; ValueError where outputs are missing or have other shapes,
        where a number is not finite, or where names (labels, words) differ though the numbers agree.
    """
    asked = {}
    if model.tokenizer is not None:
        names = model.preprocessor.input_signature()
        asked[SERVING_DEFAULT] = {name: _probes(spec, index) for index, (name, spec) in enumerate(names.items())}
        columns = {name: column.tolist() for name, column in asked[SERVING_DEFAULT].items()}
        answers = model.answer_arrays(columns)
        expected = {SERVING_DEFAULT: answers, EXAMPLES: answers} | _as_tf_serving_asks(model.preprocessor, answers)
        examples = np.array(_serialized(columns))
        asked |= {name: {"examples" if name == EXAMPLES else "inputs": examples} for name in expected if name != SERVING_DEFAULT}
        inputs = split_parts(model.preprocess(*columns.values()))  # a row each is what the signature takes
        asked[IDS] = {name: np.asarray(inputs[name]) for name in features.UNPACKED}
    else:
        expected = {}
        asked[IDS] = _random_inputs(model)
    expected[IDS] = model.answer_arrays(asked[IDS])
    served = run_saved_model(path, {f"{name}/{key}": value for name, inputs in asked.items() for key, value in inputs.items()})
    return max(_difference(path, name, served, answers) for name, answers in expected.items())


def _serialized(columns):
    """Args: columns: dict of name -> list of bytes, or of lists of them. Returns: list of bytes, a tf.Example each."""
    end = _example({"end": [b"."]})  # NumPy cuts zeros off the end of bytes, with which an empty text ends; joined messages are one
    lists = {name: [value if isinstance(value, list) else [value] for value in column] for name, column in columns.items()}
    return [_example(dict(zip(lists, values, strict=True))) + end for values in zip(*lists.values(), strict=True)]


def _example(lists):
    """Args: lists: dict of name -> list of bytes. Returns: bytes, a serialized tf.Example."""
    feature = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=values)) for name, values in lists.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def _as_tf_serving_asks(preprocessor, answers):
    """What Classify and Regress are to give, where the task has them. Args: answers: dict. Returns: dict of signature -> arrays."""
    expected = {}
    if preprocessor.class_scores is not None:
        names, output = preprocessor.class_scores
        scores = answers[output]
        expected[CLASSIFY] = {"classes": np.tile(np.array([name.encode() for name in names]), (len(scores), 1)), "scores": scores}
    if preprocessor.number is not None:
        expected[REGRESS] = {"outputs": answers[preprocessor.number]}
    return expected


def _probes(spec, index):
    """What is asked of an input: [texts], or [texts, 3]. Args: spec: tf.TensorSpec. index: of the input."""
    texts = np.array(PROBE_TEXTS, "S")
    columns = [np.roll(texts, -index - each) for each in range(3)]
    return columns[0] if spec.shape.rank == 1 else np.stack(columns, axis=1)


def _difference(path, signature, served, expected):
    served = {name.partition("/")[2]: value for name, value in served.items() if name.startswith(f"{signature}/")}
    if {name: value.shape for name, value in served.items()} != {name: value.shape for name, value in expected.items()}:
        raise ValueError(f"{path}: signature {signature} answers {_shapes(served)}; the model {_shapes(expected)}")
    difference = 0.0
    for name, value in expected.items():
        if value.dtype.kind in "fiu":
            theirs, ours = served[name].astype("float64"), value.astype("float64")
            if not (np.isfinite(theirs).all() and np.isfinite(ours).all()):
                raise ValueError(f"{path}: {name} is not finite (signature {signature}); the weights hold NaN or Inf")
            difference = max(difference, float(np.max(np.abs(theirs - ours) / np.maximum(np.abs(ours), 1.0), initial=0.0)))
    for name, value in expected.items():
        if value.dtype.kind not in "fiu" and difference <= ROUNDING and served[name].tolist() != value.tolist():
            raise ValueError(f"{path}: signature {signature} answers {name} {served[name].tolist()}; the model {value.tolist()}")
    return difference


def _shapes(answers):
    return ", ".join(f"{name} {list(value.shape)}" for name, value in sorted(answers.items())) or "nothing"


def run_saved_model(path, inputs):
    """Ask a SavedModel in a fresh Python process.

    Args: path: version directory. inputs: dict of "signature/input" -> array; strings as bytes.
    Returns: dict of "signature/output" -> array.
    Raises: RuntimeError with the process's last words where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = os.path.join(folder, "inputs.npz"), os.path.join(folder, "outputs.npz")
        np.savez(asked, **inputs)
        _run(ASK, path, "--inputs", asked, "--outputs", answered)
        with np.load(answered) as outputs:  # plain arrays only: NumPy refuses pickles by default
            return {name: outputs[name] for name in outputs.files}


def measure_saved_model(path, signature, requests, batch_sizes, repeats=3):
    """Time a SavedModel in a fresh Python process.

    Args: path: version directory. signature: name of the one to ask. requests: dict of length -> dict of input -> array [1, ...], strings
        as bytes. batch_sizes: list of int. repeats: requests of which the median is given.
    Returns: dict, see export.measure. Raises: RuntimeError with the process's last words where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = os.path.join(folder, "inputs.npz")
        np.savez(asked, **{f"{length}/{name}": value for length, inputs in requests.items() for name, value in inputs.items()})
        numbers = ["--batch_sizes", *map(str, batch_sizes), "--repeats", str(repeats)]
        printed = _run(MEASURE, path, "--inputs", asked, "--signature", signature, *numbers)
        return json.loads(printed.splitlines()[-1])


def _run(script, path, *arguments):
    """Run one of the scripts that need no keras_bert, on a SavedModel. Returns: str, what it printed. Raises: RuntimeError if it fails."""
    # By path, not by -m: the new process shall not find keras_bert by chance of where it was started.
    command = [sys.executable, script, os.fspath(path), *arguments]
    # By the same kernels: with oneDNN and without, sums are rounded in other orders.
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", onednn.VARIABLE: str(int(onednn.is_on()))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{path} cannot be served; a new process ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def _random_inputs(model):
    config = model.encoder.config
    random = np.random.default_rng(0)
    shape = (4, min(16, config.max_position_embeddings))
    lengths = random.integers(2, shape[1] + 1, shape[0])
    return {
        features.INPUT_IDS: random.integers(0, config.vocab_size, shape, dtype="int32"),
        features.TOKEN_TYPE_IDS: np.zeros(shape, "int32"),
        features.ATTENTION_MASK: (np.arange(shape[1]) < lengths[:, None]).astype("int32"),
    }
