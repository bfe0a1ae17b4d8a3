"""Inference by oneDNN, which TensorFlow takes for graphs on x86 CPUs: LayerNorm and softmax written as its optimizer wants them.

And ops that go without it, where work is too small to repay a call of it: see kernels.few_rows.
"""

import functools
import logging
import os
import platform

import keras
from keras import ops

tf = None
if keras.backend.backend() == "tensorflow":  # the layers serve the other backends too
    import tensorflow as tf


VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


def takes(dtype):
    """Whether TensorFlow has oneDNN compute in a dtype, in the graph that is being traced."""
    if not tf or tf.executing_eagerly() or tf.as_dtype(dtype) not in (tf.float32, tf.bfloat16):
        return False
    if platform.machine() not in ("x86_64", "AMD64") or not on_cpu():
        return False
    if not is_on():
        _advise()
        return False
    # Elsewhere TensorFlow keeps bfloat16 to its own kernels.
    return tf.as_dtype(dtype) == tf.float32 or bool(processor_flags() & {"avx512f", "avx_ne_convert"})


@functools.cache
def is_on():
    """Whether this process's TensorFlow runs graphs by oneDNN.

    TensorFlow decides when it is imported: by the environment variable TF_ENABLE_ONEDNN_OPTS, else by the processor and the build; on
    Linux it takes oneDNN where there is AVX-512 VNNI, AVX-512 BF16 or AMX.
    """
    from tensorflow.python.util import _pywrap_util_port  # the one place where TensorFlow tells

    return bool(_pywrap_util_port.IsMklEnabled())


@functools.cache  # one line in a process
def _advise():
    if VARIABLE not in os.environ and "avx2" in processor_flags():
        logging.getLogger("keras_bert").warning(
            "TensorFlow leaves oneDNN off on this processor; models run 1.3 to 1.7 times as fast with it. Set the environment variable "
            "%s=1 before TensorFlow is imported (or to 0, to turn this message off).",
            VARIABLE,
        )


@functools.cache
def processor_flags():
    """Names of what the processor can do, as Linux spells them. Returns: frozenset of str; empty where there is no Linux to tell."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return frozenset(next((line for line in file if line.startswith("flags")), "").partition(":")[2].split())
    except OSError:
        return frozenset()


def is_variable(kernel):
    """Whether a kernel is read from a variable: oneDNN lays it out anew in each call, as it does not what is a constant of the graph."""
    return isinstance(getattr(kernel, "value", None), tf.Variable)


def on_cpu():
    return not (tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"))


def layer_norm(x, gamma, beta, epsilon):
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


def softmax(scores, mask, scale):
    """TensorFlow fuses scale and mask with the product that the scores come of. oneDNN sums in float32 whatever it is given."""
    return ops.softmax(scores * scale + ops.cast(mask, scores.dtype), axis=-1)


def layer_norm_without(x, gamma, beta, epsilon):
    """LayerNorm in nine ops of TensorFlow's own, which its optimizer does not take for one: of few rows an eighth of oneDNN's time."""
    wide = tf.cast(x, tf.float32)
    centred = wide - tf.reduce_mean(wide, axis=-1, keepdims=True)
    variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
    return tf.cast(centred * tf.math.rsqrt(variance + epsilon) * tf.cast(gamma, tf.float32) + tf.cast(beta, tf.float32), x.dtype)


def product_without(x, y, transpose_y=False):
    """See kernels.heads_product. Of TensorFlow's ops for products this is the one that it does not hand to oneDNN."""
    return tf.raw_ops.BatchMatMulV3(x=x, y=y, Tout=x.dtype, adj_y=transpose_y)


def filled_in(empty, places, values):
    """See kernels.filled_in. On a CPU tf.tensor_scatter_nd_update copies all of its input in each call; this op adds in place."""
    return tf.raw_ops.ScatterNdNonAliasingAdd(input=empty, indices=places, updates=values)


def in_xla():
    """Whether XLA is to compile the graph that is being traced. It does not know filled_in's op."""
    from tensorflow.python.ops import control_flow_util  # the one place where TensorFlow tells

    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
