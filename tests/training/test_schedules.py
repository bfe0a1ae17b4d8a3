import math

import keras
import pytest

from keras_bert.training import WarmupConstant, WarmupCosineDecay, WarmupInverseSquareRoot, WarmupLinearDecay, WarmupPolynomialDecay
from keras_bert.training.schedules import SCHEDULES


def rates(schedule, *steps):
    return [float(schedule(step)) for step in steps]


# Half of the decay is left at step 6: 0.2 + 0.8 * what the curve makes of a half.
@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (WarmupLinearDecay(1.0, 10, warmup_steps=2, end_learning_rate=0.2), [0.0, 0.5, 1.0, 0.6, 0.2, 0.2]),
        (WarmupPolynomialDecay(1.0, 10, warmup_steps=2, end_learning_rate=0.2), [0.0, 0.5, 1.0, 0.6, 0.2, 0.2]),
        (WarmupPolynomialDecay(1.0, 10, warmup_steps=2, end_learning_rate=0.2, power=2), [0.0, 0.5, 1.0, 0.4, 0.2, 0.2]),
        (WarmupCosineDecay(1.0, 10, warmup_steps=2, end_learning_rate=0.2), [0.0, 0.5, 1.0, 0.6, 0.2, 0.2]),
        (WarmupConstant(0.6, 10, warmup_steps=2), [0.0, 0.3, 0.6, 0.6, 0.6, 0.6]),
    ],
)
def test_schedule_by_hand(schedule, expected):
    assert rates(schedule, 0, 1, 2, 6, 10, 99) == pytest.approx(expected)


def test_cosine_falls_slowly_first():
    # A quarter of the way: (1 + cos(45 degrees)) / 2.
    assert rates(WarmupCosineDecay(1.0, 8), 2, 6) == pytest.approx([(1 + math.sqrt(0.5)) / 2, (1 - math.sqrt(0.5)) / 2])


def test_the_inverse_square_root_is_as_papers_write_it():
    """Liu & Lapata 2019: 0.1 * min(step ** -0.5, step * 10000 ** -1.5)."""
    schedule = WarmupInverseSquareRoot(0.1 / math.sqrt(10_000), 200_000, warmup_steps=10_000)
    steps = (1, 5_000, 10_000, 40_000, 200_000, 300_000)
    assert rates(schedule, *steps) == pytest.approx([0.1 * min(step**-0.5, step * 10_000**-1.5) for step in steps])


@pytest.mark.parametrize("schedule", SCHEDULES.values())
def test_schedule_without_warm_up_starts_at_the_peak(schedule):
    assert rates(schedule(0.5, 4), 0) == pytest.approx([0.5])


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_reloaded_schedule_gives_the_same_rates(name):
    options = {} if name in ("constant", "inverse_sqrt") else {"end_learning_rate": 0.1}
    options |= {"power": 3.0} if name == "polynomial" else {}
    schedule = SCHEDULES[name](0.5, 9, warmup_steps=3, **options)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert type(again) is type(schedule)
    assert rates(again, *range(11)) == rates(schedule, *range(11))


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((1.0, 0), {}, "total_steps=0 is not a positive"),
        ((1.0, 2.5), {}, "total_steps=2.5 is not a positive"),
        ((1.0, 5), {"warmup_steps": 6}, "warmup_steps=6 is not a whole number in 0 to total_steps=5"),
        ((1.0, 5), {"warmup_steps": 0.1}, "warmup_steps=0.1 is not a whole number"),
        ((1.0, 5), {"end_learning_rate": 2}, "end_learning_rate=2 is not in 0 to peak_learning_rate=1.0"),
        ((1.0, 5), {"power": 0}, "power=0 is not positive"),
    ],
)
def test_values_that_do_not_fit_are_named(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        WarmupPolynomialDecay(*arguments, **options)
