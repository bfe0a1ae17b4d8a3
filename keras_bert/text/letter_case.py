"""Capitals that an uncased vocabulary lost, put back where the word stands in the source. Core TensorFlow ops only.

source      The editor of GNU Emacs, by Richard Stallman.
answer      richard stallman wrote emacs. the editor is free
restored    Richard Stallman wrote Emacs. The editor is free
"""

import tensorflow as tf

_LETTERS = r"[\p{L}\p{N}\p{M}]"
_SENTENCE_END = r"[.!?\x{3002}\x{FF01}\x{FF1F}][\"')\]\x{201D}]*\s+"
_OPENING = r"[\"'(\[\x{201C}]*"
_FIRST, _CUT = "\x02", "\x01"  # marks; no text that was normalised holds them


def restore_case(texts, sources, normalize):
    """Write words as the source does.

    A word keeps its small letters where the source has it so, too, or has it in no other way than with a first capital at the beginning
    of a sentence. Sentences begin with a capital if the source's first does.

    Args:
        texts: string [batch, answers], in small letters. sources: string [batch].
        normalize: function of strings -> them in small letters, as the vocabulary has it: BertTokenizer.normalize.
    Returns: string [batch, answers].
    """
    words, forms, found = _known_words(sources, normalize)
    answers = tf.shape(texts)[1]
    parts = tf.strings.split(tf.strings.regex_replace(tf.reshape(texts, [-1]), rf"({_LETTERS}+)", rf"{_CUT}\1{_CUT}"), _CUT)
    shape = tf.stack([tf.shape(texts)[0], answers, tf.cast(parts.bounding_shape(axis=1), tf.int32)])
    parts = tf.reshape(parts.to_tensor(""), shape)  # (B, A, P): between words, word, between words, ...
    flat = tf.reshape(parts, tf.stack([shape[0], answers * shape[2]]))
    same = (flat[:, :, None] == words[:, None, :]) & (flat != "")[:, :, None]  # (B, A * P, words of the source)
    keeps = tf.reduce_any(same & (forms == words)[:, None, :], axis=2)
    usable = same & found[:, None, :]
    form = tf.gather(forms, tf.argmax(tf.cast(usable, tf.int32), axis=2), batch_dims=1)
    flat = tf.where(tf.reduce_any(usable, axis=2) & ~keeps, form, flat)
    parts = tf.reshape(flat, shape)
    begins = tf.strings.regex_full_match(parts, rf".*{_SENTENCE_END}{_OPENING}")
    begins = tf.concat([tf.ones_like(begins[:, :, :1]), begins[:, :, :-1]], axis=2)
    is_first = tf.concat([tf.zeros_like(begins[:, :, :1]), tf.ones_like(begins[:, :, 1:2]), begins[:, :, 2:]], axis=2)
    capital = tf.strings.regex_full_match(sources, r"(?s)[^\p{L}]*\p{Lu}.*")[:, None, None]
    parts = tf.where(is_first & capital, _capitalized(parts), parts)
    return tf.strings.reduce_join(parts, axis=2)


def _known_words(sources, normalize):
    """Returns: words in small letters, and as the source writes them, string [batch, words], padded with ""; bool, which are usable."""
    marked = tf.strings.regex_replace(sources, rf"(^|{_SENTENCE_END})({_OPENING})(\p{{L}})", rf"\1\2{_FIRST}\3")
    spaced = tf.strings.regex_replace(marked, rf"[^\p{{L}}\p{{N}}\p{{M}}{_FIRST}]+", " ")
    forms = tf.strings.split(spaced).to_tensor("")
    forms = tf.concat([forms, tf.fill(tf.stack([tf.shape(forms)[0], 1]), "")], axis=1)  # one at least, to choose from
    begins = tf.strings.regex_full_match(forms, f"{_FIRST}.*")
    forms = tf.strings.regex_replace(forms, _FIRST, "")
    words = normalize(forms)
    one_capital = tf.strings.regex_full_match(forms, r"\p{Lu}[^\p{Lu}]*")
    return words, forms, (forms != words) & ~(begins & one_capital)


def _capitalized(strings):
    first = tf.strings.regex_replace(strings, r"^(\p{L}?)(?s:.*)$", r"\1")
    rest = tf.strings.regex_replace(strings, r"^\p{L}", "")
    return tf.strings.upper(first, encoding="utf-8") + rest
