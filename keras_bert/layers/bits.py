"""What the kernels do on bits: dropout's masks, which are a hash, and the conversion of bfloat16. In TensorFlow's ops, island or not."""

import keras

tf = None
if keras.backend.backend() == "tensorflow":  # the layers serve the other backends too
    import tensorflow as tf


def folded_seed(seed, number):
    """Another seed for each number, by the hash that the masks are: the same under XLA, which TensorFlow's stateless_fold_in is not.

    Args: seed: int32 [2]. number: integer scalar. Returns: int32 [2].
    """
    first, second = tf.unstack(tf.cast(seed, tf.uint32))
    number = _mixed(tf.cast(number, tf.uint32) * _u32(0x9E3779B1) + _u32(0x7F4A7C15))
    return tf.bitcast(tf.stack([_mixed(first ^ number, second), _mixed(second + number, first)]), tf.int32)


def masked(x, rate, seed):
    """x with a share `rate` of it set to 0, by the seed (int32 [2]), and the rest scaled up. Returns: as x."""
    return tf.where(_mask(tf.shape(x), rate, seed), x * (1.0 / (1.0 - rate)), tf.zeros([], x.dtype))


def _mask(shape, rate, seed):
    """Which elements stay: True with probability 1 - rate, to 32 bits.

    The finalizer of MurmurHash3 (Appleby 2011) over the element's place, with a key before and one amid, both out of the seed.
    """
    first, second = (_mixed(tf.cast(seed[i], tf.uint32) * _u32(0x9E3779B1) + _u32(0x7F4A7C15 + i)) for i in (0, 1))
    first, second = _mixed(first ^ (second * _u32(0x85EBCA77))), _mixed(second + first * _u32(0xC2B2AE3D))
    columns = shape[-1]
    rows = tf.cast(tf.range(tf.reduce_prod(shape[:-1])), tf.uint32) * tf.cast(columns, tf.uint32)
    places = tf.reshape(rows[:, None] + tf.cast(tf.range(columns), tf.uint32), shape)
    return _mixed(places ^ first, second) >= _u32(round(rate * 2**32))


def _mixed(x, key=None):
    x = (x ^ _shifted(x, 16)) * _u32(0x85EBCA6B)
    x = x if key is None else x + key
    x = (x ^ _shifted(x, 13)) * _u32(0xC2B2AE35)
    return x ^ _shifted(x, 16)


def _shifted(x, bits):
    return tf.bitwise.right_shift(x, _u32(bits))


def _u32(value):
    return tf.constant(value % 2**32, tf.uint32)


def widen(x):
    """float64 as it is, all else as float32."""
    if x.dtype == tf.bfloat16:
        return from_bfloat16(x)
    return x if x.dtype == tf.float64 else tf.cast(x, tf.float32)


def narrow(x, dtype):
    """As tf.cast, rounding to the nearest and a tie to the even one."""
    return to_bfloat16(x) if dtype == tf.bfloat16 and x.dtype == tf.float32 else tf.cast(x, dtype)


# XLA for CPU converts bfloat16 element by element (a GELU takes 1.4 times as long); on its bits it computes in vectors.


def from_bfloat16(x):
    @tf.custom_gradient
    def function(x):
        bits = tf.bitwise.left_shift(tf.cast(tf.bitcast(x, tf.uint16), tf.uint32), _u32(16))
        return tf.bitcast(bits, tf.float32), lambda slope: tf.cast(slope, tf.bfloat16)

    return function(x)


def to_bfloat16(x):
    @tf.custom_gradient
    def function(x):
        bits = tf.bitcast(x, tf.uint32)
        # To the nearest, a tie to the even one. That would carry a NaN's low bits into its exponent.
        rounded = bits + _u32(0x7FFF) + tf.bitwise.bitwise_and(_shifted(bits, 16), _u32(1))
        rounded = tf.where(tf.math.is_nan(x), _u32(0x7FC00000), rounded)
        return tf.bitcast(tf.cast(_shifted(rounded, 16), tf.uint16), tf.bfloat16), lambda slope: tf.cast(slope, tf.float32)

    return function(x)
