"""UnigramEntropy: what a model that knows only how frequent each piece is would score on the targets that it is asked for."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_bert")
class UnigramEntropy(keras.metrics.Metric):
    """Entropy, in nats, of the pieces that stood at masked positions: the loss of the best guess that does not look at the text.

        -sum over pieces of share * log(share)

    Of few targets it is too low: a piece that is there once is taken for as frequent as that. A loss below it is so all the more.

    Args: vocab_size: pieces.
    Call: y_true: int32 [batch, max_predictions]; y_pred: not looked at; sample_weight: as y_true, 0 for padding.
    """

    def __init__(self, vocab_size, name="unigram_entropy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.vocab_size = vocab_size
        self.counts = self.add_variable(shape=(vocab_size,), initializer=keras.initializers.Zeros(), name="counts")

    def update_state(self, y_true, y_pred, sample_weight=None):
        ids = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        weights = ops.ones_like(ids) if sample_weight is None else ops.reshape(sample_weight, (-1,))
        self.counts.assign_add(ops.segment_sum(ops.cast(weights, self.counts.dtype), ids, num_segments=self.vocab_size))

    def result(self):
        shares = ops.divide_no_nan(self.counts, ops.sum(self.counts))
        return -ops.sum(shares * ops.log(ops.where(shares > 0, shares, 1.0)))

    def get_config(self):
        return {"vocab_size": self.vocab_size, "name": self.name, "dtype": self.dtype}
