"""TextPreprocessor: a text, or a pair of texts, as one row."""

import tensorflow as tf

from keras_bert import features
from keras_bert.preprocessing import columns as column_lib
from keras_bert.preprocessing.preprocessor import Preprocessor, Rows, example_lengths
from keras_bert.text import BertPacker

TEXT, TEXT_PAIR = column_lib.TEXT, column_lib.TEXT_PAIR


class TextPreprocessor(Preprocessor):
    """Base of the tasks that read a text or a pair: [CLS] a [SEP] b [SEP], an example a row. A subclass gives `decode`.

    Args:
        tokenizer: Tokenizer, or None: only the batch contract is taken then.
        max_length: most tokens of a row, special ones included.
        pad_to_multiple_of: see BertPacker.
        text_pair: whether inputs are pairs; None lets the first raw data decide.
        type_vocab_size: the encoder's; with 1 a pair is one segment, token types 0 throughout, since nothing else can have been trained.
    Raises: ValueError where a length leaves no room.
    """

    def __init__(self, tokenizer, *, max_length, pad_to_multiple_of=4, text_pair=None, type_vocab_size=2):
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.pad_to_multiple_of = pad_to_multiple_of
        self.text_pair = text_pair
        self.type_vocab_size = type_vocab_size
        self.packer = None if tokenizer is None else BertPacker(tokenizer, max_length, pad_to_multiple_of=pad_to_multiple_of)

    def takes(self, x):
        return column_lib.is_text(x)

    def columns(self, x):
        columns = column_lib.text_columns(x)
        self._note_pairs(TEXT_PAIR in columns)
        return columns

    def element_columns(self, x):
        columns = column_lib.element_columns(x)
        ranks = {part.shape.rank for part in tf.nest.flatten(x)}
        if columns is None or len(ranks) != 1 or not ranks <= {0, 1}:
            raise ValueError(
                f"a dataset of raw text holds text, (text, label) or ((text, text_pair), label), batched or not; got elements {x}"
            )
        self._note_pairs(TEXT_PAIR in columns)
        return columns

    def _note_pairs(self, pairs):
        if self.text_pair is None:
            self.text_pair = pairs
        elif self.text_pair != pairs:
            kinds = {True: "pairs of texts", False: "single texts"}
            raise ValueError(f"this model reads {kinds[self.text_pair]} (text_pair={self.text_pair}) but was given {kinds[pairs]}")

    def input_signature(self):
        names = (TEXT, TEXT_PAIR) if self.text_pair else (TEXT,)
        return {name: tf.TensorSpec([None], tf.string, name=name) for name in names}

    def rows(self, columns, targets=None, weights=None, *, seed=None):
        first, second = (self.tokenize(columns[name]) if name in columns else None for name in (TEXT, TEXT_PAIR))
        tokens = self.packer.join(first, second)
        if self.type_vocab_size == 1:
            tokens[features.TOKEN_TYPE_IDS] = tf.zeros_like(tokens[features.TOKEN_TYPE_IDS])
        return self._rows(tokens, targets, weights)

    def _rows(self, tokens, targets, weights):
        """Rows of an example a row. Args: tokens: dict of int32 tf.RaggedTensor [examples, (tokens)]. Returns: Rows."""
        targets = () if targets is None else self.encode_targets_in_graph(targets)
        counts = tf.ones_like(tokens[features.INPUT_IDS].row_lengths(), tf.int32)
        return Rows(tokens, counts, targets, () if weights is None else weights)

    def tokenize(self, strings):
        """Args: strings: string tensor [batch]. Returns: int32 tf.RaggedTensor [batch, (pieces)]."""
        return self.tokenizer.tokenize(strings)

    def pad(self, rows, *, multiple_of=None):
        return self.packer.pad(rows.tokens, multiple_of=multiple_of), rows.targets, rows.weights

    def padded_lengths(self, rows, *, multiple_of=None):
        return self.packer.round_up(example_lengths(rows), multiple_of=multiple_of)

    def get_config(self):
        names = ("max_length", "pad_to_multiple_of", "text_pair", "type_vocab_size")
        return {name: getattr(self, name) for name in names}
