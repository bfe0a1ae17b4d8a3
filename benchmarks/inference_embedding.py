"""Vectors of raw text, as a task of the suite inference: BertEmbedder.predict beside SentenceTransformer.encode.

Both have the same weights, in float32: --model's, or MiniLM's, which takes 256 tokens of a text at most. Texts are of mixed lengths: as
many contexts of XQuAD as film reviews of sentence_polarity and utterances of clinc150, in random order. They are embedded all in one call,
by the fastest of each side's batch sizes (both batch texts of like length); and one a call. Vectors are compared before anything is timed.
"""

import os
import random
import tempfile

import numpy as np

from benchmarks import inference_qa, inference_text, latency, peers
from benchmarks import text as text_lib

NAME = "embedding"
PEERS = ("sentence_transformers",)
TARGET, SINGLES_TARGET = 1.5, 1.0
SINGLES = 64  # calls of a run
MAX_LENGTH = 256  # all-MiniLM-L6-v2's
CLINC = peers.ROOT / "examples" / "data" / "clinc150"
MAY_DIFFER = 1e-4  # of 1 - the cosine


def measure(options):
    """Yields: two rows, dicts as --json writes them: of all texts in one call, and of one a call."""
    inference_text.check(options, NAME, PEERS[0])
    with tempfile.TemporaryDirectory() as directory:
        given = texts()[: options.texts]
        if options.model:
            weights = {"embedder": os.path.abspath(options.model), "weights": options.model}
        else:
            weights = latency.write_weights(options, directory, embedder_length=MAX_LENGTH)
        scripts = ("keras_bert predict", "keras_bert_embed"), (PEERS[0], "sentence_transformers_encode")
        with inference_text.two_sides(options, *scripts, given, directory, {"embedder": weights["embedder"]}) as (own, its):
            row = inference_text.row_of(options, NAME, own, its, TARGET, weights["weights"])
            lengths = own.ask("run", measure="lengths")["lengths"]
            row |= {"mean_length": sum(lengths) / len(lengths), "longest": max(lengths)}
            row |= {"difference": compare_vectors(own, its, len(given))}
            yield row | inference_text.time_all(own, its, len(given), options.rounds)
            row["target"] = SINGLES_TARGET
            yield row | inference_text.time_singles(own, its, min(SINGLES, len(given)), options.rounds)


def texts():
    """Returns: list of str, as many of each kind, the same in every run."""
    generator = random.Random(0)
    contexts = list(dict.fromkeys(context for path in inference_qa.DATA.values() for _, context, _ in inference_qa.questions(path)))
    others = [text_lib.read_lines(sorted(folder.glob("*.tsv.gz"))) for folder in (latency.REVIEWS, CLINC)]
    mixed = [text for lines in (contexts, *others) for text in generator.sample(lines, len(contexts))]
    return generator.sample(mixed, len(mixed))


def compare_vectors(own, its, count):
    """Returns: float, the largest 1 - cosine of the two vectors of a text.

    Raises: BenchmarkError where that is over MAY_DIFFER, or where all texts are given the same vector.
    """
    request = inference_text.request_of(count, inference_text.BATCH_SIZES[1])
    ours, theirs = (np.array(side.ask("outputs", **request)["outputs"]) for side in (own, its))
    difference = latency.cosine_difference(ours, theirs)
    if not difference <= MAY_DIFFER:
        raise peers.BenchmarkError(f"vectors of {own.name} and {its.name} differ by {difference:.2g} (1 - cosine), over {MAY_DIFFER:g}")
    if not np.ptp(theirs, axis=0).max() >= latency.MUST_DIFFER:
        raise peers.BenchmarkError(f"{count} texts are given the same vector, which proves nothing: give more --texts, or another --model")
    return difference


def table(rows):
    """Returns: Markdown."""
    columns = {
        "largest 1 - cosine": lambda row: f"{row['difference']:.1e}",
        "tokens of a text: mean, longest": lambda row: f"{row['mean_length']:.0f}, {row['longest']}",
    }
    return inference_text.table(rows, columns)
