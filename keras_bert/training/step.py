"""One step as a replica runs it: gradients of its rows, then one update that all replicas share.

    counts      denominators of the losses; they need labels and weights only, so they are summed over replicas and
                micro-batches before the first gradient is taken
    gradients   forward and backward over this replica's rows of one micro-batch; no communication, so XLA can take it whole
    update      one all-reduce of gradients and metrics, clipping by the global norm, the optimizer

The gradients of all replicas and micro-batches add up to those of the whole batch, however many targets each holds.
"""

import warnings

import keras
import tensorflow as tf
from keras import tree

from keras_bert import features
from keras_bert.layers import BertEmbeddings, dropout_seed
from keras_bert.training import keras_internals
from keras_bert.training.distribution import is_tpu
from keras_bert.training.optimizer import AdamW

# Summed over replicas and micro-batches. slots: places of a batch, padding too; squared_slots: of each row its length squared, which
# attention costs; stop: how many replicas' processes have been asked to stop.
TOTALS = ("loss", "examples", "tokens", "slots", "squared_slots", "stop")
# What a step reports besides the model's metrics. All but the last adds up over steps; updates says over how many.
REPORT = (*TOTALS, "gradient_norm", "updates", "learning_rate")
# Between workers, a pack of gradients is sent as soon as it is there, and several at once. One of all, TensorFlow's default, takes twice as
# long (two processes, 340 MB), and starts when the last gradient is made.
IN_PACKS = tf.distribute.experimental.CommunicationOptions(bytes_per_pack=8 * 2**20)


class ReplicaStep:
    """The parts of a step of a compiled TrainingModel. Each method runs in replica context.

    Args: model: TrainingModel. loss: its GlobalLoss.
    """

    def __init__(self, model, loss):
        self.model = model
        self.loss = loss
        self.replicas = model.distribute_strategy.num_replicas_in_sync
        on_tpu = is_tpu(model.distribute_strategy)
        self.fills_up = on_tpu or model.has_blank_rows
        # A batch touches few rows of an embedding; where nothing is summed over replicas or micro-batches, norm and clipping pass over
        # those alone. XLA, a TPU's too, has no tf.unique, which finds them; other optimizers might take rows for the whole of a gradient.
        once = self.replicas == 1 and model.gradient_accumulation_steps == 1 and model.adversarial_epsilon is None
        self.keeps_rows = once and not (model.jit_compile or on_tpu) and isinstance(model.optimizer, AdamW)
        self.has_gradient = None  # of each trainable variable; known once gradients are traced

    def counts(self, data):
        """Denominators of this part. Args: data: (x, y, sample_weight). Returns: float32 [1 + terms]; the first counts rows."""
        x, y, sample_weight = data
        return self.loss.counts(self._rows(x), y, sample_weight, self._row_mask(x))

    def all_sum(self, values):
        """Sum over replicas. Args: values: tensor or list of tensors."""
        if self.replicas == 1:
            return values
        sums = tf.distribute.get_replica_context().all_reduce("SUM", values, options=IN_PACKS)
        keras_internals.forget_gradients()
        return sums

    def gradients(self, data, counts, seed):
        """Forward and backward; updates this replica's metrics.

        Args: data: (x, y, sample_weight). counts: those of the whole batch. seed: int32 [2], of the dropout masks.
        Returns: list of this part's gradients, of the variables that have one; totals: float32 [len(TOTALS)].
        """
        epsilon = self.model.adversarial_epsilon
        if epsilon is None:
            gradients, share, _ = self._backward(data, counts, seed)
        else:
            # Miyato et al. 2017, "Adversarial training methods for semi-supervised text classification", section 3.1: the
            # loss itself, and the loss where each text's word embeddings are moved by epsilon the way that hurts most.
            embeddings = _embeddings_of(self.model)
            ids = data[0][features.INPUT_IDS]
            length = tf.shape(ids)[-1]
            still = tf.zeros([tf.size(ids) // length, length, embeddings.hidden_size])  # a row each text, of examples of several too
            with embeddings.perturbed(still):
                gradients, share, slope = self._backward(data, counts, seed, watched=still)
            length = tf.sqrt(tf.reduce_sum(tf.square(slope), axis=[1, 2], keepdims=True))  # (B, 1, 1)
            with embeddings.perturbed(tf.math.divide_no_nan(epsilon * slope, length)):
                more, *_ = self._backward(data, counts, seed, count_metrics=False)
            gradients = [None if a is None else a + b for a, b in zip(gradients, more, strict=True)]
        keras_internals.forget_gradients()
        self.has_gradient = [gradient is not None for gradient in gradients]
        if not any(self.has_gradient):
            warnings.warn("no variable has a gradient: all are frozen, or the loss depends on none; nothing is learnt", stacklevel=2)
        return [gradient for gradient in gradients if gradient is not None], self._totals(data[0], share)

    def _backward(self, data, counts, seed, *, watched=None, count_metrics=True):
        x, y, sample_weight = data
        with tf.GradientTape() as tape:
            if watched is not None:
                tape.watch(watched)
            with dropout_seed(seed):
                y_pred = self.model(x, training=True)
            share, totals = self._share(x, y, y_pred, sample_weight, counts, training=True)
            scaled = self.model.optimizer.scale_loss(share)
        if count_metrics:
            self._track(data, y_pred, share, totals, counts)
        sources = [variable.value for variable in self.model.trainable_variables]
        gradients = tape.gradient(scaled, sources if watched is None else [*sources, watched])
        gradients = [None if gradient is None else self._summed(gradient) for gradient in gradients]
        return (gradients, share, None) if watched is None else (gradients[:-1], share, gradients[-1])

    def _summed(self, gradient):
        """An embedding's gradient by rows, each row once, or else as one tensor."""
        if not (self.keeps_rows and isinstance(gradient, tf.IndexedSlices)):
            return tf.convert_to_tensor(gradient)
        rows, places = tf.unique(gradient.indices)
        values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
        return tf.IndexedSlices(values, rows, gradient.dense_shape)

    def update(self, gradients, totals, stop):
        """All-reduce, clip, apply.

        Args: gradients, totals: as `gradients` gives them, or their sums over micro-batches. stop: float32 scalar, 1 where this
            process has been asked to stop.
        Returns: metrics: dict of scalars; report: float32 [len(REPORT)]. The gradient norm is that before clipping.
        """
        optimizer = self.model.optimizer
        gradients, totals, metrics = self._reduced(gradients, tf.concat([totals[:-1], [stop]], axis=0))
        norm = (tf.linalg.global_norm(gradients) if gradients else tf.zeros([])) / tf.cast(optimizer.scale_loss(tf.ones([])), tf.float32)
        rate = tf.cast(tf.convert_to_tensor(optimizer.learning_rate), tf.float32)
        clip_norm = self.model.clip_norm
        if clip_norm is not None:
            # Not finite where the norm is not: float16's loss scaling looks for that.
            factor = clip_norm / tf.where(norm < clip_norm, clip_norm, norm)
            gradients = [_scaled(gradient, factor) for gradient in gradients]
        variables = [v for v, has in zip(self.model.trainable_variables, self.has_gradient, strict=True) if has]
        if gradients:
            optimizer.apply(gradients, variables)
        keras_internals.forget_gradients()  # those of the optimizer's all-reduce
        return metrics, tf.concat([totals, [norm, 1.0, rate]], axis=0)

    def evaluate(self, data):
        """Forward; updates this replica's metrics. Args: data: (x, y, sample_weight). Returns: metrics: dict of scalars."""
        x, y, sample_weight = data
        y_pred = self.model(x, training=False)
        counts = self.counts(data)
        share, totals = self._share(x, y, y_pred, sample_weight, counts, training=False)
        self._track(data, y_pred, share, totals, counts)
        return self._reduced([], tf.zeros([len(TOTALS)]))[2]

    def _share(self, x, y, y_pred, sample_weight, counts, training):
        return self.loss.share(
            x, y, y_pred, sample_weight, rows=self._rows(x), row_mask=self._row_mask(x), counts=counts, training=training
        )

    def _track(self, data, y_pred, share, totals, counts):
        x, y, sample_weight = data
        self.loss.track(share, totals, self.counts(data), counts, sample_weight)
        if self.fills_up:  # Keras's metrics leave out what is masked
            for output in tree.flatten(y_pred):
                keras_internals.set_mask(output, tf.cast(self._row_mask(x), tf.bool))
        self.model.compute_metrics(x, y, y_pred, sample_weight)

    def _reduced(self, gradients, totals):
        """One all-reduce of everything, so that each replica holds the sums over all. Returns: gradients, totals, metrics."""
        if self.replicas == 1:
            return gradients, totals, self.model.get_metrics_result()
        states = [state for metric in self.model.metrics for state in metric.variables]
        packed = tf.concat([totals, *[tf.reshape(tf.cast(state.value, tf.float32), [-1]) for state in states]], axis=0)
        *gradients, packed = self.all_sum([*gradients, packed])
        totals, *parts = tf.split(packed, [len(TOTALS), *[state.shape.num_elements() for state in states]])
        summed = [(state, tf.cast(tf.reshape(part, state.shape), state.dtype)) for state, part in zip(states, parts, strict=True)]
        with keras.StatelessScope(state_mapping=summed):
            return gradients, totals, self.model.get_metrics_result()

    # The batch.

    def _row_mask(self, x):
        """Which rows are real, where batches are filled up with blank ones. Returns: float32 [batch], or None: all are."""
        if not self.fills_up:
            return None
        mask = x[features.ATTENTION_MASK]
        return tf.cast(tf.reduce_max(mask, axis=list(range(1, mask.shape.rank))), tf.float32)

    def _rows(self, x):
        mask = self._row_mask(x)
        return tf.shape(tree.flatten(x)[0])[0] if mask is None else tf.cast(tf.reduce_sum(mask), tf.int32)

    def _totals(self, x, share):
        rows = tf.cast(self._rows(x), tf.float32)
        if not features.is_contract(x):
            return tf.stack([share, rows, 0.0, 0.0, 0.0, 0.0])
        mask = x[features.ATTENTION_MASK]
        slots, length = tf.cast(tf.size(mask), tf.float32), tf.cast(tf.shape(mask)[-1], tf.float32)
        tokens = tf.cast(tf.reduce_sum(mask), tf.float32)
        if features.PART_MASK in x:  # a part attends to itself
            length /= tf.cast(tf.shape(x[features.PART_MASK])[1], tf.float32)
        return tf.stack([share, rows, tokens, slots, slots * length, 0.0])


def add_reports(before, report):
    """The report of several steps: sums, and the last one's learning rate. Args, Returns: float32 [len(REPORT)]."""
    return tf.concat([before[:-1] + report[:-1], report[-1:]], axis=0)


def _scaled(gradient, factor):
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(_scaled(gradient.values, factor), gradient.indices, gradient.dense_shape)
    return gradient * tf.cast(factor, gradient.dtype)


def _embeddings_of(model):
    found = [layer for layer in keras_internals.all_layers(model) if isinstance(layer, BertEmbeddings)]
    if len(found) != 1:
        raise ValueError(f"adversarial_epsilon moves the word embeddings of one BertEmbeddings layer; {model.name} has {len(found)}")
    return found[0]
