import gzip
import json

import pytest

from keras_bert.data import read_classification, read_labels


def rows(dataset):
    return [
        (tuple(part.decode() for part in x) if isinstance(x, tuple) else x.decode(), int(label)) for x, label in dataset.as_numpy_iterator()
    ]


def write(tmp_path, name, content):
    path = tmp_path / name
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


TSV = 'good "film\t1\nbad\t0\n'
CSV = 'text,label\n"good, ""really""\nfilm",yes\nbad,no\n'
JSONL = '{"a": "good", "b": "bad", "gold": 1}\n\n{"a": "x", "b": "y", "gold": 0}\n'


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_tsv_has_no_quoting(tmp_path, ending):
    assert rows(read_classification(write(tmp_path, "f.tsv" + ending, TSV))) == [('good "film', 1), ("bad", 0)]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_csv_by_name_with_labels(tmp_path, ending):
    path = write(tmp_path, "f.csv" + ending, CSV)
    dataset = read_classification(path, text_columns=("text",), label_column="label", labels=["no", "yes"])
    assert rows(dataset) == [('good, "really"\nfilm', 1), ("bad", 0)]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_jsonl_pairs(tmp_path, ending):
    path = write(tmp_path, "f.jsonl" + ending, JSONL)
    assert rows(read_classification(path, text_columns=("a", "b"), label_column="gold")) == [(("good", "bad"), 1), (("x", "y"), 0)]


def test_elements_are_unbatched_strings_and_int32(tmp_path):
    spec = read_classification(write(tmp_path, "f.tsv", TSV)).element_spec
    assert [(part.dtype.name, part.shape.rank) for part in spec] == [("string", 0), ("int32", 0)]


def test_header_true_skips_the_names_of_columns_given_by_index(tmp_path):
    path = write(tmp_path, "f.tsv", "text\tlabel\r\ngood\t1\r\n")
    assert rows(read_classification(path, header=True)) == [("good", 1)]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    path = write(tmp_path, "f.csv", b"\xef\xbb\xbf" + CSV.encode())
    assert len(rows(read_classification(path, text_columns="text", label_column="label", labels=["no", "yes"]))) == 2


def test_a_text_longer_than_the_csv_module_s_limit(tmp_path):
    import csv

    limit = csv.field_size_limit()
    path = write(tmp_path, "f.csv", "x" * 200_000 + ",1\n")
    assert len(rows(read_classification(path))[0][0]) == 200_000
    assert csv.field_size_limit() == limit


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
    import numpy as np

    assert rows(read_classification((np.array(["a", "b"]), np.array([1, 0])))) == [("a", 1), ("b", 0)]


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("f.tsv", "good\t1\nbad\n", {}, r"f\.tsv:2: no column 1; the line has 1 columns"),
        ("f.tsv", "good\tpositive\n", {}, r"f\.tsv:1: label 'positive' is not a whole number"),
        ("f.tsv", "good\t-1\n", {}, r"f\.tsv:1: label -1"),
        ("f.tsv", "good\t1\nbad\tmaybe\n", {"labels": ["0", "1"]}, r"f\.tsv:2: unknown label 'maybe'; labels are 0, 1"),
        ("f.tsv", b"good\t1\nb\xe9d\t0\n", {}, r"f\.tsv:2: not UTF-8 .*iconv"),
        ("f.tsv", "", {}, r"f\.tsv holds no examples"),
        ("f.tsv", "text\tlabel\n", {"header": True}, r"f\.tsv holds no examples"),
        (
            "f.csv",
            CSV,
            {"text_columns": ("review",), "label_column": "label"},
            r"f\.csv:1: no column 'review'; the header names text, label",
        ),
        ("f.csv", "a,b\n", {"header": True, "label_column": 5}, r"f\.csv:1: no column 5; the header has 2"),
        ("f.csv", 'good,1\n"x\ny",0\n"open,1\n', {}, r"f\.csv:4: broken CSV"),
        ("f.csv", 'good,1\n"x\ny",0\nz,q\n', {}, r"f\.csv:4: label 'q'"),
        ("f.csv", CSV, {"text_columns": ("text",), "header": False}, "header=False"),
        ("f.jsonl", '{"a": 1}\n{"a"\n', {"text_columns": "a", "label_column": "a"}, r"f\.jsonl:1: column 'a' is 1, a int; expected text"),
        ("f.jsonl", '{"a": "x", "l": 1}\n{"a"\n', {"text_columns": "a", "label_column": "l"}, r"f\.jsonl:2: not JSON"),
        ("f.jsonl", '{"a": "x"}\n', {"text_columns": "a", "label_column": "l"}, r"f\.jsonl:1: no column 'l'; the line has a"),
        ("f.jsonl", '{"a": "x", "l": 0.5}\n', {"text_columns": "a", "label_column": "l"}, r"f\.jsonl:1: label 0\.5"),
        ("f.jsonl", '["x", Infinity]\n', {}, r"f\.jsonl:1: label inf"),
        ("f.jsonl", '["\\ud800 x", 1]\n', {}, r"f\.jsonl:1: column 0 has no UTF-8"),
        ("f.jsonl", "3\n", {}, r"f\.jsonl:1: a JSON int"),
        ("f.jsonl", '["x", 1]\n', {"header": True}, "header=True"),
        ("f.xlsx", "x", {}, r"'\.xlsx' is none of"),
        ("f.tsv", TSV, {"text_columns": (0, 1, 2)}, "a text has 1 column, a pair 2"),
    ],
)
def test_a_bad_row_is_told_by_file_and_line(tmp_path, name, content, options, words):
    path = write(tmp_path, name, content)
    with pytest.raises(ValueError, match=words):
        read_classification(path, **options)


def test_a_file_that_is_cut_off_or_no_gzip_is_named(tmp_path):
    whole = gzip.compress(TSV.encode() * 1000)
    damaged = whole[:30] + bytes(byte ^ 0xFF for byte in whole[30:60]) + whole[60:]
    for content in (whole[: len(whole) // 2], b"no gzip", damaged):
        (tmp_path / "f.tsv.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"f\.tsv\.gz:\d+: cannot be read on"):
            read_classification(tmp_path / "f.tsv.gz")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.tsv"):
        read_classification(tmp_path / "nowhere.tsv")


@pytest.mark.parametrize(
    ("source", "words"),
    [((["a", "b"], [1]), "2, 1 rows"), ((["a"],), "no 1; they have 0"), ((["a", 7], [0, 1]), "row 1: column 0 is 7")],
)
def test_bad_columns_in_memory_are_told(source, words):
    with pytest.raises(ValueError, match=words):
        read_classification(source)


@pytest.fixture(scope="session")
def tfds_data_dir(tmp_path_factory):
    """A data set of tensorflow-datasets, prepared from a local file by a builder of its own, as users' are."""
    import tensorflow_datasets as tfds

    tmp_path = tmp_path_factory.mktemp("tfds")
    (tmp_path / "manual").mkdir()
    rows = [("good", "b1", "yes"), ("bad", "b2", "no"), ("fine", "b3", "yes")]
    (tmp_path / "manual" / "rows.json").write_text(json.dumps(rows))

    class LocalReviews(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        MANUAL_DOWNLOAD_INSTRUCTIONS = "rows.json"

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(
                    {
                        "text": tfds.features.Text(),
                        "more": tfds.features.Text(),
                        "label": tfds.features.ClassLabel(names=["no", "yes"]),
                    }
                ),
                supervised_keys=("text", "label"),
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(dl_manager.manual_dir), "test": self._unlabelled_examples()}

        def _unlabelled_examples(self):
            yield 0, {"text": "good", "more": "b", "label": -1}  # as the test sets of GLUE

        def _generate_examples(self, folder):
            for key, (text, more, label) in enumerate(json.loads((folder / "rows.json").read_text())):
                yield key, {"text": text, "more": more, "label": label}

    builder = LocalReviews(data_dir=str(tmp_path / "tfds"))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=str(tmp_path / "manual")))
    return str(tmp_path / "tfds")


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


def test_tfds_names_what_is_missing(tfds_data_dir):
    with pytest.raises(ValueError, match="no feature 'review'; it has"):
        read_classification("tfds:local_reviews", text_columns="review", label_column="label", data_dir=tfds_data_dir)
    with pytest.raises(ValueError, match="no split 'validation'; it has train, test"):
        read_classification("tfds:local_reviews", split="validation", data_dir=tfds_data_dir)


@pytest.mark.parametrize("labels", [None, ["no", "yes"]])
def test_tfds_without_labels_is_told(tfds_data_dir, labels):
    with pytest.raises(ValueError, match="split test, row 0: label -1: the split has no labels"):
        read_classification("tfds:local_reviews", split="test", labels=labels, data_dir=tfds_data_dir)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [("a\tno\nb\tyes\nc\tno\n", ["no", "yes"]), ("a\t3\nb\t0\n", ["0", "1", "2", "3"])],
    ids=["names", "numbers"],
)
def test_read_labels(tmp_path, rows, expected):
    path = tmp_path / "train.tsv"
    path.write_text(rows)
    assert read_labels(path) == expected
    columns = [line.split("\t") for line in rows.splitlines()]
    assert read_labels(tuple(zip(*columns, strict=True))) == expected
