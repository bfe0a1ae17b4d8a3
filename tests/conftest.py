"""What several tests share: paths, a small vocabulary, a tiny checkpoint."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gc
import json
import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "good", "bad", "film", "great"]
WORDS += ["##s", "##ing", "no", "it", "is", "was", ",", "."]


@pytest.fixture(scope="module", autouse=True)
def models_let_go(request):
    """The slow tests' models are large, and Python collects cycles late: two workers would fill the machine's memory."""
    yield
    if request.config.option.markexpr == "slow":
        gc.collect()


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def reference():
    """tests/reference: outputs of Transformers; see its README."""
    return ROOT / "tests" / "reference"


@pytest.fixture(scope="session")
def shared(root):
    """The material beside the checkout: real data and outputs of other libraries; a fresh machine has none."""
    path = next(
        (path for path in (root.parent / "shared", pathlib.Path(os.environ.get("KERAS_BERT_SHARED", ""))) if (path / "reference").is_dir()),
        None,
    )
    if path is None:
        pytest.skip("needs the shared reference outputs (KERAS_BERT_SHARED), which are not beside this checkout")
    return path


@pytest.fixture(scope="session")
def fresh_python(tmp_path_factory):
    """Starts Python processes that have TensorFlow at once; takes `subprocess`'s place. See tests/processes."""
    from fresh_python import FreshPython

    processes = FreshPython(tmp_path_factory.mktemp("processes"))
    yield processes
    processes.close()


@pytest.fixture
def answers_of_forks(monkeypatch, fresh_python):
    """What is exported is asked in a fork, where export.verify starts a Python process."""
    from export import verify

    monkeypatch.setattr(verify, "subprocess", fresh_python)


@pytest.fixture(scope="session")
def uncased_vocabulary(reference):
    """bert-base-uncased's vocabulary."""
    return reference / "minilm" / "vocab.txt"


@pytest.fixture(scope="session")
def review_lines(root):
    """Every line of the committed data, labels and all."""
    import gzip

    lines = []
    for path in sorted((root / "examples" / "data" / "sentence_polarity").glob("*.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines += file.read().split("\n")
    assert len(lines) > 10_000
    return lines


@pytest.fixture(scope="session")
def tiny_config():
    from keras_bert import BertConfig

    return BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )


@pytest.fixture(scope="session")
def quick_config(tiny_config):
    """For what is trained or exported whatever it is: to trace a step takes half as long as with two layers and dropout."""
    import dataclasses

    return dataclasses.replace(tiny_config, num_hidden_layers=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


@pytest.fixture(scope="session")
def tiny_tokenizer():
    from keras_bert import BertTokenizer

    return BertTokenizer(WORDS)


@pytest.fixture(scope="session")
def make_tiny_classifier(quick_config, tiny_tokenizer):
    """Call it for a BertClassifier of three labels whose answers differ from text to text."""

    def make(**options):
        import dataclasses

        import keras

        from keras_bert import BertClassifier, BertEncoder

        keras.utils.set_random_seed(7)
        # Weights of size 0.02 make all probabilities alike; 0.3 tells inputs apart.
        config = dataclasses.replace(quick_config, initializer_range=0.3)
        return BertClassifier(BertEncoder(config), ["negative", "positive", "neutral"], tiny_tokenizer, **options)

    return make


@pytest.fixture
def tiny_classifier(make_tiny_classifier):
    """A fresh one, to train and change."""
    return make_tiny_classifier()


@pytest.fixture(scope="session")
def shared_classifier(make_tiny_classifier):
    """One for all tests that only ask it about single texts: TensorFlow traces its functions once."""
    return make_tiny_classifier(text_pair=False)


@pytest.fixture(scope="session")
def shared_pair_classifier(make_tiny_classifier):
    """One for all tests that only ask it about pairs."""
    return make_tiny_classifier(text_pair=True)


@pytest.fixture
def tiny_transformers_directory(tmp_path, reference):
    """A Transformers directory whose tensors a test may change: (path, dict of tensors, rewrite())."""
    import shutil

    from safetensors.numpy import load_file, save_file

    path = tmp_path / "checkpoint"
    shutil.copytree(reference / "hugging_face" / "sequence_classification", path)
    tensors = load_file(path / "model.safetensors")

    def rewrite(**config_changes):
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path / "model.safetensors")
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps(config | config_changes))

    return path, tensors, rewrite


@pytest.fixture(scope="session")
def minilm():
    """Directory of the real all-MiniLM-L6-v2; fetched once, by slow tests only."""
    from minilm import get_minilm

    return get_minilm()
