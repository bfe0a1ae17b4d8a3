"""TrainingModel's step, by hand-computed values and against plain TensorFlow."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.data.ops import iterator_ops, multi_device_iterator_ops

from keras_bert import BertClassifier, BertConfig, BertEncoder, BertMaskedLM, training
from keras_bert.training import TrainingModel
from keras_bert.training.averaging import averaged_weights


def contract(rows, length, *, vocab_size=19, seed=0):
    generator = np.random.default_rng(seed)
    mask = (np.arange(length)[None] < generator.integers(3, length + 1, rows)[:, None]).astype("int32")
    ids = generator.integers(5, vocab_size, (rows, length)).astype("int32") * mask
    return {"input_ids": ids, "token_type_ids": np.zeros_like(ids), "attention_mask": mask}


@keras.saving.register_keras_serializable(package="tests")
class Scale(TrainingModel):
    """y_pred = weight * x: every number can be had by hand."""

    def __init__(self, weight=1.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = self.add_weight(name="scale", shape=(), initializer=keras.initializers.Constant(weight))
        self.built = True

    def call(self, x, training=None):
        return x * self.scale


def fitted_scale(x, y, weights=None, *, reduction, batch_size, **compile_options):
    model = Scale(0.0)
    loss = keras.losses.MeanSquaredError(reduction=reduction)
    model.compile(keras.optimizers.SGD(1.0), loss, **compile_options)
    history = model.fit(x, y, sample_weight=weights, batch_size=batch_size, shuffle=False, verbose=0)
    return float(model.scale.numpy()), history.history["loss"][0]


X = np.array([[1.0], [2.0], [3.0], [4.0]], "float32")


def test_accumulated_gradients_are_those_of_the_whole_batch():
    # loss = mean (w x - 1)^2 at w = 0: 1; slope = mean -2 x = -5, so the new weight is 5. Batches of 3 and 1 are no halves.
    weight, loss = fitted_scale(X, np.ones((4, 1), "float32"), reduction="sum_over_batch_size", batch_size=3, gradient_accumulation_steps=2)
    assert (weight, loss) == pytest.approx((5.0, 1.0))


def test_a_loss_over_weights_divides_by_the_real_targets_of_all_micro_batches():
    weights = np.array([1.0, 0.0, 1.0, 1.0], "float32")
    # slope = -2 (1 + 3 + 4) / 3; halves would be -2 (1) and -2 (7 / 2), whose mean is another number
    weight, loss = fitted_scale(
        X, np.ones((4, 1), "float32"), weights, reduction="mean_with_sample_weight", batch_size=2, gradient_accumulation_steps=2
    )
    assert (weight, loss) == pytest.approx((16 / 3, 1.0))


def test_the_last_update_of_an_epoch_takes_what_is_left():
    model = Scale(0.0)
    model.compile(keras.optimizers.SGD(0.0), "mse", gradient_accumulation_steps=3)
    model.fit(X, np.ones((4, 1), "float32"), batch_size=1, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 2


def test_the_loss_of_an_epoch_is_over_its_targets_not_over_its_batches():
    weights = np.array([1.0, 1.0, 1.0, 0.0], "float32")
    model = Scale(1.0)
    model.compile(keras.optimizers.SGD(0.0), keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"))
    loss = model.evaluate(X, np.zeros((4, 1), "float32"), sample_weight=weights, batch_size=2, verbose=0)
    assert loss == pytest.approx((1 + 4 + 9) / 3)  # batches' means are 2.5 and 9


class OwnLoss(Scale):
    """Written before Keras 3.3, whose compute_loss says whether it is for training."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return keras.ops.mean((y_pred - y) ** 2)


class OwnLossForTraining(OwnLoss):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, y, y_pred, sample_weight) * (1.0 if training else 10.0)


@pytest.mark.parametrize(("cls", "evaluated"), [(OwnLoss, 16.0), (OwnLossForTraining, 160.0)])
def test_a_loss_of_the_model_s_own_is_a_mean_over_rows(cls, evaluated):
    model = cls(0.0)
    model.compile(keras.optimizers.SGD(1.0), gradient_accumulation_steps=2)
    history = model.fit(X, np.ones((4, 1), "float32"), batch_size=3, shuffle=False, verbose=0)
    # Of the whole batch, as above; batches of 3 and 1 are no halves.
    assert (float(model.scale.numpy()), history.history["loss"][0]) == pytest.approx((5.0, 1.0))
    assert model.evaluate(X, X, batch_size=3, verbose=0) == pytest.approx(evaluated * 7.5)  # (5 x - x)^2 is 16 x^2


@pytest.mark.parametrize("clip_norm", [None, 2.0])
def test_clipping_is_of_the_accumulated_gradient(clip_norm):
    model = Scale(0.0)
    model.compile(keras.optimizers.SGD(1.0, global_clipnorm=clip_norm), "mse", gradient_accumulation_steps=2)
    model.fit(X, np.ones((4, 1), "float32"), batch_size=2, shuffle=False, verbose=0)
    assert float(model.scale.numpy()) == pytest.approx(5.0 if clip_norm is None else 2.0)


def test_one_step_is_that_of_plain_tensorflow(quick_config):
    x, y = contract(6, 12), np.random.default_rng(1).integers(5, 19, (6, 12)).astype("int32")
    weights = x["attention_mask"].astype("float32")
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        models.append(BertMaskedLM(BertEncoder(quick_config)))
    models[0].compile(keras.optimizers.SGD(0.5, global_clipnorm=0.7))
    models[0].fit(x, y, sample_weight=weights, batch_size=6, shuffle=False, verbose=0)
    variables = [variable.value for variable in models[1].trainable_variables]
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, models[1]({name: tf.constant(value) for name, value in x.items()}))
        loss = tf.reduce_sum(losses * weights) / weights.sum()
    gradients, norm = tf.clip_by_global_norm(tape.gradient(loss, variables), 0.7)
    assert norm > 0.7  # or clipping is not tested
    gradients = [
        tf.zeros(()) if gradient is None else gradient for gradient in gradients
    ]  # of the pooler, which a masked LM has no use for
    for ours, variable, gradient in zip(models[0].trainable_variables, variables, gradients, strict=True):
        np.testing.assert_allclose(ours.numpy(), variable.numpy() - 0.5 * tf.convert_to_tensor(gradient).numpy(), atol=1e-6)


def test_adversarial_training_adds_the_loss_of_the_worst_shift(quick_config):
    epsilon, x, y = 0.5, contract(5, 8), np.array([0, 1, 1, 0, 1])
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        models.append(BertClassifier(BertEncoder(quick_config), ["a", "b"]))
    models[0].compile(keras.optimizers.SGD(0.5), adversarial_epsilon=epsilon)
    models[0].fit(x, y, batch_size=5, shuffle=False, verbose=0)

    network = models[1].network
    embeddings = network.encoder.get_layer("embeddings")
    variables = [variable.value for variable in network.trainable_variables]
    batch = {name: tf.constant(value) for name, value in x.items()}

    def loss_at(shift):
        with embeddings.perturbed(shift):
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, network(batch)))

    still = tf.zeros([5, 8, quick_config.hidden_size])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(still)
        loss = loss_at(still)
    slope = tape.gradient(loss, still)
    shift = epsilon * slope / tf.norm(slope, axis=[1, 2], keepdims=True)
    with tf.GradientTape() as worse_tape:
        worse = loss_at(shift)
    assert worse > loss
    for ours, variable, a, b in zip(
        models[0].trainable_variables, variables, tape.gradient(loss, variables), worse_tape.gradient(worse, variables), strict=True
    ):
        gradient = tf.convert_to_tensor(a) + tf.convert_to_tensor(b)
        np.testing.assert_allclose(ours.numpy(), variable.numpy() - 0.5 * gradient.numpy(), atol=1e-6)


def test_a_model_of_given_tensors_leaves_other_models_what_they_are(tiny_config):
    """Keras 3.15 makes Functional a base of the class, and of all classes beside it: the classifier then takes no encoder."""

    class Own(TrainingModel):
        pass

    x = keras.Input([2])
    for model_class in TrainingModel, Own:
        model = model_class(inputs=x, outputs=keras.layers.Dense(1)(x))
        assert isinstance(model, model_class) and [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Dense"]
        model.compile("sgd", "mse")
        assert np.isfinite(model.fit(np.ones([4, 2]), np.ones([4, 1]), verbose=0).history["loss"][0])
    assert BertClassifier(BertEncoder(tiny_config), ["a", "b"]).labels == ["a", "b"]


def test_train_and_test_on_batch():
    model = Scale(0.0)
    model.compile(keras.optimizers.SGD(1.0), "mse")
    assert model.train_on_batch(X, np.ones((4, 1), "float32")) == pytest.approx(1.0)
    model.reset_metrics()  # which Keras 3.14 leaves to its caller
    assert model.test_on_batch(X, 5 * X) == pytest.approx(0.0)


def test_averages_take_the_place_of_weights_and_give_it_back():
    model = Scale(0.0)
    model.compile(keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5), "mse")
    model.fit(X, np.ones((4, 1), "float32"), batch_size=2, shuffle=False, verbose=0)
    averaged = float(model.scale.numpy())  # fit leaves the averages
    model.scale.assign(7.0)
    with averaged_weights(model):
        assert float(model.scale.numpy()) == pytest.approx(averaged)
    assert float(model.scale.numpy()) == 7.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps=0"),
        ({"steps_per_execution": 1.5}, "steps_per_execution=1.5"),
        ({"adversarial_epsilon": 0.0}, "adversarial_epsilon=0.0"),
        ({"optimizer": keras.optimizers.SGD(0.1, gradient_accumulation_steps=4)}, "gradient_accumulation_steps=4; give it to compile"),
    ],
)
def test_compile_names_what_does_not_fit(options, words):
    with pytest.raises(ValueError, match=words):
        Scale().compile(**({"optimizer": "sgd", "loss": "mse"} | options))


def test_adversarial_training_wants_embeddings():
    model = Scale()
    model.compile("sgd", "mse", adversarial_epsilon=1.0)
    with pytest.raises(ValueError, match="has 0"):
        model.fit(X, X, verbose=0)


def test_a_model_without_a_loss_is_told():
    model = Scale()
    model.compile("sgd")
    with pytest.raises(ValueError, match="no loss to train with"):
        model.fit(X, X, verbose=0)


def test_frozen_weights_warn_and_stay():
    model = Scale(1.0)
    model.trainable = False
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="nothing is learnt"):
        model.fit(X, 2 * X, verbose=0)
    assert float(model.scale.numpy()) == 1.0


def test_a_reloaded_model_keeps_its_step(tmp_path):
    model = Scale()
    model.compile("sgd", "mse", gradient_accumulation_steps=3, adversarial_epsilon=0.5, steps_per_execution=2)
    model.fit(X, X, batch_size=1, epochs=0, verbose=0)
    config = model.get_compile_config()
    assert (config["gradient_accumulation_steps"], config["adversarial_epsilon"], config["steps_per_execution"]) == (3, 0.5, 2)


@pytest.mark.slow
def test_dropout_masks_come_of_seed_and_step(tiny_config):
    config = BertConfig(**{**tiny_config.to_dict(), "hidden_dropout_prob": 0.3})
    x, y = contract(4, 8), np.array([0, 1, 1, 0])

    def weights_after(*, seed, steps):
        keras.utils.set_random_seed(0)
        model = BertClassifier(BertEncoder(config), ["a", "b"])
        model.compile(keras.optimizers.SGD(0.1))
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat()
        update = model.make_update_function(dataset.element_spec)
        iterator = iter(dataset)
        model.step_seed = seed
        for _ in range(steps):
            update(iterator)
        return np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables])

    one = weights_after(seed=1, steps=2)
    np.testing.assert_array_equal(one, weights_after(seed=1, steps=2))
    assert np.abs(one - weights_after(seed=2, steps=2)).max() > 1e-4


@pytest.mark.parametrize("wished", [None, True, False])
def test_loops_leave_tf_data_s_tuner_out_unless_the_dataset_names_it(monkeypatch, wished):
    """Its last sleep holds up the loop's end at times; a loop takes long enough to see it only now and then."""
    dataset = tf.data.Dataset.from_tensors((tf.ones([2, 3]), tf.ones([2, 1])))
    if wished is not None:
        options = tf.data.Options()
        options.autotune.enabled = wished
        dataset = dataset.with_options(options)
    model = TrainingModel(inputs=(x := keras.Input([3])), outputs=keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    seen = []
    for owner, name in ((keras.Model, "fit"), (keras.Model, "evaluate"), (sys.modules[TrainingModel.__module__], "predict_batches")):
        real = getattr(owner, name)
        spy = lambda self, x, *args, real=real, **kwargs: seen.append(x.options().autotune.enabled) or real(self, x, *args, **kwargs)  # noqa: E731
        monkeypatch.setattr(owner, name, spy)
    model.fit(dataset, validation_data=dataset, verbose=0)
    model.evaluate(dataset, verbose=0)
    model.predict(dataset.map(lambda x, _: x), verbose=0)
    assert set(seen) == {bool(wished)} and len(seen) == 4  # fit evaluates too


def test_predict_takes_steps_and_ends_where_it_is_told(recwarn):
    model = TrainingModel(inputs=(x := keras.Input([None])), outputs=keras.ops.abs(x))
    lengths = tf.data.Dataset.range(1, 5)
    dataset = lengths.map(lambda length: -tf.ones([2, length]))  # [2, 1], [2, 2], ...
    expected = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]], "float32").repeat(2, axis=0)
    np.testing.assert_array_equal(model.predict(dataset, verbose=0), expected)
    np.testing.assert_array_equal(model.predict(dataset.repeat(), steps=2, verbose=0), expected[:4, :2])
    stop = keras.callbacks.LambdaCallback()
    stop.on_predict_batch_end = lambda batch, logs: setattr(model, "stop_predicting", batch == 1)
    np.testing.assert_array_equal(model.predict(dataset, callbacks=[stop], verbose=0), expected[:4, :2])
    with pytest.raises(ValueError, match=r"the dataset never ends; give steps, or take\(number\) of it"):
        model.predict(dataset.repeat(), verbose=0)
    with pytest.raises(ValueError, match="there is nothing to predict: the data is empty"):
        model.predict(dataset.take(0), verbose=0)


def test_class_weights_beside_others_or_of_several_outputs_are_refused():
    x, y = np.ones([4, 1], "float32"), np.array([0, 1, 1, 0])
    model = Scale()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    for data in ((x, y, np.ones(4)), (tf.data.Dataset.from_tensor_slices((x, y, np.ones(4))).batch(2),)):
        with pytest.raises(ValueError, match="class_weight was given beside sample_weight; leave one out, or multiply"):
            model.fit(*data[:2], sample_weight=data[2] if len(data) > 2 else None, class_weight={1: 2.0}, verbose=0)
    with pytest.raises(ValueError, match="class_weight was given, but the targets are of several outputs"):
        model.fit(x, {"a": y, "b": y}, class_weight={1: 2.0}, verbose=0)


def test_the_buffers_that_a_strategy_puts_before_its_devices_have_no_tuner(monkeypatch, tmp_path):
    seen, create, made = [], multi_device_iterator_ops._create_device_dataset, iterator_ops.OwnedIterator.__init__

    def spy(self, dataset=None, **keywords):
        if dataset is not None:
            seen.append(dataset.options().autotune.enabled)
        made(self, dataset, **keywords)

    monkeypatch.setattr(iterator_ops.OwnedIterator, "__init__", spy)
    dataset = tf.data.Dataset.from_tensors((tf.ones([2, 3]), tf.ones([2, 1])))
    with training.get_strategy("one_device").scope():
        model = TrainingModel(inputs=(x := keras.Input([3])), outputs=keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    loops = {
        "fit": lambda: model.fit(dataset, verbose=0),
        "evaluate": lambda: model.evaluate(dataset, verbose=0),
        "predict": lambda: model.predict(dataset.map(lambda x, _: x), verbose=0),
        "Trainer": lambda: training.Trainer(model, tmp_path, total_steps=1).train(lambda _: dataset),
    }
    for name, loop in loops.items():
        loop()
        assert seen and not any(enabled is not False for enabled in seen), name
        seen.clear()
    assert multi_device_iterator_ops._create_device_dataset is create
