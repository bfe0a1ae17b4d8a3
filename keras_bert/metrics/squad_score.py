"""score_squad: exact match and F1 of answers, as the official scripts of SQuAD and of CMRC 2018 count them.

scores = score_squad(examples, {"56be4db0acb8001400a502ec": "Denver Broncos", ...})
scores["exact_match"], scores["f1"]
"""

import collections
import re
import string
import warnings

VERSIONS = ("1.1", "2.0")
LANGUAGES = ("en", "zh")

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_HAN = re.compile(r"[\u4e00-\u9fa5]")
_WORDS = re.compile(r"\w+|[^\w\s]")  # of what is not Chinese
# What CMRC's script calls punctuation.
_CMRC_PUNCTUATION = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")


def score_squad(examples, predictions, null_scores=None, *, version=None, language="en"):
    """Score answers.

    An answer is scored by the gold answer that it is nearest to. English: case, punctuation and the articles a, an, the do not count, and
    F1 is of words. Chinese: CMRC 2018's punctuation does not count, and F1 is that of the longest run of characters and words that both
    have (words of other scripts are told by a plain pattern, where CMRC's script takes NLTK).

    Args:
        examples: SquadExamples, see data.read_squad.
        predictions: dict of id -> answer, "" where there is none; of ids that are in no example nothing is said.
        null_scores: dict of id -> how much no answer is better than the answer, as BertQuestionAnswerer's "null_score"; for the best
            thresholds of version 2.0. The predictions are then those without a threshold.
        version: "1.1" or "2.0", which differ in F1 where nothing is left of an answer, and in what a question without answer is;
            None: "2.0" exactly where an example is_impossible.
        language: "en" or "zh".
    Returns: dict of shares from 0 to 1: "exact_match", "f1"; "total", how many questions. Of version 2.0 also "has_answer" and "no_answer",
        the same three of the questions with answers and without, where there are such; and with null_scores "best_exact_match",
        "best_exact_match_threshold", "best_f1", "best_f1_threshold": the scores where an answer is given unless its null score is over
        the threshold, for the best threshold.
    Raises: ValueError where there are no examples, on another version or language, or where version 1.1 has a question without answers.
    Warns: of questions without prediction, which count as wrong: how many, and the ids of all.
    Source: SQuAD's evaluate-v1.1.py and evaluate-v2.0.py; cmrc2018_evaluate.py.
    """
    examples = list(examples)
    if not examples:
        raise ValueError("there are no examples to score")
    if version not in (None, *VERSIONS):
        raise ValueError(f"version={version!r} is none of {', '.join(VERSIONS)}")
    if language not in LANGUAGES:
        raise ValueError(f"language={language!r} is none of {', '.join(LANGUAGES)}")
    version = version or ("2.0" if any(example.is_impossible for example in examples) else "1.1")
    lost = [example.id for example in examples if example.id not in predictions]
    if lost:
        warnings.warn(f"{len(lost)} of {len(examples)} questions have no prediction and count as wrong: {', '.join(lost)}", stacklevel=2)
    exact, f1 = {}, {}
    for example in examples:
        gold = _gold(example, version, language)
        prediction = predictions.get(example.id)
        exact[example.id], f1[example.id] = (0, 0) if prediction is None else _best(prediction, gold, version, language)
    scores = _means(exact, f1, exact)
    if version == "1.1":
        return scores
    answerable = {example.id: bool(example.answers) for example in examples}
    for name, wanted in (("has_answer", True), ("no_answer", False)):
        ids = [id_ for id_, has_answer in answerable.items() if has_answer == wanted]
        if ids:
            scores[name] = _means(exact, f1, ids)
    if null_scores is not None:
        for name, each in (("exact_match", exact), ("f1", f1)):
            scores[f"best_{name}"], scores[f"best_{name}_threshold"] = _best_threshold(predictions, each, null_scores, answerable)
    return scores


def _gold(example, version, language):
    texts = [answer.text for answer in example.answers]
    if version == "2.0":
        return [text for text in texts if _normal(text, language)] or [""]
    if not texts:
        raise ValueError(f'question {example.id!r} has no answer to score by; version 1.1 wants one of each (version="2.0" does not)')
    return texts


def _means(exact, f1, ids):
    total = len(ids)
    return {"exact_match": sum(exact[id_] for id_ in ids) / total, "f1": sum(f1[id_] for id_ in ids) / total, "total": total}


def _best(prediction, gold, version, language):
    """Returns: exact match and F1 of the gold answer that is best for each."""
    exact = max(int(_normal(prediction, language) == _normal(text, language)) for text in gold)
    return exact, max(_f1(_pieces(prediction, language), _pieces(text, language), version, language) for text in gold)


def _f1(predicted, gold, version, language):
    if version == "2.0" and (not predicted or not gold):
        return int(predicted == gold)
    same = sum((collections.Counter(predicted) & collections.Counter(gold)).values()) if language == "en" else _longest_run(predicted, gold)
    if same == 0:
        return 0
    precision, recall = same / len(predicted), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def _best_threshold(predictions, scores, null_scores, answerable):
    """Answers are given in the order of their null scores, until the next one would not gain. Returns: share; threshold."""
    score = best = sum(not has_answer for has_answer in answerable.values())
    threshold = 0.0
    for id_ in sorted(null_scores, key=null_scores.get):
        if id_ not in scores:
            continue
        score += scores[id_] if answerable[id_] else -1 if predictions.get(id_) else 0
        if score > best:
            best, threshold = score, null_scores[id_]
    return best / len(scores), threshold


# Texts.


def _normal(text, language):
    text = text.lower()
    if language == "zh":
        return text.strip().translate(_CMRC_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text.translate(_PUNCTUATION)).split())


def _pieces(text, language):
    """What F1 counts. Returns: list of str."""
    if language == "en":
        return _normal(text, language).split()
    # A Chinese character is one; what stands between such is cut into words.
    return [piece for part in re.split(f"({_HAN.pattern})", _normal(text, language)) for piece in _WORDS.findall(part)]


def _longest_run(first, second):
    """Length of the longest list that stands in both, unbroken."""
    longest, before = 0, [0] * (len(second) + 1)
    for one in first:
        row = [0]
        for place, other in enumerate(second):
            row.append(before[place] + 1 if one == other else 0)
        longest, before = max(longest, *row), row
    return longest
