"""Which sentences are chosen beside BertSum's loop, written out."""

import random

import tensorflow as tf

from keras_bert import BertTokenizer
from keras_bert.preprocessing.chosen_sentences import choose_sentences, trigrams


def by_hand(scores, texts, *, num_sentences=None, share=None, max_characters=None, block=True):
    limit = len(texts) if num_sentences is None else num_sentences
    limit = limit if share is None else min(limit, -(-len(texts) * round(share * 10) // 10))
    chosen, seen, used = [], set(), 0
    for index in sorted(range(len(texts)), key=lambda index: -scores[index]):
        words = texts[index].split()
        runs = {tuple(words[place : place + 3]) for place in range(len(words) - 2)}
        longer = used + len(texts[index]) + bool(chosen)
        if len(chosen) == limit or (max_characters and longer > max_characters) or (block and runs & seen):
            continue
        chosen.append(index)
        seen |= runs
        used = longer
    return [index in chosen for index in range(len(texts))]


def test_limits_and_repeated_words(tiny_tokenizer):
    generator = random.Random(0)
    documents = [[" ".join(generator.choices("abc", k=generator.randint(1, 6))) for _ in range(count)] for count in (0, 1, 12, 5, 9)]
    scores = [[round(generator.random(), 1) for _ in texts] for texts in documents]  # some are equal
    flat = [text for texts in documents for text in texts]
    lengths = tf.ragged.constant([[len(text) for text in texts] for texts in documents], tf.int32, row_splits_dtype=tf.int64)
    ragged = tf.ragged.constant(scores, tf.float32, row_splits_dtype=tf.int64)
    repeats = lengths.with_values(trigrams(tiny_tokenizer, tiny_tokenizer.tokenize(flat)))
    cases = [{"num_sentences": 1}, {"num_sentences": 3}, {"share": 0.1}, {"share": 0.5}, {"max_characters": 12}, {}]
    cases += [{"num_sentences": 2, "max_characters": 9}, {"share": 1.0, "max_characters": 1}]
    for options in cases:
        for block in (True, False):
            got = choose_sentences(ragged, lengths, repeats if block else None, **options).to_list()
            assert got == [by_hand(*pair, block=block, **options) for pair in zip(scores, documents, strict=True)], (options, block)


def test_runs_of_words_and_not_of_pieces():
    tokenizer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "film", "##s", "##ing", "你", "好"])
    found = trigrams(tokenizer, tokenizer.tokenize(["filmsing", "a filmsing b", "a filmsing b c", "films ing b", "", "你好你好"]))
    assert found.row_lengths().numpy().tolist() == [0, 1, 2, 1, 0, 2]
    rows = found.to_list()
    assert rows[2][0] == rows[1][0] and len({each for row in rows for each in row}) == 5
    assert trigrams(None, tokenizer.tokenize(["filmsing"])).row_lengths().numpy().tolist() == [1]  # each piece
