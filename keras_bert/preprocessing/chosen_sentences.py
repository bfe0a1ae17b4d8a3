"""Which sentences make a summary: the best first, within limits, none that repeats three words of one before it."""

import tensorflow as tf

from keras_bert.text import ragged, word_ids

_BUCKETS = 2**62  # of fingerprints of three words


def trigrams(tokenizer, pieces):
    """Runs of three words of each sentence.

    Args: tokenizer: Tokenizer, whose words they are (each Chinese character is one); None: each piece is a word.
        pieces: int32 tf.RaggedTensor [sentences, (pieces)].
    Returns: int64 tf.RaggedTensor [sentences, (trigrams)], fingerprints.
    """
    words = pieces.with_values(tf.strings.as_string(pieces.values))
    if tokenizer is not None:
        numbers = word_ids(tokenizer, pieces)
        place = tf.range(tf.size(numbers.values, tf.int64))
        begins = place == tf.gather(numbers.row_starts(), ragged.row_ids(numbers))
        begins |= tf.concat([tf.ones_like(begins[:1]), numbers.values[1:] != numbers.values[:-1]], axis=0)
        word = tf.cumsum(tf.cast(begins, tf.int64)) - 1
        joined = tf.strings.unsorted_segment_join(words.values, word, tf.math.count_nonzero(begins), separator="+")
        words = ragged.from_lengths(joined, ragged.sums(pieces.with_values(tf.cast(begins, tf.int64))))
    found = tf.strings.ngrams(words, 3, separator=" ")
    return found.with_values(tf.strings.to_hash_bucket_fast(found.values, _BUCKETS))


def choose_sentences(scores, lengths, repeats=None, *, num_sentences=None, share=None, max_characters=None):
    """Choose sentences of documents, the best first, the first of equals, as long as there is room.

    Args:
        scores: float32 tf.RaggedTensor [documents, (sentences)]. lengths: int32 like it, characters of each sentence.
        repeats: int64 tf.RaggedTensor [documents, (sentences), (trigrams)]: a sentence that shares one with a chosen one is passed over;
            None: none is.
        num_sentences: most that are chosen. share: most of a document's sentences, 0 to 1, rounded up. max_characters: most of all that are
            chosen, with one between each two; a sentence that is too long is passed over. None: any number.
    Returns: bool tf.RaggedTensor [documents, (sentences)].
    Source: Liu & Lapata 2019, section 3.2: "trigram blocking" (Paulus et al. 2018).
    """
    counts = scores.row_lengths()
    limit = counts
    if num_sentences is not None:
        limit = tf.minimum(limit, num_sentences)
    if share is not None:  # less a little: 0.1 * 30 is 3.0000000000000004
        limit = tf.minimum(limit, tf.cast(tf.math.ceil(share * tf.cast(counts, tf.float64) - 1e-9), tf.int64))
    order = tf.argsort(scores.to_tensor(scores.dtype.min), axis=1, direction="DESCENDING", stable=True)
    flat_lengths = tf.cast(lengths.values, tf.int64)
    if repeats is None:
        seen, of_sentences = tf.zeros([0], tf.bool), None
    else:
        by_sentence = repeats.values
        document = tf.gather(ragged.row_ids(scores), ragged.row_ids(by_sentence))
        keys = tf.strings.join([tf.strings.as_string(document), tf.strings.as_string(by_sentence.values)], separator=" ")
        different, numbers = tf.unique(keys)
        seen, of_sentences = tf.zeros_like(different, tf.bool), by_sentence.with_values(numbers)

    def step(number, chosen, count, characters, seen):
        wanted = (count < limit) & (number < counts)
        sentence = scores.row_starts() + tf.cast(order[:, number], tf.int64)
        sentence = tf.where(wanted, sentence, 0)  # of no document: any
        longer = characters + tf.gather(flat_lengths, sentence) + tf.cast(count > 0, tf.int64)
        if max_characters is not None:
            wanted &= longer <= max_characters
        if of_sentences is not None:
            theirs = tf.gather(of_sentences, sentence)
            of = ragged.row_ids(theirs)
            again = tf.math.unsorted_segment_max(tf.cast(tf.gather(seen, theirs.values), tf.int32), of, tf.size(sentence))
            wanted &= again <= 0  # without a trigram it is the least number
            new = tf.gather(theirs.values, tf.where(tf.gather(wanted, of))[:, 0])
            seen = tf.tensor_scatter_nd_update(seen, new[:, None], tf.ones_like(new, tf.bool))
        taken = tf.boolean_mask(sentence, wanted)
        chosen = tf.tensor_scatter_nd_update(chosen, taken[:, None], tf.ones_like(taken, tf.bool))
        return number + 1, chosen, count + tf.cast(wanted, tf.int64), tf.where(wanted, longer, characters), seen

    def goes_on(number, chosen, count, characters, seen):
        return tf.reduce_any((count < limit) & (number < counts))

    start = (tf.constant(0, tf.int64), tf.zeros_like(scores.values, tf.bool), tf.zeros_like(counts), tf.zeros_like(counts), seen)
    shapes = (tf.TensorShape([]), *[tf.TensorShape([None])] * 4)
    chosen = tf.while_loop(goes_on, step, start, shape_invariants=shapes, parallel_iterations=1)[1]
    return scores.with_values(chosen)
