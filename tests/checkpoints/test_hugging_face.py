import numpy as np
import pytest

import keras_bert
from keras_bert import BertClassifier, BertEncoder
from keras_bert.checkpoints import open_checkpoint, recognise
from keras_bert.checkpoints.checkpoint import load_weights


def load(path):
    return keras_bert.from_pretrained(path, cls=BertEncoder)


def test_a_missing_tensor_is_named(tiny_transformers_directory):
    path, tensors, rewrite = tiny_transformers_directory
    del tensors["bert.encoder.layer.1.output.dense.bias"]
    rewrite()
    with pytest.raises(ValueError, match=r"model\.safetensors lacks 1 tensors.*encoder\.layer\.1\.output\.dense\.bias"):
        load(path)


def test_a_misshapen_tensor_is_named(tiny_transformers_directory):
    path, tensors, rewrite = tiny_transformers_directory
    tensors["bert.encoder.layer.1.intermediate.dense.weight"] = np.zeros((99, 64), "float32")
    rewrite()
    with pytest.raises(ValueError, match=r"another size.*layer\.1\.intermediate\.dense\.weight \[99, 64\] for layer_1/intermediate/kernel"):
        load(path)


def test_a_tensor_that_no_bert_has_is_named(tiny_transformers_directory):
    path, tensors, rewrite = tiny_transformers_directory
    tensors["bert.adapter.weight"] = np.zeros(3, "float32")
    rewrite()
    with pytest.warns(UserWarning, match=r"ignored 1 tensors that no BERT has: adapter\.weight"):
        load(path)


@pytest.mark.parametrize("change", [{"num_hidden_layers": 2}, {"vocab_size": 999}, {"hidden_size": 32}, {"num_hidden_layers": 4}])
def test_a_checkpoint_of_another_size_is_refused(tiny_transformers_directory, change):
    path, _, rewrite = tiny_transformers_directory
    rewrite(**change)
    with pytest.raises(ValueError, match=r"another size|lacks .* encoder\.layer\.3"):
        load(path)


def test_nothing_is_assigned_unless_all_fits(tiny_transformers_directory):
    path, tensors, rewrite = tiny_transformers_directory
    del tensors["bert.encoder.layer.2.output.LayerNorm.weight"]
    rewrite()
    checkpoint = open_checkpoint(path)
    encoder = BertEncoder(checkpoint.config)
    before = encoder.get_weights()
    with pytest.raises(ValueError, match="LayerNorm"):
        load_weights(encoder, checkpoint)
    assert all(np.array_equal(was, now) for was, now in zip(before, encoder.get_weights(), strict=True))


def test_one_tensor_under_two_names_is_refused(tiny_transformers_directory):
    path, tensors, rewrite = tiny_transformers_directory
    tensors["bert.embeddings.LayerNorm.gamma"] = tensors["bert.embeddings.LayerNorm.weight"]
    rewrite()
    with pytest.raises(ValueError, match=r"the same tensor embeddings\.LayerNorm\.weight under two names"):
        load(path)


def test_a_missing_pooler_is_said(tiny_transformers_directory):
    path, tensors, rewrite = tiny_transformers_directory
    del tensors["bert.pooler.dense.weight"], tensors["bert.pooler.dense.bias"]
    rewrite()
    with pytest.warns(UserWarning, match="pooler/dense/kernel, pooler/dense/bias: newly initialised"):
        load(path)


def test_a_pickle_is_refused_with_the_reason(tiny_transformers_directory):
    path, _, _ = tiny_transformers_directory
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pytorch_model\.bin, a pickle: loading one can run code.*model\.safetensors"):
        load(path)


def test_what_was_found_is_listed(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"holds notes\.txt; expected one of"):
        recognise(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        recognise(tmp_path / "nowhere")


@pytest.mark.parametrize("damage", ["cut", "header"])
def test_a_damaged_file_is_named(tiny_transformers_directory, damage):
    path, _, _ = tiny_transformers_directory
    data = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(data[: len(data) // 2] if damage == "cut" else b"\xff" * 8 + data[8:])
    with pytest.raises(ValueError, match=r"model\.safetensors is not a whole safetensors file"):
        load(path)


def test_integer_weights_are_refused(tiny_transformers_directory):
    path, tensors, rewrite = tiny_transformers_directory
    tensors["bert.pooler.dense.bias"] = np.zeros(64, "int64")
    rewrite()
    with pytest.raises(ValueError, match=r"pooler\.dense\.bias has dtype I64"):
        load(path)


def test_the_position_buffer_of_old_files_is_passed_over(tiny_transformers_directory):
    path, tensors, rewrite = tiny_transformers_directory
    tensors["bert.embeddings.position_ids"] = np.arange(64)[None]
    rewrite()
    load(path)  # warnings are errors here


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_files_are_read(tiny_transformers_directory, reference, dtype):
    import ml_dtypes  # noqa: F401 - gives NumPy bfloat16

    path, tensors, rewrite = tiny_transformers_directory
    for name in tensors:
        tensors[name] = tensors[name].astype(dtype)
    rewrite()
    expected = np.load(reference / "hugging_face" / "sequence_classification" / "expected.npz")
    batch = {name: expected[name].astype("int32") for name in ("input_ids", "token_type_ids", "attention_mask")}
    got = np.asarray(load(path)(batch)["sequence_output"])
    off = np.abs(got - expected["last_hidden_state"])[expected["attention_mask"] == 1].max()
    assert off < (0.02 if dtype == "float16" else 0.1)


def test_classifier_logits_and_labels_of_transformers(reference):
    path = reference / "hugging_face" / "sequence_classification"
    model = keras_bert.from_pretrained(path)
    assert isinstance(model, BertClassifier)
    assert model.labels == ["negative", "neutral", "positive"]
    expected = np.load(path / "expected.npz")
    batch = {name: expected[name].astype("int32") for name in ("input_ids", "token_type_ids", "attention_mask")}
    np.testing.assert_allclose(model(batch), expected["logits"], atol=1e-5)
    exponentials = np.exp(expected["logits"] - expected["logits"].max(-1, keepdims=True))
    np.testing.assert_allclose(model.predict(batch, verbose=0), exponentials / exponentials.sum(-1, keepdims=True), atol=1e-6)


def test_a_head_that_the_checkpoint_lacks_is_said(reference):
    path = reference / "hugging_face" / "pretraining"
    with pytest.warns(UserWarning, match="no weights that fit classifier/kernel, classifier/bias: newly initialised"):
        model = BertClassifier.from_pretrained(path, labels=["no", "yes"])
    assert model.labels == ["no", "yes"]


def test_other_labels_do_not_take_the_head(reference):
    path = reference / "hugging_face" / "sequence_classification"
    with pytest.warns(UserWarning, match="classifier/kernel"):
        BertClassifier.from_pretrained(path, labels=["negative", "positive", "neutral"])


def test_another_pooling_does_not_take_the_head(reference):
    with pytest.warns(UserWarning, match="classifier/kernel"):
        BertClassifier.from_pretrained(reference / "hugging_face" / "sequence_classification", pooling="mean")


def test_no_labels_anywhere(reference):
    with pytest.raises(ValueError, match=r"names no labels; give labels=\[...\]"):
        BertClassifier.from_pretrained(reference / "hugging_face" / "pretraining")


def test_label_ids_must_count_from_zero(tiny_transformers_directory):
    path, _, rewrite = tiny_transformers_directory
    rewrite(id2label={"1": "a", "2": "b", "3": "c"})
    with pytest.raises(ValueError, match="ids 1, 2, 3; expected 0 to 2"):
        keras_bert.from_pretrained(path)


@pytest.mark.parametrize("placeholders", [None, {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}])
def test_placeholder_labels_may_be_named_without_losing_the_head(tiny_transformers_directory, placeholders):
    path, tensors, rewrite = tiny_transformers_directory
    rewrite(id2label=placeholders)
    assert keras_bert.from_pretrained(path).labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
    model = BertClassifier.from_pretrained(path, labels=["bad", "so", "good"])  # warnings are errors here
    np.testing.assert_array_equal(model.network.get_layer("classifier").kernel, tensors["classifier.weight"].T)


def test_a_tagger_s_head_is_not_taken_for_a_classifier_s(reference):
    path = reference / "hugging_face" / "token_classification"
    with pytest.raises(ValueError, match="names no labels"):
        BertClassifier.from_pretrained(path)
    with pytest.warns(UserWarning, match="classifier/kernel"):
        BertClassifier.from_pretrained(path, labels=list("abcde"))


def test_class_by_architecture(reference):
    classes = {
        "pretraining": "BertPretrainer",
        "masked_lm": "BertMaskedLM",
        "sequence_classification": "BertClassifier",
        "token_classification": "BertTagger",
        "question_answering": "BertQuestionAnswerer",
    }
    got = {name: type(keras_bert.from_pretrained(reference / "hugging_face" / name)).__name__ for name in classes}
    assert got == classes
