"""What those tasks of the suite inference share that take raw text: one peer, and the fastest batch size of each side."""

import contextlib
import json
import os
import statistics

from benchmarks import peers, report

BATCH_SIZES = (1, 8, 32, 128)
TRIALS = 2


def add_arguments(parser, positive):
    parser.add_argument("--model", metavar="DIR", help="of a task: a trained model that both sides read (default: of MiniLM's weights)")
    steps = "ner, qa: of the training of the default model (default: %(default)s, some minutes)"
    parser.add_argument("--train_steps", type=positive(int), default=150, metavar="N", help=steps)
    parser.add_argument("--random", action="store_true", help="embedding: random weights, of --layers and --hidden, in place of MiniLM's")
    parser.add_argument("--texts", type=positive(int), metavar="N", help="of a task: the first of its texts (default: all)")


def check(options, task, peer, dtypes=("float32",)):
    """Raises: BenchmarkError where neither dtype nor peer of the task was wished, or the peers' interpreter is not there."""
    if peer not in options.peers or not set(dtypes) & set(options.dtype):
        raise peers.BenchmarkError(f"nothing to compare: --task {task} is beside {peer}, in {' and '.join(dtypes)}")
    peers.check_python(options.peers_python)


@contextlib.contextmanager
def two_sides(options, own, its, texts, directory, settings):
    """Start both sides on the same texts, with a form "batch_8" and so on for each batch size.

    Args: own, its: (name, script) each. texts: list for JSON, an item a text. directory: to write in. settings: further ones, of both.
    Returns: context manager; its value: two peers.Side.
    """
    settings = settings | {"texts": os.path.join(directory, "texts.json"), "batch_sizes": BATCH_SIZES}
    with open(settings["texts"], "w", encoding="utf-8") as file:
        json.dump(texts, file)
    common = {"threads": options.threads, "settings": settings}
    python = peers.check_python(options.peers_python)
    with peers.Side(*own, **common) as own_side, peers.Side(*its, python=python, **common) as its_side:
        yield own_side, its_side


def row_of(options, task, own, its, target, model, dtype="float32"):
    """Returns: dict: what a row says before anything is measured. Args: model: whose weights both sides have."""
    return {
        "suite": "inference",
        "task": task,
        "side": own.name,
        "peer": its.name,
        "dtype": dtype,
        "target": target,
        "model": model,
        "threads": options.threads,
        "rounds": options.rounds,
        "versions": own.versions | its.versions,
        **report.machine(),
    }


def request_of(texts, batch_size, calls=1):
    """Returns: dict: a request of so many calls of so many texts each."""
    return {"texts": texts, "calls": calls, "form": f"batch_{batch_size}"}


def time_all(own, its, texts, rounds):
    """Time one call of all texts, by the best batch size of each side. Returns: as time_beside."""
    return time_beside(own, its, [request_of(texts, best_batch_size(side, texts)) for side in (own, its)], rounds)


def time_singles(own, its, calls, rounds):
    """Time calls of one text each, one after the other. Returns: as time_beside."""
    return time_beside(own, its, [request_of(1, 1, calls)] * 2, rounds)


def time_beside(own, its, requests, rounds):
    """Warm both sides up, and run them by turns. Args: requests: of our side and the peer's. Returns: dict, what a row says of speed."""
    for side, request in zip((own, its), requests, strict=True):
        peers.warm_up(side, request)
    answers = peers.alternate(own, its, rounds, *requests)
    texts, calls = requests[0]["texts"], requests[0]["calls"]
    rates = [[texts * calls / answer["seconds"] for answer in side] for side in answers]
    medians = [statistics.median(side) for side in rates]
    return {
        "texts": texts,
        "calls": calls,
        "batch_sizes": [int(request["form"].removeprefix("batch_")) for request in requests],
        "examples_per_second": medians[0],
        "peer_examples_per_second": medians[1],
        **report.compare(*rates),
    }


def best_batch_size(side, texts):
    """Returns: int, of BATCH_SIZES that by which all texts took least, in the better of some trials after a first."""
    seconds = {}
    for size in BATCH_SIZES:
        request = request_of(texts, size)
        side.ask("run", **request)
        seconds[size] = min(side.ask("run", **request)["seconds"] for _ in range(TRIALS))
    print(f"{side.name}: " + ", ".join(f"batches of {size} {texts / spent:.1f}/s" for size, spent in seconds.items()), flush=True)
    return min(seconds, key=seconds.get)


def table(rows, columns):
    """Returns: Markdown. Args: columns: further ones, dict of heading -> function of a row that gives str."""
    first = rows[0]
    headings = ["ours", "peer", "dtype", "texts a call", "calls", "batches of: ours, its", "texts/s: ours, its", "ratio, median", "IQR"]
    headings += ["of the fastest", "target", *columns]
    lines = [
        [
            row["side"],
            row["peer"],
            row["dtype"],
            str(row["texts"]),
            str(row["calls"]),
            f"{row['batch_sizes'][0]}, {row['batch_sizes'][1]}",
            f"{row['examples_per_second']:.1f}, {row['peer_examples_per_second']:.1f}",
            f"{row['ratio_median']:.2f}",
            f"{row['ratio_iqr']:.2f}",
            f"{row['ratio_fastest']:.2f}",
            f"≥ {row['target']:g}",
            *(tell(row) for tell in columns.values()),
        ]
        for row in rows
    ]
    return "\n".join(
        [
            "",
            f"{first['cpu']}, {first['cores']} cores, {first['threads']} threads a side; Python {first['python']}; {first['date']}; "
            f"{first['rounds']} rounds",
            ", ".join(f"{name} {version}" for name, version in first["versions"].items()),
            f"{first['task']}, weights: {first['model']}",
            "",
            report.markdown_table(headings, lines),
            "",
            "Rates are medians. Ratios are of neighbouring runs, above 1 where ours is faster; IQR is their third quartile less the "
            "first; of the fastest: of either side's fastest run.",
        ]
    )


def plot(rows, directory):
    """Returns: paths of what was drawn: the ratios."""
    labels = [f"{row['side']} / {row['peer']}, {row['dtype']}, {row['texts']} texts a call" for row in rows]
    title = f"Inference, {rows[0]['task']}, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
    return [report.plot_ratios(rows, labels, os.path.join(directory, f"inference_{rows[0]['task']}.png"), title)]
