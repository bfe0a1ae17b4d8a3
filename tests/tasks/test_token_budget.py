"""Long and short texts together: batches of a budget of tokens, and predictions of sorted texts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertClassifier, BertEncoder
from keras_bert.tasks.feed import LENGTH_STEP
from keras_bert.training import Trainer

CHANCE = np.random.default_rng(0)
TEXTS = [" ".join(CHANCE.choice(["good", "bad", "film", "a"], size)) for size in CHANCE.integers(0, 40, 60)]
IDS = CHANCE.integers(0, 3, 60).astype("int32")
BUDGET = 64  # two rows of the longest, which is cut to 32


@pytest.fixture
def seen(monkeypatch):
    """Shapes of the batches that reach the network."""
    shapes, call = [], BertClassifier.predicted

    def predicted(self, data):
        batch = data[0] if isinstance(data, tuple) else data
        tf.py_function(lambda ids: shapes.append(tuple(ids.shape)), [batch["input_ids"]], [])
        return call(self, data)

    monkeypatch.setattr(BertClassifier, "predicted", predicted)
    return shapes


def alone(model, text, text_pair=None):
    """Probabilities of one text, in a batch of its own."""
    logits = np.asarray(model.network(model.packer([text], None if text_pair is None else [text_pair])), "float64")[0]
    return np.exp(logits) / np.exp(logits).sum()


@pytest.fixture(scope="module")
def one_by_one(shared_classifier):
    """Predictions of each text alone."""
    return np.stack([alone(shared_classifier, text) for text in TEXTS])


FORMS = {
    "list": lambda: list(TEXTS),
    "dict": lambda: {"text": TEXTS},
    "array": lambda: np.array(TEXTS),
    "dataset": lambda: tf.data.Dataset.from_tensor_slices(TEXTS),
    "labelled": lambda: tf.data.Dataset.from_tensor_slices((TEXTS, IDS)),
    "dict_dataset": lambda: tf.data.Dataset.from_tensor_slices({"text": TEXTS}),
}


@pytest.mark.parametrize("form", list(FORMS))
def test_predictions_within_a_budget_come_back_in_order(shared_classifier, one_by_one, form):
    got = shared_classifier.predict(FORMS[form](), max_tokens_per_batch=BUDGET, verbose=0)
    np.testing.assert_allclose(got, one_by_one, atol=1e-5)


def test_no_batch_is_over_the_budget_and_there_are_few_shapes(make_tiny_classifier, seen):
    make_tiny_classifier().predict(TEXTS * 3, max_tokens_per_batch=BUDGET, verbose=0)
    assert sum(rows for rows, _ in seen) == 180
    assert max(rows * length for rows, length in seen) <= BUDGET
    assert all(length % LENGTH_STEP == 0 for _, length in seen)
    assert all(rows == BUDGET // length for rows, length in seen[:-1])  # the last one takes what is left
    assert len(set(seen)) <= 32 // LENGTH_STEP + 1


def test_a_second_prediction_traces_no_tokenizer(make_tiny_classifier, monkeypatch):
    model = make_tiny_classifier()
    traced = []
    tokenize = type(model.tokenizer).tokenize
    monkeypatch.setattr(
        type(model.tokenizer), "tokenize", lambda self, texts: traced.append(tf.executing_eagerly()) or tokenize(self, texts)
    )
    for options in ({"max_tokens_per_batch": BUDGET}, {"batch_size": 7}):
        model.predict(TEXTS, verbose=0, **options)
        assert False in traced  # in a graph
        traced.clear()
        model.predict(TEXTS[:11], verbose=0, **options)
        assert False not in traced
        traced.clear()


def test_texts_in_memory_are_predicted_sorted_by_length(make_tiny_classifier, seen, one_by_one):
    np.testing.assert_allclose(make_tiny_classifier().predict(TEXTS, batch_size=7, verbose=0), one_by_one, atol=1e-5)
    lengths = [length for _, length in seen]
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) > 3
    assert [rows for rows, _ in seen] == [7] * 8 + [4]


@pytest.mark.slow
def test_pairs_within_a_budget(shared_pair_classifier):
    pairs = (TEXTS, TEXTS[::-1])
    expected = np.stack([alone(shared_pair_classifier, *pair) for pair in list(zip(*pairs, strict=True))[:20]])
    for form in (pairs, tf.data.Dataset.from_tensor_slices(pairs)):
        got = shared_pair_classifier.predict(form, max_tokens_per_batch=BUDGET, verbose=0)
        np.testing.assert_allclose(got[:20], expected, atol=1e-5)


def test_steps_ask_for_the_first_texts(shared_classifier, one_by_one):
    np.testing.assert_allclose(shared_classifier.predict(TEXTS, batch_size=4, steps=2, verbose=0), one_by_one[:8], atol=1e-5)


@pytest.mark.parametrize("form", ["list", "dataset"])
def test_evaluation_within_a_budget_is_the_same(shared_classifier, one_by_one, form):
    data = (TEXTS, IDS) if form == "list" else (tf.data.Dataset.from_tensor_slices((TEXTS, IDS)),)
    loss, accuracy = shared_classifier.evaluate(*data, max_tokens_per_batch=BUDGET, verbose=0)
    assert loss == pytest.approx(-np.log(one_by_one[np.arange(60), IDS]).mean(), abs=1e-5)
    assert accuracy == pytest.approx((one_by_one.argmax(-1) == IDS).mean())


@pytest.mark.slow
def test_fit_within_a_budget_counts_its_updates(make_tiny_classifier):
    model = make_tiny_classifier()
    batches = model.training_batches(tf.data.Dataset.from_tensor_slices((TEXTS, IDS)), max_tokens_per_batch=BUDGET)
    history = model.fit(TEXTS, IDS, max_tokens_per_batch=BUDGET, epochs=2, verbose=0, validation_data=(TEXTS, IDS))
    updates = 2 * batches.batches_an_epoch
    assert model.optimizer._learning_rate.total_steps == int(model.optimizer.iterations) == updates
    assert history.history["val_loss"][-1] == pytest.approx(model.evaluate(TEXTS, IDS, verbose=0)[0], abs=1e-5)


class Stop(Exception):
    pass


@pytest.mark.parametrize(
    ("measure", "form", "batches"),
    [
        ({"batch_size": 7}, "raw", 9),
        ({}, "raw", 2),
        ({"max_tokens_per_batch": BUDGET}, "raw", None),
        ({"batch_size": 7}, "batched", 5),
        ({"batch_size": 7}, "contract", 5),
    ],
    ids=["batch_size", "default", "budget", "batched", "contract"],
)
def test_trainer_validates_raw_text_in_batches_such_as_it_trains_on(tmp_path, shared_classifier, monkeypatch, measure, form, batches):
    """Of 60 texts: 9 batches of 7 at most; those of a budget's own number; data that has batches keeps its 5."""
    examples = tf.data.Dataset.from_tensor_slices((TEXTS, IDS))
    validation = examples if form == "raw" else examples.batch(12)
    if form == "contract":
        validation = validation.map(lambda texts, ids: (shared_classifier.packer(texts), ids))
    dataset_fn = shared_classifier.training_batches(examples, **measure)
    evaluated = []

    def evaluate(self, x, *args, **kwargs):
        evaluated.append(int(x.cardinality()))
        raise Stop

    monkeypatch.setattr(keras.Model, "evaluate", evaluate)
    with pytest.raises(Stop):
        Trainer(shared_classifier, tmp_path, total_steps=1, validation_data=validation).train(dataset_fn)
    assert evaluated == [dataset_fn.batches_an_epoch if batches is None else batches]


@pytest.mark.slow
def test_training_within_a_budget_begins_anywhere_and_each_epoch_has_every_text(shared_classifier):
    examples = tf.data.Dataset.from_tensor_slices((TEXTS, np.arange(60) % 3))

    dataset_fn = shared_classifier.training_batches(examples, max_tokens_per_batch=BUDGET, seed=5)
    epoch = dataset_fn.batches_an_epoch

    def batches(start, stop):
        return [(x["input_ids"].tolist(), y.tolist()) for x, y in dataset_fn(start).take(stop - start).as_numpy_iterator()]

    all_batches = batches(0, 2 * epoch + 1)
    for start in (3, epoch - 1, epoch):
        assert batches(start, epoch + 2) == all_batches[start : epoch + 2]
    assert all(len(ids) * len(ids[0]) <= BUDGET for ids, _ in all_batches)

    def rows(part):  # without padding, whose width the batch decides
        return sorted(([token for token in row if token], label) for ids, labels in part for row, label in zip(ids, labels, strict=True))

    first, second = all_batches[:epoch], all_batches[epoch : 2 * epoch]
    assert rows(first) == rows(second) and len(rows(first)) == 60
    assert first != second
    widths = [len(ids[0]) for ids, _ in first]
    assert widths != sorted(widths, reverse=True)  # long batches do not all come first


def test_a_budget_that_does_not_fit_is_told(shared_classifier, tiny_config, tiny_tokenizer):
    contract = {name: np.asarray(value) for name, value in shared_classifier.preprocess(TEXTS).items()}
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, IDS))
    predict, fit, evaluate = shared_classifier.predict, shared_classifier.fit, shared_classifier.evaluate
    for call, words in (
        (lambda: fit(TEXTS, IDS, batch_size=4, max_tokens_per_batch=64), "batch_size=4 was given beside max_tokens_per_batch=64"),
        (lambda: predict(TEXTS, max_tokens_per_batch=31), "max_tokens_per_batch=31 leaves no room for one text of 32 tokens"),
        (lambda: predict(TEXTS, max_tokens_per_batch=64.5), r"max_tokens_per_batch=64.5 leaves no room|whole number"),
        (lambda: predict(contract, max_tokens_per_batch=64), "batches raw text, and this is none"),
        (lambda: evaluate(dataset.batch(4), max_tokens_per_batch=64), "the dataset is batched; unbatch it"),
        (lambda: predict(TEXTS, steps=2, max_tokens_per_batch=64), "steps=2 was given beside max_tokens_per_batch"),
        (lambda: predict(dataset.repeat(), max_tokens_per_batch=64), "never ends"),
        (lambda: predict(dataset.take(0), max_tokens_per_batch=64), "the dataset is empty"),
        (lambda: shared_classifier.training_batches(dataset, 4, max_tokens_per_batch=64), "batch_size=4 was given beside"),
        (lambda: shared_classifier.training_batches(dataset.repeat(), max_tokens_per_batch=64), "cardinality -1"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    static = BertClassifier(BertEncoder(tiny_config), ["a", "b"], tiny_tokenizer, pad_to_multiple_of=None)
    with pytest.raises(ValueError, match=r"pads all to 32 tokens \(pad_to_multiple_of=None, as TPU needs\): batch_size=4 is the same"):
        static.fit(TEXTS, IDS, max_tokens_per_batch=128)
