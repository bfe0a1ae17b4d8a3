"""Masking beside google-research's rules as Model Garden has them, beside closed forms, and by its statistics."""

import itertools
import random

import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertTokenizer
from keras_bert.pretraining import Masker, MaskingSettings
from keras_bert.pretraining.masking import draw

WORDS = [f"w{number}" for number in range(400)]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *(f"##{number}" for number in range(200))]
CLS, SEP, MASK = 2, 3, 4
SPECIAL = {0, CLS, SEP, MASK}


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(PIECES)


def make_sequences(count, longest=128, seed=0):
    """Pairs of texts, of words of one to four pieces, as ids."""
    rng = np.random.default_rng(seed)
    sequences = []
    for _ in range(count):
        count_of_pieces = rng.integers(2, longest - 2)
        goes_on = rng.random(count_of_pieces) < 0.35
        body = np.where(goes_on, rng.integers(405, 605, count_of_pieces), rng.integers(5, 405, count_of_pieces))
        middle = int(rng.integers(1, len(body)))
        sequences.append([CLS, *body[:middle].tolist(), SEP, *body[middle:].tolist(), SEP])
    return sequences


def as_batch(sequences, length=None):
    ids = padded(sequences, length)
    return {"input_ids": ids, "attention_mask": tf.cast(ids > 0, tf.int32)}


def padded(rows, length=None):
    ids = np.zeros([len(rows), length or max(map(len, rows))], "int32")
    for row, values in enumerate(rows):
        ids[row, : len(values)] = values
    return tf.constant(ids)


def draws_of(count, length, epoch_seed=7, first=0):
    draws = tf.data.Dataset.range(first, first + count).map(lambda example: draw(epoch_seed, example, length))
    return draws.batch(count).get_single_element()


def masked_of(tokenizer, settings, sequences, length=128, **options):
    masker = Masker(tokenizer, settings, slots=settings.slots(length))
    masked = tf.function(masker, autograph=False)(as_batch(sequences, length), draws_of(len(sequences), length, **options))
    return {name: value.numpy() for name, value in masked.items()}


def positions_of(masked, row):
    return masked["masked_positions"][row][masked["masked_weights"][row] == 1].tolist()


@pytest.fixture(scope="module")
def sequences():
    return make_sequences(250)


@pytest.mark.parametrize("share", [0.15, 0.1, 0.4])
def test_as_many_as_google_research_rounds(tokenizer, share):
    """Python's round takes halves to the even: 10 tokens at 0.15 are 2, 30 are 4."""
    lengths = range(3, 130)
    sequences = [[CLS, *[5] * (length - 2), SEP] for length in lengths]
    settings = MaskingSettings(share=share, max_predictions=17)
    masked = masked_of(tokenizer, settings, sequences, 129)
    expected = [min(17, max(1, round(length * share))) for length in lengths]
    assert masked["masked_weights"].sum(axis=1).tolist() == expected
    assert [settings.count(length) for length in lengths] == expected


@pytest.mark.parametrize("unit", ["token", "word"])
def test_the_tokens_that_model_garden_masks_given_the_same_order(tokenizer, sequences, unit):
    from official.nlp.data.create_pretraining_data import create_masked_lm_predictions

    class Rng(random.Random):
        """Gives candidates in the order of our draws: Model Garden takes them from the end."""

        def shuffle(self, grams):
            grams.sort(key=lambda gram: int(self.order[gram.begin]), reverse=True)

    rng, order = Rng(0), draws_of(len(sequences), 128).numpy()[:, :, 0]
    masked = masked_of(tokenizer, MaskingSettings(unit=unit), sequences)
    for row, sequence in enumerate(sequences):
        rng.order = order[row]
        tokens = [PIECES[piece] for piece in sequence]
        _, positions, labels = create_masked_lm_predictions(tokens, 0.15, 20, WORDS, rng, unit == "word")
        assert positions_of(masked, row) == positions, (row, tokens)
        real = masked["masked_weights"][row] == 1
        assert [PIECES[piece] for piece in masked["masked_ids"][row][real]] == labels


@pytest.mark.parametrize("unit", ["token", "word", "span"])
def test_special_tokens_and_padding_are_never_masked(tokenizer, sequences, unit):
    masked = masked_of(tokenizer, MaskingSettings(unit=unit), sequences)
    before = as_batch(sequences, 128)["input_ids"].numpy()
    assert not set(masked["masked_ids"][masked["masked_weights"] == 1].tolist()) & SPECIAL
    changed = masked["input_ids"] != before
    chosen = np.zeros_like(changed)
    for row in range(len(sequences)):
        chosen[row, positions_of(masked, row)] = True
        np.testing.assert_array_equal(before[row, positions_of(masked, row)], masked["masked_ids"][row][masked["masked_weights"][row] == 1])
    assert not (changed & ~chosen).any() and changed.any()


@pytest.mark.parametrize(("unit", "expected"), [("word", False), ("span", False), ("span", True)])
def test_words_are_masked_whole(tokenizer, sequences, unit, expected):
    """A word is masked whole or not at all; and replaced together where that is asked for."""
    masked = masked_of(tokenizer, MaskingSettings(unit=unit, replace_together=expected), sequences)
    mixed = 0
    for row, sequence in enumerate(sequences):
        chosen = set(positions_of(masked, row))
        starts = [place for place, piece in enumerate(sequence) if piece not in SPECIAL]
        words = []
        for place in starts:
            if words and sequence[place] >= 405 and place - 1 == words[-1][-1]:
                words[-1].append(place)
            else:
                words.append([place])
        for word in words:
            assert len(chosen & set(word)) in (0, len(word))
            kinds = {masked["input_ids"][row][place] == MASK for place in word if place in chosen}
            mixed += len(kinds) > 1
    assert (mixed == 0) == expected


def test_eighty_ten_ten(tokenizer, sequences):
    """By chi-square with two degrees of freedom: 13.8 is exceeded once in a thousand. A random piece is the old one once in 605."""
    counts = np.zeros(3)
    for epoch_seed in range(3):
        masked = masked_of(tokenizer, MaskingSettings(max_predictions=1000, share=0.5), sequences, epoch_seed=epoch_seed)
        real = masked["masked_weights"] == 1
        new = np.take_along_axis(masked["input_ids"], masked["masked_positions"], axis=1)[real]
        old = masked["masked_ids"][real]
        counts += [(new == MASK).sum(), ((new != MASK) & (new != old)).sum(), (new == old).sum()]
    share = 0.1 * (len(PIECES) - 2) / len(PIECES)  # neither the old piece nor [MASK] by chance
    expected = counts.sum() * np.array([0.8 + 0.1 / len(PIECES), share, 0.1 + 0.1 / len(PIECES)])
    assert counts.sum() > 20_000
    assert ((counts - expected) ** 2 / expected).sum() < 13.8


def test_random_pieces_are_of_the_whole_vocabulary(tokenizer):
    settings = MaskingSettings(share=1.0, max_predictions=1000, mask_probability=0.0, random_probability=1.0)
    masked = masked_of(tokenizer, settings, [[CLS, *[5] * 998, SEP]] * 40, 1000)
    counts = np.bincount(masked["input_ids"][:, 1:-1].ravel(), minlength=len(PIECES))
    expected = counts.sum() / len(PIECES)
    # 604 degrees of freedom: mean 604, standard deviation 35.
    assert ((counts - expected) ** 2 / expected).sum() < 604 + 4 * 35


def test_the_mean_span_as_drawn_is_that_of_the_paper():
    """sum of k * 0.2 * 0.8^(k-1) over k = 1 to 10, divided by 1 - 0.8^10: 3.797; SpanBERT says 3.8."""
    likely = MaskingSettings(unit="span").span_lengths()
    assert (likely * np.arange(1, 11)).sum() == pytest.approx(((1 - 0.8**10) / 0.2 - 10 * 0.8**10) / (1 - 0.8**10), rel=1e-12)
    assert (likely * np.arange(1, 11)).sum() == pytest.approx(3.797, abs=5e-4)


def test_spans_are_drawn_from_that_distribution(tokenizer):
    """One span in a long text of one-piece words, begun far from its end: what is masked is what was drawn."""
    settings = MaskingSettings(unit="span", share=0.0125, max_predictions=10)
    sequences = [[CLS, *[5] * 798, SEP]] * 1500
    masked = masked_of(tokenizer, settings, sequences, 800)
    first_lengths = []
    order = draws_of(len(sequences), 800).numpy()[:, 1:-1, 0].argmin(axis=1) + 1
    for row, anchor in enumerate(order):
        chosen, length = set(positions_of(masked, row)), 0
        assert len(chosen) == 10
        while anchor + length in chosen:
            length += 1
        if anchor < 780:
            first_lengths.append(length)
    counts = np.bincount(first_lengths, minlength=12)[1:11]
    expected = settings.span_lengths() * len(first_lengths)
    # Another span at its end makes one longer, in some 1 of 100: their starts fall on 10 of 800 places.
    assert counts.sum() > 1400 and ((counts - expected) ** 2 / expected).sum() < 40


@pytest.mark.parametrize("unit", ["token", "word", "span"])
def test_masks_do_not_hang_on_the_batch(tokenizer, sequences, unit):
    """One by one, unpadded, and with seeds of their own: the same masks. Another epoch's are others."""
    settings = MaskingSettings(unit=unit)
    together = masked_of(tokenizer, settings, sequences[:6])
    masker = Masker(tokenizer, settings, slots=settings.slots(128))
    for row in range(6):
        alone = masker(as_batch(sequences[row : row + 1]), draws_of(1, 128, first=row))
        for name in ("masked_positions", "masked_ids", "masked_weights"):
            np.testing.assert_array_equal(alone[name][0], together[name][row])
        np.testing.assert_array_equal(alone["input_ids"][0], together["input_ids"][row][: len(sequences[row])])
    other = masked_of(tokenizer, settings, sequences[:6], epoch_seed=8)
    assert (other["masked_positions"] != together["masked_positions"]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("unit", ["token", "word", "span"])
def test_each_sequence_of_a_packed_row_has_its_own_budget(tokenizer, unit):
    parts = make_sequences(60, longest=40, seed=3)
    groups = [parts[start : start + 6] for start in range(0, 60, 6)]
    rows = [list(itertools.chain(*group)) for group in groups]
    numbers = [[place + 1 for place, part in enumerate(group) for _ in part] for group in groups]
    settings = MaskingSettings(unit=unit, max_predictions=5)
    batch = as_batch(rows, 256) | {"sequence_ids": padded(numbers, 256)}
    masker = Masker(tokenizer, settings, slots=settings.slots(256, 6))
    masked = {name: value.numpy() for name, value in masker(batch, draws_of(10, 256)).items()}
    for row in range(10):
        of_sequences = np.array(numbers[row])[positions_of(masked, row)]
        for place in range(6):
            wanted = settings.count(len(parts[row * 6 + place]))
            got = int((of_sequences == place + 1).sum())
            # A word that has no room is passed over: where none is left that fits, there are fewer.
            assert got == wanted if unit == "token" else wanted - 4 < got <= wanted


def test_words_of_a_segmenter(tokenizer):
    """Six pieces, in words of two by a mark that is given: half of eight tokens is two of the three words."""
    batch = as_batch([[CLS, 5, 6, 7, 8, 9, 10, SEP]] * 60) | {"continues": tf.constant([[0, 0, 1, 0, 1, 0, 1, 0]] * 60)}
    masked = Masker(tokenizer, MaskingSettings(unit="word", share=0.5), slots=4)(batch, draws_of(60, 8))
    seen = set(map(tuple, masked["masked_positions"].numpy().tolist()))
    assert seen == {(1, 2, 3, 4), (1, 2, 5, 6), (3, 4, 5, 6)}


def test_words_are_those_of_the_tokenizer():
    class Marked(BertTokenizer):
        """A word begins with "▁", as in SentencePiece."""

        starts_word = property(lambda self: np.array([not piece.islower() for piece in self.pieces]))

    marked = Marked(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁A", "b", "▁C", "d", "▁E", "f"])
    batch = as_batch([[CLS, 5, 6, 7, 8, 9, 10, SEP]] * 60)
    masked = Masker(marked, MaskingSettings(unit="word", share=0.5), slots=4)(batch, draws_of(60, 8))
    assert set(map(tuple, masked["masked_positions"].numpy().tolist())) == {(1, 2, 3, 4), (1, 2, 5, 6), (3, 4, 5, 6)}


@pytest.mark.slow
def test_a_million_masked_tokens(tokenizer):
    """Counts, kinds and places, of a phase of rows of 512. Some 10 s."""
    sequences = make_sequences(2000, longest=512, seed=1)
    settings = MaskingSettings(max_predictions=77)
    masker = tf.function(Masker(tokenizer, settings, slots=settings.slots(512)), autograph=False)
    batch = as_batch(sequences, 512)
    before, kinds, total, epoch_seed = batch["input_ids"].numpy(), np.zeros(3), 0, 0
    expected = [min(77, max(1, round(len(sequence) * 0.15))) for sequence in sequences]
    while total < 1_000_000:
        masked = {name: value.numpy() for name, value in masker(batch, draws_of(2000, 512, epoch_seed=epoch_seed)).items()}
        real = masked["masked_weights"] == 1
        assert real.sum(axis=1).tolist() == expected
        old, new = (np.take_along_axis(ids, masked["masked_positions"], axis=1)[real] for ids in (before, masked["input_ids"]))
        np.testing.assert_array_equal(old, masked["masked_ids"][real])
        assert not np.isin(old, list(SPECIAL)).any()
        assert ((masked["input_ids"] != before).sum(axis=1) <= expected).all()
        kinds += [(new == MASK).sum(), ((new != MASK) & (new != old)).sum(), (new == old).sum()]
        total, epoch_seed = total + int(real.sum()), epoch_seed + 1
    by_chance = 1 / len(PIECES)  # that a random piece is [MASK], or the old one
    shares = np.array([0.8 + 0.1 * by_chance, 0.1 * (1 - 2 * by_chance), 0.1 + 0.1 * by_chance])
    assert ((kinds - shares * total) ** 2 / (shares * total)).sum() < 13.8  # two degrees of freedom, p = 0.001


@pytest.mark.slow
def test_the_mean_span_of_what_is_masked_is_3_797(tokenizer):
    """The first span of a text, where no other of its first six anchors is near: what is masked there is its length as drawn."""
    settings = MaskingSettings(unit="span", share=0.05, max_predictions=10)
    lengths, rows = [], 4000
    for epoch_seed in range(5):
        masked = masked_of(tokenizer, settings, [[CLS, *[5] * 198, SEP]] * rows, 200, epoch_seed=epoch_seed)
        anchors = draws_of(rows, 200, epoch_seed=epoch_seed).numpy()[:, 1:-1, 0].argsort(axis=1)[:, :6] + 1
        for row, (anchor, *others) in enumerate(anchors.tolist()):
            if anchor < 180 and all(abs(anchor - other) > 10 for other in others):
                chosen, length = set(positions_of(masked, row)), 0
                while anchor + length in chosen:
                    length += 1
                lengths.append(length)
    assert len(lengths) > 8000 and max(lengths) == 10
    assert np.mean(lengths) == pytest.approx(3.797, abs=4 * np.std(lengths) / len(lengths) ** 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "letter"}, "unit='letter' is none of token, word, span"),
        ({"share": 0.0}, "share=0.0 is not from above 0 to 1"),
        ({"span_probability": 1.0}, "span_probability=1.0 is not from above 0 to below 1"),
        ({"max_predictions": 0}, "max_predictions=0 is not 1 or more"),
        ({"mask_probability": 0.9, "random_probability": 0.2}, "are not two parts of 1"),
    ],
)
def test_settings_that_cannot_be_used(options, message):
    with pytest.raises(ValueError, match=message):
        MaskingSettings(**options)
