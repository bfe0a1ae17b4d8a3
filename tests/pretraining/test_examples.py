"""Examples beside Model Garden's create_pretraining_data, which is google-research's, and ALBERT's rules by hand."""

import itertools
import math
import random

import numpy as np
import pytest

from keras_bert.pretraining import ExampleSettings
from keras_bert.pretraining.draws import Draws
from keras_bert.pretraining.examples import make_examples
from keras_bert.pretraining.token_documents import TokenDocuments, starts_of


@pytest.fixture(scope="module")
def model_garden():
    return pytest.importorskip("official.nlp.data.create_pretraining_data")


def token_documents(lengths):
    """Documents of sentences of so many tokens; the tokens are 0, 1, 2, ..."""
    flat = [length for document in lengths for length in document]
    return TokenDocuments(np.arange(sum(flat), dtype="int32"), starts_of(flat), starts_of(list(map(len, lengths))))


def as_lists(documents):
    """The same as create_pretraining_data holds them: documents of sentences of tokens."""
    starts, firsts = documents.sentence_starts, documents.document_starts
    sentences = [documents.ids[start:end].tolist() for start, end in itertools.pairwise(starts)]
    return [sentences[begin:end] for begin, end in itertools.pairwise(firsts)]


def texts_of(documents, examples):
    return [(documents.ids[a:b].tolist(), documents.ids[c:d].tolist(), bool(label)) for a, b, c, d, label in examples.tolist()]


def their_texts(instances):
    texts = []
    for instance in instances:
        middle = instance.tokens.index("[SEP]")
        assert instance.segment_ids == [0] * (middle + 1) + [1] * (len(instance.tokens) - middle - 1)
        texts.append((instance.tokens[1:middle], instance.tokens[middle + 1 : -1], instance.is_random_next))
    return texts


def some_lengths(seed, documents=150):
    generator = np.random.default_rng(seed)
    return [generator.integers(1, 45, generator.integers(1, 20)).tolist() for _ in range(documents)] + [[1], [300], [1, 300, 2]]


@pytest.mark.parametrize("max_length", [5, 24, 128])
def test_pairs_are_google_s_for_the_same_draws(model_garden, monkeypatch, max_length):
    documents = token_documents(some_lengths(max_length))
    settings = ExampleSettings(max_length=max_length, short_seq_prob=0.3)
    draws = Draws(0, 1, 2)

    class TheirDraws:
        random = draws.uniform

        def randint(self, low, high):
            return low + draws.below(high - low + 1)

    class Zero:
        def random(self):
            return 0.0

    def cut(first, second, max_tokens, _, theirs=model_garden.truncate_seq_pair):
        # Their loop says how many tokens each text loses; how many of them at its start is drawn at once in place of one by one.
        left = [list(first), list(second)]
        theirs(*left, max_tokens, Zero())
        lost = [len(text) - len(short) for text, short in zip((first, second), left, strict=True)]
        for text, count, front in zip((first, second), lost, [draws.heads(count) for count in lost], strict=True):
            text[:] = text[front : len(text) - (count - front)]

    monkeypatch.setattr(model_garden, "truncate_seq_pair", cut)
    monkeypatch.setattr(model_garden, "create_masked_lm_predictions", lambda tokens, *_: (tokens, [], []))
    lists = as_lists(documents)
    theirs = []
    for index in range(len(lists)):
        made = model_garden.create_instances_from_document(lists, index, max_length, 0.3, 0.15, 20, [], TheirDraws())
        theirs += their_texts(made)
    ours = texts_of(documents, make_examples(documents, settings, Draws(0, 1, 2)))
    assert len(ours) > 150
    assert ours == theirs


def test_statistics_of_pairs_are_google_s_by_its_own_random_numbers(model_garden, monkeypatch):
    monkeypatch.setattr(model_garden, "create_masked_lm_predictions", lambda tokens, *_: (tokens, [], []))
    documents = token_documents(some_lengths(3, documents=400))
    lists = as_lists(documents)
    rng, figures = random.Random(0), []
    for seed in range(8):
        theirs = []
        for index in range(len(lists)):
            theirs += their_texts(model_garden.create_instances_from_document(lists, index, 128, 0.1, 0.15, 20, [], rng))
        ours = texts_of(documents, make_examples(documents, ExampleSettings(), Draws(seed)))
        figures.append([statistics(theirs), statistics(ours)])
    theirs, ours = np.mean(figures, axis=0)
    spread = np.std(figures, axis=0).max(axis=0) / math.sqrt(8)
    assert np.all(np.abs(theirs - ours) < 4.5 * spread + 1e-9), (theirs, ours, spread)
    assert spread[0] < 0.01 * theirs[0]


def statistics(texts):
    """Examples, share of random next, mean tokens of both texts, share of full ones, mean places where the first text begins."""
    lengths = np.array([(len(first), len(second)) for first, second, _ in texts])
    full = lengths.sum(axis=1) == 125
    return len(texts), np.mean([label for *_, label in texts]), *lengths.mean(axis=0), full.mean(), np.mean([t[0][0] for t in texts])


def test_half_of_the_second_texts_are_random():
    """Documents of two short sentences: a coin says whether the second one follows the first. 20,000 tosses, 4 standard deviations."""
    documents = token_documents([[3, 4]] * 20_000)
    examples = make_examples(documents, ExampleSettings(short_seq_prob=0), Draws(0))
    first = examples[examples[:, 0] % 7 == 0]  # where the coin shows random, the second sentence begins an example of its own
    assert len(first) == 20_000
    assert abs(first[:, 4].mean() - 0.5) < 4 * 0.5 / 20_000**0.5
    assert np.all((first[:, 2] == first[:, 1]) == (first[:, 4] == 0))


def test_what_is_cut_at_the_start_of_a_text_is_a_binomial_share():
    # A document of 12 tokens, and others of one: 7 of 12 + 1 are cut for 6 to be left, k of them at the start.
    documents = token_documents([[12]] + [[1]] * 20)
    settings = ExampleSettings(max_length=9, short_seq_prob=0)
    counts = np.zeros(8)
    for seed in range(2000):
        start, end, *_ = make_examples(documents, settings, Draws(seed))[0]
        assert end - start == 5
        counts[start] += 1
    expected = np.array([math.comb(7, k) / 2**7 for k in range(8)]) * 2000
    assert ((counts - expected) ** 2 / expected).sum() < 24.3  # chi-squared, 7 degrees of freedom, p = 0.001


def test_albert_s_pairs_are_consecutive_and_half_are_swapped():
    documents = token_documents([[3] * 12] * 300)
    examples = make_examples(documents, ExampleSettings(objective="sentence_order", short_seq_prob=0, max_length=21), Draws(0))
    assert len(examples) == 600  # 6 sentences are 18 tokens; none is put back
    swapped = examples[:, 4] == 1
    assert np.all(examples[~swapped, 1] == examples[~swapped, 2])
    assert np.all(examples[swapped, 3] == examples[swapped, 0])
    assert abs(swapped.sum() - 300) < 50  # 4 standard deviations


def test_a_lone_sentence_of_albert_s_gets_a_second_text_from_another_document():
    documents = token_documents([[4], [5], [6]])
    examples = make_examples(documents, ExampleSettings(objective="sentence_order", short_seq_prob=0), Draws(0))
    assert examples[:, 4].tolist() == [1, 1, 1]
    assert np.all(examples[:, 2] != examples[:, 0])


def test_full_sentences_stay_within_a_document_and_long_ones_are_cut():
    documents = token_documents([[3, 3, 2, 4], [5], [20, 1], [1, 19]])
    examples = make_examples(documents, ExampleSettings(objective="full_sentences", max_length=10), Draws(0))
    # 8 tokens have room: 3 + 3 + 2 | 4;  5;  8 | 8 | 4 + 1;  1 | 8 | 8 | 3
    assert np.diff(examples[:, :2]).ravel().tolist() == [8, 4, 5, 8, 8, 5, 1, 8, 8, 3]
    assert examples[1:, 0].tolist() == examples[:-1, 1].tolist()
    assert not examples[:, 4].any()


def test_where_there_is_one_document_the_random_text_is_its_own():
    documents = token_documents([[4, 4]])
    examples = make_examples(documents, ExampleSettings(short_seq_prob=0), Draws(5))
    assert examples[:, 3].max() <= 8


def test_draws_are_philox_s_bits():
    raw = np.random.Philox(np.random.SeedSequence((1, 2))).random_raw(4).tolist()
    draws = Draws(1, 2)
    assert draws.uniform() == (raw[0] >> 11) / 2**53
    assert draws.below(10) == raw[1] * 10 // 2**64
    assert draws.heads(70) == bin(raw[2]).count("1") + bin(raw[3] >> 58).count("1")
    assert sorted(draws.permutation(100)) == list(range(100))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "nsp"}, "objective='nsp' is none of next_sentence, sentence_order, full_sentences"),
        ({"sentences": "word"}, "sentences='word' is none of split, line"),
        ({"max_length": 4}, "max_length=4 leaves no room"),
        ({"short_seq_prob": 1.5}, "short_seq_prob=1.5 is not in 0 to 1"),
        ({"dupe_factor": 0}, "dupe_factor=0 is not 1 or more"),
        ({"dupe_factor": 2, "objective": "full_sentences"}, "dupe_factor=2 would give the same full sentences again"),
        ({"row_length": 128}, "row_length=128 is of packed rows; say pack=True"),
        ({"row_length": 64, "pack": True}, "row_length=64 is less than max_length=128"),
        ({"length_bin": 32, "pack": True}, "length_bin=32 sorts by length"),
        ({"length_bin": 0}, "length_bin=0 is not 1 or more"),
        ({"shard_megabytes": 0}, "shard_megabytes=0 is not positive"),
    ],
)
def test_settings_that_cannot_be_used_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        ExampleSettings(**options)
