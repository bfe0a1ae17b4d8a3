"""Answers that a BERT writes (bert2bert): tokens a second beside Transformers' generate, and cached beside uncached.

    python -m benchmarks generation --json generation.json --plot plots         # MiniLM's size, 8 x 128 in, 64 tokens out
    python -m benchmarks generation --layers 12 --hidden 768 --dtype float32    # BERT-base on both sides

Ours is the network's call with a Generation in a tf.function, as an exported model has it, Transformers' EncoderDecoderModel.generate: the
same random weights, greedy and by a search with four beams. Every answer has --tokens tokens, since none may end before. Peer "uncached" is
ours again, which computes all tokens anew for each. Answers are compared before anything is timed, rows with padding among them: in float32
they are the same, token for token; of random weights in bfloat16 one other rounding makes another answer, and the share is told only.
"""

import os
import statistics
import tempfile

from benchmarks import bert, peers, report
from benchmarks.bert import ERF, Peer

NAME = "generation"
HELP = "written tokens a second beside Transformers' generate; cached beside uncached"
DTYPES = ("float32", "bfloat16")
GREEDY, BEAM, UNCACHED = "greedy", "beam4", "uncached"
OWN, SCRIPT = "keras_bert", "keras_bert_generation"
SAME = {dtype: dtype for dtype in DTYPES}
TRANSFORMERS = Peer("transformers", "transformers_generation", {}, ERF, SAME)
PEERS = (TRANSFORMERS.name, UNCACHED)
TARGET, CACHED_TARGET = 1.5, 5.0
# Of float32's tokens: two likeliest may be so near that the order of a sum decides, and then all that follows differs.
LEAST_AGREEMENT = 0.95
LEAST_TOKENS = 10  # different ones among the answers, or comparing them proves nothing


def add_arguments(parser, positive):
    bert.add_arguments(parser, positive, dtypes=DTYPES, batches=1)
    parser.add_argument("--tokens", type=positive(int), default=64, metavar="N", help="of an answer, its ends too (default: %(default)s)")
    parser.add_argument("--forms", nargs="+", choices=(GREEDY, BEAM), default=[GREEDY, BEAM], help="default: both")
    # A token is some hundred small operations: with processes that keep the cores awake, ours and less so the peer's were slower.
    parser.set_defaults(layers=6, hidden=384, batch_size=8, keep_awake=False)


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    if options.tokens < 2:
        raise peers.BenchmarkError(f"--tokens {options.tokens}: 2 are the least, the two ends")
    if options.tokens > bert.config_of(options)["max_position_embeddings"]:
        raise peers.BenchmarkError(f"--tokens {options.tokens} is over the {bert.config_of(options)['max_position_embeddings']} positions")
    if options.peers == [UNCACHED] and GREEDY not in options.forms:
        raise peers.BenchmarkError(f"nothing to compare: {UNCACHED} stands beside {GREEDY}")
    if TRANSFORMERS.name in options.peers:
        peers.check_python(options.peers_python)  # before minutes of what needs it not
    with tempfile.TemporaryDirectory() as directory:
        weights = bert.Weights(options, directory, model_garden=False, script="keras_bert_generation_weights")
        for dtype in options.dtype:
            further = {"job": NAME, "policy": dtype, "tokens": options.tokens, "directory": weights.hugging_face}
            yield from beside_peers(options, bert.settings_of(options) | further, dtype)


def beside_peers(options, settings, dtype):
    """Yields: a row for each form and peer, in one dtype."""
    with peers.Side(OWN, SCRIPT, threads=options.threads, settings=settings) as own:
        if UNCACHED in options.peers and GREEDY in options.forms:
            peer = Peer(UNCACHED, SCRIPT, {}, ERF, SAME)
            yield row_of(options, own, own, peer, dtype, (GREEDY, UNCACHED), CACHED_TARGET)
        if TRANSFORMERS.name in options.peers:
            python = peers.check_python(options.peers_python)
            with peers.Side(TRANSFORMERS.name, TRANSFORMERS.script, threads=options.threads, python=python, settings=settings) as its:
                for form in options.forms:
                    yield row_of(options, own, its, TRANSFORMERS, dtype, (form, form), TARGET)


def row_of(options, own, its, peer, dtype, forms, target):
    """Compare two sides, then time them. Args: forms: of ours and of its. Returns: dict, a row."""
    agreement = compare_answers(*(side.ask("outputs", form=form)["outputs"] for side, form in zip((own, its), forms, strict=True)))
    if dtype == "float32" and agreement < LEAST_AGREEMENT:
        raise peers.BenchmarkError(f"{own.name} {forms[0]} and {its.name} {forms[1]} agree on {agreement:.1%} of the tokens in float32")
    requests = [{"form": form} for form in forms]
    for side, request in zip((own, its), requests, strict=True):
        peers.warm_up(side, request)
    answers = peers.alternate(own, its, options.rounds, *requests)
    tokens = options.batches * options.batch_size * (options.tokens - 1)  # the first is given
    rates = [[tokens / answer["seconds"] for answer in side] for side in answers]
    medians = [statistics.median(side) for side in rates]
    row = bert.row_of(NAME, options, f"{OWN} {forms[0]}", peer, dtype, target)
    row |= {"tokens": options.tokens, "form": forms[0], "agreement": agreement, "versions": own.versions | its.versions}
    return row | {"tokens_per_second": medians[0], "peer_tokens_per_second": medians[1]} | report.compare(*rates)


def compare_answers(ours, theirs):
    """Args: ours, theirs: lists of lists of ids. Returns: float: the share of equal tokens. Raises: BenchmarkError."""
    pairs = [pair for own, its in zip(ours, theirs, strict=True) for pair in zip(own, its, strict=True)]
    different = len({own for own, _ in pairs})
    if different < LEAST_TOKENS:
        raise peers.BenchmarkError(f"{different} different tokens in {len(ours)} answers: fewer than {LEAST_TOKENS} prove nothing")
    return sum(own == its for own, its in pairs) / len(pairs)


def table(rows):
    """Returns: Markdown."""
    headings = ["ours", "peer", "dtype", "tokens of an answer", "tokens/s: ours, its", "ratio, median", "IQR", "of the fastest", "target"]
    lines = [
        [
            row["side"],
            row["peer"],
            row["dtype"],
            str(row["tokens"]),
            f"{row['tokens_per_second']:.0f}, {row['peer_tokens_per_second']:.0f}",
            f"{row['ratio_median']:.2f}",
            f"{row['ratio_iqr']:.2f}",
            f"{row['ratio_fastest']:.2f}",
            f"≥ {row['target']:g}",
            f"{row['agreement']:.1%}",
        ]
        for row in rows
    ]
    footer = (
        "Layers are of either side, the one that reads and the one that writes. Tokens are of the answers given, not of all beams; rates "
        "are medians. Ratios are of neighbouring runs, above 1 where ours is faster; IQR is their third quartile less the first; of "
        "the fastest: of either side's fastest run."
    )
    return "\n".join([bert.header(rows), report.markdown_table([*headings, "equal tokens"], lines), "", footer])


def plot(rows, directory):
    """Returns: paths of what was drawn: the ratios."""
    labels = [f"{row['side']} / {row['peer']}, {row['dtype']}" for row in rows]
    title = f"Generation, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
    return [report.plot_ratios(rows, labels, os.path.join(directory, f"{NAME}.png"), title)]
