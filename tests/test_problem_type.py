import pytest

from keras_bert import BertEncoder
from keras_bert.models import SequenceClassifier
from keras_bert.problem_type import resolve_activation


@pytest.mark.parametrize(
    ("num_labels", "problem_type", "activation", "expected"),
    [
        # As Transformers' TextClassificationPipeline chooses.
        (3, None, None, "softmax"),
        (3, "single_label_classification", None, "softmax"),
        (3, "multi_label_classification", None, "sigmoid"),
        (3, "regression", None, "linear"),
        (1, None, None, "sigmoid"),
        (1, "single_label_classification", None, "sigmoid"),
        (1, "multi_label_classification", None, "sigmoid"),
        (1, "regression", None, "linear"),
        # What is said stands before that.
        (1, None, "linear", "linear"),
        (1, "regression", "sigmoid", "sigmoid"),
        (3, "multi_label_classification", "softmax", "softmax"),
    ],
)
def test_activation_of_a_problem(num_labels, problem_type, activation, expected):
    assert resolve_activation(num_labels, problem_type, activation) == expected


def test_a_network_says_what_its_scores_mean_and_keeps_what_it_was_given(tiny_config):
    encoder = BertEncoder(tiny_config)
    plain = SequenceClassifier(encoder, 1)
    assert (plain.problem_type, plain.activation) == ("single_label_classification", "sigmoid")
    assert (plain.settings()["problem_type"], plain.settings()["activation"]) == (None, None)
    told = SequenceClassifier(encoder, 2, problem_type="multi_label_classification", activation="linear")
    again = SequenceClassifier.from_config(told.get_config())
    assert (again.num_labels, again.problem_type, again.activation) == (2, "multi_label_classification", "linear")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"problem_type": "ranking"}, "problem_type='ranking' is not one of single_label_classification, multi_label_classification"),
        ({"activation": "tanh"}, "activation='tanh' is not one of softmax, sigmoid, linear"),
        ({"num_labels": 1, "activation": "softmax"}, "activation='softmax' of one score is 1 whatever the text"),
        ({"num_labels": True}, "num_labels=True: a text gets one score at least"),
    ],
)
def test_what_is_none_is_told(tiny_config, options, words):
    with pytest.raises(ValueError, match=words):
        SequenceClassifier(BertEncoder(tiny_config), **({"num_labels": 3} | options))
