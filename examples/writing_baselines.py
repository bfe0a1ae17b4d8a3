"""What a trained writer is to be better than: sentences of the document itself, or the target of the source that is most like."""

import re

import numpy as np

from keras_bert.data.sentences import split_sentences

_WORD = r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_]+"  # a Chinese character, or a word of other letters
_AT_ONCE = 256  # sources


def summary_baselines(documents, references, train_targets, score, *, language):
    """Scores of summaries that are the documents' own sentences.

    Args: documents, references: lists of str, of one length. train_targets: list of str. score: metrics.score_summaries. language: its.
    Returns: dict of dict of figures: first_sentence; first_sentence_cut, to the mean length of train_targets; oracle_sentence, the one
        sentence that has the best ROUGE-L with the reference, which nobody can choose who does not know it.
    """
    sentences = [split_sentences(document) or [""] for document in documents]
    mean_length = round(np.mean([len(units(target, language)) for target in train_targets]))
    firsts = [each[0] for each in sentences]
    answers = {
        "first_sentence": firsts,
        "first_sentence_cut": [cut(first, mean_length, language=language) for first in firsts],
        "oracle_sentence": [
            max(each, key=lambda sentence, reference=reference: score([sentence], [reference], language=language)["rougeL"])
            for each, reference in zip(sentences, references, strict=True)
        ],
    }
    return {name: score(written, references, language=language) for name, written in answers.items()}


def translation_baselines(sources, references, train_sources, train_targets, score, *, language):
    """Scores of translations that are looked up. Args: as summary_baselines. Returns: dict of dict of figures: nearest_source."""
    answers = nearest_targets(sources, train_sources, train_targets)
    return {"nearest_source": score(answers, references, language=language)}


def cut(text, length, *, language):
    """Args: length: words, in Chinese characters. Returns: str, the beginning of the text."""
    return ("" if language == "zh" else " ").join(units(text, language)[:length])


def units(text, language):
    """What a text is counted by. Returns: list of str: words, in Chinese characters without spaces."""
    return list("".join(text.split())) if language == "zh" else text.split()


def nearest_targets(sources, train_sources, train_targets):
    """The target of the training source that is most like each source, by the cosine of their words' TF-IDF.

    Args: all: lists of str. Returns: list of str, one a source. Raises: ImportError without scikit-learn.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise ImportError("the baseline wants scikit-learn: pip install keras3-bert[metrics], or give --no_baselines") from error
    vectorizer = TfidfVectorizer(tokenizer=re.compile(_WORD).findall, token_pattern=None, dtype=np.float32)
    there, asked = vectorizer.fit_transform(train_sources), vectorizer.transform(sources)
    places = []
    for start in range(0, len(sources), _AT_ONCE):
        places += np.asarray((asked[start : start + _AT_ONCE] @ there.T).todense()).argmax(axis=1).tolist()
    return [train_targets[place] for place in places]
