"""A classifier behind a server: requests a second and times of an answer, for one client and for several at the same time.

    python -m benchmarks serving --json serving.json --plot plots       # BERT-base; about half an hour on 2 cores
    python -m benchmarks serving --layers 2 --hidden 128 --rounds 3 --dtype float32     # some minutes
    python -m benchmarks serving --peers cpp_loader --clients 1         # without the peers' environment

Ours is `python -m export.local_server`. Beside it stand FastAPI servers over Transformers, eager and compiled, whose every request is one
call of the model; KerasHub's model, exported from strings and served by our server; and the C++ program of tests/export, which has no
network, for one client. All have the same weights and the same cores; texts are film reviews, one to six of them joined. In bfloat16, where
the processor has it, ours is of frozen weights. Probabilities are compared before anything is timed.
"""

import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
from dataclasses import dataclass

import numpy as np

from benchmarks import bert, latency, peers, report
from benchmarks.servers import MODEL, Server, share_below

NAME = "serving"
HELP = "1, 4 and 16 clients of a server: requests/s and latency beside FastAPI with Transformers, KerasHub's export and C++"
CLIENTS = (1, 4, 16)
DTYPES = ("float32", "bfloat16")
LEAST_REQUESTS = 24
LENGTH = 128  # most tokens of a text
TEXTS = 96
JOINED = (1, 1, 1, 2, 2, 3, 4, 6)  # reviews of a text, drawn from these

FASTAPI, KERAS_HUB, CPP = "fastapi", "keras_hub", "cpp"


@dataclass(frozen=True)
class Peer:
    """Args: kind: FASTAPI, KERAS_HUB or CPP. compile: of FASTAPI, torch.compile."""

    name: str
    kind: str
    hidden_act: str
    dtypes: tuple
    compile: bool = False


ALL = (
    Peer("fastapi_eager", FASTAPI, bert.ERF, DTYPES),
    Peer("fastapi_compile", FASTAPI, bert.ERF, DTYPES, compile=True),
    Peer("keras_hub_export", KERAS_HUB, bert.TANH, DTYPES),
    Peer("cpp_loader", CPP, bert.ERF, DTYPES),
)
PEERS = tuple(peer.name for peer in ALL)

MAY_DIFFER = {"float32": 1e-4, "bfloat16": 0.1}  # of a probability
MUST_DIFFER = 1e-2  # of what two texts are given: the same for all would agree with anything
MOST_STARTUP_SECONDS = {"keras_bert": 12.0, "cpp_loader": 5.0}  # to the first answer


def target(peer, clients):
    """Returns: ours beside the peer, at least: (of requests a second, of the median time of an answer), or None each."""
    if peer.kind == CPP:
        return None, None
    return 1.5 if clients >= CLIENTS[-1] else None, 1.0 if clients == 1 else None


def add_arguments(parser, positive):
    parser.add_argument("--clients", nargs="+", type=positive(int), default=list(CLIENTS), metavar="N", help="(default: 1 4 16)")
    requests = f"of a run with {CLIENTS[-1]} clients; with fewer, fewer, {LEAST_REQUESTS} at least (default: %(default)s)"
    parser.add_argument("--requests", type=positive(int), default=96, metavar="N", help=requests)
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=dtypes_here(), help="(default: those that the processor has)")
    parser.add_argument("--server_flags", nargs="+", default=[], metavar="WORD", help="of our server, without their dashes: NAME=VALUE")
    bert.add_size_arguments(parser, positive)
    parser.set_defaults(length=LENGTH, keep_awake=False)  # a service's cores do sleep between requests


def dtypes_here(path="/proc/cpuinfo"):
    """Returns: list, of DTYPES those for which the processor has products."""
    try:
        with open(path, encoding="utf-8") as file:
            flags = set(next(line for line in file if line.startswith("flags")).split())
    except (OSError, StopIteration):
        flags = set()
    return list(DTYPES) if flags & {"avx512_bf16", "amx_bf16"} else ["float32"]


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    chosen = [peer for peer in ALL if peer.name in options.peers]
    clients_of = {peer: [clients for clients in options.clients if peer.kind != CPP or clients == 1] for peer in chosen}
    if not any(clients_of.values()):
        raise peers.BenchmarkError("nothing to compare: cpp_loader has no network and stands beside one client, --clients 1")
    python = peers.check_python(options.peers_python) if any(peer.kind != CPP for peer in chosen) else None
    with tempfile.TemporaryDirectory() as directory:
        weights = bert.Weights(options, directory, model_garden=False, trained=True)
        for hidden_act in (bert.ERF, bert.TANH):
            beside = [peer for peer in chosen if peer.hidden_act == hidden_act and clients_of[peer]]
            if beside:
                common = weights.settings(hidden_act) | {"length": options.length}
                yield from measure_beside(options, beside, clients_of, common, python, os.path.join(directory, f"served_{hidden_act}"))


def measure_beside(options, chosen, clients_of, common, python, directory):
    """Measure our server beside peers of the same activation. Args: common: settings. directory: to be made. Yields: rows."""
    texts = mixed_texts()
    os.mkdir(directory)
    common = common | {"texts": os.path.join(directory, "texts.json"), "scratch": directory}
    with open(common["texts"], "w", encoding="utf-8") as file:
        json.dump(texts, file)
    served = {dtype: os.path.join(directory, dtype) for dtype in options.dtype}
    versions = exported("keras_bert_saved_model", options.threads, common | {"exports": served})
    for dtype in options.dtype:
        flags = [word for flag in options.server_flags for word in (f"--{flag.partition('=')[0]}", flag.partition("=")[2])]
        with Server("keras_bert", server_command(served[dtype], *flags), texts, threads=options.threads) as own:
            for peer in chosen:
                with side_of(peer, options, dtype, common, texts, python, served) as its:
                    difference = compare_outputs(own, its, dtype)
                    for clients in clients_of[peer]:
                        yield {
                            "suite": NAME,
                            "side": "keras_bert local_server",
                            "peer": peer.name,
                            "dtype": dtype,
                            "layers": options.layers,
                            "hidden": options.hidden,
                            "threads": options.threads,
                            "rounds": options.rounds,
                            "difference": difference,
                            "versions": versions | its.versions,
                            **compare(own, its, peer, clients, options),
                            **report.machine(),
                        }


def exported(script, threads, settings, python=None):
    """Let a side write its SavedModels, and end. Returns: dict of library to version."""
    with peers.Side(script, script, threads=threads, python=python, settings=settings) as side:
        return side.versions


def server_command(directory, *flags):
    """Returns: list of str: our server of one model."""
    ports = ["--rest_port", "0", "--grpc_port", "-1"]
    return [sys.executable, "-m", "export.local_server", "--model", f"{MODEL}={directory}", *ports, *flags]


@contextlib.contextmanager
def side_of(peer, options, dtype, common, texts, python, served):
    """Start a peer. Args: served: dict of dtype -> the directory of our own exported model. Returns: context manager: a Server or Side."""
    threads = options.threads
    if peer.kind == FASTAPI:
        settings = {
            "directory": common["directory"],
            "length": common["length"],
            "threads": threads,
            "dtype": dtype,
            "compile": peer.compile,
        }
        command = [python, str(peers.ROOT / "benchmarks" / "sides" / "transformers_server.py"), json.dumps(settings)]
        server = Server(peer.name, command, texts, threads=threads)
    elif peer.kind == KERAS_HUB:
        path = os.path.join(common["scratch"], f"keras_hub_{dtype}")
        versions = exported("keras_hub_saved_model", threads, common | {"exports": {dtype: path}}, python)
        server = Server(peer.name, server_command(path), texts, threads=threads)
        server.versions = versions
    else:
        program = str(peers.ROOT / "tests" / "export" / "serve.cc")
        settings = common | {"saved_model": os.path.join(served[dtype], "1"), "program": program}
        server = peers.Side(peer.name, "cpp_loader", threads=threads, settings=settings)
    with server:
        yield server


def compare_outputs(own, its, dtype):
    """Compare the probabilities of all texts, so that nobody is fast and wrong.

    Returns: float: the largest difference. Raises: BenchmarkError where that is over MAY_DIFFER, or where all texts are given the same.
    """
    ours, theirs = (np.array(side.ask("outputs")["outputs"]) for side in (own, its))
    difference = float(np.abs(ours - theirs).max())
    if not difference <= MAY_DIFFER[dtype]:
        raise peers.BenchmarkError(
            f"{own.name} and {its.name}, {dtype}: probabilities differ by {difference:.2g}, over {MAY_DIFFER[dtype]:g}"
        )
    if not np.ptp(theirs, axis=0).max() >= MUST_DIFFER:
        raise peers.BenchmarkError(f"{its.name}, {dtype}: all texts are given the same, which proves nothing")
    return difference


def compare(own, its, peer, clients, options):
    """Warm both up, and run them by turns. Returns: dict, what a row says of so many clients."""
    requests = requests_of(clients, options.requests)
    own_request = {"clients": clients, "requests": requests}
    its_request = {"requests": requests} if peer.kind == CPP else own_request  # each of its runs is a process that warms itself up
    for side, request in ((own, own_request), (its, its_request)):
        if peer.kind != CPP or side is own:
            side.ask("run", **request)
    answers = peers.alternate(own, its, options.rounds, own_request, its_request)
    rates = [[len(answer["milliseconds"]) / answer["seconds"] for answer in side] for side in answers]
    medians = [[statistics.median(answer["milliseconds"]) for answer in side] for side in answers]
    pooled = [[milliseconds for answer in side for milliseconds in answer["milliseconds"]] for side in answers]
    latencies = report.compare(*([1 / median for median in side] for side in medians))
    targets = target(peer, clients)
    startups = [answer["startup_seconds"] for answer in answers[1]] if peer.kind == CPP else [its.startup_seconds]
    return {
        "clients": clients,
        "requests": requests,
        "target": targets[0],
        "p50_target": targets[1],
        "requests_per_second": statistics.median(rates[0]),
        "peer_requests_per_second": statistics.median(rates[1]),
        "p50_ms": share_below(pooled[0], 0.5),
        "peer_p50_ms": share_below(pooled[1], 0.5),
        "p99_ms": share_below(pooled[0], 0.99),
        "peer_p99_ms": None if peer.kind == CPP else share_below(pooled[1], 0.99),  # of which a run tells the mean alone
        "p50_ratio_median": latencies["ratio_median"],
        "p50_ratio_iqr": latencies["ratio_iqr"],
        "startup_seconds": own.startup_seconds,
        "peer_startup_seconds": statistics.median(startups),
        "first_ms": own.first_milliseconds[0],
        "tenth_ms": own.first_milliseconds[-1],
        **report.compare(*rates),
    }


def requests_of(clients, requests):
    """Returns: how many requests of so many clients make a run. Args: requests: of CLIENTS[-1] clients."""
    return max(LEAST_REQUESTS, requests * clients // CLIENTS[-1])


def mixed_texts():
    """Returns: list of str: film reviews, one to six of them joined, the same in every run; none with accents, which KerasHub keeps."""
    generator = random.Random(0)
    counts = [generator.choice(JOINED) for _ in range(TEXTS)]
    reviews = (review for review in latency.reviews(2 * sum(counts)) if review.isascii() and review.isprintable())
    return [" ".join(next(reviews) for _ in range(count)) for count in counts]


def table(rows):
    """Returns: Markdown."""
    first = rows[0]
    versions = {name: version for row in rows for name, version in row["versions"].items()}
    headings = ["peer", "dtype", "clients", "requests a run", "requests/s: ours, its", "ratio, median", "IQR", "target"]
    headings += ["p50 ms: ours, its", "ratio, median", "target", "p99 ms: ours, its", "difference"]
    lines = [
        [
            row["peer"],
            row["dtype"],
            str(row["clients"]),
            str(row["requests"]),
            f"{row['requests_per_second']:.1f}, {row['peer_requests_per_second']:.1f}",
            f"{row['ratio_median']:.2f}",
            f"{row['ratio_iqr']:.2f}",
            f"≥ {row['target']:g}" if row["target"] else "",
            f"{row['p50_ms']:.1f}, {row['peer_p50_ms']:.1f}",
            f"{row['p50_ratio_median']:.2f}",
            f"≥ {row['p50_target']:g}" if row["p50_target"] else "",
            f"{row['p99_ms']:.1f}" + (f", {row['peer_p99_ms']:.1f}" if row["peer_p99_ms"] else ""),
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
            f"{first['layers']} layers of {first['hidden']}; texts of one to six film reviews, {LENGTH} tokens at most",
            "",
            report.markdown_table(headings, lines),
            "",
            "Ratios are of neighbouring runs, above 1 where ours is faster; IQR is their third quartile less the first. p50 and p99 are of "
            "the requests of all rounds; the ratio of p50 is the median over rounds.",
            "",
            report.markdown_table(["", "dtype", "start to first answer, s", "target", "first answer, ms", "tenth, ms"], startups(rows)),
        ]
    )


def startups(rows):
    """Returns: lists of str, a line for each server and dtype: its start."""
    lines = {}
    for row in rows:
        most = MOST_STARTUP_SECONDS["keras_bert"]
        lines["local_server", row["dtype"]] = [
            f"{row['startup_seconds']:.1f}",
            f"≤ {most:g}",
            f"{row['first_ms']:.1f}",
            f"{row['tenth_ms']:.1f}",
        ]
        most = MOST_STARTUP_SECONDS.get(row["peer"])
        lines[row["peer"], row["dtype"]] = [f"{row['peer_startup_seconds']:.1f}", f"≤ {most:g}" if most else "", "", ""]
    return [[*of, *cells] for of, cells in lines.items()]


def plot(rows, directory):
    """Returns: paths of what was drawn: the ratios of requests a second."""
    labels = [f"{row['peer']}, {row['dtype']}, {row['clients']} clients" for row in rows]
    title = f"Serving, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
    return [report.plot_ratios(rows, labels, os.path.join(directory, f"{NAME}.png"), title, xlabel="times the requests a second")]
