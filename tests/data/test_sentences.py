import pytest

from keras_bert.data import split_sentences
from keras_bert.data.sentences import cut_text


@pytest.mark.parametrize(
    "sentences",
    [
        ['Dr. Smith asked: "Why?"', "Nobody knew."],
        ["See fig. 3 and No. 5.", "No.", "That is it."],
        ["In 1996.", "He left the U.S. in May.", "J. K. Rowling, e.g. Harry, did too."],
        ['"Stop!" he said.', "I did, and so did I.", "Then...", "Well?!", "(Yes.)", "Pi is 3.14."],
        ["1. Introduction.", "2. Methods."],
        ["Über alles.", "«Да.»", "Нет, т.е. да."],
        ["他说：“你好。”", "然后走了！", "真的吗？", "是的。"],
        ["「走吧。」", "他走了（很快。）", "ＯＫ。"],
        ["它在 Debian 中。", "Hello there.", "再见！", "Bye."],
    ],
)
def test_sentences_end_where_a_reader_ends_them(sentences):
    assert split_sentences(" ".join(sentences)) == sentences
    assert split_sentences("\n".join(sentences)) == sentences


def test_chinese_sentences_need_no_space_between_them():
    assert split_sentences("你好。“走吧！”他说。Really?是。") == ["你好。", "“走吧！”", "他说。", "Really?", "是。"]


def test_a_line_break_ends_a_sentence_and_white_space_is_none():
    assert split_sentences(" A title\n\n \tthe text goes on \n") == ["A title", "the text goes on"]
    assert split_sentences("  \n ") == []


def test_a_word_begins_behind_any_white_space():
    assert split_sentences("He met Dr.\tDr.\xa0Smith. Bye.") == ["He met Dr.\tDr.\xa0Smith.", "Bye."]


def test_no_character_but_white_space_is_lost_in_real_text(review_lines):
    text = "\n".join(review_lines[:2000])
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def test_what_never_ends_is_cut_at_white_space_or_else_anywhere():
    assert list(map(len, split_sentences("word " * 500))) == [999, 999, 499]
    assert list(map(len, split_sentences("字" * 2500))) == [1000, 1000, 500]


def test_text_is_cut_at_lines_before_sentences_before_spaces():
    assert cut_text("aaa bbb\nccc ddd eee", 12) == ["aaa bbb\n", "ccc ddd eee"]
    assert cut_text("一二三四。五六 七八九十", 8) == ["一二三四。", "五六 七八九十"]
    assert cut_text("aaaa bbbb cccc", 11) == ["aaaa bbbb ", "cccc"]
