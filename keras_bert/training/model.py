"""TrainingModel: keras.Model whose fit, evaluate and predict give one result under every strategy."""

import contextlib
import functools
import random

import keras
import tensorflow as tf
from keras import tree

from keras_bert.training import keras_internals
from keras_bert.training.averaging import averaged_weights
from keras_bert.training.class_weights import check_classes
from keras_bert.training.distribution import is_chief, is_multi_worker, is_tpu, untuned_devices
from keras_bert.training.fit_data import Data, batches_of_an_epoch, given_out, global_batches, split_arrays, with_callback
from keras_bert.training.global_loss import GlobalLoss
from keras_bert.training.guards import StopOnNonFinite, check_batches
from keras_bert.training.prediction import predict_batches
from keras_bert.training.step import ReplicaStep
from keras_bert.training.step_functions import StepFunctions


@functools.cache
def _functional(cls):
    """The class of TrainingModel(inputs, outputs). Keras would make Functional a base of TrainingModel itself, of every task then."""
    x = keras.Input([1])
    if issubclass(cls, type(keras.Model(x, x))):
        return cls
    return type(cls.__name__, (cls, type(keras.Model(x, x))), {"__doc__": cls.__doc__, "__module__": cls.__module__})


def _loop(method):
    """A method of TrainingModel that loops over data."""

    @functools.wraps(method)
    def loop(self, *args, **kwargs):
        with untuned_devices(), self.attempt():
            return method(self, *args, **kwargs)

    return loop


class TrainingModel(keras.Model):
    """A Keras model with a training step of its own; compile, fit, evaluate and predict are Keras's otherwise.

    Where Keras 3 raises (MultiWorkerMirroredStrategy; gradient accumulation under MirroredStrategy) or answers by how a
    batch happens to be shared, this does neither: losses and metrics are of the global batch, see global_loss.
    Make it inside `strategy.scope()`. Batch sizes are global.
    """

    # Whether batches may end in rows of no real token, which count in no loss, metric or report.
    has_blank_rows = False

    def __new__(cls, *args, **kwargs):
        inputs = tree.flatten(args[0] if args else kwargs.get("inputs"))
        made_of_tensors = bool(inputs) and all(isinstance(x, keras.KerasTensor) for x in inputs)
        return super().__new__(_functional(cls) if made_of_tensors else cls)

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
        self._global_loss = None
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
            keras_internals.adopt(each, self.distribute_strategy)
        self.clip_norm = inner.global_clipnorm
        if self.clip_norm is not None:
            keras_internals.leave_clipping(inner)
        if self.distribute_strategy.num_replicas_in_sync > 1:
            keras_internals.leave_sum_over_replicas(inner)

    def get_compile_config(self):
        config = super().get_compile_config()
        return config and {**config, **self._own_compile_config}

    def get_metrics_result(self):
        results = {}
        for name, result in super().get_metrics_result().items():
            # The values of a metric that has several stand beside the others, as Keras's fit and evaluate give them.
            results |= result if isinstance(result, dict) else {name: result}
        return results if self._global_loss is None else self._global_loss.exact_total(results)

    _global_loss = None  # of a compiled model that has begun to train or evaluate
    update_calls = 0  # calls of the step that came through, each of steps_per_execution updates

    # The functions that Keras's loops call.

    def make_train_function(self, force=False):
        if self.train_function is not None and not force:
            return
        self._global_loss = GlobalLoss(self)
        update = StepFunctions(self, self._global_loss).update()

        def counted(iterator):
            outputs = update(iterator)
            self.update_calls += 1
            return outputs

        self._update_function = counted

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

    def make_test_function(self, force=False):
        if self.test_function is None or force:
            self._global_loss = GlobalLoss(self)
            self.test_function = StepFunctions(self, self._global_loss).evaluate()

    def make_predict_function(self, force=False):
        if self.predict_function is not None and not force:
            return
        if self._shares_batches or is_multi_worker(self.distribute_strategy):
            self.predict_function = StepFunctions(self).predict()
        else:
            super().make_predict_function(force)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would take a batch from the iterator and average it over replicas, which fails with several workers.
        if iterator is not None:
            dataset = keras_internals.dataset_of(iterator)
            data_batch = getattr(dataset, "global_batch_spec", None) or dataset.element_spec
        self._build_from_spec(data_batch)

    def _build_from_spec(self, spec):
        spec = tree.map_structure(lambda part: part if hasattr(part, "shape") and hasattr(part, "dtype") else None, spec)
        with self.distribute_strategy.scope():
            keras_internals.build_from_specs(self, spec)

    # What a subclass that readies data of its own may give.

    def attempt(self):
        """Entered around fit, evaluate and predict, to take back what a call that fails has decided. Returns: context manager."""
        return contextlib.nullcontext()

    def before_training(self):
        """Entered where data is readied or evaluated only to train afterwards. Returns: context manager."""
        return contextlib.nullcontext()

    def ready(self, data, *, labelled=True, shuffle=False, max_tokens_per_batch=None):
        """Data as users hand it in -> what Keras takes.

        Args:
            data: Data.
            labelled: targets are wanted.
            shuffle: give examples in random order.
            max_tokens_per_batch: in place of a batch size, where the model batches by itself.
        Returns: Data; those of x as Keras takes them pass through.
        Raises: ValueError naming what does not fit.
        """
        if max_tokens_per_batch is not None:
            raise ValueError(f"max_tokens_per_batch={max_tokens_per_batch}: a {type(self).__name__} takes batches as they are")
        return data

    def split_off(self, data, share):
        """Keep the last share of the rows for validation. Returns: Data to train with, Data to validate with; or None: Keras does it."""
        if not self._shares_batches:
            return None
        arrays = split_arrays((data.x, data.y, data.sample_weight), share)
        return Data(*arrays[0], data.batch_size), Data(*arrays[1], data.batch_size)

    def replica_step(self, loss):
        """The step that each replica runs. Args: loss: GlobalLoss. Returns: step.ReplicaStep."""
        return ReplicaStep(self, loss)

    def class_weights(self, class_weight):
        """Weights of classes by id, as Keras takes them. Args: class_weight: as users write them. Returns: dict of id -> float."""
        return class_weight

    def prepare_fit(self, count):
        """Called when the data of a fit is ready. Args: count: function -> batches of an epoch, epochs."""

    def batches_itself(self, x):
        """Whether x is data of single examples that `ready` makes batches of."""
        return False

    def predict_raw(self, x, batch_size, verbose, steps, callbacks, max_tokens_per_batch):
        """Predict what the model itself reads. Args: as predict. Returns: arrays; or None where x is for Keras's loop."""
        return None

    # Keras's loops, under any strategy.

    @_loop
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
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        max_tokens_per_batch=None,
    ):
        """keras.Model.fit, and a task's also takes raw text; see keras_bert.preprocessing for its forms.

        Texts are batched with others of like length, so that little is padding (data.batch_by_length), unless all batches
        have one length (pad_to_multiple_of=None).

        Args:
            as keras.Model.fit; batch sizes are global. A tf.data.Dataset is not shuffled (call its shuffle); an unbatched one of raw text
                is batched. class_weight may name labels.
            max_tokens_per_batch: in place of batch_size, for raw text: slots of a batch at most, rows times its longest row. Long
                texts then come in batches of few, short ones of many, and each update is the mean of its batch. Not where all
                batches have one length.
        Returns: keras.callbacks.History; an optimizer with use_ema leaves its averages as the weights.
        Raises: FloatingPointError naming the step where the loss is no number; ValueError before step 1 where the data does not
            fit the model, naming what does not, as a budget beside batch_size, or of less than max_length.
        """
        self.step_seed = random.getrandbits(31)
        data, validation = Data(x, y, sample_weight, batch_size), None
        if validation_split and (parts := self.split_off(data, validation_split)) is not None:
            (data, validation), validation_split = parts, 0.0
        elif validation_data is not None:
            is_tuple = isinstance(validation_data, (tuple, list)) and len(validation_data) in (2, 3)
            validation = Data(*validation_data) if is_tuple else Data(validation_data)
        budget, class_weight = max_tokens_per_batch, self.class_weights(class_weight)
        with self.before_training():
            data = self.ready(data, shuffle=shuffle, max_tokens_per_batch=budget)
            if validation is not None:
                budget = None if validation_batch_size else budget
                validation = self._ready_validation(validation, validation_batch_size or batch_size, budget)
        if class_weight is not None:
            check_classes(data)
        self.prepare_fit(lambda: (steps_per_epoch or batches_of_an_epoch(data, validation_split), epochs - initial_epoch))
        if self.optimizer is not None and not self.optimizer.built and self.built:
            # Otherwise its variables are made inside the first step, which TensorFlow then traces twice.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        if self._shares_batches:
            data = Data(global_batches(data, self.distribute_strategy, shuffle=shuffle, class_weight=class_weight))
            class_weight = None
        x = self._shard(check_batches(data.x, self))
        history = super().fit(
            x,
            data.y,
            batch_size=data.batch_size,
            epochs=epochs,
            verbose=self._verbosity(verbose),
            callbacks=with_callback(callbacks, StopOnNonFinite()),
            validation_split=validation_split,
            validation_data=None if validation is None else validation.as_validation(),
            shuffle=shuffle and not isinstance(x, tf.data.Dataset) and not self._shares_batches,  # Keras warns of a dataset
            class_weight=class_weight,
            sample_weight=data.sample_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=None if validation is None else validation.batch_size,
            validation_freq=validation_freq,
        )
        if self.optimizer.built:
            with self.distribute_strategy.scope():  # Keras does it outside, where it reaches the weights of the first replica alone
                self.optimizer.finalize_variable_values(self.trainable_variables)
        return history

    def _ready_validation(self, data, batch_size, budget):
        by_itself = self.batches_itself(data.x)
        batch_size = batch_size if by_itself or not isinstance(data.x, tf.data.Dataset) else None
        data = self.ready(data._replace(batch_size=batch_size), max_tokens_per_batch=budget if by_itself else None)
        return self._shared(data)

    def _shared(self, data):
        """Data for evaluation or prediction, given out to the replicas. Args, Returns: Data."""
        if self._shares_batches:
            data = Data(global_batches(data, self.distribute_strategy))
        return data._replace(x=self._shard(data.x))

    @_loop
    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, max_tokens_per_batch=None, **kwargs):
        """keras.Model.evaluate, and a task's also takes raw text. During fit or Trainer, an optimizer's averages are evaluated.

        Args: as keras.Model.evaluate; max_tokens_per_batch: see fit.
        """
        data = Data(x, y, sample_weight, batch_size)
        if keras_internals.is_validation_of_fit(kwargs):
            with averaged_weights(self):
                return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, sample_weight=sample_weight, **kwargs)
        data = self._shared(self.ready(data, max_tokens_per_batch=max_tokens_per_batch))
        options = {"batch_size": data.batch_size, "verbose": self._verbosity(verbose), "sample_weight": data.sample_weight}
        return super().evaluate(data.x, data.y, **options, **kwargs)

    @_loop
    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, max_tokens_per_batch=None):
        """keras.Model.predict, and a task's also takes raw text; every worker gets all rows, in the order given.

        Texts in memory are batched with others of like length, unless all batches have one length. Where batches of a dataset give
        outputs of different lengths, the shorter ones are filled up with zeros; callbacks are told of each batch.

        Args: as keras.Model.predict; max_tokens_per_batch: see fit. With it, an unbatched dataset is read into memory.
        """
        verbose = self._verbosity(verbose)
        outputs = self.predict_raw(x, batch_size, verbose, steps, callbacks, max_tokens_per_batch)
        if outputs is not None:
            return outputs
        data = self.ready(Data(x, batch_size=batch_size), labelled=False, max_tokens_per_batch=max_tokens_per_batch)
        data = self._shared(data)
        if isinstance(data.x, (tf.data.Dataset, tf.distribute.DistributedDataset)):
            return predict_batches(self, data.x, steps=steps, verbose=verbose, callbacks=callbacks)
        return super().predict(data.x, batch_size=data.batch_size, verbose=verbose, steps=steps, callbacks=callbacks)

    def _verbosity(self, verbose):
        return 0 if verbose == "auto" and not is_chief(self.distribute_strategy) else verbose

    @property
    def _shares_batches(self):
        strategy = self.distribute_strategy
        return strategy.num_replicas_in_sync > 1 or is_tpu(strategy)

    def _shard(self, x):
        return given_out(x, self.distribute_strategy, shared=self._shares_batches)
