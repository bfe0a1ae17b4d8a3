import gzip
import json

import pytest

from keras_bert.data import intent_slot_labels, read_intent_slots

JAZZ = {
    "intent": "PlayMusic",
    "data": [["play ", None], ["smooth  jazz", "genre"], [" by", None], ["BB King", "artist"], ["'s band.", None]],
}


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def write_folder(write, tmp_path):
    def write_files(words, tags, intents):
        for name, content in (("seq.in", words), ("seq.out", tags), ("label", intents)):
            write(name, content)
        return tmp_path

    return write_files


def test_words_end_where_slots_do(write):
    (example,) = read_intent_slots(write("f.jsonl.gz", lines(JAZZ)))
    words = ["play", "smooth", "jazz", "by", "BB", "King", "'s", "band."]
    assert example == (words, ["O", "B-genre", "I-genre", "O", "B-artist", "I-artist", "O", "O"], "PlayMusic")


def test_two_slots_without_space_between_stay_two_and_text_in_two_segments_is_one(write):
    slots = {"intent": "a", "data": [["one pm", "time"], ["near", "place"], ["Rome", "place"], [" no", None], ["w", None], ["", None]]}
    (example,) = read_intent_slots(write("f.jsonl", lines(slots)))
    assert example == (["one", "pm", "near", "Rome", "now"], ["B-time", "I-time", "B-place", "B-place", "O"], "a")


def test_a_folder_of_three_files(write_folder):
    folder = write_folder(b"\xef\xbb\xbfplay smooth jazz\r\nbook it\r\n", "O B-genre I-genre \nO I-thing\n\n", "PlayMusic\nBook#Find\n")
    expected = [(["play", "smooth", "jazz"], ["O", "B-genre", "I-genre"], "PlayMusic"), (["book", "it"], ["O", "B-thing"], "Book#Find")]
    assert read_intent_slots(folder) == expected
    assert intent_slot_labels(expected) == (["O", "B-genre", "I-genre", "B-thing", "I-thing"], ["Book#Find", "PlayMusic"])


def test_snips_whole(shared):
    path = shared / "data" / "snips_nlu" / "test.jsonl.gz"
    examples = read_intent_slots(path)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert len(examples) == 700  # as the README says
    for (words, tags, intent), row in zip(examples, rows, strict=True):
        assert "".join(words) == "".join("".join(text for text, _ in row["data"]).split())  # no character is lost
        assert [tag[2:] for tag in tags if tag[0] == "B"] == [slot for _, slot in row["data"] if slot is not None]
        assert intent == row["intent"]
        filled = [word for word, tag in zip(words, tags, strict=True) if tag != "O"]
        assert filled == [word for text, slot in row["data"] if slot is not None for word in text.split()]
    tags, intents = intent_slot_labels(examples)
    assert (len(tags), len(intents)) == (1 + 2 * 39, 7)  # 39 slots, 7 intents


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"intent": "a", "data": []}, r"f\.jsonl:2: the utterance has no words"),
        ({"intent": "a", "data": [[" ", None]]}, r"f\.jsonl:2: the utterance has no words"),
        ({"intent": " ", "data": [["a", None]]}, r"f\.jsonl:2: intent ' ' is not a name"),
        ({"intent": 3, "data": [["a", None]]}, r"f\.jsonl:2: intent 3 is not a name"),
        ({"intent": "a", "data": [["b", None], [" ", "c"]]}, r"f\.jsonl:2: the slot 'c' is filled by ' ', which has no word"),
        ({"intent": "a", "data": [["b", "c d"]]}, r"f\.jsonl:2: slot 'c d' is not a name without spaces"),
        ({"intent": "a", "data": [["b", ""]]}, r"f\.jsonl:2: slot '' is not a name without spaces"),
        ({"intent": "a", "data": [["b"]]}, r"f\.jsonl:2: segment \['b'\] of data; expected \[text, slot or null\]"),
        ({"intent": "a", "data": [["b", 3]]}, r"f\.jsonl:2: segment \['b', 3\] of data"),
        ({"intent": "a", "data": [[None, "c"]]}, r"f\.jsonl:2: segment \[None, 'c'\] of data"),
        ({"intent": "a", "data": "b"}, r"f\.jsonl:2: data is a str; expected a list of \[text, slot or null\]"),
        ({"intent": "a", "data": [["\ud800", None]]}, r"f\.jsonl:2: column 'data' has no UTF-8"),
        ({"intent": "a"}, r"f\.jsonl:2: no column 'data'; the line has intent"),
    ],
)
def test_bad_json_is_told_by_file_and_line(write, row, words):
    with pytest.raises(ValueError, match=words):
        read_intent_slots(write("f.jsonl", lines(JAZZ, row)))


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (("a\nb c\n", "O\nO\n", "x\ny\n"), r"seq\.out:2: 1 tags of 2 words"),
        (("a\nb\n", "O\nO\n", "x\n"), r"label: ends before line 2, which the other files have"),
        (("a\n", "O\nO\n", "x\ny\n"), r"seq\.in: ends before line 2"),
        (("a\n\nb\n", "O\n\nO\n", "x\n\ny\n"), r"seq\.in:2: the utterance has no words"),
        (("a\nb\nc\n", "O\nO\nO\n", "x\n \ny\n"), r"label:2: no intent"),
        (("a\nb\n", "O\ngenre\n", "x\ny\n"), r"seq\.out:2: tag 0 is 'genre'; expected \"O\", or \"B-\" or \"I-\" and a name"),
        ((b"a\n\xe9\n", "O\nO\n", "x\ny\n"), r"seq\.in:2: not UTF-8"),
        (("\n", "", ""), "there are no examples in "),
    ],
)
def test_bad_files_of_a_folder_are_told_by_file_and_line(write_folder, contents, words):
    with pytest.raises(ValueError, match=words):
        read_intent_slots(write_folder(*contents))


def test_what_is_not_there_is_told(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"seq\.in"):
        read_intent_slots(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jsonl"):
        read_intent_slots(tmp_path / "nowhere.jsonl")
    with pytest.raises(ValueError, match=r"there are no examples in .*f\.jsonl"):
        read_intent_slots(write("f.jsonl", ""))
