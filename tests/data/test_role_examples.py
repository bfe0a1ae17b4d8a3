"""role_examples: PropBank sentences as a dataset."""

import pytest
import tensorflow as tf

from keras_bert.data import Frame, PropbankSentence, role_examples

LABELS = ["O", "B-ARG0", "B-V"]


def test_elements_hold_words_predicates_and_a_row_of_ids_for_each():
    first = PropbankSentence(["We", "eat", "it"], [Frame(1, "eat", "", [("ARG0", 0, 0), ("V", 1, 1)]), Frame(2, "it", "", [("V", 2, 2)])])
    dataset = role_examples([first, PropbankSentence(["é"], [])], LABELS)
    assert int(dataset.cardinality()) == 2
    (x, y), (empty, none) = list(dataset)
    assert [word.decode() for word in x["words"].numpy()] == ["We", "eat", "it"] and x["predicates"].numpy().tolist() == [b"1", b"2"]
    assert y.to_list() == [[1, 2, 0], [0, 0, 2]] and y.dtype == tf.int32
    assert empty["words"].numpy().tolist() == ["é".encode()] and empty["predicates"].shape == (0,) and none.to_list() == []
    with pytest.raises(ValueError, match="there are no sentences"):
        role_examples([], LABELS)
    with pytest.raises(ValueError, match=r"sentence 0 .*the labels have no 'B-ARG0'"):
        role_examples([first], ["O", "B-V"])
