"""read_squad: questions over contexts, with their answers by character; and squad_dataset, what a model trains on.

examples = read_squad("train-v2.0.json")
examples[0].question, examples[0].context, examples[0].answers       # (Answer(text="308", start=34),)
model.fit(squad_dataset(examples))
"""

import collections
import dataclasses
import json
import os
import warnings

import tensorflow as tf

from keras_bert.data.tables import check_text, ending_of, text_lines

FORMATS = ("squad", "jsonl")
_ENDINGS = {".json": "squad", ".jsonl": "jsonl", ".ndjson": "jsonl"}

Answer = collections.namedtuple("Answer", ["text", "start"])
Answer.__doc__ = "An answer: text; start: its first character in the context, -1 where the context does not hold it."


@dataclasses.dataclass(frozen=True)
class SquadExample:
    """A question and the context that it is asked of.

    Args:
        id: name, of its own in a data set.
        question, context: texts.
        answers: Answers, each one that people gave; none where there is none, or where a test set does not tell.
        is_impossible: whether the context is known to hold no answer.
    """

    id: str
    question: str
    context: str
    answers: tuple = ()
    is_impossible: bool = False


def read_squad(source, *, format=None, strict=False):
    """Read questions, contexts and answers. All is checked before anything is returned.

    Args:
        source: path of a file of UTF-8, also .gz:
            "squad": SQuAD v1.1 or v2.0, and what has its shape, as XQuAD, CMRC 2018 and DRCD: {"data": [{"paragraphs": [{"context": ...,
                "qas": [{"id", "question", "answers": [{"text", "answer_start"}], "is_impossible"}]}]}]}.
            "jsonl": a line of {"id", "question", "context", "answers"}, answers being a list as in SQuAD or {"text": [...],
                "answer_start": [...]}, as Hugging Face's data sets have it; or, as QAMR has it, of {"tokens": [...], "qas": [{"id",
                "question", "answers": [[first, last], ...]}]}, words of the tokens, which single spaces join to the context.
        format: None: by the ending, .json or .jsonl.
        strict: refuse a file with answers that do not stand where it says; False: take such an answer's place in the context that is
            nearest to where it should be, or -1 where the context does not hold it, and warn.
    Returns: list of SquadExample, in the order of the file. is_impossible is what the file says; where it says nothing, whether "answers"
        is there and empty.
    Raises: ValueError naming file and id of what cannot be used: a question without context, a text that is none, an id that stands
        twice; with strict=True every answer that does not stand where it should; bytes that are not UTF-8, broken JSON or gzip, a file
        without questions. FileNotFoundError.
    Warns: of answers that do not stand where the file says: how many, and the ids of all.
    Source: Rajpurkar et al. 2016 and 2018 (SQuAD); Cui et al. 2019 (CMRC 2018); Michael et al. 2018 (QAMR).
    """
    path = os.fspath(source)
    if format not in (None, *FORMATS):
        raise ValueError(f"format={format!r} is none of {', '.join(FORMATS)}")
    format = format or _ENDINGS.get(ending_of(path))
    if format is None:
        raise ValueError(f"{path}: the ending is none of .json, .jsonl (each also .gz); say format='squad' or 'jsonl'")
    examples, ids, moved, missing = [], set(), [], []
    for place, example in (_squad_examples if format == "squad" else _line_examples)(path):
        if example.id in ids:
            raise ValueError(f"{place}: a second question {example.id!r}; ids tell questions apart")
        ids.add(example.id)
        answers = [_placed(answer, example.context) for answer in example.answers]
        missing += [example.id for answer in answers if answer.start < 0]
        moved += [example.id for answer, given in zip(answers, example.answers, strict=True) if answer.start >= 0 and answer != given]
        examples.append(dataclasses.replace(example, answers=tuple(answers)))
    if not examples:
        raise ValueError(f"there are no questions in {path}")
    _tell_displaced(path, moved, missing, strict)
    return examples


def squad_dataset(examples):
    """Examples as a data set that BertQuestionAnswerer takes.

    A question is trained on its first answer that stands in the context; one that is known to have none, on that. A question without a
    known answer cannot be trained on and is left out, with a warning.

    Args: examples: SquadExamples.
    Returns: unbatched tf.data.Dataset of ({"question": string, "context": string}, {"start": int32, "end": int32}), characters of the
        answer from start (included) to end (not), both -1 where there is none; of known cardinality.
    Raises: ValueError where no example is left.
    Warns: of questions left out: how many, and the ids of all.
    """
    columns, targets, lost = {"question": [], "context": []}, {"start": [], "end": []}, []
    for example in examples:
        answer = next((answer for answer in example.answers if answer.start >= 0), None)
        if example.is_impossible:
            start = end = -1
        elif answer is not None:
            start, end = answer.start, answer.start + len(answer.text)
        else:
            lost.append(example.id)
            continue
        for column, value in ((columns["question"], example.question), (columns["context"], example.context)):
            column.append(value.encode("utf-8", "replace"))
        targets["start"].append(start)
        targets["end"].append(end)
    if lost:
        warnings.warn(
            f"{len(lost)} of {len(examples)} questions have no answer in the context, and are not trained on: {', '.join(lost)}",
            stacklevel=2,
        )
    if not targets["start"]:
        raise ValueError("there are no questions with an answer to train on")
    targets = {name: tf.constant(values, tf.int32) for name, values in targets.items()}
    return tf.data.Dataset.from_tensor_slices((columns, targets))


# Places of answers.


def _placed(answer, context):
    """The answer, or the same text where the context holds it nearest to there; start -1 where it does not hold it."""
    text, start = answer
    if start >= 0 and context[start : start + len(text)] == text:
        return answer
    places, place = [], context.find(text)
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    return Answer(text, min(places, key=lambda place: abs(place - start), default=-1))


def _tell_displaced(path, moved, missing, strict):
    if not moved and not missing:
        return
    parts = []
    for ids, where in ((moved, "stand elsewhere in the context"), (missing, "do not stand in the context at all")):
        if ids:
            parts.append(f"{len(ids)} {where}, of the questions {', '.join(dict.fromkeys(ids))}")
    message = f"{path}: {len(moved) + len(missing)} answers do not stand where the file says: {'; '.join(parts)}"
    if strict:
        raise ValueError(message)
    warnings.warn(f"{message}. The former are taken from there, the latter only scored by", stacklevel=3)


# Files.


def _squad_examples(path):
    """Yields: (place, SquadExample), answers as the file has them."""
    try:
        articles = json.loads("".join(text_lines(path)))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(articles, dict) or not isinstance(articles.get("data"), list):
        raise ValueError(f'{path}: no {{"data": [...]}} at the top; it is no file of SQuAD\'s shape')
    for article in articles["data"]:
        for paragraph in _list_of(article, "paragraphs", path):
            for question in _list_of(paragraph, "qas", path):
                place = f"{path}: question {question.get('id')!r}" if isinstance(question, dict) else path
                yield place, _example(place, question, paragraph.get("context"))


def _list_of(value, name, place):
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise ValueError(f"{place}: no list {name!r} in {value!r:.80}")
    return found


def _line_examples(path):
    """Yields: as _squad_examples."""
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path}:{number}: a JSON {type(row).__name__}; expected an object")
        context, firsts = row.get("context"), None
        if "tokens" in row:
            context, firsts = _joined(f"{path}:{number}", row["tokens"])
        for question in _list_of(row, "qas", f"{path}:{number}") if "qas" in row else [row]:
            place = f"{path}:{number}: question {question.get('id')!r}" if isinstance(question, dict) else f"{path}:{number}"
            yield place, _example(place, question, context, firsts)


def _joined(place, tokens):
    """Returns: tokens joined by single spaces; (token, its first character) each."""
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError(f"{place}: tokens is {tokens!r:.60}; expected a list of words")
    firsts, length = [], 0
    for token in tokens:
        firsts.append((token, length))
        length += len(token) + 1
    return " ".join(tokens), firsts


def _example(place, question, context, firsts=None):
    if not isinstance(question, dict):
        raise ValueError(f"{place}: a question is {question!r:.60}; expected an object")
    if not isinstance(question.get("id"), (str, int)):
        raise ValueError(f"{place}: no id; each question wants a name of its own")
    for name, text in (("question", question.get("question")), ("context", context)):
        if not isinstance(text, str) or (name == "context" and not text.strip()):  # CMRC 2018 has an empty question
            what = "has no context" if name == "context" else "has no text"
            raise ValueError(f"{place} {what}: {name} is {text!r:.60}")
        check_text(text, place, name)
    answers = _answers(place, question.get("answers"), context, firsts)
    is_impossible = question.get("is_impossible", question.get("answers") is not None and not answers)
    return SquadExample(str(question["id"]), question["question"], context, () if is_impossible else answers, bool(is_impossible))


def _answers(place, answers, context, firsts):
    """Returns: tuple of Answer, as the file places them."""
    if answers is None:
        return ()
    if isinstance(answers, dict):
        texts, starts = answers.get("text"), answers.get("answer_start")
        if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
            raise ValueError(f"{place}: answers {answers!r:.80}; expected lists 'text' and 'answer_start' of one length")
        answers = [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    if not isinstance(answers, list):
        raise ValueError(f"{place}: answers is {answers!r:.60}; expected a list")
    return tuple(_answer(place, answer, context, firsts) for answer in answers)


def _answer(place, answer, context, firsts):
    if firsts is not None and isinstance(answer, list):
        if len(answer) != 2 or not all(isinstance(word, int) for word in answer) or not 0 <= answer[0] <= answer[1] < len(firsts):
            raise ValueError(f"{place}: the answer {answer!r} is not [first, last] of the {len(firsts)} tokens")
        (_, start), (last, end) = firsts[answer[0]], firsts[answer[1]]
        return Answer(context[start : end + len(last)], start)
    text, start = (answer.get("text"), answer.get("answer_start")) if isinstance(answer, dict) else (None, None)
    if not isinstance(text, str) or not text or not isinstance(start, int) or isinstance(start, bool):
        raise ValueError(f"{place}: the answer {answer!r:.80}; expected {{'text': ..., 'answer_start': ...}}")
    check_text(text, place, "answers")
    return Answer(text, start)
