import pytest

from keras_bert.text import BertTokenizer, load_vocabulary, save_vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def test_round_trip_keeps_pieces_that_look_like_line_breaks(tmp_path):
    pieces = [*SPECIAL, "a\u2028", "\u0085", "##x", " "]
    save_vocabulary(pieces, tmp_path / "vocab.txt")
    assert load_vocabulary(tmp_path / "vocab.txt") == pieces


def test_windows_line_ends_are_read(tmp_path):
    (tmp_path / "vocab.txt").write_bytes("\r\n".join([*SPECIAL, "a"]).encode() + b"\r\n")
    assert load_vocabulary(tmp_path / "vocab.txt") == [*SPECIAL, "a"]


def test_a_byte_order_mark_is_no_part_of_the_first_piece(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL, "a"]), encoding="utf-8-sig")
    assert load_vocabulary(tmp_path / "vocab.txt") == [*SPECIAL, "a"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\na\n", r"vocab\.txt:7: the piece 'a' stands on line 5"),
        (b"[PAD]\n\n[UNK]\n[CLS]\n[SEP]\n", r"vocab\.txt:2: an empty piece"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n\xff\n", r"vocab\.txt:5: not UTF-8"),
        (b"[PAD]\na\n[CLS]\n", r"no \[UNK\], \[SEP\] among its 3 pieces"),
        (b"", r"no \[PAD\]"),
    ],
)
def test_a_bad_file_is_told_by_line(tmp_path, content, words):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        load_vocabulary(path)


def test_a_list_is_checked_too():
    with pytest.raises(ValueError, match=r"5: 7 is a int"):
        BertTokenizer([*SPECIAL, 7])


def test_a_piece_with_a_line_break_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match=r"piece 2, 'a\\nb'"):
        save_vocabulary(["c", "a\nb"], tmp_path / "vocab.txt")
