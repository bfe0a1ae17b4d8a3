"""What `import keras_bert` adds to `import keras, tensorflow_text`: seconds and memory.

    python -m benchmarks startup --rounds 9 --json startup.json         # some minutes

Fresh processes take turns, the plain imports and ours. Their seconds vary by more than what is looked for, so what our imports take is
told apart too, measured within one process after the plain ones: the targets are of that. keras_bert imports its modules when they
are first used, so `keras_bert.tasks.classes`, which is what BertClassifier brings in, stands in a row of its own.
"""

import os
import statistics

from benchmarks import peers, report

NAME = "startup"
HELP = "what import keras_bert adds to import keras, tensorflow_text"
PLAIN = ("keras", "tensorflow_text")
PEERS = ("plain_imports",)
OURS = {"import keras_bert": ("keras_bert",), "import keras_bert.tasks.classes": ("keras_bert", "keras_bert.tasks.classes")}
TARGET_SECONDS, TARGET_MB = 0.5, 60


def add_arguments(parser, positive):
    parser.add_argument("--threads", type=positive(int), default=len(peers.cores()), metavar="N", help="cores (default: all, %(default)s)")


def measure(options):
    """Yields: a row for each of OURS."""
    imports(options.threads, PLAIN, 0)  # the first reads files that the next ones find in memory
    for name, modules in OURS.items():
        plain, ours = [], []
        for _ in range(options.rounds):
            plain.append(imports(options.threads, PLAIN, 0))
            ours.append(imports(options.threads, PLAIN + modules, len(modules)))
        yield {
            "suite": NAME,
            "side": name,
            "peer": PEERS[0],
            "dtype": None,
            "rounds": options.rounds,
            "target": None,  # of a ratio; these two are of what is added:
            "target_seconds": TARGET_SECONDS,
            "target_mb": TARGET_MB,
            "seconds": statistics.median(cost["seconds"] for cost in ours),
            "peer_seconds": statistics.median(cost["seconds"] for cost in plain),
            "mb": statistics.median(cost["bytes"] for cost in ours) / 1e6,
            "peer_mb": statistics.median(cost["bytes"] for cost in plain) / 1e6,
            "added_seconds": statistics.median(cost["last_seconds"] for cost in ours),
            "added_mb": statistics.median(cost["last_bytes"] for cost in ours) / 1e6,
            "versions": ours[0]["versions"],
            **report.compare([1 / cost["seconds"] for cost in ours], [1 / cost["seconds"] for cost in plain]),
            **report.machine(),
        }


def imports(threads, modules, last):
    """Returns: dict of seconds, bytes, last_seconds, last_bytes and versions, of a process that then ends."""
    with peers.Side(" ".join(modules), "import_cost", threads=threads, settings={"modules": modules, "last": last}) as side:
        return side.ask("run") | {"versions": side.versions}


def table(rows):
    """Returns: Markdown."""
    headings = ["", "seconds: with, plain", "MB: with, plain", "speed ratio, median", "IQR", "adds s", "target", "adds MB", "target"]
    lines = [
        [
            row["side"],
            f"{row['seconds']:.2f}, {row['peer_seconds']:.2f}",
            f"{row['mb']:.0f}, {row['peer_mb']:.0f}",
            f"{row['ratio_median']:.2f}",
            f"{row['ratio_iqr']:.2f}",
            f"{row['added_seconds']:.2f}",
            f"< {row['target_seconds']:g}",
            f"{row['added_mb']:.1f}",
            f"< {row['target_mb']:g}",
        ]
        for row in rows
    ]
    first = rows[0]
    versions = ", ".join(f"{name} {version}" for name, version in first["versions"].items())
    return "\n".join(
        [
            "",
            f"{first['cpu']}, {first['cores']} cores; Python {first['python']}; {first['date']}; {first['rounds']} rounds",
            versions,
            "",
            report.markdown_table(headings, lines),
            "",
            f"Plain is import {', '.join(PLAIN)}. What is added is measured within one process, after the plain imports.",
        ]
    )


def plot(rows, directory):
    """Returns: paths of what was drawn."""
    title = f"Startup, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
    return [report.plot_ratios(rows, [row["side"] for row in rows], os.path.join(directory, f"{NAME}.png"), title)]
