"""What the sides of a masked language model share: sequences with masks, and batches of them, padded.

NumPy and the standard library only, as bert_common. Masks are of the sequence and its number: a side that packs has those of one that pads.
"""

import bert_common
import numpy as np
import side

PAD, CLS, SEP, MASK = 0, 101, 102, 103  # of bert-base-uncased's vocabulary
SHARE = 0.15


class PretrainingSide(bert_common.ClassifierSide):
    """A masked language model as a side that trains.

    Settings: as ClassifierSide with job "training"; sequences: path of a JSON list of lists of ids, in place of random ones of full length;
        sequence_count: how many of them. pad_to_max: pad to `length`, not to a batch's longest.
    """

    def make_batches(self):
        settings = self.settings
        if settings.get("sequences"):
            sequences = side.read_json(settings["sequences"])[: settings["sequence_count"]]
        else:
            sequences = [row.tolist() for batch in bert_common.random_batches(settings) for row in batch["input_ids"]]
        return self.batches_of([masked(sequence, number) for number, sequence in enumerate(sequences)])

    def batches_of(self, sequences):
        """Args: sequences: list of dicts that `masked` gives. Returns: list of batches, each a dict of int32 arrays."""
        size, length = self.settings["batch_size"], self.settings["length"] if self.settings.get("pad_to_max") else None
        return [batch_of(sequences[first : first + size], length) for first in range(0, len(sequences), size)]


def masked(ids, number):
    """Ask about 15 % of a sequence's tokens: 80 % of them become [MASK], 10 % a random piece.

    Returns: dict of int arrays: input_ids [tokens], masked_positions, masked_ids [masked].
    """
    generator = np.random.default_rng(number)
    before, ids = np.array(ids), np.array(ids)
    places = np.flatnonzero((before != CLS) & (before != SEP))
    chosen = np.sort(generator.permutation(places)[: max(1, round(SHARE * len(ids)))])
    draws = generator.random(len(chosen))
    random_ids = generator.integers(bert_common.FIRST_ID, bert_common.FIRST_ID + 1000, len(chosen))
    ids[chosen] = np.where(draws < 0.8, MASK, np.where(draws < 0.9, random_ids, before[chosen]))
    return {"input_ids": ids, "masked_positions": chosen, "masked_ids": before[chosen]}


def batch_of(rows, length=None):
    """Pad rows to the longest, or to a length. Returns: dict of int32 arrays [rows, length] and [rows, most masked]."""
    batch = {
        "input_ids": padded([row["input_ids"] for row in rows], length),
        "masked_positions": padded([row["masked_positions"] for row in rows]),
        "masked_ids": padded([row["masked_ids"] for row in rows]),
        "masked_weights": padded([np.ones(len(row["masked_ids"])) for row in rows]),
    }
    mask = padded([np.ones(len(row["input_ids"])) for row in rows], length)
    return batch | {"attention_mask": mask, "token_type_ids": np.zeros_like(mask)}


def padded(rows, length=None):
    """Returns: int32 [rows, length, or the longest]."""
    array = np.zeros([len(rows), length or max(map(len, rows))], "int32")
    for place, row in enumerate(rows):
        array[place, : len(row)] = row
    return array
