"""ExtractivePreprocessor: a document to rows with a [CLS] before each sentence, and the sentences' scores to a summary."""

import numbers

import numpy as np
import tensorflow as tf

from keras_bert import features
from keras_bert.preprocessing import words as word_lib
from keras_bert.preprocessing.chosen_sentences import choose_sentences, trigrams
from keras_bert.preprocessing.preprocessor import Rows, example_lengths
from keras_bert.preprocessing.sentence_rows import cut_documents
from keras_bert.preprocessing.text import TEXT, TextPreprocessor
from keras_bert.text import characters_from_bytes, ragged
from keras_bert.text.rouge_words import LANGUAGES
from keras_bert.text.sentence_rules import CHINESE_MARKS, CLOSING
from keras_bert.text.sentences import find_sentences

LABELS, SUMMARY = "labels", "summary"  # of a target
SENTENCE_COUNT = "sentence_count"
SENTENCE_FIELDS = ("text", "start", "end", "score", "index")
LIMITS = ("num_sentences", "share", "max_characters")
NUM_SENTENCES = 3  # where no limit is given; Liu & Lapata's, for news
PADDING = -1  # the place, and the target, of no sentence
_SENTENCES, _STARTS, _ENDS, _TRIGRAMS = "sentences", "starts", "ends", "trigrams"  # facts
_STEPS = 1e3  # to a logit; of sentences within one step the first is the better
_CHECKED_AT_ONCE = 1024  # documents


class ExtractivePreprocessor(TextPreprocessor):
    """Documents to summaries that are some of their sentences.

        row         [CLS] a b [SEP]  [CLS] c [SEP]  [CLS] d e f [SEP]
        types       0 0 0 0          1 1 1          0 0 0 0 0
        scored by   ^                ^              ^

    Sentences are those of data.split_sentences, found in the graph. A document that is longer than max_length is several rows, which hold
    whole sentences and do not overlap, see sentence_rows; a sentence that is longer than a row is read up to the row's end.

    The answers, for each document:

        text                                string [batch], the summary: the chosen sentences in their order, a space between two, but
                                            none behind a Chinese mark
        sentence_text                       string [batch, sentences], each as it stands in the document; sentence_count: int32 [batch]
        sentence_start, sentence_end        int32, characters of the document: document[start:end]
        sentence_score                      float32, its probability; of soft labels, the score that it is expected to have
        sentence_index                      int32, which of the document's sentences it is, from 0

    A document without a sentence has an empty summary. Of ids alone, where each row is a document, texts are "", start and end count tokens
    of the row, max_characters limits nothing, and a sentence begins at each [CLS].

    Args:
        tokenizer: Tokenizer, or None: only the batch contract is taken then.
        max_length: most tokens of a row, special ones included; pad_to_multiple_of: see BertPacker.
        type_vocab_size: the encoder's; with 1 all token types are 0.
        num_sentences: most sentences of a summary. share: most of a document's sentences, over 0 to 1, rounded up. max_characters: most
            characters of a summary, a space between each two sentences counted; what is too long for the room left is passed over. All that
            are given hold; where all are None, num_sentences is 3.
        block_trigrams: pass over a sentence that has three words in a row in common with a better one that was chosen. A word is the
            tokenizer's: of Chinese, a character.
        language: of summaries, how `evaluate` scores them: "zh" by characters, "en" by words.
    Raises: ValueError on an option out of its range.
    Source: Liu & Lapata 2019, "Text summarization with pretrained encoders" (BertSum).
    """

    counted = dict.fromkeys([f"sentence_{name}" for name in SENTENCE_FIELDS], SENTENCE_COUNT)
    records = {"sentences": {name: f"sentence_{name}" for name in SENTENCE_FIELDS}}  # noqa: RUF012 - never changed
    target_is_text = True  # of (document, summary), the first is read
    chooses = False
    labelled_as = "fit(documents, [[0, 1, ...], ...]), a label a sentence; of documents with summaries fit(data.extractive_dataset(pairs))"
    several_rows = True
    fills_up = True
    rows_at_once = 32

    def __init__(
        self,
        tokenizer,
        *,
        max_length,
        pad_to_multiple_of=4,
        type_vocab_size=2,
        num_sentences=None,
        share=None,
        max_characters=None,
        block_trigrams=True,
        language="en",
    ):
        super().__init__(
            tokenizer, max_length=max_length, pad_to_multiple_of=pad_to_multiple_of, text_pair=False, type_vocab_size=type_vocab_size
        )
        self.num_sentences = num_sentences
        self.share = share
        self.max_characters = max_characters
        self.block_trigrams = block_trigrams
        self.language = language
        for name, value in (("num_sentences", num_sentences), ("max_characters", max_characters)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1):
                raise ValueError(f"{name}={value!r} is neither a whole number from 1 nor None")
        if share is not None and (isinstance(share, bool) or not isinstance(share, numbers.Real) or not 0 < share <= 1):
            raise ValueError(f"share={share!r} is neither a number over 0 and up to 1 nor None")
        if not isinstance(block_trigrams, bool):
            raise ValueError(f"block_trigrams={block_trigrams!r} is neither True nor False")
        if language not in LANGUAGES:
            raise ValueError(f"language={language!r} is none of {', '.join(LANGUAGES)}")
        limits = {name: getattr(self, name) for name in LIMITS}
        self._limits = limits if any(value is not None for value in limits.values()) else {"num_sentences": NUM_SENTENCES}

    # On the way in.

    def encode_targets_of(self, columns, targets):
        """Targets in memory.

        Args: columns: what `columns` gave. targets: list of a list of numbers from 0 to 1 for each document, one a sentence; or a dict of
            LABELS, such lists, and SUMMARY, list of str.
        Returns: array of bytes [examples], see element_targets.
        Raises: ValueError naming the document whose labels do not fit.
        """
        summaries = None
        if isinstance(targets, dict):
            _check_names(targets)
            targets, summaries = targets[LABELS], targets.get(SUMMARY)
        texts = columns[TEXT]
        found = [find_sentences(_utf8(texts[start : start + _CHECKED_AT_ONCE])).text for start in range(0, len(texts), _CHECKED_AT_ONCE)]
        counts = np.concatenate([part.row_lengths().numpy() for part in found])
        column = []
        for number, (labels, count) in enumerate(zip(targets, counts, strict=False)):
            if isinstance(labels, (str, bytes)):
                raise ValueError(
                    f"the target of document {number} is {labels!r:.60}: labels of sentences were expected, not a summary; "
                    "data.extractive_dataset makes them of documents and summaries"
                )
            labels = labels.tolist() if isinstance(labels, np.ndarray) else list(labels) if isinstance(labels, tuple) else labels
            if not isinstance(labels, list):
                raise ValueError(f"the target of document {number} is {labels!r:.60}; a list of labels, one a sentence, was expected")
            if len(labels) != count:
                raise ValueError(f"document {number} has {count} sentences (data.split_sentences finds them) and {len(labels)} labels")
            if wrong := [label for label in labels if not (isinstance(label, numbers.Real) and 0 <= label <= 1)]:
                raise ValueError(
                    f"document {number} has the label {wrong[0]!r}; a sentence has 1 where it is chosen, 0 where not, or a number between"
                )
            column.append(b" ".join(b"%.9g" % label for label in labels))
        if summaries is not None:
            given = [summaries] if isinstance(summaries, (str, bytes)) else list(summaries)
            if len(given) != len(column):
                raise ValueError(f"{len(column)} documents with labels but {len(given)} summaries")
            for number, part in enumerate(given):
                if not isinstance(part, (str, bytes)):
                    raise ValueError(f"the summary of document {number} is {part!r:.60}, a {type(part).__name__}; expected str")
            given = [part.encode("utf-8", "replace") if isinstance(part, str) else part for part in given]
            column = [labels + word_lib.MARK + summary for labels, summary in zip(column, given, strict=True)]
        return np.array(column, "object")

    def encode_targets(self, targets):
        return targets  # of the batch contract: int32 or float32 [rows, sentences]

    def element_targets(self, targets):
        """Labels, joined, and behind a mark the summary, which `evaluate` wants: one string, as tf.data can batch it."""
        labels, summary = targets, None
        if isinstance(targets, dict):
            _check_names(targets)
            labels, summary = targets[LABELS], targets.get(SUMMARY)
        if labels.dtype == tf.string:
            raise ValueError(
                f"a dataset of documents holds (text, labels), numbers, a label for each sentence; got targets {targets}. Of documents "
                "with summaries data.extractive_dataset makes one"
            )
        joined = word_lib.join_ids(tf.cast(labels, tf.int32) if labels.dtype == tf.bool else labels)
        return joined if summary is None else tf.strings.join([joined, summary], separator=word_lib.MARK)

    def encode_targets_in_graph(self, targets):
        return targets

    def rows(self, columns, targets=None, weights=None, *, seed=None):
        texts = _utf8(columns[TEXT])
        sentences = find_sentences(texts)
        pieces = self.tokenize(sentences.text.values)
        # A document without a sentence is read as one of an empty one, which nobody asks about.
        is_empty = tf.cast(sentences.text.row_lengths() == 0, tf.int64)
        blank = ragged.from_lengths(tf.zeros([tf.reduce_sum(is_empty)], tf.int64), is_empty)
        lengths = ragged.side_by_side(sentences.text.with_values(pieces.row_lengths()), blank)
        whole = lengths.with_values(ragged.from_lengths(pieces.values, lengths.values))
        tokens, rows = self._tokens(whole)
        document = ragged.repeated(rows.counts)
        asked = rows.limits - tf.gather(is_empty, document)
        held = tf.ragged.range(rows.firsts, asked)
        starts = tf.cumsum(whole.values.row_lengths() + 2, exclusive=True)
        places = tf.gather(starts, held.values) - tf.gather(tf.gather(starts, rows.begins), ragged.row_ids(held))
        tokens[features.SENTENCE_POSITIONS] = held.with_values(tf.cast(places, tf.int32))
        weights = () if weights is None else tf.gather(weights, document)
        if targets is not None:
            return Rows(tokens, rows.counts, held.with_values(_labels_of(targets, sentences.text)), weights)
        facts = {TEXT: texts, _SENTENCES: sentences.text, _STARTS: sentences.starts, _ENDS: sentences.ends}
        if self.block_trigrams:
            facts[_TRIGRAMS] = ragged.from_splits(trigrams(self.tokenizer, pieces), sentences.text.row_splits)
        return Rows(tokens, rows.counts, (), weights, facts)

    def _tokens(self, pieces):
        """Args: pieces: int32 tf.RaggedTensor [documents, (sentences), (pieces)]. Returns: dict of int32 [rows, (tokens)]; SentenceRows."""
        cut = self.packer.join(pieces.values)[features.INPUT_IDS]  # (sentences of all, (tokens))
        rows = cut_documents(ragged.from_splits(cut.row_lengths(), pieces.row_splits), self.max_length)
        bounds = cut.row_splits
        slots = tf.ragged.range(tf.gather(bounds, rows.begins), tf.gather(bounds, rows.limits))
        number = tf.gather(ragged.row_ids(cut), slots.values) - tf.gather(rows.begins, ragged.row_ids(slots))
        types = number % 2 if self.type_vocab_size > 1 else tf.zeros_like(number)
        ids = tf.gather(cut.values, slots.values)
        return {features.INPUT_IDS: slots.with_values(ids), features.TOKEN_TYPE_IDS: slots.with_values(tf.cast(types, tf.int32))}, rows

    def pad(self, rows, *, multiple_of=None):
        padded = self.packer.pad(rows.tokens, multiple_of=multiple_of)
        positions = rows.tokens[features.SENTENCE_POSITIONS]
        most = self.max_length // 2  # [CLS] and [SEP] each
        multiple = self.pad_to_multiple_of if multiple_of is None else multiple_of
        longest = positions.bounding_shape(axis=1)
        width = most if self.pad_to_multiple_of is None else tf.clip_by_value(-(-longest // multiple) * multiple, 1, most)
        shape = tf.stack([-1, tf.cast(width, tf.int64)])
        padded[features.SENTENCE_POSITIONS] = positions.to_tensor(PADDING, shape=shape)
        targets = rows.targets if isinstance(rows.targets, tuple) else rows.targets.to_tensor(PADDING, shape=shape)
        if self.pad_to_multiple_of is None:
            padded[features.SENTENCE_POSITIONS] = tf.ensure_shape(padded[features.SENTENCE_POSITIONS], [None, most])
            targets = targets if isinstance(targets, tuple) else tf.ensure_shape(targets, [None, most])
        return padded, targets, rows.weights

    def padded_lengths(self, rows, *, multiple_of=None):
        return self.packer.round_up(example_lengths(rows), multiple_of=multiple_of) * rows.counts

    # On the way out.

    def answer_inputs(self, inputs):
        """The sentences of ids that came without: they begin at each [CLS]; without a tokenizer, where the token type changes."""
        if features.SENTENCE_POSITIONS in inputs:
            return inputs
        ids, types = inputs[features.INPUT_IDS], inputs[features.TOKEN_TYPE_IDS]
        is_first = ids == self.tokenizer.cls_id if self.tokenizer is not None else types != tf.roll(types, 1, axis=1)
        places = tf.broadcast_to(tf.range(tf.shape(ids)[1])[None], tf.shape(ids))
        is_first = (is_first | (places == 0)) & (inputs[features.ATTENTION_MASK] == 1)
        return inputs | {features.SENTENCE_POSITIONS: tf.ragged.boolean_mask(places, is_first).to_tensor(PADDING)}

    def of_examples(self, predictions, inputs, rows):
        """Probabilities of the sentences, float32 [examples, sentences], 0 past the last."""
        return tf.sigmoid(self._scores(predictions, inputs, rows)).to_tensor(0.0)

    def _scores(self, predictions, inputs, rows):
        """Logits of rows to those of documents. Returns: float32 tf.RaggedTensor [documents, (sentences)]."""
        of_rows = tf.ragged.boolean_mask(predictions, self.answer_inputs(inputs)[features.SENTENCE_POSITIONS] >= 0)
        if rows is None:
            return of_rows
        counts = ragged.sums(ragged.from_lengths(of_rows.row_lengths(), rows.counts))
        return ragged.from_lengths(of_rows.values, counts)

    def decode(self, predictions, inputs, rows):
        scores = self._scores(predictions, inputs, rows)
        facts = self._facts_of_ids(inputs) if rows is None else rows.facts
        text, starts, ends = facts[_SENTENCES], facts[_STARTS], facts[_ENDS]
        lengths = text.with_values(tf.strings.length(text.values, unit="UTF8_CHAR"))
        # What is the same to read has scores that differ in their last digits from batch to batch.
        rounded = scores.with_values(tf.round(scores.values * _STEPS))
        chosen = choose_sentences(rounded, lengths, facts.get(_TRIGRAMS), **self._limits)
        if rows is not None:
            bounds = (characters_from_bytes(facts[TEXT], part) for part in (starts, ends))
            starts, ends = (text.with_values(tf.cast(part.values, tf.int32)) for part in bounds)
        index = tf.ragged.range(tf.cast(scores.row_lengths(), tf.int32), row_splits_dtype=tf.int64)
        parts = (text, starts, ends, tf.sigmoid(scores), index)
        held = [ragged.masked(part, chosen.values) for part in parts]
        fields = {f"sentence_{name}": part.to_tensor() for name, part in zip(SENTENCE_FIELDS, held, strict=True)}
        return {"text": _joined(held[0]), **fields, SENTENCE_COUNT: tf.cast(held[0].row_lengths(), tf.int32)}

    def _facts_of_ids(self, inputs):
        """What is known of rows without their text. Returns: dict."""
        places = self.answer_inputs(inputs)[features.SENTENCE_POSITIONS]
        starts = tf.ragged.boolean_mask(places, places >= 0)
        row, number = ragged.row_ids(starts), tf.range(tf.size(starts.values, tf.int64))
        is_last = number == tf.gather(starts.row_limits(), row) - 1
        length = tf.reduce_sum(inputs[features.ATTENTION_MASK], axis=1)
        ends = starts.with_values(tf.where(is_last, tf.gather(length, row), tf.roll(starts.values, -1, axis=0)))
        facts = {_SENTENCES: starts.with_values(tf.fill(tf.shape(starts.values), "")), _STARTS: starts, _ENDS: ends}
        if self.block_trigrams:
            ids = inputs[features.INPUT_IDS]
            base = tf.cast(row, tf.int32) * tf.shape(ids)[1]
            first = base + starts.values + 1  # behind [CLS]; before [SEP]
            slots = tf.ragged.range(first, tf.maximum(first, base + ends.values - 1), row_splits_dtype=tf.int64)
            pieces = slots.with_values(tf.gather(tf.reshape(ids, [-1]), slots.values))
            facts[_TRIGRAMS] = starts.with_values(trigrams(self.tokenizer, pieces))
        return facts

    def get_config(self):
        config = super().get_config()
        config.pop("text_pair")
        return config | {name: getattr(self, name) for name in (*LIMITS, "block_trigrams", "language")}


def _check_names(targets):
    if LABELS not in targets or set(targets) - {LABELS, SUMMARY}:
        raise ValueError(f"a target has {LABELS!r} and may have {SUMMARY!r}; got {', '.join(sorted(map(str, targets)))}")


def _utf8(texts):
    """Bytes that are not UTF-8 become U+FFFD, so that answers are UTF-8. Args, Returns: string [batch]."""
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace", replace_control_characters=False)


def split_target(targets):
    """The parts of targets.

    Args: targets: string [batch], see element_targets.
    Returns: float32 tf.RaggedTensor [batch, (sentences)], labels; string [batch], summaries, "" where there is none.
    """
    parts = tf.strings.split(targets, word_lib.MARK).to_tensor("", shape=[None, 2])
    labels = tf.strings.split(parts[:, 0])
    return labels.with_values(tf.strings.to_number(labels.values)), parts[:, 1]


def _labels_of(targets, sentences):
    """Labels, checked. Args: targets: see split_target. sentences: tf.RaggedTensor [examples, (sentences)]. Returns: float32, of all."""
    labels = split_target(targets)[0]
    message = "a document has not as many labels as sentences (data.split_sentences finds them); labels and sentences of the batch:"
    same = tf.debugging.assert_equal(labels.row_lengths(), sentences.row_lengths(), message)
    in_range = tf.reduce_all((labels.values >= 0) & (labels.values <= 1))
    ranged = tf.debugging.Assert(in_range, ["a sentence's label is from 0 to 1:", labels.values])
    with tf.control_dependencies([each for each in (same, ranged) if each is not None]):
        return tf.identity(labels.values)


def _joined(sentences):
    """Args: sentences: string tf.RaggedTensor [documents, (sentences)]. Returns: string [documents], see the class."""
    is_chinese = tf.strings.regex_full_match(sentences.values, f"(?s).*[{CHINESE_MARKS}][{CLOSING}]*")
    spaced = tf.strings.join([sentences.values, tf.where(is_chinese | (sentences.values == ""), "", " ")])
    return tf.strings.regex_replace(ragged.joined(sentences.with_values(spaced)), " $", "")
