"""What every tokenizer gives, so that packer, masking, models and export take any of them."""

import numpy as np
import tensorflow as tf

from keras_bert.text import ragged
from keras_bert.text import vocabulary as vocabulary_lib


class Tokenizer:
    """Base of the tokenizers: special pieces, lookups, checks. A subclass gives `_split`, `starts_word` and `get_config`.

    A subclass is made again by `cls(**get_config())`, and from disk by `cls(path of its ASSET, **settings())`.

    Args: vocabulary: list of the pieces, checked; a piece's index is its id.
    Attributes: vocabulary: that list. pieces: the piece of each id: the vocabulary, and behind it what was added to it. ASSET: the
        name of the file that `save_asset` writes.
    """

    ASSET = "vocab.txt"
    PAD, UNK, CLS, SEP, MASK = vocabulary_lib.PAD, vocabulary_lib.UNK, vocabulary_lib.CLS, vocabulary_lib.SEP, vocabulary_lib.MASK

    def __init__(self, vocabulary):
        self.vocabulary = self.pieces = vocabulary
        self._ids = {piece: index for index, piece in enumerate(vocabulary)}

    @property
    def vocabulary_size(self):
        """How many ids there are: the rows that a word embedding must have."""
        return len(self.pieces)

    @property
    def pad_id(self):
        return self.id_of(self.PAD)

    @property
    def unk_id(self):
        return self.id_of(self.UNK)

    @property
    def cls_id(self):
        return self.id_of(self.CLS)

    @property
    def sep_id(self):
        return self.id_of(self.SEP)

    @property
    def mask_id(self):
        return self.id_of(self.MASK)

    def id_of(self, piece):
        """Look a piece up. Args: piece: str. Returns: int. Raises: KeyError naming it where the vocabulary has it not."""
        if piece not in self._ids:
            raise KeyError(f"{piece!r} is not in the vocabulary of {self.vocabulary_size} pieces")
        return self._ids[piece]

    @property
    def starts_word(self):
        """Which pieces begin a word, so that whole words can be masked.

        Returns: bool NumPy array [vocabulary_size].
        """
        raise NotImplementedError

    @property
    def found_whole(self):
        """Which pieces are looked for in a text before it is split, and are words by themselves whatever stands beside them.

        Returns: bool NumPy array [vocabulary_size].
        """
        return np.zeros(self.vocabulary_size, "bool")

    def tokenize(self, strings):
        """Split texts into pieces.

        Args: strings: string tensor, list or array, [batch].
        Returns: int32 tf.RaggedTensor [batch, (pieces)]. No special tokens are added; see BertPacker. A text of which
            normalisation leaves nothing has an empty row: of a sentence's words, given as texts, row_lengths() tells which
            have no piece, so that a tagger's labels are not shifted.
        Raises: ValueError unless [batch].
        """
        return self._split(_batch_of_strings(strings, "tokenize"), offsets=False)

    def tokenize_with_offsets(self, strings):
        """Split texts into pieces, and tell where in the text each stands.

            tokenize_with_offsets(["Café bar"])     # pieces cafe, bar
            starts 0 6, ends 5 9                    # bytes: é takes two; characters_from_bytes makes them 0 5 and 4 8

        Args: strings: string tensor, list or array, [batch].
        Returns: ids, starts, ends: tf.RaggedTensor [batch, (pieces)]; ids int32, the others int64: bytes of the text as it
            was given, before any normalisation; text[start:end] is what became the piece.
        Raises: ValueError unless [batch].
        """
        return self._split(_batch_of_strings(strings, "tokenize_with_offsets"), offsets=True)

    def _split(self, strings, *, offsets):
        """tokenize, or with offsets tokenize_with_offsets, of a string tensor [batch]."""
        raise NotImplementedError

    def in_core_ops(self):
        """The same tokenizer in TensorFlow's own ops, for a server without tensorflow-text; slower.

        Returns: Tokenizer that gives the same. Raises: ValueError where there is none.
        """
        raise ValueError(
            f"a {type(self).__name__} tokenizes by an op of tensorflow-text, for which TensorFlow has none of its own; leave core_ops=True "
            "(--core_ops) out, and serve where tensorflow-text is: TF Serving has it"
        )

    def detokenize(self, ids):
        """Join pieces into words, a space between words. What normalisation and [UNK] lost stays lost.

        Args: ids: int32 tf.RaggedTensor or tensor [batch, (pieces)].
        Returns: string tensor [batch].
        """
        pieces = tf.gather(tf.constant(self.pieces), ids)
        return tf.strings.reduce_join(pieces, axis=-1, separator=" ")

    def get_config(self):
        """Returns: dict of the constructor's arguments, plain enough for JSON."""
        return {"vocabulary": list(self.vocabulary)} | self.settings()

    def settings(self):
        """Returns: dict of the constructor's arguments but what `save_asset` writes."""
        return {}

    def save_asset(self, path):
        """Write the file that, with `settings`, makes this tokenizer again. Args: path: the file, named ASSET."""
        vocabulary_lib.save_vocabulary(self.vocabulary, path)


def word_ids(tokenizer, ids):
    """Number the words of each row, from 0, by `starts_word`.

    Args: tokenizer: Tokenizer. ids: int32 tf.RaggedTensor [batch, (pieces)].
    Returns: int32 tf.RaggedTensor [batch, (pieces)]; a row's first piece is of word 0 even where it continues one.
    """
    starts = tf.gather(tf.constant(np.asarray(tokenizer.starts_word, "int32")), ids.values)
    counts = tf.cumsum(starts)
    # What the row's first piece counts to is word 0.
    first = tf.gather(tf.concat([counts, [0]], axis=0), ids.row_starts())
    return ids.with_values(counts - tf.gather(first, ragged.row_ids(ids)))


def characters_from_bytes(strings, offsets):
    """Turn byte offsets into character offsets, as Python's str counts them.

    Args:
        strings: string tensor, list or array [batch]: the texts; bytes that are not UTF-8 count as no character.
        offsets: tf.RaggedTensor of integers [batch, (offsets)], bytes, as tokenize_with_offsets gives them.
    Returns: int64 tf.RaggedTensor like offsets.
    """
    strings = _batch_of_strings(strings, "characters_from_bytes")
    _, starts = tf.strings.unicode_decode_with_offsets(strings, "UTF-8", errors="ignore")
    # One search for the whole batch: each row's bytes are moved behind those of the rows before it.
    row_bases = tf.cumsum(tf.cast(tf.strings.length(strings), tf.int64) + 1, exclusive=True)  # + 1: an offset may be a row's end
    character_bytes = starts.values + tf.gather(row_bases, ragged.row_ids(starts))
    row = ragged.row_ids(offsets)
    wanted = tf.cast(offsets.values, tf.int64) + tf.gather(row_bases, row)
    before = tf.searchsorted(character_bytes, wanted, side="left", out_type=tf.int64)
    return offsets.with_values(before - tf.gather(starts.row_starts(), row))


def _batch_of_strings(strings, name):
    strings = tf.convert_to_tensor(strings, dtype=tf.string)
    if strings.shape.rank != 1:
        raise ValueError(f"{name} takes strings of shape [batch]; got shape {strings.shape}")
    return strings
