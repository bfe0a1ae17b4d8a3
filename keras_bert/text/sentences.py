"""Sentences of English and Chinese text, in TensorFlow ops: those of data.split_sentences, so that tf.data and a SavedModel find the same.

A text is cut behind each mark that may end a sentence, into segments, and each mark is looked at:

    segments    "Dr" ". "   "Smith is 5" ". "   "He asks" "? "   ""
    ends        no          yes                 yes              (the end of the text)

Whether a mark ends a sentence hangs on what stands around it, for all but the numbers of a list ("1. Introduction."): these depend on the
mark before, too, and that on the one before it.
"""

import functools
import sys
from typing import NamedTuple

import tensorflow as tf

from keras_bert.text import ragged
from keras_bert.text.sentence_rules import (
    ABBREVIATIONS,
    BEFORE_NUMBERS,
    CANDIDATE,
    CHINESE_MARKS,
    CUTS,
    HAN,
    LONGEST,
    MOST_OPENING,
    OPENING,
    WHITE_SPACE,
)

_BEFORE_MARK, _BEHIND_MARK = b"\xff", b"\xfe"  # bytes that no UTF-8 text holds
_OPEN = "".join(f"\\{mark}" if mark in "[-" else mark for mark in OPENING)  # as a class
_ANY = "(?s)"  # "." is a line break, too


class Sentences(NamedTuple):
    """Sentences of texts.

    Args:
        text: string tf.RaggedTensor [batch, (sentences)], without white space at their ends; none is empty.
        starts, ends: int64 like it, bytes of the text: text[start:end] is the sentence.
    """

    text: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor


def find_sentences(texts, *, longest=LONGEST):
    """Split texts into sentences, as data.split_sentences does.

    Args: texts: string tensor [batch], valid UTF-8. longest: characters of a sentence, 2,000 at most; a longer one is cut.
    Returns: Sentences. A text of white space alone has none.
    """
    texts = tf.convert_to_tensor(texts, tf.string)
    marked = tf.strings.regex_replace(texts, CANDIDATE, _BEFORE_MARK + rb"\0" + _BEHIND_MARK)
    segments = tf.strings.split(marked, _BEHIND_MARK)
    halves = tf.strings.split(segments.values, _BEFORE_MARK)
    body, mark = (halves[:, place : place + 1].to_tensor("", shape=[None, 1])[:, 0] for place in (0, 1))
    place, text = tf.range(tf.size(body, tf.int64)), ragged.row_ids(segments)
    first = place == tf.gather(segments.row_starts(), text)
    last = place == tf.gather(segments.row_limits(), text) - 1
    ends = last | _ends_sentence(body, mark, first, last)
    whole = tf.strings.join([body, mark])
    starts = tf.boolean_mask(_starts(segments.with_values(whole)).values, tf.concat([first[:1], ends[:-1]], axis=0))
    owners = tf.boolean_mask(text, ends)
    joined = _joined(whole, tf.cumsum(tf.cast(ends, tf.int64), exclusive=True), tf.size(owners, tf.int64))
    return _cut(joined, starts, owners, tf.size(texts, tf.int64), longest)


def _ends_sentence(body, mark, first, last):
    """Which marks end a sentence.

    Args: body, mark: string [segments]; mark is "" where a text ends without one. first, last: bool [segments], of their text.
    Returns: bool [segments].
    """
    is_mark = mark != ""
    behind = tf.where(last, "", tf.roll(body + mark, -1, axis=0))
    ends_space = _matches(mark, f".*[{WHITE_SPACE}]")
    surely = is_mark & (_matches(mark, f"[\n{CHINESE_MARKS}].*|.*\n.*") | (behind == ""))
    unspaced = _matches(mark, "[!?].*") & _matches(behind, f"[{HAN}].*")
    glued = is_mark & ~ends_space & ~surely & ~unspaced  # a mark within a word, as in "e.g."
    following = tf.strings.regex_replace(behind, f"^[{_OPEN}]*", "", replace_global=False)
    goes_on = (following == "") | _matches(behind, f"[{_OPEN}]{{{MOST_OPENING}}}.*") | _matches(following, f"[.!?{_ranges('islower')}].*")
    word, is_alone = _words(body, mark, glued, first)
    number = _matches(word, f"[{_ranges('isdigit')}]+")
    is_digit = _matches(following, f"[{_ranges('isdigit')}].*")
    before_number = _matches(word, "|".join(sorted(BEFORE_NUMBERS)))
    short = _matches(word, "|".join(sorted(ABBREVIATIONS)).replace(".", r"\.") + r"|[a-hj-\x{24F}]|[^.](\.[^.])+")  # an initial; U.S.
    by_word = tf.where(before_number, ~is_digit, number | ~short)
    plain_point = _matches(mark, r"\.[^.].*")
    decided = surely | (is_mark & tf.where(ends_space, ~goes_on & (~plain_point | by_word), unspaced))
    begins_item = ends_space & ~surely & ~goes_on & plain_point & ~before_number & number & is_alone & ~_matches(word, ".{4,}")
    return _items_resolved(decided, begins_item, first)


def _words(body, mark, glued, first):
    """The word that each mark stands behind. Returns: string [segments], in small letters; bool [segments]: nothing of its segment stands
    before it.
    """
    begins = tf.concat([tf.ones_like(first[:1]), ~glued[:-1]], axis=0) | first
    runs = tf.cumsum(tf.cast(begins, tf.int64)) - 1
    text = tf.gather(_joined(tf.where(glued, body + mark, body), runs, tf.reduce_sum(tf.cast(begins, tf.int64))), runs)
    word = tf.strings.regex_replace(text, f"{_ANY}^.*[{WHITE_SPACE}]", "")
    word = tf.strings.regex_replace(word, f"^[{_OPEN}]*", "", replace_global=False)
    # tf.strings.lower follows the locale of the process; see text.normalization.
    small = tf.strings.regex_replace(tf.strings.regex_replace(word, "I", "i"), "\u0130", "i\u0307")
    return tf.strings.lower(small, encoding="utf-8"), begins & (text == word)


def _items_resolved(decided, begins_item, first):
    """Marks behind what may be the number of a list: it is one where the mark before ended a sentence, and then its own mark ends none.

    So it goes from one such mark to the next: yes, no, yes, ... from what the last other mark says.
    """
    decided &= ~(begins_item & first)
    is_fixed = ~begins_item | first
    places = tf.range(tf.size(decided, tf.int64))
    fixed = tf.gather(tf.boolean_mask(places, is_fixed), tf.cumsum(tf.cast(is_fixed, tf.int64)) - 1)
    return tf.gather(decided, fixed) ^ ((places - fixed) % 2 == 1)


def _cut(text, starts, owners, count, longest):
    """Cut what is too long, as data.sentences.cut_text does, and strip all. Args: [sentences]. Returns: Sentences."""
    text, starts = _stripped(text, starts)
    done = tf.fill(tf.shape(text), "")
    half = longest // 2

    def too_long(rest):
        return tf.strings.length(rest, unit="UTF8_CHAR") > longest

    def cut_once(done, rest):
        rows = tf.where(too_long(rest))
        long = tf.gather_nd(rest, rows)
        first, second = (tf.strings.substr(long, *part, unit="UTF8_CHAR") for part in ((0, half), (half, longest - half)))
        kept = second
        for marks in reversed(CUTS):
            up_to_mark = tf.strings.regex_replace(second, f"[^{marks}]*$", "", replace_global=False)
            kept = tf.where(up_to_mark == "", kept, up_to_mark)
        part = first + kept
        rest_of_long = tf.strings.regex_replace(long, f"{_ANY}^.{{{half}}}", "", replace_global=False)
        rest_of_long = tf.strings.substr(rest_of_long, tf.strings.length(kept), tf.strings.length(long))
        done = tf.tensor_scatter_nd_update(done, rows, tf.gather_nd(done, rows) + part + _BEHIND_MARK)
        return done, tf.tensor_scatter_nd_update(rest, rows, rest_of_long)

    options = {"shape_invariants": [tf.TensorShape([None])] * 2, "parallel_iterations": 1}
    done, rest = tf.while_loop(lambda _, rest: tf.reduce_any(too_long(rest)), cut_once, [done, text], **options)
    parts = tf.strings.split(done + rest, _BEHIND_MARK)
    row = ragged.row_ids(parts)
    sentences, starts = _stripped(parts.values, _starts(parts).values + tf.gather(starts, row))
    real = tf.where(sentences != "")[:, 0]
    owners, sentences, starts = (tf.gather(part, real) for part in (tf.gather(owners, row), sentences, starts))
    sentences = tf.RaggedTensor.from_value_rowids(sentences, owners, nrows=count, validate=False)
    return Sentences(sentences, sentences.with_values(starts), sentences.with_values(starts + _length(sentences.values)))


def _stripped(text, starts):
    """Without white space at their ends. Args: string [sentences]; int64, bytes where they begin. Returns: the same."""
    without_lead = tf.strings.regex_replace(text, f"^[{WHITE_SPACE}]+", "", replace_global=False)
    stripped = tf.strings.regex_replace(without_lead, f"[{WHITE_SPACE}]+$", "", replace_global=False)
    return stripped, starts + _length(text) - _length(without_lead)


def _matches(strings, pattern):
    return tf.strings.regex_full_match(strings, f"{_ANY}(?:{pattern})")


def _length(strings):
    return tf.cast(tf.strings.length(strings), tf.int64)


def _starts(parts):
    """Bytes before each part of a text. Args: parts: string tf.RaggedTensor [texts, (parts)]. Returns: int64 like it."""
    counted = tf.cumsum(_length(parts.values), exclusive=True)
    return parts.with_values(counted - tf.gather(counted, tf.gather(parts.row_starts(), ragged.row_ids(parts))))


def _joined(strings, groups, count):
    """Strings that stand side by side, joined. Args: groups: int64, ascending. Returns: string [count]."""
    return tf.strings.unsorted_segment_join(strings, groups, count)


@functools.cache
def _ranges(method):
    """The characters of which a method of str is true, as ranges of a class. Python's and RE2's Unicode may be of other years."""
    points = [point for point in range(sys.maxunicode + 1) if getattr(chr(point), method)()]
    breaks = [place for place in range(1, len(points)) if points[place] != points[place - 1] + 1]
    bounds = zip([0, *breaks], [*breaks, len(points)], strict=True)
    return "".join(f"\\x{{{points[start]:X}}}-\\x{{{points[end - 1]:X}}}" for start, end in bounds)
