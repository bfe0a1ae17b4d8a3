"""Seq2SeqPreprocessor: a source and its target to rows, and the ids that a decoder writes to text."""

import numbers

import numpy as np
import tensorflow as tf

from keras_bert import features
from keras_bert.generation import Generation
from keras_bert.preprocessing import columns as column_lib
from keras_bert.preprocessing.preprocessor import Rows, example_lengths
from keras_bert.preprocessing.text import TEXT, TextPreprocessor
from keras_bert.text import ragged
from keras_bert.text.detokenization import Detokenizer
from keras_bert.text.letter_case import restore_case
from keras_bert.text.serialization import tokenizer_from_config, tokenizer_to_config

NO_TARGET = -1
ALTERNATIVE_COUNT = "alternative_count"
SETTINGS = (
    "max_target_length",
    "min_target_length",
    "num_beams",
    "length_penalty",
    "early_stopping",
    "no_repeat_ngrams",
    "num_answers",
    "temperature",
    "top_k",
    "top_p",
    "seed",
    "restore_case",
)
MANY_UNKNOWN = 0.05  # of the targets' tokens; English has next to none
_COUNTED_AT_ONCE = 4096  # targets


class Seq2SeqPreprocessor(TextPreprocessor):
    """Sources, one text each, and targets, another.

        source      [CLS] a b c [SEP]           target tokens   x y
        decoder     [CLS] x     y               what it reads
                    x     y     [SEP]           what it should say; -1 behind

    A target that is too long is cut at its end.

    The answers, for each example:

        text                                    string [batch], what was written, as people write it: see text.detokenization
        score                                   float32 [batch], see generation.Generation.length_penalty
        alternative_text, alternative_score     [batch, num_answers], where num_answers is over 1: all answers, the best first (samples in
                                                the order of their draws); alternative_count: int32 [batch]

    Args:
        tokenizer: Tokenizer, or None: only the batch contract is taken then.
        max_length: most tokens of a source, special ones included; pad_to_multiple_of, type_vocab_size: see TextPreprocessor.
        decoder_tokenizer: Tokenizer of the targets, or what serialization.tokenizer_to_config gives of one; None: that of the sources.
        max_target_length, min_target_length: most and least tokens of an answer, [CLS] and [SEP] included. Training cuts targets to the
            first.
        num_beams, length_penalty, early_stopping, no_repeat_ngrams, num_answers, temperature, top_k, top_p, seed: see
            generation.Generation.
        restore_case: write words with the capitals that the source has in them, see text.letter_case. For uncased vocabularies.
    Raises: ValueError where a length leaves no room, or on an option out of its range.
    """

    target_is_text = True
    chooses = False
    labelled_as = "fit(sources, targets), evaluate(sources, targets), a str each"

    def __init__(
        self,
        tokenizer,
        *,
        max_length,
        pad_to_multiple_of=4,
        type_vocab_size=2,
        decoder_tokenizer=None,
        max_target_length=64,
        min_target_length=2,
        num_beams=1,
        length_penalty=1.0,
        early_stopping=True,
        no_repeat_ngrams=None,
        num_answers=1,
        temperature=None,
        top_k=None,
        top_p=None,
        seed=0,
        restore_case=False,
    ):
        super().__init__(
            tokenizer, max_length=max_length, pad_to_multiple_of=pad_to_multiple_of, text_pair=False, type_vocab_size=type_vocab_size
        )
        self.decoder_tokenizer = tokenizer_from_config(decoder_tokenizer) if isinstance(decoder_tokenizer, dict) else decoder_tokenizer
        self.max_target_length = max_target_length
        self.min_target_length = min_target_length
        self.num_beams = num_beams
        self.length_penalty = length_penalty
        self.early_stopping = early_stopping
        self.no_repeat_ngrams = no_repeat_ngrams
        self.num_answers = num_answers
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.seed = seed
        self.restore_case = restore_case
        if isinstance(max_target_length, bool) or not isinstance(max_target_length, numbers.Integral) or max_target_length < 3:
            raise ValueError(f"max_target_length={max_target_length!r} leaves no room: [CLS] a [SEP] takes 3 at least")
        if isinstance(min_target_length, bool) or not isinstance(min_target_length, numbers.Integral) or min_target_length < 2:
            raise ValueError(f"min_target_length={min_target_length!r} is not a whole number from 2 ([CLS] and [SEP] count)")
        if min_target_length > max_target_length:
            raise ValueError(f"min_target_length={min_target_length} is over max_target_length={max_target_length}")
        if not isinstance(restore_case, bool):
            raise ValueError(f"restore_case={restore_case!r} is neither True nor False")
        writes = self.target_tokenizer
        self.generation = Generation(
            max_length=int(max_target_length),
            end_id=0 if writes is None else writes.sep_id,
            pad_id=0 if writes is None else writes.pad_id,
            pieces=None if writes is None else writes.vocabulary_size,
            min_length=min_target_length,
            **{name: getattr(self, name) for name in SETTINGS[2:-1]},
        )
        if restore_case and tokenizer is not None and not hasattr(tokenizer, "normalize"):
            raise ValueError(f"restore_case=True needs a BertTokenizer's small letters; this is a {type(tokenizer).__name__}")
        self._detokenize = None if writes is None else Detokenizer(writes)
        if num_answers > 1:
            self.counted = {"alternative_text": ALTERNATIVE_COUNT, "alternative_score": ALTERNATIVE_COUNT}
            self.records = {"alternatives": {"text": "alternative_text", "score": "alternative_score"}}

    @property
    def target_tokenizer(self):
        """The tokenizer of the targets, or None."""
        return self.tokenizer if self.decoder_tokenizer is None else self.decoder_tokenizer

    @property
    def network_options(self):
        if self.target_tokenizer is None:
            raise ValueError("a model writes by its vocabulary; this one was made without: give it a tokenizer")
        return {"generation": self.generation}

    # On the way in.

    def encode_targets(self, targets):
        """Args: targets: list or array of str or bytes; integers, as a decoder should say them, pass."""
        if getattr(getattr(targets, "dtype", None), "kind", None) in ("i", "u") or (
            isinstance(targets, tf.Tensor) and targets.dtype.is_integer
        ):
            return targets
        return self.encode_targets_of(None, targets)

    def encode_targets_of(self, columns, targets):
        """Args: targets: list or array of str or bytes: beside texts, ids are none."""
        try:
            columns = column_lib.text_columns(targets)
        except ValueError as error:
            raise ValueError(f"targets are texts: {error}") from None
        if column_lib.TEXT_PAIR in columns:
            raise ValueError("targets are texts, one each; got pairs")
        return np.array(columns[TEXT], dtype=object)

    @property
    def longest_example(self):
        return self.max_length + self.max_target_length

    def measure_targets(self, targets):
        """Find what of targets cannot be learned.

        Args: targets: list or array of str or bytes.
        Returns: int, how many have more tokens than there is room for; float, the share of tokens that are [UNK].
        """
        cut, unknown, count = 0, 0, 0
        for start in range(0, len(targets), _COUNTED_AT_ONCE):
            tokens = self.target_tokenizer.tokenize(list(targets[start : start + _COUNTED_AT_ONCE]))
            cut += int(tf.reduce_sum(tf.cast(tokens.row_lengths() > self.max_target_length - 2, tf.int32)))
            unknown += int(tf.reduce_sum(tf.cast(tokens.flat_values == self.target_tokenizer.unk_id, tf.int32)))
            count += int(tf.size(tokens.flat_values))
        return cut, unknown / max(count, 1)

    def element_targets(self, targets):
        if getattr(targets, "dtype", None) != tf.string:
            raise ValueError(f"a dataset of sources holds (source, target), two strings; got targets {targets}")
        return targets

    def rows(self, columns, targets=None, weights=None, *, seed=None):
        rows = super().rows(columns, None, weights, seed=seed)
        if targets is None:
            return rows._replace(facts={TEXT: columns[TEXT]} if self.restore_case else ())
        writes = self.target_tokenizer
        pieces = writes.tokenize(targets)
        pieces = ragged.first_of_rows(pieces, tf.minimum(pieces.row_lengths(), self.max_target_length - 2))
        cls, sep = (ragged.column(token_id, pieces.nrows()) for token_id in (writes.cls_id, writes.sep_id))
        tokens = rows.tokens | {features.DECODER_INPUT_IDS: ragged.side_by_side(cls, pieces)}
        return Rows(tokens, rows.counts, ragged.side_by_side(pieces, sep), rows.weights)

    def pad(self, rows, *, multiple_of=None):
        padded = self.packer.pad(rows.tokens, multiple_of=multiple_of)
        ids = rows.tokens.get(features.DECODER_INPUT_IDS)
        if ids is None:
            return padded, (), rows.weights
        length = self._round_up(tf.cast(ids.bounding_shape(axis=1), tf.int32), multiple_of)
        shape = tf.stack([-1, tf.cast(length, tf.int64)])
        padded[features.DECODER_INPUT_IDS] = ids.to_tensor(self.target_tokenizer.pad_id, shape=shape)
        targets = rows.targets.to_tensor(NO_TARGET, shape=shape)
        if self.pad_to_multiple_of is None:
            fixed = [None, self.max_target_length]
            padded[features.DECODER_INPUT_IDS] = tf.ensure_shape(padded[features.DECODER_INPUT_IDS], fixed)
            targets = tf.ensure_shape(targets, fixed)
        return padded, targets, rows.weights

    def _round_up(self, lengths, multiple_of=None):
        if self.pad_to_multiple_of is None:
            return tf.fill(tf.shape(lengths), self.max_target_length)
        multiple = self.pad_to_multiple_of if multiple_of is None else multiple_of
        return tf.minimum(-(-lengths // multiple) * multiple, self.max_target_length)

    def padded_lengths(self, rows, *, multiple_of=None):
        """Slots of the source, and in training of the target."""
        lengths = self.packer.round_up(example_lengths(rows), multiple_of=multiple_of)
        ids = rows.tokens.get(features.DECODER_INPUT_IDS)
        return lengths if ids is None else lengths + self._round_up(tf.cast(ids.row_lengths(), tf.int32), multiple_of)

    def with_start(self, inputs):
        """Inputs with what each answer begins with. Args, Returns: dict of int32 [batch, length]."""
        first = tf.ones_like(inputs[features.INPUT_IDS][:, :1]) * self.target_tokenizer.cls_id
        return {name: inputs[name] for name in features.UNPACKED} | {features.DECODER_INPUT_IDS: first}

    # On the way out.

    def of_examples(self, predictions, inputs, rows):
        """Ids of the best answer, int32 [examples, max_target_length], [CLS] first and [PAD] behind its end."""
        return predictions["ids"][:, 0]

    def decode(self, predictions, inputs, rows):
        texts, scores = self._detokenize(predictions["ids"]), predictions["scores"]
        if self.restore_case and rows is not None:
            texts = restore_case(texts, rows.facts[TEXT], self.tokenizer.normalize)
        answers = {"text": texts[:, 0], "score": scores[:, 0]}
        if self.num_answers == 1:
            return answers
        count = tf.fill([tf.shape(texts)[0]], self.num_answers)
        return answers | {"alternative_text": texts, "alternative_score": scores, ALTERNATIVE_COUNT: count}

    def get_config(self):
        names = ("max_length", "pad_to_multiple_of", "type_vocab_size", *SETTINGS)
        own = None if self.decoder_tokenizer is None else tokenizer_to_config(self.decoder_tokenizer)
        return {name: getattr(self, name) for name in names} | {"decoder_tokenizer": own}

    def with_settings(self, tokenizer=None, **changes):
        # As it is: to make it again of its configuration takes long.
        return super().with_settings(tokenizer, **({"decoder_tokenizer": self.decoder_tokenizer} | changes))
