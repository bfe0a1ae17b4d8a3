"""Dense, as one 2-D matrix product."""

import keras
from keras import ops

from keras_bert.layers import kernels


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

    def bias_apart(self, training):
        """Whether a caller that works on with the product should take it alone, and add deferred_bias in what follows.

        In training the bias then is a part of the next pass over memory; and see kernels.bias_slows.
        """
        return bool(training) or kernels.bias_slows(self.compute_dtype, self.kernel)

    def product(self, inputs, training=None):
        """The product alone, to which the caller adds deferred_bias.

        Args: inputs: [rows, features]. Returns: [rows, units].
        """
        if self.deferred_bias is None:
            return self(inputs)
        return kernels.product(inputs, self.kernel, training=bool(training))

    @property
    def deferred_bias(self):
        """[units], or None where product leaves nothing to add."""
        if not self.use_bias or self.activation is not keras.activations.linear or self.quantization_mode:
            return None
        return ops.cast(self.bias, self.compute_dtype)
