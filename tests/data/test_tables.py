import csv
import gzip
import itertools

import numpy as np
import pytest

from keras_bert.data.tables import check_text, is_column_name, is_tfds, may_start_with_header, read_rows

TSV = 'good "film\t1\nbad\t0\n'
CSV = 'text,label\n"good, ""really""\nfilm",yes\nbad,no\n'
JSONL = '{"a": "good", "n": [1, 2], "gold": 1}\n\n{"a": "x", "n": null, "gold": 0.5}\n'


def values(*arguments, **options):
    return [row for _, row in read_rows(*arguments, **options)]


def count_letters(place, row):
    """A read_row whose second column has to be the number of letters of the first."""
    text, number = row
    if str(len(text)) != number:
        raise ValueError(f"{place}: {number} is not the length of {text!r}")
    return text, int(number)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_rows_and_places_of_files(write, ending):
    tsv, table, jsonl = write("f.tsv" + ending, TSV), write("f.csv" + ending, CSV), write("f.jsonl" + ending, JSONL)
    assert list(read_rows(tsv, (1, 0))) == [(f"{tsv}:1", ["1", 'good "film']), (f"{tsv}:2", ["0", "bad"])]
    assert list(read_rows(str(table), ("label", "text"))) == [
        (f"{table}:2", ["yes", 'good, "really"\nfilm']),
        (f"{table}:4", ["no", "bad"]),
    ]
    assert list(read_rows(jsonl, ("gold", "n"))) == [(f"{jsonl}:1", [1, [1, 2]]), (f"{jsonl}:3", [0.5, None])]


def test_rows_are_read_one_after_the_other(write):
    rows = read_rows(write("f.tsv", "good\nb\xe9d\n".encode("latin-1")), (0,))
    assert next(rows)[1] == ["good"]
    with pytest.raises(ValueError, match=r"f\.tsv:2: not UTF-8"):
        next(rows)


def test_a_function_of_place_and_values_makes_the_rows(write):
    assert list(read_rows(write("f.tsv", "abc\t3\nd\t1\n"), (0, 1), count_letters)) == [("abc", 3), ("d", 1)]


def test_columns_in_memory():
    assert list(read_rows((["a", "b"], np.array([1, 0])), (0, 1))) == [("row 0", ["a", 1]), ("row 1", ["b", 0])]
    assert type(values((np.array([1]),), (0,))[0][0]) is int
    mapping = {"first": ["a", "b"], "answers": [["x", "y"], []]}
    assert values(mapping, ("answers", "first")) == [[["x", "y"], "a"], [[], "b"]]
    arrays = values(([np.array([1, 2]), np.array([3])],), (0,))
    assert [array.tolist() for (array,) in arrays] == [[1, 2], [3]]


def test_a_pandas_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["a", "b"], "label": [1, 0]}, index=[5, 3])
    assert list(read_rows(frame, ("label", "text"))) == [("row 0", [1, "a"]), ("row 1", [0, "b"])]
    with pytest.raises(ValueError, match="the given columns have no 'gold'; they have text, label"):
        list(read_rows(frame, ("gold",)))


def test_what_stands_in_for_a_frame():
    """pandas is no dependency: whatever has `columns` and gives each by its name is read."""

    class Frame:
        columns = ("text", "label")

        def __getitem__(self, name):
            return {"text": ["a", "b"], "label": [1, 0]}[name]

    assert values(Frame(), ("label", "text")) == [[1, "a"], [0, "b"]]


@pytest.mark.parametrize("name", ["f.txt", "f", "f.txt.gz", "f.csv", "f.TSV"])
def test_format_says_what_the_ending_does_not(write, name):
    assert values(write(name, TSV), (0, 1), format="tsv") == [['good "film', "1"], ["bad", "0"]]


def test_the_other_formats(write):
    assert values(write("f.txt", CSV), ("label",), format="csv") == [["yes"], ["no"]]
    assert values(write("f.json", JSONL), ("a",), format="jsonl") == [["good"], ["x"]]
    assert values(write("f.ndjson", JSONL), ("a",)) == [["good"], ["x"]]


def test_header_true_skips_the_names_of_columns_given_by_index(write):
    assert values(write("f.tsv", "text\tlabel\r\ngood\t1\r\n"), (0, 1), header=True) == [["good", "1"]]


@pytest.mark.parametrize("options", [{}, {"format": "csv"}])
def test_a_byte_order_mark_is_no_part_of_the_first_name(write, options):
    path = write("f.csv", b"\xef\xbb\xbf" + CSV.encode())
    assert values(path, ("text", "label"), **options)[1] == ["bad", "no"]
    assert values(path, (0,), **options)[0] == ["text"]


def test_a_text_longer_than_the_csv_module_s_limit(write):
    limit = csv.field_size_limit()
    short, long = write("short.csv", "a\n"), write("long.csv", "x\n" + "x" * 200_000 + "\n")
    side_by_side = list(itertools.zip_longest(read_rows(short, (0,)), read_rows(long, (0,))))
    assert len(side_by_side[1][1][1][0]) == 200_000
    rows = read_rows(long, (0,))
    next(rows)
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("name", "content", "columns", "options", "words"),
    [
        ("f.tsv", "good\t1\nbad\n", (0, 1), {}, r"f\.tsv:2: no column 1; the line has 1 columns"),
        ("f.tsv", b"good\t1\nb\xe9d\t0\n", (0,), {}, r"f\.tsv:2: not UTF-8 .*iconv"),
        ("f.tsv", "", (0,), {}, r"there are no examples in .*f\.tsv"),
        ("f.tsv", "text\tlabel\n", (0,), {"header": True}, r"there are no examples in .*f\.tsv"),
        ("f.tsv", TSV, None, {}, r"columns=None takes the supervised keys of a tfds data set, and .*f\.tsv has none; name the columns"),
        ("f.csv", CSV, ("review",), {}, r"f\.csv:1: no column 'review'; the header names text, label"),
        ("f.csv", "a,b\n", (5,), {"header": True}, r"f\.csv:1: no column 5; the header has 2"),
        ("f.csv", 'good,1\n"x\ny",0\n"open,1\n', (0,), {}, r"f\.csv:4: broken CSV"),
        ("f.csv", 'good,1\n"x\ny",0\nz\n', (1,), {}, r"f\.csv:4: no column 1"),
        ("f.csv", CSV, ("text",), {"header": False}, "header=False says that the file has no names"),
        ("f.jsonl", '{"a": "x"}\n{"a"\n', ("a",), {}, r"f\.jsonl:2: not JSON"),
        ("f.jsonl", '{"a": "x"}\n', ("l",), {}, r"f\.jsonl:1: no column 'l'; the line has a"),
        ("f.jsonl", '["x", 1]\n', (2,), {}, r"f\.jsonl:1: no column 2; the line has 2 items"),
        ("f.jsonl", "3\n", (0,), {}, r"f\.jsonl:1: a JSON int"),
        ("f.jsonl", '["x", 1]\n', (0,), {"header": True}, "header=True, but a .jsonl file names its columns in every line"),
        ("f.xlsx", "x", (0,), {}, r"'\.xlsx' is none of \.tsv, \.csv, \.jsonl .*; say what .* by format=\"tsv\", \"csv\" or \"jsonl\""),
        ("f", "x", (0,), {}, "f: the ending '' is none of .*format="),
        ("f.tsv", TSV, (0,), {"format": "xml"}, "format='xml' is none of tsv, csv, jsonl"),
    ],
)
def test_a_bad_file_is_told_by_name_and_line(write, name, content, columns, options, words):
    path = write(name, content)
    with pytest.raises(ValueError, match=words):
        list(read_rows(path, columns, **options))


def test_a_file_that_is_cut_off_or_no_gzip_is_named(write, tmp_path):
    whole = gzip.compress(TSV.encode() * 1000)
    damaged = whole[:30] + bytes(byte ^ 0xFF for byte in whole[30:60]) + whole[60:]
    for content in (whole[: len(whole) // 2], b"no gzip", damaged):
        (tmp_path / "f.tsv.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"f\.tsv\.gz:\d+: cannot be read on"):
            list(read_rows(tmp_path / "f.tsv.gz", (0,)))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.tsv"):
        list(read_rows(tmp_path / "nowhere.tsv", (0,)))


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ((["a", "b"], [1]), {}, "differ in length: 2, 1 rows"),
        ((["a"],), {}, "the given columns have no 1; they have 0"),
        (([], []), {}, "there are no examples in the given columns"),
        ((["a"], [1]), {"format": "tsv"}, "format='tsv' is for files, and the given columns is none"),
        ("tfds:some", {"format": "tsv"}, "format='tsv' is for files, and tfds:some, split train is none"),
    ],
)
def test_bad_columns_in_memory_are_told(source, options, words):
    with pytest.raises(ValueError, match=words):
        list(read_rows(source, (0, 1), **options))


# A first row that is a header.

HINT = r"f\.tsv:1: .* is not the length of .*; if the first row names the columns, say header=True$"


@pytest.mark.parametrize("content", ["x\ty\nabc\t3\n", "Sentence\tx\nabc\t7\n", "word\tlabel\n"])
def test_an_error_of_a_first_row_that_looks_like_a_header_names_header_true(write, content):
    with pytest.raises(ValueError, match=HINT):
        list(read_rows(write("f.tsv", content), (0, 1), count_letters))
    with pytest.raises(ValueError, match=HINT.replace("tsv", "txt")):
        list(read_rows(write("f.txt", content), (0, 1), count_letters, format="tsv"))


@pytest.mark.parametrize(
    ("name", "content", "columns", "options"),
    [
        ("f.tsv", "x\ty\nabc\t7\n", (0, 1), {}),
        ("f.tsv", "x\ty\n", (0, 1), {}),
        ("f.tsv", "x\ty\n" + "abc\n", (0, 1), {}),
        ("f.tsv", "abc\t3\nx\ty\nd\t1\n", (0, 1), {}),
        ("f.tsv", "text\tlabel\nabc\t3\n", (0, 1), {"header": False}),
        ("f.tsv", "a\tb\ntext\tlabel\nabc\t3\n", ("a", "b"), {}),
        ("f.jsonl", '["text", "label"]\n["abc", "3"]\n', (0, 1), {}),
    ],
    ids=["second_is_bad_too", "one_row", "second_is_short", "later_row", "header_false", "by_name", "jsonl"],
)
def test_other_errors_do_not(write, name, content, columns, options):
    with pytest.raises(ValueError, match=r"is not the length of '\w+'$"):
        list(read_rows(write(name, content), columns, count_letters, **options))


def test_which_sources_may_start_with_a_header(tmp_path):
    for source in ("f.tsv", tmp_path / "f.csv.gz"):
        assert may_start_with_header(source, (0, 1))
    assert may_start_with_header("f.txt", (0,), format="tsv")
    for source, columns, options in (
        ("f.tsv", (0, "label"), {}),
        ("f.tsv", (0,), {"header": True}),
        ("f.tsv", (0,), {"header": False}),
        ("f.txt", (0,), {}),
        ("f.jsonl", (0,), {}),
        ("f.tsv", (0,), {"format": "jsonl"}),
        ("tfds:some", (0,), {}),
        ((["a"],), (0,), {}),
    ):
        assert not may_start_with_header(source, columns, **options)
    assert [is_column_name(value) for value in ("label", " Gold_Label", "SENTENCE1", "positive", 1)] == [True, True, True, False, False]
    assert [is_tfds(source) for source in ("tfds:some", "f.tsv", tmp_path, (["a"],))] == [True, False, False, False]


def test_what_is_no_text_is_told():
    for text in ("日本語", b"bytes", ""):
        check_text(text, "f:1", "text")
    with pytest.raises(ValueError, match="f:1: column 'text' is 3, a int; expected text"):
        check_text(3, "f:1", "text")
    with pytest.raises(ValueError, match="f:1: column 0 has no UTF-8: surrogates not allowed at character 1"):
        check_text("a\ud800", "f:1", 0)


# tensorflow-datasets.


def test_tfds_by_supervised_keys_and_by_name(tfds_data_dir):
    rows = list(read_rows("tfds:local_reviews", None, data_dir=tfds_data_dir))
    assert sorted(row for _, row in rows) == [[b"bad", 0], [b"fine", 1], [b"good", 1]]
    assert {place for place, _ in rows} == {f"tfds:local_reviews, split train, row {number}" for number in range(3)}
    by_name = values("tfds:local_reviews", ("label", "more"), class_names=True, data_dir=tfds_data_dir)
    assert sorted(by_name) == [["no", b"b2"], ["yes", b"b1"], ["yes", b"b3"]]


def test_tfds_names_what_is_missing(tfds_data_dir):
    with pytest.raises(ValueError, match="tfds:local_reviews has no feature 'review'; it has"):
        list(read_rows("tfds:local_reviews", ("review",), data_dir=tfds_data_dir))
    with pytest.raises(ValueError, match="no split 'validation'; it has train, test"):
        list(read_rows("tfds:local_reviews", None, split="validation", data_dir=tfds_data_dir))


@pytest.mark.parametrize("class_names", [False, True])
def test_tfds_without_labels_is_told(tfds_data_dir, class_names):
    with pytest.raises(ValueError, match=r"split test, row 0: label -1: the split has no labels \(is it a test set's\?\)"):
        list(read_rows("tfds:local_reviews", None, split="test", class_names=class_names, data_dir=tfds_data_dir))
    assert values("tfds:local_reviews", ("text",), split="test", data_dir=tfds_data_dir) == [[b"good"]]
