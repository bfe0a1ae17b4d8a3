"""What Keras users hand in: tables, columns, class weights; and what is refused."""

import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertEmbedder, BertEncoder
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
    with pytest.raises(ValueError, match=r"elements are two strings.*is the second a text\? Give text_pair=True"):
        model.predict(dataset, verbose=0)
    model.text_pair = True
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
