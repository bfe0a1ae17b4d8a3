"""Tagged sentences: read from files of a word a line, JSON lines, memory and tensorflow-datasets, and written."""

import gzip

import numpy as np
import pytest
import tensorflow as tf

from keras_bert.data import conll_sentences, read_conll, read_tags, write_conll

TWO = [(["Ban", "flew"], ["B-PER", "O"]), (["Paris"], ["B-LOC"])]
TAB = "Ban\tB-PER\nflew\tO\n\nParis\tB-LOC\n"
CONLL_2003 = "-DOCSTART- -X- -X- O\n\nBan NNP I-NP I-PER\nflew VBD I-VP O\n\nParis NNP I-NP I-LOC\n\n"
PLUS = """# global.columns = ID FORM UPOS NER
# newdoc
# text = Ban du flew
1\tBan\tPROPN\tB-PER
2-3\tdu\t_\t_
2\tflew\tVERB\tO
2.1\tsaid\tVERB\tO

# text = Paris
1\tParis\tPROPN\tB-LOC
"""
CONLLU = """# sent_id = 1
1\tBan\tBan\tPROPN\t_\t_\t2\tnsubj\t_\tB-PER
2\tflew\tfly\tVERB\t_\t_\t0\troot\t_\tO

1\tParis\tParis\tPROPN\t_\t_\t0\troot\t_\tB-LOC
"""
JSONL = '{"id": 1, "tokens": ["Ban", "flew"], "tags": ["B-PER", "O"]}\n{"id": 2, "tokens": ["Paris"], "tags": ["B-LOC"]}\n'


def examples(dataset):
    return [([word.decode() for word in x["words"]], tags.tolist()) for x, tags in dataset.as_numpy_iterator()]


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("f.conll", TAB, {}),
        ("f.tsv.gz", TAB, {}),
        ("f.txt", TAB.replace("\n", "\r\n"), {}),
        ("f", b"\xef\xbb\xbf" + TAB.encode(), {}),
        ("f", TAB.replace("\t", " "), {}),
        ("f", TAB.replace("\t", "   ") + " \n\n", {}),
        ("f", TAB.replace("\t", "|"), {"separator": "|"}),
        ("f", TAB.replace("\n\n", "\n\t\n \n"), {}),  # as in WNUT-17
        ("f", TAB.replace("O\n", "O\t\n"), {}),
        ("f", "".join(line and f"{line.split()[1]}\t{line.split()[0]}\n" for line in ["Ban\tB-PER", "flew\tO"]), {"flip": True}),
        ("f", CONLL_2003, {}),
        ("f", CONLL_2003, {"word_column": -4, "tag_column": 3}),
        ("f", "token pos tag\n" + TAB.replace("\t", " X "), {"header": True}),
        ("f", "token pos tag\n" + TAB.replace("\t", " X "), {"word_column": "token", "tag_column": "tag"}),
        ("f", "# made by hand\n\ntoken\ttag\n" + TAB, {"word_column": "token", "tag_column": -1}),
        ("f.conllup", PLUS, {"word_column": "FORM", "tag_column": "NER"}),
        ("f.conllup", PLUS, {"word_column": 1}),
        ("f.conllu.gz", CONLLU, {"word_column": "FORM", "tag_column": "MISC"}),
        ("f.jsonl", JSONL, {}),
        ("f.jsonl.gz", JSONL, {"word_column": "tokens", "tag_column": "tags"}),
        ("f.json", JSONL, {"format": "jsonl"}),
        ("f.jsonl", JSONL, {"format": "jsonl", "word_column": "tokens", "tag_column": "tags"}),
        ("f.jsonl", '[["Ban", "flew"], ["B-PER", "O"]]\n[["Paris"], ["B-LOC"]]', {"word_column": 0, "tag_column": 1}),
        ("f.jsonl", TAB, {"format": "conll"}),
    ],
)
def test_the_same_two_sentences_in_every_form(write, name, content, options):
    expected = TWO
    if options.pop("flip", None):
        options, expected = {"word_column": -1, "tag_column": 0}, TWO[:1]
    assert conll_sentences(write(name, content), **options) == expected


def test_a_word_is_what_stands_in_its_column(write):
    words = ["2013-10-23", "9/7/1992", "AT&T", "U.S.", "\u200b", "a\u00a0b", "\u3000", "\ufeff", '"', "#", "#tag", "\x85", "\u2028", "-"]
    for separator in ("\t", " "):
        found = conll_sentences(write("f", "".join(f"{word}{separator}O\n" for word in words)))
        assert found == [(words, ["O"] * len(words))]


def test_comments_are_lines_that_are_no_row(write):
    space = "# newdoc\n# id = 1\n# O\nBan B-PER\n# O\n"
    assert conll_sentences(write("f", space)) == [(["#", "Ban", "#"], ["O", "B-PER", "O"])]
    tab = "# id 5239\tdomain=train\tx\n# newdoc\n#\tO\nBan\tB-PER\n# note\nflew\tO\n"
    assert conll_sentences(write("f", tab)) == [(["#", "Ban", "flew"], ["O", "B-PER", "O"])]
    assert conll_sentences(write("f", "# id 1\n#\tO\n")) == [(["#"], ["O"])]
    assert conll_sentences(write("f", "# NOUN\nBan NOUN\n"), to=None) == [(["#", "Ban"], ["NOUN", "NOUN"])]
    with pytest.raises(ValueError, match=r"f:2: 'domain=test' is no tag of entities"):  # as many columns: no comment
        conll_sentences(write("f", "Ban\tB-PER\n# id 1\tdomain=test\n"))


@pytest.mark.parametrize(("to", "tags"), [("IOB1", "I-PER"), ("IOB2", "B-PER"), ("BIOES", "S-PER"), ("BILOU", "U-PER")])
def test_tags_come_in_the_scheme_that_is_asked_for(write, to, tags):
    path = write("f", CONLL_2003)
    assert conll_sentences(path, to=to)[0][1] == [tags, "O"]
    assert conll_sentences(path, scheme="IOB1", to=to)[0][1] == [tags, "O"]
    assert conll_sentences(path, to=None)[0][1] == ["I-PER", "O"]


def test_names_of_tags(write):
    assert read_tags(write("f", CONLL_2003)) == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert read_tags(write("f", TAB), to="BIOES")[:5] == ["O", "B-LOC", "I-LOC", "E-LOC", "S-LOC"]
    assert read_tags(write("f", CONLL_2003), tag_column=1, to=None) == ["NNP", "VBD"]


def test_a_dataset_that_can_be_batched(write):
    labels = ["O", "B-PER", "B-LOC"]
    dataset = read_conll(write("f", TAB), labels=labels)
    assert int(dataset.cardinality()) == 2
    assert examples(dataset) == [(["Ban", "flew"], [1, 0]), (["Paris"], [2])]
    x, tags = next(iter(dataset.batch(2)))
    assert x["words"].to_list() == [[b"Ban", b"flew"], [b"Paris"]]
    assert tags.to_list() == [[1, 0], [2]] and tags.dtype == tf.int32
    assert examples(dataset.shuffle(2, seed=0).repeat(2).take(3).filter(lambda x, tags: len(tags) == 1))[0] == (["Paris"], [2])


class StandIn:
    """What gives columns by name as a Dataset of Hugging Face's does."""

    column_names = ("tokens", "ner_tags")

    def __getitem__(self, name):
        return {"tokens": [["Ban", "flew"], ["Paris"]], "ner_tags": [[1, 0], [2]]}[name]


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (([["Ban", "flew"], ["Paris"]], [["B-PER", "O"], ["B-LOC"]]), {}),
        ([[["Ban", "flew"], ["Paris"]], [["B-PER", "O"], ["B-LOC"]]], {}),
        (([["B-PER", "O"], ["B-LOC"]], [["Ban", "flew"], ["Paris"]]), {"word_column": 1, "tag_column": 0}),
        ({"tokens": [["Ban", "flew"], ["Paris"]], "tags": [["B-PER", "O"], ["B-LOC"]]}, {}),
        ({"w": [["Ban", "flew"], ("Paris",)], "t": [[1, 0], np.array([2])]}, {"word_column": "w", "tag_column": "t"}),
        ({"w": [np.array([b"Ban", b"flew"], object), ["Paris"]], "t": [[1, 0], [2]]}, {"word_column": "w", "tag_column": "t"}),
        (StandIn(), {"word_column": "tokens", "tag_column": "ner_tags"}),
    ],
)
def test_columns_in_memory(source, options):
    assert examples(read_conll(source, labels=["O", "B-PER", "B-LOC"], **options)) == [(["Ban", "flew"], [1, 0]), (["Paris"], [2])]


def test_ids_are_those_of_the_labels_in_their_scheme():
    source = {"tokens": [["Ban", "Ki"]], "ner_tags": [[1, 2]]}
    options = {"tag_column": "ner_tags", "word_column": "tokens", "labels": ["O", "B-PER", "L-PER"]}
    assert conll_sentences(source, **options) == [(["Ban", "Ki"], ["B-PER", "I-PER"])]
    assert examples(read_conll(source, to="BILOU", **options)) == [(["Ban", "Ki"], [1, 2])]


@pytest.fixture(scope="module")
def tagged_data_dir(tmp_path_factory):
    """A data set of tensorflow-datasets of tagged sentences, as its conll2003 is."""
    import tensorflow_datasets as tfds

    class LocalTags(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            ner = tfds.features.Sequence(tfds.features.ClassLabel(names=["O", "B-PER", "B-LOC"]))
            features = {"tokens": tfds.features.Sequence(tfds.features.Text()), "tags": ner}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._sentences([1, 0]), "test": self._sentences([-1, -1])}

        def _sentences(self, first):
            yield 0, {"tokens": ["Ban", "flew"], "tags": first}
            yield 1, {"tokens": ["Paris"], "tags": [2]}

        _generate_examples = _sentences

    data_dir = str(tmp_path_factory.mktemp("tfds"))
    LocalTags(data_dir=data_dir).download_and_prepare()
    return data_dir


def test_tensorflow_datasets(tagged_data_dir):
    found = conll_sentences("tfds:local_tags", data_dir=tagged_data_dir)
    assert sorted(found) == sorted(TWO)
    assert read_tags("tfds:local_tags", data_dir=tagged_data_dir)[0] == "O"
    with pytest.raises(ValueError, match=r"split test, row \d: label -1: the split has no labels"):
        conll_sentences("tfds:local_tags", split="test", data_dir=tagged_data_dir)


def test_repairs_are_told_once(write):
    path = write("f", "a\tB-x\na\tB-x\n\nb\tI-x\nc\tI-y\nd\tB-x\ne\tB-y\n")
    with pytest.raises(ValueError, match=r"f:4: the tag 'I-x' breaks IOB2, where 'B-x' would stand; .*repair=True"):
        conll_sentences(path)
    for read in (conll_sentences, read_tags, lambda *arguments, **options: read_conll(*arguments, labels=["B-x", "B-y"], **options)):
        with pytest.warns(UserWarning, match=r"that break IOB2 and are repaired: 2, the first at .*f:4;") as told:
            read(path, repair=True)
        assert len(told) == 1 and told[0].filename == __file__
    with pytest.warns(UserWarning):
        assert conll_sentences(path, repair=True)[1][1] == ["B-x", "B-y", "B-x", "B-y"]


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("f", "a\tO\nb\n", {}, r"f:2: 1 columns, where the first line of columns has 2: 'b'"),
        ("f", "a\tO\n\u00a0\nb\tO\n", {}, r"f:2: 1 columns, where the first line of columns has 2"),
        ("f", "a\tO\nb\tO\tO\n", {}, r"f:2: 3 columns, where the first line of columns has 2"),
        ("f", "a O\nNew York O\n", {}, r"f:2: 3 columns"),
        ("f", "a,O\nb,O\n", {}, r"f:1: the columns 0, -1 are the same one of 1; say what stands between columns by separator="),
        ("f", "a\tO\n", {"tag_column": 2}, r"f:1: no column 2; the line has 2 columns"),
        ("f", "a\tO\n", {"tag_column": -3}, r"f:1: no column -3; the line has 2 columns"),
        ("f", "w\tt\na\tO\n", {"tag_column": "ner"}, r"f:1: no column 'ner'; the header names w, t"),
        ("f", "a\tO\n", {"tag_column": "ner", "header": False}, r"\['ner'\] are given by name, but header=False"),
        ("f", "# global.columns = A B C\na\tO\n", {"word_column": "A"}, r"f:2: 2 columns, but the file names 3: A, B, C"),
        ("f", "a\tO\n", {"separator": ""}, "separator='' is not what stands between columns"),
        ("f", "\tO\n", {}, "f:1: the word is empty"),
        ("f", "a\tO\nb\t\n", {}, "f:2: the tag is empty"),
        ("f", "a\tO\n\nb\tO\nc\tB-x\n", {"labels": ["O", "B-y"]}, r"f:4: unknown label 'B-x'; labels are O, B-y"),
        ("f", "a\tO\nb\tNOUN\n", {}, r"f:2: 'NOUN' is no tag of entities, such as 'O' and 'B-PER'; for tags of other kinds say to=None$"),
        ("f", "word\tner\na\tO\n", {}, r"f:1: 'ner' is no tag .*; if the first line names the columns, say header=True"),
        ("f", "a\tB-x\nb\tI-y\n", {"scheme": "IOB2"}, r"f:2: the tag 'I-y' breaks IOB2, where 'B-y' would stand"),
        ("f", "a\tU-x\nb\tE-y\n", {}, "of different schemes"),
        ("f", b"a\tO\n\xe9\tO\n", {}, r"f:2: not UTF-8 .*iconv"),
        ("f", "", {}, r"there are no examples in .*f"),
        ("f", "-DOCSTART- -X- O\n\n# x\n", {}, r"there are no examples in .*f"),
        ("f", "w\tt\n", {"header": True}, r"there are no examples in .*f"),
        ("f", "a\tO\n", {"format": "csv"}, "format='csv' is none of conll, jsonl"),
        ("f", "a\tO\n", {"scheme": "IO"}, "scheme 'IO' is none of"),
        ("f", "a\tO\n", {"to": "IO"}, "scheme 'IO' is none of"),
        ("f", "a\tO\n", {"to": None, "scheme": "IOB2"}, "to=None takes tags as they are, in no scheme"),
        ("f", "a\tO\n", {"to": None, "repair": True}, "to=None takes tags as they are, in no scheme"),
        ("f.jsonl", JSONL + '{"tokens": ["a", "b"], "tags": ["O"]}', {}, r"f\.jsonl:3: 2 words but 1 tags"),
        ("f.jsonl", '{"tokens": [], "tags": []}', {}, r"f\.jsonl:1: a sentence without words"),
        ("f.jsonl", '{"tokens": "ab", "tags": ["O"]}', {}, r"f\.jsonl:1: column 'tokens' is 'ab', a str; expected a list of words"),
        ("f.jsonl", '{"tokens": ["a"], "tags": null}', {}, r"f\.jsonl:1: column 'tags' is None, a NoneType; expected a list of tags"),
        ("f.jsonl", '{"tokens": ["a", 1], "tags": ["O", "O"]}', {}, r"f\.jsonl:1, word 1: column 'tokens' is 1, a int; expected text"),
        ("f.jsonl", '{"tokens": ["a", ""], "tags": ["O", "O"]}', {}, r"f\.jsonl:1, word 1: column 'tokens' is empty"),
        ("f.jsonl", '{"tokens": ["a"], "tags": [1]}', {}, r"f\.jsonl:1, word 0: the tag 1 is an id; name the tags, .* by labels="),
        ("f.jsonl", '{"tokens": ["a"], "tags": [2]}', {"labels": ["O", "x"]}, r"f\.jsonl:1, word 0: the tag 2 is no id of the 2 labels"),
        ("f.jsonl", '{"tokens": ["a"], "tags": ["I-x"]}', {"scheme": "IOB2"}, r"f\.jsonl:1, word 0: the tag 'I-x' breaks IOB2"),
        ("f.jsonl", '{"words": ["a"]}', {}, r"f\.jsonl:1: no column 'tokens'; the line has words"),
        ("f.jsonl", "", {}, r"there are no examples in .*f\.jsonl"),
        ("f.jsonl", JSONL, {"separator": "\t"}, r"separator='\\t' is for files of a word a line, and .*f\.jsonl is none"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_by_file_and_line(write, name, content, options, words):
    path = write(name, content)
    read = read_conll if "labels" in options else conll_sentences
    with pytest.raises(ValueError, match=words):
        read(path, **options)


def test_errors_of_memory():
    with pytest.raises(ValueError, match=r"row 1, word 0: column 0 is not UTF-8: invalid start byte at byte 0"):
        conll_sentences(([["a"], [b"\xff"]], [["O"], ["O"]]))
    with pytest.raises(ValueError, match=r"labels=None: read_conll needs the tags' names .*labels=read_tags\(source, \.\.\.\)"):
        read_conll(([["a"]], [["O"]]))


def test_wnut_17(shared):
    """Sentences as the data's README counts them; words and tags as a reader of two lines counts them."""
    folder = shared / "data" / "wnut17"
    labels = read_tags(folder / "train.conll.gz")
    assert len(labels) == 1 + 2 * 6
    for name, count in {"train": 3394, "dev": 1009, "test": 1287}.items():
        path = folder / f"{name}.conll.gz"
        dataset = read_conll(path, labels=labels)
        assert int(dataset.cardinality()) == count
        lines = [line for line in gzip.decompress(path.read_bytes()).decode().split("\n") if line.strip("\t")]
        x, tags = next(iter(dataset.batch(count)))
        found = zip(x["words"].flat_values.numpy(), tags.flat_values.numpy(), strict=True)
        assert [f"{word.decode()}\t{labels[tag]}" for word, tag in found] == lines


@pytest.mark.parametrize(("name", "options"), [("f.conll", {}), ("f.conll.gz", {}), ("f", {"separator": " "})])
def test_what_is_written_is_read(tmp_path, name, options):
    sentences = [(["#", "a\u00a0b"], ["O", "B-x"], ["O", "O"]), (["\u200b"], ["B-y"], ["B-y"])]
    write_conll(tmp_path / name, sentences, **options)
    for column in (1, 2):
        assert conll_sentences(tmp_path / name, tag_column=column) == [(columns[0], columns[column]) for columns in sentences]


def test_written_bytes(tmp_path):
    write_conll(tmp_path / "f", [(["a", "b"], ["O", "B-x"], ["B-x", "O"]), (["c"], ["O"], ["O"])], separator=" ")
    assert (tmp_path / "f").read_bytes() == b"a O B-x\nb B-x O\n\nc O O\n\n"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ((["a", "b"], ["O"]), "sentence 1 has columns of 2, 1 words; expected the same number, 1 or more"),
        (([], []), "sentence 1 has columns of 0, 0 words"),
        ((), "sentence 1 has columns of  words"),
        ((["a\tb"], ["O"]), r"sentence 1: 'a\\tb' cannot stand in a column between '\\t'; give another separator, or mend it"),
        ((["a\nb"], ["O"]), "cannot stand in a column"),
        ((["a"], [""]), "sentence 1: '' cannot stand in a column"),
        ((["a"], [1]), "sentence 1: column 'words and tags' is 1, a int; expected text"),
        ((["\ud800"], ["O"]), "has no UTF-8"),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file(tmp_path, columns, words):
    (tmp_path / "f").write_text("old")
    with pytest.raises(ValueError, match=words):
        write_conll(tmp_path / "f", [(["a"], ["O"]), columns])
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
