"""How fast a run is: examples and tokens a second, the share of padding, and the achieved FLOP/s beside what the device can do.

    peak = measured_matmul_peak("bfloat16")
    rates(config, seconds=2.0, examples=64, tokens=5120, slots=8192, squared_slots=64 * 128**2, peak_flops=peak)
    # {"examples_per_second": 32.0, "tokens_per_second": 2560.0, "padding_share": 0.375, "flops_per_second": ..., "peak_share": ...}

A slot is a place of the batch, real token or padding: [batch, length] has batch * length of them, and all are computed.
"""

import time

# The small ones fill a CPU, the large ones a GPU; a product of two of the largest is 1.1 TFLOP.
_SIZES = (1024, 2048, 4096, 8192)
_DTYPES = ("float32", "bfloat16", "float16")


def forward_flops(config, batch, length):
    """Floating-point operations of the matrix products in one forward pass of the encoder; a multiply-add counts 2.

        a block, a slot:   2 * (3 h h + h h + 2 h i)   query, key and value; attention output; feed-forward in and out
        a block, a row:    2 * 2 * length**2 * h       scores, and the weighted sum of the values

    Left out are LayerNorm, softmax, biases, activations and dropout, which are no matrix products; the embeddings, which are
    looked up; pooler and heads. A label for each text or token costs next to nothing, but a masked-word head adds
    2 * (h h + h vocab_size) for each prediction.

    Args: config: BertConfig, with hidden_size h and intermediate_size i. batch: rows. length: slots of a row.
    Returns: int.
    Source: Narayanan et al. 2021, "Efficient large-scale language model training on GPU clusters", appendix: 24 B s h^2 +
        4 B s^2 h a block, for i = 4 h. Kaplan et al. 2020, section 2.1, counts the first part, as 2 for each weight and token.
    """
    return _forward_flops(config, batch * length, batch * length**2)


def training_flops(config, batch, length):
    """Floating-point operations of the encoder's matrix products in one training step: 3 times forward_flops.

    The backward pass makes two products of each forward one: a gradient for either factor.

    Args, Returns: as forward_flops.
    Source: Narayanan et al. 2021, appendix; Kaplan et al. 2020, section 2.1.
    """
    return 3 * forward_flops(config, batch, length)


def rates(config, *, seconds, examples, tokens, slots, squared_slots, peak_flops=None):
    """What was done in an interval of training, for each second.

    Args:
        config: BertConfig of the encoder.
        seconds: the interval's length.
        examples: examples trained on in it.
        tokens: real tokens among them, padding not counted.
        slots: sum of batch * length over the batches; padding is computed too.
        squared_slots: sum of batch * length**2 over the batches, which attention costs.
        peak_flops: FLOP/s that all devices together can do, see measured_matmul_peak; None where it is not known.
    Returns: dict of floats: examples_per_second, tokens_per_second, padding_share (of the slots, 0 to 1), flops_per_second
        (of training_flops) and, where peak_flops is given, peak_share: the part of the peak that was achieved. That share is
        the "model FLOPs utilization" of Chowdhery et al. 2022 (PaLM, appendix B), with a measured peak for the printed one.
    Raises: ValueError where seconds is not positive, or there are not as many slots as tokens.
    """
    if not seconds > 0:
        raise ValueError(f"seconds={seconds!r} is not a positive time")
    if not (0 <= tokens <= slots and slots > 0):
        raise ValueError(f"tokens={tokens!r} do not fit into slots={slots!r}")
    flops_per_second = 3 * _forward_flops(config, slots, squared_slots) / seconds
    values = {
        "examples_per_second": examples / seconds,
        "tokens_per_second": tokens / seconds,
        "padding_share": 1 - tokens / slots,
        "flops_per_second": flops_per_second,
    }
    return values if peak_flops is None else values | {"peak_share": flops_per_second / peak_flops}


def measured_matmul_peak(dtype, *, seconds=0.5):
    """The best rate of a square matrix product on TensorFlow's default device, for one device.

    It is a measurement, not a constant: on a machine that others use too, or whose clock moves with its heat, two calls
    differ, and a share of the peak is only as good as the minute in which the peak was read. On a GPU, float32 products are
    TF32 ones, as they are in training, unless tf.config.experimental.enable_tensor_float_32_execution(False) was called.

    Args:
        dtype: "float32", "bfloat16" or "float16": the dtype that the model computes in.
        seconds: about how long to measure, in all; tracing and warm-up come on top. Sizes go from 1024 up to 8192, as far as
            a product takes less than half of it.
    Returns: float, FLOP/s.
    Raises: ValueError on another dtype.
    """
    import tensorflow as tf

    if dtype not in _DTYPES:
        raise ValueError(f"dtype={dtype!r} is not one of {', '.join(_DTYPES)}")
    product = tf.function(tf.matmul)
    best = 0.0
    for size in _SIZES:
        flops = 2 * size**3
        if best and flops / best > seconds / 2:
            break  # a slow device has shown its best by now
        # Random numbers, since zeros heat a chip less; stateless, since the run's own random numbers must not move.
        left, right = (tf.cast(tf.random.stateless_normal([size, size], [size, seed]), dtype) for seed in (0, 1))
        _wait_for(product(left, right))
        calls, spent = 1, 0.0
        while spent < seconds / len(_SIZES):
            start = time.perf_counter()
            for _ in range(calls):
                result = product(left, right)
            _wait_for(result)
            elapsed = time.perf_counter() - start
            best = max(best, calls * flops / elapsed)
            spent += elapsed
            calls *= 2  # so that on a GPU the waiting is soon a small part
    return best


def _forward_flops(config, slots, squared_slots):
    hidden, intermediate = config.hidden_size, config.intermediate_size
    dense = 2 * (4 * hidden * hidden + 2 * hidden * intermediate)
    attention = 4 * hidden
    return config.num_hidden_layers * (dense * slots + attention * squared_slots)


def _wait_for(tensor):
    tensor[0, 0].numpy()  # a GPU's products are only queued; to read one number is to wait for the last of them
