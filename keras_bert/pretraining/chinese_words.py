"""Which tokens go on with a Chinese word: of ids, by jieba, while batches are made. The tokens stay characters."""

import itertools

import numpy as np

from keras_bert.text.segmentation import chinese_words


def segmented_continues(tokenizer):
    """A function for `continues` of training_batches: Chinese characters by jieba's words, all else by "##".

        我来到北京清华大学 ->  0 0 1 0 1 0 1 1 1

    It is Python, some thousand rows a second, and wants the extra `chinese`.

    Args: tokenizer: whose pieces are Chinese characters by themselves, as BERT's are.
    Returns: function of ids, ints [tokens] -> bool NumPy array [tokens].
    Raises: ImportError without jieba, from the function.
    Source: Cui et al. 2019, "Pre-Training with Whole Word Masking for Chinese BERT".
    """
    pieces = tokenizer.pieces
    is_continuing = np.array([piece.startswith("##") for piece in pieces])
    is_chinese = np.array([len(piece) == 1 and _is_chinese(piece) for piece in pieces])

    def continues(ids):
        marks = is_continuing[ids]
        runs = [list(places) for chinese, places in itertools.groupby(range(len(ids)), key=lambda place: is_chinese[ids[place]]) if chinese]
        texts = ["".join(pieces[ids[place]] for place in run) for run in runs]
        for run, text, words in zip(runs, texts, chinese_words(texts), strict=True):
            starts = {start for start, _ in words}
            at = itertools.accumulate((len(character.encode()) for character in text), initial=0)
            marks[run] = [start not in starts for start, _ in zip(at, run, strict=False)]
        return marks

    return continues


def _is_chinese(character):
    return "\u3400" <= character <= "\u4dbf" or "\u4e00" <= character <= "\u9fff" or "\U00020000" <= character <= "\U0002fa1f"
