"""Named entities of raw text, as a task of the suite inference: BertTagger.answer beside Transformers' pipeline of token classification.

Both have the same weights and dtype: --model's, or MiniLM's after --train_steps updates on WNUT-17. Texts are WNUT-17's test sentences,
their words joined by spaces, all in one call. Each side takes the fastest of its batch sizes. The pipeline gives a word its first piece's
tag (aggregation_strategy "first"), as the model is trained. Entities are compared before anything is timed.
"""

import argparse
import os
import pathlib
import re
import tempfile

from benchmarks import inference_text, peers, quality, quality_ner
from benchmarks import text as text_lib

NAME = "ner"
PEERS = ("transformers_pipeline",)
TARGET = 3.0
# Of entities: libraries disagree where a tie of two tags is, and where a lower-cased word has another length. In bfloat16 near ties are
# many: products are rounded in another order.
LEAST_AGREEMENT = {"float32": 0.99, "bfloat16": 0.9}
LEAST_ENTITIES = 10


def measure(options):
    """Yields: a row for each dtype, dicts as --json writes them."""
    inference_text.check(options, NAME, PEERS[0], tuple(LEAST_AGREEMENT))
    with tempfile.TemporaryDirectory() as directory:
        texts = sentences(quality_ner.FILES["test"])[: options.texts]
        model = os.path.abspath(options.model) if options.model else train(options, directory)
        weights = options.model or f"{quality.latency.MINILM}, {options.train_steps} steps"
        scripts = ("keras_bert answer", "keras_bert_entities"), (PEERS[0], "transformers_entities")
        for dtype in (each for each in LEAST_AGREEMENT if each in options.dtype):
            with inference_text.two_sides(options, *scripts, texts, directory, {"model": model, "dtype": dtype}) as (own, its):
                row = inference_text.row_of(options, NAME, own, its, TARGET, weights, dtype)
                yield row | compare(own, its, len(texts), options.rounds, LEAST_AGREEMENT[dtype])


def train(options, directory):
    """Fine-tune a tagger for some steps. Returns: path of a Transformers directory. Raises: BenchmarkError without MiniLM's weights."""
    defaults = {"random": False, "layers": 6, "hidden": 384, "length": 512, "epochs": None, "batch_size": None, "learning_rate": None}
    defaults |= dict.fromkeys(quality_ner.FILES)
    settings = quality.prepare(quality_ner, argparse.Namespace(**defaults, threads=options.threads), directory)
    if settings["pretrained"] is None:
        raise peers.BenchmarkError("a tagger of random weights finds nonsense: name a trained one by --model")
    settings["epochs"] = -(-options.train_steps * settings["batch_size"] // settings["examples"])
    path = os.path.join(directory, "trained")
    with quality.side_of("training", quality_ner.OWN, None, options, settings) as side:
        answer = side.ask("run", steps=quality.steps_of(settings, 0, options.train_steps), seed=0)
        side.ask("run", save=path)
    print(f"trained for {options.train_steps} steps in {answer['seconds']:.0f} s; mean loss {answer['loss']:.3f}", flush=True)
    return path


def sentences(path):
    """Returns: list of str: the words of CoNLL columns, joined by spaces."""
    blocks = re.split(r"\n\s*\n", text_lib.read_file(pathlib.Path(path)).strip())
    return [" ".join(line.split("\t")[0] for line in block.split("\n")) for block in blocks]


def compare(own, its, texts, rounds, least_agreement):
    """Compare entities, then time both sides. Returns: dict, what a row says of it."""
    compared = compare_entities(own, its, inference_text.request_of(texts, 8), least_agreement)
    timed = inference_text.time_all(own, its, texts, rounds)
    return {
        **compared,
        **timed,
        "entities_per_second": timed["examples_per_second"] * compared["entities"] / texts,
        "peer_entities_per_second": timed["peer_examples_per_second"] * compared["peer_entities"] / texts,
    }


def compare_entities(own, its, request, least_agreement):
    """Returns: dict: how many entities each finds, which share both find, by place and type, and the largest difference of their scores.

    Raises: BenchmarkError where they agree on less than least_agreement, or find so few that it proves nothing.
    """
    ours, theirs = ({**placed(side.ask("outputs", **request)["outputs"])} for side in (own, its))
    both = ours.keys() & theirs.keys()
    agreement = 2 * len(both) / max(len(ours) + len(theirs), 1)
    if min(len(ours), len(theirs)) < LEAST_ENTITIES:
        found = f"{own.name} finds {len(ours)} entities, {its.name} {len(theirs)}"
        raise peers.BenchmarkError(f"{found}: fewer than {LEAST_ENTITIES} prove nothing: train longer, or name a tagger by --model")
    only = sorted(ours.keys() ^ theirs.keys())
    told = f"{own.name} finds {len(ours)} entities, {its.name} {len(theirs)}, of which {len(both)} are the same"
    print("; ".join([told, *(f"text {text}, {start} to {end}, {kind}: one only" for text, start, end, kind in only[:5])]), flush=True)
    if agreement < least_agreement:
        raise peers.BenchmarkError(f"{told}: {agreement:.2%}, under {least_agreement:.0%}")
    difference = max(abs(ours[place] - theirs[place]) for place in both)
    return {"entities": len(ours), "peer_entities": len(theirs), "agreement": agreement, "difference": difference}


def placed(outputs):
    """Returns: dict of (text, start, end, type) -> score. Args: outputs: of a side, a list a text."""
    return {(text, start, end, kind): score for text, found in enumerate(outputs) for start, end, kind, score in found}


def table(rows):
    """Returns: Markdown."""
    columns = {
        "entities/s: ours, its": lambda row: f"{row['entities_per_second']:.1f}, {row['peer_entities_per_second']:.1f}",
        "entities that agree": lambda row: f"{row['agreement']:.2%}",
        "largest difference of a score": lambda row: f"{row['difference']:.1e}",
    }
    return inference_text.table(rows, columns)
