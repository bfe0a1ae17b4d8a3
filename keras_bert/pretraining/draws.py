"""Random draws that are the same in every release of NumPy: made of a bit generator's raw numbers alone, which NumPy keeps as they are."""

import numpy as np

_AT_ONCE = 1024


class Draws:
    """Random numbers by a seed.

    NumPy may change what its distributions make of a generator's bits, but not the bits (NEP 19): a shard begun before an upgrade
    is finished as it would have been.

    Args: seed: ints, such as (seed, shard, duplicate); each tuple gives numbers of its own.
    """

    def __init__(self, *seed):
        self._bits = np.random.Philox(np.random.SeedSequence(seed))
        self._raw = []

    def _next(self):
        if not self._raw:
            self._raw = self._bits.random_raw(_AT_ONCE)[::-1].tolist()
        return self._raw.pop()

    def uniform(self):
        """Returns: float in [0, 1)."""
        return (self._next() >> 11) * 2.0**-53

    def below(self, count):
        """Returns: int in 0 to count - 1, each as likely but for 2^-64 of `count`."""
        return self._next() * count >> 64

    def heads(self, count):
        """Returns: how many of `count` tossed coins show heads, int."""
        heads = 0
        while count > 0:
            heads += (self._next() >> max(0, 64 - count)).bit_count()
            count -= 64
        return heads

    def permutation(self, count):
        """Returns: int64 array, 0 to count - 1 in random order."""
        return np.argsort(self._bits.random_raw(count), kind="stable")
