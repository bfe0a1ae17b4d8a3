"""The local server's page in a real browser, for each task: answers are shown where they belong, on a phone and in the dark too."""

import json
import re

import pytest
from browser import Browser, chromium
from local_server import LocalServer
from served_tasks import make

import export

pytest.importorskip("uvicorn", reason="needs the extra serving")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # ten models are written and loaded before the first test: a minute, or many on a machine that is busy
    pytest.mark.skipif(chromium() is None, reason="needs Debian's chromium, by which the page is shown"),
]

TASKS = (
    "tagger",
    "intent_slots",
    "role_labeler",
    "classifier",
    "embedder",
    "question_answerer",
    "extractive_summarizer",
    "multiple_choice",
    "masked_lm",
    "seq2seq",
)
TEXT = "\U0001f600 Ann met Bob in <b>Paris</b>."  # an emoji is two units of JavaScript's strings; HTML is a text


@pytest.fixture(scope="module")
def models(tokenizer):
    return {task: make(task, tokenizer) for task in TASKS}


@pytest.fixture(scope="module")
def address(models, fresh_python, tmp_path_factory, root):
    folder = tmp_path_factory.mktemp("served")
    for name, model in models.items():
        export.export_saved_model(model, folder / name)
    server = LocalServer(fresh_python, {name: folder / name for name in models}, root, seconds=900)
    yield f"http://127.0.0.1:{server.rest_port}/"
    server.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


def asked(browser, address, model, **inputs):
    """What the page shows. Returns: str."""
    browser.open(f"{address}#{model}")
    for name, text in inputs.items():
        browser.run(f"document.getElementById('input-{name}').value = {json.dumps(text)}")
    browser.run("document.getElementById('ask').click()")
    browser.wait("!!document.querySelector('#answer, .error')")
    return browser.run("document.getElementById('answer').innerText")


def marks(browser):
    return browser.run("[...document.querySelectorAll('mark')].map(mark => mark.firstChild.textContent)")


@pytest.mark.parametrize("task, part", [("tagger", "entities"), ("intent_slots", "slots")])
def test_spans_are_highlighted_in_the_text(browser, address, models, task, part):
    shown = asked(browser, address, task, text=TEXT)
    (answer,) = models[task].answer([TEXT])
    assert marks(browser) == [found["text"] for found in answer[part]]
    assert answer.get("intent", "") in shown


def test_roles_are_shown_a_predicate_each(browser, address, models):
    asked(browser, address, "role_labeler", text=TEXT)
    (answer,) = models["role_labeler"].answer([TEXT])
    shown = browser.run("[...document.querySelectorAll('#answer h2')].map(title => title.textContent)")
    assert [title.rsplit(" ", 2)[0] for title in shown] == [frame["predicate"] for frame in answer["frames"]]


def test_an_answer_is_marked_in_its_context(browser, address, models):
    asked(browser, address, "question_answerer", question="who?", context=TEXT)
    (answer,) = models["question_answerer"].answer((["who?"], [TEXT]))
    assert marks(browser) == ([answer["text"]] if answer["text"] else [])


def test_chosen_sentences_are_marked_in_the_document(browser, address, models):
    document = f"{TEXT} It rained all day. They ate."
    shown = asked(browser, address, "extractive_summarizer", text=document)
    (answer,) = models["extractive_summarizer"].answer([document])
    assert marks(browser) == [sentence["text"] for sentence in answer["sentences"]] and len(marks(browser)) == 2
    assert answer["text"] in shown


def test_labels_have_bars(browser, address, models):
    shown = asked(browser, address, "classifier", text=TEXT)
    (answer,) = models["classifier"].answer([TEXT])
    assert answer["label"] in shown
    widths = browser.run("[...document.querySelectorAll('.row i')].map(bar => parseFloat(bar.style.width))")
    assert widths == pytest.approx([100 * share for share in sorted(answer["probabilities"], reverse=True)], abs=0.01)


def test_similar_texts_stand_first(browser, address):
    shown = asked(browser, address, "embedder", text="a man sleeps", others="the sky is blue\na man sleeps").splitlines()
    assert shown.index("a man sleeps") < shown.index("the sky is blue") and "1.000" in shown


def test_choices_and_masked_words(browser, address, models):
    (answer,) = models["multiple_choice"].answer((["the sky is"], [["blue", "a fish"]]))
    assert asked(browser, address, "multiple_choice", text="the sky is", choices="blue\na fish").splitlines()[0] == answer["text"]
    (answer,) = models["masked_lm"].answer(["a [MASK] film"])
    assert all(word in asked(browser, address, "masked_lm", text="a [MASK] film") for word in answer["words"][0])


def test_what_is_written_stands_first_and_other_answers_below(browser, address, models):
    shown = asked(browser, address, "seq2seq", text=TEXT).splitlines()
    (answer,) = models["seq2seq"].answer([TEXT])
    first, second = answer["alternatives"]
    assert shown[0] == first["text"] == answer["text"]
    assert [second["text"], f"{second['score']:.2f}"] == shown[2:4]


def test_a_phone_in_the_dark(address, tmp_path):
    browser = Browser(tmp_path, width=360, dark=True)
    try:
        asked(browser, address, "question_answerer", question="who?", context="a" * 300)
        assert browser.run("document.documentElement.scrollWidth") == 360  # nothing to scroll sideways
        colours = browser.run("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
        back, ink = (sum(map(int, colour[4:-1].split(","))) for colour in colours)
        assert back < 120 and ink > 600
    finally:
        browser.close()


def test_the_page_asks_for_nothing_from_elsewhere(root):
    page = (root / "export" / "local_server" / "page.html").read_text()
    assert not re.findall(r"https?:|url\(|@import|<link[^>]+href=\"(?!data:)|src=", page)
