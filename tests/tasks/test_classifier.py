import dataclasses
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertClassifier, BertEncoder, BertTokenizer
from keras_bert.training import create_optimizer

TEXTS = ["good film", "bad", "it was great , no ?", "", "bad bad film"] * 4
NAMES = ["positive", "negative", "positive", "neutral", "negative"] * 4
IDS = np.array([1, 0, 1, 2, 0] * 4)
PAIRS = [text[::-1] for text in TEXTS]


def probabilities_by_hand(model, texts, text_pairs=None):
    """Tokenizer, packer, network and softmax one after the other, padded to one length."""
    from keras_bert import BertPacker

    logits = np.asarray(model.network(BertPacker(model.tokenizer, 32)(texts, text_pairs)))
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    "form",
    [
        list(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        [text.encode() for text in TEXTS],
        tf.constant(TEXTS),
        {"text": TEXTS},
        tf.data.Dataset.from_tensor_slices(TEXTS),
        tf.data.Dataset.from_tensor_slices(TEXTS).batch(3),
        tf.data.Dataset.from_tensor_slices({"text": TEXTS}),
        tf.data.Dataset.from_tensor_slices((TEXTS, IDS)),
    ],
    ids=["list", "array", "objects", "bytes", "tensor", "dict", "dataset", "batched", "dict_dataset", "labelled"],
)
def test_predict_takes_every_form_of_text_and_keeps_the_order(shared_classifier, form):
    got = shared_classifier.predict(form, verbose=0)
    np.testing.assert_allclose(got, probabilities_by_hand(shared_classifier, TEXTS), atol=1e-6)
    assert got.dtype == np.float32


@pytest.mark.parametrize(
    "form",
    [
        (TEXTS, PAIRS),
        list(zip(TEXTS, PAIRS, strict=True)),
        {"text": TEXTS, "text_pair": PAIRS},
        tf.data.Dataset.from_tensor_slices({"text": TEXTS, "text_pair": PAIRS}),
        tf.data.Dataset.from_tensor_slices(((TEXTS, PAIRS), IDS)),
        tf.data.Dataset.from_tensor_slices((TEXTS, PAIRS)),
    ],
    ids=["tuple", "rows", "dict", "dict_dataset", "labelled", "dataset"],
)
def test_predict_takes_every_form_of_pairs(shared_pair_classifier, form):
    got = shared_pair_classifier.predict(form, verbose=0)
    np.testing.assert_allclose(got, probabilities_by_hand(shared_pair_classifier, TEXTS, PAIRS), atol=1e-6)


def test_predict_takes_the_contract(shared_classifier):
    got = shared_classifier.predict({name: np.asarray(value) for name, value in shared_classifier.preprocess(TEXTS).items()}, verbose=0)
    np.testing.assert_allclose(got, probabilities_by_hand(shared_classifier, TEXTS), atol=1e-6)


@pytest.mark.parametrize("labels", [NAMES, IDS, IDS.tolist(), np.array(NAMES)], ids=["names", "ids", "id_list", "name_array"])
def test_evaluate_is_cross_entropy_and_accuracy(shared_classifier, labels):
    loss, accuracy = shared_classifier.evaluate(TEXTS, labels, batch_size=3, verbose=0)
    expected = probabilities_by_hand(shared_classifier, TEXTS)
    assert accuracy == pytest.approx((expected.argmax(-1) == IDS).mean())
    assert loss == pytest.approx(-np.log(expected[np.arange(20), IDS]).mean(), abs=1e-5)


def test_evaluate_on_datasets_of_ids_and_of_names(shared_classifier):
    by_list = shared_classifier.evaluate(TEXTS, IDS, verbose=0)
    for labels in (IDS, NAMES):
        dataset = tf.data.Dataset.from_tensor_slices((TEXTS, labels))
        assert shared_classifier.evaluate(dataset, verbose=0) == pytest.approx(by_list, abs=1e-6)
        assert shared_classifier.evaluate(dataset.batch(7), verbose=0) == pytest.approx(by_list, abs=1e-6)


@pytest.mark.parametrize("pooling", ["pooler", pytest.param("mean", marks=pytest.mark.slow)])
def test_fit_on_raw_text_learns(quick_config, tiny_tokenizer, pooling):
    keras.utils.set_random_seed(2)
    config = dataclasses.replace(quick_config, initializer_range=0.2, num_hidden_layers=2)
    model = BertClassifier(
        BertEncoder(config, pooler=pooling == "pooler"), ["negative", "positive", "neutral"], tiny_tokenizer, pooling=pooling
    )
    model.compile(optimizer=create_optimizer(6e-3, total_steps=5 * 20))
    history = model.fit(TEXTS, NAMES, batch_size=4, epochs=20, verbose=0)
    assert history.history["accuracy"][-1] == 1.0
    assert model.predict(["bad film", "great film"], verbose=0).argmax(-1).tolist() == [0, 1]


@pytest.mark.slow
def test_fit_with_the_defaults_warms_up_and_decays_over_its_own_steps(tiny_classifier):
    for _ in range(2):
        tiny_classifier.fit(TEXTS, NAMES, batch_size=2, epochs=3, verbose=0)
        schedule = tiny_classifier.optimizer._learning_rate
        assert (schedule.total_steps, schedule.warmup_steps, schedule.peak_learning_rate) == (30, 3, 5e-5)
        assert int(tiny_classifier.optimizer.iterations) == 30


@pytest.mark.slow
def test_a_second_fit_with_the_defaults_still_learns(tiny_classifier):
    tiny_classifier.fit(TEXTS, NAMES, verbose=0)
    before = [weight.copy() for weight in tiny_classifier.get_weights()]
    tiny_classifier.fit(TEXTS, NAMES, batch_size=2, verbose=0)
    assert any(np.abs(now - was).max() > 1e-6 for now, was in zip(tiny_classifier.get_weights(), before, strict=True))


@pytest.mark.slow
def test_metrics_of_a_fit_count_its_own_batches_only(make_tiny_classifier):
    model = make_tiny_classifier()
    right = model.predict(TEXTS, verbose=0).argmax(-1)
    model.evaluate(TEXTS, (right + 1) % 3, verbose=0)  # accuracy 0, not to leak
    model.network.trainable = False
    history = model.fit(TEXTS, right, epochs=1, verbose=0, validation_data=(TEXTS, (right + 1) % 3))
    # Dropout alone may change an answer; 20 wrong answers of before would halve it.
    assert history.history["accuracy"][0] > 0.6
    assert history.history["val_accuracy"][0] == 0.0


def test_labels_beside_the_contract_are_encoded_and_checked(shared_classifier):
    batch = {name: np.asarray(value) for name, value in shared_classifier.preprocess(TEXTS).items()}
    expected = shared_classifier.evaluate(TEXTS, IDS, verbose=0)
    for labels in (NAMES, IDS.tolist(), tf.constant(NAMES)):
        assert shared_classifier.evaluate(batch, labels, verbose=0) == pytest.approx(expected, abs=1e-5)
    dataset = tf.data.Dataset.from_tensor_slices((batch, NAMES)).batch(20)
    assert shared_classifier.evaluate(dataset, verbose=0) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="label 1 is 7"):
        shared_classifier.evaluate(batch, [0, 7] * 10, verbose=0)


def test_fit_counts_the_steps_of_a_dataset_that_does_not_know_them(tiny_classifier):
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, IDS)).filter(lambda text, label: label < 2)
    tiny_classifier.fit(dataset, batch_size=4, verbose=0)
    assert tiny_classifier.optimizer._learning_rate.total_steps == 4


def test_fit_on_an_endless_dataset_wants_steps(tiny_classifier):
    endless = tf.data.Dataset.from_tensor_slices((TEXTS, IDS)).repeat()
    dataset = endless.batch(4)
    for data in (dataset, endless):
        with pytest.raises(ValueError, match="steps_per_epoch"):
            tiny_classifier.fit(data, verbose=0)
    tiny_classifier.fit(dataset, steps_per_epoch=3, verbose=0)
    assert tiny_classifier.optimizer._learning_rate.total_steps == 3


@pytest.mark.slow
def test_validation_in_every_form(tiny_classifier):
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, IDS))
    expected = tiny_classifier.evaluate(TEXTS, IDS, verbose=0)[0]
    tiny_classifier.compile(optimizer=keras.optimizers.SGD(0.0))
    for validation in ((TEXTS, NAMES), dataset, dataset.batch(5), (TEXTS, IDS, np.ones(20))):
        history = tiny_classifier.fit(TEXTS, IDS, validation_data=validation, verbose=0)
        assert history.history["val_loss"][0] == pytest.approx(expected, abs=1e-5)


def test_validation_split_keeps_the_last_rows(tiny_classifier):
    tiny_classifier.compile(optimizer=keras.optimizers.SGD(0.0))
    history = tiny_classifier.fit(TEXTS, NAMES, validation_split=0.25, verbose=0)
    assert history.history["val_loss"][0] == pytest.approx(tiny_classifier.evaluate(TEXTS[15:], NAMES[15:], verbose=0)[0], abs=1e-5)


def test_sample_weights_count(shared_classifier):
    weights = np.array([1.0, 0.0] * 10)
    weighted = shared_classifier.evaluate(TEXTS, IDS, sample_weight=weights, verbose=0)[0]
    # Keras divides the weighted sum by the rows.
    assert weighted == pytest.approx(shared_classifier.evaluate(TEXTS[::2], IDS[::2], verbose=0)[0] / 2, abs=1e-5)


OWN_LOSSES = ["sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy(from_logits=True)]


@pytest.mark.parametrize("loss", [OWN_LOSSES[0], pytest.param(OWN_LOSSES[1], marks=pytest.mark.slow)])
def test_the_user_s_own_compile(tiny_classifier, loss):
    expected = tiny_classifier.evaluate(TEXTS, IDS, verbose=0)[0]
    tiny_classifier.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    assert tiny_classifier.evaluate(TEXTS, IDS, verbose=0)[0] == pytest.approx(expected, abs=1e-5)
    tiny_classifier.fit(TEXTS, IDS, verbose=0)
    assert isinstance(tiny_classifier.optimizer, keras.optimizers.Adam)


def test_soft_labels_with_a_loss_for_them(tiny_classifier):
    tiny_classifier.compile(optimizer="adam", loss="categorical_crossentropy", metrics=None)
    soft = np.full((20, 3), 1 / 3, "float32")
    expected = -np.log(probabilities_by_hand(tiny_classifier, TEXTS)).mean()
    assert tiny_classifier.evaluate(TEXTS, soft, verbose=0) == pytest.approx(expected, abs=1e-5)


def test_another_backend_is_told(make_tiny_classifier, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"BertClassifier .* but Keras runs on jax; set KERAS_BACKEND=tensorflow, or use a network"):
        make_tiny_classifier()


def test_a_fixed_length_for_tpus(quick_config, tiny_tokenizer):
    model = BertClassifier(BertEncoder(quick_config), ["a", "b"], tiny_tokenizer, pad_to_multiple_of=None, max_length=16)
    assert model.preprocess(["good"])["input_ids"].shape == (1, 16)
    model.fit(TEXTS, [0, 1] * 10, verbose=0)


KERAS_PROGRAM = """
import warnings
import keras, numpy as np
warnings.filterwarnings("error", category=UserWarning, module=r"keras\\Z")
from keras_bert import BertClassifier
assert keras.saving.get_registered_object("keras_bert>BertEmbedder")  # one brings all
model = keras.saving.load_model({path!r})
np.save({output!r}, model.predict({texts!r}, verbose=0))
loss = model.evaluate({texts!r}, {names!r}, verbose=0)
model.fit({texts!r}, {names!r}, verbose=0)
print(loss[0], type(model.optimizer).__name__, int(model.optimizer.iterations))
"""


@pytest.mark.slow
@pytest.mark.parametrize("compiled", ["own", "auto"])
def test_a_keras_file_reloads_in_a_fresh_process(fresh_python, tmp_path, tiny_classifier, compiled):
    if compiled == "own":
        tiny_classifier.compile(optimizer=create_optimizer(1e-3, total_steps=100))
    tiny_classifier.fit(TEXTS, NAMES, batch_size=10, verbose=0)
    path, output = str(tmp_path / "model.keras"), str(tmp_path / "got.npy")
    tiny_classifier.save(path)
    program = KERAS_PROGRAM.format(path=path, output=output, texts=TEXTS, names=NAMES)
    done = fresh_python.run([sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(output), tiny_classifier.predict(TEXTS, verbose=0))
    loss, optimizer, steps = done.stdout.split("\n")[-2].split()
    assert float(loss) == pytest.approx(tiny_classifier.evaluate(TEXTS, NAMES, verbose=0)[0], abs=1e-6)
    # The default starts a new schedule at each fit; the user's own optimizer goes on where it was.
    assert (optimizer, int(steps)) == ("AdamW", 1 if compiled == "auto" else 3)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ("one text", None, r"got one string, 'one text'; give a list of texts"),
        (np.array("one text"), None, r"the texts are an array without a dimension: array\('one text'"),
        (["good", 7], [0, 1], "item 1 of the texts is 7, a int"),
        (["good", None], [0, 1], "item 1 of the texts is None"),
        ([], [], "the list of texts is empty"),
        (["good", "bad"], [0], "2 texts but 1 labels"),
        (["good", "bad"], None, "texts were given without labels"),
        (["good", "bad"], ["positive", "fine"], "label 1 is 'fine'; the model's labels are negative, positive, neutral"),
        (["good", "bad"], [0, 3], "label 1 is 3; ids of the 3 labels are 0 to 2"),
        (["good", "bad"], [[[0]], [[1]]], r"shape \(2, 1, 1\)"),
        (["good"], np.zeros((1, 2), "float32"), "labels have 2 columns; the model has 3 labels"),
        ((["good", "bad"], ["film"]), [0, 1], "2 texts but 1 second texts"),
        ([("a", "b"), ("c",)], [0, 1], "item 1 of the texts has 1 parts"),
        ((["good", "bad"], ["a", "b"]), [0, 1], "reads single texts"),
        ({"text": ["a"], "texts": ["b"]}, [0], "got texts too"),
    ],
    ids=range(15),
)
def test_bad_input_to_fit_is_told(shared_classifier, x, y, words):
    with pytest.raises(ValueError, match=words):
        shared_classifier.fit(x, y, verbose=0)


@pytest.mark.parametrize(("labels", "words"), [([0, 5], "a label id is not in 0 to 2"), (["positive", "fine"], "a label is none of")])
def test_bad_labels_in_a_dataset_are_told(shared_classifier, labels, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        shared_classifier.fit(tf.data.Dataset.from_tensor_slices((["good", "bad"], labels)), verbose=0)


def test_bad_datasets_are_told(shared_classifier):
    texts = tf.data.Dataset.from_tensor_slices(TEXTS)
    with pytest.raises(ValueError, match="its elements hold the labels"):
        shared_classifier.fit(texts, IDS)
    with pytest.raises(ValueError, match="texts without labels"):
        shared_classifier.fit(texts)
    with pytest.raises(ValueError, match="sample_weight was given beside"):
        shared_classifier.fit(tf.data.Dataset.from_tensor_slices((TEXTS, IDS)), sample_weight=IDS)
    with pytest.raises(ValueError, match="batch_size=4 was given but the dataset is batched"):
        shared_classifier.fit(tf.data.Dataset.from_tensor_slices((TEXTS, IDS)).batch(2), batch_size=4)
    with pytest.raises(ValueError, match="got elements"):
        shared_classifier.predict(texts.batch(2).batch(2))


def test_single_texts_to_a_model_of_pairs_are_told(tiny_classifier):
    tiny_classifier.fit((TEXTS, PAIRS), IDS, verbose=0)
    assert tiny_classifier.text_pair is True
    with pytest.raises(ValueError, match=r"reads pairs of texts \(text_pair=True\) but was given single texts"):
        tiny_classifier.predict(TEXTS, verbose=0)


def test_odd_texts_are_answered(shared_classifier):
    texts = ["", "good " * 20_000, b"not \xff utf8", "\ud800 lone surrogate", "日本語 \U0001f600"]
    got = shared_classifier.predict(texts, verbose=0)
    assert got.shape == (5, 3)
    np.testing.assert_allclose(got.sum(-1), 1.0, atol=1e-6)


def test_without_a_vocabulary_only_text_is_refused(quick_config):
    model = BertClassifier(BertEncoder(quick_config), ["a", "b"])
    with pytest.raises(ValueError, match="without a vocabulary"):
        model.predict(["good"])
    batch = {name: np.ones((2, 4), "int32") for name in ("input_ids", "token_type_ids", "attention_mask")}
    assert model.predict(batch, verbose=0).shape == (2, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": "positive"}, "labels='positive' is not a list"),
        ({"labels": ["a"]}, "between 2 labels"),
        ({"labels": ["a", "b", "a"]}, "has 'a' twice"),
        ({"labels": [0, 1]}, "label names"),
        ({"max_length": 64}, "max_length=64 is over max_position_embeddings=32"),
        (
            {"tokenizer": BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopq"])},
            "21 pieces but the word embedding has vocab_size=20 rows.*from number 20 on, such as 'q', have no row",
        ),
    ],
    ids=range(6),
)
def test_bad_arguments_are_told(quick_config, options, words):
    with pytest.raises(ValueError, match=words):
        BertClassifier(BertEncoder(quick_config), **({"labels": ["a", "b"]} | options))


def test_training_batches_begin_anywhere(shared_classifier):
    examples = tf.data.Dataset.from_tensor_slices((TEXTS, IDS))
    dataset_fn = shared_classifier.training_batches(examples, 4, seed=1)

    def batches(start, stop):
        return [(x["input_ids"].tolist(), y.tolist()) for x, y in dataset_fn(start).take(stop - start).as_numpy_iterator()]

    assert batches(3, 12) == batches(0, 12)[3:]


def test_training_batches_want_single_examples_with_labels(shared_classifier):
    for dataset in (tf.data.Dataset.from_tensor_slices(TEXTS), tf.data.Dataset.from_tensor_slices((TEXTS, IDS)).batch(2)):
        with pytest.raises(ValueError, match="single examples with labels"):
            shared_classifier.training_batches(dataset)


@pytest.mark.slow
def test_the_default_schedule_counts_updates_not_batches(tiny_classifier):
    tiny_classifier.compile(gradient_accumulation_steps=2)
    tiny_classifier.fit(TEXTS, IDS, batch_size=4, epochs=2, verbose=0)
    assert tiny_classifier.optimizer._learning_rate.total_steps == 2 * 3  # 20 texts: 5 batches, 3 updates
    assert int(tiny_classifier.optimizer.iterations.numpy()) == 6
