"""The network that is served: in which dtype it computes, and whether its weights are variables or constants of the graph."""

import keras
import numpy as np
import tensorflow as tf

from keras_bert import BertEncoder, features
from keras_bert.layers import BertEmbeddings
from keras_bert.training.keras_internals import all_layers

DTYPES = ("float32", "bfloat16", "float16")  # float16 is for GPUs: on a CPU it is the slowest


def network_in_dtype(network, dtype):
    """The same network computing in another dtype, its weights rounded to it; LayerNorm, softmax and logits stay float32 inside.

    Args: network: one of keras_bert.models with an encoder; it is left as it is. dtype: one of DTYPES.
    Returns: a network of the same class.
    Raises: ValueError on another dtype.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r} is not one of {', '.join(DTYPES)}")
    encoder = BertEncoder.from_config(network.encoder.get_config() | {"dtype": dtype, "initialize": False})
    other = type(network)(encoder, **network.settings())
    for there, own in zip(other.weights, network.weights, strict=True):
        there.assign(own.numpy())
    return other


def frozen(network):
    """The network's call, with the values that its weights have now as constants.

    Kernels may then prepare a matrix once and keep it: oneDNN, TensorFlow's on a CPU, lays out that of a product anew at each
    call where it is a variable. The word and position embeddings, from which rows are only looked up, stay variables: as
    constants they gain nothing, and BERT-base's made the first answer wait 6 seconds more.

    Args: network: one of keras_bert.models with an encoder.
    Returns: function (inputs: dict, training=False, **options) -> what the network gives; options are those of its call, no tensors. All
        that call it with the same ones share one set of constants.
    """
    functions = {}
    values = [(weight, weight.numpy()) for weight in frozen_weights(network)]

    signature = {name: tf.TensorSpec([None, None], features.DTYPE, name=name) for name in network.input}

    def function_of(options):
        def call(inputs):
            # Constants of this function's graph: captured from outside they would be arguments, which no kernel may keep.
            constants = [(weight, tf.constant(value)) for weight, value in values]
            with keras.StatelessScope(state_mapping=constants):
                return network(inputs, training=False, **options)

        return tf.function(call, input_signature=[signature], autograph=False)

    def answer(inputs, training=False, **options):
        key = tuple(sorted(options.items()))
        if key not in functions:
            functions[key] = function_of(options)
        return functions[key]({name: inputs[name] for name in signature})

    return answer


def frozen_weights(network):
    """The weights that `frozen` makes constants. Returns: list of keras.Variable: all but the word and position embeddings."""
    tables = set()
    for layer in all_layers(network):
        if isinstance(layer, BertEmbeddings):
            tables |= {id(layer.word_table), id(layer.position_table)}
    return [weight for weight in network.weights if id(weight) not in tables]


def weight_bytes(weight):
    """Bytes of a keras.Variable."""
    return int(np.prod(weight.shape)) * tf.as_dtype(weight.dtype).size
