"""The local server's page in a real browser, for each task: answers are shown where they belong, on a phone and in the dark too."""

import json
import re

import keras
import pytest
from browser import Browser, chromium
from local_server import LocalServer

import export
from keras_bert import (
    BertClassifier,
    BertConfig,
    BertEmbedder,
    BertEncoder,
    BertExtractiveSummarizer,
    BertIntentSlots,
    BertMaskedLM,
    BertMultipleChoice,
    BertQuestionAnswerer,
    BertSemanticRoleLabeler,
    BertTagger,
    BertTokenizer,
)

pytest.importorskip("uvicorn", reason="needs the extra serving")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="needs Debian's chromium, by which the page is shown"),
]

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
ROLES = ["O", "B-ARG0", "I-ARG0", "B-V", "I-V"]
TASKS = {  # class, labels, options
    "tagger": (BertTagger, [TAGS], {"max_length": 24}),
    "slots": (BertIntentSlots, [TAGS], {"max_length": 24, "intents": ["PlayMusic", "GetWeather"]}),
    "roles": (BertSemanticRoleLabeler, [ROLES], {"max_length": 24}),
    "reviews": (BertClassifier, [["negative", "positive"]], {"max_length": 24, "text_pair": False}),
    "embedder": (BertEmbedder, [], {"max_length": 24, "text_pair": False}),
    "questions": (BertQuestionAnswerer, [], {"max_length": 24}),
    "summaries": (BertExtractiveSummarizer, [], {"max_length": 24, "num_sentences": 2}),
    "choices": (BertMultipleChoice, [], {"max_length": 24}),
    "masked": (BertMaskedLM, [], {"text_pair": False}),
}
TEXT = "\U0001f600 Ann met Bob in <b>Paris</b>."  # an emoji is two units of JavaScript's strings; HTML is a text


@pytest.fixture(scope="module")
def models(uncased_vocabulary):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 64}
    config = BertConfig(**sizes, initializer_range=0.5, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    tokenizer = BertTokenizer(uncased_vocabulary)
    keras.utils.set_random_seed(3)
    return {name: cls(BertEncoder(config), *labels, tokenizer, **options) for name, (cls, labels, options) in TASKS.items()}


@pytest.fixture(scope="module")
def address(models, fresh_python, tmp_path_factory, root):
    folder = tmp_path_factory.mktemp("served")
    for name, model in models.items():
        export.export_saved_model(model, folder / name)
    server = LocalServer(fresh_python, {name: folder / name for name in models}, root, seconds=400)
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


@pytest.mark.parametrize("task, part", [("tagger", "entities"), ("slots", "slots")])
def test_spans_are_highlighted_in_the_text(browser, address, models, task, part):
    shown = asked(browser, address, task, text=TEXT)
    (answer,) = models[task].answer([TEXT])
    assert marks(browser) == [found["text"] for found in answer[part]]
    assert answer.get("intent", "") in shown


def test_roles_are_shown_a_predicate_each(browser, address, models):
    asked(browser, address, "roles", text=TEXT)
    (answer,) = models["roles"].answer([TEXT])
    shown = browser.run("[...document.querySelectorAll('#answer h2')].map(title => title.textContent)")
    assert [title.rsplit(" ", 2)[0] for title in shown] == [frame["predicate"] for frame in answer["frames"]]


def test_an_answer_is_marked_in_its_context(browser, address, models):
    asked(browser, address, "questions", question="who?", context=TEXT)
    (answer,) = models["questions"].answer((["who?"], [TEXT]))
    assert marks(browser) == ([answer["text"]] if answer["text"] else [])


def test_chosen_sentences_are_marked_in_the_document(browser, address, models):
    document = f"{TEXT} It rained all day. They ate."
    shown = asked(browser, address, "summaries", text=document)
    (answer,) = models["summaries"].answer([document])
    assert marks(browser) == [sentence["text"] for sentence in answer["sentences"]] and len(marks(browser)) == 2
    assert answer["text"] in shown


def test_labels_have_bars(browser, address, models):
    shown = asked(browser, address, "reviews", text=TEXT)
    (answer,) = models["reviews"].answer([TEXT])
    assert answer["label"] in shown
    widths = browser.run("[...document.querySelectorAll('.row i')].map(bar => parseFloat(bar.style.width))")
    assert widths == pytest.approx([100 * share for share in sorted(answer["probabilities"], reverse=True)], abs=0.01)


def test_similar_texts_stand_first(browser, address):
    shown = asked(browser, address, "embedder", text="a man sleeps", others="the sky is blue\na man sleeps").splitlines()
    assert shown.index("a man sleeps") < shown.index("the sky is blue") and "1.000" in shown


def test_choices_and_masked_words(browser, address, models):
    (answer,) = models["choices"].answer((["the sky is"], [["blue", "a fish"]]))
    assert asked(browser, address, "choices", text="the sky is", choices="blue\na fish").splitlines()[0] == answer["text"]
    (answer,) = models["masked"].answer(["a [MASK] film"])
    assert all(word in asked(browser, address, "masked", text="a [MASK] film") for word in answer["words"][0])


def test_a_phone_in_the_dark(address, tmp_path):
    browser = Browser(tmp_path, width=360, dark=True)
    try:
        asked(browser, address, "questions", question="who?", context="a" * 300)
        assert browser.run("document.documentElement.scrollWidth") == 360  # nothing to scroll sideways
        colours = browser.run("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
        back, ink = (sum(map(int, colour[4:-1].split(","))) for colour in colours)
        assert back < 120 and ink > 600
    finally:
        browser.close()


def test_the_page_asks_for_nothing_from_elsewhere(root):
    page = (root / "export" / "local_server" / "page.html").read_text()
    assert not re.findall(r"https?:|url\(|@import|<link[^>]+href=\"(?!data:)|src=", page)
