"""The outside oracle: the same training written out in full, on one device, with nothing of keras_bert.training.

Only the network is the project's. Loss, clipping, schedule and google-research's AdamW follow their papers in NumPy's float64:

    loss = sum(weight * -log p(target)) / sum(weight)      over the whole batch; for next-sentence, a mean over its rows
    m = 0.9 m + 0.1 g;  v = 0.999 v + 0.001 g^2;  w = w - rate * (m / (sqrt(v) + 1e-6) + 0.01 w), biases and LayerNorm without the last
"""

import numpy as np
import tensorflow as tf


def train_by_hand(network, data, *, optimizer, learning_rate, clip_norm, ema_momentum, total_steps, warmup_steps):
    """Train a network over all batches of a dataset once. Returns: its weights, in order; their averages where there is a momentum."""
    all_values = [variable.numpy() for variable in network.trainable_variables]
    # The pooler has no part in masked language modelling.
    learnt = [index for index, gradient in enumerate(_gradients(network, *next(iter(data)))) if gradient is not None]
    variables = [network.trainable_variables[index] for index in learnt]

    @tf.function(reduce_retracing=True)
    def gradients_of(x, y, weight):
        return [gradient for gradient in _gradients(network, x, y, weight) if gradient is not None]

    values = [variable.numpy().astype("float64") for variable in variables]
    m, v, averages = [0.0] * len(values), [0.0] * len(values), values
    for step, (x, y, weight) in enumerate(data):
        gradients = [gradient.numpy().astype("float64") for gradient in gradients_of(x, y, weight)]
        if clip_norm is not None:
            norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
            gradients = [gradient * min(1.0, clip_norm / norm) for gradient in gradients]
        if optimizer == "sgd":
            values = [value - learning_rate * gradient for value, gradient in zip(values, gradients, strict=True)]
        else:
            left = (total_steps - step) / (total_steps - warmup_steps)
            rate = learning_rate * (step / warmup_steps if step < warmup_steps else left)
            m = [0.9 * old + 0.1 * gradient for old, gradient in zip(m, gradients, strict=True)]
            v = [0.999 * old + 0.001 * gradient**2 for old, gradient in zip(v, gradients, strict=True)]
            decays = [0.0 if variable.path.split("/")[-1] in ("bias", "gamma", "beta") else 0.01 for variable in variables]
            steps = [a / (np.sqrt(b) + 1e-6) + decay * w for a, b, decay, w in zip(m, v, decays, values, strict=True)]
            values = [value - rate * step for value, step in zip(values, steps, strict=True)]
        if ema_momentum is not None:  # the average begins at the first update's weights
            kept = ema_momentum if step else 0.0
            averages = [kept * average + (1 - kept) * value for average, value in zip(averages, values, strict=True)]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value.astype("float32"))
    for index, value in zip(learnt, values if ema_momentum is None else averages, strict=True):
        all_values[index] = value.astype("float32")
    return all_values


def _gradients(network, x, y, weight):
    with tf.GradientTape() as tape:
        outputs = network(x, training=True)
        if isinstance(outputs, dict):
            loss = _mean_over_targets(outputs["mlm_logits"], y["mlm_logits"], weight["mlm_logits"])
            loss += _mean_over_targets(outputs["nsp_logits"], y["nsp_logits"], weight["nsp_logits"])
        else:
            loss = _mean_over_targets(outputs, y, weight)
    gradients = tape.gradient(loss, [variable.value for variable in network.trainable_variables])
    return [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients]


def _mean_over_targets(logits, targets, weight):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    return tf.reduce_sum(weight * losses) / tf.reduce_sum(weight)
