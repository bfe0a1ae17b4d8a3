import dataclasses
import itertools
import timeit

import pytest
import tensorflow as tf

from keras_bert import BertConfig, BertEncoder
from keras_bert.training.throughput import forward_flops, measured_matmul_peak, rates, training_flops

BATCH, LENGTH = 3, 8


def test_bert_base_by_hand():
    # 12 blocks of 4 matrices of 768 x 768 and 2 of 768 x 3072: 84,934,656 of the 85.1 million weights that the blocks have;
    # each 2 operations a token. Attention: 12 blocks x 2 products x 2 operations x 128 x 128 x 768 a row.
    by_hand = 16 * (128 * 2 * 84_934_656 + 12 * 2 * 2 * 128 * 128 * 768)
    assert forward_flops(BertConfig(), 16, 128) == by_hand == 357_556_027_392


def test_a_step_is_narayanans_formula_without_recomputation():
    blocks, hidden, batch, length = 12, 768, 16, 512
    # 96 B s l h^2 (1 + s/6h + V/16lh) counts 4 forward passes; 72 counts 3. The term in V is the head's.
    formula = 72 * batch * length * blocks * hidden**2 * (1 + length / (6 * hidden))
    assert training_flops(BertConfig(), batch, length) == pytest.approx(formula, rel=1e-12)


def counted_by_tensorflow(function):
    """Operations of the matrix products in a traced graph, as TensorFlow's profiler counts them."""
    options = tf.compat.v1.profiler.ProfileOptionBuilder(tf.compat.v1.profiler.ProfileOptionBuilder.float_operation())
    options = options.with_empty_output().build()
    counts = tf.compat.v1.profiler.profile(function.get_concrete_function().graph, cmd="op", options=options)
    found = {}
    while counts.children:  # the profiler chains the kinds of operations: each is a child of the one before
        counts = counts.children[0]
        found[counts.name] = counts.float_ops
    return sum(count for name, count in found.items() if "MatMul" in name)


def encoder_functions(config):
    """Forward pass and gradient of an encoder, to be traced at [BATCH, LENGTH]."""
    encoder = BertEncoder(config)
    batch = {name: tf.ones([BATCH, LENGTH], tf.int32) for name in ("input_ids", "token_type_ids", "attention_mask")}

    def forward():
        return encoder(batch)["sequence_output"]

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(encoder(batch, training=True)["sequence_output"])
        return tape.gradient(loss, encoder.trainable_variables)

    return tf.function(forward, autograph=False), tf.function(step, autograph=False)


@pytest.mark.slow
def test_tensorflows_profiler_counts_the_same_in_an_encoders_graph(tiny_config):
    # Two blocks are counted as four blocks less two, so that what embeddings and pooler do is in neither side.
    four = encoder_functions(dataclasses.replace(tiny_config, num_hidden_layers=4))
    two = encoder_functions(dataclasses.replace(tiny_config, num_hidden_layers=2))
    forward, step = (counted_by_tensorflow(more) - counted_by_tensorflow(fewer) for more, fewer in zip(four, two, strict=True))
    assert forward == forward_flops(tiny_config, BATCH, LENGTH)
    assert step == training_flops(tiny_config, BATCH, LENGTH)


def test_rates_of_an_interval(tiny_config):
    # Two batches: 4 rows of 8 slots, and 2 rows of 16.
    values = rates(tiny_config, seconds=2.0, examples=6, tokens=48, slots=64, squared_slots=4 * 64 + 2 * 256, peak_flops=1e9)
    flops = training_flops(tiny_config, 4, 8) + training_flops(tiny_config, 2, 16)
    assert values == pytest.approx(
        {
            "examples_per_second": 3.0,
            "tokens_per_second": 24.0,
            "padding_share": 0.25,
            "flops_per_second": flops / 2,
            "peak_share": flops / 2 / 1e9,
        }
    )


def test_without_a_peak_there_is_no_share_of_it(tiny_config):
    assert "peak_share" not in rates(tiny_config, seconds=1, examples=1, tokens=1, slots=1, squared_slots=1)


@pytest.mark.parametrize(("change", "words"), [({"seconds": 0.0}, "seconds=0.0"), ({"tokens": 9}, "tokens=9 do not fit into slots=8")])
def test_an_impossible_interval_is_named(tiny_config, change, words):
    with pytest.raises(ValueError, match=words):
        rates(tiny_config, **{"seconds": 1.0, "examples": 1, "tokens": 8, "slots": 8, "squared_slots": 64} | change)


def test_the_peak_is_two_operations_a_multiply_add_over_the_clocks_time(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks) * 0.01)
    # One product of 1024 x 1024 in the clock's 0.01 s; at that rate the next size would be far over the 0.001 s.
    assert measured_matmul_peak("float32", seconds=0.001) == pytest.approx(2 * 1024**3 / 0.01)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_peak_is_not_below_what_one_product_reaches(dtype):
    matrix = tf.cast(tf.random.stateless_normal([1024, 1024], [1, 2]), dtype)
    fastest = min(timeit.repeat(lambda: tf.matmul(matrix, matrix)[0, 0].numpy(), number=1, repeat=5))
    # A third, since other programs may have the machine meanwhile.
    assert measured_matmul_peak(dtype, seconds=0.2) > 2 * 1024**3 / fastest / 3


def test_the_peak_of_an_unknown_dtype_is_refused():
    with pytest.raises(ValueError, match="dtype='float64' is not one of float32, bfloat16, float16"):
        measured_matmul_peak("float64")
