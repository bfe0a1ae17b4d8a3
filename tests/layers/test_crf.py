"""The CRF against an enumeration of all paths in float64, and against pytorch-crf."""

import itertools
import os
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_bert.layers import CRF
from keras_bert.layers.crf import LinearChain, split_scores


def built(num_tags, start=None, end=None, transitions=None, *, allowed=None, constrained_training=False):
    """Returns: LinearChain over the variables of a CRF."""
    crf = CRF(num_tags)
    crf.build((None, None, num_tags))
    for variable, value in ((crf.start, start), (crf.end, end), (crf.transitions, transitions)):
        if value is not None:
            variable.assign(value)
    return crf.chain(allowed=allowed, constrained_training=constrained_training)


def weights_of(crf):
    return [crf.start, crf.end, crf.transitions]


def allowed_tables(crf):
    tags = crf.num_tags
    tables = (crf.allowed_start, (tags,)), (crf.allowed_end, (tags,)), (crf.allowed_transitions, (tags, tags))
    return [np.ones(shape, bool) if table is None else table for table, shape in tables]


class Enumerated:
    """All paths of one sentence. Args: crf: built. emissions: [words, tags]."""

    def __init__(self, crf, emissions):
        words, tags = emissions.shape
        self.paths = np.array(list(itertools.product(range(tags), repeat=words)), int).reshape(-1, words)
        start, end, transitions = (np.asarray(weight, "float64") for weight in (crf.start, crf.end, crf.transitions))
        may_start, may_end, may_move = allowed_tables(crf)
        first, last = self.paths[:, 0], self.paths[:, -1]
        moves = self.paths[:, :-1], self.paths[:, 1:]
        at_words = emissions.astype("float64")[np.arange(words), self.paths].sum(axis=1)
        self.scores = start[first] + end[last] + at_words + transitions[moves].sum(axis=1)
        self.allowed = may_start[first] & may_end[last] & may_move[moves].all(axis=1)

    def probabilities(self, constrained):
        chosen = self.allowed if constrained else np.ones(len(self.paths), bool)
        weights = np.where(chosen, np.exp(self.scores - self.scores[chosen].max()), 0.0)
        return weights / weights.sum()

    def log_normalizer(self, constrained):
        scores = self.scores[self.allowed] if constrained else self.scores
        return np.logaddexp.reduce(scores)

    def index(self, tags):
        return int(np.flatnonzero((self.paths == tags).all(axis=1))[0])


class Case:
    """A CRF with barred moves, and sentences of 1 to 5 words that each have an allowed path."""

    SENTENCES = 10

    def __init__(self, seed):
        generator = self.generator = np.random.default_rng(seed)
        tags, words = int(generator.integers(2, 5)), int(generator.integers(1, 6))
        size = generator.choice([0.5, 3.0, 120.0])  # the last: whatever is not best has a probability of float32's least numbers
        self.lengths = generator.integers(1, words + 1, self.SENTENCES)
        self.mask = np.arange(words) < self.lengths[:, None]
        self.emissions = generator.normal(size=(self.SENTENCES, words, tags)).astype("float32") * size
        self.tags = np.where(self.mask, generator.integers(0, tags, self.mask.shape), -1)
        weights = [generator.normal(size=shape).astype("float32") for shape in ((tags,), (tags,), (tags, tags))]
        while True:
            bars = [generator.random(shape) > share for shape, share in (((tags,), 0.2), ((tags,), 0.2), ((tags, tags), 0.3))]
            if not (bars[0].any() and bars[1].any()):
                continue
            self.crf = built(tags, *weights, allowed=bars, constrained_training=bool(seed % 2))
            self.enumerated = [Enumerated(self.crf, each[:length]) for each, length in zip(self.emissions, self.lengths, strict=True)]
            if all(each.allowed.any() for each in self.enumerated):
                break
        self.emissions[~self.mask] = np.nan  # padding counts nothing
        self.size = size

    def each(self, values):
        """Sentences: what was enumerated, its own tags, and its own part of each of the values."""
        for number, (each, length) in enumerate(zip(self.enumerated, self.lengths, strict=True)):
            yield each, self.tags[number, :length], *(np.asarray(value)[number] for value in values)


@pytest.mark.parametrize("first", [0, 15])
def test_sums_paths_and_probabilities_are_those_of_all_paths(first):
    """300 sentences in all."""
    barred = 0
    for seed in range(first, first + 15):
        case = Case(seed)
        crf, given = case.crf, (ops.convert_to_tensor(case.emissions), ops.convert_to_tensor(case.mask))
        tolerance = {"rtol": 1e-5, "atol": 2e-5 * max(1.0, case.size)}
        likelihoods = crf.log_likelihood(given[0], case.tags, given[1])
        values = likelihoods, crf.path_score(given[0], case.tags, given[1]), crf.log_normalizer(*given, constrained=False)
        values = *values, crf.log_normalizer(*given, constrained=True), *crf.viterbi(*given), crf.marginals(*given)
        for each, tags, likelihood, score, free, constrained, path, best, marginals in case.each(values):
            own = each.index(tags)
            np.testing.assert_allclose(score, each.scores[own], **tolerance)
            np.testing.assert_allclose(free, each.log_normalizer(False), **tolerance)
            np.testing.assert_allclose(constrained, each.log_normalizer(True), **tolerance)
            others = each.log_normalizer(crf.constrained_training)
            if crf.constrained_training and not each.allowed[own]:
                others, barred = np.logaddexp(others, each.scores[own]), barred + 1
            np.testing.assert_allclose(likelihood, each.scores[own] - others, **tolerance)

            greatest = each.scores[each.allowed].max()
            found = each.index(path[: len(tags)])
            assert each.allowed[found] and each.scores[found] == pytest.approx(greatest, abs=1e-4 * max(1.0, case.size))
            assert not path[len(tags) :].any()
            np.testing.assert_allclose(best, greatest, **tolerance)

            probabilities = each.probabilities(True)
            for word in range(len(tags)):
                expected = [probabilities[each.paths[:, word] == tag].sum() for tag in range(crf.num_tags)]
                np.testing.assert_allclose(marginals[word], expected, atol=2e-5 * max(1.0, case.size))
            assert not marginals[len(tags) :].any()
    assert barred > 10


def test_spans_are_as_probable_as_all_paths_that_have_them():
    some = impossible = 0
    for seed in range(100, 130):
        case = Case(seed)
        crf, generator = case.crf, case.generator
        starts_span, ends_span = generator.random((2, crf.num_tags + 1, crf.num_tags + 1)) > 0.3
        tags = case.tags if seed % 2 else np.asarray(crf.viterbi(case.emissions, case.mask)[0])  # of the former many are barred
        spans = np.sort(generator.integers(0, case.lengths[:, None, None], (case.SENTENCES, 4, 2)), axis=-1)
        span_mask = np.arange(4) < generator.integers(1, 5, case.SENTENCES)[:, None]
        spans[~span_mask] = 99
        rules = {"starts_span": starts_span, "ends_span": ends_span} if seed % 3 else {}
        got = np.asarray(crf.span_log_probabilities(case.emissions, tags, case.mask, spans[..., 0], spans[..., 1], span_mask, **rules))
        assert not got[~span_mask].any() and got.max() <= 0
        for (each, _, own, real, logs), pairs in zip(case.each((tags, span_mask, got)), spans, strict=True):
            edge = np.full((len(each.paths), 1), crf.num_tags)
            framed = np.concatenate([edge, each.paths, edge], axis=1)  # a word stands one place later
            for (first, last), log in zip(pairs[real], logs[real], strict=True):
                has = (each.paths[:, first : last + 1] == own[first : last + 1]).all(axis=1)
                if rules:
                    has &= starts_span[framed[:, first], framed[:, first + 1]] & ends_span[framed[:, last + 1], framed[:, last + 2]]
                expected = each.probabilities(True)[has].sum()
                some, impossible = some + (0 < expected < 0.99), impossible + (expected == 0)
                assert np.exp(log) == pytest.approx(expected, abs=2e-5 * max(1.0, case.size))
                if expected > 1e-30:
                    assert log == pytest.approx(np.log(expected), rel=1e-4, abs=2e-5 * max(1.0, case.size))
    assert some > 100 and impossible > 100


def test_spans_far_into_a_long_sentence_are_as_exact_as_those_of_a_short_one():
    """Beside float64's sums over all words: where the best path is far from certain, these sums are in the thousands."""
    words, generator = 800, np.random.default_rng(5)
    emissions, transitions = generator.normal(size=(words, 4)), generator.normal(size=(4, 4)) * 2
    crf = built(4, np.zeros(4), np.zeros(4), transitions)
    emissions, transitions = emissions.astype("float32").astype("float64"), np.asarray(crf.transitions, "float64")
    forward, backward = [emissions[0]], [np.zeros(4)]
    for emission in emissions[1:]:
        forward.append(np.logaddexp.reduce(forward[-1][:, None] + transitions, axis=0) + emission)
    for emission in emissions[:0:-1]:
        backward.append(np.logaddexp.reduce(transitions + emission + backward[-1], axis=1))
    total = np.logaddexp.reduce(forward[-1])
    tags = tf.function(crf.viterbi)(emissions[None])[0].numpy()[0]
    firsts = np.arange(0, words - 3)
    lasts = firsts + generator.integers(0, 4, len(firsts))
    expected = []
    for first, last in zip(firsts, lasts, strict=True):
        inside = sum(transitions[tags[word - 1], tags[word]] + emissions[word, tags[word]] for word in range(first + 1, last + 1))
        expected.append(forward[first][tags[first]] + inside + backward[words - 1 - last][tags[last]] - total)
    assert total > 800 and 0.1 < np.exp(expected).mean() < 0.9
    got = tf.function(crf.span_log_probabilities)(emissions[None], tags[None], None, firsts[None], lasts[None])
    np.testing.assert_allclose(np.exp(got[0]), np.exp(expected), atol=2e-6)


def test_numbers_are_those_of_pytorch_crf(reference):
    with np.load(reference / "crf" / "pytorch_crf.npz") as file:
        cases = {number: {key[2:]: file[key] for key in file if key.startswith(f"{number}/")} for number in range(4)}
    for case in cases.values():
        words, tags = case["emissions"].shape[1:]
        crf = built(tags, case["start"], case["end"], case["transitions"])
        mask = np.arange(words) < case["lengths"][:, None]
        emissions = tf.constant(case["emissions"])
        with tf.GradientTape() as tape:
            tape.watch(emissions)
            likelihood = crf.log_likelihood(emissions, case["tags"], mask)
        slopes = tape.gradient(likelihood, [emissions, crf.transitions.value])
        np.testing.assert_allclose(likelihood, case["log_likelihood"], rtol=1e-5)
        np.testing.assert_allclose(slopes[0], case["emissions_gradient"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(tf.convert_to_tensor(slopes[1]), case["transitions_gradient"], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(np.where(mask, crf.viterbi(emissions, mask)[0], -1), case["best_path"])


def random_batch(sentences=6, words=7, tags=5, seed=0, **options):
    """Returns: CRF, emissions, tags, mask; the first sentence has no word."""
    generator = np.random.default_rng(seed)
    crf = built(tags, *(generator.normal(size=shape).astype("float32") for shape in ((tags,), (tags,), (tags, tags))), **options)
    lengths = np.concatenate([[0, 1], generator.integers(2, words + 1, sentences - 2)])
    mask = np.arange(words) < lengths[:, None]
    return crf, generator.normal(size=(sentences, words, tags)).astype("float32"), generator.integers(0, tags, mask.shape), mask


def slopes_of(crf, emissions, tags, mask, weights, dtype=None):
    """Gradients of the weighted sum of log-likelihoods, by emissions, start, end, transitions."""
    emissions = tf.constant(emissions, dtype)
    with tf.GradientTape() as tape:
        tape.watch(emissions)
        total = tf.reduce_sum(crf.log_likelihood(emissions, tags, mask) * weights)
    return [tf.convert_to_tensor(each) for each in tape.gradient(total, [emissions, *(weight.value for weight in weights_of(crf))])]


@pytest.mark.parametrize("constrained", [False, True])
def test_gradients_are_those_of_finite_differences(constrained):
    bars = np.ones((5, 5), bool)
    bars[[0, 1, 4], [3, 2, 4]] = False
    crf, emissions, tags, mask = random_batch(allowed=(None, None, bars), constrained_training=constrained)
    tags[3, :2] = 0, 3  # a barred move of its own
    weights = np.arange(1, 7, dtype="float32")
    slopes = slopes_of(crf, emissions, tags, mask, weights)

    def total():
        result = 0.0
        for number in range(1, len(tags)):
            length = mask[number].sum()
            each = Enumerated(crf, values[0][number, :length])
            own = each.index(tags[number, :length])
            others = each.log_normalizer(constrained)
            if constrained and not each.allowed[own]:
                others = np.logaddexp(others, each.scores[own])
            result += weights[number] * (each.scores[own] - others)
        return result

    generator = np.random.default_rng(5)
    values = [emissions.astype("float64"), *(np.asarray(weight, "float64") for weight in weights_of(crf))]
    names = ("start", "end", "transitions", "allowed_start", "allowed_end", "allowed_transitions", "num_tags")
    crf = types.SimpleNamespace(**dict(zip(names, (*values[1:], None, None, bars, 5), strict=True)))
    for value, slope in zip(values, slopes, strict=True):
        for _ in range(3):
            direction = generator.normal(size=value.shape)
            value += 1e-5 * direction
            above = total()
            value -= 2e-5 * direction
            below = total()
            value += 1e-5 * direction
            assert np.sum(slope * direction) == pytest.approx((above - below) / 2e-5, rel=1e-3, abs=1e-3)


def test_a_sentence_without_a_word_counts_nothing():
    crf, emissions, tags, mask = random_batch(allowed=([1, 1, 0, 0, 0], None, None), constrained_training=True)
    assert not mask[0].any()
    assert float(crf.log_likelihood(emissions, tags, mask)[0]) == float(crf.path_score(emissions, tags, mask)[0]) == 0.0
    assert float(crf.log_normalizer(emissions, mask)[0]) == float(crf.viterbi(emissions, mask)[1][0]) == 0.0
    by_emissions = slopes_of(crf, emissions, tags, mask, np.ones(6, "float32"))[0]
    assert np.isfinite(by_emissions).all() and not by_emissions[0].numpy().any()
    none = slopes_of(crf, emissions, tags, np.zeros_like(mask), np.ones(6, "float32"))
    assert not any(slope.numpy().any() for slope in none)


def test_no_mask_is_all_words():
    crf, emissions, tags, mask = random_batch()
    everywhere = np.ones_like(mask, "int32")
    np.testing.assert_array_equal(crf.log_likelihood(emissions, tags), crf.log_likelihood(emissions, tags, everywhere))
    np.testing.assert_array_equal(crf.viterbi(emissions)[0], crf.viterbi(emissions, everywhere)[0])


def test_five_thousand_words_keep_their_digits():
    """Tags that do not depend on one another: the sum over paths is a product of sums over tags. In float64.

    The scores of path and sum are 500,000, their difference is 5,000 or, of a sentence that is mostly right, less.
    """
    generator = np.random.default_rng(0)
    emissions = (generator.normal(size=(2, 5000, 6)) * 8 + 100).astype("float32")
    tags = emissions.argmax(axis=-1)
    tags[0, ::20] = generator.integers(0, 6, 250)
    crf = built(6, np.zeros(6), np.zeros(6), np.zeros((6, 6)))
    logs = emissions.astype("float64") - np.logaddexp.reduce(emissions.astype("float64"), axis=-1, keepdims=True)
    expected = np.take_along_axis(logs, tags[..., None], axis=-1)[..., 0].sum(axis=1)

    @tf.function
    def values(emissions):
        likelihood = crf.log_likelihood(emissions, tags)
        return likelihood, crf.marginals(emissions), crf.viterbi(emissions)[0], tf.gradients(likelihood, emissions)[0]

    likelihood, marginals, path, slope = values(emissions)
    assert -10_000 < expected.min() < expected.max() < -100
    np.testing.assert_allclose(likelihood, expected, rtol=1e-6)
    np.testing.assert_allclose(marginals, np.exp(logs), atol=1e-5)
    np.testing.assert_array_equal(path, emissions.argmax(axis=-1))
    np.testing.assert_allclose(slope, np.eye(6)[tags] - np.exp(logs), atol=1e-5)


def test_a_weight_of_emissions_scales_them_in_score_and_sum_alike():
    crf, emissions, tags, mask = random_batch()
    weights = np.random.default_rng(1).choice([0.0, 0.5, 3.0], mask.shape)
    weighted = crf.log_likelihood(emissions, tags, mask, emission_weights=weights)
    for number in range(1, len(tags)):
        length = mask[number].sum()
        each = Enumerated(crf, (emissions * weights[..., None])[number, :length])
        own = each.scores[each.index(tags[number, :length])]
        assert float(weighted[number]) == pytest.approx(own - each.log_normalizer(False), abs=1e-5)


def test_where_no_path_is_allowed_the_fewest_bars_are_broken():
    """Two tags that may only change, and a sentence must begin and end with the first: two words cannot."""
    crf = built(2, np.zeros(2), np.zeros(2), np.zeros((2, 2)), allowed=([1, 0], [1, 0], 1 - np.eye(2)))
    emissions = np.array([[[0.0, 3.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 3.0]]], "float32")
    np.testing.assert_array_equal(crf.viterbi(emissions)[0], [[1, 0], [0, 1]])
    assert np.isfinite(crf.marginals(emissions)).all()
    assert np.isfinite(crf.log_normalizer(emissions, constrained=True)).all()


def test_of_equal_paths_one_whole_one_is_found():
    """Every tag of every word is on a best path, but not every row of them is one."""
    crf = built(3, np.zeros(3), np.zeros(3), np.zeros((3, 3)), allowed=(None, None, np.eye(3)))
    path = np.asarray(crf.viterbi(np.zeros((1, 4, 3), "float32"))[0])
    np.testing.assert_array_equal(path, [[0, 0, 0, 0]])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float16"])
def test_half_precision_stops_at_the_emissions(policy):
    crf, emissions, tags, mask = random_batch()
    half = CRF(5, dtype=policy)
    dtype = policy.removeprefix("mixed_")
    assert half(tf.cast(emissions, dtype)).dtype == tf.float32
    np.testing.assert_array_equal(split_scores(half(emissions))[0], emissions)  # what comes in float32 keeps its digits
    assert {weight.dtype for weight in half.weights} == {"float32"}
    half.set_weights(list(map(np.asarray, weights_of(crf))))
    narrow = tf.cast(emissions, dtype)
    given, chain = split_scores(half(narrow))
    np.testing.assert_array_equal(chain.log_likelihood(given, tags, mask), crf.log_likelihood(tf.cast(narrow, tf.float32), tags, mask))
    slope = slopes_of(crf, narrow, tags, mask, np.ones(6, "float32"))[0]
    assert slope.dtype == dtype and np.isfinite(tf.cast(slope, tf.float32)).all()


def test_gradients_reach_the_weights_through_the_one_tensor():
    crf, emissions, tags, mask = random_batch()
    layer = CRF(5)
    layer.build((None, None, 5))
    layer.set_weights(list(map(np.asarray, weights_of(crf))))
    with tf.GradientTape() as tape:
        given, chain = split_scores(layer(emissions))
        total = tf.reduce_sum(chain.log_likelihood(given, tags, mask))
    slopes = tape.gradient(total, [weight.value for weight in layer.weights])
    for slope, expected in zip(slopes, slopes_of(crf, emissions, tags, mask, np.ones(6, "float32"))[1:], strict=True):
        np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("static", [True, False])
def test_xla_gives_the_numbers_of_the_graph(static):
    crf, emissions, tags, mask = random_batch(allowed=([1, 1, 0, 1, 1], None, None), constrained_training=True)
    spans = np.array([[[0, 0]], [[0, 0]], *[[[0, 1]]] * 4]) * mask[:, :1, None]

    def values(emissions, tags, mask):
        with tf.GradientTape() as tape:
            tape.watch(emissions)
            likelihood = crf.log_likelihood(emissions, tags, mask)
        slopes = tape.gradient(likelihood, [emissions, *(weight.value for weight in weights_of(crf))])
        probabilities = crf.span_log_probabilities(emissions, tags, mask, spans[..., 0], spans[..., 1])
        return [
            likelihood,
            *map(tf.convert_to_tensor, slopes),
            *crf.viterbi(emissions, mask),
            crf.marginals(emissions, mask),
            probabilities,
        ]

    given = [tf.constant(emissions), tf.constant(tags, tf.int32), tf.constant(mask)]
    signature = [tf.TensorSpec(each.shape if static else [None, None, 5][: each.shape.rank], each.dtype) for each in given]
    compiled = tf.function(values, input_signature=signature, jit_compile=True)
    for got, expected in zip(compiled(*given), values(*given), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_jax_gives_the_numbers_of_tensorflow(root, tmp_path):
    crf, emissions, tags, mask = random_batch()
    expected = slopes_of(crf, emissions, tags, mask, np.arange(6, dtype="float32"))
    np.savez(tmp_path / "given.npz", *map(np.asarray, weights_of(crf)), emissions=emissions, tags=tags, mask=mask)
    program = f"""
import sys
sys.modules["tensorflow"] = None
import jax, keras, numpy as np
from keras_bert.layers import CRF
given = np.load({str(tmp_path / "given.npz")!r})
layer = CRF(5)
layer.build((None, None, 5))
layer.set_weights([given[f"arr_{{number}}"] for number in range(3)])
crf = layer.chain()
zeros = np.zeros((6, 1), int)

def total(weights, emissions):
    with keras.StatelessScope(state_mapping=list(zip(layer.weights, weights))):
        return (crf.log_likelihood(emissions, given["tags"], given["mask"]) * np.arange(6)).sum()

@jax.jit
def all_of(weights, emissions):
    answers = *crf.viterbi(emissions, given["mask"]), crf.span_log_probabilities(emissions, given["tags"], given["mask"], zeros, zeros)
    return jax.grad(total, argnums=(0, 1))(weights, emissions), answers

(of_weights, of_emissions), (paths, score, spans) = all_of([weight.value for weight in layer.weights], given["emissions"])
np.savez({str(tmp_path / "got.npz")!r}, of_emissions, *of_weights, paths=paths, score=score, spans=spans)
"""
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    got = np.load(tmp_path / "got.npz")
    for number, slope in enumerate(expected):
        np.testing.assert_allclose(got[f"arr_{number}"], slope, atol=1e-5)
    path, score = crf.viterbi(emissions, mask)
    np.testing.assert_array_equal(got["paths"], path)
    np.testing.assert_allclose(got["score"], score, rtol=1e-5)
    zeros = np.zeros((6, 1), int)
    np.testing.assert_allclose(got["spans"][1:], crf.span_log_probabilities(emissions, tags, mask, zeros, zeros)[1:], atol=1e-5)


def test_a_saved_crf_gives_the_same_tags_in_a_fresh_process(root, tmp_path, fresh_python):
    crf, emissions, _, mask = random_batch()
    x = keras.Input([None, 5])
    layer = CRF(5)
    model = keras.Model(x, layer(x))
    layer.set_weights(list(map(np.asarray, weights_of(crf))))
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "given.npz", emissions=emissions, mask=mask)
    program = f"""
import keras, numpy as np
from keras_bert.layers.crf import split_scores
model = keras.saving.load_model({str(tmp_path / "model.keras")!r})
given = np.load({str(tmp_path / "given.npz")!r})
emissions, chain = split_scores(model(given["emissions"]))
np.save({str(tmp_path / "path.npy")!r}, chain.viterbi(emissions, given["mask"])[0])
"""
    done = fresh_python.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(root)})
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "path.npy"), crf.viterbi(emissions, mask)[0])


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"num_tags=2\.5 is not a whole number from 1"):
        CRF(2.5)
    zeros = np.zeros(2), np.zeros(2), np.zeros((2, 2))
    with pytest.raises(ValueError, match=r"allowed start has shape \(3,\); this chain wants \(2,\)"):
        LinearChain(*zeros, allowed=([True] * 3, None, None))
    with pytest.raises(ValueError, match=r"allowed transitions holds -0\.5; it says whether a tag or move is allowed, by True and False"):
        LinearChain(*zeros, allowed=(None, None, [[0, 1], [1, -0.5]]))
    with pytest.raises(ValueError, match="allowed end allows no tag, so there is no path"):
        LinearChain(*zeros, allowed=(None, [False, False], None))
    with pytest.raises(ValueError, match=r"the emissions have shape \(None, 4, 3\); a CRF of num_tags=2 wants that many at its end"):
        CRF(2)(keras.Input([4, 3]))
    with pytest.raises(ValueError, match=r"starts_span has shape \(2, 2\); this chain wants \(3, 3\)"):
        built(2).span_log_probabilities(np.zeros((1, 1, 2)), [[0]], None, [[0]], [[0]], starts_span=np.ones((2, 2)))
