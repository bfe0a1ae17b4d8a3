"""The chains of elementwise ops in a block, each with a fast path on TensorFlow.

TensorFlow runs every op of a chain as a pass of its own over memory, forward, and more of them backward. In training the fast path is one
pass each way: see islands. Graphs of inference hold no island, since a server need not have XLA; there, LayerNorm and softmax are written
as oneDNN wants them: see onednn. Else, and on other backends, there is the twin, in keras.ops.
"""

import contextlib
import contextvars

import keras
from keras import ops

from keras_bert.layers import islands, onednn

TENSORFLOW = keras.backend.backend() == "tensorflow"
_ROWS_ARE_FEW = contextvars.ContextVar("keras_bert_few_rows", default=False)


@contextlib.contextmanager
def few_rows():
    """Within it, inference is for a few tokens a call, as in writing one by one.

    A call of oneDNN costs some 0.1 ms, which pays for itself in larger work only: LayerNorm of some 200 rows, a head's products of several
    queries. Smaller ones are then left to TensorFlow's own kernels.
    """
    token = _ROWS_ARE_FEW.set(True)
    try:
        yield
    finally:
        _ROWS_ARE_FEW.reset(token)


def rows_are_few():
    """Whether the caller stands within few_rows."""
    return _ROWS_ARE_FEW.get()


def product(x, kernel, *, training=False):
    """x times the kernel, in x's dtype.

    Args: x: floats [rows, features]. kernel: [features, units], a variable or tensor, of x's dtype or wider. Returns: [rows, units].
    """
    if training and TENSORFLOW and islands.sums_in_parts(x, kernel):
        return islands.product(x, kernel)
    return ops.matmul(x, ops.cast(kernel, x.dtype))


def bias_slows(dtype, kernel):
    """Whether a product with a kernel is faster in inference where TensorFlow does not fuse the bias with it.

    For bfloat16 it then takes another kernel of oneDNN, at 0.65 of the rate; but not where the kernel is a constant of the graph, which
    oneDNN lays out once.

    Args: dtype: that the product is in, a name. kernel: [features, units], a keras.Variable, or a tensor as LoRA gives. Returns: bool.
    """
    return dtype == "bfloat16" and onednn.takes(dtype) and onednn.is_variable(kernel)


def gelu(x, bias=None, *, approximate, kernel=None, training=False):
    """x + bias times the share of the standard normal distribution below it; approximate=True takes the tanh formula for that share.

    Args:
        x: floats [..., features]; [rows, features] with a kernel.
        bias: [features], or None.
        kernel: [features, units]: give the product with it, see product; in training GELU's own values are then not kept.
    Returns: as x; with a kernel [rows, units].
    Source: Hendrycks & Gimpel 2016.
    """
    if TENSORFLOW and training:
        return islands.gelu(x, approximate=approximate, bias=bias, kernel=kernel)
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
    if TENSORFLOW and training:
        options = {"bias": bias, "residual": residual, "rate": rate, "seed": _seed(seed) if rate else None}
        return islands.layer_norm(x, gamma, beta, epsilon=epsilon, **options)
    if bias is not None and residual is not None and not rate:
        residual, bias = residual + bias, None  # TensorFlow would fuse it with the product that x is: see bias_slows
    x = dropout(x if bias is None else x + bias, rate, seed, training=training)
    x = x if residual is None else residual + x
    if onednn.takes(x.dtype):
        normal = onednn.layer_norm_without if rows_are_few() else onednn.layer_norm
        return normal(x, gamma, beta, epsilon)
    return ops.cast(ops.layer_normalization(x, gamma, beta, axis=-1, epsilon=epsilon), x.dtype)


def heads_product(x, y, *, transpose_y=False):
    """Each head's product.

    Args: x: floats [batch, heads, query, n]. y: [batch, heads, n, m]; with transpose_y [batch, heads, m, n].
    Returns: [batch, heads, query, m].
    """
    if rows_are_few() and x.shape[2] == 1 and x.dtype == "float32" and onednn.takes(x.dtype):
        return onednn.product_without(x, y, transpose_y)
    return ops.matmul(x, ops.transpose(y, (0, 1, 3, 2)) if transpose_y else y)


def filled_in(empty, places, values):
    """A cache with values where it had zeros; in place, where nothing else holds the cache.

    Args: empty: floats of any shape. places: int32 [rows, axes], the first indices of each row. values: [rows, ...], of empty's dtype.
    Returns: as empty.
    """
    if TENSORFLOW and onednn.on_cpu() and not onednn.in_xla():
        return onednn.filled_in(empty, places, values)
    return ops.scatter_update(empty, places, values)


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
    if TENSORFLOW and training:
        options = {"features": features, "scale": scale, "rate": rate, "seed": _seed(seed) if rate else None}
        return islands.attended(scores, mask, value, **options)
    if onednn.takes(scores.dtype):
        weights = onednn.softmax(scores, mask, scale)
    else:
        weights = dropout(ops.cast(probabilities(scores, mask, scale), scores.dtype), rate, seed, training=training)
    return heads_product(weights, value)


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
    return islands.dropout(x, rate, _seed(seed)) if TENSORFLOW else keras.random.dropout(x, rate, seed=seed)


def _seed(seed):
    return ops.cast(seed.next() if isinstance(seed, keras.random.SeedGenerator) else seed, "int32")
