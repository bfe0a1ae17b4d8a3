"""Scores of texts that a model wrote, by the field's own packages: sacrebleu for translations, rouge-score for summaries."""

from keras_bert.text.rouge_words import rouge_words


def score_translations(answers, references, *, language="en"):
    """BLEU and chrF of a corpus.

    Args: answers, references: lists of str, of one length. language: "zh": BLEU counts Chinese characters; any other: words, as WMT's 13a.
    Returns: dict of "bleu", "chrf", 0 to 100.
    Raises: ImportError without sacrebleu. ValueError where the lists differ in length, or are empty.
    Source: Post 2018, "A call for clarity in reporting BLEU scores"; Popović 2015, "chrF".
    """
    _check(answers, references)
    try:
        import sacrebleu
    except ImportError as error:
        raise ImportError("translations are scored by sacrebleu: pip install keras3-bert[metrics]") from error
    bleu = sacrebleu.corpus_bleu(answers, [references], tokenize="zh" if language == "zh" else "13a")
    return {"bleu": bleu.score, "chrf": sacrebleu.corpus_chrf(answers, [references]).score}


def score_summaries(answers, references, *, language="en"):
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L, the mean over the texts.

    Args: answers, references: lists of str, of one length. language: "zh": by characters; any other: by words, without stemming.
    Returns: dict of "rouge1", "rouge2", "rougeL", 0 to 100.
    Raises: ImportError without rouge-score. ValueError as score_translations.
    Source: Lin 2004, "ROUGE: a package for automatic evaluation of summaries".
    """
    _check(answers, references)
    try:
        from rouge_score import rouge_scorer
    except ImportError as error:
        raise ImportError("summaries are scored by rouge-score: pip install keras3-bert[metrics]") from error
    names = ("rouge1", "rouge2", "rougeL")
    scorer = rouge_scorer.RougeScorer(names, tokenizer=_Characters() if language == "zh" else None)
    scores = [scorer.score(reference, answer) for answer, reference in zip(answers, references, strict=True)]
    return {name: 100 * sum(score[name].fmeasure for score in scores) / len(scores) for name in names}


class _Characters:
    """What rouge-score takes for a tokenizer."""

    def tokenize(self, text):
        return rouge_words(text, "zh")


def _check(answers, references):
    if len(answers) != len(references):
        raise ValueError(f"{len(answers)} answers but {len(references)} references")
    if not answers:
        raise ValueError("there are no answers to score")
