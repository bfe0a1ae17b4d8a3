"""Inference by oneDNN, which TensorFlow takes for graphs on x86 CPUs: LayerNorm and softmax written as its optimizer wants them."""

import os
import platform

import keras
from keras import ops

tf = None
if keras.backend.backend() == "tensorflow":  # the layers serve the other backends too
    import tensorflow as tf


def takes(dtype):
    """Whether TensorFlow has oneDNN compute in a dtype, in the graph that is being traced."""
    if not tf or tf.executing_eagerly() or tf.as_dtype(dtype) not in (tf.float32, tf.bfloat16):
        return False
    if platform.machine() not in ("x86_64", "AMD64") or platform.system() == "Darwin" or os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return False
    return on_cpu()


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
