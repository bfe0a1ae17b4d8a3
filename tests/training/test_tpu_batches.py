"""What a TPU wants of batches, as far as it can be tested without one."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_rows_that_fill_up_a_batch_count_nothing(root, fresh_python):
    program = root / "tests" / "training" / "programs" / "filled_batches.py"
    done = fresh_python.run([sys.executable, str(program)])
    assert done.returncode == 0, done.stderr
    differences = json.loads(done.stdout.splitlines()[-1])
    assert set(differences) == {"weights", "fit", "evaluate", "predict"}
    assert max(differences.values()) < 1e-5, differences


@pytest.mark.slow
def test_a_writer_of_fixed_lengths_is_compiled_once_for_all_batches(root, tmp_path):
    """Counted by what XLA dumps; batches that are as long as their longest text are compiled again and again."""
    environment = os.environ | {"PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": ""}
    environment["XLA_FLAGS"] = f"--xla_dump_to={tmp_path} --xla_dump_hlo_as_text --xla_backend_optimization_level=0"  # soon compiled
    command = [sys.executable, str(root / "tests" / "training" / "programs" / "compiled_once.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert len(counts["static"]) == 4 and set(counts["static"]) == {counts["static"][0]}
    assert counts["static"][0] > 0 and counts["dynamic"][-1] > counts["dynamic"][0]
