"""Thresholds that are chosen on validation data: what is answered, saved and served by them."""

import numpy as np
import pytest
import tensorflow as tf

import export
import keras_bert
from keras_bert import BertClassifier, BertEncoder

TEXTS = ["good film", "bad", "it was great , no ?", "", "bad bad film", "a b c", "no", "great great", "it is", "c"]
MANY = [["x"], [], ["x", "y"], ["y"], [], ["y"], ["x"], [], ["x"], []]


@pytest.mark.slow
def test_each_label_has_the_threshold_of_its_best_f1(quick_config, tiny_tokenizer, tmp_path, answers_of_forks):
    import dataclasses

    encoder = BertEncoder(dataclasses.replace(quick_config, initializer_range=0.3))
    model = BertClassifier(encoder, ["x", "y", "z"], tiny_tokenizer, problem_type="multi_label_classification", text_pair=False)
    probabilities = model.predict(TEXTS, verbose=0)
    hot = model.preprocessor.encode_targets(MANY)
    found = model.tune_thresholds(TEXTS, MANY)
    assert set(found) == {"x", "y"} and model.thresholds[2] == 0.5

    def f1(is_right, taken):
        return 2 * (is_right & taken).sum() / (is_right.sum() + taken.sum())

    for index, name in enumerate("xy"):
        is_right, scores = hot[:, index] == 1, probabilities[:, index]
        best = max(f1(is_right, scores >= threshold) for threshold in scores)
        assert found[name]["f1"] == pytest.approx(best)
        assert f1(is_right, scores >= np.float32(model.thresholds[index])) == pytest.approx(best)
    answers = model.answer(TEXTS)
    expected = [[name for name, p, t in zip("xyz", row, model.thresholds, strict=True) if p >= t] for row in probabilities.tolist()]
    assert [answer["labels"] for answer in answers] == expected
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, hot))
    assert model.tune_thresholds(dataset, batch_size=3)["x"] == pytest.approx(found["x"], abs=1e-6)
    path = export.export_saved_model(model, tmp_path)
    assert export.verify_saved_model(path, model) <= 1e-5
    model.save_pretrained(tmp_path / "ours")
    assert keras_bert.from_pretrained(tmp_path / "ours").answer(TEXTS) == model.answer(TEXTS)
    with pytest.warns(UserWarning, match="newly initialised"):
        assert BertClassifier.from_pretrained(tmp_path / "ours", labels=["x", "w"]).thresholds is None  # they were of other labels
    for thresholds, words in (([0.1], "1 thresholds for the 3 labels"), ([0.1, 2, 0.3], "the threshold of 'y' is 2")):
        with pytest.raises(ValueError, match=words):
            model.thresholds = thresholds


def test_texts_out_of_scope_are_rejected(make_tiny_classifier, tmp_path, answers_of_forks):
    model = make_tiny_classifier(text_pair=False)
    probabilities = model.predict(TEXTS, verbose=0)
    best, chosen = probabilities.max(1), [model.labels[index] for index in probabilities.argmax(1)]
    order = np.argsort(-best)
    gold = list(chosen)
    for index in order[-4:]:
        gold[index] = None  # the least sure ones are none of the labels
    gold[order[1]] = next(name for name in model.labels if name != chosen[order[1]])
    found = model.tune_rejection(TEXTS, gold)
    assert (found["precision"], found["recall"]) == (pytest.approx(5 / 6), pytest.approx(5 / 6))
    assert best[order[-4]] < found["threshold"] <= best[order[-5]] and found["threshold"] == model.rejection_threshold
    model.rejected_label = "other"
    answers = model.answer(TEXTS)
    assert [answer["rejected"] for answer in answers] == (best < found["threshold"]).tolist()
    assert [answer["label"] for answer in answers] == [
        "other" if rejected else name for name, rejected in zip(chosen, best < found["threshold"], strict=True)
    ]
    path = export.export_saved_model(model, tmp_path)
    assert export.verify_saved_model(path, model) <= 1e-5
    reply = tf.saved_model.load(path).signatures["serving_default"](text=tf.constant(TEXTS))
    assert reply["rejected"].numpy().tolist() == [answer["rejected"] for answer in answers]
    model.save_pretrained(tmp_path / "ours")
    assert keras_bert.from_pretrained(tmp_path / "ours").answer(TEXTS) == answers
    ids = np.array([3 if name is None else model.labels.index(name) for name in gold])
    precise = model.tune_rejection(tf.data.Dataset.from_tensor_slices((TEXTS, ids)), precision=1.0)
    assert (precise["precision"], precise["recall"]) == (1.0, pytest.approx(1 / 6))
    with pytest.raises(ValueError, match="rejected_label='positive' is not a name of its own"):
        model.rejected_label = "positive"
    with pytest.raises(ValueError, match=r"rejection_threshold=2 is no probability"):
        model.rejection_threshold = 2


def test_only_what_is_chosen_is_tuned(shared_classifier, quick_config, tiny_tokenizer):
    with pytest.raises(ValueError, match="tune_thresholds is of any number of labels"):
        shared_classifier.tune_thresholds(TEXTS, MANY)
    scorer = BertClassifier(BertEncoder(quick_config), ["score"], tiny_tokenizer, activation="sigmoid")
    with pytest.raises(ValueError, match="tune_rejection is of one label of several"):
        scorer.tune_rejection(TEXTS, MANY)
    with pytest.raises(ValueError, match=r"rejection_threshold=0\.5: only where one label of several is chosen"):
        scorer.rejection_threshold = 0.5


def test_a_missing_label_is_out_of_scope_as_none_is(shared_classifier, monkeypatch):
    chosen = shared_classifier.predict(TEXTS, verbose=0).argmax(-1)
    monkeypatch.setattr(shared_classifier, "change_settings", lambda **changes: None)  # others share it
    ids = [float(index) for index in chosen[:-1]]
    expected = shared_classifier.tune_rejection(TEXTS, [*map(int, ids), None])
    assert shared_classifier.tune_rejection(TEXTS, [*ids, float("nan")]) == expected
    with pytest.raises(ValueError, match=rf"{len(TEXTS)} texts but 2 labels"):
        shared_classifier.tune_rejection(TEXTS, ids[:2])
