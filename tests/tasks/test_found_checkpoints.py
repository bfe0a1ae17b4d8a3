"""Checkpoints as they are found, from raw text, beside what Transformers and sentence-transformers gave."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import keras_bert
from keras_bert import BertClassifier, BertEmbedder, BertEncoder, BertNextSentence

KINDS = {
    "cross_encoder": BertClassifier,
    "multi_label": BertClassifier,
    "regression": BertClassifier,
    "padded_vocabulary": BertClassifier,
    "next_sentence": BertNextSentence,
    "sentence_transformers_dense": BertEmbedder,
    "sentence_transformers_dense_identity": BertEmbedder,
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype("float64")))


def expected_answers(kind, logits, labels):
    """What each kind answers, of Transformers' logits."""
    if kind == "cross_encoder":
        return [{"score": score} for score in sigmoid(logits)[:, 0]]
    if kind == "regression":
        return [{"value": value} for value in logits[:, 0]]
    if kind == "multi_label":
        names = np.array(list(labels.values()))
        rows = sigmoid(logits)
        counts = (rows >= 0.5).sum(axis=1).tolist()
        return [
            {"labels": names[row >= 0.5].tolist(), "count": count, "probabilities": row.tolist()}
            for row, count in zip(rows, counts, strict=True)
        ]
    names = ["is_next", "not_next"] if kind == "next_sentence" else list(labels.values())
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities = exponentials / exponentials.sum(-1, keepdims=True)
    return [{"label": names[row.argmax()], "score": row.max(), "probabilities": row.tolist()} for row in probabilities]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_from_raw_text_are_theirs(shared, kind, tmp_path):
    path = shared / "reference" / "transformers_more" / kind
    inputs, expected = json.loads((path / "inputs.json").read_text()), np.load(path / "expected.npz")
    model = keras_bert.from_pretrained(path)
    assert not model.load_report.initialised
    assert type(model) is KINDS[kind]
    texts = {"text": inputs["texts"]} | ({"text_pair": inputs["text_pairs"]} if inputs.get("text_pairs") else {})
    if "input_ids" in expected:
        model.max_length = 48  # as they were asked to truncate
        batch = model.preprocess(*texts.values())
        width = expected["input_ids"].shape[1]
        np.testing.assert_array_equal(batch["input_ids"][:, :width], expected["input_ids"])
        np.testing.assert_array_equal(batch["token_type_ids"][:, :width], expected["token_type_ids"])
    if KINDS[kind] is BertEmbedder:
        np.testing.assert_allclose(model.predict(texts, verbose=0), expected["embeddings"], atol=1e-5)
        answers = [{"embedding": row.tolist()} for row in expected["embeddings"]]
    else:
        logits = np.asarray(model(model.preprocess(*texts.values())))
        np.testing.assert_allclose(logits, expected["logits"], atol=1e-5)
        if "probabilities" in expected:
            np.testing.assert_allclose(model.predict(texts, verbose=0), expected["probabilities"], atol=1e-5)
        answers = expected_answers(kind, expected["logits"], json.loads((path / "config.json").read_text()).get("id2label", {}))
    for found, wanted in zip(model.answer(texts), answers, strict=True):
        assert set(found) == set(wanted)
        for name, value in wanted.items():
            assert found[name] == (pytest.approx(value, abs=1e-5) if not isinstance(value, str) and name != "labels" else value)
    model.save_pretrained(tmp_path / "ours")
    again = keras_bert.from_pretrained(tmp_path / "ours", strict=True)
    assert again.answer(texts) == model.answer(texts)


def test_a_pair_is_one_segment_where_the_checkpoint_has_one_token_type(tiny_config, tiny_tokenizer):
    model = BertClassifier(BertEncoder(dataclasses.replace(tiny_config, type_vocab_size=1)), ["a", "b"], tiny_tokenizer)
    batch = model.preprocess(["good"], ["bad film"])
    assert not np.any(batch["token_type_ids"]) and np.isfinite(model.predict((["good"], ["bad film"]), verbose=0)).all()


def test_a_task_is_not_quantized_by_half(shared_classifier):
    before = [weight.path for weight in shared_classifier.network.weights]
    with pytest.raises(NotImplementedError, match=r"BertClassifier cannot be quantized yet.*bfloat16"):
        shared_classifier.quantize("int8")
    assert [weight.path for weight in shared_classifier.network.weights] == before


def test_lora_s_answers_come_back_merged(make_tiny_classifier, tmp_path):
    model = make_tiny_classifier(text_pair=False)
    texts = ["good film", "bad", "it was great"]
    model.predict(texts, verbose=0)
    block = model.encoder.get_layer("layer_0")
    for layer in (block.attention.qkv, block.output_dense):
        layer.enable_lora(4)
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(texts, [0, 1, 2], epochs=2, verbose=0)
    expected = model.predict(texts, verbose=0)
    model.save_pretrained(tmp_path / "model")
    np.testing.assert_allclose(keras_bert.from_pretrained(tmp_path / "model").predict(texts, verbose=0), expected, atol=1e-5)


def test_several_labels_without_an_activation_are_answered_with_probabilities(tiny_config, tiny_tokenizer):
    model = BertClassifier(BertEncoder(tiny_config), ["no", "yes"], tiny_tokenizer, activation="linear", text_pair=False)
    (answer,) = model.answer(["good"])
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-6)


def test_added_tokens_are_whole_and_special_ones_where_they_are_asked_for(shared):
    path = shared / "reference" / "transformers_more" / "added_tokens"
    texts, expected = json.loads((path / "inputs.json").read_text())["texts"], np.load(path / "expected.npz")
    model = BertClassifier.from_pretrained(path, max_length=48)
    model.tokenizer = model.tokenizer.with_special_tokens_in_text(True)
    width = expected["input_ids"].shape[1]
    np.testing.assert_array_equal(model.preprocess(texts)["input_ids"][:, :width], expected["input_ids"])
    np.testing.assert_allclose(np.asarray(model(model.preprocess(texts))), expected["logits"], atol=1e-5)
    plain = BertClassifier.from_pretrained(path, max_length=48).preprocess(texts)["input_ids"].numpy()
    np.testing.assert_array_equal(plain[:4, :width], expected["input_ids"][:4])
    assert not np.array_equal(plain[4, :width], expected["input_ids"][4])  # brackets and a word, as google-research has it
