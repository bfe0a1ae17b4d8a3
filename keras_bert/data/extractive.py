"""Documents with summaries -> which sentences of each document say what its summary says, to train BertExtractiveSummarizer by."""

import collections
import functools
import itertools
import numbers
import warnings

import tensorflow as tf

from keras_bert.data.sentences import split_sentences
from keras_bert.data.tables import check_text
from keras_bert.text.rouge_words import rouge_words


def extractive_labels(sentences, summary, *, max_sentences=3, language="en"):
    """Choose the sentences whose words are most like a summary's: the greedy oracle of extractive summaries.

        extractive_labels(["It rained.", "Ann met Bob in Rome.", "They ate."], "Ann met Bob")       # [0, 1, 0]

    One sentence after the other is added, each time that which raises ROUGE-1 plus ROUGE-2 (F1) of all chosen sentences most, the first of
    equals; up to max_sentences, or until none raises it. The score is rouge-score's of the sentences joined in the order of the document.

    Args:
        sentences: list of str. summary: str.
        max_sentences: most that are chosen.
        language: "zh": Chinese is compared by characters; "en": by words of a to z and digits, without stemming.
    Returns: list of int, 1 for a chosen sentence and 0 for another; all 0 where none has a word of the summary.
    Raises: ValueError on a max_sentences that is no whole number from 1, or on one string for the sentences.
    Source: Liu 2019, "Fine-tune BERT for extractive summarization" (BertSum), greedy_selection; that compares sets of words, here, as ROUGE
        has it, a word counts as often as it stands in both.
    """
    if isinstance(max_sentences, bool) or not isinstance(max_sentences, numbers.Integral) or max_sentences < 1:
        raise ValueError(f"max_sentences={max_sentences!r} is not a whole number from 1")
    _check_sentences(sentences)
    reference = rouge_words(summary, language)
    words = [rouge_words(sentence, language) for sentence in sentences]
    overlap = _Overlap(reference, words)
    chosen, best = [], 0.0
    while len(chosen) < max_sentences:
        left = [index for index in range(len(words)) if index not in chosen and words[index]]
        scored = [(overlap.score_with(chosen, index), -index) for index in left]
        score, index = max(scored, default=(0.0, 0))
        if score <= best:
            break
        best = score
        overlap.add(chosen, -index)
        chosen = sorted([*chosen, -index])
    return [int(index in chosen) for index in range(len(words))]


def sentence_scores(sentences, summary, *, language="en"):
    """How much each sentence, alone, is like a summary: ROUGE-L (F1), as rouge-score has it.

        sentence_scores(["It rained.", "Ann met Bob in Rome.", "They ate."], "Ann met Bob")         # [0.0, 0.75, 0.0]

    As labels these say of every sentence what choosing it is worth, where extractive_labels says of most that they are not the best one.

    Args: sentences: list of str. summary: str. language: see extractive_labels.
    Returns: list of float, 0 to 1.
    Raises: ValueError on one string for the sentences.
    Source: Lin 2004, "ROUGE: a package for automatic evaluation of summaries"; scores as targets: Ren et al. 2017, "Leveraging contextual
        sentence relations for extractive summarization using a neural attention model".
    """
    _check_sentences(sentences)
    reference = rouge_words(summary, language)
    scores = []
    for sentence in sentences:
        words = rouge_words(sentence, language)
        scores.append(2 * _common_subsequence(words, reference) / max(len(words) + len(reference), 1))
    return scores


def _common_subsequence(words, others):
    """Length of the longest common subsequence, a bit for each of the others. Source: Hyyro 2004, "Bit-parallel LCS-length computation"."""
    places = collections.defaultdict(int)
    for index, word in enumerate(others):
        places[word] |= 1 << index
    whole = (1 << len(others)) - 1
    unmatched = whole
    for word in words:
        both = unmatched & places.get(word, 0)
        unmatched = ((unmatched + both) | (unmatched - both)) & whole
    return len(others) - unmatched.bit_count()


def _check_sentences(sentences):
    if isinstance(sentences, (str, bytes)):  # a list of its characters otherwise
        raise ValueError(f"sentences is one string, {sentences!r:.60}; give split_sentences of it")


class _Overlap:
    """n-grams that the chosen sentences share with the summary; of each sentence only those of the summary are looked at.

    Args: reference: list of words. words: list of such lists, a sentence each.
    """

    def __init__(self, reference, words):
        self._words = words
        self._wanted = collections.Counter([*reference, *itertools.pairwise(reference)])  # a word, or a pair of them
        self._lengths = len(reference), max(len(reference) - 1, 0)
        self._own = [
            collections.Counter(each for each in (*sentence, *itertools.pairwise(sentence)) if each in self._wanted) for sentence in words
        ]
        self._have = collections.Counter()
        self._shared = [0, 0]  # words, pairs
        self._total = 0  # words of the chosen sentences

    def score_with(self, chosen, index):
        """ROUGE-1 plus ROUGE-2 with one sentence more. Args: chosen: ascending list of int. Returns: float, 0 to 2."""
        shared, total = self._shared_with(self._added(chosen, index)), self._total + len(self._words[index])
        return sum(
            2 * both / max(ours + theirs, 1) for both, ours, theirs in zip(shared, (total, max(total - 1, 0)), self._lengths, strict=True)
        )

    def _shared_with(self, added):
        shared = list(self._shared)
        for each, count in added.items():
            have, wanted = self._have[each], self._wanted[each]
            shared[isinstance(each, tuple)] += min(have + count, wanted) - min(have, wanted)
        return shared

    def add(self, chosen, index):
        added = self._added(chosen, index)
        self._shared = self._shared_with(added)
        self._have.update(added)  # counts may fall: a pair over the border of two sentences is parted
        self._total += len(self._words[index])

    def _added(self, chosen, index):
        """What a sentence adds to the counts. Returns: Counter."""
        before = max((other for other in chosen if other < index), default=None)
        after = min((other for other in chosen if other > index), default=None)
        words, added = self._words, collections.Counter(self._own[index])
        added.update([(words[before][-1], words[index][0])] if before is not None else [])
        added.update([(words[index][-1], words[after][0])] if after is not None else [])
        added.subtract([(words[before][-1], words[after][0])] if before is not None and after is not None else [])
        return added


def extractive_dataset(pairs, *, max_sentences=3, language="en", soft_labels=False):
    """Documents with summaries as a data set that BertExtractiveSummarizer takes.

        extractive_dataset(read_parallel("train.jsonl", columns=("document", "summary")))

    Args:
        pairs: tf.data.Dataset of (document, summary), scalar strings, as read_parallel gives; or a list of such pairs of str.
        max_sentences, language: see extractive_labels.
        soft_labels: label each sentence by its own score, sentence_scores, in place of 1 for the best and 0 for all other. max_sentences
            is of no use then.
    Returns: unbatched tf.data.Dataset of (string, {"labels": int32 [sentences], "summary": string}), of known cardinality. The labels are
        of the sentences that split_sentences finds; float32 where they are soft.
    Raises: ValueError naming a pair that is none, or where no document has a sentence, or none a word of its summary.
    Warns: of documents without a sentence, which are left out: how many.
    """
    if isinstance(pairs, tuple) and len(pairs) == 2 and all(isinstance(part, list) for part in pairs):
        raise ValueError("documents and summaries were given apart; give pairs of them: list(zip(documents, summaries))")
    label = sentence_scores if soft_labels else functools.partial(extractive_labels, max_sentences=max_sentences)
    pairs = list(pairs.as_numpy_iterator() if isinstance(pairs, tf.data.Dataset) else pairs)
    texts, labels, summaries = [], [], []
    for number, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(f"example {number} is {pair!r:.60}; expected a document and its summary")
        for name, text in zip(("document", "summary"), pair, strict=True):
            check_text(text, f"example {number}", name)
        text, summary = (part.decode("utf-8", "replace") if isinstance(part, bytes) else part for part in pair)
        sentences = split_sentences(text)
        if sentences:
            texts.append(text)
            summaries.append(summary)
            labels.append(label(sentences, summary, language=language))
    if not texts:
        raise ValueError(f"there is nothing to train on: none of {len(pairs)} documents has a sentence")
    if not any(map(any, labels)):
        raise ValueError(
            f"there is nothing to learn: no sentence of {len(texts)} documents has a word of its summary, by language={language!r}; "
            'Chinese wants language="zh"'
        )
    if len(texts) < len(pairs):
        warnings.warn(f"{len(pairs) - len(texts)} of {len(pairs)} documents have no sentence and are left out", stacklevel=2)
    dtype = tf.float32 if soft_labels else tf.int32
    return tf.data.Dataset.from_tensor_slices((texts, {"labels": tf.ragged.constant(labels, dtype), "summary": summaries}))
