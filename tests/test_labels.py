"""Labels in memory, and beside them the same in the graph, eagerly and in tf.data."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_bert.labels import Labels, check_labels, encode_scores, encode_scores_in_graph, whole_number

LABELS = Labels(["negative", "positive", "neutral"])
TRUTH = Labels(["True", "False"])
TOPICS = Labels(["sport", "art", "law"])
HOT = [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
THIRDS = [[0.2, 0.3, 0.5], [1, 0, 0]]


def both_ways(encode, tensor):
    """The result of a function of tensors, eagerly; checked to be the same in tf.data, too."""
    eager = encode(tensor)
    dataset = tf.data.Dataset.from_tensors(tensor).map(encode)
    assert dataset.element_spec.dtype == eager.dtype
    np.testing.assert_array_equal(next(iter(dataset)), eager)
    return eager.numpy()


@pytest.mark.parametrize(
    ("labels", "given", "expected"),
    [
        (LABELS, ["positive", "negative", "neutral"], [1, 0, 2]),
        (LABELS, [["positive"], ["negative"]], [1, 0]),
        (LABELS, [b"positive", b"negative"], [1, 0]),
        (LABELS, [1, 0, 2], [1, 0, 2]),
        (LABELS, [[1], [0]], [1, 0]),
        (LABELS, np.array([[1], [2]], "uint8"), [1, 2]),
        (LABELS, [1.0, 0.0, 2.0], [1, 0, 2]),
        (LABELS, np.array([[1.0], [0.0]], "float32"), [1, 0]),
        (LABELS, [True, False], [1, 0]),
        (TRUTH, [True, False], [0, 1]),
        (Labels(["yes", "no"]), [[True], [False]], [1, 0]),
        (LABELS, THIRDS, THIRDS),
        (LABELS, np.array(THIRDS, "float64"), THIRDS),
        (LABELS, np.array(THIRDS, "float16"), np.array(THIRDS, "float16")),
    ],
)
def test_one_label_a_text_in_memory_and_in_the_graph(labels, given, expected):
    dtype = "int32" if np.ndim(expected) == 1 else "float32"
    got = [labels.encode(given), labels.encode(np.array(given)), labels.encode(tf.constant(given))]
    got.append(both_ways(labels.encode_in_graph, tf.constant(given)))
    for array in got:
        np.testing.assert_array_equal(array, np.array(expected, dtype))
        assert array.dtype == dtype


def test_pandas_columns_of_every_type():
    pandas = pytest.importorskip("pandas")
    names, ids = ["positive", "negative", "positive"], [1, 0, 1]
    index = [7, 3, 5]  # rows keep their order, whatever their index
    for values, dtype in (
        (names, None), (names, "category"), (names, "string"), (ids, "int64"), (ids, "category"), (ids, "Int64"), (ids, "float64"),
        (ids, "Float64"), (ids, "bool"), (ids, "boolean"),
    ):  # fmt: skip
        series = pandas.Series(values, dtype=dtype, index=index)
        np.testing.assert_array_equal(LABELS.encode(series), ids, err_msg=str(dtype))
        np.testing.assert_array_equal(LABELS.encode(series.to_frame("label")), ids, err_msg=str(dtype))
    missing = pandas.Series([1, None], dtype="Int64")
    with pytest.raises(ValueError, match=r"label 1 is (<NA>|nan)"):
        LABELS.encode(missing)
    with pytest.raises(ValueError, match="label 1 is nan, not a whole number"):
        LABELS.encode(missing.astype("float64"))
    with pytest.raises(ValueError, match="label 1 is nan; the model's labels"):
        LABELS.encode(pandas.Series(["positive", None], dtype="category"))


def test_numbers_kept_as_objects():
    """As pandas keeps nullable columns in some releases."""
    for given in ([1, 0], [1.0, 0.0], [True, False], [np.int64(1), np.bool_(False)], [[1], [0]]):
        np.testing.assert_array_equal(LABELS.encode(np.array(given, dtype=object)), [1, 0])
        np.testing.assert_array_equal(encode_scores(np.array(given, dtype=object)), [1, 0])


def test_columns_of_a_frame_are_put_in_the_order_of_the_labels():
    pandas = pytest.importorskip("pandas")
    frame = pandas.get_dummies(pandas.Series(["positive", "neutral", "negative"]))
    assert list(frame.columns) == ["negative", "neutral", "positive"]
    for rows in (LABELS.encode(frame), LABELS.encode(frame.astype("float64")), LABELS.encode_multi(frame)):
        np.testing.assert_array_equal(rows, np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], "float32"))
        assert rows.dtype == "float32"
    frame.columns = ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"the frame's columns are a, b, c; the model's labels are negative, .*to_numpy"):
        LABELS.encode(frame)


SHAPE = r"expected names or ids, \[batch\] or \[batch, 1\], or one-hot or soft rows \(float\), \[batch, 3\]"


@pytest.mark.parametrize(
    ("given", "words", "words_in_graph"),
    [
        (["positive", "fine"], "label 1 is 'fine'; the model's labels are negative, positive, neutral", "a label is none of negative, pos"),
        ([0, 3], "label 1 is 3; ids of the 3 labels are 0 to 2", "a label id is not in 0 to 2"),
        ([-1, 1], "label 0 is -1; ids", "a label id is not in 0 to 2"),
        ([0.0, 3.0], "label 1 is 3.0; ids", "a label id is not in 0 to 2"),
        ([0.0, np.inf], "label 1 is inf; ids", "a label id is not in 0 to 2"),
        ([0.5, 1.0], "label 0 is 0.5, not a whole number; .* soft labels have 3 columns", "a label is not a whole number"),
        ([[1.0], [0.5]], "label 1 is 0.5, not a whole number", "a label is not a whole number"),
        ([0.0, np.nan], "label 1 is nan, not a whole number", "a label is not a whole number"),
        (np.zeros([2, 2], "float32"), "labels have 2 columns; the model has 3 labels", "labels have 2 columns; the model has 3 labels"),
        (np.zeros([2, 3], "int64"), r"int64 of shape \(2, 3\); " + SHAPE, r"int64 of shape \(2, 3\); " + SHAPE),
        ([["positive", "neutral"]], r"of shape \(1, 2\); " + SHAPE, r"string of shape \(1, 2\); " + SHAPE),
        (np.zeros([2, 3, 1], "float32"), r"float32 of shape \(2, 3, 1\); " + SHAPE, r"float32 of shape \(2, 3, 1\); " + SHAPE),
        (np.zeros([2, 1, 3], "float32"), r"float32 of shape \(2, 1, 3\); " + SHAPE, r"float32 of shape \(2, 1, 3\); " + SHAPE),
        (1, r"int64 of shape \(\); " + SHAPE, r"int32 of shape \(\); " + SHAPE),
    ],
)
def test_labels_that_are_none_are_told(given, words, words_in_graph):
    with pytest.raises(ValueError, match=words):
        LABELS.encode(given)
    tensor = tf.constant(given)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=words_in_graph):
        LABELS.encode_in_graph(tensor)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=words_in_graph):
        next(iter(tf.data.Dataset.from_tensors(tensor).map(LABELS.encode_in_graph)))


def test_labels_in_memory_that_no_tensor_holds_are_told():
    with pytest.raises(ValueError, match="label 1 is None; the model's labels"):
        LABELS.encode(["positive", None])
    with pytest.raises(ValueError, match="rows of different lengths; expected one label a text"):
        LABELS.encode([["positive"], []])


def test_ids_beyond_what_a_small_type_counts_to():
    many = Labels([f"label {number}" for number in range(300)])
    for labels in (tf.constant([0, 127], tf.int8), tf.constant([255], tf.uint8)):
        np.testing.assert_array_equal(both_ways(many.encode_in_graph, labels), labels)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not in 0 to 299"):
        many.encode_in_graph(tf.constant([2**64 - 1], tf.uint64))
    with pytest.raises(ValueError, match=r"label 0 is 'label'; the model's labels are label 0, .*label 19, \.\.\.$"):
        many.encode(["label"])


@pytest.mark.parametrize(
    ("given", "shape", "expected"),
    [
        ([2, 1], None, [2, 1]),
        ([[2], [1]], None, [2, 1]),
        ([[2], [1]], [None, None], [2, 1]),
        (["neutral", "positive"], None, [2, 1]),
        (THIRDS, None, THIRDS),
        (THIRDS, [None, None], THIRDS),
    ],
)
def test_batches_whose_shape_is_not_known(given, shape, expected):
    """As tf.py_function and from_generator give them."""
    encode = tf.function(LABELS.encode_in_graph, input_signature=[tf.TensorSpec(shape, tf.constant(given).dtype)])
    np.testing.assert_array_equal(encode(tf.constant(given)), np.array(expected, "int32" if np.ndim(expected) == 1 else "float32"))


@pytest.mark.parametrize(("given", "words"), [([[2, 1]], "expected names or ids"), ([[0.5, 0.5]], "expected shape")])
def test_batches_whose_shape_is_not_known_are_checked(given, words):
    encode = tf.function(LABELS.encode_in_graph, input_signature=[tf.TensorSpec([None, None], tf.constant(given).dtype)])
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        encode(tf.constant(given))


# Several labels a text.


@pytest.mark.parametrize(
    "given",
    [
        [["sport", "art"], [], ["law"]],
        [("art", b"sport"), (), ("law", "law")],
        HOT,
        np.array(HOT, "bool"),
        np.array(HOT, "int8"),
        tf.constant(HOT, tf.float32),
        tf.ragged.constant([["sport", "art"], [], ["law"]]),
        np.array([["art", "sport"], ["", ""], ["law", ""]]),
        tf.constant([["art", "sport"], ["", ""], ["law", ""]]),
    ],
    ids=["names", "tuples", "rows", "bools", "ints", "tensor", "ragged", "padded", "padded_tensor"],
)
def test_several_labels_a_text(given):
    got = [TOPICS.encode_multi(given)]
    if isinstance(given, (np.ndarray, tf.Tensor, tf.RaggedTensor)):
        got.append(both_ways(TOPICS.encode_multi_in_graph, given if isinstance(given, tf.RaggedTensor) else tf.constant(given)))
    for array in got:
        np.testing.assert_array_equal(array, np.array(HOT, "float32"))
        assert array.dtype == "float32"


def test_several_labels_a_text_from_pandas():
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(TOPICS.encode_multi(pandas.Series([["art", "sport"], [], ["law"]])), HOT)
    np.testing.assert_array_equal(TOPICS.encode_multi(pandas.DataFrame({"law": [0, 0, 1], "art": [1, 0, 0], "sport": [1, 0, 0]})), HOT)


def test_texts_without_labels_and_shares():
    np.testing.assert_array_equal(TOPICS.encode_multi([[], []]), np.zeros([2, 3]))
    np.testing.assert_array_equal(TOPICS.encode_multi([[0.25, 1, 0]]), [[0.25, 1, 0]])
    np.testing.assert_array_equal(both_ways(TOPICS.encode_multi_in_graph, tf.constant([[0.25, 1, 0]])), [[0.25, 1, 0]])


FORMS = "expected lists of names, or rows of 3 numbers from 0 to 1"


@pytest.mark.parametrize(
    ("given", "words", "words_in_graph"),
    [
        ([["sport", "music"]], "label 0 is 'music'; the model's labels are sport, art, law", "a label is none of sport, art, law"),
        (
            ["sport", "art"],
            r"labels of text 0 are 'sport', one string; give a list of names: \['sport'\]",
            f"string of shape .2,.; {FORMS}",
        ),
        ([1, 0], f"labels of text 0 are 1; {FORMS}", f"int32 of shape .2,.; {FORMS}"),
        (np.array([1, 0]), rf"int64 of shape \(2,\); {FORMS}", f"int64 of shape .2,.; {FORMS}"),
        ([[0, 2, 1]], f"labels of text 0 have 2 for 'art'; {FORMS}", FORMS),
        ([[-1, 0, 1]], f"labels of text 0 have -1 for 'sport'; {FORMS}", FORMS),
        ([[0, 1, 0], [0, 0, np.nan]], f"labels of text 1 have nan for 'law'; {FORMS}", FORMS),
        ([[0, 1]], rf"labels of text 0 are \[0, 1\]; {FORMS}", "labels have 2 columns; the model has 3 labels"),
        (np.array([[0, 1]]), "labels have 2 columns; the model has 3 labels", "labels have 2 columns; the model has 3 labels"),
    ],
)
def test_several_labels_that_do_not_fit_are_told(given, words, words_in_graph):
    with pytest.raises(ValueError, match=words):
        TOPICS.encode_multi(given)
    tensor = tf.constant(given)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=words_in_graph):
        TOPICS.encode_multi_in_graph(tensor)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=words_in_graph):
        next(iter(tf.data.Dataset.from_tensors(tensor).map(TOPICS.encode_multi_in_graph)))


# Scores.


@pytest.mark.parametrize("given", [[0.5, -2.0], [[0.5], [-2.0]], np.array([[0.5], [-2]], "float64")])
def test_scores(given):
    for got in (encode_scores(given), both_ways(encode_scores_in_graph, tf.constant(given))):
        np.testing.assert_array_equal(got, np.array([0.5, -2], "float32"))
        assert got.dtype == "float32"


@pytest.mark.parametrize("given", [[1, 0], [[True], [False]]])
def test_scores_of_other_types(given):
    for got in (encode_scores(given), both_ways(encode_scores_in_graph, tf.constant(given))):
        np.testing.assert_array_equal(got, np.array([1, 0], "float32"))


@pytest.mark.parametrize(
    ("given", "words", "words_in_graph"),
    [
        ([0.5, np.nan], "score 1 is nan; expected a finite number", "a score is not a finite number"),
        (["0.5"], "score 0 is '0.5'; expected numbers", r"scores are string of shape \(1,\); expected numbers"),
        (
            np.zeros([2, 2]),
            r"scores are float64 of shape \(2, 2\); expected numbers, \[batch\] or \[batch, 1\]",
            r"float64 of shape \(2, 2\)",
        ),
    ],
)
def test_scores_that_are_none_are_told(given, words, words_in_graph):
    with pytest.raises(ValueError, match=words):
        encode_scores(given)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=words_in_graph):
        encode_scores_in_graph(tf.constant(given))


def test_a_score_that_is_missing_is_told():
    with pytest.raises(ValueError, match="score 1 is None"):
        encode_scores([0.5, None])


# One label, names, weights.


@pytest.mark.parametrize(
    ("names", "label", "expected"),
    [
        (["no", "yes"], "yes", 1),
        (["no", "yes"], b"yes", 1),
        (["1", "0"], 0, 1),
        (["1", "0"], 0.0, 1),
        (["1", "0"], "0", 1),
        (["True", "False"], False, 1),
    ],
)
def test_a_label_of_a_file(names, label, expected):
    assert Labels(names).id_of(label, "f.tsv:1") == expected


def test_a_label_of_a_file_that_is_none_is_told():
    with pytest.raises(ValueError, match=r"f\.tsv:7: unknown label 'maybe'; labels are no, yes"):
        Labels(["no", "yes"]).id_of("maybe", "f.tsv:7")


@pytest.mark.parametrize(("label", "expected"), [(3, 3), ("3", 3), (b"3", 3), (3.0, 3), (np.float32(3), 3), (True, 1)])
def test_a_label_that_is_its_own_id(label, expected):
    assert whole_number(label, "f.tsv:1") == expected


@pytest.mark.parametrize("label", [0.5, np.float32(0.5), "maybe", None, np.inf, np.nan, ""])
def test_a_label_that_is_no_whole_number_is_told(label):
    with pytest.raises(ValueError, match=r"f\.tsv:7: label .* is not a whole number; name the labels"):
        whole_number(label, "f.tsv:7")


@pytest.mark.parametrize("label", [-1, "-1", 2**31])
def test_a_whole_number_that_is_no_id_is_told(label):
    with pytest.raises(ValueError, match=r"f\.tsv:7: label -?\d+ is not in 0 to 2147483647"):
        whole_number(label, "f.tsv:7")


def test_weights_by_name_and_by_id():
    expected = {0: 1.0, 2: 5.0}
    for weights in ({"negative": 1.0, "neutral": 5}, {0: 1.0, 2: 5}, {np.int64(0): np.float32(1), "neutral": 5.0}):
        got = LABELS.class_weights(weights)
        assert got == expected
        assert {(type(key), type(value)) for key, value in got.items()} == {(int, float)}
    assert TRUTH.class_weights({True: 2.0}) == {0: 2.0}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"fine": 1.0}, "class_weight has 'fine'; the labels are negative, positive, neutral, or their ids 0 to 2"),
        ({3: 1.0}, "class_weight has 3; the labels"),
        ({1.5: 1.0}, "class_weight has 1.5; the labels"),
        ({"negative": 1.0, 0: 2.0}, "the label 'negative' twice, by name and by id"),
        ({"negative": "2"}, r"class_weight\['negative'\] is '2'; expected a number from 0"),
        ({"negative": -1.0}, r"class_weight\['negative'\] is -1.0"),
        ({"negative": np.nan}, r"class_weight\['negative'\] is nan"),
        ({"negative": np.inf}, r"class_weight\['negative'\] is inf"),
        ([1.0, 5.0], r"class_weight=\[1.0, 5.0\] is not a mapping of labels to weights, such as \{'negative': 1.0\}"),
    ],
)
def test_weights_that_do_not_fit_are_told(weights, words):
    with pytest.raises(ValueError, match=words):
        LABELS.class_weights(weights)


def test_names():
    assert check_labels(("b", "a")) == ["b", "a"]
    names = check_labels(np.array(["b", "a"]))
    assert [type(name) for name in names] == [str, str]
    assert check_labels(["a"], least=1) == ["a"]
    assert check_labels(name for name in "ab") == ["a", "b"]
    assert len(LABELS) == 3
    assert repr(Labels(["a", "b"])) == "Labels(['a', 'b'])"


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        ("positive", {}, r"labels='positive' is not a list of label names \(str\)"),
        ([0, 1], {}, r"labels=\[0, 1\] is not a list of label names"),
        (3, {}, "labels=3 is not a list"),
        (None, {}, "labels=None is not a list"),
        ({"a": 0, "b": 1}, {}, "labels={'a': 0, 'b': 1} is not a list"),
        ({"a"}, {}, "labels={'a'} is not a list"),
        (["a"], {}, r"labels=\['a'\]: a classifier chooses between 2 labels at least"),
        ([], {"least": 1}, r"labels=\[\]: give 1 at least"),
        (["a", "b", "a"], {}, r"labels=\['a', 'b', 'a'\] has 'a' twice"),
    ],
)
def test_names_that_do_not_fit_are_told(names, options, words):
    with pytest.raises(ValueError, match=words):
        check_labels(names, **options)
    with pytest.raises(ValueError, match=words):
        Labels(names, **options)


def test_in_memory_no_tensorflow_is_needed():
    program = "import sys; sys.modules['tensorflow'] = None; from keras_bert.labels import Labels; print(Labels(['a', 'b']).encode(['b']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "[1]\n", done.stderr


def test_names_with_zeros_and_ones_are_not_taken_for_lists_of_names():
    with pytest.raises(ValueError, match=r"labels of text 0 are \{'sport': 1, 'art': 0\}; expected lists of names"):
        TOPICS.encode_multi([{"sport": 1, "art": 0}])
