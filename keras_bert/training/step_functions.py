"""The functions that a loop calls batch after batch: updates, evaluation and prediction, by every replica of a strategy."""

import contextlib
import functools

import keras
import tensorflow as tf
from keras import tree

from keras_bert import features
from keras_bert.layers.bits import folded_seed
from keras_bert.training.distribution import is_multi_worker, is_tpu
from keras_bert.training.step import TOTALS, add_reports


class StepFunctions:
    """Makes them for a compiled TrainingModel.

    Args: model: TrainingModel. loss: its GlobalLoss; for prediction None.
    """

    def __init__(self, model, loss=None):
        self.model = model
        self.loss = loss
        self.strategy = model.distribute_strategy

    def update(self):
        """Returns: function of an iterator -> (metrics, report) of steps_per_execution updates; see ReplicaStep.update."""
        step = self.model.replica_step(self.loss)
        jit, single = self.model.jit_compile, step.replicas == 1
        # XLA takes no communication between the devices of one process: with several replicas it gets what lies between.
        gradients_of = _compiled(step.gradients) if jit and not (single and self.model.gradient_accumulation_steps == 1) else step.gradients

        def whole(data, seed, stop):
            counts = step.all_sum(step.counts(data))
            return step.update(*gradients_of(data, counts, self._fold(seed, 0)), stop)

        if self.model.gradient_accumulation_steps == 1:
            whole = _compiled(whole) if jit and single else whole
            function = self._looped(whole, _add_up)
        else:
            function = self._accumulating(step, gradients_of)
        return lambda iterator: function(
            iterator, tf.constant(self.model.step_seed, tf.int32), tf.constant(float(self.model.stop_requested))
        )

    def _fold(self, seed, micro_batch):
        """int32 [2]: another one for each run, update, replica and micro-batch."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        folded = tf.stack([seed, 0])
        for number in (self.model.optimizer.iterations, replica, micro_batch):
            folded = folded_seed(folded, number)
        return folded

    def _first(self, outputs):
        """What every replica answers alike, once."""
        return tree.map_structure(lambda value: self.strategy.experimental_local_results(value)[0], outputs)

    def _looped(self, of_replica, add_up=lambda before, outputs: outputs):
        """of_replica(data, *arguments) -> function(iterator, *arguments) of steps_per_execution steps. add_up: of the outputs of two."""
        steps = self.model.steps_per_execution

        def of_replica_with_data(data, *arguments):
            # Where the data has ended, what reads none of it would still run, as it does in Keras: `iterations` counts an update that
            # is not made, and a metric whose batches have one static size counts one more.
            with tf.control_dependencies([part for part in tf.nest.flatten(data) if part is not None]):
                return of_replica(data, *arguments)

        def from_data(data, *arguments):
            return self._first(self.strategy.run(of_replica_with_data, args=(_parts(data), *arguments)))

        def from_iterator(iterator, *arguments):
            outputs = from_data(iterator.get_next(), *arguments)
            if steps == 1:
                return outputs

            def body(done, more, outputs):
                following = iterator.get_next_as_optional()
                more = following.has_value()
                outputs = tf.cond(more, lambda: add_up(outputs, from_data(following.get_value(), *arguments)), lambda: outputs)
                return done + 1, more, outputs

            return tf.while_loop(lambda done, more, _: (done < steps) & more, body, (1, True, outputs))[2]

        if not self.model.run_eagerly:
            from_data = tf.function(from_data, autograph=False, reduce_retracing=True)
            from_iterator = tf.function(from_iterator, autograph=False, reduce_retracing=True)

        def function(iterator, *arguments):
            # TensorFlow's distributed iterators give no Optional that a loop in a graph can take: theirs is a loop in Python.
            if isinstance(iterator, tf.data.Iterator) or (steps == 1 and isinstance(iterator, tf.distribute.DistributedIterator)):
                return from_iterator(iterator, *arguments)
            outputs = [from_data(self._local_batch(data), *arguments) for data in _up_to(steps, iterator)]
            return functools.reduce(add_up, outputs)

        return function

    def _accumulating(self, step, gradients_of):
        """function(iterator, seed, stop): an update out of gradient_accumulation_steps batches, or out of what is left of them."""
        strategy = self.strategy
        micro_batches = self.model.gradient_accumulation_steps
        with strategy.scope():
            # ON_READ: each replica adds up its own part.
            sums = [
                tf.Variable(
                    tf.zeros(shape, tf.float32),
                    trainable=False,
                    synchronization=tf.VariableSynchronization.ON_READ,
                    aggregation=tf.VariableAggregation.SUM,
                )
                for shape in [*[variable.shape for variable in self.model.trainable_variables], [len(TOTALS)]]
            ]

        def of_those_with_gradient():
            return [total for total, has in zip(sums, [*step.has_gradient, True], strict=True) if has]

        def accumulate(data, counts, seed, micro_batch):
            gradients, totals = gradients_of(data, counts, self._fold(seed, micro_batch))
            for total, part in zip(of_those_with_gradient(), [*gradients, totals], strict=True):
                total.assign_add(tf.cast(part, tf.float32))

        def update(stop):
            values = [total.read_value() for total in of_those_with_gradient()]
            outputs = step.update(values[:-1], values[-1], stop)
            with tf.control_dependencies(tf.nest.flatten(outputs)):
                for total in of_those_with_gradient():
                    total.assign(tf.zeros_like(total))
            return outputs

        def counts_of(data):
            return self._first(strategy.run(lambda data: step.all_sum(step.counts(data)), args=(_parts(data),)))

        def run_accumulate(data, *arguments):
            strategy.run(accumulate, args=(_parts(data), *arguments))

        def run_update(stop):
            return self._first(strategy.run(update, args=(stop,)))

        if not self.model.run_eagerly:
            counts_of, run_accumulate, run_update = [
                tf.function(part, autograph=False, reduce_retracing=True) for part in (counts_of, run_accumulate, run_update)
            ]

        def one_update(iterator, seed, stop):
            batches = [self._local_batch(data) for data in _up_to(micro_batches, iterator)]
            counts = tf.add_n([counts_of(batch) for batch in batches])
            for number, batch in enumerate(batches):
                run_accumulate(batch, counts, seed, tf.constant(number))
            return run_update(stop)

        def function(iterator, seed, stop):
            outputs = one_update(iterator, seed, stop)
            with contextlib.suppress(StopIteration, tf.errors.OutOfRangeError):
                for _ in range(self.model.steps_per_execution // micro_batches - 1):
                    outputs = _add_up(outputs, one_update(iterator, seed, stop))
            return outputs

        return function

    def _local_batch(self, data):
        """A batch of train_on_batch and its like, in memory, given out to the replicas."""
        strategy = self.strategy
        if any(isinstance(part, (tf.distribute.DistributedValues, tf.data.experimental.Optional)) for part in tree.flatten(data)):
            return data
        data = tree.map_structure(lambda part: None if part is None else tf.convert_to_tensor(part), data)
        replicas = strategy.num_replicas_in_sync
        if replicas == 1:
            return data

        def of_replica(part):
            def rows(context):
                replica = context.replica_id_in_sync_group
                return part[len(part) * replica // replicas : len(part) * (replica + 1) // replicas]

            return None if part is None else strategy.experimental_distribute_values_from_function(rows)

        return tree.map_structure(of_replica, data)

    def evaluate(self):
        """Returns: function of an iterator -> metrics of steps_per_execution batches."""
        step = self.model.replica_step(self.loss)
        evaluate = _compiled(step.evaluate) if self.model.jit_compile and step.replicas == 1 else step.evaluate
        return self._looped(evaluate)

    def predict(self):
        """Returns: function of a list of batches -> outputs of all their rows, in order; on every worker."""
        strategy = self.strategy

        def run(data):
            outputs = strategy.run(self.model.predict_step, args=(data,))
            if is_multi_worker(strategy):
                return tree.map_structure(lambda output: strategy.gather(output, axis=0), outputs)
            return tree.map_structure(lambda output: tf.concat(strategy.experimental_local_results(output), axis=0), outputs)

        if not self.model.run_eagerly:
            run = tf.function(run, autograph=False, reduce_retracing=True)

        def real_rows(batch, outputs):
            if not is_tpu(strategy):
                return outputs
            # Short batches were filled up: see distribution.shard.
            masks = strategy.experimental_local_results(keras.utils.unpack_x_y_sample_weight(batch)[0][features.ATTENTION_MASK])
            real = tf.reduce_max(tf.concat(masks, axis=0), axis=1) > 0
            return tree.map_structure(lambda output: tf.boolean_mask(output, real), outputs)

        def predict_function(batches):
            batches = [self._local_batch(batch) for batch in batches]
            outputs = [real_rows(batch, run(batch)) for batch in batches]
            return tree.map_structure(lambda *parts: tf.concat(parts, axis=0), *outputs)

        return predict_function


def _compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


def _parts(data):
    """(x, y, sample_weight) of what a dataset gives; TensorFlow's Optional stands where Keras has None."""
    data = tree.map_structure(lambda part: None if isinstance(part, tf.experimental.Optional) else part, data)
    return keras.utils.unpack_x_y_sample_weight(data)


def _add_up(before, outputs):
    """Metrics and report of two steps: metrics run on by themselves."""
    return outputs[0], add_reports(before[1], outputs[1])


def _up_to(number, iterator):
    """Up to `number` batches. Raises: what the iterator raises at its end, where there is none."""
    batches = [next(iterator)]
    with contextlib.suppress(StopIteration, tf.errors.OutOfRangeError):
        while len(batches) < number:
            batches.append(next(iterator))
    return batches
