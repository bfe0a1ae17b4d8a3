import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertPacker
from keras_bert.text import trim_pair

PAD, UNK, CLS, SEP = 0, 1, 2, 3
GOOD, BAD, FILM = 8, 9, 10


def lists(batch):
    return {name: value.numpy().tolist() for name, value in batch.items()}


def test_one_text_by_hand(tiny_tokenizer):
    assert lists(BertPacker(tiny_tokenizer, 5)(["good film", "bad"])) == {
        "input_ids": [[CLS, GOOD, FILM, SEP, PAD], [CLS, BAD, SEP, PAD, PAD]],
        "token_type_ids": [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        "attention_mask": [[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]],
    }


def test_two_texts_by_hand(tiny_tokenizer):
    assert lists(BertPacker(tiny_tokenizer, 7)(["good film", "bad"], ["bad", ""])) == {
        "input_ids": [[CLS, GOOD, FILM, SEP, BAD, SEP, PAD], [CLS, BAD, SEP, SEP, PAD, PAD, PAD]],
        "token_type_ids": [[0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 0]],
        "attention_mask": [[1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0, 0]],
    }


def test_an_empty_text_is_cls_sep(tiny_tokenizer):
    batch = BertPacker(tiny_tokenizer, 4)([""])
    assert batch["input_ids"].numpy().tolist() == [[CLS, SEP, PAD, PAD]]
    assert batch["attention_mask"].numpy().tolist() == [[1, 1, 0, 0]]


def test_features_are_int32_and_of_static_length(tiny_tokenizer):
    dataset = tf.data.Dataset.from_tensor_slices(["good", "bad"]).batch(2).map(BertPacker(tiny_tokenizer, 6))
    assert {(spec.dtype, spec.shape[1]) for spec in dataset.element_spec.values()} == {(tf.int32, 6)}


@pytest.mark.parametrize(("multiple", "words", "length"), [(1, 3, 5), (4, 3, 8), (4, 2, 4), (8, 1, 8), (8, 20, 10), (64, 1, 10)])
def test_padding_to_the_longest_rounded_up(tiny_tokenizer, multiple, words, length):
    packer = BertPacker(tiny_tokenizer, 10, pad_to_multiple_of=multiple)
    assert packer(["good " * words, "bad"])["input_ids"].shape == (2, length)


def test_an_empty_batch_keeps_a_length(tiny_tokenizer):
    packer = BertPacker(tiny_tokenizer, 10, pad_to_multiple_of=4)
    assert packer(tf.constant([], tf.string))["input_ids"].shape == (0, 4)


def google_truncation(first, second, max_tokens):
    """The loop of google-research's run_classifier.py, _truncate_seq_pair, told again."""
    first, second = list(first), list(second)
    while len(first) + len(second) > max_tokens:
        (first if len(first) > len(second) else second).pop()
    return first, second


@pytest.mark.parametrize("max_tokens", range(10))
def test_trim_pair_is_google_research_s_loop(max_tokens):
    pairs = [(list(range(a)), list(range(100, 100 + b))) for a in range(8) for b in range(8)]
    first = tf.ragged.constant([pair[0] for pair in pairs], dtype=tf.int32)
    second = tf.ragged.constant([pair[1] for pair in pairs], dtype=tf.int32)
    got = trim_pair(first, second, max_tokens=max_tokens)
    expected = [google_truncation(*pair, max_tokens) for pair in pairs]
    assert got[0].to_list() == [pair[0] for pair in expected]
    assert got[1].to_list() == [pair[1] for pair in expected]


def test_a_long_text_keeps_its_sep(tiny_tokenizer):
    assert BertPacker(tiny_tokenizer, 4)(["good film bad good"])["input_ids"].numpy().tolist() == [[CLS, GOOD, FILM, SEP]]


def test_ids_equal_transformers_on_real_texts_and_pairs(reference, uncased_vocabulary):
    from keras_bert import BertTokenizer

    expected = np.load(reference / "minilm" / "transformers.npz")
    tokenizer = BertTokenizer(uncased_vocabulary, max_word_characters=100)
    packer = BertPacker(tokenizer, 64, pad_to_multiple_of=1)
    for prefix, texts in (("", [expected["texts"]]), ("pair_", list(expected["pairs"].T))):
        batch = packer(*[column.tolist() for column in texts])
        for name in ("input_ids", "token_type_ids", "attention_mask"):
            np.testing.assert_array_equal(batch[name], expected[prefix + name])


@pytest.mark.parametrize("arguments", [{"max_length": 2}, {"max_length": True}, {"max_length": 8, "pad_to_multiple_of": 0}])
def test_lengths_without_room_are_refused(tiny_tokenizer, arguments):
    with pytest.raises(ValueError, match=f"{list(arguments)[-1]}={list(arguments.values())[-1]}"):
        BertPacker(tiny_tokenizer, **arguments)


def test_ids_with_row_splits_of_either_size(tiny_tokenizer):
    packer = BertPacker(tiny_tokenizer, max_length=6)
    rows = [tf.ragged.constant([[5, 5], []], dtype=tf.int32, row_splits_dtype=dtype) for dtype in (tf.int32, tf.int64)]
    for first, second in itertools.product(rows, rows):
        assert packer.pack_ids(first)["input_ids"].numpy().tolist() == [[2, 5, 5, 3, 0, 0], [2, 3, 0, 0, 0, 0]]
        assert packer.pack_ids(first, second)["input_ids"].numpy().tolist() == [[2, 5, 5, 3, 5, 3], [2, 3, 3, 0, 0, 0]]
