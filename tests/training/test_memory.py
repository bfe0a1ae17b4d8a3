"""A process that trains again and again does not grow."""

import gc

import numpy as np
import pytest

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
