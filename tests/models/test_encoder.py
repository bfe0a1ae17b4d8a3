import dataclasses
import functools
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_bert
from keras_bert import BertConfig, BertEncoder
from keras_bert.layers import Dropout, PostNormBlock, kernels
from keras_bert.models import SequenceClassifier

CHECKPOINTS = (
    "masked_lm",
    "pretraining",
    "pretraining_legacy_names",
    "question_answering",
    "sequence_classification",
    "token_classification",
)
ALL_OUTPUTS = {"return_hidden_states": True, "return_attention_scores": True}


def contract(arrays, prefix=""):
    return {name: arrays[prefix + name].astype("int32") for name in ("input_ids", "token_type_ids", "attention_mask")}


def difference(got, expected, mask):
    """Largest difference over real tokens."""
    return float(np.abs(np.asarray(got) - expected)[mask == 1].max())


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.filterwarnings("ignore:.*newly initialised")
def test_every_encoder_array_of_transformers(reference, name):
    expected = np.load(reference / "hugging_face" / name / "expected.npz")
    encoder = keras_bert.from_pretrained(reference / "hugging_face" / name, cls=BertEncoder, **ALL_OUTPUTS)
    outputs = encoder(contract(expected))
    mask = expected["attention_mask"]
    assert difference(outputs["hidden_states"][0], expected["embedding_output"], mask) <= 1e-5
    assert difference(outputs["sequence_output"], expected["last_hidden_state"], mask) <= 1e-5
    np.testing.assert_array_equal(outputs["hidden_states"][-1], outputs["sequence_output"])
    # [batch, heads, query, key]: queries that are padding are not compared; keys that are must get nothing.
    scores = np.moveaxis(np.asarray(outputs["attention_scores"][0]), 1, 2)
    assert difference(scores, np.moveaxis(expected["attention_0"], 1, 2), mask) <= 1e-5
    assert len(outputs["hidden_states"]) == 4 and len(outputs["attention_scores"]) == 3


@pytest.mark.slow
def test_every_array_of_the_real_minilm(reference, minilm):
    expected = np.load(reference / "minilm" / "transformers.npz")
    encoder = keras_bert.from_pretrained(minilm, cls=BertEncoder, return_hidden_states=True)
    outputs = encoder(contract(expected))
    mask = expected["attention_mask"]
    for got, states in zip(outputs["hidden_states"], expected["hidden_states"], strict=True):
        assert difference(got, states, mask) <= 1e-5
    assert difference(outputs["sequence_output"], expected["last_hidden_state"], mask) <= 1e-5
    np.testing.assert_allclose(outputs["pooled_output"], expected["pooler_output"], atol=1e-5)
    pairs = encoder(contract(expected, "pair_"))
    assert difference(pairs["sequence_output"], expected["pair_last_hidden_state"], expected["pair_attention_mask"]) <= 1e-5
    pooled = keras_bert.layers.MeanPooling()(outputs["sequence_output"], mask)
    normed = np.asarray(pooled) / np.linalg.norm(pooled, axis=-1, keepdims=True)
    np.testing.assert_allclose(normed, expected["sentence_embedding"], atol=1e-5)


@pytest.fixture
def encoder(tiny_config):
    keras.utils.set_random_seed(3)
    return BertEncoder(dataclasses.replace(tiny_config, initializer_range=0.3))


def batch(*rows):
    """Rows of ids, 0 where padded."""
    ids = np.array(rows, "int32")
    return {"input_ids": ids, "token_type_ids": np.zeros_like(ids), "attention_mask": (ids > 0).astype("int32")}


def test_padding_changes_no_real_token(encoder):
    short, padded = encoder(batch([2, 5, 3])), encoder(batch([2, 5, 3, 0, 0]))
    np.testing.assert_allclose(padded["sequence_output"][:, :3], short["sequence_output"], atol=1e-6)


def test_packed_sequences_are_computed_as_if_alone(encoder):
    packed = BertEncoder(encoder.config, packed=True)
    by_path = {weight.path: weight for weight in encoder.weights}
    for weight in packed.weights:
        weight.assign(by_path[weight.path])
    both = packed(
        {
            "input_ids": np.array([[2, 5, 3, 2, 8, 9, 3, 0]], "int32"),
            "token_type_ids": np.zeros((1, 8), "int32"),
            "attention_mask": np.array([[1, 1, 1, 1, 1, 1, 1, 0]], "int32"),
            "position_ids": np.array([[0, 1, 2, 0, 1, 2, 3, 0]], "int32"),
            "sequence_ids": np.array([[1, 1, 1, 2, 2, 2, 2, 0]], "int32"),
        }
    )["sequence_output"]
    first, second = (encoder(batch(ids))["sequence_output"] for ids in ([2, 5, 3], [2, 8, 9, 3]))
    np.testing.assert_allclose(both[:, :3], first, atol=1e-5)
    np.testing.assert_allclose(both[:, 3:7], second, atol=1e-5)


def test_packed_has_a_pooler_where_it_is_asked_for(tiny_config):
    assert set(BertEncoder(tiny_config, packed=True).output) == {"sequence_output"}
    encoder = BertEncoder(tiny_config, packed=True, pooler=True)
    assert encoder.output["pooled_output"].shape == (None, None, 16)
    assert [weight.path for weight in encoder.weights] == [weight.path for weight in BertEncoder(tiny_config).weights]


def test_outputs_are_what_was_asked_for(tiny_config):
    assert set(BertEncoder(tiny_config).output) == {"sequence_output", "pooled_output"}
    assert set(BertEncoder(tiny_config, pooler=False, return_hidden_states=True).output) == {"sequence_output", "hidden_states"}


def test_all_keys_of_the_contract_are_required(encoder):
    incomplete = batch([2, 5, 3])
    del incomplete["token_type_ids"]
    with pytest.raises(Exception, match="token_type_ids"):
        encoder(incomplete)


def test_a_dict_is_no_config():
    with pytest.raises(TypeError, match="config is a dict"):
        BertEncoder({"hidden_size": 8})


@pytest.mark.parametrize("positions", ["learned", pytest.param("sinusoidal", marks=pytest.mark.slow)])
def test_a_keras_file_reloads_in_a_fresh_process(fresh_python, tmp_path, encoder, positions):
    encoder = BertEncoder(dataclasses.replace(encoder.config, position_embeddings=positions), return_attention_scores=True)
    inputs = batch([2, 5, 3, 0], [2, 8, 9, 3])
    encoder.save(tmp_path / "encoder.keras")
    np.savez(tmp_path / "inputs.npz", **inputs)
    program = f"""
import keras, keras_bert.models, numpy as np
encoder = keras.saving.load_model({str(tmp_path / "encoder.keras")!r})
outputs = encoder(dict(np.load({str(tmp_path / "inputs.npz")!r})))
np.savez({str(tmp_path / "outputs.npz")!r}, sequence=outputs["sequence_output"], scores=outputs["attention_scores"][1])
"""
    fresh_python.run([sys.executable, "-c", program], check=True)
    got, here = np.load(tmp_path / "outputs.npz"), encoder(inputs)
    np.testing.assert_array_equal(got["sequence"], here["sequence_output"])
    np.testing.assert_array_equal(got["scores"], here["attention_scores"][1])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_near_float32(encoder, policy):
    mixed = BertEncoder(encoder.config, dtype=policy)
    mixed.set_weights(encoder.get_weights())
    inputs = batch([2, 5, 3, 0], [2, 8, 9, 3])
    got = np.asarray(mixed(inputs)["sequence_output"], "float32")
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    # Of 8 bits through two blocks; values are of size 1.
    assert 1e-6 < np.abs(got - encoder(inputs)["sequence_output"])[inputs["attention_mask"] == 1].max() < 0.08
    again = BertEncoder.from_config(mixed.get_config())
    assert again.get_layer("layer_0").dtype_policy.name == policy


def test_dropout_acts_in_training_only(encoder):
    inputs = batch([2, 5, 3])
    still, again = encoder(inputs, training=False), encoder(inputs, training=False)
    np.testing.assert_array_equal(still["sequence_output"], again["sequence_output"])
    assert np.abs(encoder(inputs, training=True)["sequence_output"] - still["sequence_output"]).max() > 1e-2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"pooling": "max"}, "pooling='max'"),
        ({"num_labels": 0}, "num_labels=0: a text gets one score at least"),
        ({"encoder_options": {"pooler": False}}, "pooler=False"),
    ],
)
def test_sequence_classifier_refuses(tiny_config, arguments, words):
    arguments = {"num_labels": 2, "pooling": "pooler", **arguments}
    with pytest.raises(ValueError, match=words):
        SequenceClassifier(BertEncoder(tiny_config, **arguments.pop("encoder_options", {})), **arguments)


def test_initial_weights_are_a_truncated_normal():
    encoder = BertEncoder(BertConfig(vocab_size=2000, hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=128))
    words = np.asarray(encoder.get_layer("embeddings").word_table)
    # A normal of deviation s cut at 2 s has deviation 0.880 s.
    assert np.abs(words).max() <= 0.04 + 1e-6
    assert words.std() == pytest.approx(0.88 * 0.02, rel=0.02)


def gradients_of(encoder):
    """Returns: loss and gradients of a training step, embeddings apart."""
    import tensorflow as tf

    x = {name: tf.constant(np.ones([2, 6], "int32")) for name in ("input_ids", "token_type_ids", "attention_mask")}
    variables = [variable.value for variable in encoder.trainable_variables if "layer_" in variable.path]

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(encoder(x, training=True)["sequence_output"][:, 0] ** 3)
        return loss, tape.gradient(loss, variables)

    return run()


def test_rematerialized_blocks_give_the_same_gradients(tiny_config):
    """Computed a second time for the gradient, with the masks of the first."""
    import tensorflow as tf

    from keras_bert.layers import dropout_seed

    encoder = BertEncoder(tiny_config)
    with dropout_seed(tf.constant([3, 4])):
        _, kept = gradients_of(encoder)
    encoder.rematerialize = True
    with dropout_seed(tf.constant([3, 4])):
        _, recomputed = gradients_of(encoder)
    for a, b in zip(kept, recomputed, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert np.abs(kept[0]).max() > 1e-3
    assert BertEncoder.from_config(encoder.get_config()).rematerialize


@pytest.mark.slow
def test_rematerialized_masks_of_a_running_generator_are_drawn_once(tiny_config):
    encoder = BertEncoder(tiny_config, rematerialize=True)
    variables = [variable for variable in encoder.trainable_variables if "layer_" in variable.path]
    generators = [layer.seeds for layer in encoder._flatten_layers() if getattr(layer, "seeds", None) is not None]

    def again():
        for generator in generators:
            generator.state.assign(np.array([5, 0]))
        return gradients_of(encoder)

    _, gradients = again()
    losses, length = [], 1e-3 / np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients))
    for sign in (1, -2):  # a step up the gradient, then as long a one down it
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_add(sign * length * gradient)
        losses.append(again()[0])
    # The loss changes by the gradient's own length a unit: so forward and backward had the same masks.
    assert float(losses[0] - losses[1]) / 2e-3 == pytest.approx(1e-3 / length, rel=0.02)


@pytest.mark.parametrize("training", [False, True])
def test_the_first_token_alone_is_the_same_with_less_work(reference, training, monkeypatch):
    name = reference / "hugging_face" / "sequence_classification"
    expected = np.load(name / "expected.npz")
    encoder = keras_bert.from_pretrained(name, cls=BertEncoder)
    for layer in encoder._flatten_layers():
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    rows = []
    gelu = kernels.gelu

    def noted(x, *arguments, **options):
        rows.append(int(np.prod(x.shape[:-1])))
        return gelu(x, *arguments, **options)

    for block in encoder.blocks():
        block.attention.dropout = 0.0
        block.activation = functools.partial(noted, approximate=False)
    outputs = encoder(contract(expected), training=training, first_token_only=True)
    assert outputs["sequence_output"].shape[1] == 1
    np.testing.assert_allclose(outputs["sequence_output"][:, 0], expected["last_hidden_state"][:, 0], atol=1e-5)
    batch, length = expected["input_ids"].shape
    assert rows == [batch * length] * (len(encoder.blocks()) - 1) + [batch]


def test_the_first_token_s_gradients_are_those_of_all(encoder):
    x = batch([2, 5, 3, 0, 0], [2, 7, 8, 9, 3], [2, 3, 0, 0, 0])
    weights = [variable.value for variable in encoder.trainable_variables]

    def gradients(**options):
        with tf.GradientTape() as tape:
            pooled = encoder(x, training=False, **options)["pooled_output"]
            loss = tf.reduce_sum(pooled * tf.range(pooled.shape[1], dtype=pooled.dtype))
        return [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, weights)]

    for variable, got, expected in zip(encoder.trainable_variables, gradients(first_token_only=True), gradients(), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-4, rtol=1e-4, err_msg=variable.path)


def test_packed_rows_have_no_first_token(tiny_config):
    encoder = BertEncoder(tiny_config, packed=True)
    with pytest.raises(ValueError, match="no one \\[CLS\\] vector"):
        encoder(encoder.input, first_token_only=True)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_training_block_computes_in_its_dtype(policy):
    """Products and biases are added apart in training: see FlatDense.product."""
    block = PostNormBlock(2, 16, 32, dropout=0.0, attention_dropout=0.0, dtype=policy)
    x, mask = tf.cast(np.random.default_rng(0).normal(size=(3, 5, 16)), block.compute_dtype), tf.zeros([3, 1, 1, 5])
    block.build(x.shape)
    for number, variable in enumerate(block.trainable_variables):
        variable.assign(variable + 0.1 * np.random.default_rng(number).normal(size=variable.shape))
    with tf.GradientTape() as tape:
        y = block(x, mask, training=True)
    assert y.dtype == block.compute_dtype
    tolerance = 1e-5 if policy == "float32" else 0.05
    np.testing.assert_allclose(tf.cast(y, tf.float32), tf.cast(block(x, mask, training=False), tf.float32), atol=tolerance)
    gradients = tape.gradient(y, [variable.value for variable in block.trainable_variables])
    assert all(gradient is not None and gradient.dtype == tf.float32 for gradient in gradients)


def test_a_saved_model_by_keras_itself_gives_the_same_arrays(encoder, tmp_path):
    encoder.export(tmp_path / "exported", verbose=False)
    arrays = batch([2, 5, 6, 3], [2, 7, 3, 0])
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    got, expected = loaded.serve(arrays), encoder(arrays)
    assert sorted(got) == sorted(expected) == ["pooled_output", "sequence_output"]
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, atol=1e-5)


@pytest.mark.parametrize("make", [lambda encoder: encoder, lambda encoder: SequenceClassifier(encoder, 2)], ids=["encoder", "network"])
def test_quantization_is_refused_before_anything_is_changed(tiny_config, make):
    network = make(BertEncoder(tiny_config))
    before = {layer.path: layer.dtype_policy.name for layer in network._flatten_layers()}
    with pytest.raises(NotImplementedError, match=f'{type(network).__name__} cannot be quantized yet.*dtype="bfloat16"'):
        network.quantize("int8")
    assert {layer.path: layer.dtype_policy.name for layer in network._flatten_layers()} == before
