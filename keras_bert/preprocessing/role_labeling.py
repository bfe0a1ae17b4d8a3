"""RoleLabelingPreprocessor: sentences to their predicates, and to the roles that words have to each."""

import tensorflow as tf

from keras_bert import features, tags
from keras_bert.layers.crf import LinearChain, split_scores
from keras_bert.preprocessing import columns as column_lib
from keras_bert.preprocessing import predicates as predicate_lib
from keras_bert.preprocessing import words as word_lib
from keras_bert.preprocessing.predicate_rows import predicate_rows, sentence_room
from keras_bert.preprocessing.preprocessor import Rows, example_lengths
from keras_bert.preprocessing.spans import Spans, find_spans, mean_over, place_spans, words_of
from keras_bert.preprocessing.tagging import PADDING, TaggingPreprocessor
from keras_bert.preprocessing.word_pieces import ENDS, STARTS, TEXT
from keras_bert.problem_type import SOFTMAX, activate
from keras_bert.text import ragged

WORDS, PREDICATES, ROLES = word_lib.WORDS, "predicates", "roles"
WORD_COUNT, FRAME_COUNT, ROLE_COUNT = "word_count", "frame_count", "role_count"
FRAME_FIELDS = ("predicate", "predicate_word", "start", "end", "score")
ROLE_FIELDS = ("role", "text", "start", "end", "score", "word_start", "word_end", "frame")
# Facts, beside those of the text. Of a first pass: the pieces that a second is made of. Of rows that mark predicates: which, how sure,
# the first word of each row, and how many words the sentence has.
_PIECES, _PREDICATE, _SCORE, _FIRST_WORD = "pieces", "predicate", "score", "first_word"


class RoleLabelingPreprocessor(TaggingPreprocessor):
    """Sentences to predicates and roles. A sentence is a list of words, or raw text, whose words are those of BERT's basic tokenizer.

    Two kinds of rows, for one encoder:

        detection           the sentence as a tagger reads it, in several rows that overlap where it is long; nothing is marked. Which of
                            its words are predicates is asked.
        a predicate's row   the sentence with the predicate marked, see predicate_rows. Which roles its words have is asked. Where the
                            sentence is longer than max_length, this is the part of it around the predicate: words that lie farther off
                            have no role.

    A training example is its detection rows and a row for each predicate; a row has targets for its own question alone, -1 for the other.
    An answer takes two passes: the detection rows, then a row for each predicate that was found; where predicates are given, the second
    alone. Roles keep to what IOB2 allows: the tags of a sentence are the path of the greatest score among the allowed ones, with a CRF's
    scores of moves or without.

    The answers, in the order of the text; the roles of all predicates of a sentence stand one after the other:

        words                               string [batch, words], padded with ""; word_count: int32 [batch]
        frame_predicate                     string [batch, frames], the predicate's word; frame_count: int32 [batch]
        frame_predicate_word                int32 [batch, frames], its index among the words
        frame_start, frame_end              int32, characters of the text, or of the words joined by single spaces; text[start:end]
        frame_score                         float32, how probably it is a predicate; 1 where it was given
        role_role, role_text                string [batch, roles]; role_count: int32 [batch]. The predicate itself has the role "V".
        role_start, role_end, role_word_start, role_word_end    int32, characters, and words from start (included) to end (not)
        role_score                          float32: of a softmax the mean probability of the words' tags; of a CRF the probability that
                                            just this span has the role
        role_frame                          int32, the frame that it is of: an index into frame_predicate

    `predict` gives {"predicates": float32 [sentences, words]}, how probably each is one; where predicates are given {"roles": float32
    [sentences, predicates, words, labels]}, probabilities of the tags.

    Args:
        tokenizer: Tokenizer, or None: only the batch contract is taken then, and no answers are given.
        labels: list of IOB2 tags, such as data.role_labels gives; the index is the tag's id.
        max_length, pad_to_multiple_of, stride: see TaggingPreprocessor.
        type_vocab_size: the encoder's; 1 cannot mark a predicate.
        crf: whether the network scores moves from tag to tag.
        predicate_segment: show the predicate once more, as a second text behind the sentence. With type_vocab_size=1 it is all that tells
            the predicate, and of a word that stands twice not which.
        threshold: a word is a predicate from this probability on; above 0, up to 1.
    Raises: ValueError on labels that are no IOB2 tags, a threshold out of its range, or where nothing would mark a predicate.
    """

    counted = dict.fromkeys([f"frame_{name}" for name in FRAME_FIELDS], FRAME_COUNT) | {WORDS: WORD_COUNT}
    counted |= dict.fromkeys([f"role_{name}" for name in ROLE_FIELDS], ROLE_COUNT)
    records = {  # noqa: RUF012 - never changed
        "frames": {name: f"frame_{name}" for name in FRAME_FIELDS},
        ROLES: {name: f"role_{name}" for name in ROLE_FIELDS},
    }

    def __init__(
        self,
        tokenizer,
        *,
        labels,
        max_length,
        pad_to_multiple_of=4,
        type_vocab_size=2,
        stride=None,
        crf=False,
        predicate_segment=False,
        threshold=0.5,
    ):
        options = {"pad_to_multiple_of": pad_to_multiple_of, "type_vocab_size": type_vocab_size, "stride": stride, "crf": crf}
        super().__init__(tokenizer, labels=labels, max_length=max_length, scheme="IOB2", **options)
        self._moves = tags.allowed_moves(self.labels.names, "IOB2")
        if type_vocab_size == 1 and not predicate_segment:
            raise ValueError(
                "the encoder has one token type (type_vocab_size=1), which cannot mark a predicate: predicate_segment=True shows it as a "
                "second text behind the sentence instead"
            )
        if isinstance(threshold, bool) or not 0 < threshold <= 1:
            raise ValueError(f"threshold={threshold!r} is no probability above 0, up to 1")
        self.predicate_segment = predicate_segment
        self.threshold = threshold
        self._sentence_room = sentence_room(self._room, segment=predicate_segment)

    @property
    def moves(self):
        return self._moves

    # On the way in.

    def columns(self, x):
        if isinstance(x, dict) and PREDICATES in x:
            if set(x) != {WORDS, PREDICATES}:
                raise ValueError(f"{PREDICATES!r} are indexes of {WORDS!r}, and go with these alone; got {', '.join(sorted(map(str, x)))}")
            words = super().columns({WORDS: x[WORDS]})[WORDS]
            return {WORDS: words, PREDICATES: predicate_lib.predicate_column(x[PREDICATES], word_lib.count_words(words))}
        if isinstance(x, dict) and set(x) not in ({column_lib.TEXT}, {WORDS}):
            names = ", ".join(sorted(map(str, x)))
            raise ValueError(f"a role labeller reads 'text', {WORDS!r}, or {WORDS!r} with {PREDICATES!r}; got {names}")
        return super().columns(x)

    def element_columns(self, x):
        if not (isinstance(x, dict) and set(x) == {WORDS, PREDICATES}):
            return super().element_columns(x)
        places = x[PREDICATES]
        if isinstance(places, (tf.Tensor, tf.RaggedTensor)):
            places = predicate_lib.join_predicates(places)
        return super().element_columns({WORDS: x[WORDS]}) | {PREDICATES: places}

    def element_targets(self, targets):
        if targets.dtype == tf.string:
            tags = targets if isinstance(targets, tf.RaggedTensor) else tf.RaggedTensor.from_tensor(targets)
            targets = tags.with_flat_values(self.labels.encode_in_graph(tags.flat_values))
        return predicate_lib.join_roles(targets)

    def encode_targets_of(self, columns, targets):
        if PREDICATES not in columns:
            raise ValueError(
                "roles were given without the predicates that they are of; a role labeller learns from words and predicates, with a tag a "
                "word for each predicate: fit({'words': [['We', 'eat']], 'predicates': [[1]]}, [[['B-ARG0', 'B-V']]])"
            )
        counts = predicate_lib.count_predicates(columns[PREDICATES]), word_lib.count_words(columns[WORDS])
        return predicate_lib.role_column(targets, self.labels, *counts)

    def rows(self, columns, targets=None, weights=None, *, seed=None):
        pieces, facts = self._pieces(columns, self._sentence_room)
        given = self._given(columns[PREDICATES], pieces) if PREDICATES in columns else None
        if targets is not None:
            return self._training_rows(pieces, given, targets, weights)
        if given is not None:
            return self._rows_of(pieces, given, tf.ones_like(given, tf.float32), facts())
        tokens, windows = self._windows(pieces)
        return Rows(tokens, windows.counts, (), (), facts() | {_PIECES: pieces})

    def _given(self, column, pieces):
        given = predicate_lib.split_predicates(column)
        words = tf.gather(pieces.row_lengths(), ragged.row_ids(given))
        inside = tf.debugging.assert_equal(
            (given.values >= 0) & (given.values < words), True, "a predicate is out of its sentence; the predicates and words of the batch:"
        )
        with tf.control_dependencies([] if inside is None else [inside]):
            return given.with_values(tf.identity(given.values))

    def _rows_of(self, pieces, predicates, scores, facts):
        """Rows to answer from: one a predicate."""
        rows = self._predicate_rows(pieces, predicates)
        facts = facts | {
            _PREDICATE: predicates,
            _SCORE: scores,
            _FIRST_WORD: predicates.with_values(rows.words[:, :1].flat_values),
            WORD_COUNT: tf.cast(pieces.row_lengths(), tf.int32),
        }
        return Rows(rows.tokens, tf.cast(predicates.row_lengths(), tf.int32), (), (), facts)

    def _predicate_rows(self, pieces, predicates):
        return predicate_rows(self.packer, pieces, predicates, type_vocab_size=self.type_vocab_size, segment=self.predicate_segment)

    def _training_rows(self, pieces, given, targets, weights):
        """Detection rows, and those of predicates, which stand behind them in each example."""
        roles = self._roles_of(targets, pieces, given)
        tokens, windows = self._windows(pieces)
        marked = self._predicate_rows(pieces, given)
        sentence = ragged.row_ids(given)
        is_predicate = tf.math.unsorted_segment_max(
            tf.ones_like(sentence, tf.int32), tf.gather(pieces.row_starts(), sentence) + given.values, pieces.values.nrows(tf.int64)
        )
        asked = tf.gather(tf.maximum(is_predicate, 0), windows.words)  # no predicate at all is the least number
        of_rows = ragged.row_ids(marked.words)
        wanted = marked.words.with_values(
            tf.gather(roles.values.values, tf.gather(roles.values.row_starts(), of_rows) + marked.words.values)
        )

        def none_of(words):
            return words.with_values(tf.fill([tf.size(words.values)], PADDING))

        counts = windows.counts + tf.cast(given.row_lengths(), tf.int32)
        owner = tf.concat([ragged.repeated(windows.counts), sentence], axis=0)
        order = tf.argsort(owner, stable=True)

        def joined(first, second):
            return tf.gather(tf.concat([first, second], axis=0), order)

        tokens = {name: joined(part, marked.tokens[name]) for name, part in tokens.items()}
        targets = {ROLES: joined(none_of(windows.words), wanted), PREDICATES: joined(asked, none_of(marked.words))}
        return Rows(tokens, counts, targets, () if weights is None else tf.gather(weights, ragged.repeated(counts)))

    def _roles_of(self, targets, pieces, given):
        """Returns: int32 tf.RaggedTensor [sentences, (predicates), (words)], of as many as there are."""
        roles = predicate_lib.split_roles(targets)
        words = tf.gather(pieces.row_lengths(), ragged.row_ids(roles))
        checks = [
            tf.debugging.assert_equal(
                given.row_lengths(), roles.row_lengths(), "a sentence has not as many rows of tags as predicates; both of the batch:"
            ),
            tf.debugging.assert_equal(
                words, roles.values.row_lengths(), "a predicate has not as many tags as the sentence has words; both of the batch:"
            ),
        ]
        with tf.control_dependencies([check for check in checks if check is not None]):
            return roles.with_flat_values(tf.identity(roles.flat_values))

    def pad(self, rows, *, multiple_of=None):
        padded, _, weights = super().pad(rows._replace(targets=()), multiple_of=multiple_of)
        if isinstance(rows.targets, tuple):
            return padded, (), weights
        positions = padded[features.WORD_POSITIONS]
        shape = tf.shape(positions, tf.int64)
        targets = {name: tf.ensure_shape(part.to_tensor(PADDING, shape=shape), positions.shape) for name, part in rows.targets.items()}
        return padded, targets, weights

    def padded_lengths(self, rows, *, multiple_of=None):
        # A sentence without predicates has no row where they are given.
        longest = tf.where(rows.counts > 0, example_lengths(rows), 1)
        return self.packer.round_up(longest, multiple_of=multiple_of) * tf.maximum(rows.counts, 1)

    # On the way out.

    def of_examples(self, predictions, inputs, rows):
        is_word = inputs[features.WORD_POSITIONS] > 0
        if rows is None:  # a row each: which question it asks, nobody knows
            of_words = tf.where(is_word, activate(predictions[PREDICATES], SOFTMAX)[:, :, 1], 0.0)
            return {ROLES: self._tag_probabilities(predictions, is_word), PREDICATES: of_words}
        if _PREDICATE not in rows.facts:
            return {PREDICATES: self._detected(predictions, inputs, rows.facts[_PIECES]).to_tensor(0.0)}
        probabilities = self._tag_probabilities(predictions, is_word)
        places = tf.where(is_word)  # [words of all rows, (row, word)]
        predicate = rows.facts[_PREDICATE]
        frame = tf.ragged.range(predicate.row_lengths()).values
        word = places[:, 1] + tf.gather(rows.facts[_FIRST_WORD].values, places[:, 0])
        index = tf.stack([tf.gather(ragged.row_ids(predicate), places[:, 0]), tf.gather(frame, places[:, 0]), word], axis=1)
        words = tf.cast(tf.reduce_max(rows.facts[WORD_COUNT]), tf.int64)
        shape = tf.stack([predicate.nrows(), predicate.bounding_shape(axis=1), words, len(self.labels)])
        return {ROLES: tf.scatter_nd(index, tf.gather_nd(probabilities, places), shape)}

    def second_pass(self, predictions, inputs, rows):
        facts = self._facts_of(inputs) if rows is None else rows.facts
        if _PREDICATE in facts:
            return None
        facts = dict(facts)
        pieces = facts.pop(_PIECES)
        scores = self._detected(predictions, inputs, pieces)
        found = scores.values >= self.threshold
        words = scores.with_values(tf.ragged.range(scores.row_lengths()).values)
        return self._rows_of(pieces, ragged.masked(words, found), ragged.masked(scores, found), facts)

    def decode(self, predictions, inputs, rows):
        predicate = rows.facts[_PREDICATE]
        scores, chain = self._scores(predictions)
        mask = inputs[features.WORD_POSITIONS] > 0
        ids, _ = chain.viterbi(scores, mask)
        spans = find_spans(ids, mask, self._tables)  # of each predicate's row
        if self.crf:
            edges = {"starts_span": self._tables.starts, "ends_span": self._tables.ends}
            score = tf.exp(chain.span_log_probabilities(scores, ids, mask, spans.starts, spans.ends, spans.mask, **edges))
        else:
            score = mean_over(tf.gather(activate(scores, SOFTMAX), ids, batch_dims=2), spans)
        text = {name: rows.facts[name] for name in (TEXT, STARTS, ENDS)} if TEXT in rows.facts else ()
        counts = rows.facts[WORD_COUNT]
        answers = {WORDS: words_of(text, tf.stack([tf.size(counts), tf.reduce_max(counts)])), WORD_COUNT: counts}
        return (
            answers
            | self._frames(predicate, rows.facts[_SCORE], text)
            | self._roles(predicate, rows.facts[_FIRST_WORD], spans, score, text)
        )

    def _frames(self, predicate, scores, text):
        words = tf.cast(predicate.to_tensor(0), tf.int32)
        spans = Spans(words, words, tf.zeros_like(words), tf.cast(predicate.row_lengths(), tf.int32))
        words_text, start, end = place_spans(spans, text)
        fields = (words_text, tf.where(spans.mask, words, -1), start, end, scores.to_tensor(0.0))
        return {f"frame_{name}": part for name, part in zip(FRAME_FIELDS, fields, strict=True)} | {FRAME_COUNT: spans.counts}

    def _roles(self, predicate, first_word, spans, score, text):
        """The roles of rows to those of sentences."""
        counts = ragged.sums(predicate.with_values(spans.counts))
        real = spans.mask
        row = tf.where(real)[:, 0]
        first = tf.cast(tf.gather(first_word.values, row), tf.int32)
        frame = tf.cast(tf.gather(tf.ragged.range(predicate.row_lengths()).values, row), tf.int32)

        def of_sentences(values, padding):
            return ragged.from_lengths(values, counts).to_tensor(padding)

        def of_rows(part):
            return tf.boolean_mask(part, real)

        starts, ends = (of_sentences(of_rows(part) + first, 0) for part in (spans.starts, spans.ends))
        roles = Spans(starts, ends, of_sentences(of_rows(spans.types), -1), counts)
        role_text, start, end = place_spans(roles, text)
        names = tf.gather(tf.constant([*self._tables.types, ""]), tf.where(roles.mask, roles.types, len(self._tables.types)))
        words = tf.where(roles.mask, starts, -1), tf.where(roles.mask, ends + 1, -1)
        fields = (names, role_text, start, end, of_sentences(of_rows(score), 0.0), *words, of_sentences(frame, -1))
        return {f"role_{name}": part for name, part in zip(ROLE_FIELDS, fields, strict=True)} | {ROLE_COUNT: counts}

    def _scores(self, predictions):
        """Returns: float32 [rows, words, labels]; LinearChain of the allowed moves."""
        if self.crf:
            return split_scores(predictions[ROLES], allowed=self.moves)
        count = len(self.labels)
        return predictions[ROLES], LinearChain(tf.zeros([count]), tf.zeros([count]), tf.zeros([count, count]), allowed=self.moves)

    def _tag_probabilities(self, predictions, is_word):
        """Returns: float32 [rows, words, labels], 0 at padding: of a CRF over all that the sentence may be."""
        scores, chain = self._scores(predictions)
        probabilities = chain.marginals(scores, is_word) if self.crf else activate(scores, SOFTMAX)
        return tf.where(is_word[:, :, None], probabilities, 0.0)

    def _detected(self, predictions, inputs, pieces):
        """How probably each word is a predicate. Returns: float32 tf.RaggedTensor [sentences, (words)]."""
        probabilities = activate(predictions[PREDICATES], SOFTMAX)[:, :, 1]
        flat = tf.boolean_mask(probabilities, inputs[features.WORD_POSITIONS] > 0)  # each word once, in order
        return ragged.from_splits(flat, pieces.row_splits)

    def _facts_of(self, inputs):
        """What ids alone tell: the pieces of their words, of which each row is a sentence."""
        if self.tokenizer is None:
            raise ValueError("a role labeller without a tokenizer gives no answers: it cannot tell where words begin; give it one")
        ids, positions = inputs[features.INPUT_IDS], inputs[features.WORD_POSITIONS]
        places = tf.where(positions > 0)
        starts = tf.stack([places[:, 0], tf.cast(tf.gather_nd(positions, places), tf.int64)], axis=1)
        begins = tf.scatter_nd(starts, tf.ones([tf.shape(starts)[0]], tf.int32), tf.shape(ids, tf.int64))
        word = tf.cumsum(begins, axis=1)  # from 1; 0 is [CLS]
        kept = (word > 0) & (inputs[features.ATTENTION_MASK] == 1) & (ids != self.tokenizer.sep_id)
        words = tf.cast(tf.reduce_sum(begins, axis=1), tf.int64)
        number = tf.cast(word - 1, tf.int64) + tf.cumsum(words, exclusive=True)[:, None]
        of_word = tf.math.unsorted_segment_sum(
            tf.ones_like(tf.boolean_mask(number, kept)), tf.boolean_mask(number, kept), tf.reduce_sum(words)
        )
        pieces = ragged.from_lengths(tf.boolean_mask(ids, kept), of_word)
        return {_PIECES: self._cut(ragged.from_lengths(pieces, words), self._sentence_room)}

    def get_config(self):
        names = ("max_length", "pad_to_multiple_of", "type_vocab_size", "stride", "crf", "predicate_segment", "threshold")
        return {name: getattr(self, name) for name in names} | {"labels": self.labels.names}
