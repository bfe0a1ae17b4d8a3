"""Reload a SavedModel in a new process, which knows nothing of keras_bert, and compare its answers with the model's."""

import os
import subprocess
import sys
import tempfile

import numpy as np

from keras_bert import features
from keras_bert.layers import onednn
from keras_bert.preprocessing import split_parts
from keras_bert.tasks.servable import IDS, SERVING_DEFAULT

ASK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ask.py")

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
    """Compare a SavedModel with the model it was made from: every output of both signatures.

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
        expected = {SERVING_DEFAULT: model.answer_arrays(columns)}
        inputs = split_parts(model.preprocess(*columns.values()))  # a row each is what the signature takes
        asked[IDS] = {name: np.asarray(inputs[name]) for name in features.UNPACKED}
    else:
        expected = {}
        asked[IDS] = _random_inputs(model)
    expected[IDS] = model.answer_arrays(asked[IDS])
    served = run_saved_model(path, {f"{name}/{key}": value for name, inputs in asked.items() for key, value in inputs.items()})
    return max(_difference(path, name, served, answers) for name, answers in expected.items())


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
        # By path, not by -m: the new process shall not find keras_bert by chance of where it was started.
        command = [sys.executable, ASK, os.fspath(path), "--inputs", asked, "--outputs", answered]
        # By the same kernels: with oneDNN and without, sums are rounded in other orders.
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", onednn.VARIABLE: str(int(onednn.is_on()))}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise RuntimeError(f"{path} cannot be served; a new process ended with {done.returncode}:\n{done.stderr[-2000:]}")
        with np.load(answered) as outputs:  # plain arrays only: NumPy refuses pickles by default
            return {name: outputs[name] for name in outputs.files}


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
