"""How time grows: with the length of a row, with the rows of a batch, and what it costs to train on two processes in place of one.

    python -m benchmarks scaling --json scaling.json --plot plots        # BERT-base; about an hour on 2 cores
    python -m benchmarks scaling --parts length --dtype bfloat16 --peers transformers_eager --rounds 3
    python -m benchmarks scaling --parts workers --layers 2 --hidden 128

Parts "length" and "batch" are inference from the batch contract by a model in memory (a tf.function) with random weights and
max_position_embeddings as long as the longest row, beside KerasHub and Transformers. Part "workers" is BertClassifier.fit by two
processes under MultiWorkerMirroredStrategy, each on half the cores, beside one process on all of them, with the same global batch.
"""

import concurrent.futures
import json
import os
import socket
import statistics
import tempfile

from benchmarks import bert, inference, peers, report, training
from benchmarks.bert import ERF, TANH, Peer

NAME = "scaling"
HELP = "time against length and batch, and two processes under multi-worker beside one"
DTYPES = ("float32", "bfloat16")
PARTS = ("length", "batch", "workers")
LENGTHS = (64, 128, 256, 512, 1024, 2048)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)

SAME = {"float32": "float32", "bfloat16": "bfloat16"}
ALL = (
    Peer("keras_hub_graph", "keras_hub_classifier", {"form": "graph", "jit_compile": False}, TANH, SAME),
    Peer("transformers_eager", "transformers_classifier", {"compile": False}, ERF, SAME),
)
PEERS = tuple(peer.name for peer in ALL)
COMPARED_ROWS = 8
ONE_PROCESS, TWO_WORKERS = "one process", "two workers"


def add_arguments(parser, positive):
    bert.add_arguments(parser, positive, dtypes=DTYPES, batches=4)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--lengths", nargs="+", type=positive(int), default=list(LENGTHS), metavar="N", help="default: 64 to 2048")
    parser.add_argument("--length_rows", type=positive(int), default=4, metavar="N", help="rows at each length (default: %(default)s)")
    parser.add_argument("--batch_sizes", nargs="+", type=positive(int), default=list(BATCH_SIZES), metavar="N", help="default: 1 to 64")


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    if {"length", "batch"} & set(options.parts):
        yield from grown(options)
    if "workers" in options.parts:
        yield from beside_one_process(options)


def grown(options):
    """Yields: a row for each dtype, peer and size."""
    python = peers.check_python(options.peers_python)
    sizes = []
    if "length" in options.parts:
        sizes += [("length", {"batch_size": options.length_rows, "length": length}) for length in options.lengths]
    if "batch" in options.parts:
        sizes += [("batch_size", {"batch_size": rows, "length": options.length}) for rows in options.batch_sizes]
    # One batch a run, and positions for the longest row.
    whole = type(options)(**vars(options) | {"batches": 1, "length": max(size["length"] for _, size in sizes)})
    settings = bert.settings_of(whole) | {"job": "inference"}
    settings |= {"batch_size": COMPARED_ROWS, "length": sizes[0][1]["length"]}
    with tempfile.TemporaryDirectory() as directory:
        weights = bert.Weights(whole, directory, model_garden=False)
        for dtype in options.dtype:
            for peer in ALL:
                if peer.name not in options.peers:
                    continue
                common = settings | weights.settings(peer.hidden_act) | {"policy": dtype}
                ours = common | {"form": "graph"}
                with (
                    peers.Side("keras_bert graph", "keras_bert_classifier", threads=options.threads, settings=ours) as own,
                    peers.Side(peer.name, peer.script, threads=options.threads, python=python, settings=common | peer.settings) as its,
                ):
                    difference = inference.compare_outputs(own, its, dtype)
                    for axis, size in sizes:
                        for side in (own, its):
                            peers.warm_up(side, size)
                        answers = peers.alternate(own, its, options.rounds, size, size)
                        row = bert.row_of(NAME, whole, own.name, peer, dtype, None) | size | {"axis": axis, "difference": difference}
                        yield row | {"versions": own.versions | its.versions} | compared(answers)


def beside_one_process(options):
    """Yields: a row for each dtype: two workers beside one process."""
    if options.threads < 2:
        raise peers.BenchmarkError("two workers beside one process on the same cores: that takes 2 threads or more")
    settings = bert.settings_of(options) | {"job": "training", "form": "fit"}
    script = "keras_bert_classifier"
    with tempfile.TemporaryDirectory() as directory:
        weights = bert.Weights(options, directory, model_garden=False)
        for dtype in options.dtype:
            policy = {"policy": training.MIXED[dtype]}
            checked = settings | weights.settings(ERF, dropout=0.0) | policy | {"check": True, "batches": 1}
            one_losses = training.losses(ONE_PROCESS, script, options.threads, None, checked)
            with Workers(script, options.threads, checked) as two:
                two_losses = two.ask("outputs", steps=training.CHECKED_STEPS)["outputs"]
            difference = training.compare_losses(TWO_WORKERS, two_losses, ONE_PROCESS, one_losses, dtype)
            common = settings | weights.settings(ERF) | policy
            with (
                Workers(script, options.threads, common) as two,
                peers.Side(ONE_PROCESS, script, threads=options.threads, settings=common) as one,
            ):
                for side in (two, one):
                    side.ask("run")
                answers = peers.alternate(two, one, options.rounds, {}, {})
                row = bert.row_of(NAME, options, TWO_WORKERS, Peer(ONE_PROCESS, script, {}, ERF, training.MIXED), dtype, None)
                row |= {"axis": "workers", "difference": difference, "versions": one.versions}
                yield row | compared(answers)


class Workers:
    """Two processes under MultiWorkerMirroredStrategy, asked as one side: both are asked at once, since each waits for the other.

    Args: script: of a side. threads: of both together; each gets half the cores. settings: of "prepare".
    """

    name = TWO_WORKERS

    def __init__(self, script, threads, settings):
        addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
        half = threads // 2

        def start(index):
            tf_config = json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
            return peers.Side(
                f"worker {index}", script, threads=half, settings=settings | {"tf_config": tf_config}, first_core=index * half
            )

        self._pool = concurrent.futures.ThreadPoolExecutor(2)
        self.sides = list(self._pool.map(start, range(2)))

    def ask(self, do, **request):
        """Returns: dict: the first worker's answer, with the longer time of the two."""
        answers = list(self._pool.map(lambda side: side.ask(do, **request), self.sides))
        return answers[0] | {"seconds": max(answer.get("seconds", 0) for answer in answers)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        list(self._pool.map(lambda side: side.close(), self.sides))
        self._pool.shutdown()


def free_ports(count):
    """Returns: list of int: TCP ports of this machine that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def compared(answers):
    """Returns: dict of the seconds of a run, medians, and the ratio of speeds. Args: answers: of our side and of the other's."""
    own, its = ([answer["seconds"] for answer in side] for side in answers)
    return {
        "seconds": statistics.median(own),
        "peer_seconds": statistics.median(its),
        **report.compare([1 / seconds for seconds in own], [1 / seconds for seconds in its]),
    }


def table(rows):
    """Returns: Markdown."""
    headings = ["ours", "peer", "dtype", "batch", "ours ms", "peer ms", "ours ms a row", "ratio, median", "IQR"]
    lines = [
        [
            row["side"],
            row["peer"],
            row["dtype"],
            f"{row['batch_size']} × {row['length']}",
            f"{1000 * row['seconds'] / row['batches']:.1f}",
            f"{1000 * row['peer_seconds'] / row['batches']:.1f}",
            f"{1000 * row['seconds'] / row['batches'] / row['batch_size']:.2f}",
            f"{row['ratio_median']:.2f}",
            f"{row['ratio_iqr']:.2f}",
        ]
        for row in rows
    ]
    told = [
        f"Two workers take {1 / row['ratio_median'] - 1:+.0%} more time than one process on the same cores, {row['dtype']}."
        for row in rows
        if row["axis"] == "workers"
    ]
    footer = "Milliseconds are of a batch, medians; of two workers and one process, of a training step. Ratios above 1: ours is faster."
    return "\n".join([bert.header(rows), report.markdown_table(headings, lines), "", footer, *told])


def plot(rows, directory):
    """Returns: paths of what was drawn: milliseconds over length and over batch, where they were measured."""
    paths = []
    for axis, xlabel in (("length", "tokens of a row"), ("batch_size", "rows of a batch")):
        curves = {}
        for row in rows:
            if row["axis"] != axis:
                continue
            # Ours is measured beside each peer, with that peer's activation.
            for name, key in ((f"{row['side']} beside {row['peer']}", "seconds"), (row["peer"], "peer_seconds")):
                xs, ys = curves.setdefault(f"{name}, {row['dtype']}", ([], []))
                xs.append(row[axis])
                ys.append(1000 * row[key] / row["batches"])
        if curves:
            path = os.path.join(directory, f"{NAME}_{axis}.png")
            title = f"Scaling, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
            paths.append(report.plot_lines(curves, path, xlabel=xlabel, ylabel="ms a batch", title=title, yscale="log"))
    return paths
