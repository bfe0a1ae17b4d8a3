"""Tasks on two replicas: what comes out is what comes out on one. See tests/training/test_strategies.py for their weights."""

import os
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # one process compiles many models

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "great", "no", "it", "is", "was", ",", ".", "?"]


@pytest.fixture(scope="module")
def results(root, fresh_python, tmp_path_factory):
    """Returns: dict of arrays of one replica, and of two."""
    out = tmp_path_factory.mktemp("replicas")
    (out / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    program = root / "tests" / "training" / "programs" / "replicas.py"
    environment = os.environ | {"PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": ""}
    done = fresh_python.run([sys.executable, str(program), str(out / "vocab.txt"), str(out)], env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    return [dict(np.load(out / f"{name}.npz")) for name in ("one", "two")]


@pytest.mark.parametrize("cls", ["BertMaskedLM", "BertPretrainer"])
def test_outputs_of_different_lengths_are_joined(results, cls):
    reference = {name.rpartition("/")[2]: part for name, part in results[0].items() if name.startswith(f"{cls}/memory/")}
    real = np.arange(12) < np.array([4, 8, 3, 12] * 3 + [3])[:, None]  # the texts' tokens; what stands beyond means nothing
    for found in results:
        for way in ("memory", "dataset", "callbacks"):
            for name, expected in reference.items():
                got = found[f"{cls}/{way}/{name}"]
                rows = real if got.ndim == 3 else slice(None)
                assert got.shape == ((13, 12, len(WORDS)) if got.ndim == 3 else (13, 2))
                np.testing.assert_allclose(got[rows], expected[rows], atol=1e-5, err_msg=f"{way} {name}")
        assert found[f"{cls}/told"].tolist() == ["begin", "0:4", "1:4", "2:4", "3:1", "end"]


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_class_weights_are_keras_s_of_one_replica(results, kind):
    one, two = results
    names = [name for name in one if name.startswith(f"{kind}/") and one[name].dtype == "float32"]
    assert len(names) > 10
    for name in names:
        np.testing.assert_allclose(two[name], one[name], atol=1e-6, err_msg=name)
    for found in results:
        assert "class_weight was given beside sample_weight; leave one out" in str(found[f"{kind}/refused"])


def test_windows_and_choices_are_shared_by_whole_examples(results):
    one, two = results
    names = [name for name in one if name.startswith("wide/")]
    assert len(names) > 40 and one["wide/windows/predicted"].shape == (13, 3) and one["wide/choices/predicted"].shape == (13, 3)
    for name in names:
        np.testing.assert_allclose(two[name], one[name], atol=2e-6, err_msg=name)


def test_a_writer_learns_and_writes_the_same(results):
    one, two = results
    names = [name for name in one if name.startswith("written/")]
    assert len(names) > 40 and one["written/ids"].shape == (13, 8)
    for name in names:
        np.testing.assert_allclose(two[name], one[name], atol=2e-6, err_msg=name)
