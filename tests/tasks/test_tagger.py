"""BertTagger: what it learns from, what it answers, and what it writes."""

import gzip
import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_bert
from export import export_saved_model, verify_saved_model
from keras_bert import BertConfig, BertEncoder, BertTagger, BertTokenizer, features
from keras_bert.checkpoints import to_hugging_face
from keras_bert.layers.crf import split_scores
from keras_bert.preprocessing.windows import cut_windows
from keras_bert.tags import spans
from keras_bert.tasks.predictor import plain

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
WORDS = [["John", "Smith", "lives", "in", "Paris"], ["Hello"], ["we", "met", "Anna", "Lee", "in", "Rome"], []] * 4
GOLD = [["B-PER", "I-PER", "O", "O", "B-LOC"], ["O"], ["O", "O", "B-PER", "I-PER", "O", "B-LOC"], []] * 4


@pytest.fixture(scope="module")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary)


@pytest.fixture(scope="module")
def make(tokenizer):
    """A function of options -> BertTagger whose answers differ from text to text."""

    def make(labels=TAGS, *, dtype=None, **options):
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
        return BertTagger(BertEncoder(config, dtype=dtype), labels, tokenizer, **({"max_length": 24} | options))

    return make


@pytest.fixture(scope="module")
def taggers(make):
    """One of each head, to ask only."""
    return {"softmax": make(), "crf": make(crf=True)}


@pytest.fixture(scope="module")
def texts(root):
    """200: English reviews, Chinese, emoji, empty, not UTF-8, 10,000 characters."""
    with gzip.open(root / "examples" / "data" / "sentence_polarity" / "test.tsv.gz", "rt", encoding="utf-8") as file:
        reviews = [line.split("\t")[1] for line in file.read().splitlines()[:194]]
    return [*reviews, "你好，世界。", "日本 \U0001f600 naïve café", "\U0001f4a9\U0001f4a9 ok", "", b"not \xff utf8", "so long " * 1250]


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_answers_are_the_exported_model_s_reply_and_slices_of_the_text(head, taggers, texts, tmp_path):
    model = taggers[head]
    model.export(tmp_path / "model")
    serve = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    reply = {name: value.numpy() for name, value in serve(text=tf.constant(texts)).items()}
    assert {len(value) for value in reply.values()} == {200}
    answers = model.answer(texts, batch_size=64)
    json.dumps(answers)
    found = 0
    for answer, served, text in zip(answers, plain(reply, model.preprocessor), texts, strict=True):
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        scores = [[each.pop("score") for each in reply["entities"]] for reply in (answer, served)]
        np.testing.assert_allclose(*scores, atol=1e-5)
        assert answer == served
        assert [(each["type"], each["word_start"], each["word_end"]) for each in answer["entities"]] == spans(answer["tags"])
        assert all(text[each["start"] : each["end"]] == each["text"] != "" for each in answer["entities"])
        assert all(0 < score <= 1 + 1e-5 for score in scores[0])
        found += len(scores[0])
    assert found > 200


def test_five_thousand_words_are_tagged_as_their_windows_are(taggers, tokenizer):
    """Of a softmax: each word as in the window that it is read from, tagged by itself."""
    model, generator = taggers["softmax"], np.random.default_rng(0)
    vocabulary = [piece for piece in tokenizer.vocabulary[2000:6000] if piece.isalpha()]
    words = generator.choice(vocabulary, 5000).tolist()
    (answer,) = model.answer([words])
    assert answer["word_count"] == len(answer["tags"]) == 5000 and answer["words"] == words
    lengths = tokenizer.tokenize(words).row_lengths()
    windows = cut_windows(tf.RaggedTensor.from_row_lengths(lengths, [5000]), 22, 11)
    firsts = np.concatenate([[0], np.cumsum(lengths)]).tolist()
    edges = zip(windows.starts.numpy().tolist(), windows.limits.numpy().tolist(), strict=True)
    bounds = [(firsts.index(start), firsts.index(limit)) for start, limit in edges]
    alone = model.answer([words[first:last] for first, last in bounds])
    expected = [alone[number]["tags"][word - bounds[number][0]] for number, of in enumerate(windows.words.to_list()) for word in of]
    assert len(bounds) > 400 and answer["tags"] == expected


def test_scores_of_a_crf_are_probabilities_over_all_allowed_paths(taggers):
    model = taggers["crf"]
    sentences = [["good", "John", "Smith"], ["Paris"], ["bad", "in", "good", "film", "great"]]
    answers = model.answer(sentences)
    marginals = model.predict(sentences, verbose=0)
    _, _, allowed = model.preprocessor.moves
    for words, answer, marginal in zip(sentences, answers, marginals, strict=True):
        inputs = model.preprocessor.pad(model.preprocessor.rows({"words": tf.constant(model.preprocessor.columns([words])["words"])}))[0]
        emissions, chain = split_scores(model(inputs))
        emissions, start, end, moves = (np.asarray(part, "float64") for part in (emissions[0], chain.start, chain.end, chain.transitions))
        scores = {}
        for path in itertools.product(range(5), repeat=len(words)):
            steps = list(itertools.pairwise(path))
            if path[0] in (2, 4) or not all(allowed[step] for step in steps):
                continue
            score = start[path[0]] + end[path[-1]] + sum(emissions[place, tag] for place, tag in enumerate(path))
            scores[path] = score + sum(moves[step] for step in steps)
        total = np.logaddexp.reduce(list(scores.values()))
        likely = {path: np.exp(score - total) for path, score in scores.items()}
        assert answer["tags"] == [TAGS[tag] for tag in max(likely, key=likely.get)]
        for entity in answer["entities"]:
            span = (entity["type"], entity["word_start"], entity["word_end"])
            expected = sum(share for path, share in likely.items() if span in spans([TAGS[tag] for tag in path]))
            assert entity["score"] == pytest.approx(expected, abs=1e-5)
        by_word = [[sum(share for path, share in likely.items() if path[place] == tag) for tag in range(5)] for place in range(len(words))]
        np.testing.assert_allclose(marginal[: len(words)], by_word, atol=1e-5)
        assert not marginal[len(words) :].any()
    assert sum(len(answer["entities"]) for answer in answers) > 2


@pytest.mark.slow
def test_it_learns_and_is_saved_with_all_it_answers(make, tmp_path, answers_of_forks):
    model = make(crf=True)
    model.compile(keras.optimizers.Adam(0.03), tag_weights={"O": 0.5, "B-LOC": 2}, constrained=True)
    history = model.fit(WORDS, GOLD, epochs=30, verbose=0).history
    assert history["f1"][-1] == 1.0 and history["loss"][-1] < history["loss"][0] / 3
    assert [answer["tags"] for answer in model.answer(WORDS)] == GOLD
    model.save(tmp_path / "model.keras")
    model.save_pretrained(tmp_path / "model")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for again in (loaded, keras_bert.from_pretrained(tmp_path / "model")):
        assert isinstance(again, BertTagger) and again.answer(WORDS[:4]) == model.answer(WORDS[:4])
    assert loaded.get_compile_config()["tag_weights"] == {"O": 0.5, "B-PER": 1.0, "I-PER": 1.0, "B-LOC": 2.0, "I-LOC": 1.0}
    assert verify_saved_model(export_saved_model(model, tmp_path / "saved"), model) <= 1e-5


def test_an_lstm_stands_between_encoder_and_head(make, tmp_path):
    model = make(lstm_units=4)
    assert model.network.get_layer("bilstm").forward_layer.units == 4 and model.rate_factors() == {"bilstm": 20.0}
    likely = model.predict(WORDS[:4], verbose=0)
    # Read both ways, and past padding: a sentence alone is what it is among longer ones.
    np.testing.assert_allclose(model.predict(WORDS[1:2], verbose=0)[0], likely[1, :1], atol=1e-5)
    model.save_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(keras_bert.from_pretrained(tmp_path / "model").predict(WORDS[:4], verbose=0), likely)


def test_datasets_are_read_as_lists_are(taggers):
    dataset = tf.data.Dataset.from_tensor_slices(({"words": tf.ragged.constant(WORDS)}, tf.ragged.constant(GOLD)))
    expected = taggers["softmax"].evaluate(WORDS, GOLD, verbose=0, return_dict=True)
    for batches in (dataset, dataset.batch(3)):
        assert taggers["softmax"].evaluate(batches, verbose=0, return_dict=True) == pytest.approx(expected, abs=1e-5)


def test_long_sentences_are_learnt_from_word_by_word(make):
    """Rows that overlap hold each target once: the loss of a long sentence is that over its words."""
    model = make(max_length=10)
    words, gold = ["good", "film", "Paris"] * 9, ["O", "B-PER", "B-LOC"] * 9
    loss = model.evaluate([words], [gold], verbose=0, return_dict=True)["loss"]
    likely = model.predict([words], verbose=0)[0]
    assert likely.shape == (27, 5)
    assert loss == pytest.approx(float(np.mean([-np.log(likely[place, TAGS.index(tag)]) for place, tag in enumerate(gold)])), rel=1e-4)


def test_transformers_token_classifier_comes_and_goes(reference, tmp_path):
    path = reference / "hugging_face" / "token_classification"
    model = keras_bert.from_pretrained(path)
    assert type(model) is BertTagger
    with open(path / "config.json") as file:
        config = json.load(file)
    names = config.get("id2label") or {str(number): f"LABEL_{number}" for number in range(model.network.num_labels)}
    assert model.labels == [names[str(number)] for number in range(len(names))]
    with np.load(path / "expected.npz") as arrays:
        given = {name: arrays[name].astype("int32") for name in features.UNPACKED}
        logits = arrays["logits"]
    every = np.tile(np.arange(given["input_ids"].shape[1], dtype="int32"), (len(logits), 1))
    scores = model(given | {features.WORD_POSITIONS: every}).numpy()
    real = given["attention_mask"] == 1
    np.testing.assert_allclose(scores[real], logits[real], atol=1e-5)
    to_hugging_face(model, tmp_path / "theirs")
    again = keras_bert.from_pretrained(tmp_path / "theirs", strict=True)
    assert again.labels == model.labels
    np.testing.assert_array_equal(again(given | {features.WORD_POSITIONS: every}), scores)


def test_what_does_not_fit_is_named(make, taggers, tmp_path):
    plain_one, crf = taggers["softmax"], taggers["crf"]
    for call, message in (
        (lambda: make(crf=True).compile(focal_gamma=2), "focal_gamma is of a softmax over a word's tags; a CRF's loss is of whole"),
        (lambda: make(crf=True).compile(label_smoothing=0.1), "label_smoothing is of a softmax"),
        (lambda: make().compile(constrained=True), "constrained=True bars moves of a CRF; this tagger has none"),
        (lambda: make().compile(tag_weights={"B-ORG": 2}), "class_weight has 'B-ORG'|tag_weights"),
        (lambda: plain_one.fit(WORDS, GOLD, class_weight={"O": 1}), r"the classes of a tagger are tags: compile\(tag_weights="),
        (lambda: plain_one.fit(WORDS, GOLD[:3] * 5 + [["O"]]), "sentence 3 has 0 words and 5 tags"),
        (lambda: plain_one.fit(["a text"], [["O"]]), "tags were given beside raw texts"),
        (lambda: make(labels=["O", "U-PER"], scheme="IOB2", crf=True).answer(["a"]), "the label 'U-PER' is no tag of IOB2"),
        (lambda: to_hugging_face(crf, tmp_path / "theirs"), "BertForTokenClassification has neither CRF nor LSTM"),
        (lambda: make(lstm_units=0), "lstm_units=0 is neither a whole number from 1 nor None"),
        (lambda: plain_one.predict(WORDS, callbacks=[keras.callbacks.Callback()]), "may be several rows, which callbacks"),
        (lambda: setattr(plain_one, "labels", ["O"]), "2 labels at least|1 labels"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.slow
def test_blank_rows_count_nowhere(make, monkeypatch):
    """Beside a fit without them: 16 sentences of which three are two rows each, 19 rows, filled up to 20."""
    words = [["so"] * 3] * 13 + [["long"] * 30] * 3
    gold = [["O", "B-PER", "I-PER"]] * 13 + [["O"] * 29 + ["B-LOC"]] * 3
    results, shapes = [], []
    for fills_up in (True, False):
        model = make(max_length=24, stride=20, crf=True)
        monkeypatch.setattr(type(model.preprocessor), "fills_up", fills_up)
        dataset = tf.data.Dataset.from_tensor_slices(({"words": tf.ragged.constant(words)}, tf.ragged.constant(gold)))
        batches = model.training_batches(dataset, batch_size=16, seed=0)
        shapes.append([batch[0]["input_ids"].shape[0] for batch in batches(0).take(1)])
        history = model.fit(words, gold, batch_size=16, epochs=2, verbose=0).history
        results.append((history, model.evaluate(words, gold, batch_size=16, verbose=0), model.get_weights()))
    assert shapes == [[20], [19]]
    (filled, plain_history), (evaluated, plain_evaluated), (weights, plain_weights) = zip(*results, strict=True)
    for name, values in plain_history.items():
        np.testing.assert_allclose(filled[name], values, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(evaluated, plain_evaluated, rtol=1e-5)
    for one, other in zip(weights, plain_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_a_crf_learns_in_half_precision(make, dtype, tmp_path):
    model = make(crf=True, dtype=dtype)
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(WORDS * 8, GOLD * 8, epochs=4, batch_size=16, verbose=0).history
    assert np.isfinite(history["loss"]).all() and history["f1"][-1] == 1 > history["f1"][0]
    assert [answer["tags"] for answer in model.answer(WORDS)] == GOLD
    model.save(tmp_path / "model.keras")
    assert [answer["tags"] for answer in keras.saving.load_model(tmp_path / "model.keras").answer(WORDS)] == GOLD
