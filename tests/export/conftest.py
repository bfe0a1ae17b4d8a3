"""200 real inputs of every kind, for what is exported."""

import gzip
import itertools
import json
import re

import pytest

from keras_bert import BertTokenizer
from keras_bert.data import read_squad

ODD_TEXTS = ["你好，世界。我住在北京。", "日本 \U0001f600 naïve café", "so long " * 60, "", " \t"]


@pytest.fixture(scope="session")
def texts(root):
    """200: tweets and posts with accents, emoji and Cyrillic, film reviews, requests, Chinese, one of 120 words, two without words."""
    data = root / "examples" / "data"
    with gzip.open(data / "wnut17" / "test.conll.gz", "rt", encoding="utf-8") as file:
        posts = [" ".join(line.split("\t")[0] for line in post.splitlines()) for post in file.read().split("\n\n")]
    with gzip.open(data / "sentence_polarity" / "test.tsv.gz", "rt", encoding="utf-8") as file:
        reviews = [line.split("\t")[1] for line in file.read().splitlines()[:50]]
    with gzip.open(data / "snips" / "test.jsonl.gz", "rt", encoding="utf-8") as file:
        requests = ["".join(part for part, _ in json.loads(line)["data"]) for line in itertools.islice(file, 50)]
    accents, emoji = ([post for post in posts if re.search(kind, post)] for kind in ("[À-ɏ]", "[\U0001f300-\U0001faff]"))
    assert len(accents) > 10 and len(emoji) > 10
    chosen = [*accents, *emoji, *reviews, *requests, *posts][:195]
    return [*chosen, *ODD_TEXTS]


@pytest.fixture(scope="session")
def inputs(root, texts):
    """200 examples for each kind of input, the last two without words: dict of kind -> what `answer` takes.

    Contexts are paragraphs of Wikipedia, and of 6,000 words, of Chinese, of emoji, with accents that no piece holds, and none at all.
    Choices are 2 to 4.
    """
    asked = read_squad(root / "examples" / "data" / "xquad" / "dev.json.gz")[:192]
    paragraphs = list(dict.fromkeys(example.context for example in asked))
    emoji = "\U0001f4a9\U0001f4a9 met \u2764\ufe0f in São Paulo"
    contexts = ["《战国无双3》是由光荣和ω-force开发的。", emoji, "Rene\u0301e ate naïve CAFÉ", "", ""]
    odd = zip(["谁开发的？", "Where \U0001f600?", "Où?", "Who?", ""], contexts, strict=True)
    questions = [(example.question, example.context) for example in asked]
    questions[:0] = [("When was it?", " ".join(paragraphs * 2)), ("", paragraphs[0]), ("what " * 100, paragraphs[1])]
    questions += odd
    assert len(questions) == len(texts) == 200 and len(questions[0][1].split()) > 6000
    pairs = [texts, texts[::-1]]
    others = [[texts[(7 * number + place) % 195] for place in range(2 + number % 3)] for number in range(198)]
    choices = [[choice or "none" for choice in row] for row in others] + [["a", "", "b"], ["\t", "\U0001f600"]]
    columns = {"questions": zip(*questions, strict=True), "pairs": pairs, "choices": [texts, choices]}
    masked = [text.replace(" the ", " [MASK] ") for text in texts]
    documents = [" ".join([text, *texts[: number % 4]]) for number, text in enumerate(paragraphs)]
    documents = [*[*documents, "他来了。" * 30, *texts][:198], "", " \n"]
    return {"texts": texts, "masked": masked, "documents": documents} | {name: tuple(map(list, parts)) for name, parts in columns.items()}


@pytest.fixture(scope="session")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary)
