"""Text as people write it, out of what BERT's tokenizer makes of it; capitals out of the source."""

import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertTokenizer
from keras_bert.text.detokenization import Detokenizer, natural_spaces
from keras_bert.text.letter_case import restore_case

# Lower-cased real sentences (of packages' descriptions and of newspapers) that must come back as they were.
SENTENCES = [
    "the café's owner, who'd left (at 10:30), paid $1,000.50.",
    "it isn't a state-of-the-art tool; it's 5% faster!",
    'he said "we are here" and left.',
    "what is the capital of france?",
    "support for tcp/ip, e-mail and c++ code...",
    "the dogs' owners don't know o'brien.",
    "in 2008, 300 men came to 1,000,000 houses.",
    "version 2.6.32 of the kernel [see above]",
    "l'homme d'affaires",
    "see user_name@example for details",
    "wait -- there is more: a 3.5-inch disk",
    "he left the u.s. at 9 p.m. (i.e. late), by b.s.u.",
    "file::tail::lines and fork() of the `time` module, at http://localhost",
    "т.е. да.",
    "我在2008年去了北京。",
    "你好，世界！《红楼梦》是谁写的？",
    "东京（日本）和gnu软件",
    "",
]


@pytest.fixture(scope="module")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary, strip_accents=False)


def split(sentence):
    """BERT's words, by Python: white space, punctuation and Chinese characters part them."""
    words = []
    for word in sentence.split():
        current = ""
        for character in word:
            if character.isalnum() and not "\u4e00" <= character <= "\u9fff":
                current += character
            else:
                words += [current, character]
                current = ""
        words.append(current)
    return " ".join(word for word in words if word)


def test_spaces_are_put_back():
    got = natural_spaces(tf.constant([split(sentence) for sentence in SENTENCES])).numpy()
    assert [text.decode() for text in got] == SENTENCES


def test_pieces_are_joined_and_special_ones_left_out(tokenizer):
    pieces = ["[CLS]", "token", "##ization", "[UNK]", ",", "too", "[SEP]", "behind", "[PAD]"]
    ids = np.array([[[tokenizer.id_of(piece) for piece in pieces]] * 3], "int32")
    ids[0, 1, 1:] = [tokenizer.id_of("yes")] + [tokenizer.pad_id] * 7
    ids[0, 1, 2] = 99999  # padding of the word embedding, a row of no piece
    ids[0, 2, 1] = tokenizer.unk_id
    detokenizer = Detokenizer(tokenizer)
    expected = [["tokenization, too", "yes", "ization, too"]]
    assert [[text.decode() for text in row] for row in detokenizer(tf.constant(ids)).numpy()] == expected
    traced = tf.function(detokenizer, input_signature=[tf.TensorSpec([None, None, None], tf.int32)])
    assert [[text.decode() for text in row] for row in traced(ids).numpy()] == expected


SOURCE = "The editor of GNU Emacs, by Richard Stallman. Some say that Élan is here; the café is near. Will will come? IBM"


@pytest.mark.parametrize(
    ("text", "restored"),
    [
        ("richard stallman wrote emacs. the editor is gnu software", "Richard Stallman wrote Emacs. The editor is GNU software"),
        ("an elan of ibm; some will come", "An Élan of IBM; some will come"),  # "Some" and "Will" begin sentences there
        ("", ""),
        ("42", "42"),
    ],
)
def test_words_are_written_as_in_the_source(text, restored, uncased_vocabulary):
    normalize = BertTokenizer(uncased_vocabulary).normalize
    got = restore_case(tf.constant([[text, "ibm"]]), tf.constant([SOURCE]), normalize).numpy()
    assert [each.decode() for each in got[0]] == [restored, "IBM"]


def test_a_source_without_capitals_gives_none(uncased_vocabulary):
    normalize = BertTokenizer(uncased_vocabulary).normalize
    got = restore_case(tf.constant([["the end"], ["x"]]), tf.constant(["the beginning", ""]), normalize).numpy()
    assert got.tolist() == [[b"the end"], [b"x"]]
