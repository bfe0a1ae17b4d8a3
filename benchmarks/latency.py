"""A few texts at a time, as a service is asked: milliseconds a call, strings in and answers out, with the same weights.

    python -m benchmarks latency --json latency.json --plot plots       # MiniLM's weights; about 10 minutes on 2 cores
    python -m benchmarks latency --texts 1 --peers saved_model          # without the peers' environment
    python -m benchmarks latency --random --layers 2 --hidden 128 --rounds 3

Ours is BertClassifier.predict and answer, and BertEmbedder.predict. Beside the classifier stand Transformers' pipeline of text
classification, with a call's texts in one batch ("pipeline") and as it comes, a text at a time ("pipeline_default"), and the SavedModel
that the classifier itself exports, in the same process: the model's own time. Beside the embedder stands SentenceTransformer.encode.
All compute in float32. Texts are real film reviews, others in each call of a run. Outputs are compared before anything is timed.
"""

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import numpy as np

from benchmarks import bert, peers, report
from benchmarks import text as text_lib

NAME = "latency"
HELP = "1, 4 and 32 texts a call: ms beside Transformers' pipeline, sentence-transformers and the exported model"
TEXTS = (1, 4, 32)
LEAST_CALLS = 5
REVIEWS = peers.ROOT / "examples" / "data" / "sentence_polarity"
MINILM = "all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Peer:
    """Args: script: None is our own process. form: which of its forms. beside: ours that it is compared with. settings: further ones."""

    name: str
    script: str | None
    form: str
    beside: tuple
    settings: dict
    least_texts: int = 1


CLASSIFIERS, EMBEDDERS = ("predict", "answer"), ("embed",)
SAVED_MODEL = Peer("saved_model", None, "saved_model", CLASSIFIERS, {})
ALL = (
    SAVED_MODEL,
    Peer("pipeline", "transformers_pipeline", "classify", CLASSIFIERS, {"batch": True}),
    Peer("pipeline_default", "transformers_pipeline", "classify", CLASSIFIERS, {"batch": False}, least_texts=2),  # of 1 text, the same
    Peer("sentence_transformers", "sentence_transformers_encode", "embed", EMBEDDERS, {}),
)
PEERS = tuple(peer.name for peer in ALL)

MAY_DIFFER = {"predict": 1e-4, "answer": 1e-4, "embed": 1e-5}  # of probabilities; of 1 - the cosine
MUST_DIFFER = 1e-2  # of what two texts are given: the same for all would agree with anything
MORE_THAN_MODEL, MORE_SECONDS = 1.2, 1e-3  # what one text may cost: so many times the model's own time, and so much


def target(peer, texts, peer_seconds):
    """Returns: how many times as fast as the peer a call of ours means to be at least, or None. Args: peer_seconds: of its call."""
    if peer is SAVED_MODEL:
        return peer_seconds / (MORE_THAN_MODEL * peer_seconds + MORE_SECONDS) if texts == 1 else None
    return 1.0 if texts == 1 or texts >= TEXTS[-1] else None


def add_arguments(parser, positive):
    cores = len(peers.cores())
    parser.add_argument("--texts", nargs="+", type=positive(int), default=list(TEXTS), metavar="N", help="a call (default: 1 4 32)")
    calls = f"of 1 text in a run; of more texts fewer, {LEAST_CALLS} at least (default: %(default)s)"
    parser.add_argument("--calls", type=positive(int), default=30, metavar="N", help=calls)
    parser.add_argument("--random", action="store_true", help=f"random weights, in place of {MINILM}'s, which are fetched once")
    parser.add_argument("--layers", type=positive(int), default=6, metavar="N", help="of --random (default: %(default)s)")
    parser.add_argument("--hidden", type=positive(int), default=384, metavar="N", help="of --random (default: %(default)s)")
    parser.add_argument("--threads", type=positive(int), default=cores, metavar="N", help="of each side (default: all cores, %(default)s)")
    # A service's cores do sleep between requests. A busy loop on every core slows a library that wakes threads for each product, as
    # TensorFlow does: of one text from 1.0 to 0.8 of PyTorch's speed.
    parser.set_defaults(length=128, keep_awake=False)


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    chosen = [peer for peer in ALL if peer.name in options.peers]
    python = peers.check_python(options.peers_python) if any(peer.script for peer in chosen) else None
    wanted = [(peer, texts) for peer in chosen for texts in options.texts if texts >= peer.least_texts]
    if not wanted:
        raise peers.BenchmarkError("nothing to compare: of 1 text a call, pipeline_default is what pipeline is")
    with tempfile.TemporaryDirectory() as directory:
        settings = write_weights(options, directory) | {"texts": os.path.join(directory, "texts.json")}
        with open(settings["texts"], "w", encoding="utf-8") as file:
            json.dump(reviews(max(texts * calls_of(texts, options.calls) for _, texts in wanted)), file)
        with open(os.path.join(settings["classifier"], "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        ours = settings | {"scratch": os.path.join(directory, "saved_model")}
        with peers.Side("keras_bert", "keras_bert_latency", threads=options.threads, settings=ours) as own:
            lengths = own.ask("run", measure="lengths")["lengths"]
            for peer in chosen:
                with side_of(peer, own, python, options.threads, settings) as its:
                    for texts in (texts for of, texts in wanted if of is peer):
                        for form in peer.beside:
                            yield {
                                "suite": NAME,
                                "side": f"keras_bert {form}",
                                "peer": peer.name,
                                "dtype": "float32",
                                "weights": settings["weights"],
                                "layers": config["num_hidden_layers"],
                                "hidden": config["hidden_size"],
                                "mean_length": statistics.mean(lengths),
                                "threads": options.threads,
                                "rounds": options.rounds,
                                "versions": own.versions | its.versions,
                                **compare(own, its, form, peer, texts, options),
                                **report.machine(),
                            }


def side_of(peer, own, python, threads, settings):
    """Returns: context manager of the peer's Side, which may be our own."""
    if peer.script is None:
        return contextlib.nullcontext(own)
    return peers.Side(peer.name, peer.script, threads=threads, python=python, settings=settings | peer.settings)


def compare(own, its, form, peer, texts, options):
    """Compare outputs, warm both up, and run them by turns. Returns: dict, what a row says of one form and number of texts."""
    calls = calls_of(texts, options.calls)
    requests = [{"form": each, "texts": texts, "calls": calls} for each in (form, peer.form)]
    difference = compare_outputs(own, its, peer.name, *requests)
    for side, request in zip((own, its), requests, strict=True):
        peers.warm_up(side, request)
    answers = peers.alternate(own, its, options.rounds, *requests)
    rates = [[calls / answer["seconds"] for answer in side] for side in answers]
    seconds = [1 / statistics.median(side) for side in rates]
    return {
        "texts": texts,
        "calls": calls,
        "milliseconds": 1e3 * seconds[0],
        "peer_milliseconds": 1e3 * seconds[1],
        "target": target(peer, texts, seconds[1]),
        "difference": difference,
        **report.compare(*rates),
    }


def calls_of(texts, calls):
    """Returns: how many calls of so many texts make a run. Args: calls: of one text."""
    return max(LEAST_CALLS, calls // texts)


def compare_outputs(own, its, name, own_request, its_request):
    """Compare what both give for the very calls that will be timed, so that nobody is fast and wrong.

    Returns: float: of embeddings, the largest 1 - cosine; else the largest difference of a probability.
    Raises: BenchmarkError where that is over MAY_DIFFER, or where all texts are given the same.
    """
    ours, theirs = (np.array(side.ask("outputs", **request)["outputs"]) for side, request in ((own, own_request), (its, its_request)))
    form = own_request["form"]
    if form in EMBEDDERS:
        difference = cosine_difference(ours, theirs)
    else:
        difference = float(np.abs(ours - theirs).max())
    told = f"{form} and {name}, {own_request['texts']} texts a call"
    if not difference <= MAY_DIFFER[form]:
        raise peers.BenchmarkError(f"{told}: outputs differ by {difference:.2g}, over {MAY_DIFFER[form]:g}")
    if not np.ptp(theirs, axis=0).max() >= MUST_DIFFER:
        raise peers.BenchmarkError(f"{told}: all texts are given the same, which proves nothing")
    return difference


def cosine_difference(ours, theirs):
    """Returns: float, the largest 1 - cosine of two vectors of one text. Args: float arrays [texts, features]."""
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(np.max(1 - np.sum(ours * theirs, axis=1) / norms))


def write_weights(options, directory, **settings):
    """Write a classifier and an embedder of one encoder.

    Args: settings: further ones of sides/keras_bert_weights.py.
    Returns: dict: their directories by name, and "weights": whose they are.
    """
    pretrained = None if options.random else get_minilm()
    paths = {name: os.path.join(directory, name) for name in ("classifier", "embedder")}
    settings |= {
        "pretrained": pretrained,
        "config": bert.config_of(options),
        "vocabulary": str(bert.VOCABULARY),
        "hugging_face": paths["classifier"],
        "embedder": paths["embedder"],
        "model_garden": None,
        "trained": pretrained is None,
    }
    with peers.Side("weights", "keras_bert_weights", threads=options.threads, settings=settings):
        pass
    return paths | {"weights": MINILM if pretrained else "random"}


def get_minilm():
    """Returns: path of MiniLM's directory; None, after saying why, where it is neither here nor to be fetched."""
    command = [sys.executable, str(peers.ROOT / "examples" / "minilm.py")]
    environment = os.environ | {"PYTHONPATH": str(peers.ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{done.stderr.rstrip()}\nWeights are random therefore, of --layers and --hidden.", file=sys.stderr, flush=True)
        return None
    return done.stdout.rstrip().split("\n")[-1]


def reviews(count):
    """Returns: list of str, film reviews, the same in every run. Raises: BenchmarkError where there are fewer."""
    lines = text_lib.read_lines(sorted(REVIEWS.glob("*.tsv.gz")))
    if len(lines) < count:
        raise peers.BenchmarkError(f"--texts and --calls want {count} texts of one run, and there are {len(lines)}")
    return random.Random(0).sample(lines, count)


def table(rows):
    """Returns: Markdown."""
    first = rows[0]
    versions = {name: version for row in rows for name, version in row["versions"].items()}
    headings = [
        "ours",
        "peer",
        "texts",
        "calls a run",
        "ours ms",
        "peer ms",
        "ratio, median",
        "IQR",
        "of the fastest",
        "target",
        "difference",
    ]
    lines = [
        [
            row["side"],
            row["peer"],
            str(row["texts"]),
            str(row["calls"]),
            f"{row['milliseconds']:.2f}",
            f"{row['peer_milliseconds']:.2f}",
            f"{row['ratio_median']:.2f}",
            f"{row['ratio_iqr']:.2f}",
            f"{row['ratio_fastest']:.2f}",
            f"≥ {row['target']:.2f}" if row["target"] else "",
            f"{row['difference']:.1e}",
        ]
        for row in rows
    ]
    return "\n".join(
        [
            "",
            f"{first['cpu']}, {first['cores']} cores, {first['threads']} threads a side; Python {first['python']}; {first['date']}; "
            f"{first['rounds']} rounds",
            ", ".join(f"{name} {version}" for name, version in versions.items()),
            f"{first['layers']} layers of {first['hidden']}, weights: {first['weights']}, {first['dtype']}; texts of "
            f"{first['mean_length']:.0f} tokens in the mean",
            "",
            report.markdown_table(headings, lines),
            "",
            "Milliseconds are of a call, medians. Ratios are of neighbouring runs, above 1 where ours is faster; IQR is their third "
            "quartile less the first; of the fastest: of either side's fastest run. Beside saved_model, the exported model itself, one "
            f"text's target is that a call takes at most {MORE_THAN_MODEL} times its time and {1e3 * MORE_SECONDS:g} ms. The difference "
            "is the largest of a probability, and of embeddings the largest 1 - cosine.",
        ]
    )


def plot(rows, directory):
    """Returns: paths of what was drawn: the ratios."""
    labels = [f"{row['side']} / {row['peer']}, {row['texts']} texts" for row in rows]
    title = f"Latency, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
    return [report.plot_ratios(rows, labels, os.path.join(directory, f"{NAME}.png"), title)]
