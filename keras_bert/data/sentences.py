"""Sentences of English and Chinese text, by rules: no model, no data, some 30 MB a second. In TensorFlow ops: text.sentences."""

import re

from keras_bert.text.sentence_rules import (
    ABBREVIATIONS,
    BEFORE_NUMBERS,
    CANDIDATE,
    CHINESE_MARKS,
    CUTS,
    LONGEST,
    MOST_OPENING,
    OPENING,
)

_CANDIDATE = re.compile(CANDIDATE)
_SPACE = re.compile(r"\s")


def split_sentences(text, *, longest=LONGEST):
    """Split a text into sentences.

        split_sentences('Dr. Smith asked: "Why?" Nobody knew.')     # ['Dr. Smith asked: "Why?"', "Nobody knew."]
        split_sentences("他说：“你好。”然后走了。")                    # ["他说：“你好。”", "然后走了。"]

    A line break ends a sentence; so do 。！？ with the closing quotes behind them, and . ! ? before white space, unless a small letter
    follows, or the word is an abbreviation (Dr., e.g., U.S.), an initial, or the number of a list.

    Args: text: str. longest: characters; a longer sentence is cut at white space, or where it has none, anywhere.
    Returns: list of str, without white space at their ends; none is empty.
    """
    sentences, start = [], 0
    for match in _CANDIDATE.finditer(text):
        end = match.end()
        if _ends_sentence(text, start, match.start(), end):
            sentences.append(text[start:end].strip())
            start = end
    sentences.append(text[start:].strip())
    if max(map(len, sentences)) > longest:
        sentences = [part.strip() for sentence in sentences for part in cut_text(sentence, longest)]
    return [sentence for sentence in sentences if sentence]


def _ends_sentence(text, start, mark, end):
    """Whether a sentence that began at `start` ends at `end`, by the punctuation that stands from `mark` on."""
    last, following = text[end - 1 : end], text[end : end + 1]
    if text[mark] in "\n" + CHINESE_MARKS or not following or "\n" in text[mark:end]:
        return True
    if not last.isspace():  # 3.5, www.example.org; but Chinese text may have Western marks
        return text[mark] in "!?" and "\u4e00" <= following <= "\u9fff"
    if following in OPENING:
        following = text[end : end + MOST_OPENING].lstrip(OPENING)[:1]
    if following.islower() or following in ".!?":
        return False
    if text[mark] != "." or text[mark + 1] == ".":
        return True
    word = text[max(start, text.rfind(" ", start, mark) + 1) : mark]
    word = _SPACE.split(word)[-1].lstrip(OPENING).lower()  # other white space than the space is rare
    if word in BEFORE_NUMBERS:
        return not following.isdigit()
    if word.isdigit():
        return len(word) > 3 or mark - len(word) > start  # "1." begins an item of a list
    if len(word) == 1:
        return word == "i" or not "a" <= word <= "\u024f"  # an initial
    if word in ABBREVIATIONS:
        return False
    parts = word.split(".")
    return len(parts) == 1 or any(len(part) != 1 for part in parts)  # U.S., p.m.


def cut_text(text, longest):
    """Cut a text into parts: after a line break, else after a sentence's end, else at white space, else anywhere.

    Args: text: str. longest: characters of a part at most.
    Returns: list of str, joined they are the text.
    """
    parts, start = [], 0
    while len(text) - start > longest:
        end = start + longest
        # Not in its first half: parts would become many and small.
        places = (max(text.rfind(mark, start + longest // 2, end) for mark in marks) for marks in CUTS)
        place = next((place for place in places if place >= 0), end - 1)
        parts.append(text[start : place + 1])
        start = place + 1
    return [*parts, text[start:]]
