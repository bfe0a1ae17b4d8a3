"""What a writer takes for a network's weights: kernels with LoRA's parts in them, and no two of one path."""

import keras
import numpy as np
import pytest

from keras_bert import BertEncoder
from keras_bert.checkpoints import load_network, save_network, to_hugging_face, to_model_garden
from keras_bert.checkpoints.weights import with_rows
from keras_bert.models import SequenceClassifier
from keras_bert.models.network import EncoderWithHead

BATCH = {
    "input_ids": np.array([[2, 5, 8, 10, 3], [2, 9, 3, 0, 0]], "int32"),
    "token_type_ids": np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], "int32"),
    "attention_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], "int32"),
}


def with_lora(config, dtype=None):
    """A classifier whose every dense layer has LoRA, as after training: its parts are not 0."""
    keras.utils.set_random_seed(11)
    network = SequenceClassifier(BertEncoder(config, dtype=dtype), 3)
    for index, layer in enumerate(layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.Dense)):
        layer.enable_lora(2, lora_alpha=3)
        generator = np.random.default_rng(index)
        layer.lora_kernel_a.assign(generator.normal(size=layer.lora_kernel_a.shape) * 0.2)
        layer.lora_kernel_b.assign(generator.normal(size=layer.lora_kernel_b.shape) * 0.2)
    return network


@pytest.mark.parametrize("write", [save_network, to_hugging_face, to_model_garden])
def test_lora_is_written_as_part_of_its_kernels(tiny_config, tmp_path, write):
    network = with_lora(tiny_config)
    expected, before = np.asarray(network(BATCH)), network.get_weights()
    write(network, tmp_path / "out")
    for was, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    again = load_network(tmp_path / "out", strict=True)
    np.testing.assert_allclose(again(BATCH), expected, atol=2e-6, rtol=0)
    assert len(again.weights) == len(network.weights) - 2 * 10  # two parts each: 4 in a block, pooler, classifier


def test_lora_of_a_mixed_precision_model_is_merged_in_float32(tiny_config, tmp_path):
    network = with_lora(tiny_config, dtype="mixed_bfloat16")
    save_network(network, tmp_path / "out")
    classifier, qkv = network.get_layer("classifier"), network.encoder.get_layer("layer_0").attention.qkv
    again = load_network(tmp_path / "out")
    for layer, loaded in ((classifier, again.get_layer("classifier")), (qkv, again.encoder.get_layer("layer_0").attention.qkv)):
        merged = np.asarray(layer._kernel, "float64") + 1.5 * (np.asarray(layer.lora_kernel_a, "float64") @ np.asarray(layer.lora_kernel_b))
        np.testing.assert_allclose(loaded.kernel, merged, atol=1e-6)


def test_lora_trains_beside_the_frozen_kernel_and_comes_back(tiny_config, tmp_path):
    keras.utils.set_random_seed(3)
    network = SequenceClassifier(BertEncoder(tiny_config), 2, dropout=0.0)
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.Dense):
            layer.enable_lora(2)
    kernel = np.asarray(network.encoder.get_layer("layer_0").attention.qkv._kernel)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    network.fit(BATCH, np.array([0, 1]), epochs=2, verbose=0)
    np.testing.assert_array_equal(network.encoder.get_layer("layer_0").attention.qkv._kernel, kernel)
    save_network(network, tmp_path / "out")
    np.testing.assert_allclose(load_network(tmp_path / "out")(BATCH), network(BATCH), atol=2e-6, rtol=0)


class TwoOfOneName(EncoderWithHead):
    def __init__(self, encoder):
        layers = [keras.layers.Dense(2, name="score") for _ in range(2)]
        super().__init__(encoder, encoder.input, Both(layers)(encoder(encoder.input)["sequence_output"]))


class Both(keras.layers.Layer):
    def __init__(self, layers):
        super().__init__(name="both")
        self.first, self.second = layers

    def build(self, shape):
        self.first.build(shape)
        self.second.build(shape)

    def call(self, x):
        return self.first(x) + self.second(x)


def test_two_weights_of_one_path_are_refused_and_nothing_is_written(tiny_config, tmp_path):
    network = TwoOfOneName(BertEncoder(tiny_config))
    with pytest.raises(ValueError, match="TwoOfOneName has two weights named 'both/score/kernel', of which a file can hold one"):
        save_network(network, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_weight_without_a_place_is_named(tiny_config):
    with pytest.raises(ValueError, match="theirs has no place for the weights embeddings/word, embeddings/position"):
        with_rows(BertEncoder(tiny_config), [], "theirs")
