"""MaskedLMPreprocessor: texts with [MASK] in them to the words that may stand there."""

import tensorflow as tf

from keras_bert import features
from keras_bert.preprocessing.text import TextPreprocessor
from keras_bert.problem_type import SOFTMAX, activate
from keras_bert.text import ragged

WORDS, SCORES, COUNT = "words", "scores", "count"


class MaskedLMPreprocessor(TextPreprocessor):
    """Text, or a pair, whose "[MASK]" is the mask.

    The answers: words: string [batch, masks, top_k], the likeliest pieces of the vocabulary for each mask, best first; scores:
    float32 [batch, masks, top_k], their probabilities; count: int32 [batch], the masks of each text within max_length, those beyond being
    padding.

    Args:
        top_k: words of an answer.
        others: see TextPreprocessor.
    Raises: ValueError where top_k is not a positive whole number.
    """

    counted = {WORDS: COUNT, SCORES: COUNT}  # noqa: RUF012 - never changed

    def __init__(self, tokenizer, *, top_k=5, **options):
        super().__init__(tokenizer, **options)
        if isinstance(top_k, bool) or int(top_k) != top_k or top_k < 1:
            raise ValueError(f"top_k={top_k!r} is not a positive whole number")
        self.top_k = int(top_k)

    def tokenize(self, strings):
        if self.tokenizer.MASK not in self.tokenizer.vocabulary:
            return self.tokenizer.tokenize(strings)
        parts = tf.strings.split(strings, self.tokenizer.MASK)  # (B, (parts)): one more than there are masks
        pieces = self.tokenizer.tokenize(parts.values)
        # Before each part but a row's first stands a mask.
        row = ragged.row_ids(parts)
        masks = tf.cast(tf.range(tf.size(row, tf.int64)) > tf.gather(parts.row_starts(), row), tf.int64)
        mask_ids = tf.fill([tf.reduce_sum(masks)], tf.constant(self.tokenizer.mask_id, tf.int32))
        pieces = ragged.side_by_side(ragged.from_lengths(mask_ids, masks), pieces)
        return ragged.merged(parts.with_values(pieces))

    def answer_inputs(self, inputs):
        is_mask = self._is_mask(inputs)
        places = tf.cast(tf.where(is_mask)[:, 1], tf.int32)
        positions = ragged.from_lengths(places, tf.math.count_nonzero(is_mask, axis=1))
        return inputs | {features.MASKED_POSITIONS: positions.to_tensor(0)}

    def decode(self, predictions, inputs, rows):
        likely = activate(predictions, SOFTMAX)  # (B, M, V)
        vocabulary = self.tokenizer.pieces
        # A word embedding may have more rows than there are pieces, to be a multiple of 8: those are never meant.
        scores, ids = tf.math.top_k(likely[:, :, : len(vocabulary)], min(self.top_k, len(vocabulary)))
        count = tf.reduce_sum(tf.cast(self._is_mask(inputs), tf.int32), axis=1)
        real = tf.sequence_mask(count, tf.shape(scores)[1])[:, :, None]
        return {
            WORDS: tf.where(real, tf.gather(tf.constant(vocabulary), ids), ""),
            SCORES: tf.where(real, scores, 0.0),
            COUNT: count,
        }

    def _is_mask(self, inputs):
        if self.tokenizer is None or self.tokenizer.MASK not in self.tokenizer.pieces:
            raise ValueError("a masked LM answers by its vocabulary, [MASK] among it; this model was made without: give it a tokenizer")
        return (inputs[features.INPUT_IDS] == self.tokenizer.mask_id) & (inputs[features.ATTENTION_MASK] == 1)

    def get_config(self):
        return super().get_config() | {"top_k": self.top_k}
