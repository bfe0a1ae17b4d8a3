"""Texts over max_length: what of them is read, and that answers, losses and the exported model see the whole of them in windows."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_bert
from keras_bert import BertPacker
from keras_bert.training import create_optimizer

WORDS = ["good", "bad", "film", "great", "no", "it", "is", "was", "a", "b", "c"]
RANDOM = np.random.default_rng(0)
TEXTS = [" ".join(RANDOM.choice(WORDS, length)) for length in (3, 30, 0, 14, 17, 55, 6, 22)]
IDS = np.array([0, 1, 2, 0, 1, 2, 0, 1])


@pytest.fixture(scope="module")
def model(make_tiny_classifier):
    return make_tiny_classifier(text_pair=False, max_length=10, truncate="windows", stride=5)


def windows_of(text):
    """Room for 8 words, which are pieces here; the next window 5 later; the last one ends with the text."""
    words = text.split()
    starts = [0]
    while starts[-1] + 8 < len(words):
        starts.append(starts[-1] + 5)
    return [" ".join(words[start : start + 8]) for start in (min(start, max(len(words) - 8, 0)) for start in starts)]


def logits_by_hand(model, join):
    network = model.network
    logits = [np.asarray(network(BertPacker(model.tokenizer, 10)(windows_of(text)))) for text in TEXTS]
    return np.stack([join(each, axis=0) for each in logits])


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


@pytest.mark.parametrize("join", ["mean", "max"])
def test_answers_and_losses_are_of_the_joined_logits(model, join):
    model.join = join
    logits = logits_by_hand(model, {"mean": np.mean, "max": np.max}[join])
    for form in (TEXTS, tf.data.Dataset.from_tensor_slices(TEXTS)):
        np.testing.assert_allclose(model.predict(form, batch_size=3, verbose=0), softmax(logits), atol=1e-5)
    answers = model.answer(TEXTS)
    np.testing.assert_allclose([answer["probabilities"] for answer in answers], softmax(logits), atol=1e-5)
    inputs = {name: np.asarray(part) for name, part in model.preprocess(TEXTS).items()}
    np.testing.assert_allclose(model.answer_arrays(inputs)["probabilities"], softmax(logits), atol=1e-5)
    loss, accuracy = model.evaluate(TEXTS, IDS, batch_size=3, verbose=0)
    assert loss == pytest.approx(-np.log(softmax(logits)[np.arange(8), IDS]).mean(), rel=1e-5)
    assert accuracy == (logits.argmax(-1) == IDS).mean()
    model.join = "mean"


@pytest.mark.parametrize("truncate", ["head", "tail", "head_tail"])
def test_the_ends_that_are_kept(shared_classifier, make_tiny_classifier, truncate):
    cut = make_tiny_classifier(text_pair=False, max_length=10, truncate=truncate)
    kept = []
    for text in TEXTS:
        words = text.split()
        ends = {"head": words[:8], "tail": words[-8:], "head_tail": words[:2] + words[-6:]}[truncate]
        kept.append(" ".join(ends if len(words) > 8 else words))
    np.testing.assert_allclose(cut.predict(TEXTS, verbose=0), shared_classifier.predict(kept, verbose=0), atol=1e-5)


def test_the_saved_model_reads_the_whole_text(model, tmp_path, answers_of_forks):
    import export

    path = export.export_saved_model(model, tmp_path)
    assert export.verify_saved_model(path, model) <= 1e-5
    reply = tf.saved_model.load(path).signatures["serving_default"](text=tf.constant(TEXTS))
    np.testing.assert_allclose(reply["probabilities"], softmax(logits_by_hand(model, np.mean)), atol=1e-5)
    model.save_pretrained(tmp_path / "ours")
    again = keras_bert.from_pretrained(tmp_path / "ours")
    assert (again.truncate, again.stride, again.join, again.max_windows) == ("windows", 5, "mean", None)
    assert again.answer(TEXTS) == model.answer(TEXTS)


def test_a_step_is_that_of_the_joined_logits(make_tiny_classifier):
    """One step of SGD on all texts: the gradient by TensorFlow of the loss written by hand."""
    model = make_tiny_classifier(text_pair=False, max_length=10, truncate="windows", stride=5)
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        rows = [model.network(BertPacker(model.tokenizer, 10)(windows_of(text))) for text in TEXTS]
        logits = tf.stack([tf.reduce_mean(each, axis=0) for each in rows])
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(IDS, logits))
    expected = [
        variable - 0.5 * tf.convert_to_tensor(slope) for variable, slope in zip(variables, tape.gradient(loss, variables), strict=True)
    ]
    expected = [each.numpy() for each in expected]
    model.compile(keras.optimizers.SGD(0.5))
    history = model.fit(TEXTS, IDS, batch_size=8, verbose=0)
    assert history.history["loss"][0] == pytest.approx(float(loss), rel=1e-5)
    for got, wanted in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.slow
def test_a_word_at_the_end_of_long_texts_is_learnt_from(make_tiny_classifier):
    model = make_tiny_classifier(text_pair=False, max_length=10, truncate="windows")
    texts = [" ".join([*RANDOM.choice(["film", "it", "is", "a"], 20), word]) for word in ("good", "bad") * 8]
    names = ["positive", "negative"] * 8
    model.compile(create_optimizer(1e-2, total_steps=60), adversarial_epsilon=0.01)
    batches = model.training_batches(tf.data.Dataset.from_tensor_slices((texts, names)), max_tokens_per_batch=240)
    model.fit(batches(0), steps_per_epoch=60, verbose=0)
    assert model.evaluate(texts, names, verbose=0)[1] > 0.9  # their heads tell nothing
    assert model.share_over_length(texts) == 1.0 and model.share_over_length(TEXTS) == 5 / 8


def test_static_shapes_have_a_number_of_windows(make_tiny_classifier):
    options = {"text_pair": False, "max_length": 10, "truncate": "windows", "stride": 5, "pad_to_multiple_of": None}
    with pytest.raises(ValueError, match="wants a number: max_windows=8"):
        make_tiny_classifier(**options)
    model = make_tiny_classifier(max_windows=11, **options)
    spec = model.training_batches(tf.data.Dataset.from_tensor_slices((TEXTS, IDS)), 4)(0).element_spec[0]
    assert (spec["input_ids"].shape.as_list(), spec["part_mask"].shape.as_list()) == ([None, 110], [None, 11])
    np.testing.assert_allclose(model.predict(TEXTS, verbose=0), softmax(logits_by_hand(model, np.mean)), atol=1e-5)
    model.fit(TEXTS, IDS, batch_size=4, verbose=0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"truncate": "middle"}, "truncate='middle' is not one of head, tail, head_tail, windows"),
        ({"join": "sum"}, "join='sum' is not one of mean, max"),
        ({"stride": 9, "max_length": 10}, "stride=9: rows of max_length=10 have room for 8 pieces"),
        ({"max_windows": 0}, "max_windows=0"),
        ({"truncate": "tail", "text_pair": True}, "truncate='tail' is of single texts"),
        ({"thresholds": 0.3}, "thresholds=0.3: only where any number of labels is right"),
    ],
)
def test_bad_settings_are_told(make_tiny_classifier, options, words):
    with pytest.raises(ValueError, match=words):
        make_tiny_classifier(**options)


def test_pairs_are_told(make_tiny_classifier):
    model = make_tiny_classifier(truncate="windows")
    with pytest.raises(ValueError, match="truncate='windows' is of single texts"):
        model.predict((["good"], ["bad"]))
    assert model.text_pair is None and len(model.predict(["good"], verbose=0)) == 1
