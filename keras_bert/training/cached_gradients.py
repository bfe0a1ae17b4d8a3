"""CachedStep: a large batch, a few rows at a time, for a loss that compares all vectors of the batch.

    vectors     of all rows, a few at a time, without what a gradient needs
    slopes      the gradient of the loss with respect to these vectors
    gradients   each few rows once more, with a gradient, by their slopes; they add up to those of the whole batch

Dropout draws the same masks both times. Memory is that of a few rows, and of one more copy of the weights; a step takes about a third
longer, since a backward takes twice as long as a forward.

Source: Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup" (GradCache).
"""

import tensorflow as tf

from keras_bert.layers import dropout_seed
from keras_bert.layers.bits import folded_seed
from keras_bert.training.keras_internals import forget_gradients
from keras_bert.training.step import TOTALS, ReplicaStep


class CachedStep(ReplicaStep):
    """ReplicaStep of a model that gives a vector a row, from the batch contract [rows, length] or [examples, texts, length].

    Args: model: TrainingModel. loss: its GlobalLoss. rows_at_once: int.
    """

    def __init__(self, model, loss, rows_at_once):
        super().__init__(model, loss)
        self.rows_at_once = rows_at_once
        self.keeps_rows = False

    def _backward(self, data, counts, seed, *, watched=None, count_metrics=True):
        x, y, sample_weight = data
        rows = _rows_of(x)
        y_pred = self._vectors(x, rows, seed)
        sources = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            share, totals = self._share(x, y, y_pred, sample_weight, counts, training=True)
            scaled = self.model.optimizer.scale_loss(share)
        if count_metrics:
            self._track(data, y_pred, share, totals, counts)
        slopes, *of_weights = tape.gradient(scaled, [y_pred, *sources])  # of the weights themselves: regularizers
        slopes = tf.reshape(slopes, [-1, y_pred.shape[-1]])
        has_gradient = [gradient is not None for gradient in of_weights]

        def add(number, sums):
            start = number * self.rows_at_once
            with tf.GradientTape() as tape:
                vectors = self._few(rows, number, seed)
            few = slopes[start : start + self.rows_at_once]
            gradients = tape.gradient(vectors, sources, output_gradients=few)
            for index, gradient in enumerate(gradients):
                has_gradient[index] |= gradient is not None
            forget_gradients()
            return number + 1, [_added(total, gradient) for total, gradient in zip(sums, gradients, strict=True)]

        first = [tf.zeros(source.shape) if own is None else _dense(own) for source, own in zip(sources, of_weights, strict=True)]
        _, sums = tf.while_loop(lambda number, _: number < self._times(rows), add, (0, first), parallel_iterations=1)
        return [total if has else None for total, has in zip(sums, has_gradient, strict=True)], share, None

    def evaluate(self, data):
        x, y, sample_weight = data
        y_pred = self._vectors(x, _rows_of(x), None)
        counts = self.counts(data)
        share, totals = self._share(x, y, y_pred, sample_weight, counts, training=False)
        self._track(data, y_pred, share, totals, counts)
        return self._reduced([], tf.zeros([len(TOTALS)]))[2]

    def _vectors(self, x, rows, seed):
        """All vectors, without a gradient. Args: seed: None: not in training. Returns: [examples, texts, features], or [rows, features]."""
        size = self.model.network.output_shape[-1]
        vectors = tf.TensorArray(self.model.compute_dtype, size=self._times(rows), infer_shape=False, element_shape=[None, size])
        _, vectors = tf.while_loop(
            lambda number, _: number < self._times(rows),
            lambda number, vectors: (number + 1, vectors.write(number, self._few(rows, number, seed))),
            (0, vectors),
            parallel_iterations=1,
        )
        ids = next(iter(x.values()))
        outer = [tf.shape(ids)[axis] if length is None else length for axis, length in enumerate(ids.shape)][1:-1]
        # An empty part of a batch has no few rows to join.
        joined = tf.cond(self._times(rows) > 0, vectors.concat, lambda: tf.zeros([0, size], self.model.compute_dtype))
        return tf.reshape(joined, [-1, *outer, size])

    def _few(self, rows, number, seed):
        start = number * self.rows_at_once
        few = {name: part[start : start + self.rows_at_once] for name, part in rows.items()}
        if seed is None:
            return self.model(few, training=False)
        with dropout_seed(folded_seed(seed, number)):
            return self.model(few, training=True)

    def _times(self, rows):
        return -(-tf.shape(next(iter(rows.values())))[0] // self.rows_at_once)


def _rows_of(x):
    """The contract as rows of single texts. Returns: dict of int32 [rows, length]."""
    rows = {}
    for name, part in x.items():
        length = tf.shape(part)[-1] if part.shape[-1] is None else part.shape[-1]
        rows[name] = tf.reshape(part, [-1, length])
    return rows


def _dense(gradient):
    return tf.cast(tf.convert_to_tensor(gradient), tf.float32)


def _added(total, gradient):
    if gradient is None:
        return total
    if isinstance(gradient, tf.IndexedSlices):
        return tf.tensor_scatter_nd_add(total, gradient.indices[:, None], tf.cast(gradient.values, tf.float32))
    return total + tf.cast(gradient, tf.float32)
