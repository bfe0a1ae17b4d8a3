import gzip
import json
import lzma
import tracemalloc

import pytest

from keras_bert.data import Corpus, CorpusCounts

TWO = "one a.\none b.\n\n \n\ntwo a.\ntwo b."


def read(source, **options):
    return list(Corpus(source, **options).read())


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ("blank", ["one a.\none b.", "two a.\ntwo b."]),
        ("line", ["one a.", "one b.", "two a.", "two b."]),
        ("file", ["one a.\none b.\n\n \n\ntwo a.\ntwo b."]),
    ],
)
def test_documents_are_separated_as_asked(write, documents, expected):
    assert read(write("a.txt", TWO), documents=documents) == expected


def test_line_breaks_of_windows_are_line_breaks(write):
    assert read(write("a.txt", "one a.\r\n\r\ntwo a.\r\n")) == ["one a.", "two a."]


def test_packed_files_are_told_by_their_names(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"gzip"))
    (tmp_path / "b.txt.xz").write_bytes(lzma.compress(b"xz"))
    assert read(tmp_path) == ["gzip", "xz"]


def test_zstd_is_unpacked_or_told_what_to_install(tmp_path):
    path = tmp_path / "c.txt.zst"
    try:
        import zstandard
    except ImportError:
        path.write_bytes(b"")
        with pytest.raises(ImportError, match=r"c\.txt\.zst files need zstandard|pip install \"keras3-bert\[corpora\]\""):
            read(path)
    else:
        path.write_bytes(zstandard.ZstdCompressor().compress(b"zstd"))
        assert read(path) == ["zstd"]
        whole = path.read_bytes()
        path.write_bytes(whole[:-6] + b"broken")
        with pytest.raises(ValueError, match=r"broken \.zst"):
            read(path)
        text = "".join(f"{number}: {'-' * (number % 70)}\n\n" for number in range(30_000))
        packer = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=28)).compressobj()
        long = packer.compress(text.encode()) + packer.flush()
        path.write_bytes(whole + long + whole)  # frames one after the other, and a window over the library's default
        assert len(read(path)) == 30_000 + 1 and read(path)[0] == "zstd0:"
        path.write_bytes(long[: len(long) // 2])
        with pytest.raises(ValueError, match=r"broken \.zst: compressed file ended before the end of its frame"):
            read(path)


@pytest.mark.parametrize("name", ["rows.json", "rows.JSON.gz"])
def test_json_is_no_text_unasked(tmp_path, name):
    rows = b'{"text": "one"}\n{"text": "two"}\n'
    (tmp_path / name).write_bytes(gzip.compress(rows) if name.endswith("gz") else rows)
    with pytest.raises(ValueError, match=rf"{name}: \.json does not say what it holds: give format='jsonl'"):
        read(tmp_path)
    assert read(tmp_path, format="jsonl") == ["one", "two"]


def test_json_lines_and_parquet_have_a_document_a_row(tmp_path):
    rows = [{"text": "one\nand on", "id": 1}, {"text": " "}, {"text": "two"}]
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    assert read(tmp_path / "a.jsonl.gz") == ["one\nand on", "two"]
    with pytest.raises(ValueError, match=r"a\.jsonl\.gz:1: no field 'content'; there is text, id; say text_field="):
        read(tmp_path / "a.jsonl.gz", text_field="content")
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    parquet.write_table(pyarrow.table({"content": ["three", None, "four"]}), tmp_path / "b.parquet")
    assert read(tmp_path / "b.parquet", text_field="content") == ["three", "four"]
    with pytest.raises(ValueError, match=r"b\.parquet: no column 'text'; it has content"):
        read(tmp_path / "b.parquet")
    data = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(data[:4] + b"\xff" * 40 + data[44:])
    with pytest.raises(ValueError, match=r"b\.parquet: broken Parquet"):
        read(tmp_path / "b.parquet", text_field="content")


def test_tensorflow_datasets_are_read(tfds_data_dir):
    corpus = Corpus("tfds:local_reviews", data_dir=tfds_data_dir)
    assert sorted(corpus.read()) == ["bad", "fine", "good"]
    (described,) = corpus.fingerprint()
    assert (described["source"], described["version"], described["examples"]) == ("tfds:local_reviews", "1.0.0", 3)


def test_folders_globs_and_lists_are_read_in_order_each_file_once(tmp_path):
    for name in ("b.txt", "a.txt", ".hidden", "sub/c.txt", ".git/d.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    assert read(tmp_path) == ["a.txt", "b.txt", "sub/c.txt"]
    assert read(f"{tmp_path}/*.txt") == ["a.txt", "b.txt"]
    assert read(f"{tmp_path}/**/*.txt") == ["a.txt", "b.txt", "sub/c.txt"]
    assert read([tmp_path / "b.txt", tmp_path]) == ["b.txt", "a.txt", "sub/c.txt"]


def test_linked_folders_are_read_and_rings_of_links_end(tmp_path):
    for name in ("elsewhere/b.txt", "texts/a.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    (tmp_path / "texts" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "ring").symlink_to(tmp_path / "texts")
    assert read(tmp_path / "texts") == ["texts/a.txt", "elsewhere/b.txt"]


def test_a_directory_inside_of_the_corpus_is_told(tmp_path):
    for name in ("texts/a.txt", "texts/out/vocab.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("text")
    for source in (tmp_path / "texts", f"{tmp_path}/texts/**/*.txt", tmp_path / "texts" / "out"):
        with pytest.raises(ValueError, match=r"the corpus .* has .*texts/out in it, and would read what is written there"):
            Corpus(source).check_is_apart(tmp_path / "texts" / "out")
    for source in (tmp_path / "texts" / "a.txt", f"{tmp_path}/texts/*.txt"):
        Corpus(source).check_is_apart(tmp_path / "texts" / "out")
    for directory in ("texts/.out", "out", "."):
        Corpus(tmp_path / "texts").check_is_apart(tmp_path / directory)


def test_an_empty_folder_a_missing_file_and_no_document_are_errors(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"nothing/\*: no such file or folder"):
        read(tmp_path / "nothing" / "*")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: an empty folder"):
        read(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"no document in .*blank\.txt"):
        read(write("blank.txt", " \n\n"))


def test_bytes_that_are_not_utf_8_are_told_by_file_and_byte_or_counted(write):
    line = b"fine\n"
    path = write("latin.txt", line * 300_000 + b"caf\xe9 au lait\n" + line)  # over a mebibyte: not in the first piece that is read
    with pytest.raises(ValueError, match=r"latin\.txt: not UTF-8: invalid continuation byte at byte 1500003; convert it by iconv"):
        read(path, documents="line")
    counts = CorpusCounts()
    assert set(Corpus(path, documents="line", skip_invalid=True).read(counts)) == {"fine"}
    assert (counts.documents, counts.skipped_lines) == (300_001, 1)
    assert read(write("bom.txt", b"\xef\xbb\xbffine")) == ["fine"]
    with pytest.raises(ValueError, match="at byte 4;"):
        read(write("bom2.txt", b"\xef\xbb\xbfa\xff"))


def test_a_binary_file_is_told_or_counted(write, tmp_path):
    write("a.txt", "text")
    write("b.png", b"\x89PNG\r\n\x1a\n\0\0")
    with pytest.raises(ValueError, match=r"b\.png: binary: a zero byte at byte 8"):
        read(tmp_path)
    counts = CorpusCounts()
    assert list(Corpus(tmp_path, skip_invalid=True).read(counts)) == ["text"]
    assert counts.skipped_files == 1


def test_broken_files_are_named(tmp_path, write):
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"text" * 1000)[:-10])
    with pytest.raises(ValueError, match=r"cut\.gz: broken \.gz"):
        read(path)
    with pytest.raises(ValueError, match=r"rows\.jsonl:2: not JSON.*skip_invalid=True"):
        read(write("rows.jsonl", '{"text": "a"}\n{"text": \n'))
    assert read(write("rows.jsonl", '{"text": "a"}\n{"text": \n{"text": 3}\n'), skip_invalid=True) == ["a"]


def test_equal_documents_are_left_out_where_asked(write):
    counts = CorpusCounts()
    corpus = Corpus(write("a.txt", "one\ntwo\none\nOne\ntwo"), documents="line", deduplicate=True)
    assert list(corpus.read(counts)) == ["one", "two", "One"]
    assert (counts.duplicates, counts.documents, counts.bytes) == (2, 3, 9)


@pytest.mark.parametrize("documents", ["blank", "line", "file"])
def test_a_long_document_is_cut_and_nothing_of_it_is_lost(write, documents):
    words = " ".join(f"word{number}" for number in range(1000))
    counts = CorpusCounts()
    parts = list(Corpus(write("a.txt", f"short\n\n{words}"), documents=documents, longest_document=2000).read(counts))
    assert max(map(len, parts)) <= 2000
    assert " ".join(parts).split() == f"short {words}".split()
    assert counts.long_documents == 1


def test_a_document_of_100_megabytes_in_one_line_is_read_in_little_memory(tmp_path):
    path = tmp_path / "line.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(100):
            file.write(b"longer " * 142_857)
    tracemalloc.start()
    lengths = [len(document) for document in Corpus(path, documents="line").read()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(lengths) <= 4_000_000
    assert sum(lengths) == pytest.approx(100e6, rel=1e-4)
    assert peak < 40e6


def test_a_fingerprint_changes_with_the_bytes_of_a_file(write):
    path = write("a.txt", "text")
    corpus = Corpus(path)
    assert corpus.fingerprint() == [
        {"source": str(path), "bytes": 4, "sha256": "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"}
    ]
    write("a.txt", "test")
    assert corpus.fingerprint()[0]["sha256"].startswith("9f86d081884c7d65")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"documents": "page"}, "documents='page' is none of blank, line, file"),
        ({"format": "csv"}, "format='csv' is none of text, jsonl, parquet"),
        ({"longest_document": 10}, "longest_document=10 is less than 1000"),
    ],
)
def test_what_cannot_be_used_is_told(options, message):
    with pytest.raises(ValueError, match=message):
        Corpus("a.txt", **options)
    with pytest.raises(ValueError, match="a corpus of no files"):
        Corpus([])
