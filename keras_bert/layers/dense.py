"""Dense, as one 2-D matrix product."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_bert")
class FlatDense(keras.layers.Dense):
    """keras.layers.Dense over the last axis, with all the axes before it folded into one.

    TensorFlow runs a product of a rank-3 tensor with a matrix as a batched one, which it neither fuses with bias and
    activation nor spreads over cores as well as one large product.

    Args: those of keras.layers.Dense.
    """

    def call(self, inputs, training=None):
        if len(inputs.shape) == 2:
            return super().call(inputs, training=training)
        shape = ops.shape(inputs)  # (..., F)
        folded = super().call(ops.reshape(inputs, (-1, shape[-1])), training=training)  # (B*T, units)
        return ops.reshape(folded, (*shape[:-1], self.units))
