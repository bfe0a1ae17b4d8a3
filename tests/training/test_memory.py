"""A process that trains again and again does not grow."""

import gc
import weakref

import numpy as np
import pytest
from tensorflow.python.framework.func_graph import FuncGraph

from keras_bert.training import create_optimizer


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.slow
def test_twenty_fits_leave_memory_flat(tiny_classifier):
    texts, labels = ["good film", "bad film ."] * 16, [1, 0] * 16
    tiny_classifier.compile(create_optimizer(1e-4, total_steps=100_000))
    sizes = []
    for _ in range(30):
        tiny_classifier.fit(texts, labels, batch_size=8, verbose=0)
        gc.collect()
        sizes.append(resident_bytes())
    grown = np.median(sizes[-5:]) / np.median(sizes[5:10]) - 1
    print(f"resident memory after 20 more fits: {grown:+.2%}")
    assert grown < 0.03


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        pytest.param({"gradient_accumulation_steps": 2}, marks=pytest.mark.slow),
    ],
    ids=["plain", "xla", "accumulating"],
)
def test_a_model_that_was_fitted_is_let_go_with_its_step(make_tiny_classifier, options):
    def graphs_after_a_fit():
        model = make_tiny_classifier()
        model.compile(create_optimizer(1e-4, total_steps=10), **options)
        model.fit(["good film", "bad film ."] * 4, [1, 0] * 4, batch_size=4, verbose=0)
        model.evaluate(["good film", "bad film ."] * 4, [1, 0] * 4, batch_size=4, verbose=0)
        alive = weakref.ref(model)
        del model
        gc.collect()
        assert alive() is None
        return sum(isinstance(each, FuncGraph) for each in gc.get_objects())

    first = graphs_after_a_fit()  # functions that all models share are traced
    assert graphs_after_a_fit() == first
