"""BertIntentSlots: two heads on one encoder; what they learn from, what they answer together, and what is written."""

import json
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from seqeval.metrics import f1_score

import keras_bert
from export import export_saved_model, verify_saved_model
from keras_bert import BertConfig, BertEncoder, BertIntentSlots, BertTokenizer, features
from keras_bert.data import intent_slots_dataset
from keras_bert.models import IntentSlots
from keras_bert.preprocessing import IntentSlotsPreprocessor
from keras_bert.tasks.predictor import plain

TAGS = ["O", "B-genre", "I-genre"]
INTENTS = ["PlayMusic", "GetWeather", "RateBook"]
WORDS = [["play", "smooth", "jazz"], ["will", "it", "rain", "."], ["jazz"], ["rate", "this", "book", "five"]] * 4
TARGETS = {
    "intent": ["PlayMusic", "GetWeather", "PlayMusic", "RateBook"] * 4,
    "slots": [["O", "B-genre", "I-genre"], ["O"] * 4, ["B-genre"], ["O"] * 4] * 4,
}


@pytest.fixture(scope="module")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary)


@pytest.fixture(scope="module")
def make(tokenizer):
    """A function of options -> BertIntentSlots whose answers differ from text to text."""

    def make(**options):
        keras.utils.set_random_seed(3)
        config = BertConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
            initializer_range=0.5,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        return BertIntentSlots(BertEncoder(config), TAGS, tokenizer, **({"max_length": 12, "intents": INTENTS} | options))

    return make


@pytest.fixture(scope="module")
def shared(make):
    """One to ask only."""
    return make()


@pytest.fixture(scope="module")
def preprocessor(tokenizer):
    return IntentSlotsPreprocessor(tokenizer, intents=INTENTS, labels=TAGS, max_length=12)


def softmax(logits):
    likely = np.exp(logits - logits.max(-1, keepdims=True))
    return likely / likely.sum(-1, keepdims=True)


@pytest.mark.slow
def test_the_loss_is_the_sum_of_both_heads_the_scores_are_seqevals_and_both_learn(make):
    model = make()
    model.compile(keras.optimizers.Adam(1e-2), loss_weights={"intent": 0.5, "slots": 2.0})
    got = model.evaluate(WORDS, TARGETS, batch_size=5, verbose=0, return_dict=True)
    columns = {name: tf.constant(column) for name, column in model.preprocessor.columns(WORDS).items()}
    logits = model.network(model.preprocessor.pad(model.preprocessor.rows(columns))[0])
    intents, tags = (softmax(logits[name].numpy()) for name in ("intent", "slots"))
    of_intents = -np.mean([math.log(row[INTENTS.index(intent)]) for row, intent in zip(intents, TARGETS["intent"], strict=True)])
    words = [(row[place][TAGS.index(tag)]) for row, gold in zip(tags, TARGETS["slots"], strict=True) for place, tag in enumerate(gold)]
    of_words = -np.log(words).mean()  # over words, not over sentences
    assert got["intent_loss"] == pytest.approx(of_intents, rel=1e-4)
    assert got["slots_loss"] == pytest.approx(of_words, rel=1e-4)
    assert got["loss"] == pytest.approx(0.5 * of_intents + 2 * of_words, rel=1e-4)
    found = [[TAGS[index] for index in row.argmax(-1)[: len(gold)]] for row, gold in zip(tags, TARGETS["slots"], strict=True)]
    right = [INTENTS[row.argmax()] == intent for row, intent in zip(intents, TARGETS["intent"], strict=True)]
    assert got["intent_accuracy"] == pytest.approx(np.mean(right))
    assert got["f1"] == pytest.approx(f1_score(TARGETS["slots"], found), abs=1e-6)

    history = model.fit(WORDS, TARGETS, epochs=20, verbose=0, validation_split=0.25, validation_freq=20).history
    assert history["val_intent_accuracy"][-1] == history["val_f1"][-1] == 1.0
    model.compile(run_eagerly=True)
    (answer,) = model.answer(["Play smooth  jazz"])
    assert answer["intent"] == "PlayMusic" and answer["tags"] == ["O", "B-genre", "I-genre"]
    slot = {"text": "smooth  jazz", "type": "genre", "start": 5, "end": 17, "word_start": 1, "word_end": 3}
    assert [{name: value for name, value in each.items() if name != "score"} for each in answer["slots"]] == [slot]


def test_answers_of_heads_that_see_nothing(make):
    """Their weights are 0, so that biases alone speak."""
    model = make()
    model.compile(run_eagerly=True)
    for name, bias in (("intent_classifier", [0.2, 0.5, 0.3]), ("classifier", [0.1, 0.6, 0.3])):
        kernel, biases = model.network.get_layer(name).weights
        kernel.assign(np.zeros(kernel.shape))
        biases.assign(np.log(bias))
    first, empty = model.answer(["Rain?", ""])
    probabilities = pytest.approx([0.2, 0.5, 0.3])
    assert first["intent"] == empty["intent"] == "GetWeather"
    assert first["intent_score"] == pytest.approx(0.5) and first["intent_probabilities"] == probabilities
    assert first["words"] == ["Rain", "?"] and first["tags"] == ["B-genre", "B-genre"] and first["slot_count"] == 2
    second = {"text": "?", "type": "genre", "start": 4, "end": 5, "score": pytest.approx(0.6), "word_start": 1, "word_end": 2}
    assert first["slots"][1] == second
    assert (empty["words"], empty["tags"], empty["slots"], empty["word_count"], empty["slot_count"]) == ([], [], [], 0, 0)
    assert empty["intent_probabilities"] == probabilities
    model.intents = ["a", "b", "c"]
    assert model.answer(["Rain?"])[0]["intent"] == "b"


def test_the_intent_of_a_long_utterance_is_of_the_mean_of_its_rows(shared):
    words = ["play", "smooth", "jazz", "rain"] * 8
    rows = shared.preprocessor.rows(shared.preprocessor.columns([words]))
    assert rows.counts.numpy().tolist() == [6]  # 32 pieces, 10 a row, the next from the fifth on
    logits = shared.network(shared.preprocessor.pad(rows)[0])["intent"].numpy()
    answer = shared.answer([words])[0]
    np.testing.assert_allclose(answer["intent_probabilities"], softmax(logits.mean(0)), atol=1e-6)
    assert len(answer["tags"]) == 32
    targets = shared.preprocessor.encode_targets_of(
        {"words": [b"\xff".join([b"", *map(str.encode, words)])]}, {"intent": [2], "slots": [[1] * 32]}
    )
    _, targets, weights = shared.preprocessor.pad(shared.preprocessor.rows(shared.preprocessor.columns([words]), targets, np.array([0.5])))
    assert targets["intent"].numpy().tolist() == [2] * 6 and weights.numpy().tolist() == [0.5] * 6
    assert int(tf.reduce_sum(tf.cast(targets["slots"] == 1, tf.int32))) == 32


def test_a_data_set_gives_the_targets_that_lists_give(preprocessor):
    examples = list(zip(WORDS[:4], TARGETS["slots"], TARGETS["intent"], strict=False))
    dataset = intent_slots_dataset(examples, TAGS, INTENTS)
    in_memory = preprocessor.encode_targets_of(preprocessor.columns(WORDS[:4]), {name: column[:4] for name, column in TARGETS.items()})
    assert in_memory.tolist() == [b"0 0 1 2", b"1 0 0 0 0", b"0 1", b"2 0 0 0 0"]
    assert [preprocessor.element_targets(y).numpy() for _, y in dataset] == in_memory.tolist()
    batched = next(iter(dataset.ragged_batch(4)))
    assert preprocessor.element_targets(batched[1]).numpy().tolist() == in_memory.tolist()
    named = {"intent": tf.constant("RateBook"), "slots": tf.constant(["O", "I-genre"])}
    assert preprocessor.element_targets(named).numpy() == b"2 0 2"
    none = {"intent": tf.constant(1), "slots": tf.constant([], tf.int32)}
    columns = {name: tf.constant([value]) for name, value in {"words": b"", "targets": preprocessor.element_targets(none).numpy()}.items()}
    _, targets, _ = preprocessor.pad(preprocessor.rows({"words": columns["words"]}, columns["targets"]))
    assert targets["intent"].numpy().tolist() == [1] and targets["slots"].numpy().max(initial=-1) == -1


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ([0, 1], "targets are a list; expected a dict of 'intent', one an utterance, and 'slots', a list of tags an utterance"),
        ({"intent": [0, 1]}, "targets are a dict of 'intent'; expected a dict"),
        ({"intent": [0], "slots": [["O"], ["O", "O"]]}, "2 utterances but 1 of 'intent'"),
        ({"intent": [0, 1], "slots": [["O"]]}, "2 utterances but 1 of 'slots'"),
        ({"intent": [0, 1], "slots": [["O"], ["O"]]}, "sentence 1 has 2 words and 1 tags"),
        ({"intent": [0, 1], "slots": [["O"], ["O", "B-song"]]}, "sentence 1: label 1 is 'B-song'"),
        ({"intent": [0, "Sing"], "slots": [["O"], ["O", "O"]]}, "the intent of utterance 1 is 'Sing'; the model's intents are PlayMusic, "),
        ({"intent": [3, 0], "slots": [["O"], ["O", "O"]]}, "the intent of utterance 0 is 3; the model's intents"),
        ({"intent": [[0.1, 0.2, 0.7], 0], "slots": [["O"], ["O", "O"]]}, r"the intent of utterance 0 is \[0.1, 0.2, 0.7\]; the model's"),
    ],
)
def test_targets_that_do_not_fit_are_told(preprocessor, targets, words):
    with pytest.raises(ValueError, match=words):
        preprocessor.encode_targets_of(preprocessor.columns([["jazz"], ["smooth", "jazz"]]), targets)


def test_what_cannot_be_is_told(shared, tokenizer, tmp_path):
    encoder = shared.encoder
    for wrong, words in (
        (lambda: BertIntentSlots(encoder, TAGS, intents=["a"]), "intents=['a']: a classifier chooses between 2 labels at least"),
        (lambda: BertIntentSlots(encoder, TAGS, intents=["a", "a"]), "intents=['a', 'a'] has 'a' twice"),
        (lambda: IntentSlots(encoder, 3, 1), "num_intents=1: an utterance has one of 2 intents at least"),
        (lambda: IntentSlots(encoder, 3, 2, pooling="max"), "pooling='max' is not one of pooler, mean"),
        (lambda: setattr(shared, "intents", ["a", "b"]), "2 intents (a, b) for a model of 3"),
        (lambda: BertIntentSlots(encoder, TAGS, intents=["a", "b"], network=shared.network), "2 intents (a, b) for a model of 3"),
        (
            lambda: shared.fit(WORDS, TARGETS, class_weight={0: 1.0}),
            "class_weight={0: 1.0}: this model has two heads; for slots there is compile(",
        ),
        (lambda: shared.preprocessor.element_targets(tf.constant([0])), "a dataset's targets are a "),
        (lambda: intent_slots_dataset([], TAGS, INTENTS), "there are no examples"),
        (lambda: intent_slots_dataset([(["a", "b"], ["O", "B-x"], INTENTS[0])], TAGS, INTENTS), "utterance 0 (a b): unknown label 'B-x'"),
        (lambda: intent_slots_dataset([(["a"], ["O"], "x")], TAGS, INTENTS), "utterance 0 (a): unknown label 'x'; labels are PlayMusic"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            wrong()


def test_it_is_written_and_read_again(make, tmp_path, recwarn):
    model = make(pooling="pooler", crf=True, lstm_units=4, stride=4)
    model.compile(run_eagerly=True)
    texts = ["play smooth jazz " * 5, "will it rain?"]
    answers = model.answer(texts)
    model.save_pretrained(tmp_path / "native")
    model.save(tmp_path / "model.keras")
    recwarn.clear()
    for again in (keras_bert.from_pretrained(tmp_path / "native"), keras.saving.load_model(tmp_path / "model.keras")):
        assert type(again) is BertIntentSlots and again.settings() == model.settings()
        again.compile(run_eagerly=True)
        assert again.answer(texts) == answers
    assert json.loads((tmp_path / "native" / "keras_bert.json").read_text())["settings"]["intents"] == INTENTS
    network = keras_bert.from_pretrained(tmp_path / "native", cls=IntentSlots)
    batch = model.preprocessor.pad(model.preprocessor.rows({"text": tf.constant(texts)}))[0]
    for name, value in network(batch).items():
        np.testing.assert_array_equal(value, model.network(batch)[name])
    assert not [each for each in recwarn if "newly initialised" in str(each.message)]


def test_a_head_of_other_intents_is_new(make, tmp_path):
    make().save_pretrained(tmp_path / "native")
    fresh = ("intent_classifier/kernel", "intent_classifier/bias")
    for options, parts in (
        ({"intents": INTENTS[::-1]}, fresh),  # as many, and others
        ({"intents": ["a", "b"]}, fresh),
        ({"pooling": "pooler"}, fresh),
        ({"labels": ["O", "B-x", "I-x"]}, ("classifier/kernel", "classifier/bias")),
    ):
        with pytest.warns(UserWarning, match="newly initialised"):
            model = BertIntentSlots.from_pretrained(tmp_path / "native", **options)
        assert set(model.load_report.initialised) == set(parts)
        assert model.intents == options.get("intents", INTENTS)
    keras_bert.checkpoints.save_network(BertEncoder(model.encoder.config), tmp_path / "encoder")
    with pytest.raises(ValueError, match=r"encoder names no intents; give intents=\[\.\.\.\]"):
        BertIntentSlots.from_pretrained(tmp_path / "encoder", labels=TAGS)
    with pytest.raises(ValueError, match="says of no number of intents; give num_intents"):
        keras_bert.from_pretrained(tmp_path / "encoder", cls=IntentSlots, num_labels=3)


def test_the_exported_model_gives_the_answers(shared, tmp_path):
    texts = ["play smooth jazz.", "", "你好，世界。", "will it rain " * 9, b"not \xff utf8"]
    shared.export(tmp_path / "saved_model")
    serve = tf.saved_model.load(tmp_path / "saved_model").signatures
    assert set(serve["serving_default"].structured_input_signature[1]) == {"text"}
    reply = {name: value.numpy() for name, value in serve["serving_default"](text=tf.constant(texts)).items()}
    assert reply["intent"].shape == (5,) and reply["intent_probabilities"].shape == (5, 3) and reply["slot_count"].shape == (5,)
    served = plain(reply, shared.preprocessor)
    assert [len(answer["words"]) for answer in served] == [4, 0, 6, 27, 2]
    shared.compile(run_eagerly=True)
    for answer, expected in zip(served, shared.answer(texts), strict=True):
        np.testing.assert_allclose(answer.pop("intent_probabilities"), expected.pop("intent_probabilities"), atol=1e-6)
        scores = [[one.pop("intent_score"), *(slot.pop("score") for slot in one["slots"])] for one in (answer, expected)]
        np.testing.assert_allclose(*scores, atol=1e-6)
        assert answer == expected
    batch = shared.preprocess(["play smooth jazz."])
    of_ids = serve["ids"](**{name: batch[name] for name in features.UNPACKED})
    assert of_ids["intent"].numpy()[0] == reply["intent"][0] and of_ids["tags"].numpy().tolist() == reply["tags"][:1, :4].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("crf", [False, True])
def test_a_fresh_process_serves_the_very_answers(make, tmp_path, answers_of_forks, crf):
    model = make(crf=crf)
    assert verify_saved_model(export_saved_model(model, tmp_path / "saved_model"), model) == 0.0
