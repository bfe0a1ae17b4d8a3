"""Sentences, as words or as raw text, to the pieces of each word, and to where each word stands in its text.

Facts of a sentence, which answers want: text: string [sentences]; starts, ends: int64 tf.RaggedTensor [sentences, (words)], bytes of it.
"""

import tensorflow as tf

from keras_bert.preprocessing.words import split_words
from keras_bert.text import ragged, word_ids

TEXT, STARTS, ENDS = "text", "starts", "ends"


def pieces_of_words(tokenizer, column):
    """Sentences of words. Their text is the words joined by single spaces.

    Args: tokenizer: Tokenizer. column: string [sentences], see preprocessing.words.
    Returns: int32 tf.RaggedTensor [sentences, (words), (pieces)], a word without a piece being [UNK]; function of no arguments that gives
        the facts.
    """
    words = split_words(column)
    pieces = tokenizer.tokenize(words.values)
    unknown = tf.cast(pieces.row_lengths() == 0, tf.int64)  # of white space, or of what is deleted
    unknown_ids = tf.fill([tf.reduce_sum(unknown)], tf.constant(tokenizer.unk_id, tf.int32))
    pieces = ragged.side_by_side(pieces, ragged.from_lengths(unknown_ids, unknown))

    def facts():
        lengths = tf.cast(tf.strings.length(words.values), tf.int64) + 1  # and the space behind it
        counted = tf.concat([[0], tf.cumsum(lengths)], axis=0)
        ends = counted[1:] - tf.gather(tf.gather(counted, words.row_starts()), ragged.row_ids(words))
        # By a separator the space behind an empty first word would be left out.
        joined = ragged.joined(words.with_values(" " + words.values))
        length = tf.strings.length(joined)
        return {
            TEXT: tf.strings.substr(joined, tf.minimum(length, 1), length),
            STARTS: words.with_values(ends - lengths),
            ENDS: words.with_values(ends - 1),
        }

    return words.with_values(pieces), facts


def pieces_of_texts(tokenizer, texts):
    """Raw text, whose words are the tokenizer's.

    Args: tokenizer: Tokenizer. texts: string [sentences]; bytes that are not UTF-8 become U+FFFD, so that answers are UTF-8.
    Returns: as pieces_of_words; every word has a piece.
    """
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace", replace_control_characters=False)
    ids, starts, ends = tokenizer.tokenize_with_offsets(texts)
    numbers = word_ids(tokenizer, ids)
    lengths = numbers.row_lengths()
    # A text without pieces has no last one: behind all stands -1 for it.
    last = tf.where(lengths > 0, numbers.row_limits() - 1, tf.size(numbers.values, tf.int64))
    last = tf.gather(tf.concat([numbers.values, [-1]], axis=0), last)
    words = tf.cast(last + 1, tf.int64)  # of each sentence
    word = tf.cast(numbers.values, tf.int64) + tf.gather(tf.cumsum(words, exclusive=True), ragged.row_ids(numbers))
    of_word = tf.math.unsorted_segment_sum(tf.ones_like(word), word, tf.reduce_sum(words))
    pieces = ragged.from_lengths(ids.values, of_word)

    def facts():
        return {
            TEXT: texts,
            STARTS: ragged.from_lengths(tf.gather(starts.values, pieces.row_starts()), words),
            ENDS: ragged.from_lengths(tf.gather(ends.values, pieces.row_limits() - 1), words),
        }

    return ragged.from_lengths(pieces, words), facts


def cut_long_words(pieces, *, room, most):
    """Cut the words of sentences that are too long for one row.

    Args: pieces: [sentences, (words), (pieces)]. room: pieces of a row. most: pieces that a word keeps where its sentence has more.
    Returns: the same, cut.
    """
    words = pieces.values
    lengths = words.row_lengths()
    of_sentence = ragged.sums(pieces.with_values(lengths))
    is_long = tf.gather(of_sentence > room, ragged.row_ids(pieces))
    keep = tf.where(is_long, tf.minimum(lengths, most), lengths)
    return pieces.with_values(ragged.first_of_rows(words, keep))
