"""Heads beside outputs of Transformers (tests/reference), and beside closed forms in NumPy."""

import sys

import keras
import numpy as np
import pytest

import keras_bert
from keras_bert import BertClassifier, BertEncoder, BertMaskedLM, BertPretrainer, features
from keras_bert.layers import MaskedLMHead
from keras_bert.models import MaskedLM, NextSentence, Pretrainer, SequenceClassifier, SpanClassifier, TextEmbedder, TokenClassifier


def contract(expected):
    return {name: expected[name].astype("int32") for name in features.UNPACKED}


def difference(got, expected, rows=slice(None)):
    return float(np.abs(np.asarray(got) - expected)[rows].max())


@pytest.fixture
def loaded(reference):
    """Call it with a name: (model, batch, expected, real tokens)."""

    def load(name, **options):
        path = reference / "hugging_face" / name
        expected = np.load(path / "expected.npz")
        return keras_bert.from_pretrained(path, **options), contract(expected), expected, expected["attention_mask"] == 1

    return load


def test_masked_lm_logits_of_transformers(loaded):
    model, batch, expected, real = loaded("masked_lm")
    assert isinstance(model, BertMaskedLM)
    assert difference(model(batch), expected["logits"], real) <= 1e-5


@pytest.mark.parametrize("name", ["pretraining", "pretraining_legacy_names"])
def test_pretraining_logits_of_transformers(loaded, name):
    model, batch, expected, real = loaded(name)
    assert isinstance(model, BertPretrainer)
    outputs = model(batch)
    assert difference(outputs["mlm_logits"], expected["prediction_logits"], real) <= 1e-5
    assert difference(outputs["nsp_logits"], expected["seq_relationship_logits"]) <= 1e-5


def test_classifier_logits_of_transformers(loaded):
    model, batch, expected, _ = loaded("sequence_classification")
    assert isinstance(model, BertClassifier)
    assert difference(model(batch), expected["logits"]) <= 1e-5


def test_token_logits_of_transformers(loaded):
    model, batch, expected, real = loaded("token_classification", cls=TokenClassifier)
    assert isinstance(model, TokenClassifier) and model.num_labels == 5
    assert difference(model(batch), expected["logits"], real) <= 1e-5


def test_span_logits_of_transformers(loaded):
    model, batch, expected, real = loaded("question_answering", cls=SpanClassifier)
    assert isinstance(model, SpanClassifier)
    for name, got in model(batch).items():
        assert difference(got, expected[name], real) <= 1e-5


def test_only_the_asked_positions_are_answered_in_their_order(loaded):
    model, batch, expected, _ = loaded("masked_lm")
    positions = np.array([[5, 1, 1], [0, 2, 7], [3, 3, 3]], "int32")
    wanted = np.take_along_axis(expected["logits"], positions[:, :, None], axis=1)
    assert difference(model(batch | {features.MASKED_POSITIONS: positions}), wanted) <= 1e-5
    assert difference(model.predict(batch | {features.MASKED_POSITIONS: positions}, verbose=0), wanted) <= 1e-5


def test_the_decoder_is_the_word_embedding(tiny_config):
    encoder = BertEncoder(tiny_config, pooler=False)
    network = MaskedLM(encoder)
    table = encoder.get_layer("embeddings").word_table
    shapes = [tuple(weight.shape) for weight in network.trainable_weights]
    assert shapes.count((tiny_config.vocab_size, tiny_config.hidden_size)) == 1
    batch = {name: np.ones((1, 4), "int32") for name in network.input}
    before = np.asarray(network(batch))
    table.assign(table * 0)
    bias = network.get_layer("masked_lm").bias
    np.testing.assert_array_equal(network(batch)[0, 0], bias)  # no word has a direction any more
    assert np.abs(before[0, 0] - np.asarray(bias)).max() > 1e-4


def test_a_head_that_is_tied_to_nothing_says_so():
    with pytest.raises(ValueError, match=r"call tie\(embeddings\) first"):
        MaskedLMHead(20, 16)(np.zeros((1, 3, 16), "float32"), np.zeros((1, 2), "int32"))


@pytest.mark.parametrize("cls", [Pretrainer, NextSentence])
def test_next_sentence_needs_a_pooler(tiny_config, cls):
    with pytest.raises(ValueError, match="reads the pooled output; this encoder has pooler=False"):
        cls(BertEncoder(tiny_config, pooler=False))


def test_next_sentence_is_half_of_a_pretrainer(loaded, reference):
    _, batch, expected, _ = loaded("pretraining")
    network = keras_bert.from_pretrained(reference / "hugging_face" / "pretraining", cls=NextSentence)
    assert difference(network(batch), expected["seq_relationship_logits"]) <= 1e-5


def test_dense_layers_after_the_pooling_in_numpy(tiny_config):
    keras.utils.set_random_seed(5)
    encoder = BertEncoder(tiny_config, pooler=False)
    batch = {name: np.ones((2, 6), "int32") for name in features.UNPACKED}
    batch["input_ids"] = np.arange(12).reshape(2, 6).astype("int32")
    dense = [{"units": 5, "activation": "tanh", "normalize_before": True}, {"units": 3, "use_bias": False}]
    network = TextEmbedder(encoder, pooling="cls", dense=dense)
    weights = {weight.path: np.random.default_rng(index).normal(size=weight.shape) for index, weight in enumerate(network.weights[-3:])}
    for weight in network.weights[-3:]:
        weight.assign(weights[weight.path])
    x = np.asarray(encoder(batch)["sequence_output"])[:, 0]
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    x = np.tanh(x @ weights["dense_0/kernel"] + weights["dense_0/bias"]) @ weights["dense_1/kernel"]
    np.testing.assert_allclose(network(batch), x / np.linalg.norm(x, axis=-1, keepdims=True), atol=1e-5)
    assert network.settings()["dense"] == [
        {"units": 5, "activation": "tanh", "use_bias": True, "normalize_before": True},
        {"units": 3, "activation": "linear", "use_bias": False, "normalize_before": False},
    ]


def test_poolings_and_normalisation_in_numpy(tiny_config):
    keras.utils.set_random_seed(3)
    encoder = BertEncoder(tiny_config)
    batch = {name: np.ones((2, 6), "int32") for name in features.UNPACKED}
    batch["input_ids"] = np.arange(12).reshape(2, 6).astype("int32")
    batch["attention_mask"][1, 4:] = 0
    outputs = encoder(batch)
    tokens, mask = np.asarray(outputs["sequence_output"], "float64"), batch["attention_mask"][:, :, None]
    wanted = {
        "mean": (tokens * mask).sum(1) / mask.sum(1),
        "max": np.where(mask == 1, tokens, -np.inf).max(1),
        "cls": tokens[:, 0],
        "pooler": np.asarray(outputs["pooled_output"]),
    }
    for pooling, expected in wanted.items():
        np.testing.assert_allclose(TextEmbedder(encoder, pooling=pooling, normalize=False)(batch), expected, atol=1e-6)
        unit = expected / np.linalg.norm(expected, axis=-1, keepdims=True)
        np.testing.assert_allclose(TextEmbedder(encoder, pooling=pooling, normalize=True)(batch), unit, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda encoder: TextEmbedder(encoder, pooling="sum"), "pooling='sum' is not one of mean, cls, max, pooler"),
        (lambda encoder: TextEmbedder(encoder, pooling="pooler"), "needs an encoder with a pooler"),
        (lambda encoder: TextEmbedder(encoder, dense=[{"activation": "tanh"}]), r"dense\[0\]=\{'activation': 'tanh'\} is no dict of units"),
        (lambda encoder: TextEmbedder(encoder, dense=[{"units": 4, "bias": True}]), "is no dict of units, activation, use_bias"),
        (lambda encoder: TextEmbedder(encoder, dense=[4]), r"dense\[0\]=4 is no dict of units"),
        (lambda encoder: TextEmbedder(encoder, dense=[{"units": 0}]), r"dense\[0\] has units=0, which is not a positive whole number"),
        (
            lambda encoder: TextEmbedder(encoder, dense=[{"units": 4, "activation": "mish"}]),
            "activation='mish', which is not one of linear",
        ),
        (lambda encoder: TokenClassifier(encoder, 1), "num_labels=1: a classifier chooses between 2"),
    ],
)
def test_bad_arguments_are_told(tiny_config, make, words):
    with pytest.raises(ValueError, match=words):
        make(BertEncoder(tiny_config, pooler=False))


def test_a_misspelt_option_is_told(tiny_config, reference):
    with pytest.raises(TypeError, match="BertEncoder has no argument return_hidden_state"):
        BertEncoder(tiny_config, return_hidden_state=True)
    with pytest.raises(TypeError, match="SpanClassifier has no argument dropout"):
        SpanClassifier(BertEncoder(tiny_config), dropout=0.1)
    with pytest.raises(TypeError, match="BertEncoder has no argument pack"):
        keras_bert.from_pretrained(reference / "hugging_face" / "pretraining", cls=BertEncoder, pack=True)


def test_every_network_reloads_from_a_keras_file_in_a_fresh_process(fresh_python, tiny_config, tmp_path):
    encoder = BertEncoder(tiny_config)
    networks = [
        MaskedLM(encoder),
        Pretrainer(encoder),
        TokenClassifier(encoder, 3),
        SpanClassifier(encoder),
        TextEmbedder(encoder, pooling="max", dense=[{"units": 5, "activation": "gelu"}]),
        NextSentence(encoder),
        SequenceClassifier(encoder, 1, problem_type="regression"),
    ]
    batch = {name: np.ones((2, 4), "int32") for name in (*features.UNPACKED, features.MASKED_POSITIONS)}
    expected = {}
    for network in networks:
        name = type(network).__name__
        network.save(tmp_path / f"{name}.keras")
        answers = keras.tree.flatten(network({key: batch[key] for key in network.input}))
        expected |= {f"{name}{index}": np.asarray(answer) for index, answer in enumerate(answers)}
    np.savez(tmp_path / "expected.npz", **expected)
    program = f"""
import keras, numpy as np, pathlib
import keras_bert.models
path = pathlib.Path({str(tmp_path)!r})
expected = np.load(path / "expected.npz")
compared = 0
for file in path.glob("*.keras"):
    network = keras.saving.load_model(file)
    batch = {{key: np.ones((2, 4), "int32") for key in network.input}}
    for index, answer in enumerate(keras.tree.flatten(network(batch))):
        np.testing.assert_array_equal(np.asarray(answer), expected[f"{{file.stem}}{{index}}"])
        compared += 1
print(compared)
"""
    done = fresh_python.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) == len(expected) == 9
