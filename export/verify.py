"""Reload a SavedModel in a new process, which knows nothing of keras_bert, and compare its answers with the model's."""

import os
import subprocess
import sys
import tempfile

import numpy as np

from export import signatures
from keras_bert import features
from keras_bert.layers import onednn

ASK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ask.py")

# Short, long, empty, not English, not UTF-8: what a server is sent.
PROBE_TEXTS = (
    b"a gorgeous , witty , seductive movie .",
    b"Unflinchingly bleak and desperate",
    b"",
    "Ça m'a beaucoup plu, naïve café! 你好，世界 Ａｂｃ ß".encode(),
    b"bytes that are not UTF-8: \xff\xfe\xe4\xbd",
    b"[MASK] \x00 \t tokens\r\n in # brackets " * 40,
)


def verify_saved_model(path, model):
    """Compare a SavedModel with the model it was made from.

    Args: path: version directory, from export_saved_model. model: the model.
    Returns: float, the largest absolute difference of any probability, over both signatures; 1e-6 or less where dtypes agree,
        about 1e-2 where bfloat16 is compared with float32.
    Raises: RuntimeError with its last words where the new process fails; ValueError where labels differ or a
        probability is not finite.
    """
    pairs = bool(model.text_pair)
    inputs = {}
    if model.tokenizer is not None:
        texts = np.array(PROBE_TEXTS, dtype="S")
        inputs = {f"{signatures.SERVING_DEFAULT}/{signatures.TEXT}": texts}
        if pairs:
            inputs[f"{signatures.SERVING_DEFAULT}/{signatures.TEXT_PAIR}"] = texts[::-1]
        contract = model.preprocess(texts.tolist(), texts[::-1].tolist() if pairs else None)
        contract = {name: np.asarray(value) for name, value in contract.items()}
    else:
        contract = _random_contract(model)
    inputs |= {f"{signatures.IDS}/{name}": value for name, value in contract.items()}
    served = run_saved_model(path, inputs)
    expected = model.predict(contract, verbose=0)
    difference = 0.0
    for name in {key.split("/")[0] for key in inputs}:
        probabilities = served[f"{name}/{signatures.PROBABILITIES}"]
        if not (np.isfinite(probabilities).all() and np.isfinite(expected).all()):
            raise ValueError(f"{path}: probabilities are not finite (signature {name}); the weights hold NaN or Inf")
        difference = max(difference, float(np.abs(probabilities - expected).max()))
        labels = [label.decode("utf-8") for label in served[f"{name}/{signatures.LABEL}"].tolist()]
        chosen = probabilities.argmax(-1)
        if labels != [model.labels[index] for index in chosen]:
            raise ValueError(f"{path}: signature {name} answers the labels {labels}, not those of its highest probabilities")
    return difference


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


def _random_contract(model):
    config = model.encoder.config
    random = np.random.default_rng(0)
    shape = (4, min(16, config.max_position_embeddings))
    lengths = random.integers(2, shape[1] + 1, shape[0])
    return {
        features.INPUT_IDS: random.integers(0, config.vocab_size, shape, dtype="int32"),
        features.TOKEN_TYPE_IDS: np.zeros(shape, "int32"),
        features.ATTENTION_MASK: (np.arange(shape[1]) < lengths[:, None]).astype("int32"),
    }
