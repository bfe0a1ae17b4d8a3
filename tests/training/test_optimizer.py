import json
import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

from keras_bert import BertClassifier, BertEncoder
from keras_bert.training import AdamW, Lamb, WarmupCosineDecay, WarmupPolynomialDecay, create_optimizer

KINDS = pytest.mark.parametrize("kind", [AdamW, Lamb])


def variables(*names, value=1.0):
    return [keras.Variable(np.full(2, value, "float32"), name=name) for name in names]


def no_gradients(weights):
    """With them only the weight decay moves a weight: by the rate it has."""
    return [np.zeros(weight.shape, "float32") for weight in weights]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"total_steps": 0}, "total_steps=0"),
        ({"total_steps": 5, "warmup_steps": 6}, "warmup_steps=6"),
        ({"total_steps": 5, "learning_rate": 0}, "learning_rate=0 is not positive"),
        ({"total_steps": 5, "clip_norm": 0.0}, "clip_norm=0.0 is neither positive nor None"),
        ({"total_steps": 5, "epsilon": 0}, "epsilon=0 is not positive"),
        ({"total_steps": 5, "beta_1": 1.0}, r"beta_1=1.0 is not in 0 to 1 \(1 not included\)"),
        ({"total_steps": 5, "beta_2": -0.1}, "beta_2=-0.1 is not in 0 to 1"),
        ({"total_steps": 5, "ema_momentum": 1}, "ema_momentum=1 is not in 0 to 1"),
        ({"total_steps": 5, "weight_decay": -0.01}, "weight_decay=-0.01 is negative"),
        ({"total_steps": 5, "schedule": "square"}, "schedule='square' is not one of linear, polynomial, cosine, constant, inverse_sqrt"),
        ({"total_steps": 5, "optimizer": "adam"}, "optimizer='adam' is not one of adamw, lamb"),
        ({"total_steps": 5, "schedule": "constant", "end_learning_rate": 1e-6}, "end_learning_rate=1e-06: schedule='constant' has none"),
        (
            {"total_steps": 5, "schedule": "inverse_sqrt", "end_learning_rate": 1e-6},
            "end_learning_rate=1e-06: schedule='inverse_sqrt' has none",
        ),
        ({"total_steps": 5, "part_schedules": {"decoder": {"warmup_steps": 6}}}, "warmup_steps=6"),
        ({"total_steps": 5, "power": 2.0}, "power=2.0 is of the polynomial schedule, not of schedule='linear'"),
        ({"total_steps": 5, "layer_decay": 0.0}, "layer_decay=0.0 is neither in 0"),
        ({"total_steps": 5, "layer_decay": 1.1}, "layer_decay=1.1 is neither in 0"),
        ({"total_steps": 5, "learning_rate_multipliers": {"crf": -1}}, r"learning_rate_multipliers\['crf'\]=-1 is not a factor"),
    ],
)
def test_values_that_do_not_fit_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        create_optimizer(**arguments)


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="amsgrad=True"):
        AdamW(0.1, amsgrad=True)


def test_a_multiplier_of_no_variable_is_named_with_the_parts_there_are():
    optimizer = AdamW(0.1, learning_rate_multipliers={"crf": 10.0, "bias": 1.0})
    with pytest.raises(ValueError, match=r"learning_rate_multipliers names 'crf'.*the parts are bias, kernel$"):
        optimizer.build(variables("kernel", "bias"))


def test_layer_decay_without_layers_is_told():
    with pytest.raises(ValueError, match=r"layer_decay=0.9: no variable is of a layer_0"):
        AdamW(0.1, layer_decay=0.9).build(variables("kernel"))


def test_warm_up_is_a_tenth_unless_given():
    assert create_optimizer(total_steps=200)._learning_rate.warmup_steps == 20
    assert create_optimizer(total_steps=200, warmup_steps=0)._learning_rate.warmup_steps == 0


def test_the_schedule_is_the_one_asked_for():
    schedule = create_optimizer(0.1, total_steps=20, schedule="polynomial", power=2.0, end_learning_rate=0.01)._learning_rate
    expected = WarmupPolynomialDecay(0.1, 20, warmup_steps=2, end_learning_rate=0.01, power=2.0)
    assert (type(schedule), schedule.get_config()) == (type(expected), expected.get_config())
    assert type(create_optimizer(0.1, total_steps=20, schedule="cosine")._learning_rate) is WarmupCosineDecay


def test_defaults_are_google_researchs_with_adam_s_bias_correction():
    optimizer = create_optimizer(total_steps=10)
    config = optimizer.get_config()
    assert type(optimizer) is AdamW
    assert {name: config[name] for name in ("weight_decay", "beta_1", "beta_2", "epsilon", "bias_correction", "global_clipnorm")} == {
        "weight_decay": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-6, "bias_correction": True, "global_clipnorm": 1.0,
    }  # fmt: skip


def test_gradients_are_clipped_by_their_common_norm():
    kernel, other = variables("kernel", "word", value=0.0)
    optimizer = create_optimizer(1.0, total_steps=10, warmup_steps=0, weight_decay=0.0, epsilon=1.0, bias_correction=False)
    optimizer.apply([np.array([30.0, 0.0], "float32"), np.array([0.0, 40.0], "float32")], [kernel, other])
    # Norm 50 becomes 1: (0.6, 0) and (0, 0.8); the first step is then 0.1 g / (sqrt(0.001 g^2) + 1).
    clipped = np.array([0.6, 0.8])
    moved = 0.1 * clipped / (np.sqrt(0.001) * clipped + 1.0)
    assert [-kernel.numpy()[0], -other.numpy()[1]] == pytest.approx(moved, rel=1e-4)


def test_factors_meet_the_names_of_a_real_model(tiny_config, tiny_tokenizer):
    network = BertClassifier(BertEncoder(tiny_config), ["a", "b"], tiny_tokenizer)
    before = {variable.path: variable.numpy() for variable in network.trainable_variables}
    optimizer = AdamW(0.1, weight_decay=1.0, layer_decay=0.5, learning_rate_multipliers={"classifier": 3.0})
    optimizer.apply(no_gradients(network.trainable_variables), network.trainable_variables)
    after = {variable.path: variable.numpy() for variable in network.trainable_variables}
    # Two layers: 0.5 ** (2 + 2 - depth).
    for path, factor in {
        "embeddings/word": 1 / 16,
        "layer_0/intermediate/kernel": 1 / 8,
        "layer_1/attention/qkv/kernel": 1 / 4,
        "pooler/dense/kernel": 1 / 2,
        "classifier/kernel": 3.0,
        "layer_1/output_norm/gamma": 0.0,  # does not decay
    }.items():
        np.testing.assert_allclose(after[path], before[path] * (1 - 0.1 * factor), rtol=1e-6, err_msg=path)


def test_a_reloaded_model_keeps_factors_and_exclusions(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="below"), keras.layers.Dense(2, name="crf")])
    model.compile(create_optimizer(0.01, total_steps=10, warmup_steps=0, weight_decay=0.5, learning_rate_multipliers={"crf": 10.0}))
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for variable in again.trainable_variables:
        variable.assign(np.ones(variable.shape))
    again.optimizer.apply(no_gradients(again.trainable_variables), again.trainable_variables)
    values = [float(variable.numpy().flat[0]) for variable in again.trainable_variables]
    assert values == pytest.approx([1 - 0.01 * 0.5, 1.0, 1 - 0.1 * 0.5, 1.0])


@KINDS
def test_a_config_makes_the_same_optimizer(kind):
    options = {
        "weight_decay": 0.2,
        "beta_1": 0.8,
        "beta_2": 0.99,
        "epsilon": 1e-5,
        "bias_correction": False,
        "exclude_from_weight_decay": ["bias"],
        "learning_rate_multipliers": {"crf": 2.0},
        "layer_decay": 0.9,
        "use_ema": True,
        "ema_momentum": 0.5,
    } | ({"exclude_from_layer_adaptation": ["gamma"]} if kind is Lamb else {})
    config = keras.optimizers.deserialize(keras.optimizers.serialize(kind(0.1, **options))).get_config()
    assert {name: config[name] for name in options} == options


def test_two_sides_warm_up_and_learn_each_at_its_own_rate():
    """Where the gradient stays the same, each of Adam's updates is the rate itself."""
    optimizer = create_optimizer(
        0.2, total_steps=100, warmup_steps=4, schedule="inverse_sqrt", weight_decay=0.0, clip_norm=None,
        learning_rate_multipliers={"bias": 0.5}, part_schedules={"decoder": {"learning_rate": 0.8, "warmup_steps": 2}},
    )  # fmt: skip
    again = AdamW.from_config(optimizer.get_config())
    for each in (optimizer, again):
        weights = [keras.Variable(np.zeros(1, "float32"), name=name) for name in ("kernel", "kernel", "bias")]
        for variable, path in zip(weights, ("layer_0/kernel", "decoder/layer_0/kernel", "decoder/layer_0/bias"), strict=True):
            variable._path = path
        moves = []
        for _ in range(6):
            before = [float(weight.numpy()[0]) for weight in weights]
            each.apply([np.ones(1, "float32")] * 3, weights)
            moves.append([start - float(weight.numpy()[0]) for start, weight in zip(before, weights, strict=True)])
        encoder = [0.2 * min(step / 4, (4 / max(step, 1)) ** 0.5) for step in range(6)]
        decoder = [0.8 * min(step / 2, (2 / max(step, 1)) ** 0.5) for step in range(6)]
        expected = [[one, two, two / 2] for one, two in zip(encoder, decoder, strict=True)]
        np.testing.assert_allclose(moves, expected, rtol=1e-4, atol=1e-6)


def test_a_schedule_of_no_variable_is_named_with_the_parts_there_are():
    optimizer = AdamW(0.1, part_schedules={"decoder": 0.1})
    with pytest.raises(ValueError, match=r"part_schedules names 'decoder'.*the parts are bias, kernel$"):
        optimizer.build(variables("kernel", "bias"))


def test_create_optimizer_hands_everything_on():
    optimizer = create_optimizer(
        total_steps=10, optimizer="lamb", layer_decay=0.8, learning_rate_multipliers={"crf": 2.0}, ema_momentum=0.9,
        bias_correction=False, exclude_from_weight_decay=["bias"], weight_decay=0.1, clip_norm=None, beta_1=0.8, beta_2=0.9, epsilon=1e-3,
    )  # fmt: skip
    config = optimizer.get_config()
    assert type(optimizer) is Lamb
    assert [config[name] for name in ("layer_decay", "learning_rate_multipliers", "use_ema", "ema_momentum", "bias_correction")] == [
        0.8, {"crf": 2.0}, True, 0.9, False,
    ]  # fmt: skip
    assert [config[name] for name in ("exclude_from_weight_decay", "weight_decay", "global_clipnorm", "beta_1", "beta_2", "epsilon")] == [
        ["bias"], 0.1, None, 0.8, 0.9, 1e-3,
    ]  # fmt: skip


@KINDS
def test_a_sparse_gradient_updates_as_the_dense_one_does(kind):
    import tensorflow as tf

    results = []
    for sparse in (True, False):
        weight = keras.Variable(np.ones((4, 2), "float32"), name="word")
        optimizer = kind(0.1)
        for _ in range(3):
            gradient = tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([1, 1]), tf.constant([4, 2]))
            optimizer.apply([gradient if sparse else tf.convert_to_tensor(gradient)], [weight])
        results.append(weight.numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)
    assert abs(results[0][1] - 1.0).min() > 0.01


def test_lamb_neither_holds_a_zero_weight_nor_divides_by_a_zero_update():
    fresh, still = variables("kernel", "word", value=0.0)
    still.assign([1.0, 2.0])
    optimizer = Lamb(0.1, weight_decay=0.0, epsilon=1e-6)
    optimizer.apply([np.array([1.0, -1.0], "float32"), np.zeros(2, "float32")], [fresh, still])
    # The ratio is 1: Adam's own first step, of the rate itself.
    assert fresh.numpy() == pytest.approx([-0.1, 0.1], rel=1e-3)
    assert still.numpy() == pytest.approx([1.0, 2.0])


@KINDS
def test_loss_scaling_divides_the_scale_out_and_skips_what_is_not_finite(kind):
    gradient = np.array([1.0, -2.0], "float32")
    (plain,), (scaled,) = variables("kernel"), variables("kernel")
    kind(0.1).apply([gradient], [plain])
    wrapped = keras.optimizers.LossScaleOptimizer(kind(0.1), initial_scale=1024.0)
    wrapped.apply([gradient * 1024.0], [scaled])
    wrapped.apply([gradient * np.inf], [scaled])
    assert scaled.numpy() == pytest.approx(plain.numpy())
    assert plain.numpy() != pytest.approx(np.ones(2), abs=0.01)


@KINDS
def test_average_of_the_weights(kind):
    random = np.random.default_rng(0)
    weights = variables("kernel", "bias")
    optimizer = kind(0.1, use_ema=True, ema_momentum=0.9)
    expected = None
    for _ in range(4):
        optimizer.apply([random.normal(size=2).astype("float32") for _ in weights], weights)
        values = np.stack([weight.numpy() for weight in weights]).astype("float64")
        expected = values if expected is None else 0.9 * expected + 0.1 * values
    assert abs(expected - values).min() > 1e-3
    optimizer.finalize_variable_values(weights)
    np.testing.assert_allclose([weight.numpy() for weight in weights], expected, rtol=1e-6)


def test_average_of_a_weight_that_gets_no_gradient_is_its_value():
    weights = variables("kernel", "pooler", value=3.0)
    optimizer = AdamW(0.1, use_ema=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras tells that there is no gradient
        for _ in range(2):
            optimizer.apply([np.ones(2, "float32"), None], weights)
    optimizer.finalize_variable_values(weights)
    assert weights[1].numpy() == pytest.approx([3.0, 3.0])


def test_average_overwrites_the_weights_every_so_often():
    (weight,) = variables("kernel")
    optimizer = AdamW(0.1, weight_decay=1.0, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2)
    seen = []
    for _ in range(3):
        optimizer.apply([np.zeros(2, "float32")], [weight])
        seen.append(weight.numpy()[0])
    # Each update takes a tenth: 0.9; (0.9 + 0.81) / 2, which becomes the value; nine tenths of that.
    assert seen == pytest.approx([0.9, 0.855, 0.7695])


NAMES = ("kernel", "bias", "word")
START = np.linspace(0.5, 1.5, 12).reshape(4, 3).astype("float32")
GRADIENTS = np.random.default_rng(0).normal(size=(5, 2, len(NAMES), 4, 3)).astype("float32")  # (step, replica, variable, ...)


def make(kind, **options):
    weights = [keras.Variable(START, name=name) for name in NAMES]
    optimizer = kind(0.01, weight_decay=0.1, use_ema=True, ema_momentum=0.9, learning_rate_multipliers={"word": 2.0}, **options)
    optimizer.build(weights)
    return weights, optimizer


def train(kind, *, without_last=False, **options):
    """Five updates with the sum of two replicas' gradients. Returns: list of weights, the optimizer's variables, final weights."""
    weights, optimizer = make(kind, **options)
    for step in GRADIENTS.sum(axis=1):
        optimizer.apply([*step[:-1], None if without_last else step[-1]], weights)
    state = [np.asarray(variable) for variable in weights + optimizer.variables]
    optimizer.finalize_variable_values(weights)
    return state + [np.asarray(weight) for weight in weights]


def train_mirrored(strategy, kind, *, graph, without_last=False, **options):
    """The same on two devices, from replica context. Returns: as train, but of each variable the list of its copies."""
    import tensorflow as tf

    with strategy.scope():
        weights, optimizer = make(kind, **options)

    def replica(gradients):
        *gradients, last = tf.unstack(gradients[tf.distribute.get_replica_context().replica_id_in_sync_group], num=len(NAMES))
        optimizer.apply([*gradients, None if without_last else last], weights)

    def step(gradients):
        strategy.run(replica, (gradients,))

    step = tf.function(step, autograph=False) if graph else step
    for gradients in GRADIENTS:
        step(tf.constant(gradients))

    def copies(variables):
        return [[copy.numpy() for copy in strategy.experimental_local_results(variable.value)] for variable in variables]

    state = copies(weights + optimizer.variables)
    with strategy.scope():
        optimizer.finalize_variable_values(weights)
    return state + copies(weights)


def compare_mirrored():
    """Print, for each case, the largest difference of two devices' results from one's, and how far the weights went."""
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for kind, graph, options in (
        (AdamW, True, {}),
        (AdamW, False, {"bias_correction": False}),
        (AdamW, True, {"without_last": True, "ema_overwrite_frequency": 2}),
        (Lamb, True, {}),
        (Lamb, False, {"bias_correction": False}),
    ):
        one, two = train(kind, **options), train_mirrored(strategy, kind, graph=graph, **options)
        assert all(len(copies) == 2 for copies in two)
        difference = max(float(abs(value - copy).max()) for value, copies in zip(one, two, strict=True) for copy in copies)
        print(json.dumps([f"{kind.__name__} {graph} {options}", difference, float(abs(one[0] - START).max())]))


def run_in_process(run, function, **environment):
    """Run a function of this file in a process of its own: devices and backend are chosen once a process.

    Args: run: subprocess.run, or what takes its place.
    Returns: its lines.
    """
    program = f"import runpy; runpy.run_path({__file__!r})[{function!r}]()"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"} | environment
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def test_two_replicas_come_to_the_weights_moments_and_averages_of_one(fresh_python):
    results = run_in_process(fresh_python.run, "compare_mirrored")
    assert len(results) == 5
    for case, difference, moved in results:
        assert difference <= 1e-6, case
        assert moved > 0.01, case


BACKEND_CASES = [(kind, correction) for kind in (AdamW, Lamb) for correction in (False, True)]


@pytest.mark.parametrize(("kind", "correction"), BACKEND_CASES)
def test_the_form_for_other_backends_is_tensorflows(kind, correction, monkeypatch):
    from keras_bert.training import optimizer

    expected = train(kind, bias_correction=correction)
    monkeypatch.setattr(optimizer, "tf", None)
    for left, right in zip(train(kind, bias_correction=correction), expected, strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-6)


def train_jax():
    """Print what each case comes to, compiled by JAX without state, as Keras's fit does it there."""
    import jax

    assert keras.backend.backend() == "jax"
    for kind, correction in BACKEND_CASES:
        weights, optimizer = make(kind, bias_correction=correction)
        values, state = [weight.value for weight in weights], [variable.value for variable in optimizer.variables]
        update = jax.jit(optimizer.stateless_apply)
        for step in GRADIENTS.sum(axis=1):
            values, state = update(state, list(step), values)
        print(json.dumps([np.asarray(value).tolist() for value in [*values, *state]]))


@pytest.mark.slow
def test_jax_comes_to_the_weights_of_tensorflow():
    results = run_in_process(subprocess.run, "train_jax", KERAS_BACKEND="jax")
    for (kind, correction), theirs in zip(BACKEND_CASES, results, strict=True):
        ours = train(kind, bias_correction=correction)[: len(theirs)]
        for left, right in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(left, np.array(right), rtol=0, atol=1e-6, err_msg=f"{kind.__name__} {correction}")
