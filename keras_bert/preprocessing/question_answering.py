"""QuestionAnsweringPreprocessor: a question and its context to rows, and scores of pieces to the answers that they mark."""

import numbers
from typing import NamedTuple

import tensorflow as tf

from keras_bert import features
from keras_bert.preprocessing import question_columns as column_lib
from keras_bert.preprocessing.best_spans import NONE, best_spans, better_of, spans_over_windows
from keras_bert.preprocessing.context_windows import cut_contexts, sees_most
from keras_bert.preprocessing.preprocessor import Preprocessor, Rows, example_lengths
from keras_bert.preprocessing.spans import Spans, place_spans
from keras_bert.preprocessing.word_pieces import ENDS, STARTS, TEXT
from keras_bert.text import BertPacker, characters_from_bytes, ragged

QUESTION, CONTEXT = column_lib.QUESTION, column_lib.CONTEXT
ALTERNATIVE_FIELDS = ("text", "start", "end", "score")
ALTERNATIVE_COUNT = "alternative_count"
NUMBERS = ("start", "end", "score", "null_score")  # of an answer, for predict
SPECIALS = 3  # [CLS] question [SEP] context [SEP]
# google-research's run_squad.py: max_query_length, doc_stride, max_answer_length, n_best_size.
MAX_QUERY_LENGTH, STRIDE, MAX_ANSWER_LENGTH, N_BEST = 64, 128, 30, 20
_QUESTION_LENGTH = "question_length"  # a fact: its pieces


class _Contexts(NamedTuple):
    """What of each row is context.

    Args:
        counts: int32 [examples], rows of each.
        places: int32 [rows, pieces], where in the row each piece of the window stands.
        first_pieces, limits: int32 [rows], the window's pieces, from the first (included) to the limit (not).
        may_start, may_end: bool [rows, pieces], whether an answer may start, and end, there.
    """

    counts: tf.Tensor
    places: tf.Tensor
    first_pieces: tf.Tensor
    limits: tf.Tensor
    may_start: tf.Tensor
    may_end: tf.Tensor


class QuestionAnsweringPreprocessor(Preprocessor):
    """Questions and contexts to answers, which are parts of the contexts: [CLS] question [SEP] context [SEP].

    A context for which a row has no room is several rows, of windows that begin `stride` pieces apart. Each piece may begin an answer in
    the window that sees most around it, and the answer's last piece is read there too, or, where that window ends before it, in the one
    that sees most around that. A training row's targets are the first and the last piece of the answer, of all that share a character with
    it; [CLS], 0, where the window does not hold it whole, or there is none. An answer that no window holds whole is learnt in parts.

    The answers, for each example:

        text                        string [batch], the best span of the context, exactly as it stands there; "" for none
        start, end                  int32 [batch], characters: context[start:end] == text; 0 and 0 for none
        score                       float32 [batch], its probability: a softmax of the sums of both logits over the best spans of different
                                    texts (20, or n_best where that is more), and over "no answer" where there is a null_threshold
        null_score                  float32 [batch]: the least sum of [CLS]'s logits over the windows, less that of the best span: how
                                    much "no answer" is better. Where it is over null_threshold the answer is "".
        alternative_text, alternative_start, alternative_end, alternative_score     [batch, n_best]: the best spans of different texts,
                                    the best first; alternative_count: int32 [batch]

    Of ids alone nothing is known of the text: texts are "", and start and end count tokens of the row.

    Args:
        tokenizer: Tokenizer, or None: only the batch contract is taken then.
        max_length: most tokens of a row, special ones included.
        pad_to_multiple_of: see BertPacker.
        type_vocab_size: the encoder's; with 1 all token types are 0.
        stride: pieces from the start of a window to that of the next, less than a window of the longest question has room for; None: 128,
            or half of that room where it is less.
        max_query_length: pieces of a question at most; what is longer is cut at its end. None: 64, or half of the room of a row.
        max_answer_length: pieces of an answer at most; None: any number. Training takes answers of any length.
        n_best: alternatives to give.
        null_threshold: answer "" where null_score is greater; None: always give an answer.
    Raises: ValueError where a length leaves no room, where a stride would skip text, or on an option out of its range.
    Source: Devlin et al. 2018, sections 4.2 and 4.3; google-research/bert run_squad.py. That ranks the tokens of the question too; here
        only those of the context are candidates.
    """

    counted = dict.fromkeys([f"alternative_{name}" for name in ALTERNATIVE_FIELDS], ALTERNATIVE_COUNT)
    records = {"alternatives": {name: f"alternative_{name}" for name in ALTERNATIVE_FIELDS}}  # noqa: RUF012 - never changed
    chooses = False
    labelled_as = "fit(questions, {'start': [...], 'end': [...]}), or of what data.read_squad gives fit(data.squad_dataset(examples))"
    several_rows = True
    fills_up = True
    rows_at_once = 32
    text_pair = True  # two strings of a dataset are a question and its context

    def __init__(
        self,
        tokenizer,
        *,
        max_length,
        pad_to_multiple_of=4,
        type_vocab_size=2,
        stride=None,
        max_query_length=None,
        max_answer_length=MAX_ANSWER_LENGTH,
        n_best=N_BEST,
        null_threshold=None,
    ):
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.pad_to_multiple_of = pad_to_multiple_of
        self.type_vocab_size = type_vocab_size
        self.stride = stride
        self.max_query_length = max_query_length
        self.max_answer_length = max_answer_length
        self.n_best = n_best
        self.null_threshold = null_threshold
        self.packer = None if tokenizer is None else BertPacker(tokenizer, max_length, pad_to_multiple_of=pad_to_multiple_of)
        room = int(max_length) - SPECIALS
        if room < 3:
            raise ValueError(f"max_length={max_length!r} leaves no room for a question and its context: 6 at least")
        self._query_length = min(MAX_QUERY_LENGTH, room // 2) if max_query_length is None else max_query_length
        if not _is_whole(self._query_length) or not 1 <= self._query_length <= room - 2:
            raise ValueError(
                f"max_query_length={max_query_length!r}: a row of max_length={max_length} has room for {room} pieces of question and "
                f"context; give a whole number from 1 to {room - 2}"
            )
        least_room = room - self._query_length  # beside the longest question
        self._stride = min(STRIDE, least_room // 2) if stride is None else stride
        if not _is_whole(self._stride) or not 1 <= self._stride < least_room:
            raise ValueError(
                f"stride={stride!r}: beside a question of {self._query_length} pieces, rows of max_length={max_length} have room for "
                f"{least_room} of the context, so that a stride from {least_room} on skips text; give a whole number from 1 to "
                f"{least_room - 1}, or a lesser max_query_length"
            )
        for name, value in (("max_answer_length", max_answer_length), ("n_best", n_best)):
            if (value is not None or name == "n_best") and (not _is_whole(value) or value < 1):
                raise ValueError(f"{name}={value!r} is not a whole number from 1" + (", nor None" if name != "n_best" else ""))
        if null_threshold is not None and (isinstance(null_threshold, bool) or not float(null_threshold) == float(null_threshold)):
            raise ValueError(f"null_threshold={null_threshold!r} is neither a number nor None")

    # On the way in.

    def takes(self, x):
        return column_lib.is_questions(x)

    def columns(self, x):
        return column_lib.question_columns(x)

    def element_columns(self, x):
        columns = column_lib.element_columns(x)
        if columns is None:
            raise ValueError(
                f"a dataset of questions holds {{{QUESTION!r}: ..., {CONTEXT!r}: ...}} or (question, context), with answers "
                f"({{...}}, {{'start': ..., 'end': ...}}); got elements {x}"
            )
        return columns

    def element_targets(self, targets):
        return column_lib.join_places(targets)

    def encode_targets_of(self, columns, targets):
        return column_lib.answer_places(targets, columns[CONTEXT])

    def input_signature(self):
        return {name: tf.TensorSpec([None], tf.string, name=name) for name in column_lib.NAMES}

    def rows(self, columns, targets=None, weights=None, *, seed=None):
        questions = self.tokenizer.tokenize(columns[QUESTION])[:, : self._query_length]
        # Bytes that are not UTF-8 become U+FFFD, so that answers are UTF-8.
        contexts = tf.strings.unicode_transcode(columns[CONTEXT], "UTF-8", "UTF-8", errors="replace", replace_control_characters=False)
        pieces, starts, ends = self.tokenizer.tokenize_with_offsets(contexts)
        windows = self._windows(pieces.row_lengths(), questions.row_lengths())
        base = tf.gather(pieces.row_starts(), windows.examples)
        held = tf.gather(pieces.values, tf.ragged.range(base + windows.starts, base + windows.limits))
        tokens = self.packer.join(tf.gather(questions, windows.examples), held)
        if self.type_vocab_size == 1:
            tokens[features.TOKEN_TYPE_IDS] = tf.zeros_like(tokens[features.TOKEN_TYPE_IDS])
        weights = () if weights is None else tf.gather(weights, windows.examples)
        question_lengths = questions.row_lengths()
        if targets is not None:
            first, last = _pieces_of(column_lib.places_in_graph(targets, contexts), contexts, starts, ends)
            return Rows(tokens, windows.counts, _targets_of_rows(first, last, windows, question_lengths), weights)
        facts = {TEXT: contexts, STARTS: starts, ENDS: ends, _QUESTION_LENGTH: question_lengths}
        return Rows(tokens, windows.counts, (), weights, facts)

    def _windows(self, lengths, question_lengths):
        return cut_contexts(lengths, self.max_length - SPECIALS - question_lengths, self._stride)

    def pad(self, rows, *, multiple_of=None):
        return self.packer.pad(rows.tokens, multiple_of=multiple_of), rows.targets, rows.weights

    def padded_lengths(self, rows, *, multiple_of=None):
        return self.packer.round_up(example_lengths(rows), multiple_of=multiple_of) * rows.counts

    # On the way out.

    def of_examples(self, predictions, inputs, rows):
        """Numbers of the answers; of ids alone the logits, float32 [rows, length, 2]."""
        if rows is None:
            return predictions
        answers = self.decode(predictions, inputs, rows)
        return {name: answers[name] for name in NUMBERS}

    def decode(self, predictions, inputs, rows):
        contexts = self._contexts_of_ids(inputs) if rows is None else self._contexts(inputs, rows)
        counts = contexts.counts
        starts, ends = tf.unstack(tf.gather(predictions, contexts.places, batch_dims=1), axis=2)  # of the contexts' pieces
        searched = max(N_BEST, self.n_best)
        options = {"searched": searched, "most": 2 * searched, "max_length": self.max_answer_length}  # some spans have one text
        may_start, may_end = (tf.where(may, part, NONE) for may, part in ((contexts.may_start, starts), (contexts.may_end, ends)))
        spans = best_spans(may_start, may_end, contexts.first_pieces, counts, **options)
        if rows is not None:
            read = _as_read(contexts, starts, ends, rows.facts[STARTS].row_lengths())
            spans = better_of(spans, spans_over_windows(*read, **options))
        none = tf.math.segment_min(tf.reduce_sum(predictions[:, 0], axis=-1), ragged.repeated(counts))  # each has a window at least
        found = Spans(spans.starts, spans.ends, tf.zeros_like(spans.starts), spans.counts)
        if rows is None:
            text, start, end = tf.fill(tf.shape(found.starts), ""), found.starts, found.ends + 1
            is_new = found.mask
        else:
            text, start, end = place_spans(found, rows.facts)
            is_new = found.mask & ~_stood_before(text)
        order = tf.argsort(tf.where(is_new, 0, 1), stable=True)[:, :searched]
        text, start, end, scores, is_new = (tf.gather(part, order, batch_dims=1) for part in (text, start, end, spans.scores, is_new))
        return self._answers(text, start, end, tf.where(is_new, scores, NONE), none)

    def _answers(self, text, start, end, scores, none):
        """Args: text, start, end, scores: [examples, spans], the best first, scores -inf beyond those there are. none: [examples]."""
        real = scores > NONE
        any_span = real[:, 0]
        best = tf.where(any_span, scores[:, 0], none)
        null_score = none - best
        is_none = ~any_span if self.null_threshold is None else ~any_span | (null_score > self.null_threshold)
        candidates = scores if self.null_threshold is None else tf.concat([scores, none[:, None]], axis=1)
        # A softmax of nothing is no number.
        likely = tf.where(any_span[:, None] | (candidates > NONE), tf.nn.softmax(tf.where(any_span[:, None], candidates, 0.0)), 0.0)
        none_likely = tf.zeros_like(none) if self.null_threshold is None else tf.where(any_span, likely[:, -1], 1.0)
        text, start, end = tf.where(real, text, ""), tf.where(real, start, 0), tf.where(real, end, 0)
        likely = tf.where(real, likely[:, : tf.shape(scores)[1]], 0.0)
        answers = {
            "text": tf.where(is_none, "", text[:, 0]),
            "start": tf.where(is_none, 0, start[:, 0]),
            "end": tf.where(is_none, 0, end[:, 0]),
            "score": tf.where(is_none, none_likely, likely[:, 0]),
            "null_score": null_score,
        }
        parts = zip(ALTERNATIVE_FIELDS, (text, start, end, likely), strict=True)
        answers |= {f"alternative_{name}": part[:, : self.n_best] for name, part in parts}
        count = tf.reduce_sum(tf.cast(real, tf.int32), axis=1)
        return answers | {ALTERNATIVE_COUNT: tf.minimum(count, self.n_best)}

    def _contexts(self, inputs, rows):
        """Returns: _Contexts, of pieces of the contexts."""
        lengths, question_lengths = rows.facts[STARTS].row_lengths(), rows.facts[_QUESTION_LENGTH]
        windows = self._windows(lengths, question_lengths)
        most = tf.maximum(tf.reduce_max(windows.limits - windows.starts), 1)  # a place for one at least
        offsets = tf.gather(question_lengths, windows.examples) + 2  # behind [CLS] question [SEP]
        longest = tf.shape(inputs[features.INPUT_IDS], tf.int64)[1]
        places = tf.minimum(offsets[:, None] + tf.range(most)[None], longest - 1)
        is_context = tf.sequence_mask(windows.limits - windows.starts, most)
        may_start = sees_most(windows, lengths).to_tensor(False, shape=tf.stack([-1, most]))
        starts, limits = tf.cast(windows.starts, tf.int32), tf.cast(windows.limits, tf.int32)
        return _Contexts(windows.counts, places, starts, limits, may_start, is_context)

    def _contexts_of_ids(self, inputs):
        """Returns: _Contexts, of tokens of the rows: those of the second segment but the last, [SEP]."""
        real = inputs[features.ATTENTION_MASK] == 1
        length = tf.reduce_sum(inputs[features.ATTENTION_MASK], axis=1)
        is_second = inputs[features.TOKEN_TYPE_IDS] == 1
        if self.type_vocab_size == 1:
            if self.tokenizer is None:
                raise ValueError("without token types (type_vocab_size=1) a tokenizer must tell where the context begins; give one")
            is_sep = tf.cast(inputs[features.INPUT_IDS] == self.tokenizer.sep_id, tf.int32)
            is_second = tf.cumsum(is_sep, axis=1, exclusive=True) > 0
        places = tf.broadcast_to(tf.range(tf.shape(real)[1])[None], tf.shape(real))
        is_context = is_second & real & (places < length[:, None] - 1)
        return _Contexts(tf.ones_like(length), places, tf.zeros_like(length), length, is_context, is_context)

    def get_config(self):
        names = ("max_length", "pad_to_multiple_of", "type_vocab_size", "stride", "max_query_length")
        return {name: getattr(self, name) for name in (*names, "max_answer_length", "n_best", "null_threshold")}


def _is_whole(value):
    return isinstance(value, (numbers.Integral, float)) and not isinstance(value, bool) and int(value) == value


def _pieces_of(targets, contexts, starts, ends):
    """The pieces that answers are of.

    Args: targets: int32 [examples, 2], characters, -1 for none. contexts: string [examples]. starts, ends: bytes of each piece.
    Returns: first, last: int64 [examples]; last before first where there are none.
    """
    starts, ends = (characters_from_bytes(contexts, part) for part in (starts, ends))
    start, end = tf.unstack(tf.cast(targets, tf.int64), axis=1)

    def count(part, bound, is_before):
        return ragged.sums(part.with_values(tf.cast(is_before(part.values, tf.gather(bound, ragged.row_ids(part))), tf.int64)))

    first, last = count(ends, start, tf.less_equal), count(starts, end, tf.less) - 1
    return first, tf.where(start < 0, tf.constant(-1, tf.int64), last)


def _targets_of_rows(first, last, windows, question_lengths):
    """Returns: int32 [windows, 2], the tokens of the row where the answer starts and ends; 0 where there is none in the window."""
    first, last = (tf.gather(part, windows.examples) for part in (first, last))
    held_first, held_last = tf.maximum(first, windows.starts), tf.minimum(last, windows.limits - 1)
    is_whole = (first <= last) & (held_first == first) & (held_last == last)
    whole_windows = tf.math.segment_sum(tf.cast(is_whole, tf.int32), windows.examples)
    is_held = is_whole | ((tf.gather(whole_windows, windows.examples) == 0) & (held_first <= held_last))
    offsets = tf.gather(question_lengths, windows.examples) + 2 - windows.starts
    tokens = tf.stack([held_first + offsets, held_last + offsets], axis=1)
    return tf.cast(tf.where(is_held[:, None], tokens, 0), tf.int32)


def _as_read(contexts, starts, ends, lengths):
    """What spans_over_windows takes. Args: contexts: _Contexts. starts, ends: [rows, pieces], scores. lengths: pieces of each example."""
    least_ends = tf.broadcast_to(contexts.limits[:, None], tf.shape(starts))
    # Pieces may start answers where they are read from: there each stands once, in order.
    read = tf.where(contexts.may_start)
    parts = (tf.gather_nd(part, read) for part in (starts, ends, least_ends))
    parts = (ragged.from_lengths(part, lengths) for part in parts)
    return [part.to_tensor(padding) for part, padding in zip(parts, (NONE, NONE, 0), strict=True)]


def _stood_before(text):
    """Whether the same text stands in a column before. Args: text: string [examples, spans]. Returns: bool like it."""
    spans = tf.shape(text)[1]
    before = tf.range(spans)[None] < tf.range(spans)[:, None]  # [spans, those before]
    return tf.reduce_any((text[:, :, None] == text[:, None, :]) & before[None], axis=2)
