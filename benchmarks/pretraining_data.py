"""Text to pretraining examples: megabytes a second beside Model Garden's script, memory as the text grows, and masking beside Transformers.

    python -m benchmarks pretraining_data --json data.json --plot plots        # takes some 2 GB of disk
    python -m benchmarks pretraining_data --parts making masking --megabytes 8 --slow_megabytes 1 --rounds 3

Part "making": prepare_pretraining_data, by one process and then by one on each core, beside official.nlp.data.create_pretraining_data,
which has one: the same documents, a sentence a line, vocabulary, length, share of short examples and GZIP; both from the vocabulary's file
to record files. The script's examples have masks, ours get theirs in tf.data: that is part "masking", beside Transformers'
DataCollatorForLanguageModeling, both of rows in memory. Part "memory": the most that our process holds of a small text, and of one ten
times as large. Text that does not suffice is repeated with other words. What both sides give is compared before anything is timed.
"""

import math
import os
import statistics
import tempfile

from benchmarks import bert, peers, report
from benchmarks import text as text_lib

NAME = "pretraining_data"
HELP = "text to pretraining examples beside Model Garden's script; memory as text grows; masking beside Transformers"
PARTS = MAKING, MASKING, MEMORY = "making", "masking", "memory"
PEERS = SCRIPT, COLLATOR = "model_garden_script", "transformers_collator"
OWN = "keras_bert"

EXAMPLES = {"max_length": 128, "short_seq_prob": 0.1, "dupe_factor": 1, "seed": 0}
MAX_PREDICTIONS = 20
MASKING_BATCH = 256
TARGET = 10
MOST_GROWTH = 1.1
# What is compared is made without short examples: few documents have most of them, so that their number differs by chance.
COMPARED = {"short_seq_prob": 0.0}
MAY_DIFFER = 0.01  # of rows, tokens and random next texts, on slow_megabytes of text, beside chance
DEVIATIONS = 4
SHARES_MAY_DIFFER = 0.04  # of masked tokens, and of what they become


def add_arguments(parser, positive):
    cores = len(peers.cores())
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--text", nargs="+", metavar="FILE", help=".txt, .tsv, .json (SQuAD's), also .gz (default: the committed data)")
    parser.add_argument("--megabytes", type=positive(float), default=20, metavar="N", help="of text, for ours (default: %(default)s)")
    parser.add_argument("--slow_megabytes", type=positive(float), default=2, metavar="N", help="for the script (default: %(default)s)")
    parser.add_argument(
        "--processes", nargs="+", type=positive(int), default=sorted({1, cores}), metavar="N", help="of ours (default: %(default)s)"
    )
    parser.add_argument("--processes_megabytes", type=positive(float), default=100, metavar="N", help="for several (default: %(default)s)")
    parser.add_argument("--shard_megabytes", type=positive(float), default=8, metavar="N", help="text of a file (default: %(default)s)")
    parser.add_argument("--masking_megabytes", type=positive(float), default=4, metavar="N", help="for part masking (default: %(default)s)")
    parser.add_argument(
        "--memory_megabytes",
        nargs=2,
        type=positive(float),
        default=[100, 1000],
        metavar=("SMALL", "LARGE"),
        help="of text (default: 100 1000)",
    )
    parser.add_argument("--vocabulary", default=bert.VOCABULARY, metavar="FILE", help="uncased (default: bert-base-uncased's)")
    parser.add_argument("--scratch", metavar="DIR", help="where texts and examples are written and deleted (default: the system's)")


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    too_many = [count for count in options.processes if count > len(peers.cores())]
    if too_many:
        raise peers.BenchmarkError(f"--processes {too_many[0]}, but this process may use {len(peers.cores())} cores")
    lines = text_lib.read_lines(options.text or text_lib.default_files())
    with tempfile.TemporaryDirectory(dir=options.scratch) as directory:
        texts = _Texts(lines, directory)
        if MAKING in options.parts and SCRIPT in options.peers:
            yield from beside_the_script(options, texts, directory)
        if MASKING in options.parts and COLLATOR in options.peers:
            yield from beside_the_collator(options, texts, directory)
        if MEMORY in options.parts:
            yield from memory_as_text_grows(options, texts, directory)


class _Texts:
    """Files of so many megabytes, written when they are first asked for."""

    def __init__(self, lines, directory):
        self._lines, self._directory, self._sizes = lines, directory, {}

    def of(self, megabytes):
        """Returns: path; its true size in megabytes."""
        path = os.path.join(self._directory, f"text-{megabytes:g}.txt")
        if path not in self._sizes:
            self._sizes[path] = text_lib.write_documents(self._lines, path, megabytes)
        return path, self._sizes[path]

    def delete(self, megabytes):
        path, _ = self.of(megabytes)
        os.remove(path)
        del self._sizes[path]


def beside_the_script(options, texts, directory):
    """Yields: a row for each number of our processes; the script has one."""
    slow, slow_megabytes = texts.of(options.slow_megabytes)
    settings = settings_of(options, directory)
    theirs = settings | {"max_predictions": MAX_PREDICTIONS}
    with peers.Side(SCRIPT, "model_garden_pretraining_data", threads=1, settings=theirs) as its:
        expected = its.ask("run", text=slow, examples=COMPARED)["checksum"]
        for count in options.processes:
            name = f"{OWN}, {count} process{'es' if count > 1 else ''}"
            text, megabytes = texts.of(options.processes_megabytes if count > 1 else options.megabytes)
            with peers.Side(name, "keras_bert_pretraining_data", threads=count, settings=settings) as own:
                difference = compare_counts(name, own.ask("run", text=slow, examples=COMPARED)["checksum"], SCRIPT, expected)
                answers = peers.alternate(own, its, options.rounds, {"text": text}, {"text": slow})
                row = row_of(options, MAKING, name, SCRIPT, TARGET, own, its) | {"processes": count, "difference": difference}
                yield row | compared(answers, (megabytes, slow_megabytes)) | {"megabytes": megabytes, "peer_megabytes": slow_megabytes}


def compare_counts(own_name, own, peer_name, peer):
    """Compare what was made of the same text by other random numbers. Args: own, peer: rows, tokens, random next texts.

    Returns: float: the largest difference, of the greater. Raises: BenchmarkError where it is more than chance.
    """
    difference = max(abs(ours - theirs) / max(ours, theirs, 1) for ours, theirs in zip(own, peer, strict=True))
    told = f"rows, tokens and random next texts: {own_name} {own}, {peer_name} {peer}"
    # Half of a row's second texts are random: of two counts of such rows the difference has the standard deviation sqrt(rows / 2).
    may_differ = MAY_DIFFER + DEVIATIONS * math.sqrt(2 / max(own[0], 1))
    if difference > may_differ:
        raise peers.BenchmarkError(f"of the same text, {told}: they differ by {difference:.0%}, over {may_differ:.0%}")
    print(told, flush=True)
    return difference


def beside_the_collator(options, texts, directory):
    """Yields: one row, of one thread each."""
    python = peers.check_python(options.peers_python)
    text, _ = texts.of(options.masking_megabytes)
    settings = settings_of(options, directory) | {"text": text, "rows": os.path.join(directory, "rows.json")}
    settings |= {"batch_size": MASKING_BATCH, "max_predictions": MAX_PREDICTIONS}
    name = f"{OWN}, masking"
    with (
        peers.Side(name, "keras_bert_masking", threads=1, settings=settings) as own,  # it writes the rows
        peers.Side(COLLATOR, "transformers_masking", threads=1, python=python, settings=settings) as its,
    ):
        difference = compare_shares(name, own.ask("outputs")["outputs"], COLLATOR, its.ask("outputs")["outputs"])
        for side in (own, its):
            peers.warm_up(side, {})
        answers = peers.alternate(own, its, options.rounds, {}, {})
        row = row_of(options, MASKING, name, COLLATOR, None, own, its) | {"processes": 1, "difference": difference}
        tokens = answers[0][0]["tokens"]
        yield row | compared(answers, (tokens, tokens)) | {"tokens": tokens}


def compare_shares(own_name, own, peer_name, peer):
    """Args: own, peer: shares of tokens asked about, and of those of [MASK] and of ones that stay.

    Returns: float, the largest difference. Raises: BenchmarkError where it is more than chance.
    """
    difference = max(abs(ours - theirs) for ours, theirs in zip(own, peer, strict=True))
    told = f"masked, of them [MASK], of them as they were: {own_name} {rounded(own)}, {peer_name} {rounded(peer)}"
    if difference > SHARES_MAY_DIFFER:
        raise peers.BenchmarkError(f"{told}: shares differ by {difference:.3f}, over {SHARES_MAY_DIFFER}")
    print(told, flush=True)
    return difference


def rounded(values):
    return [round(value, 3) for value in values]


def memory_as_text_grows(options, texts, directory):
    """Yields: one row, each size in a fresh process, once: ratio_median is the small text's memory over the large one's."""
    settings, peaks, sizes = settings_of(options, directory), [], []
    for megabytes in options.memory_megabytes:
        text, size = texts.of(megabytes)
        with peers.Side(f"{megabytes:g} MB", "keras_bert_pretraining_data", threads=1, settings=settings) as side:
            peaks.append(side.ask("run", text=text)["peak_bytes"])
        texts.delete(megabytes)
        sizes.append(size)
        if peaks[-1] is None:
            raise peers.BenchmarkError("this system does not say how much memory a process has held (/proc/self/status)")
    row = row_of(options, MEMORY, f"{OWN}, {sizes[1]:.0f} MB", f"{OWN}, {sizes[0]:.0f} MB", 1 / MOST_GROWTH, side, side)
    row |= {"processes": 1, "rounds": 1, "difference": None, "megabytes": sizes[1], "peer_megabytes": sizes[0]}
    yield row | {"peak_bytes": peaks[1], "peer_peak_bytes": peaks[0]} | report.compare([1 / peaks[1]], [1 / peaks[0]])


def settings_of(options, directory):
    """Returns: dict, what every side is told."""
    return {
        "vocabulary": os.path.abspath(options.vocabulary),
        "examples": EXAMPLES | {"shard_megabytes": options.shard_megabytes},
        "scratch": directory,
    }


def row_of(options, part, side, peer, target, own, its):
    row = {"suite": NAME, "part": part, "side": side, "peer": peer, "dtype": None, "target": target, "rounds": options.rounds}
    return row | {"versions": own.versions | its.versions} | report.machine()


def compared(answers, amounts):
    """Args: answers: of both sides. amounts: what either does in a run. Returns: dict of rates, ratio and memory."""
    rates = [[amount / answer["seconds"] for answer in side] for side, amount in zip(answers, amounts, strict=True)]
    rows = {"per_second": statistics.median(rates[0]), "peer_per_second": statistics.median(rates[1])}
    if "peak_bytes" in answers[0][-1]:
        rows |= {"peak_bytes": answers[0][-1]["peak_bytes"], "peer_peak_bytes": answers[1][-1]["peak_bytes"]}
    return rows | report.compare(*rates)


def table(rows):
    """Returns: Markdown."""
    headings = ["part", "ours", "peer", "text, MB: ours, peer", "ours/s", "peer/s", "ratio, median", "IQR", "target", "GB: ours, peer"]
    lines = []
    for row in rows:
        unit, digits = ("tokens", ",.0f") if row["part"] == MASKING else ("MB", ".2f")
        rates = [f"{row[name]:{digits}} {unit}" if name in row else "" for name in ("per_second", "peer_per_second")]
        sizes = f"{row['megabytes']:.3g}, {row['peer_megabytes']:.3g}" if "megabytes" in row else ""
        memory = f"{row['peak_bytes'] / 1e9:.2f}, {row['peer_peak_bytes'] / 1e9:.2f}" if row.get("peak_bytes") else ""
        target = f"≥ {row['target']:.3g}" if row["target"] else ""
        ratio = [f"{row['ratio_median']:.2f}", f"{row['ratio_iqr']:.2f}"]
        lines.append([row["part"], row["side"], row["peer"], sizes, *rates, *ratio, target, memory])
    first = rows[0]
    versions = {name: version for row in rows for name, version in row["versions"].items()}
    return "\n".join(
        [
            "",
            f"{first['cpu']}, {first['cores']} cores; Python {first['python']}; {first['date']}; {first['rounds']} rounds",
            ", ".join(f"{name} {version}" for name, version in versions.items()),
            "",
            report.markdown_table(headings, lines),
            "",
            "Ratios are of neighbouring runs, above 1 where ours is faster; IQR is their third quartile less the first. Starting our "
            "processes is timed. GB: the most that the process held; of several, the one that reads. Part memory: the small text's memory "
            "over the large one's.",
        ]
    )


def plot(rows, directory):
    """Returns: paths of what was drawn: the ratios."""
    labels = [f"{row['side']} / {row['peer']}" for row in rows]
    title = f"Pretraining data, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
    return [report.plot_ratios(rows, labels, os.path.join(directory, f"{NAME}.png"), title)]
