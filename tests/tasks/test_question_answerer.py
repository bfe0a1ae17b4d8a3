"""BertQuestionAnswerer: what it learns from, what it answers, and what it writes."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_bert
from export import export_saved_model, verify_saved_model
from keras_bert import BertConfig, BertEncoder, BertQuestionAnswerer, BertTokenizer, features
from keras_bert.checkpoints import to_hugging_face
from keras_bert.data import Answer, SquadExample, read_squad, squad_dataset
from keras_bert.models import SpanClassifier
from keras_bert.tasks.predictor import plain

CONTEXTS = ["Yesterday Anna met Bob in Rome.", "Bob ate fish; Anna ate nothing.", "It was good."] * 4
QUESTIONS = ["Where?", "Who ate fish?", "Who?"] * 4
PLACES = {"start": [26, 0, -1] * 4, "end": [30, 3, -1] * 4}
X = {"question": QUESTIONS, "context": CONTEXTS}


@pytest.fixture(scope="module")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary)


@pytest.fixture(scope="module")
def make(tokenizer):
    """A function of options -> BertQuestionAnswerer whose answers differ from text to text."""

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
        return BertQuestionAnswerer(BertEncoder(config), tokenizer, **options)

    return make


@pytest.fixture(scope="module")
def shared_answerer(make):
    """One to ask only, eagerly: to trace the functions of each test takes longer."""
    model = make(null_threshold=1.0, n_best=3)
    model.compile(run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def real(root):
    """Questions on paragraphs of Wikipedia, of one row and of several."""
    return read_squad(root / "examples" / "data" / "xquad" / "dev.json.gz")[::8]


@pytest.mark.slow
def test_answers_are_the_exported_model_s_reply_and_slices_of_the_context(make, real, tmp_path):
    model = make(null_threshold=-4.0, n_best=3)
    model.export(tmp_path / "model")
    serve = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    pairs = [(each.question, each.context) for each in real]
    pairs += [("Où?", "naïve cafe\u0301 \U0001f600 你好，世界。"), ("", ""), ("Who?", b"not \xff utf8"), ("a " * 300, "so long " * 2000)]
    questions, contexts = (list(part) for part in zip(*pairs, strict=True))
    arrays = {name: value.numpy() for name, value in serve(question=tf.constant(questions), context=tf.constant(contexts)).items()}
    assert {len(value) for value in arrays.values()} == {len(pairs)}
    answers = model.answer((questions, contexts), batch_size=7)
    json.dumps(answers)
    empty = 0
    for answer, served, context in zip(answers, plain(arrays, model.preprocessor), contexts, strict=True):
        context = context.decode("utf-8", "replace") if isinstance(context, bytes) else context
        for one, other in zip([answer, *answer["alternatives"]], [served, *served["alternatives"]], strict=True):
            assert one.pop("score") == pytest.approx(other.pop("score"), abs=1e-5)
            assert context[one["start"] : one["end"]] == one["text"]
        assert answer.pop("null_score") == pytest.approx(served.pop("null_score"), abs=1e-4)
        assert answer == served and answer["alternative_count"] == len(answer["alternatives"]) <= 3
        empty += not answer["text"]
    assert 1 < empty < len(pairs) - 1  # one context has no piece


def test_many_rows_are_answered_some_at_a_time(shared_answerer, monkeypatch):
    """A context of more than 32 rows, in one call of the network and in several."""
    x = (["who was it"], [" ".join(f"w{number} good film" for number in range(500))])
    counts = shared_answerer.preprocessor.rows({"question": x[0], "context": x[1]}).counts
    assert int(counts[0]) > 64
    some = shared_answerer.answer(x)[0]
    monkeypatch.setattr(type(shared_answerer.preprocessor), "rows_at_once", None)
    whole = shared_answerer.answer(x)[0]
    assert some["null_score"] == pytest.approx(whole["null_score"], abs=1e-4)
    assert [each["text"] for each in some["alternatives"]] == [each["text"] for each in whole["alternatives"]]


@pytest.mark.slow
@pytest.mark.parametrize("served", [False, True], ids=["answer", "saved_model"])
def test_ten_times_the_context_takes_little_more_memory(root, uncased_vocabulary, tmp_path, served):
    program = root / "tests" / "tasks" / "programs" / "answer_memory.py"
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests' / 'processes'}", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(program), str(uncased_vocabulary), str(tmp_path / "model") if served else ""]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    grown = json.loads(done.stdout.splitlines()[-1])
    print(f"a context of 30,000 tokens behind one of 3,000 raises peak memory by {grown / 2**20:.0f} MB")
    assert grown < 64 * 2**20  # measured: 24 MB


@pytest.mark.slow
def test_it_learns_and_is_saved_with_all_it_answers(make, tmp_path):
    model = make(n_best=2, max_answer_length=None)
    model.compile(keras.optimizers.Adam(0.02), run_eagerly=True)
    history = model.fit(X, PLACES, epochs=25, verbose=0).history
    assert history["span_accuracy"][-1] == 1.0 and history["loss"][-1] < history["loss"][0] / 5
    examples = [
        SquadExample(str(index), question, context, () if start < 0 else (Answer(context[start:end], start),), start < 0)
        for index, (question, context, start, end) in enumerate(zip(QUESTIONS, CONTEXTS, PLACES["start"], PLACES["end"], strict=True))
    ]
    scores = model.tune_null_threshold(examples)
    assert scores["best_f1"] == 1.0 and model.null_threshold == scores["best_f1_threshold"]
    assert [answer["text"] for answer in model.answer(examples[:3])] == ["Rome", "Bob", ""]
    model.save(tmp_path / "model.keras")
    model.save_pretrained(tmp_path / "model")
    for again in (keras.saving.load_model(tmp_path / "model.keras"), keras_bert.from_pretrained(tmp_path / "model")):
        again.compile(run_eagerly=True)
        assert isinstance(again, BertQuestionAnswerer) and again.settings() == model.settings() and again.max_answer_length is None
        assert again.answer(X) == model.answer(X)


@pytest.mark.slow
def test_every_output_of_both_signatures_is_served(make, tmp_path, answers_of_forks):
    model = make(null_threshold=1.0, n_best=3)
    for name, options in (("plain", {}), ("frozen", {"freeze": True})):
        assert verify_saved_model(export_saved_model(model, tmp_path / name, **options), model) <= 1e-5


def test_a_threshold_that_nothing_passes_where_it_is_best_to_say_nothing(make):
    model = make()
    model.compile(run_eagerly=True)
    model.tune_null_threshold([SquadExample(str(index), "Who?", context, (), True) for index, context in enumerate(CONTEXTS[:3])])
    assert [answer["text"] for answer in model.answer((["Who?"] * 3, CONTEXTS[:3]))] == [""] * 3


@pytest.mark.slow
def test_datasets_are_read_as_lists_are(shared_answerer):
    expected = shared_answerer.evaluate(X, PLACES, verbose=0, return_dict=True)
    named = tf.data.Dataset.from_tensor_slices((X, PLACES))
    examples = [
        SquadExample(str(index), question, context, (Answer(context[start:end], start),) if start >= 0 else (), start < 0)
        for index, (question, context, start, end) in enumerate(zip(QUESTIONS, CONTEXTS, PLACES["start"], PLACES["end"], strict=True))
    ]
    for dataset in (named.map(lambda x, y: ((x["question"], x["context"]), y)).batch(5), squad_dataset(examples)):
        assert shared_answerer.evaluate(dataset, verbose=0, return_dict=True) == pytest.approx(expected, abs=1e-5)
    answers = shared_answerer.answer(X)
    texts = tf.data.Dataset.from_tensor_slices((QUESTIONS, CONTEXTS))
    assert [answer["start"] for answer in answers] == shared_answerer.predict(texts, verbose=0)["start"].tolist()
    assert shared_answerer.answer(examples) == answers


def test_the_loss_is_the_mean_over_rows_whatever_they_are_padded_to(make):
    model = make(max_length=16, max_query_length=4, stride=4)
    model.compile(run_eagerly=True)
    context = "good film " * 6 + "Anna"
    x, y = (["Who?", "Who was it ?"], [context, "Anna came."]), {"start": [60, 0], "end": [64, 4]}
    loss = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    columns = {name: tf.constant(column) for name, column in model.preprocessor.columns(x).items()}
    rows = model.preprocessor.rows(columns, tf.constant([[60, 64], [0, 4]]))
    inputs, targets, _ = model.preprocessor.pad(rows)
    assert rows.counts.numpy().tolist() == [2, 1]
    each = []
    for row, (start, end) in enumerate(targets.numpy()):
        length = int(tf.reduce_sum(inputs["attention_mask"][row]))  # alone, without padding
        logits = model.network({name: value[row : row + 1, :length] for name, value in inputs.items()})
        pairs = (("start_logits", start), ("end_logits", end))
        each.append(np.mean([-tf.nn.log_softmax(logits[name][0])[place] for name, place in pairs]))
    assert loss == pytest.approx(np.mean(each), rel=1e-4)


def test_transformers_and_google_s_heads_come_and_go(reference, tmp_path):
    path = reference / "hugging_face" / "question_answering"
    model = keras_bert.from_pretrained(path)
    assert type(model) is BertQuestionAnswerer and model.max_length == 64
    with np.load(path / "expected.npz") as arrays:
        given = {name: arrays[name].astype("int32") for name in features.UNPACKED}
        expected = np.stack([arrays["start_logits"], arrays["end_logits"]], axis=-1)
    real = given["attention_mask"] == 1
    np.testing.assert_allclose(model(given).numpy()[real], expected[real], atol=1e-5)
    np.testing.assert_allclose(model.predict(given, verbose=0)[real], expected[real], atol=1e-5)
    for answer, logits, is_context in zip(model.answer(given), expected, given["token_type_ids"] * real, strict=True):
        last = np.flatnonzero(is_context)
        if not len(last):
            assert answer["alternative_count"] == 0
            continue
        pairs = [(start, end) for start in last[:-1] for end in last[:-1] if start <= end < start + 30]
        start, end = max(pairs, key=lambda pair: logits[pair[0], 0] + logits[pair[1], 1])
        assert (answer["start"], answer["end"]) == (start, end + 1)
    to_hugging_face(model, tmp_path / "theirs")
    again = keras_bert.from_pretrained(tmp_path / "theirs", strict=True)
    np.testing.assert_array_equal(again(given), model(given))
    assert json.loads((tmp_path / "theirs" / "config.json").read_text())["architectures"] == ["BertForQuestionAnswering"]


def test_what_does_not_fit_is_named(make, shared_answerer):
    for call, message in (
        (lambda: make(stride=31), "stride=31: beside a question of 30 pieces, rows of max_length=64 have room for 31"),
        (lambda: make(max_length=65), "max_length=65 is over max_position_embeddings=64"),
        (lambda: setattr(shared_answerer, "stride", 64), "so that a stride from 31 on skips text"),
        (lambda: shared_answerer.answer(["Who?"]), "a question is read with its context"),
        (lambda: shared_answerer.answer({"question": ["Who?"]}), "a question is read with its context"),
        (lambda: shared_answerer.fit(X), "texts were given without labels: fit\\(questions, {'start': .*data.squad_dataset"),
        (
            lambda: shared_answerer.fit([SquadExample("1", "Who?", "It was.")]),
            "without labels: .* fit\\(data.squad_dataset\\(examples\\)\\)",
        ),
        (lambda: shared_answerer.fit(X, {"start": [0] * 12, "end": [99] * 12}), "the answer of example 0 is from 0 to 99"),
        (lambda: shared_answerer.fit(X, PLACES, class_weight={0: 1}), "an answer is a place, not a class"),
        (lambda: shared_answerer.answer(X, n_best=0), "n_best=0 is not a whole number from 1"),
        (lambda: BertQuestionAnswerer(shared_answerer.encoder).answer(X), "was made without a vocabulary"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert isinstance(shared_answerer.network, SpanClassifier)
