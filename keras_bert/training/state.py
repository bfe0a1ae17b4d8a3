"""A model's variables and its optimizer's by name, to the arrays of a checkpoint and back."""


def weights_of(model):
    """Returns: dict of str -> keras.Variable, those of the metrics left out. The same program gives the same names again."""
    return _named("model", model, {id(state) for metric in model.metrics for state in metric.variables})


def state_of(model):
    """weights_of and the variables of the optimizer, which is built if it is not yet. Args: model: compiled keras.Model."""
    if not model.optimizer.built:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
    return {**weights_of(model), **_named("optimizer", model.optimizer, set())}


def arrays_of(variables):
    """Returns: list of (name, shape, dtype, function that gives the array), as CheckpointStore.save takes it."""
    return [(name, tuple(variable.shape), str(variable.dtype), variable.numpy) for name, variable in variables.items()]


def assign_arrays(variables, arrays):
    """Give variables the values of a checkpoint.

    Args: variables: dict, as weights_of or state_of gives it. arrays: mapping of name -> NumPy array.
    Raises: ValueError where the two have not the same names and shapes.
    """
    odd = sorted(set(arrays) ^ set(variables))
    if odd:
        raise ValueError(
            f"the checkpoint is of another model or optimizer: {len(arrays)} variables for {len(variables)}; only one has "
            f"{', '.join(odd[:3])}; give another output_dir"
        )
    for name, variable in variables.items():
        array = arrays[name]
        if tuple(array.shape) != tuple(variable.shape):
            raise ValueError(f"the checkpoint is of another model: {name} has shape {tuple(array.shape)}, not {tuple(variable.shape)}")
        variable.assign(array)


def _named(prefix, owner, skipped):
    variables = [variable for variable in owner.variables if id(variable) not in skipped]
    return {f"{prefix}/{index:04d}/{variable.path}": variable for index, variable in enumerate(variables)}
