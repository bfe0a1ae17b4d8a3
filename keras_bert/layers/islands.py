"""Training on TensorFlow: chains of elementwise ops as islands, functions that XLA compiles, with gradients written by hand.

The graph around an island, and its matrix products, stay TensorFlow's own (oneDNN's on a CPU). What is kept for the gradient is what the
chain was given, or as much; masks are drawn again, not kept, and what a chain gives to a product is computed again where the product's
gradient wants it, in the pass that is made there anyway.

Arguments are those of the functions of the same names in kernels; seed: int32 [2].
"""

import functools
import math

import keras

from keras_bert.layers import onednn
from keras_bert.layers.bits import masked, narrow, widen

tf = None
if keras.backend.backend() == "tensorflow":  # the layers serve the other backends too
    import tensorflow as tf


def product(x, kernel):
    """See kernels.product. Its gradient by the kernel is summed in parts of the rows, where that is faster: see sums_in_parts."""

    @tf.custom_gradient
    def function(x, kernel):
        narrow_kernel = tf.cast(kernel, x.dtype)

        def gradient(slope):
            return tf.matmul(slope, narrow_kernel, transpose_b=True), _kernel_slope(x, kernel, slope)

        return tf.matmul(x, narrow_kernel), gradient

    return function(x, *_tensors(kernel))


def sums_in_parts(x, kernel):
    """Whether a product's gradient by its kernel is summed in parts of the rows."""
    return x.dtype == tf.bfloat16 and kernel.dtype == "float32" and onednn.takes(x.dtype) and _pays(x.shape[-1])


def gelu(x, *, approximate, bias=None, kernel=None):
    function = _gelu(approximate, kernel is not None, bias is not None, _pays(x.shape[-1]))
    return function(x, *_tensors(kernel, bias))


def layer_norm(x, gamma, beta, *, epsilon, bias=None, residual=None, rate=0.0, seed=None):
    function = _layer_norm(epsilon, rate, bias is not None, residual is not None, _pays(x.shape[-1]))
    return function(x, *_tensors(gamma, beta, bias, residual), *([seed] if rate else []))


def attended(scores, mask, value, *, features, scale, rate=0.0, seed=None):
    return _attended(scale, rate, _pays(features))(scores, mask, value, *([seed] if rate else []))


def dropout(x, rate, seed):
    return _dropout(rate, _pays(x.shape[-1]))(x, seed)


def _tensors(*values):
    """Those that are there, and no Keras variables, which tf.custom_gradient does not know outside a graph."""
    return [tf.convert_to_tensor(value) for value in values if value is not None]


def _pays(features):
    """Whether compiling, 0.1 s for each island and shape, is worth it: not for BERT-tiny, whose steps are short anyway."""
    return features is not None and features >= 256


def _island(function, compiled):
    return tf.function(function, jit_compile=True, autograph=False, reduce_retracing=True) if compiled else function


def _kernel_slope(x, kernel, slope):
    """Args: slope: of the product. Returns: that of the kernel, in its dtype."""
    if sums_in_parts(x, kernel):
        return _kernel_slope_by_parts()(x, slope)
    return tf.cast(tf.matmul(x, slope, transpose_a=True), kernel.dtype)


@functools.cache
def _kernel_slope_by_parts():
    sum_of_parts = _island(lambda parts: tf.add_n([widen(part) for part in tf.unstack(parts)]), compiled=True)

    @tf.function(autograph=False)  # traced once for all layers of one shape
    def function(x, slope):
        def in_one():
            return tf.cast(tf.matmul(x, slope, transpose_a=True), tf.float32)

        def in_parts():
            """oneDNN's products that sum over thousands of rows run at 0.9 of the rate of these."""
            parts = [tf.reshape(side, [_PARTS, -1, side.shape[-1]]) for side in (x, slope)]
            return sum_of_parts(tf.matmul(*parts, transpose_a=True))

        rows = tf.shape(x)[0]
        return tf.cond((rows % _PARTS == 0) & (rows >= _MANY_ROWS), in_parts, in_one)

    return function


_PARTS, _MANY_ROWS = 4, 1024


@functools.cache
def _gelu(approximate, has_kernel, has_bias, compiled):  # has_...: a tf.function takes one number of arguments
    def forward(x, *bias):
        wide = _added(x, *bias)
        return narrow(wide * _normal_share(wide, approximate)[0], x.dtype)

    def backward(slope, x, *bias):
        wide = _added(x, *bias)
        share, density = _normal_share(wide, approximate)
        of_x = narrow(widen(slope) * (share + wide * density), x.dtype)
        return (of_x, narrow(wide * share, x.dtype)) if has_kernel else of_x

    forward, backward = _island(forward, compiled), _island(backward, compiled)

    @tf.custom_gradient
    def function(x, *bias):
        def gradient(slope):
            slope = backward(slope, x, *bias)
            return slope, *_bias_slopes(slope, bias)

        return forward(x, *bias), gradient

    @tf.custom_gradient
    def times_kernel(x, kernel, *bias):
        narrow_kernel = tf.cast(kernel, x.dtype)

        def gradient(slope):
            of_x, values = backward(tf.matmul(slope, narrow_kernel, transpose_b=True), x, *bias)
            return of_x, _kernel_slope(values, kernel, slope), *_bias_slopes(of_x, bias)

        return tf.matmul(forward(x, *bias), narrow_kernel), gradient

    return times_kernel if has_kernel else function


def _added(x, *bias):
    return functools.reduce(lambda x, bias: x + widen(bias), bias, widen(x))


def _bias_slopes(slope, bias):
    """The gradient of each bias that is there, by TensorFlow's op: as a part of an island it is no faster."""
    return [tf.cast(tf.raw_ops.BiasAddGrad(out_backprop=slope), each.dtype) for each in bias]


def _normal_share(x, approximate):
    """The share of the normal distribution below x, and its derivative."""
    if not approximate:
        return 0.5 * (1.0 + tf.math.erf(x * math.sqrt(0.5))), tf.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    scale, cubic = math.sqrt(2 / math.pi), 0.044715
    tanh = tf.tanh(scale * (x + cubic * x * x * x))
    return 0.5 * (1.0 + tanh), 0.5 * (1.0 - tanh * tanh) * scale * (1.0 + 3.0 * cubic * x * x)


@functools.cache
def _layer_norm(epsilon, rate, has_bias, has_residual, compiled):
    def row_means(x):
        return _row_sums(x, compiled) / tf.cast(tf.shape(x)[-1], x.dtype)

    def parts(rest):
        """What stands after gamma and beta. Returns: bias, residual, seed: lists of one or none."""
        rest = list(rest)
        bias, rest = (rest[:1], rest[1:]) if has_bias else ([], rest)
        return bias, *((rest[:1], rest[1:]) if has_residual else ([], rest))

    def forward(x, gamma, beta, *rest):
        bias, residual, seed = parts(rest)
        wide = _added(x, *bias)
        if rate:
            wide = masked(wide, rate, *seed)
        if residual:
            wide = wide + widen(*residual)
        centred = wide - row_means(wide)
        scale = tf.math.rsqrt(row_means(centred * centred) + epsilon)
        normal = centred * scale
        return narrow(normal * widen(gamma) + widen(beta), x.dtype), narrow(normal, x.dtype), scale

    def backward(normal, scale, gamma, beta, slope, *seed):
        dtype, normal, slope = normal.dtype, widen(normal), widen(slope)
        rows = tf.range(tf.rank(slope) - 1)
        gamma_slope, beta_slope = tf.reduce_sum(slope * normal, axis=rows), tf.reduce_sum(slope, axis=rows)
        slope = slope * widen(gamma)
        slope = (slope - row_means(slope) - normal * row_means(slope * normal)) * scale
        of_x = narrow(masked(slope, rate, *seed) if rate else slope, dtype)
        slopes = of_x, tf.cast(gamma_slope, gamma.dtype), tf.cast(beta_slope, beta.dtype)
        return (*slopes, narrow(slope, dtype)) if has_residual else slopes

    forward, backward = _island(forward, compiled), _island(backward, compiled)

    @tf.custom_gradient
    def function(x, gamma, beta, *rest):
        y, normal, scale = forward(x, gamma, beta, *rest)
        bias, _, seed = parts(rest)

        def gradient(slope):
            of_x, gamma_slope, beta_slope, *of_residual = backward(normal, scale, gamma, beta, slope, *seed)
            return of_x, gamma_slope, beta_slope, *_bias_slopes(of_x, bias), *of_residual, *[None for _ in seed]

        return y, gradient

    return function


@functools.cache
def _attended(scale, rate, compiled):
    def forward(scores, mask, *seed):
        wide = widen(scores)
        likely = tf.nn.softmax(wide * scale + tf.cast(mask, wide.dtype), axis=-1)
        kept = narrow(likely, scores.dtype)
        return (narrow(masked(likely, rate, *seed), scores.dtype), kept) if rate else (kept, kept)

    def backward(likely, slope, *seed):
        dtype, likely, slope = likely.dtype, widen(likely), widen(slope)
        if rate:
            slope = masked(slope, rate, *seed)
        of_scores = narrow(scale * likely * (slope - _row_sums(slope * likely, compiled)), dtype)
        return (of_scores, narrow(masked(likely, rate, *seed), dtype)) if rate else of_scores

    forward, backward = _island(forward, compiled), _island(backward, compiled)

    @tf.custom_gradient
    def function(scores, mask, value, *seed):
        if compiled and onednn.takes(scores.dtype):
            likely = onednn.softmax(scores, mask, scale)
            weights = _dropout(rate, compiled)(likely, *seed) if rate else likely
        else:
            weights, likely = forward(scores, mask, *seed)

        def gradient(slope):
            slopes = backward(likely, tf.matmul(slope, value, transpose_b=True), *seed)
            of_scores, weights = slopes if rate else (slopes, likely)
            return of_scores, None, tf.matmul(weights, slope, transpose_a=True), *[None for _ in seed]

        return tf.matmul(weights, value), gradient

    return function


@functools.cache
def _dropout(rate, compiled):
    drop = _island(lambda x, seed: narrow(masked(widen(x), rate, seed), x.dtype), compiled)

    @tf.custom_gradient
    def function(x, seed):
        return drop(x, seed), lambda slope: (drop(slope, seed), None)

    return function


# Inside an island.


def _row_sums(x, compiled):
    """Sums over the last axis, which stays, as 1.

    XLA for CPU adds up a row number by number, each waiting for the last; a product with ones it does in vectors, in two thirds of
    LayerNorm's time. On a GPU or TPU, a product might round float32 to fewer bits.
    """
    if not (compiled and onednn.on_cpu()):
        return tf.reduce_sum(x, axis=-1, keepdims=True)
    shape = tf.shape(x)
    ones = tf.ones(tf.stack([shape[-1], 1]), x.dtype)
    return tf.reshape(tf.matmul(tf.reshape(x, tf.stack([-1, shape[-1]])), ones), tf.concat([shape[:-1], [1]], axis=0))
