"""Files of questions, contexts and answers; and what is told of those that do not fit."""

import json

import pytest

from keras_bert.data import Answer, SquadExample, read_squad, squad_dataset

CONTEXT = "Zoë saw the sea \U0001f30a; then Zoë slept."
WHO, WHAT, NONE = (
    SquadExample("1", "Who?", CONTEXT, (Answer("Zoë", 0), Answer("Zoë", 24))),
    SquadExample("2", "What was seen?", CONTEXT, (Answer("the sea \U0001f30a", 8),)),
    SquadExample("3", "Where?", CONTEXT, (), True),
)


def squad(*questions, context=CONTEXT, **more):
    return json.dumps({"version": "x", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(questions)}]}]} | more)


def question(example, **changes):
    answers = [{"text": text, "answer_start": start} for text, start in example.answers]
    return {"id": example.id, "question": example.question, "answers": answers} | changes


def flat(example, **changes):
    texts, starts = ([answer[part] for answer in example.answers] for part in (0, 1))
    row = {"id": example.id, "question": example.question, "context": example.context}
    return json.dumps(row | {"answers": {"text": texts, "answer_start": starts}} | changes)


@pytest.mark.parametrize("name", ["f.json", "f.json.gz"])
def test_squad_1_and_2(write, name):
    assert read_squad(write(name, squad(question(WHO), question(WHAT)))) == [WHO, WHAT]
    plausible = question(NONE, is_impossible=True, plausible_answers=[{"text": "the sea", "answer_start": 8}])
    assert read_squad(write(name, squad(question(WHO, is_impossible=False), plausible))) == [WHO, NONE]
    assert read_squad(write(name, squad(question(WHO, is_impossible=True))))[0].answers == ()  # it says so, whatever else it says


def test_json_lines(write):
    assert read_squad(write("f.jsonl", "\n".join([flat(WHO), flat(NONE), ""]))) == [WHO, NONE]  # an empty list of answers: none
    test_set = json.dumps({"id": 7, "question": "Who?", "context": CONTEXT})
    assert read_squad(write("f.txt", test_set), format="jsonl") == [SquadExample("7", "Who?", CONTEXT)]
    of_words = {"tokens": ["Zoë", "saw", "-LRB-", "it", "."], "qas": [{"id": "q|1", "question": "Who?", "answers": [[0, 0], [2, 3]]}]}
    (example,) = read_squad(write("f.jsonl.gz", json.dumps(of_words)))
    assert example == SquadExample("q|1", "Who?", "Zoë saw -LRB- it .", (Answer("Zoë", 0), Answer("-LRB- it", 8)))


def test_answers_that_stand_elsewhere_or_nowhere_are_told_by_id(write):
    moved = question(WHO, answers=[{"text": "Zoë", "answer_start": 20}, {"text": "Zoë", "answer_start": 0}])
    lost = question(WHAT, answers=[{"text": "the lake", "answer_start": 8}])
    path = write("f.json", squad(moved, lost))
    with pytest.warns(UserWarning) as caught:
        examples = read_squad(path)
    message = str(caught[0].message)
    assert f"{path}: 2 answers do not stand where the file says" in message
    assert "1 stand elsewhere in the context, of the questions 1; 1 do not stand in the context at all, of the questions 2" in message
    assert examples[0].answers == (Answer("Zoë", 24), Answer("Zoë", 0)) and examples[1].answers == (Answer("the lake", -1),)
    with pytest.raises(
        ValueError,
        match=r"2 answers do not stand where the file says.*in the context, of the questions 1; 1 do not .* at all, of the questions 2$",
    ):
        read_squad(path, strict=True)
    with pytest.warns(UserWarning, match=r"1 of 3 questions have no answer in the context, and are not trained on: 2"):
        dataset = squad_dataset([*examples, NONE])
    assert int(dataset.cardinality()) == 2
    assert [(int(y["start"]), int(y["end"])) for _, y in dataset] == [(24, 27), (-1, -1)]
    assert [x["question"].numpy() for x, _ in dataset] == [b"Who?", b"Where?"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (squad(question(WHO), context=" "), "question '1' has no context: context is ' '"),
        (squad(question(WHO), context=None), "question '1' has no context: context is None"),
        (squad(question(WHO), question(WHO)), "a second question '1'"),
        (squad(question(WHO, id=None)), "no id; each question wants a name"),
        (squad(question(WHO, question=3)), "question '1' has no text: question is 3"),
        (squad(question(WHO, answers="Zoë")), "question '1': answers is 'Zoë'; expected a list"),
        (
            squad(question(WHO, answers=[{"text": "Zoë"}])),
            r"question '1': the answer {'text': 'Zoë'}; expected {'text': ..., 'answer_start'",
        ),
        (squad("Who?"), "a question is 'Who\\?'; expected an object"),
        (squad(), "there are no questions in"),
        ('{"data": {}}', 'no {"data": .*} at the top'),
        ('{"data": [{"paragraphs": {}}]}', "no list 'paragraphs' in"),
        ("{", "not JSON"),
    ],
)
def test_what_cannot_be_used_is_told_by_file_and_id(write, content, message):
    path = write("f.json", content)
    with pytest.raises(ValueError, match=rf"{path}.*{message}|{message} {path}"):
        read_squad(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (flat(WHO) + "\n" + flat(WHAT, context=""), "f.jsonl:2: question '2' has no context"),
        (flat(WHO, answers={"text": ["a"]}), "f.jsonl:1: question '1': answers {'text': ..a'.}; expected lists"),
        ("[1]", "f.jsonl:1: a JSON list; expected an object"),
        ("{", "f.jsonl:1: not JSON"),
        (
            json.dumps({"tokens": ["a"], "qas": [{"id": "1", "question": "b", "answers": [[0, 1]]}]}),
            r"\[0, 1\] is not \[first, last\] of the 1",
        ),
        (json.dumps({"tokens": "a", "qas": []}), "f.jsonl:1: tokens is 'a'; expected a list of words"),
    ],
)
def test_what_cannot_be_used_of_json_lines(write, content, message):
    with pytest.raises(ValueError, match=message):
        read_squad(write("f.jsonl", content))


def test_other_refusals(write):
    with pytest.raises(ValueError, match=r"the ending is none of .json, .jsonl"):
        read_squad(write("f.txt", "{}"))
    with pytest.raises(ValueError, match="format='csv' is none of squad, jsonl"):
        read_squad("f.txt", format="csv")
    with (
        pytest.warns(UserWarning, match="are not trained on: 4"),
        pytest.raises(ValueError, match="no questions with an answer to train on"),
    ):
        squad_dataset([SquadExample("4", "Who?", CONTEXT)])


@pytest.mark.parametrize(("name", "questions", "wrong", "elsewhere"), [("dev", 3219, 200, 7), ("trial", 1002, 5, 5)])
def test_cmrc_2018_s_wrong_offsets_are_told(shared, name, questions, wrong, elsewhere):
    path = shared / "data" / "cmrc2018" / f"{name}.json.gz"
    with pytest.warns(UserWarning, match=rf"{wrong} answers do not stand where the file says.* {elsewhere} stand elsewhere"):
        examples = read_squad(path)
    assert len(examples) == questions
    assert sum(answer.start < 0 for example in examples for answer in example.answers) == wrong - elsewhere
    for example in examples:
        assert all(example.context[start : start + len(text)] == text for text, start in example.answers if start >= 0)
