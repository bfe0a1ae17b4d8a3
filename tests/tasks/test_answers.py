"""answer: what the exported model serves, as plain Python."""

import gzip
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from keras_bert import BertClassifier, BertConfig, BertEmbedder, BertEncoder, BertMaskedLM, BertPretrainer, BertTokenizer
from keras_bert.training import Trainer

CHINESE = ["你好，世界。", "我喜欢看电影 [MASK] 很好", "日本 \U0001f600 naïve café", "\U0001f4a9\U0001f4a9\U0001f4a9 ok"]


@pytest.fixture(scope="module")
def texts(root):
    """200: English reviews, Chinese, emoji, empty, not UTF-8, 10,000 characters, with masks."""
    with gzip.open(root / "examples" / "data" / "sentence_polarity" / "test.tsv.gz", "rt", encoding="utf-8") as file:
        reviews = [line.split("\t")[1] for line in file.read().splitlines()[:192]]
    reviews = [text.replace(" film ", " [MASK] ") for text in reviews]
    return [*reviews, *CHINESE, "", b"not \xff utf8", "so long " * 1250, "[MASK] [MASK][MASK]"]


@pytest.fixture(scope="module")
def encoder(uncased_vocabulary):
    keras.utils.set_random_seed(3)
    config = BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=64, initializer_range=0.3
    )
    return BertEncoder(config)


@pytest.fixture(scope="module")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary)


TASKS = {
    "classifier": lambda encoder, tokenizer: BertClassifier(encoder, ["negative", "positive"], tokenizer, text_pair=False),
    "pair_classifier": lambda encoder, tokenizer: BertClassifier(encoder, ["no", "maybe", "yes"], tokenizer, text_pair=True),
    "embedder": lambda encoder, tokenizer: BertEmbedder(encoder, tokenizer, text_pair=False),
    "masked_lm": lambda encoder, tokenizer: BertMaskedLM(encoder, tokenizer, text_pair=False, top_k=3),
    "pretrainer": lambda encoder, tokenizer: BertPretrainer(encoder, tokenizer),
}


@pytest.mark.parametrize(
    "task",
    ["classifier", "pretrainer", *(pytest.param(name, marks=pytest.mark.slow) for name in ("pair_classifier", "embedder", "masked_lm"))],
)
def test_answers_are_the_exported_model_s_reply(task, encoder, tokenizer, texts, tmp_path):
    model = TASKS[task](encoder, tokenizer)
    model.export(tmp_path / "model")
    serve = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    pairs = bool(model.text_pair)
    columns = {"text": texts} | ({"text_pair": texts[::-1]} if pairs else {})
    reply = {name: value.numpy() for name, value in serve(**{name: tf.constant(column) for name, column in columns.items()}).items()}
    answers = model.answer(columns)
    assert len(answers) == 200 and {frozenset(answer) for answer in answers} == {frozenset(reply)}
    json.dumps(answers)
    for index, answer in enumerate(answers):
        count = answer.get("count")
        for name, value in answer.items():
            served = np.asarray(reply[name][index])
            served = served[:count] if name in ("words", "scores") else served
            if served.dtype.kind == "f":
                np.testing.assert_allclose(np.reshape(value, served.shape), served, atol=2e-6)
            else:
                strings = [item.decode() if isinstance(item, bytes) else item for item in served.ravel().tolist()]
                assert np.ravel(value).tolist() == strings, index


def test_a_mask_in_a_text_is_the_mask(encoder, tokenizer):
    model = BertMaskedLM(encoder, tokenizer)
    (answer,) = model.answer(["paris is the [MASK] of [MASK] ."])
    ids = [101, *tokenizer.tokenize(["paris is the"]).numpy()[0], 103, *tokenizer.tokenize(["of"]).numpy()[0], 103, 1012, 102]
    batch = {"input_ids": np.array([ids], "int32"), "token_type_ids": np.zeros((1, len(ids)), "int32")}
    batch |= {"attention_mask": np.ones((1, len(ids)), "int32"), "masked_positions": np.array([[4, 6]], "int32")}
    logits = np.asarray(model(batch), "float64")[0]
    likely = np.exp(logits - logits.max(-1, keepdims=True))
    likely /= likely.sum(-1, keepdims=True)
    for found, scores, row in zip(answer["words"], answer["scores"], likely, strict=True):
        best = np.argsort(-row)[:5]
        assert found == [tokenizer.vocabulary[index] for index in best]
        np.testing.assert_allclose(scores, row[best], rtol=1e-4)
    assert answer["count"] == 2
    assert len(model.answer(["no mask"], top_k=2)[0]["words"]) == 0
    assert [len(words) for words in model.answer(["a [MASK]"], top_k=7)[0]["words"]] == [7]


def test_masked_lm_predicts_texts_of_different_lengths(encoder, tokenizer, texts):
    model = BertMaskedLM(encoder, tokenizer, max_length=16)
    got = model.predict(texts[:40], batch_size=8, verbose=0)
    alone = model.predict(texts[7:8], verbose=0)
    assert got.shape == (40, 16, 30522)
    np.testing.assert_allclose(got[7, : alone.shape[1]], alone[0], atol=1e-5)


def test_a_setting_that_is_changed_takes_effect(make_tiny_classifier):
    model = make_tiny_classifier(text_pair=False)
    texts = ["good " * 10 + "bad " * 10]
    whole = model.predict(texts, verbose=0)
    model.max_length = 5
    np.testing.assert_allclose(model.predict(texts, verbose=0), model.predict(["good good good"], verbose=0), atol=1e-6)
    assert model.settings()["max_length"] == 5 and model.preprocess(texts)["input_ids"].shape[1] == 5
    model.max_length = 32
    np.testing.assert_allclose(model.predict(texts, verbose=0), whole, atol=1e-6)
    label = model.answer(texts)[0]["label"]
    model.labels = [name.upper() for name in model.labels]
    assert model.answer(texts)[0]["label"] == label.upper()
    for name, value, error, words in (
        ("max_length", 33, ValueError, "max_length=33 is over max_position_embeddings=32"),
        ("labels", ["a", "b"], ValueError, "2 labels .a, b. for a classifier of 3"),
        ("pooling", "mean", AttributeError, "pooling is a part of the network"),
        ("tokenizer", BertTokenizer([*model.tokenizer.vocabulary, "zz"]), ValueError, "21 pieces but the word embedding"),
    ):
        with pytest.raises(error, match=words):
            setattr(model, name, value)


def test_answers_follow_training(make_tiny_classifier):
    model = make_tiny_classifier(text_pair=False)
    before = model.answer(["good film"])[0]["probabilities"]
    weight = model.network.weights[-1]
    weight.assign(weight + np.array([1.0, 0.0, 0.0], "float32"))
    after = model.answer(["good film"])[0]["probabilities"]
    odds = np.exp([1, 0, 0]) * before
    np.testing.assert_allclose(after, odds / odds.sum(), atol=1e-6)


def test_an_undecided_pair_is_told(make_tiny_classifier, tmp_path, recwarn):
    model = make_tiny_classifier()
    with pytest.warns(UserWarning, match="single texts or pairs is undecided.*model.text_pair = True"):
        model.export(tmp_path / "model")
    model.text_pair = True
    recwarn.clear()
    model.export(tmp_path / "model")
    assert not [each for each in recwarn if "undecided" in str(each.message)]
    assert sorted(tf.saved_model.load(tmp_path / "model").signatures["serving_default"].structured_input_signature[1]) == [
        "text",
        "text_pair",
    ]


def test_an_untrained_head_is_told_once(make_tiny_classifier, tmp_path, recwarn):
    make_tiny_classifier(text_pair=False).save_pretrained(tmp_path / "model")
    with pytest.warns(UserWarning, match="newly initialised"):
        model = BertClassifier.from_pretrained(tmp_path / "model", labels=["x", "y"])
    with pytest.warns(UserWarning, match="no checkpoint had weights for classifier/kernel, classifier/bias"):
        model.predict(["good"], verbose=0)
    recwarn.clear()
    model.answer(["good"])
    assert not list(recwarn)


def test_an_untrained_head_is_told_until_a_step_was_made(make_tiny_classifier, tmp_path, recwarn):
    make_tiny_classifier(text_pair=False).save_pretrained(tmp_path / "model")
    with pytest.warns(UserWarning, match="newly initialised"):
        model = BertClassifier.from_pretrained(tmp_path / "model", labels=["x", "y"])
    texts, labels = ["good", "bad"], ["x", "y"]
    with pytest.raises(ValueError, match="'z'"):
        model.fit(texts, ["x", "z"], verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices((texts, labels))
    batches = model.training_batches(dataset, batch_size=2)
    with pytest.warns(UserWarning, match="no checkpoint had weights for classifier/kernel"):
        model.predict(texts, verbose=0)
    model._untrained = ("classifier/kernel",)
    recwarn.clear()
    Trainer(model, tmp_path / "run", total_steps=1, validation_data=dataset).train(batches)  # which validates before step 1, too
    model.predict(texts, verbose=0)
    model._untrained, model.update_calls = ("classifier/kernel",), 0
    model.compile()
    model.fit(texts, labels, validation_data=(texts, labels), verbose=0)
    model.predict(texts, verbose=0)
    assert not [each for each in recwarn if "no checkpoint" in str(each.message)]


def test_a_call_that_fails_does_not_decide_about_pairs(make_tiny_classifier):
    model, texts = make_tiny_classifier(), ["good", "bad"]
    pairs = (texts, texts)
    wrong = tf.data.Dataset.from_tensor_slices((pairs, ["positive", "wrong"]))
    calls = (
        lambda: model.fit(pairs, ["positive", "wrong"], verbose=0),
        lambda: model.fit(pairs, ["positive", "wrong"], validation_split=0.5, verbose=0),
        lambda: model.fit(wrong, verbose=0),  # found in step 1
        lambda: model.evaluate(pairs, ["positive"], verbose=0),
        lambda: model.training_batches(wrong, max_tokens_per_batch=5),
        lambda: model.answer(pairs, max_length=1000),
    )
    for call in calls:
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            call()
        assert model.text_pair is None
    assert len(model.answer(texts)) == 2 and model.text_pair is False
    with pytest.raises(ValueError, match="this model reads single texts"):
        model.fit(pairs, ["positive", "wrong"], verbose=0)
    assert model.text_pair is False


def test_exporting_a_prepared_directory_replaces_only_a_saved_model(make_tiny_classifier, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds notes\.txt"):
        make_tiny_classifier(text_pair=False).export(tmp_path)
    with pytest.raises(ValueError, match="input_signature: the signatures of a task's SavedModel are its own"):
        make_tiny_classifier(text_pair=False).export(tmp_path / "new", input_signature=[])


def test_verify_compares_every_output(make_tiny_classifier, tmp_path, monkeypatch):
    model = make_tiny_classifier(text_pair=False)
    path = export.export_saved_model(model, tmp_path)
    model.labels = ["x", "y", "z"]  # the numbers agree, the names do not
    with pytest.raises(ValueError, match=r"signature serving_default answers label \[.*'negative'.*the model .*'x'"):
        export.verify_saved_model(path, model)
