import numpy as np
import pytest
import tensorflow as tf

from keras_bert.pretraining import ExampleSettings, parse_records, row_features
from keras_bert.pretraining.records import as_ragged, encode_rows
from keras_bert.pretraining.rows import make_rows

# Texts of 3 and 2, 1 and 1, 2 and 200 tokens.
IDS = np.concatenate([[7, 127, 128], [16383, 16384], [9], [30521], [2097151, 2097152], np.arange(200) + 1000]).astype("int32")
EXAMPLES = np.array([(0, 3, 3, 5, 0), (5, 6, 6, 7, 1), (7, 9, 9, 209, 1)], "int64")


def rows_of(**options):
    settings = ExampleSettings(max_length=300, **options)
    return make_rows(IDS, EXAMPLES, settings, cls_id=101, sep_id=102)


def expected_records(rows):
    for row in range(len(rows)):
        tokens = slice(*rows.row_starts[row : row + 2])
        sequences = slice(*rows.sequence_starts[row : row + 2])
        columns = {"input_ids": rows.ids[tokens], "sequence_lengths": rows.sequence_lengths[sequences]}
        columns["first_text_lengths"] = rows.first_lengths[sequences]
        if rows.labels is not None:
            columns["next_sentence_labels"] = rows.labels[sequences]
        lists = {name: tf.train.Feature(int64_list=tf.train.Int64List(value=values)) for name, values in columns.items()}
        yield tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString(deterministic=True)


def test_special_tokens_stand_around_each_text():
    rows = rows_of()
    assert rows.ids[:16].tolist() == [101, 7, 127, 128, 102, 16383, 16384, 102, 101, 9, 102, 30521, 102, 101, 2097151, 2097152]
    assert rows.row_starts.tolist() == [0, 8, 13, 218]
    assert rows.sequence_lengths.tolist() == [8, 5, 205]
    assert rows.first_lengths.tolist() == [5, 3, 4]
    assert rows.labels.tolist() == [0, 1, 1]


def test_a_text_alone_has_one_separator_and_no_label():
    rows = make_rows(IDS, np.array([(0, 3, 3, 3, 0)]), ExampleSettings(objective="full_sentences"), cls_id=101, sep_id=102)
    assert rows.ids.tolist() == [101, 7, 127, 128, 102]
    assert rows.first_lengths.tolist() == rows.sequence_lengths.tolist() == [5]
    assert rows.labels is None


@pytest.mark.parametrize("options", [{}, {"pack": True}, {"objective": "full_sentences"}])
def test_records_are_the_bytes_of_tf_train_example(options):
    rows = rows_of(**options)
    assert list(encode_rows(rows)) == list(expected_records(rows))


def test_records_are_read_back():
    rows = rows_of(pack=True)
    read = parse_records(tf.constant(list(encode_rows(rows))))
    assert read["sequence_lengths"].to_list() == [[8, 5, 205]]
    assert read["first_text_lengths"].to_list() == [[5, 3, 4]]
    assert read["next_sentence_labels"].to_list() == [[0, 1, 1]]
    assert read["input_ids"].dtype == tf.int32
    assert read["input_ids"][0, -1].numpy() == 102
    assert {name: value.to_list() for name, value in as_ragged(rows).items()} == {name: value.to_list() for name, value in read.items()}
    assert "next_sentence_labels" not in parse_records(tf.constant(list(encode_rows(rows))), labels=False)


def test_positions_and_types_begin_anew_in_each_sequence():
    def ragged(values):
        return tf.ragged.constant(values, tf.int32)

    rows = {
        "input_ids": ragged([[1, 2, 3, 4, 5, 6, 7], [8, 9]]),
        "sequence_lengths": ragged([[4, 3], [2]]),
        "first_text_lengths": ragged([[2, 3], [1]]),
    }
    for made in (row_features(rows), tf.function(row_features)(rows)):
        assert made["token_type_ids"].to_list() == [[0, 0, 1, 1, 0, 0, 0], [0, 1]]
        assert made["position_ids"].to_list() == [[0, 1, 2, 3, 0, 1, 2], [0, 1]]
        assert made["sequence_ids"].to_list() == [[1, 1, 1, 1, 2, 2, 2], [1, 1]]
        assert {value.dtype for value in made.values()} == {tf.int32}
