"""Masking: which tokens of a batch are asked about, and what stands in their place. Drawn anew in each epoch, inside of tf.data.

What is drawn hangs on the seed, the epoch's seed and the example's number alone: `draw` is mapped over single examples, and everything
after it is computed for a batch at once. So masks are the same whatever the batch, the workers, and after a resume.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_bert import features

CONTINUES = "continues"  # of a batch, where words were found by other means than "##": 1 for a token that goes on with the word before it
UNITS = TOKEN, WORD, SPAN = "token", "word", "span"
# Numbers drawn for each token.
_ORDER, _SPAN_WORDS, _REPLACEMENT, _RANDOM_ID = range(4)


@dataclasses.dataclass(frozen=True)
class MaskingSettings:
    """What is masked. The defaults are BERT's.

    Args:
        unit: "token"; "word": all pieces of a word or none of them; "span": words in a row, as SpanBERT masks.
        share: of a sequence's tokens, special ones among them as google-research counts.
        max_predictions: tokens of a sequence that are masked at most.
        mask_probability: that [MASK] is put in the place of a chosen token.
        random_probability: that any piece of the vocabulary is; else the token stays.
        replace_together: choose between the three once for a word or span; False: for each token, as google-research does; None:
            together for spans alone.
        span_probability: of the geometric distribution of a span's words.
        max_span_words: longer spans are not drawn.
    Raises: ValueError where a value cannot be used.
    Source: google-research/bert create_pretraining_data.py create_masked_lm_predictions; Joshi et al. 2020, "SpanBERT", section 3.1.
    """

    unit: str = TOKEN
    share: float = 0.15
    max_predictions: int = 20
    mask_probability: float = 0.8
    random_probability: float = 0.1
    replace_together: bool | None = None
    span_probability: float = 0.2
    max_span_words: int = 10

    def __post_init__(self):
        if self.unit not in UNITS:
            raise ValueError(f"unit={self.unit!r} is none of {', '.join(UNITS)}")
        if not 0 < self.share <= 1 or not 0 < self.span_probability < 1:
            name = "share" if not 0 < self.share <= 1 else "span_probability"
            raise ValueError(f"{name}={getattr(self, name)} is not from above 0 to {'1' if name == 'share' else 'below 1'}")
        for name in ("max_predictions", "max_span_words"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} is not 1 or more")
        if min(self.mask_probability, self.random_probability) < 0 or self.mask_probability + self.random_probability > 1:
            raise ValueError(
                f"mask_probability={self.mask_probability} and random_probability={self.random_probability} are not two parts of 1"
            )
        if self.replace_together is None:
            object.__setattr__(self, "replace_together", self.unit == SPAN)

    def count(self, length):
        """Tokens to be masked in a sequence. Args: length: int, special tokens counted. Returns: int."""
        return min(self.max_predictions, max(1, round(length * self.share)))

    def slots(self, row_length, sequences=1):
        """What a row has room for: so many tokens of it can be masked at most.

        Args: row_length: tokens of a row. sequences: of a row, at most.
        Returns: int.
        """
        if sequences == 1:
            return self.count(row_length)
        # A short sequence is masked by more than its share: by one token at least, and where the product is rounded up.
        over = max(self.count(length) - self.share * length for length in range(1, row_length + 1))
        return min(sequences * self.count(row_length), int(self.share * row_length + over * sequences))

    def span_lengths(self):
        """Returns: float64 [max_span_words], how likely a span of 1, 2, ... words is drawn."""
        likely = self.span_probability * (1 - self.span_probability) ** np.arange(self.max_span_words)
        return likely / likely.sum()


def draw(epoch_seed, example, length):
    """The random numbers of an example.

    Args: epoch_seed: int64 scalar, of the run and the epoch. example: int64 scalar, its number in the data. length: tokens of a row.
    Returns: int32 [length, 4], all 32 bits random.
    """
    seed = tf.stack([tf.cast(epoch_seed, tf.int64), tf.cast(example, tf.int64)])
    return tf.random.stateless_uniform([length, 4], seed, minval=None, maxval=None, dtype=tf.int32, alg="philox")


class Masker:
    """Masks batches.

    Args:
        tokenizer: whose starts_word tells which pieces go on with a word: "##..." of WordPiece, those without "▁" of SentencePiece.
        settings: MaskingSettings.
        slots: masked positions of a row, see MaskingSettings.slots.
    Call: batch: dict of int32 [batch, length]: input_ids, attention_mask; sequence_ids where rows are packed, whose sequences are masked
        each by itself; "continues" where it says what goes on with a word. draws: int32 [batch, length or more, 4], what `draw` gave.
    Returns: int32 tensors: input_ids [batch, length]; masked_positions, masked_ids, masked_weights [batch, slots], in the order of
        positions, padded with 0.
    """

    def __init__(self, tokenizer, settings, *, slots):
        self.settings = settings
        self.slots = slots
        self._vocabulary_size = tokenizer.vocabulary_size
        self._mask_id = tokenizer.mask_id
        self._special_ids = sorted({tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id})
        self._is_continuing = ~np.asarray(tokenizer.starts_word)

    def __call__(self, batch, draws):
        ids = batch[features.INPUT_IDS]
        length = tf.shape(ids)[1]
        tokens = self._tokens(batch, draws[:, :length])
        if self.settings.unit == SPAN:
            leaders = self._span_leaders(tokens)
        else:
            leaders = self._word_leaders(tokens)
        chosen = leaders >= 0
        places, old = tf.boolean_mask(tokens.places, chosen), tf.boolean_mask(tokens.ids, chosen)
        new = self._replacements(tokens, old, leaders, chosen)
        masked = tf.tensor_scatter_nd_update(tf.reshape(ids, [-1]), places[:, None], new)
        rows, positions = tf.cast(places // length, tf.int64), places % length

        def of_rows(values):
            return tf.RaggedTensor.from_value_rowids(values, rows, nrows=tf.shape(ids, tf.int64)[0], validate=False)

        positions = of_rows(positions)
        return {
            features.INPUT_IDS: tf.reshape(masked, tf.shape(ids)),
            features.MASKED_POSITIONS: positions.to_tensor(shape=[None, self.slots]),
            features.MASKED_IDS: of_rows(old).to_tensor(shape=[None, self.slots]),
            features.MASKED_WEIGHTS: tf.sequence_mask(positions.row_lengths(), self.slots, tf.int32),
        }

    def _tokens(self, batch, draws):
        """The tokens that may be masked, one behind the other. Returns: _Tokens."""
        ids = batch[features.INPUT_IDS]
        numbers = batch.get(features.SEQUENCE_IDS, batch[features.ATTENTION_MASK])  # 0: padding
        rows, most = tf.shape(ids)[0], tf.maximum(tf.reduce_max(numbers), 1)
        sequences = tf.reshape(tf.range(rows)[:, None] * most + numbers - 1, [-1])
        is_real = tf.reshape(numbers > 0, [-1])
        lengths = tf.math.unsorted_segment_sum(tf.cast(is_real, tf.int32), tf.where(is_real, sequences, -1), rows * most)
        flat = tf.reshape(ids, [-1])
        special = tf.reduce_any(flat[:, None] == tf.constant(self._special_ids), axis=1)
        places = tf.cast(tf.where(is_real & ~special)[:, 0], tf.int32)
        sequences, flat_ids = tf.gather(sequences, places), tf.gather(flat, places)
        # A text begins after a special token, and where another sequence does.
        begins = tf.concat([[True], (places[1:] != places[:-1] + 1) | (sequences[1:] != sequences[:-1])], 0)[: tf.size(places)]
        if self.settings.unit == TOKEN:
            starts = tf.ones_like(places, tf.bool)
        elif CONTINUES in batch:
            starts = begins | (tf.gather(tf.reshape(batch[CONTINUES], [-1]), places) == 0)
        else:
            starts = begins | ~tf.gather(self._is_continuing, flat_ids)
        return _Tokens(places, flat_ids, sequences, tf.gather(tf.reshape(draws, [-1, 4]), places), starts, begins, self._budgets(lengths))

    def _budgets(self, lengths):
        # In float64 and to the even of two, as Python rounds.
        counts = tf.cast(tf.round(tf.cast(lengths, tf.float64) * self.settings.share), tf.int32)
        counts = tf.minimum(self.settings.max_predictions, tf.maximum(1, counts))
        return tf.where(lengths > 0, counts, 0)

    def _word_leaders(self, tokens):
        """Words in the order of their draws; one that has no room is passed over. Returns: int32 [tokens], see _span_leaders."""
        first, words, sizes = tokens.words()
        sequences = tf.gather(tokens.sequences, first)
        order = _order(sequences, tf.gather(tokens.draws[:, _ORDER], first))
        ranked = tf.RaggedTensor.from_value_rowids(tf.gather(sizes, order), tf.gather(sequences, order), tf.size(tokens.budgets))
        if self.settings.unit == TOKEN:
            taken = tf.sequence_mask(tokens.budgets, ranked.bounding_shape(axis=1))
        else:
            taken = _with_room(ranked.to_tensor(), ranked.row_lengths(), tokens.budgets)
        taken = tf.boolean_mask(taken, tf.sequence_mask(ranked.row_lengths(), tf.shape(taken)[1]))
        taken = tf.scatter_nd(order[:, None], taken, tf.shape(order))
        leaders = tf.gather(first, words) if self.settings.replace_together else tf.range(tf.size(words))
        return tf.where(tf.gather(taken, words), leaders, -1)

    def _span_leaders(self, tokens):
        """Spans from the words of tokens, in the order of their draws.

        A span ends with its text, and before the word that has no room. It may run over words of another span, but does not begin in one.

        Returns: int32 [tokens], of each that is masked the token that decides what it becomes; -1 of the others.
        """
        first, words, sizes = tokens.words()
        sequences, count = tf.gather(tokens.sequences, first), tf.size(tokens.budgets)
        by_sequence = tf.RaggedTensor.from_value_rowids(tf.range(tf.size(first)), sequences, count)
        texts = by_sequence.with_values(tf.cumsum(tf.cast(tf.gather(tokens.begins, first), tf.int32)))
        ranks = tf.gather(tf.ragged.range(by_sequence.row_lengths()).values, words)  # of each token's word in its sequence
        order = _order(tokens.sequences, tokens.draws[:, _ORDER])
        attempts = tf.RaggedTensor.from_value_rowids(order, tf.gather(tokens.sequences, order), count)
        likely = np.cumsum(self.settings.span_lengths())[:-1]
        span_words = 1 + tf.searchsorted(tf.constant(likely, tf.float64), _share(tokens.draws[:, _SPAN_WORDS]), side="right")
        leaders = _covered_by_spans(
            sizes=by_sequence.with_values(sizes).to_tensor(),
            texts=texts.to_tensor(),
            attempts=attempts.to_tensor(),
            attempt_counts=attempts.row_lengths(),
            first_words=attempts.with_values(tf.gather(tf.cast(ranks, tf.int32), order)).to_tensor(),
            span_words=attempts.with_values(tf.gather(span_words, order)).to_tensor(),
            budgets=tokens.budgets,
        )
        leaders = tf.boolean_mask(leaders, tf.sequence_mask(by_sequence.row_lengths(), tf.shape(leaders)[1]))
        leaders = tf.gather(leaders, words)
        return leaders if self.settings.replace_together else tf.where(leaders >= 0, tf.range(tf.size(words)), -1)

    def _replacements(self, tokens, old, leaders, chosen):
        settings = self.settings
        share = _share(tf.gather(tokens.draws[:, _REPLACEMENT], tf.boolean_mask(leaders, chosen)))
        random_ids = _share(tf.boolean_mask(tokens.draws[:, _RANDOM_ID], chosen)) * self._vocabulary_size
        new = tf.where(share < settings.mask_probability + settings.random_probability, tf.cast(random_ids, tf.int32), old)
        return tf.where(share < settings.mask_probability, self._mask_id, new)


@dataclasses.dataclass(frozen=True)
class _Tokens:
    """Tokens of a batch that may be masked.

    Args: places, ids, sequences: int32 [tokens]: where in the flat batch each stands, what it is, and of which sequence of the batch.
        draws: int32 [tokens, 4]. starts, begins: bool [tokens], whether a word, or a text, begins with it. budgets: int32 [sequences].
    """

    places: tf.Tensor
    ids: tf.Tensor
    sequences: tf.Tensor
    draws: tf.Tensor
    starts: tf.Tensor
    begins: tf.Tensor
    budgets: tf.Tensor

    def words(self):
        """Returns: int32: the first token of each word, [words]; which word each token is of, [tokens]; the tokens of each, [words]."""
        first = tf.cast(tf.where(self.starts)[:, 0], tf.int32)
        words = tf.cumsum(tf.cast(self.starts, tf.int32)) - 1
        return first, words, tf.math.unsorted_segment_sum(tf.ones_like(words), words, tf.size(first))


def _with_room(sizes, counts, budgets):
    """Take words one after the other where they have room. Sequences are gone through together, until all are full.

    Args: sizes: int32 [sequences, words]. counts: int32 [sequences], of words. budgets: int32 [sequences].
    Returns: bool [sequences, words].
    """
    most = tf.shape(sizes)[1]
    sizes = tf.transpose(sizes)
    taken = tf.TensorArray(tf.bool, 0, dynamic_size=True, element_shape=[None])

    def goes_on(word, left, taken):
        return tf.reduce_any((left > 0) & (word < counts))

    def take(word, left, taken):
        size = sizes[word]
        fits = (size <= left) & (word < counts)
        return word + 1, left - tf.where(fits, size, 0), taken.write(word, fits)

    done, _, taken = tf.while_loop(goes_on, take, (0, budgets, taken))
    taken = tf.cond(done > 0, lambda: taken.stack(), lambda: tf.zeros([0, tf.size(budgets)], tf.bool))
    return tf.transpose(tf.pad(taken, [[0, most - done], [0, 0]]))


def _covered_by_spans(*, sizes, texts, attempts, attempt_counts, first_words, span_words, budgets):
    """Args: sizes, texts: int32 [sequences, words]. attempts, first_words, span_words: int32 [sequences, attempts]; see _span_leaders.
    Returns: int32 [sequences, words], the attempt that took each word, or -1.
    """
    places = tf.range(tf.shape(sizes)[1])[None]

    def goes_on(attempt, left, leaders):
        return tf.reduce_any((left > 0) & (attempt < attempt_counts))

    def take(attempt, left, leaders):
        first, count = first_words[:, attempt, None], span_words[:, attempt, None]
        text = tf.gather(texts, first, batch_dims=1)
        is_free = (attempt < attempt_counts)[:, None] & (tf.gather(leaders, first, batch_dims=1) < 0)
        within = is_free & (places >= first) & (places < first + count) & (texts == text) & (leaders < 0)
        within &= tf.cumsum(tf.where(within, sizes, 0), axis=1) <= left[:, None]
        leaders = tf.where(within, attempts[:, attempt, None], leaders)
        return attempt + 1, left - tf.reduce_sum(tf.where(within, sizes, 0), axis=1), leaders

    return tf.while_loop(goes_on, take, (0, budgets, tf.fill(tf.shape(sizes), -1)))[2]


def _order(sequences, draws):
    """Args: sequences, draws: int32 [count]. Returns: int32 [count], an order by sequence, and within one by the draws."""
    key = tf.bitwise.left_shift(tf.cast(sequences, tf.int64), tf.constant(32, tf.int64)) + tf.cast(draws, tf.int64) + 2**31
    return tf.argsort(key, stable=True)


def _share(draws):
    """Random bits to float64 in [0, 1). Args: int32 tensor."""
    return (tf.cast(draws, tf.float64) + 2.0**31) * 2.0**-32
