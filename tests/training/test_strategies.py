"""One training, under every strategy of one machine: the same weights come out, and those of a loop written by hand."""

import json
import os
import sys

import numpy as np
import pytest

# 20 updates: 19 batches of 32 rows, and one of what is left; to two replicas 16 and 16. One row is fewer than the replicas are.
ONE_ROW_LEFT, UNEVEN = 19 * 32 + 1, 19 * 32 + 13
ONE = {"one_device": {"strategy": "one_device"}}
MIRRORED = {"mirrored": {"strategy": "mirrored"}}
ACCUMULATED = {"accumulated": {"strategy": "one_device", "accumulate": 4, "batch": 8}}
BOTH = {"mirrored_and_accumulated": {"strategy": "mirrored", "accumulate": 4, "batch": 8}}
BY_HAND = {"by_hand": {"strategy": "by_hand"}}


@pytest.fixture
def train(run_program, tmp_path):
    """Run programs/train.py. Args: cases: name -> arguments; others: arguments of all. Returns: name -> dict of arrays."""

    def run(cases, **others):
        run_program("train.py", tmp_path, json.dumps({name: case | others for name, case in cases.items()}))
        return {name: dict(np.load(tmp_path / f"{name}.npz")) for name in cases}

    return run


@pytest.fixture(scope="module")
def run_program(root, fresh_python):
    """Run a program of programs/. Args: its name and arguments. Returns: what it printed."""

    def run(name, *arguments):
        environment = os.environ | {"PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, str(root / "tests" / "training" / "programs" / name), *map(str, arguments)]
        done = fresh_python.run(command, env=environment)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run


def difference(results, name, other, kind="weight"):
    """Largest absolute difference of two results' arrays of a kind; they must hold the same."""
    first, second = ({key: value for key, value in results[each].items() if key.startswith(kind)} for each in (name, other))
    assert first.keys() == second.keys() and first
    assert all(first[key].shape == second[key].shape for key in first)
    # Relative where numbers are over 1, as a perplexity is.
    return max(float((np.abs(first[key] - second[key]) / np.maximum(np.abs(second[key]), 1.0)).max()) for key in first)


def check_alike(results, *, tolerance=1e-5):
    """All have the weights of the first."""
    reference, *others = results
    differences = {other: difference(results, reference, other) for other in others}
    print(differences)
    assert max(differences.values()) <= tolerance, differences


def check_validated_alike(results, reference, *others, kinds=("prediction", "figure")):
    for other in others:
        for kind in kinds:
            assert difference(results, reference, other, kind) <= 1e-5, (other, kind)


def validated(cases):
    return {name: case | {"validate": True} for name, case in cases.items()}


def test_masked_lm_comes_to_the_weights_of_a_loop_by_hand(train):
    ways = ONE | MIRRORED | ACCUMULATED
    results = train(BY_HAND | ways, rows=ONE_ROW_LEFT)
    check_alike(results)
    assert {float(results[name]["figure/updates"]) for name in ways} == {20}
    assert difference(results, "one_device", "mirrored", "figure/fit_loss") <= 1e-5
    assert difference(results, "one_device", "accumulated", "figure/fit_loss") <= 1e-5


@pytest.mark.slow
def test_compiled_islands_under_several_replicas(train):
    islands = {name: case | {"islands": True} for name, case in (ONE | MIRRORED | BOTH).items()}
    check_alike(train({"plain": ONE["one_device"]} | islands, rows=UNEVEN))


@pytest.mark.slow
def test_two_losses_of_two_denominators(train):
    """By plain SGD: Adam and clipping would forgive a gradient that is twice too long."""
    cases = BY_HAND | validated(ONE | MIRRORED | BOTH) | ACCUMULATED
    results = train(cases, task="pretrainer", rows=UNEVEN, optimizer="sgd", learning_rate=0.5, clip_norm=None)
    check_alike(results)
    check_validated_alike(results, "one_device", "mirrored", "mirrored_and_accumulated")
    one = results["one_device"]
    assert one["prediction/000"].shape == (UNEVEN, 4, 100) and one["prediction/001"].shape == (UNEVEN, 2)
    for name in ("loss", "mlm_logits_loss", "nsp_logits_loss"):
        assert one[f"figure/fit_val_{name}"] == pytest.approx(one[f"figure/evaluate_{name}"], abs=1e-6)
    parts = one["figure/evaluate_mlm_logits_loss"] + one["figure/evaluate_nsp_logits_loss"]
    assert one["figure/evaluate_loss"] == pytest.approx(parts, abs=1e-6)


@pytest.mark.slow
def test_several_steps_of_one_call_and_arrays_are_the_same_steps(train):
    several = {f"{name}_in_threes": case | {"steps_per_execution": 3} for name, case in (ONE | MIRRORED | BOTH).items()}
    several["mirrored_in_threes"]["validate"] = True
    arrays = {"mirrored_of_arrays": MIRRORED["mirrored"] | {"from_arrays": True, "validate": True}}
    results = train(BY_HAND | validated(ONE) | several | arrays)
    check_alike(results)
    check_validated_alike(results, "one_device", "mirrored_in_threes")
    check_validated_alike(results, "one_device", "mirrored_of_arrays", kinds=("prediction", "figure/evaluate"))
    assert {float(results[name]["figure/updates"]) for name in several | arrays} == {20}


@pytest.mark.slow
def test_averages_of_the_weights(train):
    results = train(BY_HAND | validated(ONE | MIRRORED) | ACCUMULATED, ema_momentum=0.8)
    check_alike(results)
    check_validated_alike(results, "one_device", "mirrored")
    # Evaluated during fit, and left as weights at its end: what fit's validation says is what evaluate says after it.
    figures = results["mirrored"]
    assert figures["figure/fit_val_loss"] == pytest.approx(figures["figure/evaluate_loss"], abs=1e-6)


@pytest.mark.slow
def test_adversarial_training_is_of_each_example(train):
    adversarial = {name: case | {"adversarial_epsilon": 1.0} for name, case in (ONE | MIRRORED | ACCUMULATED).items()}
    results = train(adversarial | {"plain": ONE["one_device"]}, rows=UNEVEN)
    plain = {"plain": results.pop("plain")}
    check_alike(results)
    assert difference(results | plain, "one_device", "plain") > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [("mixed_float16", 1e-3), ("mixed_bfloat16", 5e-3)])
def test_half_precision_comes_close(train, dtype, tolerance):
    """Weights move by some 0.03 here; the last digits of half precision depend on which rows are summed first."""
    results = train(ONE | MIRRORED | BOTH, dtype=dtype)
    check_alike(results, tolerance=tolerance)
    for name in ("fit_loss", "updates", *(("loss_scale", "steps_at_it") if dtype == "mixed_float16" else ())):
        for other in ("mirrored", "mirrored_and_accumulated"):
            assert difference(results, "one_device", other, f"figure/{name}") <= 1e-3, (name, other)


@pytest.mark.slow
def test_replicas_and_micro_batches_draw_masks_of_their_own(run_program):
    runs = {name: np.array(run) for name, run in json.loads(run_program("dropout_masks.py")).items()}
    for name, taken in runs.items():
        for update in taken:
            # Of 1000 features as many as are dropped once, and not in both rows or none, are 500 by chance, give or take 16; with one
            # mask for both rows they would be 0.
            assert 420 < np.count_nonzero(update == 1) < 580, name
        assert np.count_nonzero(taken[0] != taken[1]) > 400, f"{name}: both updates have the same masks"
    np.testing.assert_array_equal(runs["mirrored"], runs["mirrored_again"])
    assert np.count_nonzero(runs["mirrored"] != runs["mirrored_of_another_seed"]) > 400


@pytest.mark.slow
def test_the_end_of_the_data_counts_nothing(run_program):
    """Keras 3.15 counts one update and one batch more where it finds the end: 36 updates in 3 epochs of 11, an accuracy of 11/12."""
    for name, counted in json.loads(run_program("end_of_data.py")).items():
        assert counted["updates"] == 3 * (6 if "accumulated" in name else 11), name
        assert counted["fit_accuracy"] == [1.0, 1.0, 1.0] and counted["accuracy"] == 1.0, name
