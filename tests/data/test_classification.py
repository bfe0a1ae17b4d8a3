"""read_classification and read_labels; what they share with every reader of tables is in test_tables.py."""

import numpy as np
import pytest

from keras_bert.data import read_classification, read_labels


def rows(dataset):
    return [
        (tuple(part.decode() for part in x) if isinstance(x, tuple) else x.decode(), int(label)) for x, label in dataset.as_numpy_iterator()
    ]


TSV = 'good "film\t1\nbad\t0\n'
CSV = 'text,label\n"good, ""really""\nfilm",yes\nbad,no\n'
JSONL = '{"a": "good", "b": "bad", "gold": 1}\n\n{"a": "x", "b": "y", "gold": 0}\n'


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_tsv_has_no_quoting(write, ending):
    assert rows(read_classification(write("f.tsv" + ending, TSV))) == [('good "film', 1), ("bad", 0)]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_csv_by_name_with_labels(write, ending):
    path = write("f.csv" + ending, CSV)
    dataset = read_classification(path, text_columns=("text",), label_column="label", labels=["no", "yes"])
    assert rows(dataset) == [('good, "really"\nfilm', 1), ("bad", 0)]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_jsonl_pairs(write, ending):
    path = write("f.jsonl" + ending, JSONL)
    assert rows(read_classification(path, text_columns=("a", "b"), label_column="gold")) == [(("good", "bad"), 1), (("x", "y"), 0)]


def test_elements_are_unbatched_strings_and_int32(write):
    spec = read_classification(write("f.tsv", TSV)).element_spec
    assert [(part.dtype.name, part.shape.rank) for part in spec] == [("string", 0), ("int32", 0)]


def test_the_committed_data(root):
    path = root / "examples" / "data" / "sentence_polarity" / "test.tsv.gz"
    dataset = read_classification(path, text_columns=(1,), label_column=0)
    assert int(dataset.cardinality()) == 1000
    assert {label for _, label in rows(dataset)} == {0, 1}


def test_columns_in_memory():
    assert rows(read_classification((["a", "b"], [1, 0]))) == [("a", 1), ("b", 0)]
    mapping = {"first": ["a"], "second": ["b"], "gold": ["no"]}
    pairs = read_classification(mapping, text_columns=("first", "second"), label_column="gold", labels=["yes", "no"])
    assert rows(pairs) == [(("a", "b"), 1)]


def test_numpy_columns():
    assert rows(read_classification((np.array(["a", "b"]), np.array([1, 0])))) == [("a", 1), ("b", 0)]
    assert rows(read_classification((np.array(["a", "b"]), np.array([1.0, 0.0], "float32")))) == [("a", 1), ("b", 0)]


def test_a_pandas_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["a", "b"], "label": ["yes", "no"], "id": [1.0, 0.0]})
    assert rows(read_classification(frame, text_columns="text", label_column="label", labels=["no", "yes"])) == [("a", 1), ("b", 0)]
    assert rows(read_classification(frame, text_columns="text", label_column="id")) == [("a", 1), ("b", 0)]
    assert read_labels(frame, label_column="label") == ["no", "yes"]
    assert read_labels(frame, label_column="id") == ["0", "1"]


def test_format_says_what_the_ending_does_not(write):
    path = write("f.txt", TSV)
    assert rows(read_classification(path, format="tsv")) == [('good "film', 1), ("bad", 0)]
    assert read_labels(path, format="tsv") == ["0", "1"]
    for read in (read_classification, read_labels):
        with pytest.raises(ValueError, match=r"the ending '\.txt' is none of .*format="):
            read(path)


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("f.tsv", "good\tpositive\n", {}, r"f\.tsv:1: label 'positive' is not a whole number; name the labels with labels=\[\.\.\.\]$"),
        ("f.tsv", "good\t-1\n", {}, r"f\.tsv:1: label -1"),
        ("f.tsv", "good\t1\nbad\tmaybe\n", {"labels": ["0", "1"]}, r"f\.tsv:2: unknown label 'maybe'; labels are 0, 1"),
        ("f.csv", 'good,1\n"x\ny",0\nz,q\n', {}, r"f\.csv:4: label 'q'"),
        ("f.jsonl", '{"a": 1}\n{"a"\n', {"text_columns": "a", "label_column": "a"}, r"f\.jsonl:1: column 'a' is 1, a int; expected text"),
        ("f.jsonl", '{"a": "x", "l": 0.5}\n', {"text_columns": "a", "label_column": "l"}, r"f\.jsonl:1: label 0\.5"),
        ("f.jsonl", '["x", Infinity]\n', {}, r"f\.jsonl:1: label inf"),
        ("f.jsonl", '["\\ud800 x", 1]\n', {}, r"f\.jsonl:1: column 0 has no UTF-8"),
        ("f.tsv", "", {}, r"there are no examples in .*f\.tsv"),
        ("f.tsv", TSV, {"text_columns": (0, 1, 2)}, "a text has 1 column, a pair 2"),
        ("f.tsv", TSV, {"labels": ["0", "1", "0"]}, "has '0' twice"),
    ],
)
def test_a_bad_row_is_told_by_file_and_line(write, name, content, options, words):
    path = write(name, content)
    with pytest.raises(ValueError, match=words):
        read_classification(path, **options)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("text\tlabel\ngood\t1\n", {}, "label 'label' is not a whole number; .*"),
        ("x\ty\ngood\t1\n", {}, "label 'y' is not a whole number; .*"),
        ("text\tlabel\ngood\tyes\n", {}, "label 'label' is not a whole number; .*"),
        ("x\ty\ngood\tyes\n", {"labels": ["no", "yes"]}, "unknown label 'y'; labels are no, yes"),
    ],
)
def test_a_header_read_as_data_is_told_with_the_mend(write, content, options, words):
    path = write("f.tsv", content)
    with pytest.raises(ValueError, match=rf"f\.tsv:1: {words}; if the first row names the columns, say header=True$"):
        read_classification(path, **options)


def test_bad_columns_in_memory_are_told():
    with pytest.raises(ValueError, match="row 1: column 0 is 7"):
        read_classification((["a", 7], [0, 1]))


def test_tfds_by_supervised_keys(tfds_data_dir):
    dataset = read_classification("tfds:local_reviews", data_dir=tfds_data_dir)
    assert sorted(rows(dataset)) == [("bad", 0), ("fine", 1), ("good", 1)]


def test_tfds_pairs_by_name_and_labels_in_another_order(tfds_data_dir):
    dataset = read_classification(
        "tfds:local_reviews", text_columns=("text", "more"), label_column="label", labels=["yes", "no"], data_dir=tfds_data_dir
    )
    assert sorted(rows(dataset)) == [(("bad", "b2"), 1), (("fine", "b3"), 0), (("good", "b1"), 0)]


def test_tfds_label_names(tfds_data_dir):
    assert read_labels("tfds:local_reviews", data_dir=tfds_data_dir) == ["no", "yes"]
    assert read_labels("tfds:local_reviews", label_column="label", data_dir=tfds_data_dir) == ["no", "yes"]


@pytest.mark.parametrize("labels", [None, ["no", "yes"]])
def test_tfds_without_labels_is_told(tfds_data_dir, labels):
    with pytest.raises(ValueError, match="split test, row 0: label -1: the split has no labels"):
        read_classification("tfds:local_reviews", split="test", labels=labels, data_dir=tfds_data_dir)


@pytest.mark.parametrize(
    ("content", "expected"),
    [("a\tno\nb\tyes\nc\tno\n", ["no", "yes"]), ("a\t3\nb\t0\n", ["0", "1", "2", "3"])],
    ids=["names", "numbers"],
)
def test_read_labels(write, content, expected):
    assert read_labels(write("train.tsv", content)) == expected
    columns = [line.split("\t") for line in content.splitlines()]
    assert read_labels(tuple(zip(*columns, strict=True))) == expected


@pytest.mark.parametrize("content", ["text\tlabel\na\tno\n", "x\ty\na\t0\nb\t1\n"])
def test_a_header_does_not_become_a_label(write, content):
    path = write("train.tsv", content)
    with pytest.raises(
        ValueError, match=r"train\.tsv: the first row's label '(label|y)' looks like the name of a column; say header=True, or"
    ):
        read_labels(path)
    assert read_labels(path, header=True) in (["no"], ["0", "1"])
    assert len(read_labels(path, header=False)) == len(read_labels(path, header=True)) + 1


@pytest.mark.parametrize("content", ["a\tlabel\nb\tno\nc\tlabel\n", "a\ty\nb\tn\n", "a\t0\nb\tx\n", "a\tx\n"])
def test_labels_that_are_no_header(write, content):
    assert read_labels(write("train.tsv", content)) == sorted({line.split("\t")[1] for line in content.splitlines()})


MULTI, NUMBERS = {"problem_type": "multi_label_classification"}, {"problem_type": "regression"}


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("f.tsv", "a film\tart, sport\nno\t\nrace\tsport\n", {}),
        ("f.tsv", "a film\tart|sport\nno\t\nrace\tsport\n", {"separator": "|"}),
        ("f.csv", 'a film,"sport,art"\nno,\nrace,sport\n', {}),
        ("f.jsonl", '["a film", ["art", "sport"]]\n["no", []]\n["race", "sport"]\n', {}),
    ],
)
def test_several_labels_a_text(write, name, content, options):
    path = write(name, content)
    assert read_labels(path, **MULTI, **options) == ["art", "sport"]
    dataset = read_classification(path, labels=["sport", "art"], **MULTI, **options)
    assert [(x.decode(), label.tolist()) for x, label in dataset.as_numpy_iterator()] == [
        ("a film", [1, 1]),
        ("no", [0, 0]),
        ("race", [1, 0]),
    ]


def test_numbers_as_targets(write):
    dataset = read_classification(write("f.tsv", "2.5\ta\tb\n-1e2\tc\td\n"), text_columns=(1, 2), label_column=0, **NUMBERS)
    assert [float(label) for _, label in dataset.as_numpy_iterator()] == [2.5, -100]
    assert dataset.element_spec[1].dtype.name == "float32"
    lists = read_classification((["a", "b"], [["x"], []]), labels=["y", "x"], **MULTI)
    assert [label.tolist() for _, label in lists.as_numpy_iterator()] == [[0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("f.tsv", "a\t1.5\nb\tnan\n", NUMBERS, r"f\.tsv:2: 'nan' is not a finite number"),
        ("f.tsv", "a\t1.5\nb\thigh\n", NUMBERS, r"f\.tsv:2: 'high' is not a finite number"),
        ("f.jsonl", '["a", 1.5]\n["b", null]\n', NUMBERS, r"f\.jsonl:2: None is not a finite number"),
        ("f.tsv", "a\tart\nb\tart,film\n", MULTI | {"labels": ["art"]}, r"f\.tsv:2: unknown label 'film'; labels are art"),
        ("f.jsonl", '["a", 7]\n', MULTI | {"labels": ["art"]}, r"f\.jsonl:1: labels 7 are neither a list nor a text with ',' between"),
        ("f.tsv", "a\tart\n", MULTI, "the names are wanted: labels="),
        ("f.tsv", "a\tart\n", {"problem_type": "multi_label"}, "problem_type='multi_label' is not one of single_label_classification"),
    ],
)
def test_a_bad_target_is_told_by_file_and_line(write, name, content, options, words):
    with pytest.raises(ValueError, match=words):
        read_classification(write(name, content), **options)


def test_names_with_zeros_and_ones_are_not_taken_for_lists_of_names():
    with pytest.raises(ValueError, match=r"row 0: labels \{'sport': 1, 'art': 0\} are neither a list nor a text"):
        read_classification((["a race"], [{"sport": 1, "art": 0}]), labels=["sport", "art"], problem_type="multi_label_classification")
