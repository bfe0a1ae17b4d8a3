"""Batches of records beside the records themselves, read one by one."""

import collections
import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertTokenizer
from keras_bert.data import Corpus
from keras_bert.pretraining import (
    ExampleSettings,
    MaskingSettings,
    evaluation_batches,
    prepare_pretraining_data,
    read_examples,
    read_manifest,
    streamed_batches,
    training_batches,
)
from keras_bert.pretraining.rows import Rows, parted

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", ".", *(f"##{letter}" for letter in "aeiou")]
KINDS = {
    "plain": {},
    "packed": {"pack": True, "row_length": 64},
    "bins": {"length_bin": 16},
    "sentences": {"objective": "full_sentences"},
}


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(PIECES)


@pytest.fixture(scope="module")
def directories(tmp_path_factory, tokenizer):
    """Four shards or so of each kind."""
    folder = tmp_path_factory.mktemp("examples")
    rng = np.random.default_rng(0)
    with open(folder / "corpus.txt", "w") as file:
        for _ in range(60):
            for _ in range(rng.integers(1, 6)):
                file.write(" ".join(rng.choice(list("abcdefgh"), rng.integers(3, 12))) + " .\n")
            file.write("\n")
    for name, options in KINDS.items():
        settings = ExampleSettings(max_length=32, sentences="line", shard_megabytes=0.001, short_seq_prob=0.3, **options)
        prepare_pretraining_data(folder / "corpus.txt", folder / name, tokenizer, settings, workers=1, progress=False)
    return folder


def unmasked(batch):
    """Rows as tuples of ids, as they were before masking, without padding."""
    x, targets, weights = batch
    targets = targets["mlm_logits"] if isinstance(targets, dict) else targets
    weights = weights["mlm_logits"] if isinstance(weights, dict) else weights
    rows = []
    for row in range(len(x["input_ids"])):
        ids, real = x["input_ids"][row].copy(), weights[row] == 1
        ids[x["masked_positions"][row][real]] = targets[row][real]
        rows.append(tuple(ids[: x["attention_mask"][row].sum()].tolist()))
    return rows


def taken(batches, count):
    return list(itertools.islice(batches.as_numpy_iterator(), count))


def assert_same(one, other):
    import keras

    one, other = keras.tree.flatten(one), keras.tree.flatten(other)
    assert len(one) == len(other) > 0
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("kind", ["sentences", pytest.param("packed", marks=pytest.mark.slow)])
def test_every_row_comes_once_an_epoch_in_another_order(directories, tokenizer, kind):
    there = [tuple(row["input_ids"].tolist()) for row in read_examples(directories / kind).as_numpy_iterator()]
    assert read_manifest(directories / kind)["totals"]["files"] >= 3
    batches = taken(training_batches(directories / kind, tokenizer, 1, seed=3)(0), 2 * len(there))
    rows = [unmasked(batch)[0] for batch in batches]
    first, second = rows[: len(there)], rows[len(there) :]
    assert collections.Counter(first) == collections.Counter(second) == collections.Counter(there)
    assert first != second and first != there and second != there


def settings_of(directory):
    return ExampleSettings(**read_manifest(directory)["settings"])


@pytest.mark.parametrize("kind", ["packed", pytest.param("sentences", marks=pytest.mark.slow)])
def test_a_stream_has_the_rows_of_the_files_and_goes_on_where_it_stopped(directories, tokenizer, kind):
    there = collections.Counter(tuple(row["input_ids"].tolist()) for row in read_examples(directories / kind).as_numpy_iterator())
    count = there.total()
    stream = streamed_batches(Corpus(directories / "corpus.txt"), tokenizer, 1, settings_of(directories / kind), seed=3, most_sequences=12)
    batches = taken(stream(0), 2 * count)
    rows = [unmasked(batch)[0] for batch in batches]
    assert collections.Counter(rows[:count]) == collections.Counter(rows[count:]) == there
    assert rows[:count] != rows[count:]
    masked = [{unmasked(batch)[0]: batch[0]["input_ids"].tolist() for batch in part} for part in (batches[:count], batches[count:])]
    assert sum(masked[0][row] != masked[1][row] for row in there) > 0.8 * len(there)
    for start in (1, count - 1, count + 7):
        assert_same(taken(stream(start), 2), batches[start : start + 2])
    shards = [sum(file["rows"] for file in shard["files"]) for shard in read_manifest(directories / kind)["shards"]]
    stream = streamed_batches(Corpus(directories / "corpus.txt"), tokenizer, 2, settings_of(directories / kind), most_sequences=12)
    of_workers = [taken(stream.of_worker(0, worker, 2), sum(shards[worker::2])) for worker in range(2)]
    assert collections.Counter(unmasked(batch)[0] for batches in of_workers for batch in batches) == there


def test_a_row_of_a_stream_with_too_many_sequences_becomes_two():
    lengths = np.array([3, 4, 5, 6, 7, 8])
    ids = np.arange(lengths.sum(), dtype="int32")
    rows = Rows(ids, np.array([0, 25, 33]), np.array([0, 5, 6]), lengths, lengths, None)
    two = parted(rows, 2)
    assert two.sequence_starts.tolist() == [0, 2, 4, 5, 6]
    assert two.row_starts.tolist() == [0, 7, 18, 25, 33]
    assert parted(rows, 5) is rows


def test_a_stream_refuses_what_it_cannot_have_room_for(directories, tokenizer):
    corpus, packed = Corpus(directories / "corpus.txt"), settings_of(directories / "packed")
    with pytest.raises(ValueError, match="length_bin=16 is of files"):
        streamed_batches(corpus, tokenizer, 1, settings_of(directories / "bins"))
    with pytest.raises(ValueError, match="next_sentence=True: the examples are full_sentences"):
        streamed_batches(corpus, tokenizer, 1, settings_of(directories / "sentences"), next_sentence=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="worker 1 of 2 finds no example"):
        whole = dataclasses.replace(packed, shard_megabytes=1)
        taken(streamed_batches(corpus, tokenizer, 2, whole, most_sequences=12).of_worker(0, 1, 2), 1)


@pytest.mark.parametrize("kind", ["packed", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind != "packed")])
def test_batches_go_on_where_they_stopped(directories, tokenizer, kind):
    """At every place: within a file, at its end, and over the end of an epoch."""
    dataset_fn = training_batches(directories / kind, tokenizer, 8, seed=1, masking=MaskingSettings(unit="word"))
    count = int(2.5 * dataset_fn.batches_an_epoch)
    whole = taken(dataset_fn(0), count)
    for start in (1, int(dataset_fn.batches_an_epoch), count - 2):
        assert_same(taken(dataset_fn(start), 2), whole[start : start + 2])


@pytest.mark.parametrize("kind", ["packed", pytest.param("plain", marks=pytest.mark.slow)])
def test_padding_to_the_longest_row_changes_no_mask(directories, tokenizer, kind):
    longest = taken(training_batches(directories / kind, tokenizer, 4)(3), 3)
    others = taken(training_batches(directories / kind, tokenizer, 4, pad_to_multiple_of=8)(3), 3)
    for (x, *rest), (other_x, *other_rest) in zip(longest, others, strict=True):
        length = other_x["input_ids"].shape[1]
        assert length % 8 == 0 and length >= x["attention_mask"].sum(axis=1).max()
        assert_same(rest, other_rest)
        for name in ("input_ids", "token_type_ids", "attention_mask"):
            np.testing.assert_array_equal(x[name][:, :length], other_x[name])
            assert not x[name][:, length:].any()


@pytest.mark.slow
def test_workers_read_files_of_their_own_and_mask_as_one_does(directories, tokenizer):
    """Of an epoch each row comes once on one of two workers, with the mask that it has on one."""
    dataset_fn = training_batches(directories / "plain", tokenizer, 2, seed=5)
    rows = read_manifest(directories / "plain")["totals"]["rows"]
    alone = {unmasked(batch)[row]: batch[0]["input_ids"][row].tolist() for batch in taken(dataset_fn(0), rows // 2) for row in range(2)}
    together = []
    for worker in range(2):
        batches = taken(dataset_fn.of_worker(0, worker, 2), rows // 4)
        assert_same(taken(dataset_fn.of_worker(rows // 8, worker, 2), 3), batches[rows // 8 : rows // 8 + 3])
        together += [(unmasked(batch)[0], batch[0]["input_ids"][0].tolist()) for batch in batches]
    assert len({row for row, _ in together}) > 0.9 * len({row for row, _ in together})
    assert all(alone[row] == masked for row, masked in together if row in alone)


def test_a_packed_batch_says_where_each_sequence_begins(directories, tokenizer):
    examples = {tuple(row["input_ids"].tolist()): row for row in read_examples(directories / "packed").as_numpy_iterator()}
    batch = taken(training_batches(directories / "packed", tokenizer, 4)(0), 1)[0]
    x, targets, weights = batch
    for row, ids in enumerate(unmasked(batch)):
        lengths = examples[ids]["sequence_lengths"]
        starts = np.cumsum([0, *lengths])[:-1]
        count = len(lengths)
        assert x["first_positions"][row].tolist() == [*starts, *[0] * (x["first_positions"].shape[1] - count)]
        assert targets["nsp_logits"][row][:count].tolist() == examples[ids]["next_sentence_labels"].tolist()
        assert weights["nsp_logits"][row].tolist() == [1] * count + [0] * (x["first_positions"].shape[1] - count)
        assert x["sequence_ids"][row].tolist()[: len(ids)] == np.repeat(np.arange(count) + 1, lengths).tolist()


def test_evaluation_sees_each_row_once_with_the_same_masks(directories, tokenizer):
    batches = evaluation_batches(directories / "plain", tokenizer, 16)
    there = [tuple(row["input_ids"].tolist()) for row in read_examples(directories / "plain").as_numpy_iterator()]
    first, second = list(batches.as_numpy_iterator()), list(batches.as_numpy_iterator())
    assert [row for batch in first for row in unmasked(batch)] == there and int(batches.cardinality()) == len(first)
    assert_same(first, second)


def test_shapes_are_static(directories, tokenizer):
    spec = training_batches(directories / "packed", tokenizer, 4)(0).element_spec
    x, targets, weights = spec
    assert x["input_ids"].shape == (4, 64) and x["masked_positions"].shape == targets["mlm_logits"].shape
    assert all(None not in part.shape for part in [*x.values(), *targets.values(), *weights.values()])


def test_another_vocabulary_is_refused(directories):
    with pytest.raises(ValueError, match="was made with another vocabulary, of 37 pieces; this one has 36"):
        training_batches(directories / "plain", BertTokenizer(PIECES[:-1]), 4)
    with pytest.raises(ValueError, match="are full_sentences, without labels"):
        training_batches(directories / "sentences", BertTokenizer(PIECES), 4, next_sentence=True)


def test_words_by_a_function_of_the_ids(directories, tokenizer):
    """All tokens of a text go on with its first: one word, for which there is no room."""
    batches = training_batches(
        directories / "plain", tokenizer, 4, masking=MaskingSettings(unit="word"), continues=lambda ids: np.ones(len(ids), bool)
    )
    assert [batch[2]["mlm_logits"].sum() for batch in taken(batches(0), 2)] == [0, 0]
