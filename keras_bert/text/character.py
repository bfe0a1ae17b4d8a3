"""A token a character, in TensorFlow ops: the tokenizer of small Chinese models."""

import copy

import numpy as np
import tensorflow as tf

from keras_bert.text import vocabulary as vocabulary_lib
from keras_bert.text.core_normalization import core_normalizer
from keras_bert.text.normalization import Normalizer
from keras_bert.text.tokenizer import Tokenizer

_SPACE = 0x20  # the only white space of normalized text


class CharacterTokenizer(Tokenizer):
    """Text to ids, one for each character.

        CharacterTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "你", "好", "a"]).tokenize(["你好 Ab"])    # [[4, 5, 6, 1]]

    The text is normalized as BertTokenizer does it; white space gives no token, a character that is no piece gives [UNK].
    Pieces of several characters may stand in the vocabulary, but no text becomes one: "[MASK]" is six characters.

    Args:
        vocabulary: path of a vocab.txt, or the list of its pieces.
        lower_case: lower-case and strip accents.
    Raises: ValueError where the vocabulary cannot be used.
    """

    def __init__(self, vocabulary, *, lower_case=True):
        vocabulary = vocabulary_lib.as_vocabulary(vocabulary)
        super().__init__(vocabulary)
        self.lower_case = bool(lower_case)
        self._normalizer = Normalizer(lower_case=lower_case)
        points = {ord(piece): index for index, piece in enumerate(vocabulary) if len(piece) == 1}
        # A plain table, for a graph keeps it as a constant: a lookup table would be a resource that whoever saves must track.
        self._id_table = np.full(max(points, default=0) + 2, self.unk_id, "int32")  # the last entry: for all code points beyond
        self._id_table[list(points)] = list(points.values())

    @property
    def starts_word(self):
        return np.ones(self.vocabulary_size, "bool")

    def _split(self, strings, *, offsets):
        if not offsets:
            code_points = tf.strings.unicode_decode(self._normalizer(strings), "UTF-8", errors="ignore")
            return self._look_up(tf.ragged.boolean_mask(code_points, code_points != _SPACE))
        normalized, to_original = self._normalizer.with_offsets(strings)
        code_points, starts = tf.strings.unicode_decode_with_offsets(normalized, "UTF-8", errors="ignore")
        seen = code_points != _SPACE
        code_points, starts = tf.ragged.boolean_mask(code_points, seen), tf.ragged.boolean_mask(starts, seen)
        # That a span has its first byte is enough: it comes from one character.
        return self._look_up(code_points), *to_original(starts, starts + 1)

    def _look_up(self, code_points):
        beyond = len(self._id_table) - 1
        return code_points.with_values(tf.gather(tf.constant(self._id_table), tf.minimum(code_points.values, beyond)))

    def in_core_ops(self):
        tokenizer = copy.copy(self)
        tokenizer._normalizer = core_normalizer(self._normalizer)
        return tokenizer

    def detokenize(self, ids):
        """Join characters, with nothing between them: white space was no token, and stays lost.

        Args: ids: int32 tf.RaggedTensor or tensor [batch, (pieces)].
        Returns: string tensor [batch].
        """
        return tf.strings.reduce_join(tf.gather(tf.constant(self.vocabulary), ids), axis=-1)

    def settings(self):
        return {"lower_case": self.lower_case}
