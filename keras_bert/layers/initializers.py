"""How new weights are drawn."""

import keras


def bert_initializer(initializer_range):
    """Truncated normal of mean 0. Args: initializer_range: standard deviation; 0: zeros. Source: google-research/bert modeling.py."""
    return keras.initializers.TruncatedNormal(stddev=initializer_range) if initializer_range else keras.initializers.Zeros()
