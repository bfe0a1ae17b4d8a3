"""BertSeq2Seq: what it learns from, what it writes, and what it keeps."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_bert
from export import export_saved_model
from keras_bert import BertEncoder, BertMaskedLM, BertSeq2Seq, BertTokenizer, checkpoints, features
from keras_bert.training import SequenceCrossEntropy, TokenCrossEntropy, create_optimizer

SOURCES = ["a b c", "good film", "it was bad .", "", "c b a", "no film , no ."]
TARGETS = ["c, b, a", "great films", "bad.", "no", "a b c", "no no no"]


@pytest.fixture(scope="module")
def config(quick_config):
    return dataclasses.replace(quick_config, hidden_size=32, intermediate_size=64, initializer_range=0.2)


@pytest.fixture(scope="module")
def make(config, tiny_tokenizer):
    """A function of options -> BertSeq2Seq."""

    def make(**options):
        keras.utils.set_random_seed(7)
        options = {"max_length": 16, "max_target_length": 10} | options
        return BertSeq2Seq(BertEncoder(config, pooler=False), options.pop("tokenizer", tiny_tokenizer), **options)

    return make


@pytest.fixture(scope="module")
def taught(make):
    """It knows TARGETS by heart."""
    model = make()
    model.compile(optimizer=create_optimizer(3e-3, total_steps=200, schedule="constant"), label_smoothing=0.05)
    history = model.fit(SOURCES * 4, TARGETS * 4, batch_size=12, epochs=40, verbose=0)
    assert history.history["token_accuracy"][-1] > 0.99
    return model


def served(path, texts):
    answer = tf.saved_model.load(str(path)).signatures["serving_default"]
    return {name: part.numpy() for name, part in answer(text=tf.constant(texts)).items()}


@pytest.mark.slow
def test_it_writes_what_it_was_taught(taught):
    assert taught.generate(SOURCES) == TARGETS
    assert taught.generate(SOURCES, num_beams=3) == TARGETS
    assert taught.evaluate(SOURCES, TARGETS, verbose=0, return_dict=True)["token_accuracy"] > 0.99
    ids = taught.predict(SOURCES, verbose=0)
    assert ids.shape == (6, 10) and ids.dtype == np.int32 and (ids[:, 0] == taught.tokenizer.cls_id).all()
    one, *_ = taught.answer(SOURCES[:1], num_beams=3, num_answers=2)
    assert one["alternative_count"] == 2 and one["alternatives"][0]["text"] == one["text"] == TARGETS[0]
    assert one["alternatives"][0]["score"] == pytest.approx(one["score"]) and one["score"] > one["alternatives"][1]["score"]
    assert len(taught.generate(SOURCES[:2], temperature=1.0, num_answers=3)[1]) == 3
    batch = {name: part for name, part in taught.preprocess(SOURCES).items() if name != features.DECODER_INPUT_IDS}
    assert [answer["text"] for answer in taught.answer(batch)] == TARGETS
    np.testing.assert_array_equal(taught.predict(batch, verbose=0), ids)


@pytest.mark.slow
def test_limits_of_an_answer_are_kept(taught):
    assert (taught.predict(["a b c"], verbose=0) != taught.tokenizer.pad_id).sum() == 7
    assert taught.generate(["a b c"], max_target_length=4) == ["c, b"]  # cut: it has no [SEP]
    longer = taught._predictor(answers=False, min_target_length=9).of_columns({"text": [b"good film"]})
    assert (longer[0] == taught.tokenizer.sep_id).argmax() in (8, 9) or taught.tokenizer.sep_id not in longer[0]
    assert taught.generate(["no film , no ."], no_repeat_ngrams=1)[0].split().count("no") == 1


@pytest.mark.slow
@pytest.mark.parametrize("freeze", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_saved_model_writes_text_for_text(taught, tmp_path, freeze, answers_of_forks):
    taught.change_settings(num_beams=2, num_answers=2)
    try:
        texts = [*SOURCES, "no it good , c"]
        path = export_saved_model(taught, tmp_path / "served", freeze=freeze)
        arrays, own = served(path, texts), taught.answer_arrays(texts)
        assert arrays.keys() == own.keys() and own["text"].shape == (7,)
        for name in ("text", "alternative_text", "alternative_count"):
            np.testing.assert_array_equal(arrays[name], own[name])
        np.testing.assert_allclose(arrays["alternative_score"], own["alternative_score"], atol=1e-4)
    finally:
        taught.change_settings(num_beams=1, num_answers=1)


@pytest.mark.slow
def test_it_comes_back_from_disk(taught, tmp_path):
    taught.save_pretrained(tmp_path / "saved")
    again = keras_bert.from_pretrained(tmp_path / "saved", strict=True)
    assert type(again) is BertSeq2Seq and again.settings() == taught.settings()
    assert again.answer(SOURCES) == taught.answer(SOURCES)
    taught.save(tmp_path / "whole.keras")
    assert keras.saving.load_model(tmp_path / "whole.keras").generate(SOURCES) == TARGETS


@pytest.mark.slow
def test_every_form_is_read_alike(make):
    model = make()
    model.compile(run_eagerly=True)

    def loss(*data, **options):
        return model.evaluate(*data, verbose=0, return_dict=True, **options)["loss"]

    wanted = loss(SOURCES, TARGETS)
    assert loss(tf.data.Dataset.from_tensor_slices((SOURCES, TARGETS)).batch(4)) == pytest.approx(wanted)
    assert loss(np.array(SOURCES), np.array(TARGETS), max_tokens_per_batch=40) == pytest.approx(wanted)
    model.pad_to_multiple_of = None  # static shapes, as a TPU wants them: padding counts nothing
    assert loss(SOURCES, TARGETS) == pytest.approx(wanted)
    inputs, targets, _ = model.preprocessor.pad(model.preprocessor.rows({"text": SOURCES}, TARGETS))
    assert inputs[features.DECODER_INPUT_IDS].shape == targets.shape == (6, 10)
    assert loss(inputs, targets.numpy()) == pytest.approx(wanted)


def test_every_weight_of_the_decoder_moves_in_one_step_and_two_rates_hold_one_side_still(make):
    model = make()
    before = {weight.path: weight.numpy() for weight in model.network.weights}
    model.compile(optimizer=create_optimizer(1e-2, total_steps=10, warmup_steps=0), run_eagerly=True)
    model.fit(SOURCES, TARGETS, verbose=0)
    still = {weight.path for weight in model.network.weights if (weight.numpy() == before[weight.path]).all()}
    assert still == set()
    before = {weight.path: weight.numpy() for weight in model.network.weights}
    optimizer = create_optimizer(1e-2, total_steps=10, warmup_steps=0, learning_rate_multipliers={"decoder": 0.0})
    model.compile(optimizer=optimizer, run_eagerly=True)
    model.fit(SOURCES, TARGETS, verbose=0)
    moved = {weight.path for weight in model.network.weights if (weight.numpy() != before[weight.path]).any()}
    assert moved == {path for path in before if not path.startswith("decoder/")}


def test_loss_is_smoothed_cross_entropy_of_real_tokens_alone():
    random = np.random.default_rng(0)
    logits, targets = random.normal(size=(2, 3, 5)).astype("float32"), np.array([[1, 4, -1], [0, -1, -1]], "int32")
    logits[1, 2] = np.nan  # what padding's scores are counts nothing
    likely = logits.astype("float64") - np.log(np.exp(logits.astype("float64")).sum(-1, keepdims=True))
    expected = -np.mean(
        [0.9 * likely[place][target] + 0.1 * likely[place].mean() for place, target in {(0, 0): 1, (0, 1): 4, (1, 0): 0}.items()]
    )
    assert float(SequenceCrossEntropy(5, 0.1)(targets, logits)) == pytest.approx(expected, rel=1e-5)
    weights = np.array([2.0, 1.0], "float32")
    peer = TokenCrossEntropy(5, label_smoothing=0.1)
    assert float(SequenceCrossEntropy(5, 0.1)(targets, logits, weights)) == pytest.approx(float(peer(targets, logits, weights)), rel=1e-5)


def test_a_decoder_begins_with_the_encoders_weights(config, tiny_tokenizer, tmp_path):
    keras.utils.set_random_seed(2)
    two = dataclasses.replace(config, num_hidden_layers=2)
    BertMaskedLM(BertEncoder(two, pooler=False), tiny_tokenizer).save_pretrained(tmp_path / "bert")

    def weights(**options):
        with pytest.warns(UserWarning, match="newly initialised"):
            model = BertSeq2Seq.from_pretrained(tmp_path / "bert", **options)
        return model, {weight.path: weight.numpy() for weight in model.network.weights}

    model, values = weights()
    for path, value in values.items():
        if path.startswith("decoder/") and "cross_attention" not in path and "masked_lm" not in path:
            np.testing.assert_array_equal(value, values[path.removeprefix("decoder/")], err_msg=path)
    assert all("cross_attention" in path for path in model.load_report.initialised)  # the masked-LM head came along
    model, values = weights(shared=True)
    assert not [path for path in values if path.startswith("decoder/layer_0/attention")]
    model, values = weights(decoder={"num_hidden_layers": 1})
    np.testing.assert_array_equal(values["decoder/layer_0/output/kernel"], values["layer_0/output/kernel"])
    assert "decoder/layer_1/output/kernel" not in values
    model, values = weights(warm_start=False)
    assert {path for path in values if path.startswith("decoder/")} == set(model.load_report.initialised)
    other = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "我", "你", "好", "。"])
    model, values = weights(decoder_tokenizer=other)
    assert values["decoder/embeddings/word"].shape == (8, 32)
    np.testing.assert_array_equal(values["decoder/embeddings/position"], values["embeddings/position"])
    assert {"decoder/embeddings/word", "decoder/masked_lm/bias"} <= set(model.load_report.initialised)
    reversed_words = BertTokenizer([*tiny_tokenizer.pieces[:5], *reversed(tiny_tokenizer.pieces[5:])])  # as many pieces, but others
    model, values = weights(decoder_tokenizer=reversed_words)
    assert {"decoder/embeddings/word", "decoder/masked_lm/bias"} <= set(model.load_report.initialised)
    model, values = weights(decoder_tokenizer=BertTokenizer(list(tiny_tokenizer.pieces)))
    np.testing.assert_array_equal(values["decoder/embeddings/word"], values["embeddings/word"])
    model, values = weights(tokenizer=reversed_words, decoder_tokenizer=reversed_words)  # the user says what the rows are
    np.testing.assert_array_equal(values["decoder/embeddings/word"], values["embeddings/word"])
    with pytest.raises(ValueError, match="shared=True: one set of weights has one vocabulary"):
        BertSeq2Seq.from_pretrained(tmp_path / "bert", decoder_tokenizer=reversed_words, shared=True)


def test_a_vocabulary_of_its_own_writes_chinese(make, tmp_path):
    own = BertTokenizer(["[UNK]", "[PAD]", "[SEP]", "[CLS]", *"我你好。天人大"])
    model = make(decoder_tokenizer=own, num_beams=3, length_penalty=2.0, early_stopping="never", no_repeat_ngrams=3, min_target_length=4)
    model.compile(run_eagerly=True)
    texts = model.generate(SOURCES)
    assert set("".join(texts)) <= set("我你好。天人大") and len(set(texts)) > 1
    model.save_pretrained(tmp_path / "saved")
    checkpoints.to_hugging_face(model, tmp_path / "theirs")
    for name in ("saved", "theirs"):
        again = keras_bert.from_pretrained(tmp_path / name, strict=True, max_length=16)
        again.compile(run_eagerly=True)
        assert again.generate(SOURCES) == texts
        assert again.decoder_tokenizer.vocabulary == model.decoder_tokenizer.vocabulary
    said = json.loads((tmp_path / "theirs" / "generation_config.json").read_text())
    searched = {
        "num_beams": 3,
        "length_penalty": 2.0,
        "early_stopping": "never",
        "no_repeat_ngram_size": 3,
        "max_length": 10,
        "min_length": 3,
    }
    assert said == {"decoder_start_token_id": 3, "eos_token_id": 2, "pad_token_id": 1} | searched  # by which Transformers writes


@pytest.mark.slow
def test_capitals_come_from_the_source(taught):
    assert taught.generate(["It was BAD ."], restore_case=True) == ["BAD."]


def test_targets_that_are_cut_are_counted_and_told(make):
    model = make(max_target_length=5)
    model.compile(run_eagerly=True)
    with pytest.warns(UserWarning, match=r"\d+% of the targets' tokens are \[UNK\], which no answer holds: their vocabulary is not"):
        model._read(["a b", "c"], ["我 你", "a"])
    with pytest.warns(UserWarning, match="1 of 6 targets have more than max_target_length=5 tokens; they are cut"):
        model.fit(SOURCES, TARGETS, verbose=0)
    inputs = model.preprocess(["a", "b"], TARGETS[:2])
    assert inputs[features.DECODER_INPUT_IDS].shape == (2, 4)


def test_a_loop_over_seeds_keeps_few_functions(make):
    model = make()
    model.compile(run_eagerly=True)
    kept = [model._predictor(answers=True, temperature=1.0, seed=seed) for seed in range(40)]
    assert len(model._predictors) < 20 and model._predictor(answers=True, temperature=1.0, seed=39) is kept[-1]


def test_what_cannot_be_is_told(make, config):
    with pytest.raises(ValueError, match="max_target_length=40 is over the decoder's max_position_embeddings=32"):
        make(max_target_length=40)
    with pytest.raises(ValueError, match="max_target_length=2 leaves no room"):
        make(max_target_length=2)
    with pytest.raises(ValueError, match=r"max_target_length=10\.0 leaves no room"):
        make(max_target_length=10.0)
    with pytest.raises(ValueError, match="min_target_length=8 is over max_target_length=5"):
        make().generate(["a"], min_target_length=8, max_target_length=5)
    with pytest.raises(ValueError, match="restore_case=1 is neither True nor False"):
        make(restore_case=1)
    with pytest.raises(TypeError, match=r"decoder_tokenizer is a str, 'zh\.txt'; give BertTokenizer"):
        make(decoder_tokenizer="zh.txt")
    with pytest.raises(ValueError, match="vocabulary has 9 pieces but the decoder's word embedding vocab_size=5"):
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcde"]
        make(decoder_tokenizer=BertTokenizer(words), decoder={"vocab_size": 5})
    model = make()
    with pytest.raises(ValueError, match="targets are texts: item 1 of the texts is 3, a int"):
        model.fit(["a", "b"], ["a", 3])
    with pytest.raises(ValueError, match=r"targets are texts: item 0 of the texts is .*1.*, a int64"):
        model.fit(["a", "b"], np.array([1, 3]))
    with pytest.raises(ValueError, match="2 sources but 1 targets"):
        model.preprocess(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="reads single texts"):
        model.answer([("a", "b")])
    with pytest.raises(ValueError, match="a target is a text, not a class"):
        model.fit(["a"], ["b"], class_weight={0: 1.0})
    with pytest.raises(ValueError, match="a model writes by its vocabulary"):
        make(tokenizer=None).predict({name: np.ones((1, 4), "int32") for name in features.UNPACKED})
    with pytest.raises(ValueError, match="a dataset of sources holds"):
        model.fit(tf.data.Dataset.from_tensor_slices((["a"], [1])))


def test_a_trimmed_vocabulary_writes_the_same(make):
    model = make()
    small = keras_bert.trim_vocabulary(model, ["a", "b", "c", ",", "good", "film", "##s", "."])
    assert small.network.decoder.config.vocab_size == small.tokenizer.vocabulary_size == 13
    inputs, fewer = (each.preprocess(["a b c"], ["films, good"]) for each in (model, small))
    kept = [model.tokenizer.id_of(piece) for piece in small.tokenizer.vocabulary]
    np.testing.assert_allclose(np.asarray(small(fewer)), np.asarray(model(inputs))[..., kept], atol=1e-5)


def test_transformers_from_raw_text_and_back(shared, tmp_path):
    path = shared / "reference" / "transformers_more" / "encoder_decoder"
    inputs, expected = json.loads((path / "inputs.json").read_text()), np.load(path / "expected.npz")
    model = keras_bert.from_pretrained(path, strict=True)
    assert type(model) is BertSeq2Seq
    model.change_settings(max_length=48, max_target_length=20)
    model.compile(run_eagerly=True)
    logits = np.asarray(model(model.preprocess(inputs["texts"], inputs["targets"])))
    width = logits.shape[1]
    real = expected["decoder_attention_mask"][:, 1 : width + 1] == 1  # of what stands before a real token
    assert real.sum() == (expected["decoder_attention_mask"] == 1).sum() - 5
    np.testing.assert_allclose(logits[:, : real.shape[1]][real], expected["logits"][:, : real.shape[1]][real], atol=1e-5)
    np.testing.assert_array_equal(model.predict(inputs["texts"], verbose=0), expected["greedy"])
    answers = model.answer(inputs["texts"], num_beams=4, length_penalty=2.0)
    assert [answer["score"] for answer in answers] == pytest.approx(expected["beam4_length_penalty_2.0_scores"].tolist(), abs=1e-4)
    checkpoints.to_hugging_face(model, tmp_path / "theirs")
    again = keras_bert.from_pretrained(tmp_path / "theirs", strict=True, max_length=48, max_target_length=20)
    again.compile(run_eagerly=True)
    assert again.answer(inputs["texts"]) == model.answer(inputs["texts"])
