"""The most memory that fine-tuning a BERT classifier takes, beside every peer; and what rematerialisation saves of BERT-large's, and costs.

    python -m benchmarks memory --rounds 3 --json memory.json        # BERT-base and BERT-large; about 40 minutes on 2 cores, 24 GB
    python -m benchmarks memory --parts rematerialize --dtype bfloat16 --rounds 1
    python -m benchmarks memory --parts peers --rematerialize --peers transformers_compile

Each figure is of a fresh process, of all that it held: libraries, weights, AdamW's moments, gradients and activations. Part "peers" is a
batch of the given size with the same weights (--rematerialize: ours with that option), "rematerialize" BERT-large's size with that
option beside the same without. Processes take turns, one at a time, since two of BERT-large would not fit into 24 GB.
"""

import os
import statistics
import tempfile

from benchmarks import bert, peers, report
from benchmarks.bert import ERF, TANH

NAME = "memory"
HELP = "peak memory of fine-tuning a BERT beside peers, and of BERT-large with rematerialisation"
DTYPES = ("float32", "bfloat16")
PARTS = ("peers", "rematerialize")

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
ALL = (
    bert.Peer("keras_hub_fit", "keras_hub_classifier", {"form": "fit", "jit_compile": False}, TANH, POLICIES),
    bert.Peer("model_garden", "model_garden_classifier", {}, TANH, POLICIES),
    bert.Peer("transformers_eager", "transformers_classifier", {"compile": False}, ERF, POLICIES),
    bert.Peer("transformers_compile", "transformers_classifier", {"compile": True}, ERF, POLICIES),
)
PEERS = tuple(peer.name for peer in ALL)
PLAIN = "keras_bert fit"  # what rematerialisation stands beside
REMATERIALIZED = f"{PLAIN}, rematerialize=True"
TARGET_RATIO, TARGET_GB = 1.0, 16
RUNS = 2  # in a process: the first traces and allocates, the second shows a step's time


def add_arguments(parser, positive):
    bert.add_arguments(parser, positive, dtypes=DTYPES, batches=2)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: both")
    parser.add_argument("--rematerialize", action="store_true", help="ours so in part peers, too")
    parser.add_argument("--large_layers", type=positive(int), default=24, metavar="N", help="(default: %(default)s, as BERT-large)")
    parser.add_argument("--large_hidden", type=positive(int), default=1024, metavar="N", help="a multiple of 64 (default: %(default)s)")
    parser.add_argument("--large_batch_size", type=positive(int), default=8, metavar="N", help="rows (default: %(default)s)")


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    if "peers" in options.parts:
        yield from beside_peers(options)
    if "rematerialize" in options.parts:
        yield from rematerialized(options)


def beside_peers(options):
    """Yields: a row for each dtype and peer; ratio_median is the peer's memory over ours."""
    python = peers.check_python(options.peers_python)
    chosen = [peer for peer in ALL if peer.name in options.peers]
    settings = bert.settings_of(options) | {"job": "training"}
    name = REMATERIALIZED if options.rematerialize else PLAIN
    with tempfile.TemporaryDirectory() as directory:
        weights = bert.Weights(options, directory, model_garden=any(peer.script.startswith("model_garden") for peer in chosen))
        for dtype in options.dtype:
            for peer in chosen:
                common = settings | weights.settings(peer.hidden_act) | {"policy": POLICIES[dtype]}
                own, its = in_turns(
                    options,
                    (name, "keras_bert_classifier", None, common | {"form": "fit", "rematerialize": options.rematerialize}),
                    (peer.name, peer.script, python, common | peer.settings),
                )
                row = bert.row_of(NAME, options, name, peer, dtype, TARGET_RATIO) | {"ratio_of": "memory"}
                # A rate here is how many such processes a byte would hold: more is better, as compare wants it.
                yield (
                    row | summary(own, its) | report.compare([1 / run["peak_bytes"] for run in own], [1 / run["peak_bytes"] for run in its])
                )


def rematerialized(options):
    """Yields: a row for each dtype; ratio_median is of speed, with rematerialisation over without."""
    large = type(options)(**vars(options) | {"layers": options.large_layers, "hidden": options.large_hidden, "batches": 1})
    large.batch_size = options.large_batch_size
    settings = bert.settings_of(large) | {"job": "training", "form": "fit"}
    for dtype in options.dtype:
        plain = bert.Peer(PLAIN, "keras_bert_classifier", {}, TANH, POLICIES)
        common = settings | {"policy": POLICIES[dtype]}
        own, its = in_turns(
            large,
            (REMATERIALIZED, plain.script, None, common | {"rematerialize": True}),
            (PLAIN, plain.script, None, common | {"rematerialize": False}),
        )
        row = bert.row_of(NAME, large, REMATERIALIZED, plain, dtype, None) | {"ratio_of": "speed", "target_gb": TARGET_GB}
        yield row | summary(own, its) | report.compare([1 / run["seconds"] for run in own], [1 / run["seconds"] for run in its])


def in_turns(options, own, its):
    """Run both by turns, each in fresh processes. Args: own, its: name, script, interpreter, settings. Returns: two lists of answers."""
    answers = [], []
    for _ in range(options.rounds):
        for of_side, (name, script, python, settings) in zip(answers, (own, its), strict=True):
            with peers.Side(name, script, threads=options.threads, python=python, settings=settings) as side:
                answer = [side.ask("run") for _ in range(RUNS)][-1]
                if answer["peak_bytes"] is None:
                    raise peers.BenchmarkError("this system does not say how much memory a process has held (/proc/self/status)")
                of_side.append(answer | {"versions": side.versions})
    return answers


def summary(own, its):
    """Returns: dict of medians, and versions."""
    return {
        "peak_bytes": statistics.median(run["peak_bytes"] for run in own),
        "peer_peak_bytes": statistics.median(run["peak_bytes"] for run in its),
        "seconds": statistics.median(run["seconds"] for run in own),
        "peer_seconds": statistics.median(run["seconds"] for run in its),
        "versions": own[0]["versions"] | its[0]["versions"],
    }


def table(rows):
    """Returns: Markdown."""
    headings = ["ours", "peer", "dtype", "batch and model", "ours GB", "peer GB", "target", "ours s", "peer s", "ratio, median", "IQR"]
    lines = [
        [
            row["side"],
            row["peer"],
            row["dtype"],
            f"{row['batch_size']} × {row['length']}, {row['layers']} layers of {row['hidden']}",
            f"{row['peak_bytes'] / 1e9:.2f}",
            f"{row['peer_peak_bytes'] / 1e9:.2f}",
            f"≤ {row['target_gb']} GB" if "target_gb" in row else "≤ peer",
            f"{row['seconds'] / row['batches']:.2f}",
            f"{row['peer_seconds'] / row['batches']:.2f}",
            f"{row['ratio_median']:.2f} ({row['ratio_of']})",
            f"{row['ratio_iqr']:.2f}",
        ]
        for row in rows
    ]
    footer = (
        "Memory is the most that the process held (VmHWM); seconds are of a step. Ratios above 1: ours takes less memory, or is faster."
    )
    return "\n".join([bert.header(rows), report.markdown_table(headings, lines), "", footer])


def plot(rows, directory):
    """Returns: paths of what was drawn: a bar chart for memory and one for rematerialisation's speed, where they were measured."""
    paths = []
    for kind, xlabel in (("memory", "times the memory that ours takes"), ("speed", "times as fast as without rematerialisation")):
        chosen = [row for row in rows if row["ratio_of"] == kind]
        if chosen:
            labels = [f"{row['side']} / {row['peer']}, {row['dtype']}" for row in chosen]
            title = f"Training memory, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
            paths.append(report.plot_ratios(chosen, labels, os.path.join(directory, f"{NAME}_{kind}.png"), title, xlabel=xlabel))
    return paths
