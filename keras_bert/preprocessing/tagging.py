"""TaggingPreprocessor: words, or raw text that is cut into words, to a tag for each and the entities that the tags mark."""

import numpy as np
import tensorflow as tf

from keras_bert import features, tags
from keras_bert.labels import Labels
from keras_bert.layers.crf import split_scores
from keras_bert.preprocessing import columns as column_lib
from keras_bert.preprocessing import words as word_lib
from keras_bert.preprocessing.preprocessor import Preprocessor, Rows, example_lengths
from keras_bert.preprocessing.spans import find_spans, mean_over, place_spans, words_of
from keras_bert.preprocessing.windows import cut_windows, longest_word
from keras_bert.preprocessing.word_pieces import cut_long_words, pieces_of_texts, pieces_of_words
from keras_bert.problem_type import SOFTMAX, activate
from keras_bert.text import BertPacker, ragged

TEXT, WORDS = column_lib.TEXT, word_lib.WORDS
TAGS, WORD_COUNT, ENTITY_COUNT = "tags", "word_count", "entity_count"
ENTITY_FIELDS = ("text", "type", "start", "end", "score", "word_start", "word_end")
PADDING = -1  # the target of no word
LEAST_LENGTH = 8  # [CLS], [SEP], and room to overlap


class TaggingPreprocessor(Preprocessor):
    """Sentences to tags. A sentence is a list of words, or raw text, whose words are those of BERT's basic tokenizer.

    A word's first piece carries its tag; a word without a piece is read as [UNK]. Where a sentence is longer than max_length, it is several
    rows that overlap, each word is read from the row that sees most around it, and the tags are those of the whole sentence.

    The answers, words and entities in the order of the text:

        words, tags                         string [batch, words], padded with ""; word_count: int32 [batch]
        entity_text, entity_type            string [batch, entities]; entity_count: int32 [batch]
        entity_start, entity_end            int32, characters of the text, or of the words joined by single spaces; text[start:end]
        entity_score                        float32: of a softmax the mean probability of the words' tags; of a CRF the probability that
                                            just this is an entity
        entity_word_start, entity_word_end  int32, words from start (included) to end (not)

    Args:
        tokenizer: Tokenizer, or None: only the batch contract is taken then.
        labels: list of tags, such as ["O", "B-PER", "I-PER"]; the index is the tag's id.
        max_length: most tokens of a row, special ones included; 8 or more.
        pad_to_multiple_of: see BertPacker.
        type_vocab_size: of no concern here: a sentence is one segment.
        stride: tokens from the start of a row to that of the next, for a sentence of several; None: half of what a row has room for.
        scheme: "IOB2", "IOB1", "BIOES" or "BILOU"; None: what the labels look like. Under a CRF, tags that it forbids are never given.
        crf: whether the network scores moves from tag to tag, too.
    Raises: ValueError where a length leaves no room, or where a stride would skip text.
    """

    counted = {WORDS: WORD_COUNT, TAGS: WORD_COUNT} | {f"entity_{name}": ENTITY_COUNT for name in ENTITY_FIELDS}
    records = {"entities": {name: f"entity_{name}" for name in ENTITY_FIELDS}}  # noqa: RUF012 - never changed
    chooses = True
    several_rows = True
    fills_up = True

    def __init__(self, tokenizer, *, labels, max_length, pad_to_multiple_of=4, type_vocab_size=2, stride=None, scheme=None, crf=False):
        self.tokenizer = tokenizer
        self.labels = Labels(labels)
        self.max_length = max_length
        self.pad_to_multiple_of = pad_to_multiple_of
        self.type_vocab_size = type_vocab_size
        self.stride = stride
        self.scheme = scheme
        self.crf = crf
        self.packer = None if tokenizer is None else BertPacker(tokenizer, max_length, pad_to_multiple_of=pad_to_multiple_of)
        if max_length < LEAST_LENGTH:
            raise ValueError(f"max_length={max_length!r} leaves no room for a tagger's rows: {LEAST_LENGTH} at least")
        self._room = int(max_length) - 2
        self._stride = self._room // 2 if stride is None else stride
        if isinstance(self._stride, bool) or int(self._stride) != self._stride or not 1 <= self._stride < self._room:
            raise ValueError(
                f"stride={stride!r}: rows of max_length={max_length} have room for {self._room} pieces, so that a stride from {self._room} "
                f"on skips text; give a whole number from 1 to {self._room - 1}"
            )
        # Of other tags, such as parts of speech, each would be an entity or none is: none.
        self._marks_entities = all(map(tags.is_entity_tag, self.labels.names))
        self._tables = tags.chunk_tables(self.labels.names) if self._marks_entities else _no_entities(len(self.labels))

    @property
    def moves(self):
        """Which tags may begin and end a sentence, and which may follow which, see tags.allowed_moves; None: all, or there is no CRF."""
        if not (self.crf and self._marks_entities):
            return None
        return tags.allowed_moves(self.labels.names, self.scheme or scheme_of(self.labels.names))

    # On the way in.

    def takes(self, x):
        return word_lib.is_sentences(x) or column_lib.is_text(x)

    def columns(self, x):
        if isinstance(x, dict) and set(x) not in ({TEXT}, {WORDS}):
            raise ValueError(f"a tagger reads {WORDS!r} or {TEXT!r}, one of them; got {', '.join(sorted(map(str, x)))}")
        if not word_lib.is_sentences(x):
            columns = column_lib.text_columns(x)
            if set(columns) != {TEXT}:
                raise ValueError(f"a tagger reads texts, or lists of words; got pairs of texts: {x!r:.60}")
            return columns
        return {WORDS: word_lib.word_column(x[WORDS] if isinstance(x, dict) else x)}

    def element_columns(self, x):
        named = x if isinstance(x, dict) else {WORDS if isinstance(x, (tf.RaggedTensor, tf.RaggedTensorSpec)) else TEXT: x}
        if set(named) not in ({TEXT}, {WORDS}):
            raise ValueError(f"a dataset for a tagger holds {{{WORDS!r}: ...}} or {{{TEXT!r}: ...}}; got elements {x}")
        ((name, part),) = named.items()
        if name == TEXT or not isinstance(part, (tf.Tensor, tf.RaggedTensor)):
            return {name: part}
        return {name: word_lib.join_words(part)}

    def element_targets(self, targets):
        if targets.dtype == tf.string:
            ids = self.labels.encode_in_graph(targets.flat_values if isinstance(targets, tf.RaggedTensor) else targets)
            targets = targets.with_flat_values(ids) if isinstance(targets, tf.RaggedTensor) else ids
        return word_lib.join_ids(targets)

    def encode_targets(self, targets):
        return targets  # of the batch contract: int32 [rows, words]

    def encode_targets_of(self, columns, targets):
        if WORDS not in columns:
            raise ValueError("tags were given beside raw texts; a tagger learns from words, with a tag for each: [['John', 'lives']]")
        words = word_lib.count_words(columns[WORDS])
        targets = targets.to_list() if hasattr(targets, "to_list") else list(targets)
        if hasattr(targets, "shape") and len(targets.shape) == 2:  # padded
            targets = [row[:count] for row, count in zip(np.asarray(targets).tolist(), words, strict=False)]
        wrong = next((number for number, (count, row) in enumerate(zip(words, targets, strict=False)) if count != len(row)), None)
        if wrong is not None:
            raise ValueError(f"sentence {wrong} has {words[wrong]} words and {len(targets[wrong])} tags")
        return word_lib.tag_column(targets, self.labels)

    def input_signature(self):
        return {TEXT: tf.TensorSpec([None], tf.string, name=TEXT)}

    def rows(self, columns, targets=None, weights=None, *, seed=None):
        pieces, facts = self._pieces(columns, self._room)
        tokens, windows = self._windows(pieces)
        weights = () if weights is None else tf.gather(weights, ragged.repeated(windows.counts))
        if targets is None:
            return Rows(tokens, windows.counts, (), weights, facts())
        # What only an answer wants is not made while a model learns.
        return Rows(tokens, windows.counts, self._targets_of_rows(targets, pieces, windows), weights)

    def _pieces(self, columns, room):
        """Returns: int32 tf.RaggedTensor [examples, (words), (pieces)], cut where a sentence has more than `room`; function: the facts."""
        if WORDS in columns:
            pieces, facts = pieces_of_words(self.tokenizer, columns[WORDS])
        else:
            pieces, facts = pieces_of_texts(self.tokenizer, columns[TEXT])
        return self._cut(pieces, room), facts

    def _cut(self, pieces, room):
        return cut_long_words(pieces, room=room, most=longest_word(self._room, self._stride))

    def _windows(self, pieces):
        """Returns: dict of int32 tf.RaggedTensor [windows, (tokens)], word_positions among them; Windows."""
        words = pieces.values
        windows = cut_windows(pieces.with_values(words.row_lengths()), self._room, self._stride)
        tokens = self.packer.join(_slices(words.values, windows.starts, windows.limits))
        firsts = tf.gather(words.row_starts(), windows.words.values) - tf.gather(windows.starts, ragged.row_ids(windows.words))
        tokens[features.WORD_POSITIONS] = windows.words.with_values(tf.cast(firsts, tf.int32) + 1)  # behind [CLS]
        return tokens, windows

    def _targets_of_rows(self, targets, pieces, windows):
        ids = word_lib.split_ids(targets)
        same = tf.debugging.assert_equal(
            pieces.row_lengths(), ids.row_lengths(), "a sentence has not as many words as tags; words and tags of the batch:"
        )
        with tf.control_dependencies([] if same is None else [same]):
            return tf.gather(tf.identity(ids.values), windows.words)

    def pad(self, rows, *, multiple_of=None):
        padded = self.packer.pad(rows.tokens, multiple_of=multiple_of)
        positions = rows.tokens[features.WORD_POSITIONS]
        words = self.packer.round_up(tf.cast(positions.bounding_shape(axis=1), tf.int32), multiple_of=multiple_of)
        shape = tf.stack([-1, tf.cast(words, tf.int64)])
        padded[features.WORD_POSITIONS] = positions.to_tensor(0, shape=shape)
        targets = rows.targets if isinstance(rows.targets, tuple) else rows.targets.to_tensor(PADDING, shape=shape)
        if self.pad_to_multiple_of is None:
            fixed = [None, self.max_length]
            padded[features.WORD_POSITIONS] = tf.ensure_shape(padded[features.WORD_POSITIONS], fixed)
            targets = targets if isinstance(targets, tuple) else tf.ensure_shape(targets, fixed)
        return padded, targets, rows.weights

    def padded_lengths(self, rows, *, multiple_of=None):
        return self.packer.round_up(example_lengths(rows), multiple_of=multiple_of) * rows.counts

    # On the way out.

    def answer_inputs(self, inputs):
        """The words of ids that came without: what begins a word, but for [CLS], [SEP] and padding."""
        if features.WORD_POSITIONS in inputs:
            return inputs
        ids = inputs[features.INPUT_IDS]
        is_word = inputs[features.ATTENTION_MASK] == 1
        if self.tokenizer is not None:
            is_word &= tf.gather(tf.constant(self.tokenizer.starts_word), ids)
            is_word &= (ids != self.tokenizer.cls_id) & (ids != self.tokenizer.sep_id)
        places = tf.broadcast_to(tf.range(tf.shape(ids)[1])[None], tf.shape(ids))
        # Place 0 is [CLS], always.
        return inputs | {features.WORD_POSITIONS: tf.ragged.boolean_mask(places, is_word & (places > 0)).to_tensor(0)}

    def of_examples(self, predictions, inputs, rows):
        """Probabilities of the tags, float32 [examples, words, labels], 0 past the end; of a CRF, over all that the sentence may be."""
        scores, counts, chain = self._sentences(predictions, inputs, rows)
        mask = tf.sequence_mask(counts, tf.shape(scores)[1])
        probabilities = activate(scores, SOFTMAX) if chain is None else chain.marginals(scores, mask)
        return tf.where(mask[:, :, None], probabilities, 0.0)

    def decode(self, predictions, inputs, rows):
        scores, counts, chain = self._sentences(predictions, inputs, rows)
        mask = tf.sequence_mask(counts, tf.shape(scores)[1])
        if chain is None:
            ids = tf.argmax(scores, axis=-1, output_type=tf.int32)
            spans = find_spans(ids, mask, self._tables)
            score = mean_over(tf.reduce_max(activate(scores, SOFTMAX), axis=-1), spans)
        else:
            ids, _ = chain.viterbi(scores, mask)
            spans = find_spans(ids, mask, self._tables)
            score = tf.exp(self._log_probabilities(chain, scores, ids, mask, spans))
        facts = () if rows is None else rows.facts
        text, start, end = place_spans(spans, facts)
        entities = {
            "text": text,
            "type": tf.gather(tf.constant([*self._tables.types, ""]), tf.where(spans.mask, spans.types, len(self._tables.types))),
            "start": start,
            "end": end,
            "score": tf.where(spans.mask, score, 0.0),
            "word_start": spans.starts,
            "word_end": tf.where(spans.mask, spans.ends + 1, 0),
        }
        names = tf.where(mask, tf.gather(tf.constant(self.labels.names), ids), "")
        answers = {WORDS: words_of(facts, tf.shape(names)), TAGS: names, WORD_COUNT: counts, ENTITY_COUNT: spans.counts}
        return answers | {f"entity_{name}": value for name, value in entities.items()}

    def _log_probabilities(self, chain, scores, ids, mask, spans):
        edges = {"starts_span": self._tables.starts, "ends_span": self._tables.ends}
        return chain.span_log_probabilities(scores, ids, mask, spans.starts, spans.ends, spans.mask, **edges)

    def _sentences(self, predictions, inputs, rows):
        """Scores of rows to those of sentences. Returns: float32 [examples, words, labels]; int32 [examples]; Chain, or None."""
        chain = None
        if self.crf:
            predictions, chain = split_scores(predictions, allowed=self.moves)
        is_word = inputs[features.WORD_POSITIONS] > 0
        of_rows = tf.reduce_sum(tf.cast(is_word, tf.int32), axis=1)
        if rows is None:
            return predictions, of_rows, chain
        counts = ragged.sums(ragged.from_lengths(of_rows, rows.counts))
        flat = tf.boolean_mask(predictions, is_word)  # (words of all, labels): each word once, in order
        # A place for one word at least: a chain of none is nothing.
        shape = tf.stack([-1, tf.maximum(tf.reduce_max(counts), 1), len(self.labels)])
        return ragged.from_lengths(flat, counts).to_tensor(shape=shape), counts, chain

    def get_config(self):
        names = ("max_length", "pad_to_multiple_of", "type_vocab_size", "stride", "scheme", "crf")
        return {name: getattr(self, name) for name in names} | {"labels": self.labels.names}


def _no_entities(count):
    none = np.zeros([count + 1, count + 1], "bool")
    return tags.ChunkTables(types=[], type_ids=np.full([count], -1, "int32"), starts=none, ends=none)


def scheme_of(labels):
    """The scheme that labels look like, by their first letters. Returns: "BILOU", "BIOES" or "IOB2", as labels alone do not show IOB1."""
    letters = {label[0] for label in labels if tags.is_entity_tag(label)}
    return "BILOU" if letters & set("LU") else "BIOES" if letters & set("ES") else "IOB2"


def _slices(values, starts, limits):
    """Returns: tf.RaggedTensor [slices, (values)]."""
    return tf.gather(values, tf.ragged.range(starts, limits))
