import keras
import numpy as np
import pytest

from keras_bert.training import AdamW, WarmupLinearDecay, create_optimizer


def rate(schedule, step):
    return float(schedule(step))


def test_schedule_by_hand():
    schedule = WarmupLinearDecay(1.0, 10, warmup_steps=2, end_learning_rate=0.2)
    assert [rate(schedule, step) for step in (0, 1, 2, 6, 10, 99)] == pytest.approx([0.0, 0.5, 1.0, 0.6, 0.2, 0.2])


def test_schedule_without_warm_up_starts_at_the_peak():
    assert rate(WarmupLinearDecay(0.5, 4), 0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"total_steps": 0}, "total_steps=0"),
        ({"total_steps": 5, "warmup_steps": 6}, "warmup_steps=6"),
        ({"total_steps": 5, "warmup_steps": 0.1}, "warmup_steps=0.1"),
        ({"total_steps": 5, "learning_rate": 0}, "learning_rate=0"),
        ({"total_steps": 5, "clip_norm": 0.0}, "clip_norm=0.0"),
    ],
)
def test_values_that_do_not_fit_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        create_optimizer(**arguments)


def test_end_rate_over_the_peak_is_named():
    with pytest.raises(ValueError, match="end_learning_rate=2"):
        WarmupLinearDecay(1.0, 10, end_learning_rate=2)


def test_warm_up_is_a_tenth_unless_given():
    assert create_optimizer(total_steps=200)._learning_rate.warmup_steps == 20
    assert create_optimizer(total_steps=200, warmup_steps=0)._learning_rate.warmup_steps == 0


def numpy_adamw(start, gradients, rate, decay, beta_1=0.9, beta_2=0.999, epsilon=1e-6):
    """Loshchilov & Hutter 2019, algorithm 2, in float64: decay by rate * decay, then Adam with bias correction."""
    value, first, second = np.array(start, "float64"), 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        value = value - rate * decay * value
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        # Keras and TensorFlow put the correction into the rate ("epsilon hat", Kingma & Ba 2015, section 2).
        value = value - rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step) * first / (np.sqrt(second) + epsilon)
    return value


def variables():
    return [keras.Variable(np.full((4, 3), 1.5, "float32"), name=name) for name in ("kernel", "bias", "gamma", "beta", "word")]


def test_adamw_equals_its_formula_and_leaves_biases_and_layer_norms_undecayed():
    random = np.random.default_rng(0)
    gradients = random.normal(size=(10, 4, 3)).astype("float32")
    optimizer = AdamW(0.01, weight_decay=0.1, epsilon=1e-6)
    weights = variables()
    for gradient in gradients:
        optimizer.apply([gradient] * len(weights), weights)
    for weight in weights:
        decay = 0.1 if weight.name in ("kernel", "word") else 0.0
        np.testing.assert_allclose(
            weight.numpy(), numpy_adamw(np.full((4, 3), 1.5), gradients, 0.01, decay), atol=2e-6, err_msg=weight.name
        )


def test_gradients_are_clipped_by_their_common_norm():
    kernel, other = (keras.Variable(np.zeros(2, "float32"), name=name) for name in ("kernel", "word"))
    optimizer = create_optimizer(1.0, total_steps=10, warmup_steps=0, weight_decay=0.0, epsilon=1.0)
    optimizer.apply([np.array([30.0, 0.0], "float32"), np.array([0.0, 40.0], "float32")], [kernel, other])
    # Norm 50 becomes 1: (0.6, 0) and (0, 0.8); one Adam step then moves by sqrt(1 - beta_2) * g / (sqrt((1 - beta_2) g^2) + 1).
    clipped = np.array([0.6, 0.8])
    moved = np.sqrt(0.001) * clipped / (np.sqrt(0.001) * clipped + 1.0)
    assert [-kernel.numpy()[0], -other.numpy()[1]] == pytest.approx(moved, rel=1e-5)


def test_a_reloaded_optimizer_still_excludes():
    config = keras.optimizers.serialize(create_optimizer(0.01, total_steps=10, warmup_steps=0, weight_decay=0.5))
    optimizer = keras.optimizers.deserialize(config)
    kernel, bias = (keras.Variable(np.ones(2, "float32"), name=name) for name in ("kernel", "bias"))
    optimizer.apply([np.zeros(2, "float32")] * 2, [kernel, bias])
    assert kernel.numpy() == pytest.approx(np.full(2, 1 - 0.01 * 0.5))
    assert bias.numpy() == pytest.approx(np.ones(2))


def test_a_sparse_gradient_updates_as_the_dense_one_does():
    import tensorflow as tf

    results = []
    for sparse in (True, False):
        weight = keras.Variable(np.ones((4, 2), "float32"), name="word")
        optimizer = AdamW(0.1, weight_decay=0.0)
        for _ in range(3):
            gradient = tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([1, 1]), tf.constant([4, 2]))
            optimizer.apply([gradient if sparse else tf.convert_to_tensor(gradient)], [weight])
        results.append(weight.numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)
