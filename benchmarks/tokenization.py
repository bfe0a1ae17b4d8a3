"""Text to WordPiece ids: megabytes of real text a second, one thread each and all threads each.

    python -m benchmarks tokenization --json tokenization.json --plot plots      # about 15 minutes on 2 cores
    python -m benchmarks tokenization --growth --plot plots                      # 1 to 100 MB
    python -m benchmarks tokenization --peers encode_batch --modes ids --threads 1 --megabytes 2 --rounds 3      # a minute

Ours is BertTokenizer in a tf.data pipeline; the peers are Hugging Face tokenizers' encode_batch (ids and offsets) and
encode_batch_fast (ids), and google-research's FullTokenizer. Strings in memory are the input and ids the output; loading
text and building tokenizers are not timed. Outputs are compared before anything is timed.
"""

import json
import os
import statistics
import tempfile
from dataclasses import dataclass

from benchmarks import peers, report
from benchmarks import text as text_lib

NAME = "tokenization"
HELP = "text to WordPiece ids, MB/s beside Hugging Face tokenizers and google-research's FullTokenizer"

COMPARED_LINES = 3000
GROWTH_MEGABYTES = (1, 3, 10, 30, 100)
SWEEP_MEGABYTES = 2  # the batch size is chosen on so much


@dataclass(frozen=True)
class Peer:
    """A peer's side: script, further settings, and the share of lines that it may split otherwise than we do."""

    name: str
    script: str
    settings: dict
    may_differ: float
    threaded: bool = True


# Hugging Face classes some characters otherwise than google-research does, and makes words over 100 characters [UNK].
ENCODE_BATCH = Peer("encode_batch", "hugging_face_tokenizers", {"method": "encode_batch"}, 0.01)
ENCODE_BATCH_FAST = Peer("encode_batch_fast", "hugging_face_tokenizers", {"method": "encode_batch_fast"}, 0.01)
FULL_TOKENIZER = Peer("full_tokenizer", "google_full_tokenizer", {}, 0.0, threaded=False)
PEERS = (ENCODE_BATCH.name, ENCODE_BATCH_FAST.name, FULL_TOKENIZER.name)

# mode, peer, and how many times as fast as the peer this project means to be
COMPARISONS = (
    ("ids", ENCODE_BATCH, 5),
    ("ids", ENCODE_BATCH_FAST, None),
    ("offsets", ENCODE_BATCH, 1.5),
    ("ids", FULL_TOKENIZER, 10),
)
MODES = ("ids", "offsets")


def add_arguments(parser, positive):
    cores = len(peers.cores())
    parser.add_argument("--text", nargs="+", metavar="FILE", help=".txt, .tsv, .json (SQuAD's), also .gz (default: the committed data)")
    parser.add_argument("--megabytes", type=positive(float), default=20, metavar="N", help="of text (default: %(default)s)")
    parser.add_argument("--slow_megabytes", type=positive(float), default=4, metavar="N", help="for full_tokenizer (default: %(default)s)")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), help="default: both")
    parser.add_argument(
        "--threads", nargs="+", type=positive(int), default=sorted({1, cores}), metavar="N", help="of each side (default: %(default)s)"
    )
    parser.add_argument(
        "--batch_lines",
        nargs="+",
        type=positive(int),
        default=[64, 256, 1024, 4096],
        metavar="N",
        help="lines a call; each side takes the one that was fastest for it (default: %(default)s)",
    )
    sizes = ", ".join(map(str, GROWTH_MEGABYTES))
    parser.add_argument("--growth", action="store_true", help=f"instead: ids beside encode_batch at {sizes} MB")
    vocabulary = peers.ROOT / "tests" / "reference" / "minilm" / "vocab.txt"
    parser.add_argument("--vocabulary", default=vocabulary, metavar="FILE", help="uncased (default: bert-base-uncased's, of the tests)")


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    python = peers.check_python(options.peers_python)
    too_many = [threads for threads in options.threads if threads > len(peers.cores())]
    if too_many:
        raise peers.BenchmarkError(f"--threads {too_many[0]}, but this process may use {len(peers.cores())} cores")
    if options.growth:
        comparisons, sizes = COMPARISONS[:1], GROWTH_MEGABYTES
    else:
        comparisons = [(mode, peer, target) for mode, peer, target in COMPARISONS if mode in options.modes and peer.name in options.peers]
        sizes = (options.megabytes,)
    if not any(peer.threaded or 1 in options.threads for _, peer, _ in comparisons):
        raise peers.BenchmarkError("nothing to compare: full_tokenizer gives ids, on one thread, and encode_batch_fast gives ids only")
    text = text_lib.take(text_lib.read_lines(options.text or text_lib.default_files()), max(sizes))
    print(f"text: {text}", flush=True)
    common = {"suite": NAME, "dtype": None, "rounds": options.rounds} | report.machine()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "lines.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(text.lines, file)
        for threads in options.threads:
            for mode in dict.fromkeys(mode for mode, _, _ in comparisons):
                beside = [(peer, target) for of, peer, target in comparisons if of == mode and (peer.threaded or threads == 1)]
                if not beside:
                    continue
                settings = {"text": path, "vocabulary": os.path.abspath(options.vocabulary), "mode": mode}
                with peers.Side(f"keras_bert ({mode})", "keras_bert_wordpiece", threads=threads, settings=settings) as own:
                    own_batch = fastest_batch(own, options.batch_lines, text.lines)
                    for peer, target in beside:
                        with peers.Side(peer.name, peer.script, threads=threads, python=python, settings=settings | peer.settings) as its:
                            differing = compare_outputs(own, its, mode, peer, text.lines[:COMPARED_LINES])
                            its_batch = fastest_batch(its, options.batch_lines, text.lines) if peer.threaded else None
                            row = common | {"side": "keras_bert", "peer": peer.name, "mode": mode, "threads": threads, "target": target}
                            row |= {
                                "batch_lines": own_batch,
                                "peer_batch_lines": its_batch,
                                "versions": own.versions | its.versions,
                            } | differing
                            for size in sizes:
                                row |= measure_size(own, its, text.lines, size, options, row)
                                yield row | {"real_megabytes": min(row["megabytes"], text.real_megabytes)}


def compare_outputs(own, its, mode, peer, lines):
    """Compare what both sides give before either is timed, so that nobody is fast and wrong.

    Returns: dict of compared_lines, differing_lines and, with offsets, differing_offsets: lines of the same ids but other offsets.
    Raises: BenchmarkError where more lines differ than may.
    """
    ours, theirs = (side.ask("outputs", lines=len(lines))["outputs"] for side in (own, its))
    same_ids = [our[0] == their[0] for our, their in zip(ours, theirs, strict=True)]
    counts = {"compared_lines": len(lines), "differing_lines": same_ids.count(False), "differing_offsets": None}
    if mode == "offsets":
        counts["differing_offsets"] = sum(
            same and our[1:] != [in_bytes(line, offsets) for offsets in their[1:]]
            for line, our, their, same in zip(lines, ours, theirs, same_ids, strict=True)
        )
    print(f"{own.name} beside {peer.name}: {counts['differing_lines']} of {len(lines)} lines differ", flush=True)
    if counts["differing_lines"] > peer.may_differ * len(lines):
        line = lines[same_ids.index(False)]
        raise peers.BenchmarkError(
            f"{own.name} and {peer.name} differ on {counts['differing_lines']} of {len(lines)} lines, and at most "
            f"{peer.may_differ:.0%} may; the first: {line[:200]!r}"
        )
    return counts


def in_bytes(line, offsets):
    """From characters, in which Hugging Face counts, to bytes of UTF-8, in which we do."""
    starts = [0]
    for character in line:
        starts.append(starts[-1] + len(character.encode()))
    return [starts[offset] for offset in offsets]


def fastest_batch(side, candidates, lines):
    """Returns: which number of lines a call is fastest for a side; it is warm afterwards."""
    if len(candidates) == 1:
        return candidates[0]
    count, _ = text_lib.count_for(lines, SWEEP_MEGABYTES)
    seconds = {batch: [] for batch in candidates}
    for _ in range(2):
        for batch in candidates:
            seconds[batch].append(side.ask("run", lines=count, batch_lines=batch)["seconds"])
    return min(candidates, key=lambda batch: min(seconds[batch]))


def measure_size(own, its, lines, megabytes, options, row):
    """Warm up, alternate, and compare. Returns: dict, what a row says of one size."""
    sizes = [text_lib.count_for(lines, megabytes)] * 2
    if row["peer"] == FULL_TOKENIZER.name:
        sizes[1] = text_lib.count_for(lines, min(megabytes, options.slow_megabytes))
    requests = [
        {"lines": count, "batch_lines": batch}
        for (count, _), batch in zip(sizes, (row["batch_lines"], row["peer_batch_lines"]), strict=True)
    ]
    for side, request in zip((own, its), requests, strict=True):
        side.ask("run", **request)
    answers = peers.alternate(own, its, options.rounds, *requests)
    rates = [[size / answer["seconds"] for answer in side] for side, (_, size) in zip(answers, sizes, strict=True)]
    return {
        "megabytes": sizes[0][1],
        "peer_megabytes": sizes[1][1],
        "mb_per_second": statistics.median(rates[0]),
        "peer_mb_per_second": statistics.median(rates[1]),
        **report.compare(*rates),
    }


def table(rows):
    """Returns: Markdown."""
    headings = [
        "ours",
        "peer",
        "threads",
        "MB",
        "ours MB/s",
        "peer MB/s",
        "ratio, median",
        "IQR",
        "target",
        "lines a batch",
        "lines that differ",
    ]
    lines = []
    for row in rows:
        size = f"{row['megabytes']:.3g}"
        if row["peer_megabytes"] != row["megabytes"]:
            size += f", peer {row['peer_megabytes']:.3g}"
        if row["real_megabytes"] < row["megabytes"]:
            size += f" ({row['real_megabytes']:.3g} MB, repeated)"
        differ = f"{row['differing_lines'] / row['compared_lines']:.2%}"
        if row["differing_offsets"] is not None:
            differ += f", offsets {row['differing_offsets'] / row['compared_lines']:.2%}"
        lines.append(
            [
                row["mode"],
                row["peer"],
                str(row["threads"]),
                size,
                f"{row['mb_per_second']:.2f}",
                f"{row['peer_mb_per_second']:.2f}",
                f"{row['ratio_median']:.2f}",
                f"{row['ratio_iqr']:.2f}",
                f"≥ {row['target']:g}" if row["target"] else "",
                f"{row['batch_lines']} / {row['peer_batch_lines'] or 1}",
                differ,
            ]
        )
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
            "Ratios are of neighbouring runs, above 1 where ours is faster; IQR is their third quartile less the first.",
            "The peers' time ends when their call returns; full_tokenizer, one thread of Python, may run on a part of the text.",
        ]
    )


def plot(rows, directory):
    """Returns: paths of what was drawn: the ratios or, of --growth, MB/s over MB."""
    subtitle = f"Tokenization, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
    if len({row["megabytes"] for row in rows}) == 1:
        labels = [f"{row['mode']} / {row['peer']}, {row['threads']} threads" for row in rows]
        return [report.plot_ratios(rows, labels, os.path.join(directory, "tokenization.png"), subtitle)]
    curves = {}
    for row in rows:
        for name, key in ((f"keras_bert {row['mode']}", "mb_per_second"), (row["peer"], "peer_mb_per_second")):
            xs, ys = curves.setdefault(f"{name}, {row['threads']} threads", ([], []))
            xs.append(round(row["megabytes"], 1))
            ys.append(row[key])
    path = os.path.join(directory, "tokenization_growth.png")
    return [report.plot_lines(curves, path, xlabel="MB of text", ylabel="MB/s", title=subtitle)]
