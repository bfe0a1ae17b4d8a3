"""Seq2Seq beside Transformers' EncoderDecoderModel: logits, answers of every way to search, and the way back to its file."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from keras_bert import BertEncoder, checkpoints, features
from keras_bert.generation import Generation
from keras_bert.models import Seq2Seq
from keras_bert.models.next_tokens import sampled

LENGTH, END = 20, 3


@pytest.fixture(scope="module")
def path(shared):
    return shared / "reference" / "transformers_more" / "encoder_decoder"


@pytest.fixture(scope="module")
def expected(path):
    return np.load(path / "expected.npz")


@pytest.fixture(scope="module")
def network(path):
    return checkpoints.load_network(path, strict=True)


@pytest.fixture(scope="module")
def ask(network, expected):
    """A function of Generation's options -> ids and scores, of all texts, in a graph."""
    inputs = {name: expected[name].astype("int32") for name in features.UNPACKED}
    inputs[features.DECODER_INPUT_IDS] = np.full((5, 1), 2, "int32")
    signature = {name: tf.TensorSpec([None, None], tf.int32) for name in inputs}

    def ask(**options):
        generation = Generation(LENGTH, END, **options)
        asked = tf.function(lambda inputs: network(inputs, training=False, generation=generation), input_signature=[signature])
        return {name: part.numpy() for name, part in asked(inputs).items()}

    return ask


@pytest.fixture
def ends_likelier(network, reference):
    """What Transformers gives where [SEP] is likelier: answers of many lengths. The network is made so for the test."""
    wanted = np.load(reference / "seq2seq" / "ended.npz")
    bias = network.decoder.head.bias
    before = np.asarray(bias.value)
    bias.assign(before + np.eye(len(before), dtype="float32")[END] * wanted["end_bias"])
    yield wanted
    bias.assign(before)


def test_logits_are_transformers(network, expected):
    inputs = {name: expected[name].astype("int32") for name in (*features.UNPACKED, features.DECODER_INPUT_IDS)}
    real = expected["decoder_attention_mask"] == 1
    np.testing.assert_allclose(np.asarray(network(inputs))[real], expected["logits"][real], atol=1e-5)


@pytest.mark.parametrize("cached", [True, False])
def test_answers_are_transformers_token_for_token(ask, expected, cached):
    np.testing.assert_array_equal(ask(cached=cached)["ids"][:, 0], expected["greedy"])
    for penalty in (0.6, 1.0, 2.0) if cached else (0.6,):
        got, name = ask(num_beams=4, length_penalty=penalty, cached=cached), f"beam4_length_penalty_{penalty}"
        np.testing.assert_array_equal(got["ids"][:, 0], expected[name])
        np.testing.assert_allclose(got["scores"][:, 0], expected[f"{name}_scores"], atol=1e-4)
    np.testing.assert_array_equal(ask(num_beams=4, no_repeat_ngrams=3, cached=cached)["ids"][:, 0], expected["beam4_no_repeat_3"])


def test_xla_writes_the_same(network, expected):
    """On a CPU the cache is filled by an op that XLA does not know."""
    inputs = {name: tf.constant(expected[name][:2].astype("int32")) for name in features.UNPACKED}
    inputs[features.DECODER_INPUT_IDS] = tf.fill([2, 1], 2)
    write = tf.function(lambda inputs: network(inputs, training=False, generation=Generation(LENGTH, END)), jit_compile=True)
    np.testing.assert_array_equal(write(inputs)["ids"][:, 0], expected["greedy"][:2])


@pytest.mark.slow
def test_answers_that_end_early_are_transformers(ask, ends_likelier):
    def same(name, **options):
        got, wanted = ask(**options), ends_likelier[name]
        np.testing.assert_array_equal(got["ids"].reshape(wanted.shape), wanted, err_msg=name)
        if f"{name}_scores" in ends_likelier:
            np.testing.assert_allclose(got["scores"].ravel(), ends_likelier[f"{name}_scores"], atol=1e-4)

    same("greedy")
    same("greedy_min", min_length=10)  # both ends count
    same("greedy_no_repeat", no_repeat_ngrams=2)
    for penalty in (0.6, 2.0):
        same(f"beam4_{penalty}", num_beams=4, num_answers=4, length_penalty=penalty)
    same("beam3_min", num_beams=3, num_answers=2, min_length=10)
    same("beam4_no_repeat", num_beams=4, num_answers=2, no_repeat_ngrams=2, length_penalty=2.0)


@pytest.mark.parametrize("penalty", [-1.0, 0.6, 2.0])
@pytest.mark.parametrize("early_stopping", [False, "never"])
def test_searches_that_go_on_are_transformers(network, expected, ends_likelier, reference, early_stopping, penalty):
    """Eagerly: to trace each of them would take longer."""
    wanted, name = np.load(reference / "seq2seq" / "early_stopping.npz"), f"{early_stopping}_{penalty}".lower()
    inputs = {name: expected[name].astype("int32") for name in features.UNPACKED} | {
        features.DECODER_INPUT_IDS: np.full((5, 1), 2, "int32")
    }
    generation = Generation(LENGTH, END, num_beams=4, num_answers=4, length_penalty=penalty, early_stopping=early_stopping)
    got = network(inputs, training=False, generation=generation)
    np.testing.assert_array_equal(np.reshape(got["ids"], wanted[name].shape), wanted[name])
    np.testing.assert_allclose(np.ravel(got["scores"]), wanted[f"{name}_scores"], atol=1e-4)


def test_scores_of_greedy_answers_are_those_of_their_tokens(network, expected, ask, ends_likelier):
    """From the teacher-forced logits: the sum of log-softmax at each token written, by their number to the power."""
    got = ask(length_penalty=0.5)
    inputs = {name: expected[name].astype("int32") for name in features.UNPACKED}
    logits = np.asarray(network(inputs | {features.DECODER_INPUT_IDS: got["ids"][:, 0, :-1]}), "float64")
    likely = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    for ids, rows, score in zip(got["ids"][:, 0], likely, got["scores"][:, 0], strict=True):
        count = ids.tolist().index(END) if END in ids else LENGTH - 1
        assert score == pytest.approx(sum(rows[place, ids[place + 1]] for place in range(count)) / count**0.5, abs=1e-4)


def test_samples_hang_on_the_seed_and_not_on_what_stands_beside(network, expected, ask):
    options = {"temperature": 1.5, "num_answers": 3, "top_k": 50, "top_p": 0.9, "seed": 5}
    got = ask(**options)["ids"]
    assert len({tuple(row) for row in got[0]}) == 3
    inputs = {name: expected[name][3:4].astype("int32") for name in features.UNPACKED}
    alone = network(inputs | {features.DECODER_INPUT_IDS: np.full((1, 1), 2, "int32")}, generation=Generation(LENGTH, END, **options))
    np.testing.assert_array_equal(got[3], np.asarray(alone["ids"])[0])
    assert (got != ask(**options | {"seed": 6})["ids"]).any()


def test_a_sample_is_drawn_by_its_probability():
    """Probabilities 0.5, 0.3, 0.15, 0.05; draws in equal steps fall on each as often, and top_k, top_p and temperature cut and sharpen."""
    scores = np.log(np.array([[[0.15, 0.5, 0.05, 0.3]]], "float32")) + 2.0

    def shares(**options):
        draws = ((np.arange(1000) + 0.5) / 1000).astype("float32")
        got = np.asarray(sampled(np.repeat(scores, 1000, axis=1), draws, Generation(4, 0, **{"temperature": 1.0} | options)))[0]
        return (np.bincount(got, minlength=4) / 1000).tolist()

    assert shares() == pytest.approx([0.15, 0.5, 0.05, 0.3], abs=2e-3)
    assert shares(top_k=2) == pytest.approx([0, 0.625, 0, 0.375], abs=2e-3)
    assert shares(top_p=0.79) == pytest.approx([0, 0.625, 0, 0.375], abs=2e-3)  # 0.5 does not reach it, 0.8 does
    assert shares(top_p=0.81) == pytest.approx([0.15 / 0.95, 0.5 / 0.95, 0, 0.3 / 0.95], abs=2e-3)
    squares = np.array([0.15, 0.5, 0.05, 0.3]) ** 2
    assert shares(temperature=0.5) == pytest.approx((squares / squares.sum()).tolist(), abs=2e-3)


def test_back_to_transformers_bit_for_bit(network, path, tmp_path):
    checkpoints.to_hugging_face(network, tmp_path / "theirs")
    written, original = (load_file(each / "model.safetensors") for each in (tmp_path / "theirs", path))
    assert written.keys() == original.keys()
    for name, value in original.items():
        np.testing.assert_array_equal(written[name], value, err_msg=name)
    config, theirs = (json.loads((each / "config.json").read_text()) for each in (tmp_path / "theirs", path))
    for side in ("encoder", "decoder"):
        assert {name: config[side][name] for name in theirs[side]} == theirs[side]
    assert config["architectures"] == theirs["architectures"] and config["model_type"] == theirs["model_type"]


def test_shared_sides_have_one_set_of_weights_and_are_written_for_each(tiny_config, tmp_path):
    keras.utils.set_random_seed(1)
    shared, apart = (Seq2Seq(BertEncoder(tiny_config, pooler=False), shared=shared) for shared in (True, False))
    paths = [weight.path for weight in shared.weights]
    assert len(paths) == len(set(paths)) and len({weight.path for weight in apart.weights}) == len(apart.weights)
    own = {path for path in paths if path.startswith("decoder/")}
    assert own == {path for path in own if "cross_attention" in path or "masked_lm" in path}
    checkpoints.to_hugging_face(shared, tmp_path / "theirs")
    again = checkpoints.load_network(tmp_path / "theirs", strict=True)
    batch = {name: np.array([[2, 5, 6, 3]], "int32") * (name == "input_ids") + (name == "attention_mask") for name in features.UNPACKED}
    batch |= {features.DECODER_INPUT_IDS: np.array([[2, 7]], "int32")}
    np.testing.assert_allclose(np.asarray(again(batch)), np.asarray(shared(batch)), atol=1e-6)
    checkpoints.save_network(shared, tmp_path / "ours")
    np.testing.assert_array_equal(np.asarray(checkpoints.load_network(tmp_path / "ours", strict=True)(batch)), np.asarray(shared(batch)))


def test_what_cannot_be_is_told(tiny_config):
    encoder = BertEncoder(tiny_config, pooler=False)
    with pytest.raises(ValueError, match="shared=True, but encoder and decoder differ: vocab_size 20 and 30; leave shared out"):
        Seq2Seq(encoder, decoder={"vocab_size": 30}, shared=True)
    with pytest.raises(ValueError, match="num_hidden_layers=3, the encoder 2"):
        Seq2Seq(encoder, decoder=dataclasses.replace(tiny_config, num_hidden_layers=3), shared=True)
    with pytest.raises(ValueError, match="BertConfig has no layers"):
        Seq2Seq(encoder, decoder={"layers": 1})
    with pytest.raises(TypeError, match="decoder is a int"):
        Seq2Seq(encoder, decoder=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 1}, r"max_length=1 is not a whole number from 2 \(\[CLS\] and \[SEP\] count\)"),
        ({"min_length": 30}, "min_length=30 is over max_length=20"),
        ({"num_beams": 0}, "num_beams=0 is not a whole number from 1"),
        ({"length_penalty": float("nan")}, "length_penalty=nan is no number"),
        ({"length_penalty": "1"}, "length_penalty='1' is no number"),
        ({"early_stopping": "always"}, "early_stopping='always' is neither True, nor False, nor 'never'"),
        ({"early_stopping": 1}, "early_stopping=1 is neither"),  # it would be read as False
        ({"num_beams": 3.0}, r"num_beams=3\.0 is not a whole number from 1$"),
        ({"num_beams": 4, "pieces": 7}, "num_beams=4: a search wants a vocabulary of twice as many pieces, and this has 7"),
        ({"seed": -1, "temperature": 1.0}, "seed=-1 is not a whole number from 0$"),
        ({"seed": None, "temperature": 1.0}, "seed=None is not a whole number from 0"),
        ({"temperature": "1"}, "temperature='1' is neither a positive number nor None"),
        ({"temperature": 1.0, "top_p": "0.9"}, r"top_p='0\.9' is neither in 0"),
        ({"temperature": 0.0}, "temperature=0.0 is neither a positive number nor None"),
        ({"temperature": 1.0, "top_p": 1.5}, "top_p=1.5 is neither in 0"),
        ({"top_k": 5}, "are of sampling: give a temperature"),
        ({"temperature": 1.0, "num_beams": 2}, "give num_beams=1, or no temperature"),
        ({"num_answers": 3, "num_beams": 2}, "num_answers=3 of num_beams=2"),
    ],
)
def test_ways_to_write_that_cannot_be_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        Generation(**{"max_length": LENGTH, "end_id": END} | options)
