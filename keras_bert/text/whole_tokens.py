"""Tokens found whole in a text before the rest of it is split, in TensorFlow ops: as Hugging Face `tokenizers` finds added tokens.

Core ops only, and no resource that whoever saves a graph must track.
"""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_bert.text import ragged
from keras_bert.text.added_tokens import SEPARATOR, SEPARATORS_PLACE

# What the regular expressions of `tokenizers` (Rust's) call \s and \w: White_Space; letters, marks, numbers, connectors, joiners.
_SPACE = r"[\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
_WORD = (
    r"[\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}"
    r"\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}]"  # letters in circles and squares
)
_NO_TOKEN = -1


class _Parts(NamedTuple):
    """Texts parted at their tokens. Each part is a text and the token behind it; a row's last part has none."""

    texts: tf.Tensor  # string [parts]
    text_starts: tf.Tensor  # int64 [parts]: the byte of the row's string at which the text starts
    ids: tf.Tensor  # int32 [parts]: of the token, or _NO_TOKEN
    token_starts: tf.Tensor  # int64 [parts]
    token_ends: tf.Tensor  # int64 [parts]
    counts: tf.Tensor  # int64 [batch]: parts of each row


class WholeTokens:
    """Finds tokens in strings, the leftmost first and of those that start at one place the longest, and leaves the rest to another.

    Of more than about 2,000 tokens RE2 cannot make its fast automaton: it finds the same, slower, and says so on stderr.

    Args:
        tokens: list of dicts as added_tokens.as_added_tokens gives them, "content" being what stands in the strings; of two with
            the same content the first counts.
        stands_alone: a class of characters, as RE2 writes it, that are words by themselves and end a word beside them, or None.
    """

    def __init__(self, tokens, *, stands_alone=None):
        tokens = list({token["content"]: token for token in reversed(tokens)}.values())
        self._pattern = _pattern([token["content"] for token in tokens])
        self._stands_alone = stands_alone
        with tf.init_scope():
            try:
                tf.strings.regex_full_match("", self._pattern)
            except tf.errors.InvalidArgumentError as error:
                size = len(self._pattern)
                raise ValueError(f"{len(tokens)} added tokens are too much for one regular expression: {size} characters") from error
            # Constants, which a graph keeps; see WhitespaceTokenizer.
            hashes = _hash(tf.constant([token["content"] for token in tokens])).numpy()
        order = np.argsort(hashes)
        self._hashes = hashes[order]
        self._ids = np.array([token["id"] for token in tokens], "int32")[order]
        self._single_word, self._lstrip, self._rstrip = (
            np.array([token[flag] for token in tokens], "bool")[order] for flag in ("single_word", "lstrip", "rstrip")
        )

    def split_around(self, strings, split, *, offsets):
        """Split strings: the tokens by themselves, and what lies between them by `split`.

        Where no string of the batch holds a token, that is seen in one pass, and nothing else is done.

        Args:
            strings: string tensor [batch].
            split: function of a string tensor [parts] to int32 tf.RaggedTensor [parts, (pieces)]; with offsets to three, the others
                being the bytes of the part at which pieces start and end.
            offsets: whether `split` gives them and they are wanted.
        Returns: as split, of strings; offsets are int64.
        """
        found = tf.reduce_any(tf.strings.regex_full_match(strings, rf"\C*{self._pattern}\C*"))
        parts = tf.cond(found, lambda: self._parts(strings), lambda: _a_part_each(strings))
        pieces = split(parts.texts)
        ids, spans = (pieces[0], [tf.cast(span.values, tf.int64) for span in pieces[1:]]) if offsets else (pieces, [])
        values, row_splits = tf.cond(found, lambda: _joined(parts, ids, spans), lambda: ([ids.values, *spans], ids.row_splits))
        rows = [ragged.from_splits(value, row_splits) for value in values]
        return tuple(rows) if offsets else rows[0]

    def _parts(self, strings):
        # As many bytes as before, and what normalization deletes for what normalization deletes.
        strings = tf.strings.regex_replace(strings, SEPARATOR, SEPARATORS_PLACE)
        marked = tf.strings.regex_replace(strings, self._pattern, rf"{SEPARATOR}\0{SEPARATOR}") + SEPARATOR
        split = tf.strings.split(marked, SEPARATOR)  # text token text token text "", row by row
        texts, tokens = tf.unstack(tf.reshape(split.values, [-1, 2]), axis=1)
        row_ids, counts = ragged.row_ids(split)[::2], split.row_lengths() // 2
        if self._single_word.any():
            texts, tokens, row_ids, counts = self._without_parts_of_words(texts, tokens, row_ids, counts)
        return self._stripped(texts, tokens, row_ids, counts)

    def _without_parts_of_words(self, texts, tokens, row_ids, counts):
        """Give the tokens back to the text that must be single words and have a letter beside them."""
        empty = texts == ""
        # Beside a token stands a text, or where that is empty another token, or where there is none "", which is no word.
        before = tf.where(empty, _later(self._ends_with_word(tokens)), self._ends_with_word(texts))
        after = _earlier(tf.where(empty, self._starts_with_word(tokens), self._starts_with_word(texts)))
        is_token = tokens != ""
        kept = is_token & ~(tf.gather(tf.constant(self._single_word), self._which(tokens)) & (before | after))
        closes = kept | ~is_token  # the last part of a row has no token
        group = tf.cumsum(tf.cast(closes, tf.int64), exclusive=True)
        row_ids = tf.boolean_mask(row_ids, closes)
        texts = tf.strings.unsorted_segment_join(texts + tf.where(kept, "", tokens), group, tf.size(row_ids))
        tokens = tf.boolean_mask(tf.where(kept, tokens, ""), closes)
        return texts, tokens, row_ids, tf.math.unsorted_segment_sum(tf.ones_like(row_ids), row_ids, tf.size(counts))

    def _stripped(self, texts, tokens, row_ids, counts):
        """Measure, and give tokens the white space beside them that they take."""
        which, is_token = self._which(tokens), tokens != ""
        text_lengths, token_lengths = _bytes(texts), _bytes(tokens)
        ends = tf.cumsum(text_lengths + token_lengths)
        # Bytes counted through all rows, less those of the rows before.
        first_parts = tf.cumsum(counts, exclusive=True)
        text_starts = ends - text_lengths - token_lengths
        text_starts -= tf.gather(tf.gather(text_starts, first_parts), row_ids)
        token_starts = text_starts + text_lengths
        token_ends = token_starts + token_lengths
        if self._rstrip.any():  # first: what the token before a text takes, the one behind it cannot
            takes = _later(is_token & tf.gather(tf.constant(self._rstrip), which))
            texts, taken = _cut(texts, rf"\A{_SPACE}+", takes)
            text_starts += taken
            token_ends += _earlier(taken)
        if self._lstrip.any():
            texts, taken = _cut(texts, rf"{_SPACE}+\z", is_token & tf.gather(tf.constant(self._lstrip), which))
            token_starts -= taken
        ids = tf.where(is_token, tf.gather(tf.constant(self._ids), which), _NO_TOKEN)
        return _Parts(texts, text_starts, ids, token_starts, token_ends, counts)

    def _which(self, tokens):
        """Tokens' places in the arrays; any place for what is no token."""
        place = tf.searchsorted(tf.constant(self._hashes), _hash(tokens), side="left")
        return tf.minimum(place, len(self._hashes) - 1)

    def _starts_with_word(self, strings):
        return self._matches(strings, r"{}\C*")

    def _ends_with_word(self, strings):
        return self._matches(strings, r"\C*{}")

    def _matches(self, strings, pattern):
        in_word = tf.strings.regex_full_match(strings, pattern.replace("{}", _WORD))
        if self._stands_alone is None:
            return in_word
        return in_word & ~tf.strings.regex_full_match(strings, pattern.replace("{}", self._stands_alone))


def _a_part_each(strings):
    count = tf.size(strings, out_type=tf.int64)
    zeros = tf.zeros([count], tf.int64)
    return _Parts(strings, zeros, tf.fill([count], _NO_TOKEN), zeros, zeros, tf.ones([count], tf.int64))


def _joined(parts, ids, spans):
    """Put the tokens between the pieces of the texts. Returns: [ids, starts, ends] or [ids], flat; row_splits of the rows."""
    is_token = parts.ids != _NO_TOKEN
    tokens_so_far = tf.cumsum(tf.cast(is_token, tf.int64))
    tokens_before = tokens_so_far - tf.cast(is_token, tf.int64)
    part_of_piece = ragged.row_ids(ids)
    piece_places = tf.range(tf.size(ids.values, out_type=tf.int64)) + tf.gather(tokens_before, part_of_piece)
    token_places = tf.boolean_mask(ids.row_limits() + tokens_before, is_token)
    places = [tf.cast(piece_places, tf.int32), tf.cast(token_places, tf.int32)]

    def merged(of_pieces, of_tokens):
        return tf.dynamic_stitch(places, [of_pieces, tf.boolean_mask(of_tokens, is_token)])

    values = [merged(ids.values, parts.ids)]
    if spans:
        base = tf.gather(parts.text_starts, part_of_piece)
        values += [merged(spans[0] + base, parts.token_starts), merged(spans[1] + base, parts.token_ends)]
    part_splits = ids.row_splits + tf.pad(tokens_so_far, [[1, 0]])
    return values, tf.gather(part_splits, tf.pad(tf.cumsum(parts.counts), [[1, 0]]))


def _cut(texts, pattern, where):
    """Delete what fits where it is said. Returns: texts; how many bytes went, int64."""
    texts, before = tf.where(where, tf.strings.regex_replace(texts, pattern, ""), texts), _bytes(texts)
    return texts, before - _bytes(texts)


def _later(values):
    return tf.pad(values[:-1], [[1, 0]])


def _earlier(values):
    return tf.pad(values[1:], [[0, 1]])


def _bytes(strings):
    return tf.cast(tf.strings.length(strings), tf.int64)


def _hash(strings):
    return tf.strings.to_hash_bucket_fast(strings, 2**63 - 1)


def _pattern(contents):
    """A pattern that fits the longest of the contents: "<ent>", "<e", "x" is (?:<e(?:nt>)?|x).

    What begins alike is written once, for RE2's automaton grows with the pattern.
    """
    branches = []
    for _, group in itertools.groupby(sorted(filter(None, contents)), key=lambda content: content[0]):
        group = list(group)
        # Of a sorted list what the first and the last begin with alike, all do.
        alike = sum(itertools.takewhile(bool, (a == b for a, b in zip(group[0], group[-1], strict=False))))
        rest = _pattern([content[alike:] for content in group]) if len(group) > 1 else ""
        branches.append(_quoted(group[0][:alike]) + rest)
    return f"(?:{'|'.join(branches)})" + ("?" if "" in contents else "")


def _quoted(content):
    return "".join(character if character.isascii() and character.isalnum() else rf"\x{{{ord(character):X}}}" for character in content)
