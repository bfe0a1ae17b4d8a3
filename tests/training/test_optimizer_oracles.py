"""AdamW and LAMB beside tf-models-official's, and beside their formulas in NumPy's float64."""

import contextlib

import keras
import numpy as np
import pytest

from keras_bert.training import AdamW, Lamb

RATE, DECAY, EPSILON, BETA_1, BETA_2 = 1e-3, 0.1, 1e-6, 0.9, 0.999
STEPS = 10
EXCLUDED = ("bias", "gamma", "beta")
# "head" starts at 0, as a fresh bias: LAMB's ratio is then 1.
STARTS = {"kernel": (4, 3), "bias": (3,), "gamma": (3,), "beta": (3,), "word": (5, 4), "head": (2, 2)}


@pytest.fixture(scope="module")
def garden():
    """official.nlp.optimization."""
    from official.nlp import optimization

    return optimization


@pytest.fixture(scope="module")
def starts():
    random = np.random.default_rng(0)
    return {name: random.normal(scale=0.5, size=shape).astype("float32") * (name != "head") for name, shape in STARTS.items()}


@pytest.fixture(scope="module")
def gradients():
    random = np.random.default_rng(1)
    return [{name: random.normal(size=shape).astype("float32") for name, shape in STARTS.items()} for _ in range(STEPS)]


def train(optimizer, starts, gradients):
    """Step our optimizer through. Returns: dict of values."""
    weights = {name: keras.Variable(start, name=name) for name, start in starts.items()}
    for step in gradients:
        optimizer.apply([step[name] for name in weights], list(weights.values()))
    return {name: weight.numpy() for name, weight in weights.items()}


def train_garden(optimizer, starts, gradients):
    import tensorflow as tf

    weights = {name: tf.Variable(start, name=name) for name, start in starts.items()}
    for step in gradients:
        optimizer.apply_gradients([(tf.constant(step[name]), weight) for name, weight in weights.items()])
    return {name: weight.numpy() for name, weight in weights.items()}


def assert_close(ours, theirs):
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-6, err_msg=name)


def test_adamw_is_model_gardens(garden, starts, gradients):
    theirs = garden.AdamWeightDecay(RATE, epsilon=EPSILON, weight_decay_rate=DECAY, exclude_from_weight_decay=list(EXCLUDED))
    ours = AdamW(RATE, epsilon=EPSILON, weight_decay=DECAY, global_clipnorm=1.0)  # theirs clips to 1.0 unasked
    assert_close(train(ours, starts, gradients), train_garden(theirs, starts, gradients))


@pytest.mark.parametrize("unadapted", [None, ("word", "gamma")])
def test_lamb_is_model_gardens(garden, starts, gradients, unadapted):
    theirs = garden.LAMB(
        RATE, weight_decay_rate=DECAY, exclude_from_weight_decay=list(EXCLUDED), exclude_from_layer_adaptation=unadapted and list(unadapted)
    )
    ours = Lamb(RATE, weight_decay=DECAY, exclude_from_layer_adaptation=unadapted)
    assert_close(train(ours, starts, gradients), train_garden(theirs, starts, gradients))


def numpy_steps(start, gradients, *, rate=RATE, decay=DECAY, lamb=False):
    """google-research/bert optimization.py AdamWeightDecayOptimizer, google-research/albert lamb_optimizer.py: no correction."""
    value, m, v = np.array(start, "float64"), 0.0, 0.0
    for gradient in gradients:
        gradient = gradient.astype("float64")
        m = BETA_1 * m + (1 - BETA_1) * gradient
        v = BETA_2 * v + (1 - BETA_2) * gradient**2
        update = m / (np.sqrt(v) + EPSILON) + decay * value
        ratio = 1.0
        if lamb and value.any():
            ratio = np.linalg.norm(value) / np.linalg.norm(update)
        value = value - rate * ratio * update
    return value


@pytest.mark.parametrize("kind", [AdamW, Lamb])
def test_without_bias_correction_it_is_google_researchs_formula(kind, starts, gradients):
    ours = train(kind(RATE, weight_decay=DECAY, bias_correction=False), starts, gradients)
    expected = {
        name: numpy_steps(
            start,
            [step[name] for step in gradients],
            decay=0.0 if name in EXCLUDED else DECAY,
            lamb=kind is Lamb and name not in EXCLUDED,
        )
        for name, start in starts.items()
    }
    assert_close(ours, expected)


def variable_at(path, start):
    """A keras.Variable whose path is that, as "layer_0/output/kernel"."""
    *scopes, name = path.split("/")
    with contextlib.ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(keras.name_scope(scope))
        return keras.Variable(start, name=name)


# Of two layers at a decay of a half, ELECTRA's 0.5 ** (2 + 2 - depth); BERT's pooler takes depth 3, which is empty there.
# "output" is multiplied by 3 besides, and "classifier" by 10.
FACTORS = {
    "embeddings/word": 1 / 16,
    "layer_0/output/kernel": 3 / 8,
    "layer_1/attention/qkv/kernel": 1 / 4,
    "layer_1/output/kernel": 3 / 4,
    "pooler/dense/kernel": 1 / 2,
    "classifier/kernel": 10.0,
}


@pytest.mark.parametrize("kind", [AdamW, Lamb])
def test_layer_decay_and_multipliers_are_a_run_stepped_by_hand(kind):
    random = np.random.default_rng(2)
    starts = random.normal(scale=0.5, size=(len(FACTORS), 3, 2)).astype("float32")
    gradients = random.normal(size=(STEPS, len(FACTORS), 3, 2)).astype("float32")
    weights = [variable_at(path, start) for path, start in zip(FACTORS, starts, strict=True)]
    # With the classifier's factor RATE again, where float32's 1 - 0.999 costs under 1e-6.
    rate = RATE / 10
    factors = {"layer_decay": 0.5, "learning_rate_multipliers": {"classifier": 10.0, "output": 3.0}}
    optimizer = kind(rate, weight_decay=DECAY, bias_correction=False, **factors)
    for step in gradients:
        optimizer.apply(list(step), weights)
    for index, (path, factor) in enumerate(FACTORS.items()):
        expected = numpy_steps(starts[index], gradients[:, index], rate=rate * factor, lamb=kind is Lamb)
        np.testing.assert_allclose(weights[index].numpy(), expected, rtol=0, atol=1e-6, err_msg=path)
