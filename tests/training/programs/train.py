"""Train by fit, once for each case, and write down what came of it.

    python train.py OUT '{"one": {"strategy": "one_device"}, "two": {"strategy": "mirrored", "batch": 16}}'

writes OUT/one.npz and OUT/two.npz: weights, predictions, and the figures of fit and evaluate. A case is a set of arguments of
`train`; its strategy "by_hand" is the outside oracle. There are two logical CPUs, which "mirrored" takes for two devices.
"""

import json
import os
import sys

import keras
import numpy as np
import tensorflow as tf

if "TF_CONFIG" not in os.environ:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from by_hand import train_by_hand
from toy import dataset, examples, make_model

from keras_bert.layers import islands as layer_islands
from keras_bert.training import create_optimizer, get_strategy
from keras_bert.training.distribution import is_chief

TOTAL_STEPS, WARMUP_STEPS = 40, 5  # of the schedule; 20 are made


def make_optimizer(name, **options):
    learning_rate, clip_norm = options.pop("learning_rate"), options.pop("clip_norm")
    if name == "sgd":
        return keras.optimizers.SGD(learning_rate, global_clipnorm=clip_norm)
    return create_optimizer(
        learning_rate,
        total_steps=TOTAL_STEPS,
        warmup_steps=WARMUP_STEPS,
        clip_norm=clip_norm,
        optimizer=name,
        bias_correction=False,  # as by_hand has it
        **options,
    )


def train(
    strategy,
    *,
    task="masked_lm",
    num_layers=1,
    dropout=0.0,
    dtype=None,
    rows=19 * 32 + 1,
    batch=32,
    accumulate=1,
    steps_per_execution=1,
    adversarial_epsilon=None,
    optimizer="adamw",
    learning_rate=1e-3,
    clip_norm=0.5,
    ema_momentum=None,
    validate=False,
    from_arrays=False,
    islands=False,
    seed=1,
):
    """Train once.

    Args: rows: of the data; the last batch holds what is left. strategy: None: by hand. islands: compile those of small tensors too.
    Returns: dict of arrays.
    """
    layer_islands._pays = lambda features: islands
    keras.utils.set_random_seed(seed)
    data = dataset(task, rows, batch)
    rate = {"learning_rate": learning_rate, "clip_norm": clip_norm, "ema_momentum": ema_momentum}
    if strategy is None:
        model = make_model(task, num_layers=num_layers)
        weights = train_by_hand(model.network, data, optimizer=optimizer, **rate, total_steps=TOTAL_STEPS, warmup_steps=WARMUP_STEPS)
        return _named("weight", weights)
    with strategy.scope():
        model = make_model(task, num_layers=num_layers, dropout=dropout, dtype=dtype)
    model.compile(
        make_optimizer(optimizer, **rate),
        gradient_accumulation_steps=accumulate,
        steps_per_execution=steps_per_execution,
        adversarial_epsilon=adversarial_epsilon,
    )
    x, *targets = examples(task, rows)
    targets = dict(zip(("y", "sample_weight"), targets, strict=False))
    if from_arrays:
        history = model.fit(x, **targets, batch_size=batch, shuffle=False, verbose=0).history
    else:
        history = model.fit(data, verbose=0, validation_data=data if validate else None).history
    figures = {f"fit_{name}": values[0] for name, values in history.items()} | {"updates": model.optimizer.iterations.numpy()}
    if hasattr(model.optimizer, "dynamic_scale"):
        figures |= {"loss_scale": model.optimizer.dynamic_scale.numpy(), "steps_at_it": model.optimizer.step_counter.numpy()}
    result = _named("weight", [weight.numpy() for weight in model.trainable_variables])
    if validate:
        evaluated = model.evaluate(data, verbose=0, return_dict=True)
        figures |= {f"evaluate_{name}": value for name, value in evaluated.items()}
        predictions = model.predict(x, batch_size=50, verbose=0)  # the last of 9 rows or so
        result |= _named("prediction", predictions.values() if isinstance(predictions, dict) else [predictions])
    return result | {f"figure/{name}": np.float64(value) for name, value in figures.items()}


def _named(kind, arrays):
    return {f"{kind}/{index:03d}": np.asarray(array) for index, array in enumerate(arrays)}


def main():
    out, cases = sys.argv[1], json.loads(sys.argv[2])
    strategies = {"by_hand": None}
    for name, options in cases.items():
        kind = options.pop("strategy")
        if kind not in strategies:
            strategies[kind] = get_strategy(kind)
        result = train(strategies[kind], **options)
        if kind == "by_hand" or is_chief(strategies[kind]):
            np.savez(os.path.join(out, f"{name}.npz"), **result)


if __name__ == "__main__":
    main()
