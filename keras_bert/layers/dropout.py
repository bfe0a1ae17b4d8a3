"""Dropout whose masks a training step can name: the same step draws the same masks again, on any replica, after any restart."""

import contextlib
import threading

import keras

from keras_bert.layers import kernels

_scope = threading.local()  # replicas trace their steps in threads of their own


@contextlib.contextmanager
def dropout_seed(seed, *, calls=0):
    """Let every Dropout called inside take its masks from `seed` alone, in place of its own running generator.

    Args:
        seed: integer tensor [2], of this step, replica and micro-batch. Layers differ by a number of their own.
        calls: the number of the layer before.
    """
    before = getattr(_scope, "seed", None), getattr(_scope, "calls", 0)
    _scope.seed, _scope.calls = seed, calls
    try:
        yield
    finally:
        _scope.seed, _scope.calls = before


def repeatable(function, dropout):
    """A function that draws the same masks each time it is called, for a gradient that computes it once more.

    Args: function: callable that calls layers. dropout: one of them, whose generator seeds them all outside dropout_seed.
    """
    seed, calls = getattr(_scope, "seed", None), getattr(_scope, "calls", 0)
    within = seed is not None
    seed = seed if within else dropout.next_seed(training=True)
    if seed is None:  # its rate is 0
        return function

    def repeated(*arguments):
        with dropout_seed(seed, calls=calls):
            outputs = function(*arguments)
            drawn = _scope.calls
        if within and _scope.seed is seed:  # the first time: the layers that follow go on from here
            _scope.calls = drawn
        return outputs

    return repeated


class ScopedSeeds(keras.random.SeedGenerator):  # no underscore before it: of its name Keras makes a scope's, which has none first
    """Seeds out of dropout_seed where there is one, numbered by the order of the calls; else as Keras draws them."""

    def next(self, ordered=True):
        seed = getattr(_scope, "seed", None)
        if seed is None:
            return super().next(ordered)
        _scope.calls += 1
        return seed + keras.ops.cast([_scope.calls, 0], seed.dtype)


@keras.saving.register_keras_serializable(package="keras_bert")
class Dropout(keras.layers.Layer):
    """Set a share of the features to zero in training, and scale up the rest.

    Args: rate: share, 0 to 1. seed: of the running generator, which is used outside dropout_seed.
    Call: x: any shape; training: False leaves x as it is.
    Source: Srivastava et al. 2014.
    """

    def __init__(self, rate, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"dropout rate={rate!r} is not in 0 to 1 (1 itself would leave nothing)")
        self.rate = rate
        self.seed = seed
        self.seeds = ScopedSeeds(seed) if rate > 0 else None
        self.built = True

    def call(self, x, training=False):
        return kernels.dropout(x, self.rate, self.next_seed(training), training=training)

    def next_seed(self, training):
        """The seed of this call's mask, for a kernel that drops out on its way. Returns: integer tensor [2], or None: there is no mask."""
        return self.seeds.next() if training and self.seeds is not None else None

    def compute_output_spec(self, x, training=False):
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"rate": self.rate, "seed": self.seed}
