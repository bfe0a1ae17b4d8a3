"""WordPiece exactly as google-research/bert defines it, in TensorFlow ops: the same code runs eagerly, in tf.data and in a SavedModel.

The text is normalised by keras_bert.text.normalization, and split by keras_bert.text.word_splitter.
"""

import copy
import functools
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from keras_bert.text import vocabulary as vocabulary_lib
from keras_bert.text.added_tokens import as_added_tokens
from keras_bert.text.core_normalization import core_normalizer
from keras_bert.text.core_word_splitter import CoreWordSplitter
from keras_bert.text.normalization import Normalizer
from keras_bert.text.tokenizer import Tokenizer
from keras_bert.text.whole_tokens import WholeTokens
from keras_bert.text.word_splitter import CHINESE_CHARACTER, CONTINUATION, WordSplitter

MAX_WORD_CHARACTERS_LIMIT = 1000  # RE2 repeats a pattern at most 1000 times


class BertTokenizer(Tokenizer):
    """Text to WordPiece ids, exactly google-research/bert's FullTokenizer.

    "[MASK]" or "[SEP]" in a text is ordinary text, brackets and a word, unless special_tokens_in_text says otherwise. Bytes that
    are not UTF-8 are dropped. Code points which the Unicode versions of Python and of TensorFlow's ICU class differently are the
    only difference.

    Tokens that were added to a checkpoint are found whole, as Transformers finds them, and end the words beside them:

        tokenizer = BertTokenizer("vocab.txt", added_tokens=["<ent>", "</ent>"])     # of 30522 pieces
        tokenizer.tokenize(["<ent>Paris</ent>"])                                     # [[30522, 3000, 30523]]

    Args:
        vocabulary: path of a vocab.txt, or the list of its pieces.
        lower_case: lower-case and strip accents, as uncased checkpoints want.
        max_word_characters: a longer word becomes [UNK]; characters, not bytes, counted after normalisation. google-research
            and the default: 200; Transformers: 100; Model Garden's FullTokenizer: 400.
        strip_accents: strip accents; None: where lower_case is. As in Transformers' tokenizer_config.json.
        tokenize_chinese_chars: make every Chinese character a word of its own. As in Transformers' tokenizer_config.json.
        special_tokens_in_text: True: "[PAD]", "[UNK]", "[CLS]", "[SEP]" and "[MASK]" in a text are those pieces, as in
            Transformers; a list of some, such as ["[MASK]"]: those alone; False: none, as in google-research.
        added_tokens: what is found whole always: a list of tokens, a dict from token to id, or a list of dicts of "content",
            "id", and where they are True the flags of Transformers' AddedToken: "single_word" (no letter beside it), "lstrip" and
            "rstrip" (takes the white space beside it into its offsets), "normalized" (looked for in the normalised text, not as
            it is written; of two that become the same the one of the lower id is found), "special" (kept for Transformers, of no
            effect here). Ids continue the vocabulary's, but a piece of the vocabulary keeps its own.
    Attributes: added_tokens: list of dicts with all these keys, by id. The others are the arguments. `vocabulary` is of WordPiece
        alone; `pieces`, `vocabulary_size`, `id_of` and `detokenize` know the added tokens too.
    Raises: ValueError where the vocabulary, a limit or a token cannot be used.
    Source: google-research/bert tokenization.py; of added tokens Hugging Face tokenizers' added_vocabulary.rs.
    """

    def __init__(
        self,
        vocabulary,
        *,
        lower_case=True,
        max_word_characters=200,
        strip_accents=None,
        tokenize_chinese_chars=True,
        special_tokens_in_text=False,
        added_tokens=None,
    ):
        vocabulary = vocabulary_lib.as_vocabulary(vocabulary)
        if isinstance(max_word_characters, bool) or not 1 <= max_word_characters <= MAX_WORD_CHARACTERS_LIMIT:
            raise ValueError(f"max_word_characters={max_word_characters!r} is not in 1 to {MAX_WORD_CHARACTERS_LIMIT}")
        super().__init__(vocabulary)
        self.lower_case = bool(lower_case)
        self.strip_accents = None if strip_accents is None else bool(strip_accents)
        self.tokenize_chinese_chars = bool(tokenize_chinese_chars)
        self.max_word_characters = int(max_word_characters)
        self._normalizer = Normalizer(lower_case=lower_case, strip_accents=strip_accents)
        self.added_tokens = as_added_tokens(added_tokens, vocabulary)
        for token in self.added_tokens:
            if token["content"] in vocabulary_lib.SPECIAL and token["id"] < len(vocabulary):
                piece = token["content"]
                raise ValueError(f"{piece!r} is no added token but a special piece: special_tokens_in_text=[{piece!r}] finds it in a text")
        self.pieces = vocabulary + [token["content"] for token in self.added_tokens if token["id"] >= len(vocabulary)]
        self._ids |= {token["content"]: token["id"] for token in self.added_tokens}
        self._look_for_whole_tokens(special_tokens_in_text)
        self._splitter = WordSplitter(
            vocabulary, max_word_characters=self.max_word_characters, tokenize_chinese_chars=self.tokenize_chinese_chars
        )

    def with_special_tokens_in_text(self, special_tokens_in_text):
        """The same tokenizer, but for this one argument, at next to no cost.

        Args: special_tokens_in_text: True, False or a list, as the constructor's: ["[MASK]"] for masked texts.
        Returns: BertTokenizer. Raises: as the constructor.
        """
        tokenizer = copy.copy(self)
        tokenizer._look_for_whole_tokens(special_tokens_in_text)
        return tokenizer

    def _look_for_whole_tokens(self, special_tokens_in_text):
        self.special_tokens_in_text, specials = _specials(special_tokens_in_text, self.vocabulary)
        tokens = self.added_tokens + as_added_tokens(specials, self.vocabulary)
        self._whole_ids = [token["id"] for token in tokens]
        self._written = self._normalized = None
        written = [token for token in tokens if not token["normalized"]]
        if written:
            self._written = WholeTokens(written)
        normalized = [token for token in tokens if token["normalized"]]
        if normalized:
            with tf.init_scope():
                contents = self._normalizer(tf.constant([token["content"] for token in normalized])).numpy()
            contents = [content.decode("utf-8") for content in contents]
            for token, content in zip(normalized, contents, strict=True):
                if not content:
                    raise ValueError(f"normalisation leaves nothing of the added token {token['content']!r}, so no text can hold it")
            normalized = [token | {"content": content} for token, content in zip(normalized, contents, strict=True)]
            self._normalized = WholeTokens(normalized, stands_alone=CHINESE_CHARACTER if self.tokenize_chinese_chars else None)

    def normalize(self, strings):
        """Clean and, for uncased vocabularies, lower-case and strip accents; see Normalizer.

        Args: strings: string tensor of any shape.
        Returns: string tensor of that shape, valid UTF-8, whose only white space is the space.
        """
        return self._normalizer(strings)

    @property
    def starts_word(self):
        begins = [not piece.startswith(CONTINUATION) for piece in self.vocabulary]
        return np.array(begins + [True] * (self.vocabulary_size - len(begins)))  # what stands whole continues nothing

    @property
    def found_whole(self):
        found = np.zeros(self.vocabulary_size, "bool")
        found[self._whole_ids] = True
        return found

    def _split(self, strings, *, offsets):
        if self._written is None:
            return self._split_text(strings, offsets=offsets)
        return self._written.split_around(strings, functools.partial(self._split_text, offsets=offsets), offsets=offsets)

    def _split_text(self, strings, *, offsets):
        """What is left of texts where tokens as written are taken out."""
        if not offsets:
            return self._split_normalized(self.normalize(strings), offsets=False)
        normalized, to_original = self._normalizer.with_offsets(strings)
        ids, starts, ends = self._split_normalized(normalized, offsets=True)
        return ids, *to_original(starts, ends)

    def _split_normalized(self, strings, *, offsets):
        if self._normalized is None:
            return self._splitter.split(strings, offsets=offsets)
        return self._normalized.split_around(strings, functools.partial(self._splitter.split, offsets=offsets), offsets=offsets)

    def in_core_ops(self):
        tokenizer = copy.copy(self)
        tokenizer._normalizer, tokenizer._splitter = core_normalizer(self._normalizer), CoreWordSplitter(self._splitter)
        return tokenizer

    def detokenize(self, ids):
        return tf.strings.regex_replace(super().detokenize(ids), f" {CONTINUATION}", "")

    def settings(self):
        return {
            "lower_case": self.lower_case,
            "max_word_characters": self.max_word_characters,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": self.tokenize_chinese_chars,
            "special_tokens_in_text": self.special_tokens_in_text,
            "added_tokens": [dict(token) for token in self.added_tokens],
        }


def _specials(wanted, vocabulary):
    """What special_tokens_in_text says. Returns: it, plain enough for JSON; list of the pieces. Raises: ValueError on another piece."""
    if isinstance(wanted, bool):
        return wanted, [piece for piece in vocabulary_lib.SPECIAL if wanted and piece in vocabulary]
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise ValueError(f"special_tokens_in_text={wanted!r} is not True, False or a list of special pieces such as ['[MASK]']")
    wanted = list(dict.fromkeys(wanted))
    for piece in wanted:
        if piece not in vocabulary_lib.SPECIAL or piece not in vocabulary:
            there = [special for special in vocabulary_lib.SPECIAL if special in vocabulary]
            raise ValueError(f"special_tokens_in_text: {piece!r} is no special piece of this vocabulary; it has {', '.join(there)}")
    return wanted, wanted
