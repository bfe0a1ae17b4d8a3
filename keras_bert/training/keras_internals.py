"""What of Keras and TensorFlow is private, and used all the same: here and nowhere else.

Another release may change any of it. The range of Keras in setup.cfg therefore ends at the newest minor release that passed, and
tests/training/test_keras_internals.py, which has a test for each part, names what a new release lacks.

Two rooms below may not import this one. layers/onednn.py asks TensorFlow whether it runs by oneDNN, and checkpoints/model_garden.py
reads the message in which TensorFlow writes the objects of a checkpoint.
"""

import functools
from typing import NamedTuple

import keras

# Methods of ours that Keras calls.


class Override(NamedTuple):
    """A method of Keras's that a class of ours overrides, so that it must keep its name and its place.

    Args: owner: Keras's class. name: the method. parameters: names of its parameters. contract: when Keras calls it, and with what.
    """

    owner: type
    name: str
    parameters: tuple
    contract: str


OVERRIDES = (
    Override(
        keras.Model,
        "_maybe_symbolic_build",
        ("iterator", "data_batch"),
        "fit and evaluate call it before their loops, with an iterator whose data dataset_of gives; train_on_batch and test_on_batch "
        "call it with a batch",
    ),
    Override(
        keras.Model,
        "make_train_function",
        ("force",),
        "fit and train_on_batch call it; train_function then takes an iterator of batches and gives the metrics by name",
    ),
    Override(
        keras.Model,
        "make_test_function",
        ("force",),
        "evaluate and test_on_batch call it; test_function then takes an iterator of batches and gives the metrics by name",
    ),
    Override(
        keras.Model,
        "make_predict_function",
        ("force",),
        "predict and predict_on_batch call it; predict_function then takes a list of steps_per_execution batches or fewer",
    ),
    Override(
        keras.optimizers.Optimizer,
        "update_step",
        ("gradient", "variable", "learning_rate"),
        "apply calls it for each gradient; on TensorFlow with TensorFlow's variable, under a strategy once a device with that device's",
    ),
    Override(
        keras.optimizers.Optimizer,
        "_apply_weight_decay",
        ("variables",),
        "apply calls it once, before the updates; nothing else decays weights",
    ),
    Override(
        keras.optimizers.Optimizer,
        "_backend_update_step",
        ("grads", "trainable_variables", "learning_rate"),
        "apply calls it once, with the variables that have a gradient; it calls update_step for each",
    ),
    Override(
        keras.optimizers.Optimizer,
        "_update_model_variables_moving_average",
        ("trainable_variables",),
        "apply calls it after the updates, with use_ema; nothing else changes the averages",
    ),
    Override(
        keras.optimizers.Optimizer,
        "_overwrite_model_variables_with_average_value",
        ("trainable_variables",),
        "apply calls it at each ema_overwrite_frequency-th update, and finalize_variable_values, with all variables",
    ),
)


# Models.


def all_layers(model):
    """The model, its layers, and the layers inside of those. Returns: list of keras.layers.Layer."""
    return model._flatten_layers()


def build_from_specs(model, specs):
    """Make the variables of a compiled model's metrics, losses and optimizer without running a batch.

    Args: specs: (x, y, sample_weight) or less, nested; of each array anything with a shape and a dtype.
    """
    model._symbolic_build(data_batch=specs)


def dataset_of(iterator):
    """What Keras's loop runs over. Args: iterator: as _maybe_symbolic_build gets it. Returns: tf.data.Dataset, or a distributed one."""
    return iterator.data_adapter.get_tf_dataset()


def is_validation_of_fit(keywords):
    """Whether it is fit that calls evaluate, with validation data that it has prepared. Args: keywords: dict, of evaluate."""
    return bool(keywords.get("_use_cached_eval_dataset"))


def set_mask(output, mask):
    """Have metrics leave out some rows of an output. Args: output: tensor [batch, ...]. mask: bool [batch], False where left out."""
    output._keras_mask = mask


def forget_metrics(model):
    """Have the next compile begin without metrics: where it names none, Keras keeps those of the compile before."""
    model._compile_metrics = None


# Losses.


def losses_of(model):
    """The losses that a model was compiled with, once they are built.

    Returns: list of (path, loss, weight, tracker), or None where it was compiled without a loss. path: keys that lead to the loss's
        output in y_pred and to its labels in y. weight: float, or None. tracker: keras.metrics.Mean that shows it, or None of one loss.
    """
    compiled = model._compile_loss
    if compiled is None:
        return None
    trackers = compiled.metrics or [None]
    return [(path, loss, weight, own) for (path, loss, weight, _), own in zip(compiled._flat_losses, trackers, strict=True)]


def loss_tracker(model):
    """The keras.metrics.Mean that a compiled model shows as "loss"."""
    return model._loss_tracker


def add_to_mean(mean, total, count):
    """Add a sum and its denominator to a keras.metrics.Mean, whose update_state would want their quotient: 0 / 0 for no rows."""
    mean.total.assign_add(keras.ops.cast(total, mean.total.dtype))
    mean.count.assign_add(keras.ops.cast(count, mean.count.dtype))


# Optimizers.


def adopt(optimizer, strategy):
    """Have an optimizer that was made outside a strategy's scope, and is not built yet, train under the strategy.

    Its own variables, such as `iterations`, are made again inside: as one variable every replica would count it up.
    """
    if optimizer._distribution_strategy is strategy or optimizer.built:
        return
    optimizer._distribution_strategy = strategy
    inner = getattr(optimizer, "inner_optimizer", None)  # whose variables are adopted with itself
    others = set() if inner is None else {id(variable) for variable in inner.variables}
    with strategy.scope():
        for variable in optimizer.variables:
            if id(variable) not in others:
                variable._initialize(variable.numpy())


def leave_clipping(optimizer):
    """Have an optimizer apply gradients as they come; its configuration still names the norm."""
    optimizer._clip_gradients = list


def leave_sum_over_replicas(optimizer):
    """Have an optimizer take gradients for sums over all replicas, in place of summing them."""
    optimizer._all_reduce_sum_gradients = list


def index_of(optimizer, variable):
    """The place of a variable among those that the optimizer was built with. Args: variable: Keras's, or as update_step gets it."""
    return optimizer._get_variable_index(variable)


def variables_of(optimizer):
    """The variables that an optimizer was built with. Returns: list of keras.Variable."""
    return optimizer._trainable_variables


def moments_of(optimizer, index):
    """Adam's m and v of the variable with an index. Returns: two keras.Variable."""
    return optimizer._momentums[index], optimizer._velocities[index]


def averages_of(optimizer):
    """The averages of an optimizer with use_ema, once it is built. Returns: list of keras.Variable, one a variable of variables_of."""
    return optimizer._model_variables_moving_average


def decays(optimizer, variable):
    """Whether optimizer.exclude_from_weight_decay leaves a variable its weight decay."""
    return optimizer._use_weight_decay(variable)


# TensorFlow.


def set_cardinality(distributed, count):
    """Have Keras show a number of steps for a distributed dataset. Args: distributed: tf.distribute.DistributedDataset. count: int."""
    distributed._cardinality = count


def change_device_datasets(changed):
    """Have every tf.data.Dataset that buffers batches for a device, in iterators made from now on, be another one.

    Args: changed: function: such a dataset -> the one that takes its place.
    Returns: bool, False where this TensorFlow has no such function to change.
    """
    from tensorflow.python.data.ops import multi_device_iterator_ops as module

    create = getattr(module, "_create_device_dataset", None)
    if create is None:
        return False

    @functools.wraps(create)
    def create_device_dataset(*arguments, **keywords):
        return changed(create(*arguments, **keywords))

    module._create_device_dataset = create_device_dataset
    return True


def inner_graphs(graph):
    """The graphs of the functions that a function's graph calls, such as branches of tf.cond. Returns: list of tf.Graph."""
    return [function.graph for function in graph._functions.values() if hasattr(function, "graph")]


def forget_gradients():
    """Let go of the gradients that tf.custom_gradient registered for the graph that is being traced, once those of the graph are taken.

    TensorFlow keeps them by name while the process lives, and each holds its graph: every fit would leave its whole step behind.
    """
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    if context.executing_eagerly():
        return
    for operation in ops.get_default_graph().get_operations():
        if operation.type == "IdentityN":
            name = operation.node_def.attr["_gradient_op_type"].s.decode()
            if name.startswith("CustomGradient-"):
                ops.gradient_registry._registry.pop(name, None)


def parsed_trace(data):
    """What the profiler wrote. Args: data: bytes of an .xplane.pb file. Returns: XSpace."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    return xplane_pb2.XSpace.FromString(data)
