"""The chains of elementwise ops in a block, each with a fast path for training on TensorFlow.

TensorFlow runs every op of a chain as a pass of its own over memory, forward, and more of them backward. The fast path is one pass
each way: a function that XLA compiles, an island in a graph whose matrix products stay TensorFlow's own (oneDNN's on a CPU), with
the gradient written by hand. What it keeps for the gradient is what it was given, or as much; masks are drawn again, not kept, and
what such a chain gives to a product is computed again where the product's gradient wants it, in the pass that is made there anyway.

In inference and on other backends there is the twin, in keras.ops. Graphs of inference hold no island, since a server need not have
XLA; there, LayerNorm and softmax are written as oneDNN wants them.
"""

import functools
import math
import os
import platform

import keras
from keras import ops

from keras_bert.layers.bits import masked, narrow, widen

tf = None
if keras.backend.backend() == "tensorflow":  # the layers serve the other backends too
    import tensorflow as tf


def product(x, kernel, *, training=False):
    """x times the kernel, in x's dtype.

    Args: x: floats [rows, features]. kernel: [features, units], a variable or tensor, of x's dtype or wider. Returns: [rows, units].
    """
    if training and tf and _in_parts(x, kernel):
        return _product(x, tf.convert_to_tensor(kernel))
    return ops.matmul(x, ops.cast(kernel, x.dtype))


def bias_slows(dtype, kernel):
    """Whether a product with a kernel is faster in inference where TensorFlow does not fuse the bias with it.

    For bfloat16 it then takes another kernel of oneDNN, at 0.65 of the rate; but not where the kernel is a constant of the graph, which
    oneDNN lays out once.

    Args: dtype: that the product is in, a name. kernel: [features, units], a keras.Variable, or a tensor as LoRA gives. Returns: bool.
    """
    return bool(tf) and dtype == "bfloat16" and isinstance(getattr(kernel, "value", None), tf.Variable) and _by_onednn(tf.bfloat16)


def gelu(x, bias=None, *, approximate, kernel=None, training=False):
    """x + bias times the share of the standard normal distribution below it; approximate=True takes the tanh formula for that share.

    Args:
        x: floats [..., features]; [rows, features] with a kernel.
        bias: [features], or None.
        kernel: [features, units]: give the product with it, see product; in training GELU's own values are then not kept.
    Returns: as x; with a kernel [rows, units].
    Source: Hendrycks & Gimpel 2016.
    """
    if tf and training:
        function = _gelu(approximate, kernel is not None, bias is not None, _pays(x.shape[-1]))
        return function(x, *_tensors(kernel, bias))
    x = ops.gelu(x if bias is None else x + bias, approximate=approximate)
    return x if kernel is None else product(x, kernel, training=training)


def layer_norm(x, gamma, beta, *, epsilon, bias=None, residual=None, rate=0.0, seed=None, training=False):
    """LayerNorm of residual + dropout(x + bias), over the last axis.

    Args:
        x, residual: floats [..., features] of one dtype; residual may be None.
        bias: [features], or None.
        gamma, beta: [features], of the model's variables: float32 stays float32 where x is bfloat16.
        rate, seed: see dropout.
    Returns: as x.
    Source: Ba et al. 2016.
    """
    if not training:
        rate = 0.0
    if tf and training:
        function = _layer_norm(epsilon, rate, bias is not None, residual is not None, _pays(x.shape[-1]))
        return function(x, *_tensors(gamma, beta, bias, residual), *([_seed(seed)] if rate else []))
    if bias is not None and residual is not None and not rate:
        residual, bias = residual + bias, None  # TensorFlow would fuse it with the product that x is: see bias_slows
    x = dropout(x if bias is None else x + bias, rate, seed, training=training)
    x = x if residual is None else residual + x
    if _by_onednn(x.dtype):
        return _onednn_layer_norm(x, gamma, beta, epsilon)
    return ops.cast(ops.layer_normalization(x, gamma, beta, axis=-1, epsilon=epsilon), x.dtype)


def attended(scores, mask, value, *, features, scale=1.0, rate=0.0, seed=None, training=False):
    """dropout(softmax(scale * scores + mask)) times value; float32 or wider within the softmax.

    bfloat16 has 8 bits, too few for a sum of hundreds of probabilities.

    Args:
        scores: floats [batch, heads, query, key].
        mask: float32, broadcastable to it.
        value: [batch, heads, key, head_size], of the scores' dtype.
        features: those of a token, over all heads.
        scale: float.
        rate, seed: see dropout.
    Returns: [batch, heads, query, head_size].
    """
    if not training:
        rate = 0.0
    if tf and training:
        return _attended(scale, rate, _pays(features))(scores, mask, value, *([_seed(seed)] if rate else []))
    if _by_onednn(scores.dtype):
        weights = _onednn_softmax(scores, mask, scale)
    else:
        weights = dropout(ops.cast(probabilities(scores, mask, scale), scores.dtype), rate, seed, training=training)
    return ops.matmul(weights, value)


def probabilities(scores, mask, scale=1.0):
    """softmax(scale * scores + mask) in float32. Args: as attended."""
    wide = "float64" if keras.backend.standardize_dtype(scores.dtype) == "float64" else "float32"
    return ops.softmax(ops.cast(scores, wide) * scale + ops.cast(mask, wide), axis=-1)


def dropout(x, rate, seed, *, training=False):
    """Set a share of the features to zero in training, and scale up the rest.

    On TensorFlow the mask is a hash of each element's place and the seed: the same in an island, in a graph, under XLA and eagerly,
    and so cheap that the gradient draws it again. Elsewhere it is keras.random's.

    Args: x: floats of any shape. rate: share, 0 to 1 (not included). seed: integers [2], or a SeedGenerator.
    Returns: as x.
    Source: Srivastava et al. 2014.
    """
    if not training or not rate:
        return x
    return _dropout(rate, _pays(x.shape[-1]))(x, _seed(seed)) if tf else keras.random.dropout(x, rate, seed=seed)


def _tensors(*values):
    """Those that are there, and no Keras variables, which tf.custom_gradient does not know outside a graph."""
    return [tf.convert_to_tensor(value) for value in values if value is not None]


def _seed(seed):
    return tf.cast(seed.next() if isinstance(seed, keras.random.SeedGenerator) else seed, tf.int32)


# Inference by oneDNN, which TensorFlow takes for graphs on x86 CPUs.


def _by_onednn(dtype):
    if not tf or tf.executing_eagerly() or dtype not in (tf.float32, tf.bfloat16):
        return False
    if platform.machine() not in ("x86_64", "AMD64") or platform.system() == "Darwin" or os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return False
    return _on_cpu()


def _on_cpu():
    return not (tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"))


def _onednn_layer_norm(x, gamma, beta, epsilon):
    """LayerNorm as a batch normalisation of every row: TensorFlow's graph optimizer makes one _MklLayerNorm of it.

    Any other way of writing is some eleven passes over memory. Values are summed in float32, whatever x is.
    """
    shape, features = tf.shape(x), x.shape[-1]
    # Hidden from the optimizer, which knows the pattern by its Fill ops, and would fold these into constants where x's shape is known.
    rows = tf.raw_ops.PlaceholderWithDefault(input=tf.size(x) // features, shape=[])
    normal = tf.raw_ops.FusedBatchNormV3(
        x=tf.reshape(x, tf.stack([1, rows, features, 1])),
        scale=tf.ones([rows]),
        offset=tf.zeros([rows]),
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=epsilon,
        data_format="NCHW",
        is_training=True,
    ).y
    y = tf.reshape(normal, shape) * tf.cast(gamma, x.dtype) + tf.cast(beta, x.dtype)
    return tf.ensure_shape(y, x.shape)


def _onednn_softmax(scores, mask, scale):
    """TensorFlow fuses scale and mask with the product that the scores come of. oneDNN sums in float32 whatever it is given."""
    return ops.softmax(scores * scale + ops.cast(mask, scores.dtype), axis=-1)


# The islands. A function of Python numbers gives each: one function for all layers, compiled once for each shape.


def _pays(features):
    """Whether compiling, 0.1 s for each island and shape, is worth it: not for BERT-tiny, whose steps are short anyway."""
    return features is not None and features >= 256


def _island(function, compiled):
    return tf.function(function, jit_compile=True, autograph=False, reduce_retracing=True) if compiled else function


def _in_parts(x, kernel):
    """Whether a product's gradient by its kernel is summed in parts of the rows."""
    return x.dtype == tf.bfloat16 and kernel.dtype == "float32" and _by_onednn(x.dtype) and _pays(x.shape[-1])


def _product(x, kernel):
    @tf.custom_gradient
    def function(x, kernel):
        narrow_kernel = tf.cast(kernel, x.dtype)

        def gradient(slope):
            return tf.matmul(slope, narrow_kernel, transpose_b=True), _kernel_slope(x, kernel, slope)

        return tf.matmul(x, narrow_kernel), gradient

    return function(x, kernel)


def _kernel_slope(x, kernel, slope):
    """Args: slope: of the product. Returns: that of the kernel, in its dtype."""
    if _in_parts(x, kernel):
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
        if compiled and _by_onednn(scores.dtype):
            likely = _onednn_softmax(scores, mask, scale)
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
    if not (compiled and _on_cpu()):
        return tf.reduce_sum(x, axis=-1, keepdims=True)
    shape = tf.shape(x)
    ones = tf.ones(tf.stack([shape[-1], 1]), x.dtype)
    return tf.reshape(tf.matmul(tf.reshape(x, tf.stack([-1, shape[-1]])), ones), tf.concat([shape[:-1], [1]], axis=0))
