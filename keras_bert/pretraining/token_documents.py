"""Documents as ids: one flat array of tokens, and where sentences and documents begin in it."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_bert.data.sentences import split_sentences

_BATCH_BYTES = 1 << 20  # tokenized at once


@dataclasses.dataclass(frozen=True)
class TokenDocuments:
    """Documents of sentences of tokens, none of them empty.

    Args:
        ids: int32 [tokens].
        sentence_starts: int64 [sentences + 1], where in `ids` each begins, and the last ends.
        document_starts: int64 [documents + 1], which sentence each begins with.
    """

    ids: np.ndarray
    sentence_starts: np.ndarray
    document_starts: np.ndarray


class DocumentTokenizer:
    """Texts to TokenDocuments. Args: tokenizer: Tokenizer. sentences: see ExampleSettings."""

    def __init__(self, tokenizer, *, sentences="split"):
        self.tokenizer = tokenizer
        self._split = split_sentences if sentences == "split" else _lines
        # Traced once: without a graph each of its operations is dispatched by itself.
        self._tokenize = tf.function(tokenizer.tokenize, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)

    def __call__(self, documents):
        """Args: documents: list of str. Returns: TokenDocuments; sentences and documents of which no token is left are not in it."""
        sentences, counts = [], []
        for document in documents:
            split = self._split(document)
            counts.append(len(split))
            sentences += split
        parts = [self._tokenize(tf.constant(batch, tf.string)) for batch in _batches(sentences)]
        ids = np.concatenate([np.zeros(0, "int32"), *(part.values.numpy() for part in parts)])
        lengths = np.concatenate([np.zeros(0, "int64"), *(part.row_lengths().numpy() for part in parts)])
        documents_of = np.repeat(np.arange(len(documents)), counts)
        kept = lengths > 0
        sizes = np.bincount(documents_of[kept], minlength=len(documents))
        return TokenDocuments(ids, starts_of(lengths[kept]), starts_of(sizes[sizes > 0]))


def starts_of(lengths):
    """Args: lengths: ints [count]. Returns: int64 [count + 1], where each begins when they stand one behind the other, and the end."""
    return np.concatenate([[0], np.cumsum(lengths, dtype="int64")])


def _lines(document):
    return [line for line in map(str.strip, document.split("\n")) if line]


def _batches(sentences):
    start = size = 0
    for end, sentence in enumerate(sentences, 1):
        size += len(sentence)
        if size >= _BATCH_BYTES:
            yield sentences[start:end]
            start, size = end, 0
    if start < len(sentences):
        yield sentences[start:]
