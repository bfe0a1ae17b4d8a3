"""Named entities of raw text, as a task of the suite inference: BertTagger.answer beside Transformers' pipeline of token classification.

Both have the same weights, in float32: --model's, or MiniLM's after --train_steps updates on WNUT-17. Texts are WNUT-17's test sentences,
their words joined by spaces, all in one call. Each side takes the fastest of its batch sizes. The pipeline gives a word its first piece's
tag (aggregation_strategy "first"), as the model is trained. Entities are compared before anything is timed.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import tempfile

from benchmarks import peers, quality, quality_ner, report, scaling
from benchmarks import text as text_lib

NAME = "ner"
PEERS = ("transformers_pipeline",)
TARGET = 3.0
BATCH_SIZES = (1, 8, 32, 128)
TRIALS = 2
LEAST_AGREEMENT = 0.99  # of entities: libraries disagree where a tie of two tags is, and where a lower-cased word has another length
LEAST_ENTITIES = 10


def add_arguments(parser, positive):
    parser.add_argument("--model", metavar="DIR", help="ner: a tagger that Transformers wrote or reads (default: one is trained)")
    steps = "ner: of that training (default: %(default)s, some minutes)"
    parser.add_argument("--train_steps", type=positive(int), default=150, metavar="N", help=steps)
    parser.add_argument("--texts", type=positive(int), metavar="N", help="ner: the first of the test sentences (default: all)")


def measure(options):
    """Yields: one row, a dict as --json writes it."""
    if PEERS[0] not in options.peers or "float32" not in options.dtype:
        raise peers.BenchmarkError(f"nothing to compare: --task {NAME} is beside {PEERS[0]}, in float32")
    python = peers.check_python(options.peers_python)
    with tempfile.TemporaryDirectory() as directory:
        texts = sentences(quality_ner.FILES["test"])[: options.texts]
        settings = {"texts": os.path.join(directory, "texts.json"), "batch_sizes": BATCH_SIZES}
        with open(settings["texts"], "w", encoding="utf-8") as file:
            json.dump(texts, file)
        settings["model"] = os.path.abspath(options.model) if options.model else train(options, directory)
        common = {"threads": options.threads, "settings": settings}
        with (
            peers.Side("keras_bert answer", "keras_bert_entities", **common) as own,
            peers.Side(PEERS[0], "transformers_entities", python=python, **common) as its,
        ):
            yield {
                "suite": "inference",
                "task": NAME,
                "side": own.name,
                "peer": its.name,
                "dtype": "float32",
                "target": TARGET,
                "model": options.model or f"{quality.latency.MINILM}, {options.train_steps} steps",
                "texts": len(texts),
                "threads": options.threads,
                "rounds": options.rounds,
                "versions": own.versions | its.versions,
                **compare(own, its, len(texts), options.rounds),
                **report.machine(),
            }


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


def compare(own, its, texts, rounds):
    """Compare entities, find each side's best batch size, and run them by turns. Returns: dict, what a row says of it."""
    compared = compare_entities(own, its, {"texts": texts, "calls": 1, "form": f"batch_{BATCH_SIZES[1]}"})
    requests = [{"texts": texts, "calls": 1, "form": f"batch_{best_batch_size(side, texts)}"} for side in (own, its)]
    for side, request in zip((own, its), requests, strict=True):
        scaling.warm_up(side, request)
    answers = peers.alternate(own, its, rounds, *requests)
    rates = [[texts / answer["seconds"] for answer in side] for side in answers]
    medians = [statistics.median(side) for side in rates]
    return {
        **compared,
        "batch_sizes": [int(request["form"].removeprefix("batch_")) for request in requests],
        "examples_per_second": medians[0],
        "peer_examples_per_second": medians[1],
        "entities_per_second": medians[0] * compared["entities"] / texts,
        "peer_entities_per_second": medians[1] * compared["peer_entities"] / texts,
        **report.compare(*rates),
    }


def best_batch_size(side, texts):
    """Returns: int, of BATCH_SIZES that by which all texts took least, in the better of some trials after a first."""
    seconds = {}
    for size in BATCH_SIZES:
        request = {"texts": texts, "calls": 1, "form": f"batch_{size}"}
        side.ask("run", **request)
        seconds[size] = min(side.ask("run", **request)["seconds"] for _ in range(TRIALS))
    print(f"{side.name}: " + ", ".join(f"batches of {size} {texts / spent:.1f}/s" for size, spent in seconds.items()), flush=True)
    return min(seconds, key=seconds.get)


def compare_entities(own, its, request):
    """Returns: dict: how many entities each finds, which share both find, by place and type, and the largest difference of their scores.

    Raises: BenchmarkError where they agree on less than LEAST_AGREEMENT, or find so few that it proves nothing.
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
    if agreement < LEAST_AGREEMENT:
        raise peers.BenchmarkError(f"{told}: {agreement:.2%}, under {LEAST_AGREEMENT:.0%}")
    difference = max(abs(ours[place] - theirs[place]) for place in both)
    return {"entities": len(ours), "peer_entities": len(theirs), "agreement": agreement, "difference": difference}


def placed(outputs):
    """Returns: dict of (text, start, end, type) -> score. Args: outputs: of a side, a list a text."""
    return {(text, start, end, kind): score for text, found in enumerate(outputs) for start, end, kind, score in found}


def table(rows):
    """Returns: Markdown."""
    row = rows[0]
    headings = ["ours", "peer", "batches of: ours, its", "texts/s: ours, its", "entities/s: ours, its", "ratio, median", "IQR"]
    headings += ["of the fastest", "target", "entities that agree", "largest difference of a score"]
    line = [
        row["side"],
        row["peer"],
        f"{row['batch_sizes'][0]}, {row['batch_sizes'][1]}",
        f"{row['examples_per_second']:.1f}, {row['peer_examples_per_second']:.1f}",
        f"{row['entities_per_second']:.1f}, {row['peer_entities_per_second']:.1f}",
        f"{row['ratio_median']:.2f}",
        f"{row['ratio_iqr']:.2f}",
        f"{row['ratio_fastest']:.2f}",
        f"≥ {row['target']:g}",
        f"{row['agreement']:.2%}",
        f"{row['difference']:.1e}",
    ]
    return "\n".join(
        [
            "",
            f"{row['cpu']}, {row['cores']} cores, {row['threads']} threads a side; Python {row['python']}; {row['date']}; "
            f"{row['rounds']} rounds",
            ", ".join(f"{name} {version}" for name, version in row["versions"].items()),
            f"{row['texts']} texts, {row['dtype']}, weights: {row['model']}",
            "",
            report.markdown_table(headings, [line]),
            "",
            "Rates are medians. Ratios are of neighbouring runs, above 1 where ours is faster; IQR is their third quartile less the "
            "first; of the fastest: of either side's fastest run.",
        ]
    )
