"""An embedder's step: the loss of the whole batch, however replicas and few rows share it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # one process compiles many models


@pytest.fixture(scope="module")
def found(root, tmp_path_factory, fresh_python):
    path = tmp_path_factory.mktemp("embedding") / "results.npz"
    program = root / "tests" / "training" / "programs" / "embedding_batches.py"
    environment = os.environ | {"PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": ""}
    done = fresh_python.run([sys.executable, str(program), str(path)], env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    return dict(np.load(path))


def test_replicas_and_few_rows_at_a_time_come_to_the_weights_of_a_loop_by_hand(found):
    ways = [name.split("/") for name in found if not name.startswith("dropout/")]
    assert len(ways) == 10
    for way, kind in ways:
        np.testing.assert_allclose(found[f"{way}/{kind}"], found[f"by_hand/{kind}"], atol=1e-5, err_msg=f"{way} {kind}")


def test_dropout_draws_the_same_masks_both_times(found):
    np.testing.assert_allclose(found["dropout/step"], found["dropout/by_hand"], atol=1e-5)
    assert np.abs(found["dropout/by_hand"]).max() > 0.01


def test_a_batch_of_1024_fits_in_the_memory_of_32(root):
    program = root / "tests" / "training" / "programs" / "peak_memory.py"
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests' / 'processes'}", "CUDA_VISIBLE_DEVICES": ""}

    def grown(*arguments):
        done = subprocess.run(
            [sys.executable, str(program), *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    whole, cached = grown(32, 0), grown(1024, 64)
    print(
        f"peak memory grows by {whole / 2**20:.0f} MB for 32 pairs at once, by {cached / 2**20:.0f} MB for 1024 pairs, 64 texts at a time"
    )
    # 32 times the pairs, and as many texts at a time. Measured: 1.14 to 1.25; the allocator's peaks differ from run to run.
    assert cached < 2 * whole
