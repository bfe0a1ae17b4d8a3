"""Sentences found by TensorFlow ops beside those of data.split_sentences, on real text and on odd text."""

import random
import re

import pytest
import real_text
import tensorflow as tf

from keras_bert.data import read_squad, split_sentences
from keras_bert.text.sentence_rules import WHITE_SPACE
from keras_bert.text.sentences import find_sentences

TEXTS = [
    "",
    " \n ",
    "a",
    'Dr. Smith asked: "Why?" Nobody knew. See fig. 3 and No. 5. No. That is it.',
    " 1. Introduction. 2. Methods. In 5. 6. 7. 8. Foo. 9. 10. a",
    "He left the U.S. in May. J. K. Rowling, e.g. Harry, did too. Pi is 3.14. Then... Well?! (Yes.)",
    "他说：“你好。”然后走了！真的吗？它在 Debian 中。Hello there. Really?是。Bye",
    "Über alles. «Да.» Нет, т.е. да.\tDr.\tİx.\u3000I.\xa0b",
    "Foo. ------------------- Bar. -------------------- Bar. (",
    "word " * 500 + "字" * 2500 + "a.。b " * 700 + "end.   ",
]


@pytest.fixture(scope="module")
def find():
    return tf.function(find_sentences, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)


def assert_as_in_python(find, texts):
    found = find(tf.constant(texts))
    sentences, starts, ends = (part.to_list() for part in found)
    for number, text in enumerate(texts):
        data = text.encode()
        assert [each.decode() for each in sentences[number]] == split_sentences(text), text
        assert [data[start:end] for start, end in zip(starts[number], ends[number], strict=True)] == sentences[number], text


def test_rules_hold_in_a_graph_and_in_tf_data(find):
    assert_as_in_python(find, TEXTS)
    assert find(tf.constant([], tf.string)).text.nrows() == 0
    (batch,) = tf.data.Dataset.from_tensors(TEXTS).map(lambda texts: find_sentences(texts).text)
    assert [[each.decode() for each in row] for row in batch.to_list()] == [split_sentences(text) for text in TEXTS]
    assert find_sentences(["a b c"], longest=4).text.to_list() == [[b"a b", b"c"]]


def test_real_english_text(find, root, review_lines):
    contexts = {example.context for example in read_squad(root / "examples" / "data" / "xquad" / "dev.json.gz")}
    reviews = review_lines[:4000]
    assert_as_in_python(find, [*sorted(contexts), *reviews, "\n".join(reviews[:500]), " ".join(reviews[500:900])])


def test_real_text_chinese_too(find):
    if not real_text.files():
        pytest.skip("needs the data sets beside a developer's checkout")
    lines = real_text.some_lines(4000)
    assert sum("。" in line for line in lines) > 100
    assert_as_in_python(find, lines)


def test_odd_text(find):
    generator = random.Random(0)
    parts = [
        "a",
        "b",
        " ",
        " ",
        ".",
        ".",
        "!",
        "?",
        '"',
        "'",
        "\n",
        "\t",
        "\xa0",
        "-",
        "(",
        "123",
        "。",
        "！",
        "…",
        "”",
        "」",
        ")",
        "A",
        "I",
    ]
    parts += ["Dr", "No", "e.g", "U.S", "1", "22", "fig", "你", "\u3000", "é", "²", "ᵃ", "İ", "1. ", "2. ", ". "]
    assert_as_in_python(find, ["".join(generator.choices(parts, k=generator.randint(0, 60))) for _ in range(3000)])


def test_white_space_is_what_python_takes_for_it():
    points = [*range(0xD800), *range(0xE000, 0x11000)]
    assert [point for point in points if re.match(f"[{WHITE_SPACE}]", chr(point))] == [point for point in points if chr(point).isspace()]
