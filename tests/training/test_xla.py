"""Every task's training step compiles whole under XLA: what a TPU does with it, and the nearest to it that runs here."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertClassifier, BertConfig, BertEmbedder, BertEncoder, BertMaskedLM, BertPretrainer, BertSeq2Seq
from keras_bert.training import create_optimizer

ROWS, LENGTH, PREDICTIONS = 8, 16, 3
# Dropout's masks are the same under XLA: they are a hash, not TensorFlow's random numbers.
CONFIG = BertConfig(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=16,
    hidden_dropout_prob=0.1,
    attention_probs_dropout_prob=0.1,
)


def batch():
    generator = np.random.default_rng(0)
    mask = (np.arange(LENGTH)[None] < generator.integers(4, LENGTH + 1, ROWS)[:, None]).astype("int32")
    return {
        "input_ids": generator.integers(0, 50, (ROWS, LENGTH)).astype("int32") * mask,
        "token_type_ids": np.zeros((ROWS, LENGTH), "int32"),
        "attention_mask": mask,
    }


def masked():
    generator = np.random.default_rng(1)
    positions = np.tile(np.arange(PREDICTIONS, dtype="int32"), (ROWS, 1))
    return positions, generator.integers(0, 50, (ROWS, PREDICTIONS)).astype("int32"), np.ones((ROWS, PREDICTIONS), "float32")


def classifier():
    return BertClassifier(BertEncoder(CONFIG), ["a", "b"]), (batch(), np.arange(ROWS, dtype="int32") % 2), {}


def embedder():
    return (
        BertEmbedder(BertEncoder(CONFIG)),
        (batch(), np.random.default_rng(2).normal(size=(ROWS, 16)).astype("float32")),
        {"loss": "cosine_similarity"},
    )


def masked_lm():
    positions, ids, weights = masked()
    return BertMaskedLM(BertEncoder(CONFIG)), (batch() | {"masked_positions": positions}, ids, weights), {}


def pretrainer():
    positions, ids, weights = masked()
    labels = {"mlm_logits": ids, "nsp_logits": np.arange(ROWS, dtype="int32") % 2}
    weights = {"mlm_logits": weights, "nsp_logits": np.ones(ROWS, "float32")}
    return BertPretrainer(BertEncoder(CONFIG)), (batch() | {"masked_positions": positions}, labels, weights), {}


def writer():
    generator = np.random.default_rng(3)
    ids, targets = (generator.integers(0, 50, (ROWS, LENGTH)).astype("int32") for _ in range(2))
    targets[:, 9:] = -1
    return BertSeq2Seq(BertEncoder(CONFIG, pooler=False)), (batch() | {"decoder_input_ids": ids}, targets), {}


def trained(make, steps=3, **options):
    keras.utils.set_random_seed(0)
    model, data, loss = make()
    model.compile(create_optimizer(1e-3, total_steps=10, warmup_steps=1, clip_norm=0.3), **loss, **options)
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(ROWS, drop_remainder=True).repeat()
    update = model.make_update_function(dataset.element_spec)
    iterator = iter(dataset)
    for _ in range(steps):
        update(iterator)
    return [variable.numpy() for variable in model.trainable_variables]


@pytest.mark.parametrize(
    "make",
    [classifier, *[pytest.param(make, marks=pytest.mark.slow) for make in (embedder, masked_lm, pretrainer, writer)]],
    ids=lambda make: make.__name__,
)
def test_the_compiled_step_gives_the_weights_of_the_graph(make):
    for ours, expected in zip(trained(make, jit_compile=True), trained(make, jit_compile=False), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"gradient_accumulation_steps": 2}, {"adversarial_epsilon": 0.5}, {"steps_per_execution": 2}])
def test_options_compile_too(options):
    for ours, expected in zip(
        trained(classifier, jit_compile=True, **options), trained(classifier, jit_compile=False, **options), strict=True
    ):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["lamb", "adamw"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_optimizers_and_mixed_precision_compile_too(optimizer, policy):
    keras.utils.set_random_seed(0)
    model = BertClassifier(BertEncoder(CONFIG, dtype=policy), ["a", "b"])
    model.compile(create_optimizer(1e-3, total_steps=10, optimizer=optimizer, ema_momentum=0.9), jit_compile=True)
    before = model.get_weights()
    history = model.fit(batch(), np.arange(ROWS) % 2, batch_size=ROWS, epochs=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
