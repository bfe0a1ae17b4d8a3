"""What a TPU wants of batches, as far as it can be tested without one."""

import json
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
