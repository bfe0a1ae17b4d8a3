"""TrainingModel: keras.Model whose fit, evaluate and predict give one result under every strategy."""

import contextlib
import functools
import random

import keras
import tensorflow as tf
from keras import tree

from keras_bert import features
from keras_bert.training.averaging import averaged_weights
from keras_bert.training.distribution import is_chief, is_multi_worker, is_tpu, shard
from keras_bert.training.global_loss import GlobalLoss
from keras_bert.training.guards import StopOnNonFinite, check_batches
from keras_bert.training.step import TOTALS, ReplicaStep, add_reports


class TrainingModel(keras.Model):
    """A Keras model with a training step of its own; compile, fit, evaluate and predict are Keras's otherwise.

    Where Keras 3 raises (MultiWorkerMirroredStrategy; gradient accumulation under MirroredStrategy) or answers by how a
    batch happens to be shared, this does neither: losses and metrics are of the global batch, see global_loss.
    Make it inside `strategy.scope()`. Batch sizes are global.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.gradient_accumulation_steps = 1
        self.adversarial_epsilon = None
        self.clip_norm = None
        # Of the dropout masks, with the number of updates done. Python's random: keras.utils.set_random_seed seeds it.
        self.step_seed = random.getrandbits(31)
        self.stop_requested = False  # by a signal, for instance: every worker reads it in the report of the next step
        self._update_function = None

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        *,
        gradient_accumulation_steps=1,
        adversarial_epsilon=None,
        steps_per_execution=1,
        jit_compile="auto",
        **kwargs,
    ):
        """keras.Model.compile, and

        Args:
            gradient_accumulation_steps: batches of the data that make one update. The last update of an epoch takes what is left.
                The optimizer's iterations, and so its schedule, count updates.
            adversarial_epsilon: length of the shift of each text's word embeddings (Miyato et al. 2017, "FGM"), for a second
                forward and backward whose loss is added; None leaves it. 1.0 is usual for BERT; a step takes twice as long.
            steps_per_execution: updates that one call of the step makes.
            jit_compile: compile the step with XLA. "auto": on a GPU, where batches have one static length; not on a CPU,
                where the whole step is slower under XLA than as a graph, nor on TPU, which compiles all there is anyway.
            others: those of keras.Model.compile. Metrics made outside the strategy's scope are made again inside.
        Raises: ValueError naming the value that does not fit.
        """
        for name, value in (("gradient_accumulation_steps", gradient_accumulation_steps), ("steps_per_execution", steps_per_execution)):
            if int(value) != value or value < 1:
                raise ValueError(f"{name}={value!r} is not a whole number from 1")
        if adversarial_epsilon is not None and not adversarial_epsilon > 0:
            raise ValueError(f"adversarial_epsilon={adversarial_epsilon!r} is neither positive nor None")
        if getattr(optimizer, "gradient_accumulation_steps", None):
            raise ValueError(
                f"the optimizer has gradient_accumulation_steps={optimizer.gradient_accumulation_steps}; give it to compile instead, "
                "which accumulates under every strategy and divides by the targets of all its batches"
            )
        strategy = self.distribute_strategy
        self.gradient_accumulation_steps = int(gradient_accumulation_steps)
        self.adversarial_epsilon = adversarial_epsilon
        self._own_compile_config = {
            "gradient_accumulation_steps": gradient_accumulation_steps,
            "adversarial_epsilon": adversarial_epsilon,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        if jit_compile == "auto":
            jit_compile = self._has_static_length() and bool(tf.config.list_logical_devices("GPU")) and not is_tpu(strategy)
        with strategy.scope():
            for name in ("metrics", "weighted_metrics"):
                if kwargs.get(name) is not None:
                    kwargs[name] = tree.map_structure(self._in_scope, kwargs[name])
            super().compile(
                optimizer=optimizer,
                loss=loss,
                # Keras's word for the batches that a call takes.
                steps_per_execution=int(steps_per_execution) * self.gradient_accumulation_steps,
                jit_compile=jit_compile,
                **kwargs,
            )
        if self.optimizer is not None:
            self._take_over(self.optimizer)

    def _in_scope(self, metric):
        """A metric made outside the strategy's scope, made again inside: its counts would be this process's alone."""
        is_metric = isinstance(metric, keras.metrics.Metric) and metric.variables
        if not is_metric or self.distribute_strategy.num_replicas_in_sync == 1:
            return metric
        if isinstance(metric.variables[0].value, tf.distribute.DistributedValues):
            return metric
        return type(metric).from_config(metric.get_config())

    def _has_static_length(self):
        return False

    def _take_over(self, optimizer):
        """Clipping and the sum over replicas belong to the step: Keras would clip each replica's part, and sum a second time."""
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        for each in {id(optimizer): optimizer, id(inner): inner}.values():
            if each._distribution_strategy is not self.distribute_strategy and not each.built:
                each._distribution_strategy = self.distribute_strategy
                with self.distribute_strategy.scope():  # made outside it, `iterations` would be one variable, which every replica counts up
                    for variable in each._variables:
                        variable._initialize(variable.numpy())
        self.clip_norm = inner.global_clipnorm
        if self.clip_norm is not None:
            inner._clip_gradients = list
        if self.distribute_strategy.num_replicas_in_sync > 1:
            inner._all_reduce_sum_gradients = list

    def get_compile_config(self):
        config = super().get_compile_config()
        return config and {**config, **self._own_compile_config}

    def get_metrics_result(self):
        results = super().get_metrics_result()
        return results if self._global_loss is None else self._global_loss.exact_total(results)

    _global_loss = None  # of a compiled model that has begun to train or evaluate

    # The functions that Keras's loops call.

    def make_train_function(self, force=False):
        if self.train_function is not None and not force:
            return
        self._update_function = self._make_update_function()

        def train_function(iterator):
            return self._update_function(iterator)[0]

        self.train_function = train_function

    def make_update_function(self, batch_spec):
        """The step, for a loop of one's own.

        Args: batch_spec: element_spec of the dataset of global batches.
        Returns: callable: iterator of the (distributed) dataset -> (metrics, report) of steps_per_execution updates; see
            ReplicaStep.update. It raises StopIteration or tf.errors.OutOfRangeError where the data ends.
        """
        self._build_from_spec(batch_spec)
        self.make_train_function(force=True)
        return self._update_function

    def _make_update_function(self):
        self._global_loss = GlobalLoss(self)
        step = ReplicaStep(self, self._global_loss)
        jit, single = self.jit_compile, step.replicas == 1
        # XLA takes no communication between the devices of one process: with several replicas it gets what lies between.
        gradients_of = _compiled(step.gradients) if jit and not (single and self.gradient_accumulation_steps == 1) else step.gradients

        def whole(data, seed, stop):
            counts = step.all_sum(step.counts(data))
            return step.update(*gradients_of(data, counts, self._fold(seed, 0)), stop)

        if self.gradient_accumulation_steps == 1:
            whole = _compiled(whole) if jit and single else whole
            run = self.distribute_strategy.run
            function = self._looped(lambda *arguments: self._first(run(whole, args=arguments)), _add_up)
        else:
            function = self._accumulating(step, gradients_of)
        return lambda iterator: function(iterator, tf.constant(self.step_seed, tf.int32), tf.constant(float(self.stop_requested)))

    def _fold(self, seed, micro_batch):
        """int32 [2]: another one for each run, update, replica and micro-batch."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        folded = tf.stack([seed, 0])
        for number in (self.optimizer.iterations, replica, micro_batch):
            folded = tf.random.experimental.stateless_fold_in(folded, tf.cast(number, tf.int32))
        return folded

    def _first(self, outputs):
        """What every replica answers alike, once."""
        return tree.map_structure(lambda value: self.distribute_strategy.experimental_local_results(value)[0], outputs)

    def _looped(self, one_step, add_up=lambda before, outputs: outputs):
        """one_step(data, *arguments) -> function(iterator, *arguments) of steps_per_execution steps. add_up: of the outputs of two."""
        steps = self.steps_per_execution

        def from_data(data, *arguments):
            return one_step(_parts(data), *arguments)

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

        if not self.run_eagerly:
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
        strategy = self.distribute_strategy
        micro_batches = self.gradient_accumulation_steps
        with strategy.scope():
            # ON_READ: each replica adds up its own part.
            sums = [
                tf.Variable(
                    tf.zeros(shape, tf.float32),
                    trainable=False,
                    synchronization=tf.VariableSynchronization.ON_READ,
                    aggregation=tf.VariableAggregation.SUM,
                )
                for shape in [*[variable.shape for variable in self.trainable_variables], [len(TOTALS)]]
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

        if not self.run_eagerly:
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
                for _ in range(self.steps_per_execution // micro_batches - 1):
                    outputs = _add_up(outputs, one_update(iterator, seed, stop))
            return outputs

        return function

    def _local_batch(self, data):
        """A batch of train_on_batch and its like, in memory, given out to the replicas."""
        strategy = self.distribute_strategy
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

    def make_test_function(self, force=False):
        if self.test_function is not None and not force:
            return
        self._global_loss = GlobalLoss(self)
        step = ReplicaStep(self, self._global_loss)
        evaluate = _compiled(step.evaluate) if self.jit_compile and step.replicas == 1 else step.evaluate
        self.test_function = self._looped(lambda data: self._first(self.distribute_strategy.run(evaluate, args=(data,))))

    def make_predict_function(self, force=False):
        if self.predict_function is not None and not force:
            return
        strategy = self.distribute_strategy
        if strategy.num_replicas_in_sync == 1 and not is_multi_worker(strategy) and not is_tpu(strategy):
            super().make_predict_function(force)
            return

        def run(data):
            outputs = strategy.run(self.predict_step, args=(data,))
            if is_multi_worker(strategy):
                return tree.map_structure(lambda output: strategy.gather(output, axis=0), outputs)
            return tree.map_structure(lambda output: tf.concat(strategy.experimental_local_results(output), axis=0), outputs)

        if not self.run_eagerly:
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

        self.predict_function = predict_function

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would take a batch from the iterator and average it over replicas, which fails with several workers.
        if iterator is not None:
            dataset = iterator.data_adapter.get_tf_dataset()
            data_batch = getattr(dataset, "global_batch_spec", None) or dataset.element_spec
        self._build_from_spec(data_batch)

    def _build_from_spec(self, spec):
        spec = tree.map_structure(lambda part: part if hasattr(part, "shape") and hasattr(part, "dtype") else None, spec)
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=spec)

    # Keras's loops, under any strategy.

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        validation_batch_size=None,
        **kwargs,
    ):
        """keras.Model.fit.

        Args: as keras.Model.fit; batch sizes are global.
        Returns: keras.callbacks.History; an optimizer with use_ema leaves its averages as the weights.
        Raises: FloatingPointError naming the step where the loss is no number; ValueError before step 1 where the data does not
            fit the model.
        """
        self.step_seed = random.getrandbits(31)
        if self._shares_batches:
            if validation_split:
                (x, y, sample_weight), validation_data = _split_off((x, y, sample_weight), validation_split)
                validation_split = 0.0
            x = self._global_batches(x, y, sample_weight, batch_size, shuffle=shuffle, class_weight=class_weight)
            y = sample_weight = class_weight = None
            if validation_data is not None:
                parts = validation_data if isinstance(validation_data, tuple) else (validation_data,)
                validation_data = self._shard(self._global_batches(*_three(parts), validation_batch_size or batch_size))
        elif isinstance(validation_data, tf.data.Dataset):
            validation_data = self._shard(validation_data)
        x = self._shard(check_batches(x, self))
        if verbose == "auto" and not is_chief(self.distribute_strategy):
            verbose = 0
        history = super().fit(
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=_with(callbacks, StopOnNonFinite()),
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle and not isinstance(x, tf.data.Dataset) and not self._shares_batches,  # Keras warns of a dataset
            class_weight=class_weight,
            sample_weight=sample_weight,
            validation_batch_size=validation_batch_size,
            **kwargs,
        )
        if self.optimizer.built:
            with self.distribute_strategy.scope():  # Keras does it outside, where it reaches the weights of the first replica alone
                self.optimizer.finalize_variable_values(self.trainable_variables)
        return history

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, **kwargs):
        """keras.Model.evaluate. During fit or Trainer, an optimizer with use_ema has its averages evaluated."""
        in_fit = kwargs.get("_use_cached_eval_dataset")
        if not in_fit:
            if self._shares_batches:
                x, y, sample_weight = self._global_batches(x, y, sample_weight, batch_size), None, None
            x = self._shard(x)
            if verbose == "auto" and not is_chief(self.distribute_strategy):
                verbose = 0
            return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, sample_weight=sample_weight, **kwargs)
        with averaged_weights(self):
            return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, sample_weight=sample_weight, **kwargs)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """keras.Model.predict; every worker gets all rows, in the order given."""
        if self._shares_batches:
            x = self._global_batches(x, None, None, batch_size)
        x = self._shard(x)
        if verbose == "auto" and not is_chief(self.distribute_strategy):
            verbose = 0
        return super().predict(x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks)

    @property
    def _shares_batches(self):
        strategy = self.distribute_strategy
        return strategy.num_replicas_in_sync > 1 or is_tpu(strategy)

    def _shard(self, x):
        if not isinstance(x, tf.data.Dataset):
            return x
        if not self._shares_batches:
            return x.with_options(_no_sharding())
        distributed = shard(x, self.distribute_strategy)
        distributed.global_batch_spec = x.element_spec
        return distributed

    def _global_batches(self, x, y, sample_weight, batch_size=None, *, shuffle=False, class_weight=None):
        """What Keras takes, as a tf.data.Dataset of global batches; a distributed dataset is handed on."""
        if isinstance(x, tf.distribute.DistributedDataset):
            return x
        if not isinstance(x, tf.data.Dataset):
            if not all(hasattr(part, "shape") or isinstance(part, list) for part in tree.flatten(x)):
                raise ValueError(
                    f"a {type(x).__name__} cannot be shared between {self.distribute_strategy.num_replicas_in_sync} replicas; "
                    "give arrays or a tf.data.Dataset"
                )
            parts = tuple(part for part in (x, y, sample_weight) if part is not None)
            dataset = tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else x)
            if shuffle:
                dataset = dataset.shuffle(int(dataset.cardinality()), reshuffle_each_iteration=True)
            x = dataset.batch(batch_size or BATCH_SIZE)
        if class_weight is not None:
            weights = tf.constant([class_weight.get(label, 1.0) for label in range(max(class_weight) + 1)], tf.float32)
            x = x.map(lambda x, y: (x, y, tf.gather(weights, y)))
        return x


BATCH_SIZE = 32  # Keras's


def _compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


def _no_sharding():
    # Keras hands every dataset to the strategy, which for one replica would still rewrite it, and warn of what it cannot.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options


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


def _three(parts):
    return (*parts, None, None)[:3]


def _with(callbacks, callback):
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.append(callback)
        return callbacks
    return [*(callbacks if isinstance(callbacks, (list, tuple)) else [] if callbacks is None else [callbacks]), callback]


def _split_off(arrays, share):
    """Keep the last share of the rows for validation, as Keras does. Returns: arrays to train with, arrays to validate with."""
    rows = len(tree.flatten(arrays[0])[0])
    cut = int(rows * (1 - share))

    def part(rows):
        return tree.map_structure(lambda column: None if column is None else column[rows], arrays)

    return part(slice(None, cut)), part(slice(cut, None))
