"""BertEmbedder: examples of several texts in, vectors out."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_bert
from keras_bert import BertEmbedder, BertEncoder
from keras_bert.training import MultipleNegatives, Trainer, create_optimizer

TEXTS = ["good film", "bad", "it was great , no ?", "a"]
OTHERS = ["great film", "no", "was it great", "a b"]
WRONG = ["bad film", "good", "c", "film"]
SCORES = [1.0, 0.5, 0.8, 0.0]


def make(config, tokenizer, **options):
    keras.utils.set_random_seed(7)
    return BertEmbedder(BertEncoder(dataclasses.replace(config, initializer_range=0.3)), tokenizer, **options)


@pytest.fixture(scope="module")
def model(quick_config, tiny_tokenizer):
    """For what only asks."""
    prompts = {"query": "it is ", "passage": "a b c "}
    return make(quick_config, tiny_tokenizer, prompts=prompts)


def predict(model, x, **options):
    return model.predict(x, verbose=0, **options)


@pytest.mark.parametrize(
    "x",
    [
        (TEXTS, OTHERS),
        list(zip(TEXTS, OTHERS, strict=True)),
        np.array([TEXTS, OTHERS]).T,
        {"positive": OTHERS, "anchor": TEXTS},
        {"text": TEXTS, "text_pair": OTHERS},
        tf.data.Dataset.from_tensor_slices((TEXTS, OTHERS)),
        tf.data.Dataset.from_tensor_slices({"sentence1": TEXTS, "sentence2": OTHERS}).batch(3),
        tf.data.Dataset.from_tensor_slices(((TEXTS, OTHERS), SCORES)),
    ],
    ids=["columns", "rows", "array", "names", "older_names", "dataset", "named_dataset", "scored_dataset"],
)
def test_both_vectors_of_pairs_are_those_of_the_texts_alone(model, x):
    expected = np.stack([predict(model, TEXTS), predict(model, OTHERS)], axis=1)
    np.testing.assert_allclose(predict(model, x), expected, atol=1e-6)


def test_negatives_may_be_several_and_answers_have_all_vectors(model):
    negatives = [[one, other] for one, other in zip(WRONG, OTHERS, strict=True)]
    expected = np.stack([predict(model, part) for part in (TEXTS, OTHERS, WRONG, OTHERS)], axis=1)
    np.testing.assert_allclose(predict(model, (TEXTS, OTHERS, negatives), batch_size=3), expected, atol=1e-6)
    answers = model.answer({"anchor": TEXTS, "positive": OTHERS, "negative_1": WRONG, "negative_2": OTHERS})
    np.testing.assert_allclose([answer["embedding"] for answer in answers], expected, atol=1e-6)


def test_fit_draws_pairs_together_and_evaluate_sees_it(quick_config, tiny_tokenizer):
    model, others = make(quick_config, tiny_tokenizer), OTHERS[::-1]
    model.compile(create_optimizer(1e-2, total_steps=40))
    before = model.evaluate((TEXTS, others), verbose=0, return_dict=True)
    data = (TEXTS * 20, others * 20)  # equal texts are no negatives
    history = model.fit(data, batch_size=4, epochs=2, verbose=0, validation_data=(TEXTS, others)).history
    after = model.evaluate((TEXTS, others), verbose=0, return_dict=True)
    assert before["recall@1"] < after["recall@1"] == 1.0 == after["mrr@10"] == after["ndcg@10"]
    assert after["loss"] < before["loss"] / 5 and history["loss"][-1] < history["loss"][0]
    assert history["val_recall@1"][-1] == 1.0 and history["val_loss"][-1] == pytest.approx(after["loss"], abs=1e-5)


def test_examples_without_scores_do_not_meet_by_length(quick_config, tiny_tokenizer):
    model = make(quick_config, tiny_tokenizer)
    lengths = {}
    for name, scores in (("negatives", ()), ("scores", (SCORES * 16,))):
        data = tf.data.Dataset.from_tensor_slices(((TEXTS * 16, OTHERS * 16), *scores) if scores else (TEXTS * 16, OTHERS * 16))
        batches = model.training_batches(data, batch_size=4)(0).take(16)
        lengths[name] = [len(np.unique(x["attention_mask"].sum((1, 2)))) for x, _ in batches.as_numpy_iterator()]
    assert np.mean(lengths["scores"]) + 0.5 < np.mean(lengths["negatives"])  # how many different lengths a batch has


@pytest.mark.slow
def test_scores_are_learnt_and_validated(tmp_path, quick_config, tiny_tokenizer):
    model = make(quick_config, tiny_tokenizer)
    data = tf.data.Dataset.from_tensor_slices(((TEXTS, OTHERS), SCORES))
    loss, before, _ = model.evaluate((TEXTS, OTHERS), SCORES, verbose=0)
    assert model.evaluate(data, verbose=0)[:2] == pytest.approx([loss, before], abs=1e-5)
    model.compile(create_optimizer(1e-2, total_steps=40))
    trainer = Trainer(model, tmp_path / "run", total_steps=40, validation_data=data, monitor="val_spearman", progress=False)
    result = trainer.train(model.training_batches(data, batch_size=4))
    assert result.best_value == pytest.approx(1.0) and before < 0.99
    cosines = (predict(model, TEXTS) * predict(model, OTHERS)).sum(1)
    np.testing.assert_allclose(cosines, SCORES, atol=0.2)


def test_the_loss_is_that_of_the_whole_batch_by_hand(quick_config, tiny_tokenizer):
    model = make(quick_config, tiny_tokenizer)
    anchors, positives, negatives = (predict(model, part) for part in (TEXTS, OTHERS, WRONG))
    scores = 20 * anchors @ np.concatenate([positives, negatives]).T
    expected = (np.log(np.exp(scores).sum(1)) - np.diag(scores)).mean()
    got = model.evaluate((TEXTS, OTHERS, WRONG), verbose=0, return_dict=True)
    assert got["loss"] == pytest.approx(expected, rel=1e-4)
    right, wrong = (anchors * positives).sum(1), (anchors * negatives).sum(1)
    assert got["triplet_accuracy"] == (right > wrong).mean()


def test_a_text_that_is_two_examples_positive_is_found_by_both(model):
    got = model.evaluate((["good film", "bad", "a"], ["great film", "no", "no"]), verbose=0, return_dict=True)
    cosines = model.similarity(predict(model, ["good film", "bad", "a"]), predict(model, ["great film", "no"]))
    assert got["recall@1"] == pytest.approx((cosines.argmax(1) == [0, 1, 1]).mean())


def test_losses_go_by_name_and_into_files(tmp_path, quick_config, tiny_tokenizer):
    model = make(quick_config, tiny_tokenizer)
    model.compile(loss="contrastive")
    model.fit((TEXTS, OTHERS), [1, 0, 1, 0], verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.loss) is type(model.loss)
    expected = model.evaluate((TEXTS, OTHERS), [1, 0, 1, 0], verbose=0)
    np.testing.assert_allclose(again.evaluate((TEXTS, OTHERS), [1, 0, 1, 0], verbose=0), expected, atol=1e-6)


def test_a_dense_layer_after_the_pooling_learns(quick_config, tiny_tokenizer):
    model = make(quick_config, tiny_tokenizer, dense=[{"units": 5, "activation": "tanh"}])
    before = [weight.numpy() for weight in model.network.get_layer("dense_0").weights]
    model.fit((TEXTS, OTHERS), verbose=0)
    changed = [np.abs(weight.numpy() - old).max() for weight, old in zip(model.network.get_layer("dense_0").weights, before, strict=True)]
    assert len(changed) == 2 and min(changed) > 0 and predict(model, (TEXTS, OTHERS)).shape == (4, 2, 5)


def test_single_texts_learn_vectors_of_another_model(quick_config, tiny_tokenizer):
    model = make(quick_config, tiny_tokenizer)
    teacher = predict(model, OTHERS[::-1])
    model.compile(create_optimizer(1e-2, total_steps=20), loss="mse")
    before = model.evaluate(TEXTS, teacher, verbose=0)
    model.fit(TEXTS * 20, np.tile(teacher, (20, 1)), batch_size=4, verbose=0)
    assert model.evaluate(TEXTS, teacher, verbose=0) < before / 2


def test_prompts_stand_before_the_texts(model, quick_config, tiny_tokenizer):
    by_hand = predict(model, [f"it is {text}" for text in TEXTS])
    np.testing.assert_allclose(predict(model, TEXTS, prompt="query"), by_hand, atol=1e-6)
    np.testing.assert_allclose([answer["embedding"] for answer in model.answer(TEXTS, prompt="query")], by_hand, atol=1e-6)
    assert np.abs(predict(model, TEXTS) - by_hand).max() > 0.1  # and the model's own is none
    other = make(quick_config, tiny_tokenizer, prompts=model.prompts, default_prompt="query", example_prompts=["query", "passage"])
    np.testing.assert_allclose(predict(other, TEXTS), by_hand, atol=1e-6)
    np.testing.assert_allclose(predict(other, TEXTS, prompt=""), predict(model, TEXTS), atol=1e-6)
    pairs = predict(other, (TEXTS, OTHERS, WRONG))
    np.testing.assert_allclose(pairs[:, 0], by_hand, atol=1e-6)
    for index, texts in ((1, OTHERS), (2, WRONG)):
        np.testing.assert_allclose(pairs[:, index], predict(model, texts, prompt="passage"), atol=1e-6)


def test_cut_vectors_are_the_first_features_of_length_1(model, quick_config, tiny_tokenizer):
    whole = predict(model, TEXTS)
    cut = whole[:, :4] / np.linalg.norm(whole[:, :4], axis=1, keepdims=True)
    np.testing.assert_allclose(predict(model, TEXTS, truncate_dim=4), cut, atol=1e-6)
    plain = make(quick_config, tiny_tokenizer, normalize=False, truncate_dim=4)
    np.testing.assert_allclose(predict(plain, TEXTS), predict(plain, TEXTS, truncate_dim=16)[:, :4], atol=1e-6)


def test_a_search_finds_by_texts_and_by_vectors(model):
    corpus = OTHERS + WRONG
    cosines = model.similarity(predict(model, TEXTS, prompt="query"), predict(model, corpus, prompt="passage"))
    found = model.semantic_search(TEXTS, corpus, 3)
    assert [[hit["corpus_id"] for hit in hits] for hits in found] == np.argsort(-cosines, axis=1)[:, :3].tolist()
    np.testing.assert_allclose([hit["score"] for hit in found[1]], np.sort(cosines[1])[::-1][:3], atol=1e-6)
    by_vectors = model.semantic_search(TEXTS, predict(model, corpus, prompt="passage"), 3)
    assert [[hit["corpus_id"] for hit in hits] for hits in by_vectors] == [[hit["corpus_id"] for hit in hits] for hits in found]
    assert [len(hits) for hits in model.semantic_search(TEXTS, ["good"], 3)] == [1, 1, 1, 1]


def test_settings_come_back(tmp_path, quick_config, tiny_tokenizer):
    model = make(
        quick_config, tiny_tokenizer, prompts={"query": "it is "}, default_prompt="query", truncate_dim=8, similarity="dot", normalize=False
    )
    model.save_pretrained(tmp_path / "model")
    again = keras_bert.from_pretrained(tmp_path / "model")
    assert again.settings() == model.settings() and again.similarity_name == "dot"
    np.testing.assert_allclose(predict(again, TEXTS), predict(model, TEXTS), atol=1e-6)
    again.default_prompt = None
    assert np.abs(predict(again, TEXTS) - predict(model, TEXTS)).max() > 0.1


def test_the_exported_model_answers_with_prompt_and_size(tmp_path, quick_config, tiny_tokenizer):
    model = make(quick_config, tiny_tokenizer, prompts={"query": "it is "}, default_prompt="query", truncate_dim=4)
    model.export(tmp_path / "saved")
    reply = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"](text=tf.constant(TEXTS))["embedding"]
    assert reply.shape == (4, 4)
    np.testing.assert_allclose(reply, [answer["embedding"] for answer in model.answer(TEXTS)], atol=1e-6)
    whole = predict(model, [f"it is {text}" for text in TEXTS], prompt="", truncate_dim=16)[:, :4]
    np.testing.assert_allclose(reply, whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: model.fit((TEXTS, OTHERS[:3]), verbose=0), "the columns of texts differ in length: 4, 3"),
        (lambda model: model.fit((TEXTS, OTHERS), SCORES[:3], verbose=0), "4 texts but 3 labels"),
        (lambda model: model.fit((TEXTS, OTHERS), [1.0, 0.0, np.nan, 0.0], verbose=0), "item 2 of the scores is nan"),
        (lambda model: model.fit((TEXTS, OTHERS), ["a", "b", "c", "d"], verbose=0), "the scores are numbers, one an example"),
        (lambda model: model.fit((TEXTS, OTHERS), batch_size=1, verbose=0), "an example alone has no negatives"),
        (lambda model: model.fit((TEXTS[:1], OTHERS[:1]), verbose=0), "an example alone has no negatives"),
        (lambda model: model.fit(TEXTS, verbose=0), "texts were given without labels"),
        (lambda model: model.fit((TEXTS, OTHERS, [["a"], ["b"], [], ["c"]]), verbose=0), "item 2 has 0 negatives; the first has 1"),
        (lambda model: model.fit([("a", "b"), ("a",)], verbose=0), "item 1 of the examples has 1 texts; the first has 2"),
        (lambda model: model.fit({"anchor": TEXTS, "label": SCORES}, verbose=0), "'label' names no text of an example"),
        (lambda model: predict(model, TEXTS, prompt="title"), "there is no prompt 'title'; there are 'query', 'passage'"),
        (lambda model: predict(model, TEXTS, truncate_dim=17), "truncate_dim=17 is over the 16 features"),
        (lambda model: predict(model, TEXTS, truncate_dim=0), "truncate_dim=0 is neither a whole number from 1 nor None"),
        (lambda model: model.semantic_search(TEXTS, []), "the list is empty"),
        (lambda model: model.semantic_search(TEXTS, np.zeros((0, 16))), "the corpus is empty"),
        (lambda model: setattr(model, "prompts", ["query: "]), "is no dict of names and texts"),
        (lambda model: setattr(model, "default_prompt", "title"), "there is no prompt 'title'"),
        (lambda model: model.change_settings(similarity="l2"), "similarity='l2' is not one of"),
        (lambda model: model.compile(rows_at_once=0), "rows_at_once=0 is neither a whole number from 1 nor None"),
        (lambda model: model.compile(rows_at_once=4, adversarial_epsilon=1.0), "rows_at_once=4 with adversarial_epsilon"),
    ],
)
def test_what_does_not_fit_is_told(model, call, words):
    with pytest.raises(ValueError, match=words):
        call(model)


def test_a_batch_of_one_with_a_hard_negative_is_taken(quick_config, tiny_tokenizer):
    model = make(quick_config, tiny_tokenizer)
    model.compile(loss=MultipleNegatives(symmetric=True))
    assert np.isfinite(model.fit((TEXTS, OTHERS, WRONG), batch_size=1, verbose=0).history["loss"]).all()
    with pytest.raises(ValueError, match="an example alone has no negatives"):
        model.training_batches(tf.data.Dataset.from_tensor_slices((TEXTS, OTHERS)), batch_size=1)
