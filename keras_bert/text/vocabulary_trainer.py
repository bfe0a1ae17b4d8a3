"""Learn a WordPiece vocabulary from text: count BERT's words with TensorFlow ops, then let Hugging Face `tokenizers` merge them.

Two kept libraries learn from counts of words. Both had the words of nine lines in ten of 12 MB of English and of 0.5 MB of Chinese
prose, every character in the alphabet, and were asked for 8,000 pieces; scored on the tenth lines (2 shared cores):

                            tokenizers 0.23 WordPieceTrainer       tensorflow-text 2.20 wordpiece_vocab, lower_thresh=2
    English, 28,509 words   1.7 s   8,000 pieces                   95.8 s  7,670 pieces
      pieces a word         1.0770                                 1.0780
      [UNK]                 0.000 %                                0.000 %
    Chinese, 3,743 words    0.1 s   3,997 pieces                   4.2 s   4,468 pieces (asked for 3,997: 3,899)
      pieces a word         1.0215                                 1.0303 (1.0463)
      [UNK]                 0.128 %                                0.128 %
    the same list each run  no, but see below                      yes

`tokenizers` it is: as good or better, some 50 times as fast, and it gives the size asked for; the other is Python that goes through
every substring of every word, and spends a piece "##字" on each Chinese character though none ever continues a word. But
`tokenizers` by itself numbers the alphabet in the order of a randomly seeded hash map, and ties between merges go by number:
each run gave another list. Handed the alphabet, in order, as pieces to begin with, it gives one list in every run, on any number of
threads. (A character seen once is no piece at min_frequency=2, and the Chinese share of [UNK] becomes 0.32 %.)
"""

import collections
import os
import sys
import time

import tensorflow as tf

from keras_bert.text import vocabulary as vocabulary_lib
from keras_bert.text.lines import read_lines
from keras_bert.text.normalization import Normalizer
from keras_bert.text.word_splitter import CONTINUATION, ONE_CHARACTER_WORD

SPECIAL = (vocabulary_lib.PAD, vocabulary_lib.UNK, vocabulary_lib.CLS, vocabulary_lib.SEP, vocabulary_lib.MASK)
MAX_WORD_CHARACTERS = 200  # BertTokenizer's: a longer word becomes [UNK], whatever the vocabulary
_BATCH_BYTES = 1 << 20
_PROGRESS_SECONDS = 5
_REPEATS = 10_000  # of a word in one string handed to the trainer


def train_vocabulary(
    files, size, *, lower_case=True, strip_accents=None, min_frequency=2, special=SPECIAL, num_unused=0, max_words=10_000_000, progress=True
):
    """Learn a vocabulary for BertTokenizer, the same list in every run over the same texts, in whatever order they stand; in one order
    where there are more than max_words different words.

    The list: special pieces, [unused0] and on, the characters by code point, those that continue a word ("##a"), and then
    what was merged, in the order it was. Two shared cores count 5 to 8 MB of text a second, and learn from a million running
    words a second.

    Args:
        files: path, or list of paths: UTF-8, a text a line; .gz is unpacked. Any other iterable (a generator, or iter(texts))
            gives the texts themselves.
        size: pieces to learn, special ones included. Where the texts hold fewer, the list is shorter.
        lower_case, strip_accents: as BertTokenizer will have them.
        min_frequency: what occurs less often is not learned: a character then makes its word [UNK], a pair stays a pair.
        special: pieces to stand first, [PAD], [UNK], [CLS] and [SEP] among them.
        num_unused: pieces [unused0], [unused1], ... to stand behind them, for fine-tuning to make something of.
        max_words: different words to count at once, which bounds the memory (some 150 bytes each): see count_words.
        progress: tell lines and megabytes counted on stderr.
    Returns: list[str] of at most `size` pieces; see save_vocabulary.
    Raises: ValueError on texts without a word, on bytes that are not UTF-8 or broken gzip (file and line), and naming the
        smallest size where special pieces and characters alone are more. FileNotFoundError.
    """
    special = [*special, *(f"[unused{number}]" for number in range(num_unused))]
    vocabulary_lib.check_vocabulary(special, source="special pieces")
    if max_words < 1:
        raise ValueError(f"max_words={max_words}; expected 1 or more")
    if min_frequency < 1:
        raise ValueError(f"min_frequency={min_frequency}: what is learned occurs once at least; expected 1 or more")
    normalizer = Normalizer(lower_case=lower_case, strip_accents=strip_accents)
    counts = count_words(read_lines(files), normalizer, max_words=max_words, progress=progress)
    counts = {word: counts[word] for word in sorted(counts) if len(word) <= MAX_WORD_CHARACTERS}  # sorted: reading order must not show
    alphabet = _alphabet(counts, min_frequency)
    if not alphabet:
        raise ValueError(f"no character occurs min_frequency={min_frequency} times in the {len(counts)} words of {_name(files)}")
    initial = [*special, *(piece for piece in alphabet if piece not in set(special))]
    if size < len(initial):
        raise ValueError(
            f"size={size} cannot hold the {len(special)} special pieces and {len(initial) - len(special)} characters of {_name(files)}; "
            f"the smallest size is {len(initial)}, or raise min_frequency={min_frequency}"
        )
    # A word with a character that is no piece stays [UNK]: it must not lend its other characters to pairs.
    known = {piece.removeprefix(CONTINUATION) if len(piece) > 1 else piece for piece in alphabet}
    counts = {word: count for word, count in counts.items() if known.issuperset(word)}
    if progress:
        print(f"learning {size:,} pieces from {len(counts):,} words", file=sys.stderr)
    return vocabulary_lib.check_vocabulary(_learn(counts, size, initial, min_frequency))


def count_words(lines, normalizer, *, max_words=None, progress=False):
    """Count words as BERT splits them: at white space; each punctuation mark and each Chinese character is a word.

    Args:
        lines: iterable of bytes, UTF-8.
        normalizer: Normalizer.
        max_words: where there are more different words than so many, forget those seen least, down to half. One that comes again is then
            counted anew, so that rare words lose counts, those of every megabyte none. None: keep all.
        progress: tell lines and megabytes counted on stderr.
    Returns: collections.Counter of str.
    Source: after Manku and Motwani 2002, "Approximate frequency counts over data streams".
    """

    def words_of(texts):
        parted = tf.strings.regex_replace(normalizer(texts), f"({ONE_CHARACTER_WORD})", r" \1 ")
        words, _, counts = tf.unique_with_counts(tf.strings.split(parted).values, out_idx=tf.int64)
        return words, counts, tf.size(texts), tf.reduce_sum(tf.cast(tf.strings.length(texts), tf.int64))

    failures = []

    def batches_of_lines():
        try:
            yield from _batched(lines)
        except Exception as error:  # tf.data would bury it in an error of its own
            failures.append(error)

    batches = tf.data.Dataset.from_generator(batches_of_lines, output_signature=tf.TensorSpec([None], tf.string))
    batches = batches.map(words_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=max_words is not None).prefetch(tf.data.AUTOTUNE)
    counter = collections.Counter()
    start = told = time.monotonic()
    num_lines = num_bytes = 0
    for words, counts, batch_lines, batch_bytes in batches.as_numpy_iterator():
        for word, count in zip(words.tolist(), counts.tolist(), strict=True):
            counter[word] += count
        if max_words is not None and len(counter) > max_words:
            counter, seen = _commonest(counter, max_words // 2)
            if progress:
                print(f"more than {max_words:,} different words: those seen up to {seen:,} times are forgotten", file=sys.stderr)
        num_lines += int(batch_lines)
        num_bytes += int(batch_bytes)
        if progress and time.monotonic() - told > _PROGRESS_SECONDS:
            told = time.monotonic()
            _tell(num_lines, num_bytes, told - start)
    if failures:
        raise failures[0]
    if progress:
        _tell(num_lines, num_bytes, time.monotonic() - start)
    return collections.Counter({word.decode("utf-8"): count for word, count in counter.items()})


def _commonest(counter, most):
    """Returns: Counter of at most so many words, all that were seen more often than some number of times; and that number."""
    words_by_count = collections.Counter(counter.values())
    kept, seen = len(counter), 0
    for count in sorted(words_by_count):
        if kept <= most:
            break
        kept, seen = kept - words_by_count[count], count
    return collections.Counter({word: count for word, count in counter.items() if count > seen}), seen


def _tell(num_lines, num_bytes, seconds):
    print(f"counted {num_lines:,} lines, {num_bytes / 1e6:.1f} MB, {num_bytes / 1e6 / max(seconds, 1e-9):.1f} MB/s", file=sys.stderr)


def _name(files):
    if isinstance(files, (str, os.PathLike)):
        return os.fspath(files)
    return ", ".join(map(os.fspath, files)) if isinstance(files, (list, tuple)) else "the texts"


def _batched(lines):
    batch, size = [], 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _alphabet(counts, min_frequency):
    """Returns: list of the characters that are frequent enough, then those of them that continue words, each by code point."""
    frequencies, of_longer_words = collections.Counter(), set()
    for word, count in counts.items():
        for character in word:
            frequencies[character] += count
        if len(word) > 1:
            of_longer_words.update(word)
    characters = sorted(character for character, frequency in frequencies.items() if frequency >= min_frequency)
    # A letter seen in words may begin or continue the next one. Punctuation and Chinese characters are words by themselves.
    return characters + [CONTINUATION + character for character in characters if character in of_longer_words]


def _learn(counts, size, initial, min_frequency):
    """Merge the commonest pairs until there are `size` pieces. Returns: list[str], beginning with `initial`."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from tokenizers.trainers import WordPieceTrainer

    def texts():
        # It takes texts, not counts.
        for word, count in counts.items():
            for done in range(0, count, _REPEATS):
                yield " ".join([word] * min(_REPEATS, count - done))

    model = Tokenizer(WordPiece(unk_token=vocabulary_lib.UNK))
    model.pre_tokenizer = WhitespaceSplit()
    trainer = WordPieceTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        special_tokens=initial,
        limit_alphabet=len(initial),  # the characters of the words are all in it
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    model.train_from_iterator(texts(), trainer)
    ids = model.get_vocab()
    return sorted(ids, key=ids.get)
