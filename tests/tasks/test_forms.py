"""What Keras users hand in: tables, columns, class weights; and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertClassifier, BertEmbedder, BertEncoder, BertMaskedLM
from keras_bert.preprocessing.columns import text_columns

TEXTS, PAIRS = ["good film", "bad", "it was great , no ?", ""], ["a", "b", "c", "good"]


def test_tables_are_texts_and_pairs():
    pandas = pytest.importorskip("pandas")
    texts, pairs = [text.encode() for text in TEXTS], [text.encode() for text in PAIRS]
    frame = pandas.DataFrame({"question": TEXTS, "answer": PAIRS, "label": [1, 0, 1, 0]})
    for x in (np.array(TEXTS)[:, None], frame[["question"]], frame["question"], tf.constant(TEXTS)[:, None]):
        assert text_columns(x) == {"text": texts}
    for x in (frame[["question", "answer"]], np.array([TEXTS, PAIRS]).T, (frame["question"], frame["answer"])):
        assert text_columns(x) == {"text": texts, "text_pair": pairs}
    assert text_columns((np.array(TEXTS)[:, None], np.array(PAIRS)[:, None])) == {"text": texts, "text_pair": pairs}
    with pytest.raises(ValueError, match=r"the texts have 3 columns \(question, answer, label\); a text has 1 and a pair 2"):
        text_columns(frame.astype(str))


def test_a_frame_of_two_columns_is_predicted_as_pairs(shared_pair_classifier):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"question": TEXTS, "answer": PAIRS})
    expected = shared_pair_classifier.predict((TEXTS, PAIRS), verbose=0)
    np.testing.assert_allclose(shared_pair_classifier.predict(frame, verbose=0), expected, atol=1e-6)


def test_two_strings_of_a_dataset_are_no_text_and_label_to_an_embedder(tiny_config, tiny_tokenizer):
    model = BertEmbedder(BertEncoder(tiny_config), tiny_tokenizer)
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, PAIRS))
    assert model.predict(dataset, verbose=0).shape == (4, 2, 16)
    model.text_pair = True  # one row, as a cross-encoder reads it
    np.testing.assert_allclose(model.predict(dataset, verbose=0), model.predict((TEXTS, PAIRS), verbose=0), atol=1e-6)


def test_a_text_is_tokenized_once_a_pass(make_tiny_classifier, monkeypatch):
    model = make_tiny_classifier(text_pair=False)
    counted = []
    tokenize = type(model.tokenizer).tokenize

    def counting(self, strings):
        strings = tf.convert_to_tensor(strings)
        with tf.control_dependencies([tf.py_function(lambda texts: counted.append(len(texts)), [strings], [])]):
            return tokenize(self, tf.identity(strings))

    monkeypatch.setattr(type(model.tokenizer), "tokenize", counting)
    for x, y in ((TEXTS * 5, [0, 1, 2, 1] * 5), (tf.data.Dataset.from_tensor_slices((TEXTS * 5, [0, 1, 2, 1] * 5)), None)):
        counted.clear()
        model.evaluate(x, y, batch_size=3, verbose=0)
        assert sum(counted) == 20
    counted.clear()
    model.predict(TEXTS * 5, batch_size=3, verbose=0)
    assert sum(counted) == 20


def test_predictions_in_no_order_are_refused_where_keras_s_loop_would_give_them(shared_classifier):
    with pytest.raises(ValueError, match=r"callbacks=.* was given beside max_tokens_per_batch"):
        shared_classifier.predict(TEXTS, max_tokens_per_batch=64, callbacks=[keras.callbacks.Callback()])
    got = shared_classifier.predict(TEXTS, batch_size=2, callbacks=[keras.callbacks.Callback()], verbose=0)
    np.testing.assert_allclose(got, shared_classifier.predict(TEXTS, verbose=0), atol=1e-6)


def test_two_strings_to_an_undecided_classifier_are_told(make_tiny_classifier):
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, PAIRS))
    with pytest.raises(ValueError, match="is the second a text"):
        make_tiny_classifier().predict(dataset, verbose=0)
    labelled = tf.data.Dataset.from_tensor_slices((TEXTS, ["positive"] * 4))
    assert make_tiny_classifier(text_pair=False).predict(labelled, verbose=0).shape == (4, 3)


def test_labels_of_a_test_split_are_not_looked_at_in_predictions(shared_classifier):
    inputs = {name: value.numpy() for name, value in shared_classifier.preprocess(TEXTS).items()}
    dataset = tf.data.Dataset.from_tensor_slices((inputs, [-1] * 4)).batch(4)
    np.testing.assert_allclose(shared_classifier.predict(dataset, verbose=0), shared_classifier.predict(TEXTS, verbose=0), atol=1e-6)
    by_two = shared_classifier.answer(inputs, batch_size=2)
    assert [answer["label"] for answer in by_two] == [answer["label"] for answer in shared_classifier.answer(TEXTS)]


def test_a_masked_lm_without_a_vocabulary_and_settings_that_do_not_fit_are_told(tiny_config, shared_classifier):
    model = BertMaskedLM(BertEncoder(tiny_config))
    inputs = {name: np.ones((1, 4), "int32") for name in ("input_ids", "token_type_ids", "attention_mask")}
    with pytest.raises(ValueError, match="a masked LM answers by its vocabulary"):
        model.answer(inputs)
    with pytest.raises(ValueError, match="max_length=64 is over max_position_embeddings=32"):
        shared_classifier.answer(TEXTS, max_length=64)
    with pytest.raises(ValueError, match="nothing to predict"):
        shared_classifier.predict(tf.data.Dataset.from_tensor_slices(TEXTS).take(0), verbose=0)


def test_an_endless_dataset_within_a_budget_wants_steps(make_tiny_classifier):
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, [0, 1, 2, 1])).repeat()
    with pytest.raises(ValueError, match="the dataset never ends; give steps_per_epoch"):
        make_tiny_classifier().fit(dataset, max_tokens_per_batch=64, verbose=0)


def test_class_weights_of_what_has_no_classes_are_told(tiny_config, tiny_tokenizer):
    scorer = BertClassifier(BertEncoder(tiny_config), ["relevance"], tiny_tokenizer, activation="sigmoid")
    with pytest.raises(ValueError, match="only a choice of one label has classes"):
        scorer.fit(TEXTS, [0.0, 1.0, 1.0, 0.0], class_weight={0: 2.0}, verbose=0)
