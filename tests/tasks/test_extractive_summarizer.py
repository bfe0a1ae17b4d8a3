"""BertExtractiveSummarizer: what it reads, learns, chooses and keeps."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_bert
from keras_bert import BertEncoder, BertExtractiveSummarizer, features
from keras_bert.data import extractive_dataset, split_sentences
from keras_bert.metrics import score_summaries
from keras_bert.preprocessing.extractive import split_target
from keras_bert.tasks.predictor import plain
from keras_bert.training import SentenceCrossEntropy

DOCUMENTS = [
    "It was a good film. It was bad. No.",
    "",
    "a b c. a great film! b",
    "good film。a bad film。“no！”b",
    " \n ",
    "naïve \U0001f600 film. It is: a good, great film a b c a b film. Good films.",
]
LABELS = [[0, 1, 0], [], [0], [1, 0, 0, 1], [], [0, 0, 1]]
LONG = " ".join(DOCUMENTS * 8)


@pytest.fixture(scope="module")
def make(quick_config, tiny_tokenizer):
    """A function of options -> BertExtractiveSummarizer whose scores differ from sentence to sentence."""

    def make(**options):
        keras.utils.set_random_seed(3)
        config = dataclasses.replace(quick_config, initializer_range=0.5)
        model = BertExtractiveSummarizer(BertEncoder(config, pooler=False), options.pop("tokenizer", tiny_tokenizer), **options)
        model.compile(run_eagerly=True)
        return model

    return make


@pytest.fixture(scope="module")
def model(make):
    """One to ask only."""
    return make(max_length=24)


def logits_by_hand(model, rows):
    """A score a sentence. Args: rows: list of lists of sentences, a row each. Returns: list of arrays."""
    tokenizer, scores = model.tokenizer, []
    for sentences in rows:
        pieces = [tokenizer.tokenize([text])[0].numpy().tolist()[: model.max_length - 2] for text in sentences]
        ids = [each for part in pieces for each in (tokenizer.cls_id, *part, tokenizer.sep_id)]
        types = [number % 2 for number, part in enumerate(pieces) for _ in range(len(part) + 2)]
        inputs = {features.INPUT_IDS: ids, features.TOKEN_TYPE_IDS: types, features.ATTENTION_MASK: [1] * len(ids)}
        inputs = {name: np.array([part], "int32") for name, part in inputs.items()}
        vectors = model.encoder(inputs)["sequence_output"][0].numpy()
        kernel, bias = (part.numpy() for part in model.network.get_layer("classifier").weights)
        scores.append((vectors[np.flatnonzero(np.array(ids) == tokenizer.cls_id)] @ kernel + bias)[:, 0])
    return scores


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_each_sentence_is_scored_at_its_own_cls(make):
    model = make()
    probabilities = model.predict(DOCUMENTS, verbose=0)
    assert probabilities.shape == (6, 4) and not probabilities[1].any()
    for row, text in zip(probabilities, DOCUMENTS, strict=True):
        sentences = split_sentences(text)
        expected = sigmoid(logits_by_hand(model, [sentences])[0]) if sentences else []
        np.testing.assert_allclose(row[: len(sentences)], expected, atol=1e-5)
        assert not row[len(sentences) :].any()
    batch = model.preprocess(DOCUMENTS)
    assert batch[features.SENTENCE_POSITIONS].shape == (6, 4) and model(batch).shape == (6, 4)


def test_a_long_document_is_rows_of_whole_sentences(make, model):
    sentences = ["It was a good film a b bad.", "A film.", "No film.", "It is: " + "a good, great film " * 4 + "films.", "B"]
    assert [len(model.tokenizer.tokenize([each])[0]) + 2 for each in sentences] == [11, 5, 5, 28, 3]  # rows of 24: 21 | 24, cut | 3
    expected = np.concatenate(logits_by_hand(model, [sentences[:3], sentences[3:4], sentences[4:]]))
    row = model.predict([" ".join(sentences), "B"], verbose=0)[0]
    np.testing.assert_allclose(row, sigmoid(expected), atol=1e-5)
    # The last row begins with a sentence that the row before it has scored.
    parts = [sentences[0], sentences[1], sentences[0]]
    behind = logits_by_hand(model, [parts[:2], parts[1:]])
    row = model.predict([" ".join(parts)], verbose=0)[0]
    np.testing.assert_allclose(row, sigmoid(np.array([*behind[0], behind[1][1]])), atol=1e-5)


def test_a_document_that_fits_is_scored_as_in_one_row_beside_one_that_does_not(model):
    alone, beside = model.predict(DOCUMENTS[:1], verbose=0), model.predict([LONG, *DOCUMENTS[:1]], verbose=0)
    np.testing.assert_allclose(beside[1, :3], alone[0], atol=1e-6)
    assert int(model.preprocessor.rows({"text": [LONG]}).counts[0]) > 10 and (beside[0] > 0).sum() == len(split_sentences(LONG))


def test_answers_are_slices_of_the_document_in_its_order(model):
    for options in ({}, {"num_sentences": 1}, {"share": 0.5}, {"max_characters": 40}, {"num_sentences": 9, "block_trigrams": False}):
        answers = model.answer([*DOCUMENTS, LONG, b"good \xff film. a"], **options)
        json.dumps(answers, allow_nan=False)
        for document, answer in zip([*DOCUMENTS, LONG, "good \ufffd film. a"], answers, strict=True):
            found, sentences = answer["sentences"], split_sentences(document)
            assert answer["sentence_count"] == len(found)
            assert [document[each["start"] : each["end"]] for each in found] == [each["text"] for each in found]
            assert [sentences[each["index"]] for each in found] == [each["text"] for each in found]
            assert [each["index"] for each in found] == sorted({each["index"] for each in found})
            assert "".join(answer["text"].split()) == "".join("".join(each["text"] for each in found).split())
            assert len(answer["text"]) <= options.get("max_characters", 10**6)
            assert bool(found) == bool(sentences) or "max_characters" in options
    counts = [answer["sentence_count"] for answer in model.answer(DOCUMENTS, share=0.5, block_trigrams=False)]
    assert counts == [2, 0, 1, 2, 0, 2]
    assert model.answer([DOCUMENTS[3]], num_sentences=4)[0]["text"] == "good film。a bad film。“no！”b"
    scores = model.predict(DOCUMENTS, verbose=0)
    best = [answer["sentences"][0]["index"] for answer in model.answer([DOCUMENTS[0], DOCUMENTS[3]], num_sentences=1)]
    assert best == [int(scores[0].argmax()), int(scores[3].argmax())]
    assert model.answer([DOCUMENTS[0]], num_sentences=1)[0]["sentences"][0]["score"] == pytest.approx(scores[0].max(), abs=1e-5)


def test_what_repeats_three_words_is_passed_over(model):
    text = "It was a good film. Bad. It was a good film it. No."
    repeated = {0, 2}
    taken = {each["index"] for each in model.answer([text], num_sentences=4)[0]["sentences"]}
    assert len(taken & repeated) == 1 and len(taken) == 3
    assert model.answer([text], num_sentences=4, block_trigrams=False)[0]["sentence_count"] == 4


def test_what_differs_in_the_last_digits_is_equal_and_the_first_is_chosen(model):
    preprocessor = model.preprocessor.with_settings(num_sentences=1)
    rows = preprocessor.rows({"text": ["Good. Bad. No."]})
    for logits, best in (([1.0, 1.00001, 0.5, 9.0], 0), ([1.0, 1.01, 0.5, 9.0], 1)):
        answer = preprocessor.decode(tf.constant([logits]), preprocessor.pad(rows)[0], rows)
        assert answer["sentence_index"].numpy().tolist() == [[best]]


def test_the_loss_is_the_mean_over_sentences_whatever_rows_they_are_in(model):
    total, count = 0.0, 0
    for text, labels in zip(DOCUMENTS[:1] + DOCUMENTS[2:4], LABELS[:1] + LABELS[2:4], strict=True):
        (scores,) = logits_by_hand(model, [split_sentences(text)])
        total += sum(np.log1p(np.exp(-score if label else score)) for score, label in zip(scores, labels, strict=True))
        count += len(labels)
    assert model.evaluate(DOCUMENTS[:4], LABELS[:4], batch_size=2, verbose=0) == pytest.approx(total / count, rel=1e-4)


def test_cross_entropy_counts_no_padding():
    logits = np.array([[0.3, -2.0, np.nan], [1.5, np.nan, np.inf]], "float32")
    targets = np.array([[1, 0, -1], [0, -1, -1]], "int32")
    expected = np.array([np.log1p(np.exp(-0.3)), np.log1p(np.exp(-2.0)), np.log1p(np.exp(1.5))])
    assert float(SentenceCrossEntropy()(targets, logits)) == pytest.approx(expected.mean(), rel=1e-5)
    weighted = (2 * expected[:2].sum() + expected[2]) / 5
    assert float(SentenceCrossEntropy()(targets, logits, np.array([2.0, 1.0]))) == pytest.approx(weighted, rel=1e-5)


def test_soft_labels_are_trained_toward_and_come_through_every_form(model):
    soft, texts = [[0.25, 0.123456789, 1.0]], DOCUMENTS[:1]
    (scores,) = logits_by_hand(model, [split_sentences(texts[0])])
    expected = np.mean([np.log1p(np.exp(score)) - label * score for score, label in zip(scores, soft[0], strict=True)])
    assert model.evaluate(texts, soft, verbose=0) == pytest.approx(expected, rel=1e-4)
    column = model.preprocessor.encode_targets_of({"text": texts}, soft)
    of_element = model.preprocessor.element_targets(tf.constant(soft[0]))
    for target in (column, of_element[None]):
        np.testing.assert_array_equal(split_target(target)[0][0], np.array(soft[0], "float32"))  # every digit
    assert model.preprocessor.element_targets(tf.constant([True, False])) == b"1 0"


@pytest.mark.slow
def test_every_form_of_training_data_is_read_alike(make):
    model = make(max_length=24)
    wanted = model.evaluate(DOCUMENTS, LABELS, verbose=0)
    named = {"labels": LABELS, "summary": ["it was bad", "", "b", "no", "", "good films"]}
    scored = model.evaluate(DOCUMENTS, named, verbose=0, return_dict=True)
    assert scored.pop("loss") == pytest.approx(wanted) and set(scored) == {"rouge1", "rouge2", "rougeL"}
    ragged = tf.data.Dataset.from_tensor_slices((DOCUMENTS, tf.ragged.constant(LABELS, tf.int32)))
    assert model.evaluate(ragged, verbose=0) == pytest.approx(wanted)
    assert model.evaluate(ragged.batch(4), verbose=0) == pytest.approx(wanted)
    as_floats = tf.data.Dataset.from_tensor_slices((DOCUMENTS, tf.ragged.constant(LABELS, tf.float32)))
    assert model.evaluate(as_floats, verbose=0) == pytest.approx(wanted)
    assert model.evaluate(ragged, max_tokens_per_batch=24, verbose=0) == pytest.approx(wanted)  # documents of more rows, too
    model.pad_to_multiple_of = None  # static shapes, as a TPU wants them
    model.compile(run_eagerly=True)
    assert model.preprocess(DOCUMENTS)[features.SENTENCE_POSITIONS].shape == (7, 12)
    assert model.evaluate(ragged, verbose=0) == pytest.approx(wanted)


def test_rouge_is_that_of_the_answers(model):
    pytest.importorskip("rouge_score")
    summaries = ["it was bad", "", "b", "no", "", "good films"]
    scores = model.evaluate(DOCUMENTS, {"labels": LABELS, "summary": summaries}, verbose=0, return_dict=True)
    answers = [answer["text"] for answer in model.answer(DOCUMENTS)]
    expected = score_summaries(answers, summaries)
    assert {name: scores[name] for name in expected} == pytest.approx(expected)


def test_ids_alone_are_answered(model):
    batch = model.preprocess([DOCUMENTS[0]])
    ids = {name: batch[name] for name in features.UNPACKED}
    for given in (batch, ids):
        (answer,) = model.answer(given, num_sentences=2)
        (expected,) = model.answer([DOCUMENTS[0]], num_sentences=2)
        assert answer["text"] == "" and [each["index"] for each in answer["sentences"]] == [each["index"] for each in expected["sentences"]]
        np.testing.assert_allclose(model.predict(given, verbose=0), model.predict([DOCUMENTS[0]], verbose=0), atol=1e-6)
    assert [(each["start"], each["end"]) for each in model.answer(ids)[0]["sentences"]] == [(0, 8), (8, 14), (14, 18)]


def test_what_does_not_fit_is_named(make, model):
    for call, message in (
        (lambda: make(num_sentences=0), "num_sentences=0 is neither a whole number from 1 nor None"),
        (lambda: model.answer(DOCUMENTS, num_sentences=2.5), "num_sentences=2.5 is neither"),
        (lambda: make(max_characters=True), "max_characters=True is neither a whole number from 1 nor None"),
        (lambda: make(share=1.5), "share=1.5 is neither a number over 0 and up to 1 nor None"),
        (lambda: make(block_trigrams=1), "block_trigrams=1 is neither True nor False"),
        (lambda: make(language="de"), "language='de' is none of en, zh"),
        (lambda: make(max_length=64), "max_length=64 is over max_position_embeddings=32"),
        (lambda: model.fit(DOCUMENTS), r"texts were given without labels: .*fit\(data.extractive_dataset\(pairs\)\)"),
        (lambda: model.fit(DOCUMENTS[:1], [[0, 1]]), r"document 0 has 3 sentences \(data.split_sentences finds them\) and 2 labels"),
        (lambda: model.fit(DOCUMENTS[:1], [[0, 1, 2]]), "document 0 has the label 2; a sentence has 1 where it is chosen, 0 where"),
        (lambda: model.fit(DOCUMENTS[:1], [[0, 1, float("nan")]]), "document 0 has the label nan"),
        (lambda: model.fit(["a", "b"], [[1], [[0, 1], [1]]]), r"document 1 has 1 sentences .* and 2 labels"),
        (lambda: model.fit(["a", "b"], [0, 1]), "the target of document 0 is 0; a list of labels, one a sentence, was expected"),
        (lambda: model.fit(["a", "b"], {"labels": [[0], [1]], "summary": ["a"]}), "2 documents with labels but 1 summaries"),
        (lambda: model.fit(["a"], {"labels": [[0]], "summary": [None]}), "the summary of document 0 is None, a NoneType; expected str"),
        (lambda: model.fit(["a"], ["b"]), "the target of document 0 is 'b': labels of sentences were expected, not a summary"),
        (lambda: model.fit(["a"], {"label": [[1]]}), "a target has 'labels' and may have 'summary'; got label"),
        (
            lambda: model.fit(tf.data.Dataset.from_tensor_slices((["a"], ["b"]))),
            r"a dataset of documents holds \(text, labels\), numbers, .* data.extractive_dataset makes one",
        ),
        (lambda: model.fit(["a"], [[1]], class_weight={0: 1.0}), "a sentence is chosen or not, and has no class"),
        (lambda: model.answer([("a", "b")]), "reads single texts"),
        (lambda: BertExtractiveSummarizer(model.encoder).answer(["a"]), "was made without a vocabulary"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    wrong = tf.data.Dataset.from_tensor_slices((["a. b"], tf.ragged.constant([[1, 0, 0]], tf.int32)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="not as many labels as sentences"):
        model.evaluate(wrong, verbose=0)


@pytest.mark.slow
def test_it_learns_and_comes_back_from_disk(quick_config, tiny_tokenizer, tmp_path):
    """The sentence that says "great" is the summary: it is never the first."""
    keras.utils.set_random_seed(3)
    generator = np.random.default_rng(0)
    pairs = []
    for _ in range(64):
        sentences = [" ".join(generator.choice(["good", "bad", "film", "it", "was"], 3)) + "." for _ in range(4)]
        place = generator.integers(1, 4)
        sentences[place] = sentences[place].replace(".", " great.")
        pairs.append((" ".join(part.capitalize() for part in sentences), sentences[place]))
    model = BertExtractiveSummarizer(BertEncoder(quick_config), tiny_tokenizer, num_sentences=1)
    model.compile(keras.optimizers.Adam(0.01))
    dataset = extractive_dataset(pairs, max_sentences=1)
    model.fit(dataset, batch_size=8, epochs=30, verbose=0)
    scores = model.evaluate(dataset, verbose=0, return_dict=True)
    lead = [text.split(". ")[0] for text, _ in pairs]
    assert scores["rougeL"] > 95 > 80 > score_summaries(lead, [summary for _, summary in pairs])["rougeL"]
    model.save(tmp_path / "model.keras")
    model.save_pretrained(tmp_path / "model")
    documents = [*DOCUMENTS, LONG]
    for again in (keras.saving.load_model(tmp_path / "model.keras"), keras_bert.from_pretrained(tmp_path / "model", strict=True)):
        assert type(again) is BertExtractiveSummarizer and again.settings() == model.settings() and again.num_sentences == 1
        assert again.answer(documents) == model.answer(documents)


@pytest.mark.slow
def test_the_saved_model_answers_as_the_model_does(make, tmp_path):
    model = make(max_length=24, share=0.4)
    model.export(tmp_path / "model")
    signatures = tf.saved_model.load(tmp_path / "model").signatures
    assert set(signatures) == {"serving_default", "ids", "examples"}
    documents = [*DOCUMENTS, LONG, "。", "a" * 3000]
    arrays = {name: part.numpy() for name, part in signatures["serving_default"](text=tf.constant(documents)).items()}
    for served, answer in zip(plain(arrays, model.preprocessor), model.answer(documents), strict=True):
        for one, other in zip(served["sentences"], answer["sentences"], strict=True):
            assert one.pop("score") == pytest.approx(other.pop("score"), abs=1e-5)
        assert served == answer
    arrays = {name: part.numpy() for name, part in signatures["serving_default"](text=tf.constant([""])).items()}
    assert plain(arrays, model.preprocessor) == [{"text": "", "sentence_count": 0, "sentences": []}]
