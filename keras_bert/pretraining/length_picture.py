"""How long examples are, and how much of a batch is padding, as a picture."""

import os
import warnings

import numpy as np
import tensorflow as tf

from keras_bert.files import replaced_file
from keras_bert.pretraining.manifest import read_manifest
from keras_bert.pretraining.packing import pack_first_fit
from keras_bert.pretraining.records import SEQUENCE_LENGTHS

LENGTHS = "lengths.png"
_MOST_ROWS = 100_000  # that are read for it


def draw_lengths(directory, path=None):
    """Draw histograms of the examples' lengths, and of the padding of rows: each example in a row of its own, and packed.

    Examples that are not packed are shown as packing them would pad. Of a large directory some files are read, evenly chosen.

    Args: directory: that prepare_pretraining_data wrote. path: PNG file; None: lengths.png in the directory.
    Returns: the path; None without matplotlib, which a warning tells.
    Raises: FileNotFoundError where the directory is not complete.
    """
    manifest = read_manifest(directory)
    try:
        from matplotlib.figure import Figure  # without pyplot: it draws to files, and leaves the user's backend alone
    except ImportError:
        warnings.warn(f'{LENGTHS} needs matplotlib: pip install "keras3-bert[plot]"', stacklevel=2)
        return None
    settings = manifest["settings"]
    lengths, rows = _lengths_of(directory, manifest)
    before, after = padding_of_rows(lengths, rows, settings)
    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    of_lengths, of_padding = figure.subplots(1, 2)
    of_lengths.hist(lengths, bins=np.linspace(0, settings["max_length"], 33), color="C0")
    of_lengths.set_xlabel("tokens of an example")
    of_lengths.set_ylabel("examples")
    named = (("each example in a row", before), ("packed" if settings["pack"] else "as packing would have it", after))
    for number, (name, (slots, padded)) in enumerate(named):
        label = f"{name}: {padded.sum() / max(slots * len(padded), 1):.1%} padding, {len(padded):,} rows"
        of_padding.hist(padded / slots, bins=np.linspace(0, 1, 33), color=f"C{number}", alpha=0.6, label=label)
    of_padding.set_xlabel("share of a row that is padding")
    of_padding.set_ylabel("rows")
    of_padding.legend(fontsize="small")
    total = manifest["totals"]["sequences"]
    figure.suptitle(f"{len(lengths):,} examples" + ("" if len(lengths) == total else f" of {total:,}"))
    path = os.path.join(os.fspath(directory), LENGTHS) if path is None else os.fspath(path)
    with replaced_file(path) as aside:
        figure.savefig(aside, format="png")
    return path


def padding_of_rows(lengths, rows, settings):
    """Count the padding of each row, before and after packing.

    Args: lengths: ints [sequences]. rows: ints [sequences], which row each is in. settings: dict, of the manifest.
    Returns: two of (slots of a row, int array [rows], those that are padding): each sequence by itself; packed.
    """
    longest = settings["max_length"]
    before = longest, longest - lengths
    if settings["pack"]:
        return before, (settings["row_length"], settings["row_length"] - np.bincount(rows, weights=lengths).astype("int64"))
    packed = [lengths[row].sum() for row in pack_first_fit(lengths, longest)]
    return before, (longest, longest - np.array(packed, "int64"))


def _lengths_of(directory, manifest):
    """Returns: int64 [sequences], the length of each; int64 [sequences], which of the rows that were read it is in."""
    files = [file for shard in manifest["shards"] for file in shard["files"]]
    step = max(1, -(-sum(file["rows"] for file in files) // _MOST_ROWS))
    paths = [os.path.join(directory, file["name"]) for file in files[::step]]
    lengths, counts = [np.zeros(0, "int64")], [np.zeros(0, "int64")]
    for records in tf.data.TFRecordDataset(paths, "GZIP").batch(4096):
        parsed = tf.io.parse_example(records, {SEQUENCE_LENGTHS: tf.io.RaggedFeature(tf.int64)})[SEQUENCE_LENGTHS]
        lengths.append(parsed.values.numpy())
        counts.append(parsed.row_lengths().numpy())
    counts = np.concatenate(counts)
    return np.concatenate(lengths), np.repeat(np.arange(len(counts)), counts)
