"""Every kind of classification, trained by its default loss: values by hand, and what goes wrong."""

import warnings

import keras
import numpy as np
import pytest

from keras_bert import BertClassifier, BertEncoder, BertNextSentence
from keras_bert.training import create_optimizer

TEXTS = ["good film", "bad", "it was great , no ?", "", "bad bad film"] * 4
MANY = [["quality"], [], ["quality", "question"], ["short"], []] * 4
HOT = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]] * 4, "float32")
SCORES = np.array([0.9, 0.1, 1.0, 0.5, 0.0] * 4)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


@pytest.fixture(scope="module")
def make(quick_config, tiny_tokenizer):
    import dataclasses

    def make(labels, **options):
        keras.utils.set_random_seed(7)
        config = dataclasses.replace(quick_config, initializer_range=0.3)
        return BertClassifier(BertEncoder(config), labels, tiny_tokenizer, text_pair=False, **options)

    return make


@pytest.fixture(scope="module")
def multi_label(make):
    return make(["quality", "question", "short"], problem_type="multi_label_classification")


@pytest.fixture(scope="module")
def scorer(make):
    return make(["yes"], activation="sigmoid")


@pytest.fixture(scope="module")
def regression(make):
    return make(["stars"], problem_type="regression")


def logits_of(model):
    return np.asarray(model(model.preprocess(TEXTS)))


def test_several_labels_are_evaluated_by_cross_entropy_of_each(multi_label):
    p = sigmoid(logits_of(multi_label))
    expected = -(HOT * np.log(p) + (1 - HOT) * np.log(1 - p)).mean()
    sklearn = pytest.importorskip("sklearn.metrics")
    for labels in (MANY, HOT):
        loss, micro, macro = multi_label.evaluate(TEXTS, labels, batch_size=3, verbose=0)
        assert loss == pytest.approx(expected, rel=1e-5)
        assert micro == pytest.approx(sklearn.f1_score(HOT, p >= 0.5, average="micro", zero_division=0), abs=1e-6)
        assert macro == pytest.approx(sklearn.f1_score(HOT, p >= 0.5, average="macro", zero_division=0), abs=1e-6)


def test_a_score_is_evaluated_by_cross_entropy_and_correlation(scorer):
    logits = logits_of(scorer)[:, 0]
    p = sigmoid(logits)
    loss, pearson = scorer.evaluate(TEXTS, SCORES, batch_size=3, verbose=0)
    assert loss == pytest.approx(-(SCORES * np.log(p) + (1 - SCORES) * np.log(1 - p)).mean(), rel=1e-5)
    assert pearson == pytest.approx(np.corrcoef(SCORES, p)[0, 1], abs=1e-5)


def test_numbers_are_evaluated_by_squared_error_and_correlation(regression, make):
    logits = logits_of(regression)[:, 0]
    loss, pearson = regression.evaluate(TEXTS, SCORES * 5, batch_size=3, verbose=0)
    assert loss == pytest.approx(((logits - SCORES * 5) ** 2).mean(), rel=1e-5)
    assert pearson == pytest.approx(np.corrcoef(SCORES, logits)[0, 1], abs=1e-5)
    several = make(["stars", "length"], problem_type="regression")
    targets = np.stack([SCORES, 1 - SCORES], axis=1)
    expected = ((logits_of(several) - targets) ** 2).mean()
    assert several.evaluate(TEXTS, targets, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_next_sentence_is_evaluated_and_trained_by_cross_entropy(quick_config, tiny_tokenizer):
    model = BertNextSentence(BertEncoder(quick_config), tiny_tokenizer)
    pairs, names = (TEXTS, TEXTS[::-1]), ["is_next", "not_next"] * 10
    logits = np.asarray(model(model.preprocess(*pairs)), "float64")
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.log(p[np.arange(20), np.arange(20) % 2]).mean()
    assert model.evaluate(pairs, names, verbose=0)[0] == pytest.approx(expected, rel=1e-5)
    model.compile(keras.optimizers.SGD(0.0))
    assert model.fit(pairs, names, verbose=0).history["loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "options", "targets"),
    [
        (["quality", "question", "short"], {"problem_type": "multi_label_classification"}, MANY),
        (["yes"], {"activation": "sigmoid"}, SCORES),
        (["stars"], {"problem_type": "regression"}, SCORES * 5),
    ],
    ids=["several", "score", "number"],
)
def test_they_learn_by_default(make, labels, options, targets):
    model = make(labels, **options)
    before = model.evaluate(TEXTS, targets, verbose=0)[0]
    model.compile(create_optimizer(1e-2, total_steps=60))
    model.fit(TEXTS, targets, batch_size=4, epochs=12, verbose=0)
    after, *metrics = model.evaluate(TEXTS, targets, verbose=0)
    assert after < before / 2 and min(metrics) > 0.9


def test_keras_s_metrics_get_probabilities(multi_label, scorer):
    sklearn = pytest.importorskip("sklearn.metrics")
    for model, targets in ((multi_label, HOT), (scorer, SCORES.round())):
        model.compile(metrics=["accuracy", keras.metrics.AUC(multi_label=model is multi_label, num_thresholds=2000, name="auc")])
        p = sigmoid(logits_of(model))
        found = model.evaluate(TEXTS, targets, verbose=0, return_dict=True)
        model.compile()
        targets = np.reshape(targets, p.shape)
        assert found["accuracy"] == pytest.approx(((p >= 0.5) == targets).mean(), abs=1e-6)
        assert found["auc"] == pytest.approx(sklearn.roc_auc_score(targets, p, average="macro"), abs=2e-3)


def test_class_weights_by_name_and_balanced_are_the_same(tiny_classifier):
    names = ["negative"] * 10 + ["positive"] * 6 + ["neutral"] * 4
    by_sklearn = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight(
        "balanced", classes=np.array(sorted(set(names))), y=names
    )
    weights = dict(zip(sorted(set(names)), by_sklearn.tolist(), strict=True))
    tiny_classifier.compile(keras.optimizers.SGD(0.0), class_weights=weights)
    weighted = tiny_classifier.evaluate(TEXTS, names, verbose=0)[0]
    assert keras.saving.deserialize_keras_object(tiny_classifier.get_compile_config())["class_weights"] == pytest.approx(weights)
    tiny_classifier.compile(keras.optimizers.SGD(0.0))
    fitted = tiny_classifier.fit(TEXTS, names, class_weight="balanced", verbose=0).history["loss"][0]
    assert fitted == pytest.approx(weighted, rel=1e-5)
    assert abs(weighted - tiny_classifier.evaluate(TEXTS, names, verbose=0)[0]) > 1e-3


def test_one_label_for_every_text_is_told(tiny_classifier):
    layer = tiny_classifier.network.get_layer("classifier")
    layer.bias.assign([0.0, 50.0, 0.0])
    with pytest.warns(UserWarning, match="every text that was evaluated got the label 'positive', though"):
        tiny_classifier.evaluate(TEXTS * 3, ["negative", "positive"] * 30, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny_classifier.evaluate(TEXTS * 3, ["positive"] * 60, verbose=0)
        tiny_classifier.evaluate(TEXTS * 2, ["negative", "positive"] * 20, verbose=0)
        with tiny_classifier.before_training():
            tiny_classifier.evaluate(TEXTS * 3, ["negative", "positive"] * 30, verbose=0)


@pytest.mark.parametrize(
    ("kind", "call", "words"),
    [
        ("regression", lambda model: model.fit(TEXTS, [np.nan] + [1.0] * 19), "score 0 is nan; expected a finite number"),
        ("scorer", lambda model: model.fit(TEXTS, [2.0] * 20), "score 0 is 2.0; expected a number from 0 to 1"),
        ("multi_label", lambda model: model.fit(TEXTS, [["good"]] * 20), "label 0 is 'good'; the model's labels are quality"),
        ("multi_label", lambda model: model.fit(TEXTS, HOT, class_weight="balanced"), "only a choice of one label has classes"),
        ("multi_label", lambda model: model.compile(class_weights="balanced"), "class_weights='balanced': how often"),
        ("multi_label", lambda model: model.compile(loss="binary_crossentropy", focal_gamma=2), "focal_gamma: of the task's own loss"),
        ("regression", lambda model: model.compile(label_smoothing=0.1), "label_smoothing: of labels, but this model answers numbers"),
        ("multi_label", lambda model: model.compile(class_weights={"good": 2}), "class_weight has 'good'; the labels are quality"),
    ],
)
def test_what_does_not_fit_is_told(request, kind, call, words):
    with pytest.raises(ValueError, match=words):
        call(request.getfixturevalue(kind))


def test_top_k_names_the_likeliest_labels(shared_classifier, multi_label, regression):
    for model in (shared_classifier, multi_label):
        probabilities, names = model.predict(TEXTS[:5], verbose=0), np.array(model.labels)
        for count in (2, 9):  # there are three
            for answer, row in zip(model.answer(TEXTS[:5], top_k=count), probabilities, strict=True):
                best = np.argsort(-row)[:count]
                assert [each["label"] for each in answer["top"]] == names[best].tolist()
                np.testing.assert_allclose([each["score"] for each in answer["top"]], row[best], atol=1e-6)
        assert "top" not in model.answer(["good"])[0]
    with pytest.raises(ValueError, match=r"top_k=0 is not a positive whole number"):
        shared_classifier.answer(["good"], top_k=0)
    with pytest.raises(ValueError, match=r"top_k=2: only labels can be named best first; this model answers numbers"):
        regression.answer(["good"], top_k=2)


def test_one_class_alone_cannot_be_balanced(shared_classifier):
    with pytest.raises(ValueError, match="all examples have one label, 'positive'"):
        shared_classifier.fit(TEXTS, ["positive"] * 20, class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight='even' is neither"):
        shared_classifier.fit(TEXTS, ["positive"] * 20, class_weight="even")
