"""The peers' interpreter, and the scripts of benchmarks/sides as modules."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def peers_python():
    """That of benchmarks/setup_peers.sh, or $PEERS_PYTHON; a test that needs Transformers or ONNX Runtime is skipped without it."""
    path = os.environ.get("PEERS_PYTHON", str(ROOT / "benchmarks" / ".peers" / "bin" / "python"))
    if not os.access(path, os.X_OK):
        pytest.skip(f"no Python of the peers at {path}: run benchmarks/setup_peers.sh or set PEERS_PYTHON")
    return path


@pytest.fixture
def bert_common(monkeypatch):
    """benchmarks/sides/bert_common.py, which the sides import by its bare name."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "sides"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "tensorflow"))
    monkeypatch.delitem(sys.modules, "bert_common", raising=False)
    import bert_common

    yield bert_common
    del sys.modules["bert_common"]
