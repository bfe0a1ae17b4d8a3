"""The fast paths: gradients by float64 finite differences, values by their twins in keras.ops, masks by a hash in NumPy."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert.layers import Dropout, PostNormBlock, bits, dropout_seed, islands, kernels, onednn
from keras_bert.training.profiling import profile

SEED = [7, -3]


def gelu(approximate):
    return lambda x, bias=None: kernels.gelu(x, bias, approximate=approximate, training=True)


def biased_layer_norm(x, gamma, beta, bias, residual):
    options = {"bias": bias, "residual": residual, "rate": 0.3, "seed": tf.constant(SEED), "training": True}
    return kernels.layer_norm(x, gamma, beta, epsilon=1e-12, **options)


def layer_norm(rate, has_residual=True):
    def function(x, gamma, beta, residual=None):
        assert (residual is not None) == has_residual
        seed = tf.constant(SEED) if rate else None
        return kernels.layer_norm(x, gamma, beta, epsilon=1e-12, residual=residual, rate=rate, seed=seed, training=True)

    return function


def gelu_product(x, kernel, bias=None):
    return kernels.gelu(x, bias, kernel=kernel, approximate=False, training=True)


def attended(rate):
    mask = tf.constant([[0.0, 0.0, -1e9, 0.0]])[:, None, None]
    options = {"features": 4, "scale": 0.7, "rate": rate, "seed": tf.constant(SEED) if rate else None, "training": True}
    return lambda scores, value: kernels.attended(scores, mask, value, **options)


def dropout(x):
    return kernels.dropout(x, 0.4, tf.constant(SEED), training=True)


ROWS, ROW, SCORES, VALUES = (2, 3, 5), (5,), (1, 2, 3, 4), (1, 2, 4, 2)
CASES = {
    "gelu": (gelu(False), [ROWS]),
    "gelu_tanh": (gelu(True), [ROWS]),
    "gelu_of_biased": (gelu(False), [ROWS, ROW]),
    "gelu_product": (gelu_product, [(3, 5), (5, 2)]),
    "gelu_product_of_biased": (gelu_product, [(3, 5), (5, 2), ROW]),
    "layer_norm_of_biased": (biased_layer_norm, [ROWS, ROW, ROW, ROW, ROWS]),
    "layer_norm": (layer_norm(0.0), [ROWS, ROW, ROW, ROWS]),
    "layer_norm_and_dropout": (layer_norm(0.3), [ROWS, ROW, ROW, ROWS]),
    "layer_norm_alone": (layer_norm(0.0, has_residual=False), [ROWS, ROW, ROW]),
    "attended": (attended(0.0), [SCORES, VALUES]),
    "attended_and_dropout": (attended(0.3), [SCORES, VALUES]),
    "dropout": (dropout, [ROWS]),
}


@pytest.fixture(params=[True, False], ids=["compiled", "plain"])
def compiled(request, monkeypatch):
    """Both for small tensors: islands, and the same code as TensorFlow's ops."""
    monkeypatch.setattr(islands, "_pays", lambda features: request.param)
    return request.param


def drawn(shapes, dtype, seed=0):
    generator = np.random.default_rng(seed)
    return [tf.cast(generator.normal(size=shape), dtype) for shape in shapes]


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_finite_differences(compiled, name):
    function, shapes = CASES[name]
    values = drawn(shapes, tf.float64)
    weights = drawn([function(*values).shape], tf.float64, seed=1)[0]
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(function(*values) * weights)
    for index, gradient in enumerate(tape.gradient(loss, values)):
        expected = np.zeros(values[index].shape)
        for place in np.ndindex(*expected.shape):
            step = np.zeros(expected.shape)
            step[place] = 1e-6
            up, down = (function(*values[:index], values[index] + sign * step, *values[index + 1 :]) for sign in (1, -1))
            expected[place] = np.sum((up - down) * weights) / 2e-6
        np.testing.assert_allclose(gradient, expected, atol=1e-7, err_msg=f"argument {index}")


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("bfloat16", 2e-2), ("float16", 2e-3)])
@pytest.mark.parametrize(
    "name", ["gelu", "gelu_tanh", "gelu_of_biased", "gelu_product_of_biased", "layer_norm", "layer_norm_alone", "attended"]
)
def test_values_and_gradients_are_those_of_keras_ops(compiled, name, dtype, tolerance, monkeypatch):
    function, shapes = CASES[name]
    values = drawn(shapes, dtype)

    def answer():
        with tf.GradientTape() as tape:
            tape.watch(values)
            y = function(*values)
            loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
        return [y, *tape.gradient(loss, values)]

    fast = answer()
    monkeypatch.setattr(kernels, "TENSORFLOW", False)
    for ours, twin in zip(fast, answer(), strict=True):
        assert ours.dtype == twin.dtype == dtype
        np.testing.assert_allclose(tf.cast(ours, tf.float32), tf.cast(twin, tf.float32), atol=tolerance * max(1, np.abs(twin).max()))


def test_a_gradient_s_gradient(compiled):
    x = tf.constant([-2.0, 0.3, 1.7])
    for dtype, tolerance in ((tf.float32, 1e-5), (tf.bfloat16, 5e-2)):
        narrow = tf.cast(x, dtype)
        with tf.GradientTape() as outer:
            outer.watch(narrow)
            with tf.GradientTape() as inner:
                inner.watch(narrow)
                y = gelu(False)(narrow)
            slope = inner.gradient(y, narrow)
        # The second derivative of x Phi(x) is (2 - x^2) phi(x).
        density = np.exp(-0.5 * np.square(x)) / np.sqrt(2 * np.pi)
        np.testing.assert_allclose(tf.cast(outer.gradient(slope, narrow), tf.float32), (2 - np.square(x)) * density, atol=tolerance)


def test_bfloat16_is_rounded_as_tensorflow_rounds_it():
    words = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32)
    words[:4] = [0x3F808000, 0x3F818000, 0x7F800000, 0xFF800000]  # two ties, two infinities
    x = words.view(np.float32)
    x = tf.constant(x[(np.abs(x) >= np.finfo(np.float32).tiny) | (x == 0) | np.isnan(x)])  # TensorFlow flushes denormals on some CPUs
    expected = tf.cast(x, tf.bfloat16)
    np.testing.assert_array_equal(tf.cast(bits.to_bfloat16(x), tf.float32), tf.cast(expected, tf.float32))
    np.testing.assert_array_equal(bits.from_bfloat16(expected), tf.cast(expected, tf.float32))
    assert np.isnan(bits.from_bfloat16(bits.to_bfloat16(tf.constant([np.nan])))[0])


def murmur(x, key=0):
    """MurmurHash3's 32-bit finalizer, with a key added after its first product; on NumPy's 64 bits."""
    x = (x ^ (x >> 16)) * 0x85EBCA6B + key & 0xFFFFFFFF
    x = (x ^ (x >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
    return x ^ (x >> 16)


def expected_mask(size, rate, seed):
    first, second = (murmur((s % 2**32 * 0x9E3779B1 + 0x7F4A7C15 + i) & 0xFFFFFFFF) for i, s in enumerate(seed))
    first, second = murmur(first ^ (second * 0x85EBCA77 & 0xFFFFFFFF)), murmur((second + first * 0xC2B2AE3D) & 0xFFFFFFFF)
    return murmur(np.arange(size, dtype=np.uint64) ^ first, second) >= round(rate * 2**32)


@pytest.mark.parametrize("how", ["eager", "graph", "xla"])
def test_the_mask_is_a_hash_of_place_and_seed(compiled, how):
    call = {"eager": dropout, "graph": tf.function(dropout), "xla": tf.function(dropout, jit_compile=True)}[how]
    y = call(tf.ones([3, 5, 7])).numpy()
    np.testing.assert_array_equal(y != 0, expected_mask(105, 0.4, SEED).reshape(3, 5, 7))
    np.testing.assert_allclose(y[y != 0], 1 / 0.6, rtol=1e-6)


def test_masks_look_random():
    """Neighbouring seeds, rows and places: shares and correlations within 5 standard deviations of independent draws."""
    count, rate = 1_000_000, 0.1
    seeds = [(s, t) for s in (0, 1, 2, 1000) for t in (0, 1)]
    masks = [kernels.dropout(tf.ones([1000, 1000]), rate, tf.constant(seed), training=True).numpy() == 0 for seed in seeds]
    np.testing.assert_allclose([mask.mean() for mask in masks], rate, atol=5 * np.sqrt(rate * (1 - rate) / count))
    correlations = np.corrcoef([mask.ravel() for mask in masks]) - np.eye(len(masks))
    assert np.abs(correlations).max() < 5 / np.sqrt(count)
    for shift in ((0, 1), (1, 0), (1, 1), (0, 2), (0, 16)):
        neighbour = np.roll(masks[0], shift, axis=(0, 1))
        assert abs(np.corrcoef(masks[0].ravel(), neighbour.ravel())[0, 1]) < 5 / np.sqrt(count), shift
    in_rows = masks[0].sum(axis=1)  # of a binomial distribution
    assert in_rows.var() == pytest.approx(1000 * rate * (1 - rate), rel=5 * np.sqrt(2 / 1000))


def test_a_graph_of_inference_holds_no_island(tiny_config, monkeypatch):
    from keras_bert import BertEncoder

    monkeypatch.setattr(islands, "_pays", lambda features: True)
    encoder = BertEncoder(tiny_config)
    names = ("input_ids", "token_type_ids", "attention_mask")

    def operations(training):
        function = tf.function(lambda x: encoder(x, training=training))
        concrete = function.get_concrete_function({name: tf.TensorSpec([2, 6], tf.int32, name=name) for name in names})
        return [operation for operation in concrete.graph.get_operations() if "PartitionedCall" in operation.type]

    assert operations(True) and not operations(False)


def test_dropout_takes_its_masks_from_the_scope():
    layer, other = Dropout(0.5), Dropout(0.5)
    x = tf.ones([4, 50])

    def masks(seed):
        with dropout_seed(tf.constant(seed)):
            return [layer(x, training=True).numpy(), other(x, training=True).numpy()]

    first, second = masks([1, 2])
    np.testing.assert_array_equal(masks([1, 2]), [first, second])
    assert not np.array_equal(first, second) and not np.array_equal(first, masks([1, 3])[0])
    keras.utils.set_random_seed(0)
    assert not np.array_equal(layer(x, training=True), layer(x, training=True))  # its own generator runs on


@pytest.mark.parametrize("rows", [2048, 1026, 64])
def test_a_bfloat16_product_s_gradients_are_rounded_once(rows):
    """In parts where rows are many and divide, in one else; beside float64's, within bfloat16's own rounding.

    Or within the error of TensorFlow's own product of the same matrices, on processors where that sums in bfloat16.
    """
    generator = np.random.default_rng(0)
    x, slope = (tf.cast(generator.normal(size=[rows, size]), tf.bfloat16) for size in (256, 32))
    kernel = tf.constant(generator.normal(size=[256, 32]), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, 256], tf.bfloat16), tf.TensorSpec([None, 32], tf.bfloat16)])
    def gradients(x, slope):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = kernels.product(x, kernel, training=True)
        return y, *tape.gradient(y, [x, kernel], output_gradients=slope)

    y, of_x, of_kernel = gradients(x, slope)
    assert (y.dtype, of_x.dtype, of_kernel.dtype) == (tf.bfloat16, tf.bfloat16, tf.float32)
    wide_x, wide_slope = np.asarray(x, "float64"), np.asarray(slope, "float64")
    narrow = np.asarray(tf.cast(kernel, tf.bfloat16), "float64")
    narrow_kernel, product = tf.cast(kernel, tf.bfloat16), tf.function(tf.matmul)
    for got, expected, plain in (
        (y, wide_x @ narrow, product(x, narrow_kernel)),
        (of_x, wide_slope @ narrow.T, product(slope, narrow_kernel, transpose_b=True)),
        (of_kernel, wide_x.T @ wide_slope, product(x, slope, transpose_a=True)),
    ):
        machine = np.abs(np.asarray(plain, "float64") - expected).max()
        np.testing.assert_allclose(np.asarray(got, "float64"), expected, rtol=0, atol=max(2**-8 * np.abs(expected).max(), machine))


@pytest.mark.parametrize("lora", [False, True])
def test_bfloat16_in_a_graph_is_the_block_in_float32(lora):
    """In a graph, with kernels in variables, biases stand apart from their products; LoRA's kernels are tensors."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 16)).astype("float32")
    blocks = [PostNormBlock(2, 16, 32, dtype=dtype) for dtype in ("float32", "bfloat16")]
    mask = np.zeros((2, 1, 1, 4), "float32")
    for block in blocks:
        block.build(x.shape)
    for wide, narrow in zip(*(block.weights for block in blocks), strict=True):
        if "seed" not in wide.path:
            wide.assign(rng.normal(size=wide.shape) * 0.5)  # biases too, so that a lost one shows
            narrow.assign(wide.numpy())
    if lora:
        for block in blocks:
            block.attention.qkv.enable_lora(2)
            block.output_dense.enable_lora(2)
    expected = np.array(blocks[0](x, mask))
    found = tf.function(blocks[1], autograph=False)(tf.cast(x, tf.bfloat16), mask)
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, atol=0.12)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_few_rows_are_the_same_without_onednn(dtype, tmp_path):
    """LayerNorm and a query's products beside NumPy; on TensorFlow with oneDNN none of them is oneDNN's in float32."""
    random = np.random.default_rng(0)
    x, gamma, beta = random.normal(size=(3, 8)), random.normal(size=8), random.normal(size=8)
    query, key, value = (random.normal(size=(2, 4, *shape)) for shape in ((1, 8), (5, 8), (8, 3)))

    @tf.function(autograph=False)
    def few(x, query, key, value):
        with kernels.few_rows():
            normal = kernels.layer_norm(x, tf.constant(gamma, tf.float32), tf.constant(beta, tf.float32), epsilon=1e-12)
            return normal, kernels.heads_product(query, key, transpose_y=True), kernels.heads_product(query, value)

    given, found = [tf.constant(part, dtype) for part in (x, query, key, value)], []
    few(*given)
    costs = profile(tmp_path, lambda: found.extend(few(*given)))
    assert dtype != "float32" or not [cost for cost in costs if cost.operation in ("_MklLayerNorm", "_MklBatchMatMulV2")]
    assert not kernels.rows_are_few()
    normal = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True) * gamma + beta
    for part, wanted in zip(found, (normal, query @ key.swapaxes(2, 3), query @ value), strict=True):
        np.testing.assert_allclose(tf.cast(part, tf.float32), wanted, atol=1e-5 if dtype == "float32" else 0.1)


def test_a_cache_is_filled_in_place():
    """A copy of 32 MB in each of 40 rounds, as TensorFlow's scatter takes, is many times the work of writing one row."""
    rounds, shape = 40, (8, 4096, 256)

    def seconds(fill):
        @tf.function(autograph=False)
        def filled(values):
            def body(count, cache):
                return count + 1, fill(cache, tf.stack([tf.range(8), tf.fill([8], count)], axis=1), values)

            return tf.while_loop(lambda count, _: count < rounds, body, (0, tf.zeros(shape)))[1]

        values, times = tf.random.normal((8, 256)), []
        for _ in range(3):
            start = time.perf_counter()
            cache = filled(values)
            times.append(time.perf_counter() - start)
        np.testing.assert_array_equal(cache[:, :rounds], tf.repeat(values[:, None], rounds, axis=1))
        assert not cache[:, rounds:].numpy().any()
        return min(times)

    assert seconds(kernels.filled_in) < 0.5 * seconds(tf.tensor_scatter_nd_update)


@pytest.mark.parametrize("rows", [None, 6], ids=["any number of rows", "a known number of rows"])
def test_layer_norm_of_inference_is_one_operation_where_tensorflow_runs_onednn(rows, tmp_path):
    gamma, beta = tf.Variable(np.arange(1.0, 9.0, dtype="float32")), tf.Variable(np.ones(8, "float32"))
    by_onednn = []

    def norm(x):
        by_onednn.append(onednn.takes(x.dtype))
        return kernels.layer_norm(x, gamma, beta, epsilon=1e-12)

    function = tf.function(norm, input_signature=[tf.TensorSpec([rows, 8], tf.float32)], autograph=False)
    x = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    function(x)
    found = []
    costs = profile(tmp_path, lambda: found.append(function(x)))
    assert ("_MklLayerNorm" in [cost.operation for cost in costs]) == all(by_onednn)
    expected = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True) * gamma.numpy() + beta.numpy()
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_one_line_of_the_log_says_that_onednn_is_off(monkeypatch, caplog):
    monkeypatch.setattr(onednn, "is_on", lambda: False)
    monkeypatch.setattr(onednn, "processor_flags", lambda: {"avx2"})
    monkeypatch.setattr(onednn, "on_cpu", lambda: True)
    monkeypatch.setattr(onednn.platform, "machine", lambda: "x86_64")
    x, ones = tf.ones([2, 8]), tf.ones([8])

    def lines():
        """What tracing two graphs says."""
        caplog.clear()
        onednn._advise.cache_clear()
        for _ in range(2):
            tf.function(lambda x: kernels.layer_norm(x, ones, ones, epsilon=1e-12))(x)
        return [record.getMessage() for record in caplog.records if record.name == "keras_bert"]

    monkeypatch.delenv(onednn.VARIABLE, raising=False)
    (line,) = lines()
    assert "TF_ENABLE_ONEDNN_OPTS=1 before TensorFlow is imported" in line
    monkeypatch.setenv(onednn.VARIABLE, "0")  # the user has decided
    assert not lines()
    monkeypatch.delenv(onednn.VARIABLE)
    monkeypatch.setattr(onednn, "processor_flags", set)
    assert not lines()
    onednn._advise.cache_clear()
