"""What this project knows of Keras and TensorFlow that neither documents. A failure here names what another release does differently."""

import ast
import functools
import gc
import inspect
import sys
import textwrap
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import tree

import keras_bert
from keras_bert import layers, metrics, models, training
from keras_bert.training import keras_internals
from keras_bert.training.distribution import is_multi_worker

X, Y = np.array([[1.0], [2.0], [3.0], [4.0]], "float32"), np.ones((4, 1), "float32")
# The rooms below training, which may not import it.
PLACES_OF_THEIR_OWN = ("keras_internals.py", "onednn.py", "model_garden.py", "weights.py")  # checkpoints may not import training


@pytest.fixture
def mirrored():
    """A strategy whose one replica is run, and whose variables are made, as those of several are."""
    return tf.distribute.MirroredStrategy(["/cpu:0"])


# All of it is in the one file.


def test_nothing_else_touches_what_keras_and_tensorflow_keep_private(root):
    theirs = {name for each in (*keras_objects().values(), tf.Graph(), tf.distribute.get_strategy()) for name in dir(each)}
    own, taken = {"_replace", "_fields", "_exit"}, []  # of a NamedTuple, of os
    for path in [path for top in ("keras_bert", "export") for path in (root / top).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            own.update(names_given_by(node))
            if path.name not in PLACES_OF_THEIR_OWN:
                taken += [(f"{path}:{node.lineno}", *each) for each in private_names_taken_by(node)]
    assert not [(place, name) for place, name, of_self in taken if name not in own or (name in theirs and not of_self)]


def test_no_class_of_ours_shares_a_private_name_with_keras_unawares():
    public = [getattr(home, name) for home in (keras_bert, layers, metrics, models, training) for name in home.__all__]
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("keras_bert.")]
    found = set()
    for cls in {each for each in [*public, *(value for module in modules for value in vars(module).values())] if inspect.isclass(each)}:
        theirs = {name for kind, each in keras_objects().items() if issubclass(cls, kind) for name in dir(each)}
        if theirs and cls.__module__.startswith("keras_bert."):
            for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
                own = [*names_given_by(node), *(name for name, of_self in private_names_taken_by(node) if of_self)]
                found.update(name for name in own if name in theirs and name.startswith("_") and not name.startswith("__"))
    assert found == {override.name for override in keras_internals.OVERRIDES if override.name.startswith("_")}


def names_given_by(node):
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif (
        isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and getattr(node.value, "id", "") in ("self", "model", "_scope")
    ):
        yield node.attr
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id


def private_names_taken_by(node):
    """(name, whether it is taken of self, or by super()): attributes, and modules of Keras and TensorFlow."""
    if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
        owner = getattr(node.value, "func", node.value)
        yield node.attr, getattr(owner, "id", "") in ("self", "cls", "super")
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    modules += [node.module] if isinstance(node, ast.ImportFrom) else []
    public = ("tensorflow", "keras", "tensorflow.core.protobuf")  # messages of files, which have no other name
    yield from ((name, False) for name in modules if name.split(".")[0] in public and name not in public)


@functools.cache
def keras_objects():
    """One of each kind, used, with all the attributes that it gets: class -> object."""
    model = keras.Sequential([keras.Input([1]), dense := keras.layers.Dense(1)])
    model.compile(optimizer := keras.optimizers.AdamW(use_ema=True), "mse", metrics=["mae"], run_eagerly=True)
    model.train_on_batch(X, Y)
    return {keras.Model: model, keras.layers.Layer: dense, keras.optimizers.Optimizer: optimizer, keras.metrics.Metric: model.metrics[0]}


# Methods of ours that Keras calls.


@pytest.mark.parametrize("override", keras_internals.OVERRIDES, ids=lambda override: override.name)
def test_an_overridden_method_takes_what_keras_gives(override):
    ours = {keras.Model: training.TrainingModel, keras.optimizers.Optimizer: training.AdamW}[override.owner]
    for cls in (override.owner, ours):
        parameters = inspect.signature(getattr(cls, override.name)).parameters
        assert tuple(parameters) == ("self", *override.parameters), cls
    assert getattr(ours, override.name) is not getattr(override.owner, override.name)


def recording(cls, names, calls):
    """A subclass that appends (name, arguments) to `calls` and goes on."""

    def method(name):
        def record(self, *arguments, **keywords):
            parameters = inspect.signature(getattr(cls, name)).bind(self, *arguments, **keywords).arguments
            calls.append((name, {key: value for key, value in parameters.items() if key != "self"}))
            return getattr(cls, name)(self, *arguments, **keywords)

        return record

    return type("Recording", (cls,), {name: method(name) for name in names})


class Looped(keras.Model):
    """Its loops' functions are its own; `calls` holds what Keras gave them."""

    def __init__(self):
        super().__init__()
        self.built = True
        self.calls = {"train": [], "test": [], "predict": [], "build": []}
        self.compile(loss="mse", steps_per_execution=2)

        def step(name, taken, outputs):
            def function(data):
                self.calls[name].append(taken(data))
                return outputs

            return function

        def batches(iterator):
            return [batch for batch in (next(iterator, None) for _ in range(2)) if batch is not None]

        self.steps = step("train", batches, {"loss": 0.25}), step("test", batches, {"loss": 0.5}), step("predict", list, tf.ones([2, 1]))

    def make_train_function(self, force=False):
        self.train_function = self.steps[0]

    def make_test_function(self, force=False):
        self.test_function = self.steps[1]

    def make_predict_function(self, force=False):
        self.predict_function = self.steps[2]

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        self.calls["build"].append((iterator, data_batch))


def rows_of(calls):
    """What a step was given: for each call the rows of x of each batch."""
    return [[np.ravel(tree.flatten(batch)[0]).tolist() for batch in call] for call in calls]


def test_keras_runs_its_loops_by_the_functions_that_the_model_makes():
    model = Looped()
    model.fit(X, Y, batch_size=2, shuffle=False, verbose=0)
    model.evaluate(X, Y, batch_size=2, verbose=0)
    model.predict(X, batch_size=1, verbose=0)
    assert rows_of(model.calls["train"]) == rows_of(model.calls["test"]) == [[[1.0, 2.0], [3.0, 4.0]]]
    assert rows_of(model.calls["predict"]) == [[[1.0], [2.0]], [[3.0], [4.0]]]


def test_keras_has_the_model_built_once_before_a_loop():
    model = Looped()
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(3)
    for loop in (functools.partial(model.fit, shuffle=False), model.evaluate):
        loop(dataset, verbose=0)
        ((iterator, batch),) = model.calls["build"]
        assert batch is None
        assert keras_internals.dataset_of(iterator).element_spec == dataset.element_spec
        model.calls["build"].clear()
    for on_batch in (model.train_on_batch, model.test_on_batch):
        on_batch(X, Y)
        ((iterator, batch),) = model.calls["build"]
        assert iterator is None and batch[0] is X and batch[1] is Y and batch[2] is None
        model.calls["build"].clear()


def test_what_a_distributed_loop_runs_over_is_the_dataset_it_was_given(mirrored):
    with mirrored.scope():
        model = Looped()
    distributed = mirrored.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((X, Y)).batch(2))
    model.evaluate(distributed, verbose=0)
    assert keras_internals.dataset_of(model.calls["build"][0][0]) is distributed


def optimizer_variables(*values):
    return [keras.Variable(value, name=f"variable_{index}", dtype="float32") for index, value in enumerate(values)]


def test_keras_applies_gradients_by_the_methods_that_ours_overrides():
    names, calls = [each.name for each in keras_internals.OVERRIDES if each.owner is keras.optimizers.Optimizer], []
    optimizer = recording(keras.optimizers.AdamW, names, calls)(0.1, use_ema=True, ema_overwrite_frequency=2)
    used, unused, last = variables = optimizer_variables(1.0, 2.0, 3.0)
    optimizer.build(variables)
    for _ in range(2):
        optimizer.apply([tf.constant(1.0), tf.constant(1.0)], [used, last])
    optimizer.finalize_variable_values(variables)
    step = ["_apply_weight_decay", "_backend_update_step", "update_step", "update_step", "_update_model_variables_moving_average"]
    overwrite = "_overwrite_model_variables_with_average_value"
    assert [name for name, _ in calls] == [*step, *step, overwrite, overwrite]

    of_step = dict(calls[: len(step)])
    assert [float(variable) for variable in of_step["_apply_weight_decay"]["variables"]] == [float(used), float(last)]
    assert len(of_step["_backend_update_step"]["grads"]) == len(of_step["_backend_update_step"]["trainable_variables"]) == 2
    assert of_step["update_step"]["variable"] is last.value  # TensorFlow's
    for name in ("_update_model_variables_moving_average", overwrite):
        assert dict(calls)[name]["trainable_variables"] == [used, unused, last]


def test_weights_decay_and_averages_move_by_these_methods_alone():
    class Still(keras.optimizers.AdamW):
        def _apply_weight_decay(self, variables):
            pass

        def _update_model_variables_moving_average(self, trainable_variables):
            pass

    optimizer, (variable,) = Still(0.1, weight_decay=0.5, use_ema=True), optimizer_variables(2.0)
    optimizer.apply([tf.constant(0.0)], [variable])
    assert (float(variable), float(keras_internals.averages_of(optimizer)[0])) == (2.0, 0.0)


# Models.


class Outer(keras.layers.Layer):
    """A layer with a layer inside."""

    def __init__(self):
        super().__init__()
        self.inner = keras.layers.Dense(1)

    def call(self, x):
        return self.inner(x)


def test_all_layers_finds_those_inside_of_layers():
    outer = Outer()
    model = keras.Sequential([keras.Input([1]), outer])
    found = keras_internals.all_layers(keras.Sequential([model]))
    assert outer.inner in found and outer in found and model in found


def two_losses(**options):
    """A compiled model of outputs "double" and "triple", x times a variable of 2 and of 3."""
    x = keras.Input([1])
    outputs = {
        name: keras.layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(factor), name=name)(x)
        for name, factor in (("double", 2.0), ("triple", 3.0))
    }
    model = keras.Model(x, outputs)
    model.compile("adam", {"double": "mse", "triple": "mae"}, loss_weights={"double": 0.5, "triple": 4.0}, run_eagerly=True, **options)
    return model


def test_a_model_is_built_from_the_shapes_of_its_data():
    model = two_losses(metrics={"double": ["mae"]})
    column = tf.TensorSpec([None, 1], tf.float32)
    assert not model.optimizer.built
    keras_internals.build_from_specs(model, (column, {"double": column, "triple": column}, None))
    assert model.optimizer.built
    assert len(keras_internals.losses_of(model)) == 2
    # A sum and a count each: of the loss, of its two terms and of a metric. No batch was run.
    assert [float(variable) for variable in model.metrics_variables] == [0.0] * 8


def test_losses_are_those_whose_sum_keras_trains_with():
    model = two_losses()
    targets = {"double": Y, "triple": Y}
    logs = model.test_on_batch(X, targets, return_dict=True)
    outputs, total = model(X), 0.0
    for path, loss, weight, tracker in keras_internals.losses_of(model):
        (name,) = path
        value = float(loss(targets[name], outputs[name]))
        assert value == pytest.approx({"double": np.mean((2 * X - Y) ** 2), "triple": np.mean(np.abs(3 * X - Y))}[name])
        assert logs[tracker.name] == float(tracker.result()) == pytest.approx(value)
        total += weight * value
    assert logs["loss"] == float(keras_internals.loss_tracker(model).result()) == pytest.approx(total)


def test_one_loss_has_no_tracker_of_its_own_and_none_is_none():
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", run_eagerly=True)
    assert keras_internals.losses_of(model) is None
    model.compile("sgd", keras.losses.MeanSquaredError(reduction="sum"), run_eagerly=True)
    model.test_on_batch(X, Y)
    ((path, loss, weight, tracker),) = keras_internals.losses_of(model)
    assert (tuple(path), loss.reduction, weight, tracker) == ((), "sum", None, None)


def test_a_loss_without_reduction_gives_the_loss_of_each_row():
    loss = keras.losses.MeanSquaredError()
    loss.reduction = None
    np.testing.assert_allclose(loss(Y, X, sample_weight=np.array([1.0, 1.0, 0.0, 2.0])), [0.0, 1.0, 0.0, 18.0])


def test_a_mean_is_its_sum_through_its_denominator():
    by_values, by_parts = keras.metrics.Mean(), keras.metrics.Mean()
    by_values.update_state([1.0, 2.0, 3.0])
    keras_internals.add_to_mean(by_parts, 6.0, 3)
    for mean in (by_values, by_parts):
        mean.update_state(6.0)
        assert float(mean.result()) == 3.0
    empty = keras.metrics.Mean()
    keras_internals.add_to_mean(empty, 0.0, 0)
    assert float(empty.result()) == 0.0


def test_metrics_leave_out_masked_rows():
    metric = keras.metrics.MeanSquaredError()

    @tf.function
    def update(y_pred):
        y_pred = tf.identity(y_pred)
        keras_internals.set_mask(y_pred, tf.constant([True, True, False, False]))
        metric.update_state(Y, y_pred)

    update(X)
    assert float(metric.result()) == 0.5  # of 0 and 1; 4 and 9 are left out


def test_fit_says_so_where_it_evaluates():
    calls = []
    model = recording(keras.Sequential, ["evaluate"], calls)([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(X, Y, validation_data=(X, Y), verbose=0)
    model.evaluate(X, Y, verbose=0)
    assert [keras_internals.is_validation_of_fit(given.get("kwargs", {})) for _, given in calls] == [True, False]


def test_keras_keeps_metrics_from_compile_to_compile_unless_they_are_forgotten():
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    model.compile("sgd", "mse")
    before = len(model.metrics)
    keras_internals.forget_metrics(model)
    model.compile("sgd", "mse")
    assert (before, [metric.name for metric in model.metrics]) == (2, ["loss"])


# Optimizers.


@pytest.mark.parametrize("left", [False, True])
def test_an_optimizer_clips_unless_that_is_left_to_the_step(left):
    optimizer, (variable,) = keras.optimizers.SGD(1.0, global_clipnorm=2.0), optimizer_variables(10.0)
    if left:
        keras_internals.leave_clipping(optimizer)
    optimizer.apply([tf.constant(5.0)], [variable])
    assert float(variable) == pytest.approx(10.0 - (5.0 if left else 2.0))
    assert optimizer.get_config()["global_clipnorm"] == 2.0


@pytest.mark.parametrize("left", [False, True])
def test_an_optimizer_sums_over_replicas_unless_that_is_left_to_the_step(left, mirrored, monkeypatch):
    sums, all_reduce = [], tf.distribute.ReplicaContext.all_reduce

    def spy(self, operation, values, options=None):
        sums.append(operation)
        return all_reduce(self, operation, values, options)

    monkeypatch.setattr(tf.distribute.ReplicaContext, "all_reduce", spy)
    with mirrored.scope():
        optimizer, (variable,) = keras.optimizers.SGD(1.0), optimizer_variables(10.0)
    if left:
        keras_internals.leave_sum_over_replicas(optimizer)
    mirrored.run(lambda: optimizer.apply([tf.constant(3.0)], [variable]))
    assert float(variable.numpy()) == 7.0
    assert sums == ([] if left else [tf.distribute.ReduceOp.SUM])


def is_distributed(variable):
    return isinstance(variable.value, tf.distribute.DistributedValues)


def test_an_optimizer_made_outside_a_strategy_is_taken_into_it(mirrored):
    optimizer = keras.optimizers.Adam(0.25)
    optimizer.iterations.assign(3)
    keras_internals.adopt(optimizer, mirrored)
    assert all(map(is_distributed, optimizer.variables)) and len(optimizer.variables) == 2
    assert (int(optimizer.iterations.numpy()), float(optimizer.learning_rate.numpy())) == (3, 0.25)
    with mirrored.scope():
        (variable,) = optimizer_variables(10.0)
        optimizer.build([variable])
    mirrored.run(lambda: optimizer.apply([tf.constant(3.0)], [variable]))
    assert all(map(is_distributed, optimizer.variables)) and int(optimizer.iterations.numpy()) == 4


def test_a_wrapped_optimizer_is_taken_in_by_itself_and_a_built_one_left_alone(mirrored):
    inner = keras.optimizers.SGD(0.25)
    outer = keras.optimizers.LossScaleOptimizer(inner)
    keras_internals.adopt(outer, mirrored)
    assert list(map(is_distributed, outer.variables)) == [True, True, False, False]
    keras_internals.adopt(inner, mirrored)
    assert all(map(is_distributed, outer.variables))

    built = keras.optimizers.SGD(0.25)
    built.build(optimizer_variables(1.0))
    keras_internals.adopt(built, mirrored)
    assert not any(map(is_distributed, built.variables))


def test_an_optimizer_knows_the_variables_it_was_built_with(mirrored):
    seen = []

    class Seeing(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            seen.append((type(variable), keras_internals.index_of(self, variable)))

    with mirrored.scope():
        optimizer, variables = Seeing(1.0), optimizer_variables(1.0, 2.0, 3.0)
        optimizer.build(variables)
    assert list(keras_internals.variables_of(optimizer)) == variables
    assert [keras_internals.index_of(optimizer, variable) for variable in variables] == [0, 1, 2]
    mirrored.run(lambda: optimizer.apply([tf.constant(0.0)] * 2, variables[1:]))
    assert [index for _, index in seen] == [1, 2]
    assert not any(issubclass(kind, tf.distribute.DistributedValues) for kind, _ in seen)  # each is of one device


def test_adam_s_moments_stand_by_the_index_of_their_variable():
    optimizer = keras.optimizers.AdamW(0.1, beta_1=0.75, beta_2=0.5)
    variables = optimizer_variables(1.0, 2.0)
    optimizer.apply([tf.constant(4.0), tf.constant(8.0)], variables)
    for index, (m, v) in enumerate([(1.0, 8.0), (2.0, 32.0)]):  # (1 - beta) * gradient, (1 - beta) * gradient ** 2
        assert [float(moment) for moment in keras_internals.moments_of(optimizer, index)] == [m, v]


def test_averages_are_what_finalize_variable_values_puts_in_place():
    optimizer, variables = keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.75), optimizer_variables(4.0, 8.0)
    for _ in range(2):
        optimizer.apply([tf.constant(1.0), tf.constant(2.0)], variables)
    averages = [float(average) for average in keras_internals.averages_of(optimizer)]
    assert averages == [0.75 * 3.0 + 0.25 * 2.0, 0.75 * 6.0 + 0.25 * 4.0]  # the first update's value begins it
    optimizer.finalize_variable_values(variables)
    assert [float(variable) for variable in variables] == averages


def test_what_is_excluded_from_weight_decay_does_not_decay():
    optimizer = keras.optimizers.AdamW(0.1)
    kernel, bias = keras.Variable(1.0, name="kernel"), keras.Variable(1.0, name="bias")
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build([kernel, bias])
    assert [keras_internals.decays(optimizer, variable) for variable in (kernel, bias, kernel.value)] == [True, False, True]


# TensorFlow.


def test_keras_shows_the_number_of_steps_that_a_distributed_dataset_was_told(mirrored):
    with mirrored.scope():
        model = Looped()
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(2).repeat()
    distributed = mirrored.distribute_datasets_from_function(lambda context: dataset.take(2))
    keras_internals.set_cardinality(distributed, 7)
    told = []
    model.evaluate(distributed, verbose=0, callbacks=[Steps(told)])
    assert told == [7]


class Steps(keras.callbacks.Callback):
    def __init__(self, told):
        super().__init__()
        self.told = told

    def on_test_begin(self, logs=None):
        self.told.append(self.params["steps"])


def test_a_device_s_buffer_can_be_another_dataset(mirrored, monkeypatch):
    from tensorflow.python.data.ops import multi_device_iterator_ops

    monkeypatch.setattr(multi_device_iterator_ops, "_create_device_dataset", multi_device_iterator_ops._create_device_dataset)
    distributed = mirrored.experimental_distribute_dataset(tf.data.Dataset.range(3))
    assert [int(number) for number in distributed] == [0, 1, 2]
    assert keras_internals.change_device_datasets(lambda dataset: dataset.map(lambda number: number + 10))
    assert [int(number) for number in distributed] == [10, 11, 12]


def test_branches_of_a_condition_are_inner_graphs():
    @tf.function
    def function(x):
        return tf.cond(x > 0, lambda: tf.constant([1.0, 2.0, 3.0]), lambda: tf.constant([4.0, 5.0, 6.0]))

    graph = function.get_concrete_function(tf.TensorSpec([])).graph
    constants = [
        tf.make_ndarray(operation.get_attr("value")).tolist()
        for inner in keras_internals.inner_graphs(graph)
        for operation in inner.get_operations()
        if operation.type == "Const"
    ]
    assert [1.0, 2.0, 3.0] in constants and [4.0, 5.0, 6.0] in constants


def test_a_graph_whose_gradients_are_forgotten_is_let_go():
    @tf.custom_gradient
    def doubled(x):
        return 2 * x, lambda slope: 2 * slope

    def graph_of_one(forget):
        @tf.function
        def function(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = doubled(x)
            slope = tape.gradient(y, x)
            if forget:
                keras_internals.forget_gradients()
            return slope

        assert function(tf.constant(3.0)).numpy() == function(tf.constant(4.0)).numpy() == 2.0
        return weakref.ref(function.get_concrete_function(tf.TensorSpec([])).graph)

    kept, forgotten = graph_of_one(False), graph_of_one(True)
    gc.collect()
    assert kept() is not None  # else TensorFlow does it by itself, and forget_gradients may go
    assert forgotten() is None


def test_a_trace_is_an_xspace():
    # By hand, as protocol buffers write it: XSpace.planes is field 1, XPlane.name field 2.
    trace = keras_internals.parsed_trace(b"\x0a\x06\x12\x04/cpu")
    assert [plane.name for plane in trace.planes] == ["/cpu"]


def test_one_worker_alone_is_no_multi_worker_training(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    assert not is_multi_worker(strategy) and not is_multi_worker(tf.distribute.get_strategy())
