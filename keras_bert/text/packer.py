"""Ids to the batch contract: [CLS] a [SEP] b [SEP], cut longest first, padded. Core TensorFlow ops only, so that any TF Serving runs it."""

import tensorflow as tf

from keras_bert import features
from keras_bert.text import ragged


class BertPacker:
    """One or two texts to the batch contract.

        packer(["good film", "bad"])                    # with max_length=5
        input_ids       [CLS] good film [SEP] [PAD]
                        [CLS] bad [SEP] [PAD] [PAD]
        token_type_ids  0 throughout; 1 on a second text and its [SEP]
        attention_mask  1 on tokens, 0 on [PAD]

    An empty text is [CLS] [SEP]. What is too long loses tokens from the end of the longer text first, as google-research's
    run_classifier.py does.

    Args:
        tokenizer: what gives `tokenize`, `cls_id`, `sep_id` and `pad_id`, such as BertTokenizer.
        max_length: most tokens, special ones included.
        pad_to_multiple_of: None pads every batch to max_length (one static shape: TPU, XLA); a number pads to the longest
            of the batch, rounded up to a multiple of it and at most max_length.
    Raises: ValueError where a length leaves no room.
    """

    def __init__(self, tokenizer, max_length, *, pad_to_multiple_of=None):
        if isinstance(max_length, bool) or int(max_length) != max_length or max_length < 3:
            raise ValueError(f"max_length={max_length!r} leaves no room: [CLS] a [SEP] takes 3 at least")
        if pad_to_multiple_of is not None and (int(pad_to_multiple_of) != pad_to_multiple_of or pad_to_multiple_of < 1):
            raise ValueError(f"pad_to_multiple_of={pad_to_multiple_of!r} is not a positive whole number")
        self.tokenizer = tokenizer
        self.max_length = int(max_length)
        self.pad_to_multiple_of = None if pad_to_multiple_of is None else int(pad_to_multiple_of)
        self._traced = {}  # pack_batch's, by the number of texts of an example

    def __call__(self, texts, text_pairs=None):
        """Tokenize and pack.

        Args:
            texts: string tensor, list or array, [batch].
            text_pairs: the second texts, [batch], or None.
        Returns: dict of int32 tensors [batch, length]: input_ids, token_type_ids, attention_mask.
        """
        first = self.tokenizer.tokenize(texts)
        return self.pack_ids(first, None if text_pairs is None else self.tokenizer.tokenize(text_pairs))

    def pack_batch(self, texts, text_pairs=None):
        """__call__, for batch after batch outside of a graph: traced once, which there saves nine tenths of the time.

        Args, Returns: as __call__.
        """
        columns = [tf.constant(column, tf.string) for column in (texts, text_pairs) if column is not None]
        count = len(columns)
        if count not in self._traced:
            signature = [tf.TensorSpec([None], tf.string)] * count
            self._traced[count] = tf.function(self.__call__, input_signature=signature, autograph=False)
        return self._traced[count](*columns)

    def pack_ids(self, first, second=None):
        """Pack ids that are there already.

        Args: first, second: int32 tf.RaggedTensor [batch, (pieces)]; second may be None.
        Returns: as __call__.
        """
        return self.pad(self.join(first, second))

    def join(self, first, second=None):
        """[CLS] a [SEP] b [SEP], cut to max_length, not padded.

        Args: as pack_ids.
        Returns: dict of int32 tf.RaggedTensor [batch, (tokens)]: input_ids, token_type_ids.
        """
        first, second = (part if part is None else part.with_row_splits_dtype(tf.int64) for part in (first, second))
        if second is None:
            first = ragged.first_of_rows(first, tf.minimum(first.row_lengths(), self.max_length - 2))
        else:
            first, second = trim_pair(first, second, max_tokens=self.max_length - 3)
        rows = first.nrows(out_type=tf.int64)
        cls = ragged.column(self.tokenizer.cls_id, rows)
        sep = ragged.column(self.tokenizer.sep_id, rows)
        first = ragged.side_by_side(cls, first, sep)
        if second is None:
            return {features.INPUT_IDS: first, features.TOKEN_TYPE_IDS: tf.zeros_like(first)}
        second = ragged.side_by_side(second, sep)
        return {
            features.INPUT_IDS: ragged.side_by_side(first, second),
            features.TOKEN_TYPE_IDS: ragged.side_by_side(tf.zeros_like(first), tf.ones_like(second)),
        }

    def pad(self, tokens, *, multiple_of=None):
        """Ids of one length.

        Args:
            tokens: dict that `join` gives.
            multiple_of: round the length up to a multiple of this, in place of pad_to_multiple_of where that is a number.
        Returns: as __call__.
        """
        ids = tokens[features.INPUT_IDS]
        length = self._length(ids, multiple_of)
        shape = tf.stack([-1, tf.cast(length, tf.int64)])
        packed = {
            features.INPUT_IDS: ids.to_tensor(self.tokenizer.pad_id, shape=shape),
            features.TOKEN_TYPE_IDS: tokens[features.TOKEN_TYPE_IDS].to_tensor(0, shape=shape),
            # Where a sequence ends is what its row length says, not where padding's id stands: a text may hold that id.
            features.ATTENTION_MASK: tf.sequence_mask(ids.row_lengths(), length, dtype=tf.int32),
        }
        if self.pad_to_multiple_of is None:
            packed = {name: tf.ensure_shape(value, [None, self.max_length]) for name, value in packed.items()}
        return packed

    def padded_lengths(self, texts, text_pairs=None):
        """The length of the batch that each text, or pair, would be alone.

        Args: as __call__.
        Returns: int32 [batch]; a batch of several has the length of its longest.
        """
        tokens = self.tokenizer.tokenize(texts).row_lengths() + 2  # [CLS] and [SEP]
        if text_pairs is not None:
            tokens += self.tokenizer.tokenize(text_pairs).row_lengths() + 1
        return self.round_up(tf.cast(tokens, tf.int32))

    def _length(self, ids, multiple_of):
        if self.pad_to_multiple_of is None:
            return self.max_length
        return self.round_up(tf.cast(ids.bounding_shape(axis=1), tf.int32), multiple_of=multiple_of)

    def round_up(self, lengths, *, multiple_of=None):
        """Lengths of batches by the tokens of their longest rows. Args: lengths: int32 tensor. multiple_of: see pad. Returns: the same."""
        if self.pad_to_multiple_of is None:
            return tf.fill(tf.shape(lengths), self.max_length)
        multiple = self.pad_to_multiple_of if multiple_of is None else multiple_of
        rounded = -(-lengths // multiple) * multiple
        # An empty batch has no longest row; length 0 would be no shape for a model.
        return tf.clip_by_value(rounded, min(multiple, self.max_length), self.max_length)


def trim_pair(first, second, *, max_tokens):
    """Cut two texts to a common budget, a token at a time from the end of the longer one; from the second where they are equal.

        a b c d e f | x y     max_tokens=5 -> a b c | x y
        a b c d     | w x y z max_tokens=5 -> a b c | w x

    Args: first, second: int32 tf.RaggedTensor [batch, (pieces)]. max_tokens: most tokens of both together.
    Returns: the two, cut.
    Source: google-research/bert run_classifier.py _truncate_seq_pair, in closed form.
    """
    first_lengths, second_lengths = first.row_lengths(), second.row_lengths()
    half = max_tokens // 2
    keep_first = tf.minimum(first_lengths, tf.maximum(max_tokens - second_lengths, max_tokens - half))
    keep_second = tf.minimum(second_lengths, tf.maximum(max_tokens - first_lengths, half))
    return ragged.first_of_rows(first, keep_first), ragged.first_of_rows(second, keep_second)
