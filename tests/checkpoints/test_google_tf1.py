"""A checkpoint and outputs made by google-research/bert's own modeling.py; see tests/reference/README.md."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

import keras_bert
from keras_bert import BertClassifier, BertEncoder, BertMaskedLM, BertPretrainer, features
from keras_bert.checkpoints import load_network, open_checkpoint
from keras_bert.models import SpanClassifier


@pytest.fixture(scope="module")
def directory(reference):
    return reference / "google_tf1"


@pytest.fixture(scope="module")
def expected(directory):
    return np.load(directory / "expected.npz")


def contract(expected):
    return {
        features.INPUT_IDS: expected["input_ids"],
        features.TOKEN_TYPE_IDS: expected["segment_ids"],
        features.ATTENTION_MASK: expected["input_mask"],
    }


def write(prefix, tensors):
    """Write a TF1 checkpoint: tensors by name."""
    names = sorted(tensors)
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=[""] * len(names), tensors=[tensors[n] for n in names])


def tensors_of(directory):
    reader = tf.train.load_checkpoint(str(directory / "bert_model.ckpt"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.fixture
def copy(directory, tmp_path):
    """A copy to change: (path, tensors without the optimizer's, rewrite())."""
    path = tmp_path / "checkpoint"
    path.mkdir()
    shutil.copy(directory / "bert_config.json", path)
    tensors = {name: value for name, value in tensors_of(directory).items() if not name.endswith(("adam_m", "adam_v", "global_step"))}

    def rewrite(name="bert_model.ckpt"):
        write(path / name, tensors)

    return path, tensors, rewrite


def test_all_six_arrays(directory, expected):
    encoder = keras_bert.from_pretrained(directory, cls=BertEncoder, return_hidden_states=True)
    outputs = encoder(contract(expected))
    heads = BertPretrainer.from_pretrained(directory)(contract(expected) | {features.MASKED_POSITIONS: expected["masked_lm_positions"]})
    pairs = {
        "embedding_output": outputs["hidden_states"][0],
        "layer_1": outputs["hidden_states"][1],
        "sequence_output": outputs["sequence_output"],
        "pooled_output": outputs["pooled_output"],
        "mlm_logits": heads["mlm_logits"],
        "nsp_logits": heads["nsp_logits"],
    }
    for name, got in pairs.items():
        rows = expected["input_mask"] == 1 if expected[name].shape[1:2] == (24,) else slice(None)
        assert np.abs(np.asarray(got) - expected[name])[rows].max() <= 1e-5, name


def test_the_masked_lm_alone_takes_its_part(directory, expected):
    model = BertMaskedLM.from_pretrained(directory)
    logits = model(contract(expected) | {features.MASKED_POSITIONS: expected["masked_lm_positions"]})
    assert np.abs(np.asarray(logits) - expected["mlm_logits"]).max() <= 1e-5
    assert sorted(model.load_report.ignored) == [
        "bert/pooler/dense/bias", "bert/pooler/dense/kernel", "cls/seq_relationship/output_bias", "cls/seq_relationship/output_weights",
    ]  # fmt: skip


def test_the_report_names_the_optimizer_s_tensors_as_such(directory):
    report = BertPretrainer.from_pretrained(directory, strict=True).load_report  # they are no reason to refuse
    assert len(report.taken) == 62 and report.ignored == () and report.initialised == ()
    assert len(report.optimizer) == 125
    assert all(name.endswith(("/adam_m", "/adam_v")) or name == "global_step" for name in report.optimizer)
    assert "125 optimizer tensors ignored: bert/embeddings/LayerNorm/beta/adam_m;" in str(report)


def test_strict_refuses_what_is_left_over(directory):
    with pytest.raises(ValueError, match=r"strict=True, but .*(?s:.*)4 tensors ignored: bert/pooler/dense/bias"):
        BertMaskedLM.from_pretrained(directory, strict=True)


def test_without_a_vocabulary_only_text_raises(directory, expected):
    model = BertPretrainer.from_pretrained(directory)
    assert model.tokenizer is None
    with pytest.raises(ValueError, match=r"BertPretrainer was made without a vocabulary"):
        model.preprocess(["a text"])


def test_a_fine_tuned_classifier_brings_its_head(copy):
    path, tensors, rewrite = copy
    tensors["output_weights"] = np.arange(192, dtype="float32").reshape(3, 64)
    tensors["output_bias"] = np.float32([1, 2, 3])
    del tensors["cls/predictions/output_bias"]
    rewrite("model.ckpt-300")
    model = BertClassifier.from_pretrained(path)  # warnings are errors here
    assert model.labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
    np.testing.assert_array_equal(model.network.get_layer("classifier").kernel, tensors["output_weights"].T)
    np.testing.assert_array_equal(model.network.get_layer("classifier").bias, tensors["output_bias"])


def test_a_squad_model_brings_its_head(copy):
    path, tensors, rewrite = copy
    del tensors["cls/predictions/output_bias"]
    tensors["cls/squad/output_weights"] = np.ones((2, 64), "float32")
    tensors["cls/squad/output_bias"] = np.float32([3, 4])
    rewrite()
    network = load_network(path)
    assert isinstance(network, SpanClassifier)
    np.testing.assert_array_equal(network.get_layer("span").bias, [3, 4])


def test_the_latest_of_several_is_read(copy):
    path, tensors, rewrite = copy
    rewrite("model.ckpt-100")
    tensors["bert/pooler/dense/bias"] = np.full(64, 7, "float32")
    rewrite("model.ckpt-200")
    with pytest.raises(ValueError, match=r"2 TensorFlow checkpoints \(model\.ckpt-100, model\.ckpt-200\) and no file `checkpoint`"):
        open_checkpoint(path)
    # An absolute path of the machine that trained, or one that leads elsewhere: only the name counts.
    (path / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/../model.ckpt-200"\nall_model_checkpoint_paths: "x"\n')
    encoder = keras_bert.from_pretrained(path)
    assert encoder.get_layer("pooler").dense.bias.numpy().tolist() == [7] * 64


def test_no_configuration(copy):
    path, _, rewrite = copy
    rewrite()
    (path / "bert_config.json").unlink()
    with pytest.raises(ValueError, match=r"no bert_config\.json: sizes and activation are not in the checkpoint"):
        open_checkpoint(path)


def test_a_cut_off_file_is_named(copy):
    path, _, rewrite = copy
    rewrite()
    data = path / "bert_model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"bert_model\.ckpt: .* cannot be read"):
        keras_bert.from_pretrained(path)
    (path / "bert_model.ckpt.index").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match=r"bert_model\.ckpt\.index cannot be read as a TensorFlow checkpoint"):
        keras_bert.from_pretrained(path)


def test_wrong_dtype_shape_and_layers_are_named(copy):
    path, tensors, rewrite = copy
    good = tensors["bert/pooler/dense/bias"]
    tensors["bert/pooler/dense/bias"] = np.zeros(64, "int32")
    rewrite()
    with pytest.raises(ValueError, match="bert/pooler/dense/bias has dtype int32"):
        keras_bert.from_pretrained(path)
    tensors["bert/pooler/dense/bias"] = np.zeros(63, "float32")
    rewrite()
    with pytest.raises(ValueError, match=r"another size.*bert/pooler/dense/bias \[63\] for pooler/dense/bias \[64\]"):
        keras_bert.from_pretrained(path)
    tensors["bert/pooler/dense/bias"] = good
    tensors["bert/encoder/layer_3/output/dense/bias"] = np.zeros(64, "float32")
    rewrite()
    with pytest.raises(ValueError, match="no place for bert/encoder/layer_3/output/dense/bias"):
        keras_bert.from_pretrained(path)


@pytest.mark.parametrize(("pieces", "lower_case"), [(["film", "naïve"], True), (["film", "Film"], False)])
def test_the_vocabulary_tells_whether_text_is_lower_cased(copy, pieces, lower_case):
    path, _, rewrite = copy
    rewrite()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (path / "vocab.txt").write_text("\n".join([*special, *pieces]) + "\n", encoding="utf-8")
    tokenizer = open_checkpoint(path).make_tokenizer()
    assert (tokenizer.lower_case, tokenizer.max_word_characters) == (lower_case, 200)
