"""What the suites about a BERT share: its sizes and weights, two sides timed by turns, and the table of what came out."""

import json
import os
import shutil
import statistics
from dataclasses import dataclass
from types import SimpleNamespace

from benchmarks import peers, report

VOCABULARY = peers.ROOT / "tests" / "reference" / "minilm" / "vocab.txt"  # bert-base-uncased's
HEAD_SIZE = 64  # as in every published BERT

# Which activation a peer has as its own. GELU by tanh is google-research's, GELU by erf Transformers', whose tanh form is slow.
TANH, ERF = "gelu_tanh", "gelu"


@dataclass(frozen=True)
class Peer:
    """A peer's side.

    Attributes: name, script. settings: further ones of "prepare". hidden_act: TANH or ERF. policies: dict of dtype to the Keras dtype
        policy, or what is like it, by which the peer computes in that dtype; a dtype that is not there is not measured.
    """

    name: str
    script: str
    settings: dict
    hidden_act: str
    policies: dict


def add_arguments(parser, positive, *, dtypes, batches):
    parser.add_argument("--batch_size", type=positive(int), default=16, metavar="N", help="rows (default: %(default)s)")
    parser.add_argument("--length", type=positive(int), default=128, metavar="N", help="tokens of a row (default: %(default)s)")
    parser.add_argument("--batches", type=positive(int), default=batches, metavar="N", help="of a run (default: %(default)s)")
    parser.add_argument("--dtype", nargs="+", choices=dtypes, default=list(dtypes), help="default: all")
    parser.add_argument("--profile", metavar="DIR", help="trace our sides there, for TensorBoard, and print what costs most")
    add_size_arguments(parser, positive)


def add_size_arguments(parser, positive):
    cores = len(peers.cores())
    parser.add_argument("--layers", type=positive(int), default=12, metavar="N", help="(default: %(default)s, as BERT-base)")
    parser.add_argument("--hidden", type=positive(int), default=768, metavar="N", help="a multiple of 64 (default: %(default)s)")
    parser.add_argument("--threads", type=positive(int), default=cores, metavar="N", help="of each side (default: all cores, %(default)s)")


def config_of(options):
    """Returns: dict, the arguments of BertConfig that sizes on the command line make. Raises: BenchmarkError on impossible ones."""
    if options.hidden % HEAD_SIZE:
        raise peers.BenchmarkError(f"--hidden {options.hidden} is not a multiple of {HEAD_SIZE}, the size of a head")
    if options.threads > len(peers.cores()):
        raise peers.BenchmarkError(f"--threads {options.threads}, but this process may use {len(peers.cores())} cores")
    with open(VOCABULARY, encoding="utf-8") as file:
        vocab_size = sum(1 for _ in file)
    return {
        "vocab_size": vocab_size,
        "hidden_size": options.hidden,
        "num_hidden_layers": options.layers,
        "num_attention_heads": options.hidden // HEAD_SIZE,
        "intermediate_size": 4 * options.hidden,
        "max_position_embeddings": max(512, options.length),
    }


def flops_config(config):
    """Returns: what keras_bert.training.throughput counts by."""
    return SimpleNamespace(**config)


def settings_of(options):
    """Returns: dict, what every side of a classifier is told but its weights and its policy."""
    return {
        "config": config_of(options),
        "vocab_size": config_of(options)["vocab_size"],
        "batch_size": options.batch_size,
        "length": options.length,
        "batches": options.batches,
        "check": False,
    }


class Weights:
    """The weights that all sides load, written once by a side that then ends.

    Args: options: of the command line. directory: to write in. model_garden: whether to write its format too. trained: see
        sides/keras_bert_weights.py. script: the side. further: dict, what else it is told.
    """

    def __init__(self, options, directory, *, model_garden, trained=False, script="keras_bert_weights", further=None):
        self.directory = directory
        self.model_garden = os.path.join(directory, "model_garden") if model_garden else None
        self.hugging_face = os.path.join(directory, "hugging_face")
        settings = {
            "config": config_of(options),
            "vocabulary": str(VOCABULARY),
            "hugging_face": self.hugging_face,
            "model_garden": self.model_garden,
            "trained": trained,
        } | (further or {})
        with peers.Side("weights", script, threads=options.threads, settings=settings):
            pass

    def settings(self, hidden_act, *, dropout=0.1):
        """Returns: dict, what a side is told of weights with that activation and dropout: the files are linked, config.json is not."""
        path = os.path.join(self.directory, f"{hidden_act}_{dropout}")
        if not os.path.exists(path):
            link_checkpoint(self.hugging_face, path, hidden_act={TANH: "gelu_pytorch_tanh", ERF: "gelu"}[hidden_act], **dropout_of(dropout))
        return {"directory": path, "model_garden": self.model_garden}


def dropout_of(rate):
    """Returns: dict, what a Transformers configuration says where all dropout is of that rate."""
    return dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"), rate)


def link_checkpoint(source, path, **changes):
    """Make a Transformers directory of another's files, which are linked. Args: changes: of its config.json, which is not."""
    shutil.copytree(source, path, copy_function=os.link)
    config_path = os.path.join(path, "config.json")
    with open(config_path, encoding="utf-8") as file:
        config = json.load(file)
    os.remove(config_path)  # or the linked one would change too
    with open(config_path, "w", encoding="utf-8") as file:
        json.dump(config | changes, file)


def profile_own(own, options, name):
    """Trace a run of our side, where the command line asks for it, and print what costs most. Args: name: of the trace's directory."""
    if options.profile:
        directory = os.path.join(os.path.abspath(options.profile), name.replace(" ", "_"))
        answer = own.ask("run", measure="profile", directory=directory)
        print(f"{name} (tensorboard --logdir {directory}):\n{answer['table']}", flush=True)


def time_beside(own, its, rounds, examples, flops):
    """Warm both up, measure each one's matmul peak, run them by turns, and measure the peaks again.

    Args: own, its: Side. rounds: int. examples: rows or texts of one run, of either. flops: of its matrix products.
    Returns: dict: what a row says of speed. Peaks are the better of a side's two, and shares of the better side's: other work on the
        machine, or a library's slower product, only makes a peak smaller.
    """
    for side in (own, its):
        side.ask("run")
    peaks = [[side.ask("run", measure="peak")["flops_per_second"]] for side in (own, its)]
    answers = peers.alternate(own, its, rounds, {}, {})
    for side, measured in zip((own, its), peaks, strict=True):
        measured.append(side.ask("run", measure="peak")["flops_per_second"])
    rates = [[examples / answer["seconds"] for answer in side] for side in answers]
    medians = [statistics.median(side) for side in rates]
    flops_per_second = [flops * rate / examples for rate in medians]
    peak = max(max(measured) for measured in peaks)
    return {
        "examples_per_second": medians[0],
        "peer_examples_per_second": medians[1],
        "matmul_peak": max(peaks[0]),
        "peer_matmul_peak": max(peaks[1]),
        "peak_share": flops_per_second[0] / peak,
        "peer_peak_share": flops_per_second[1] / peak,
        "peak_bytes": answers[0][-1]["peak_bytes"],
        "peer_peak_bytes": answers[1][-1]["peak_bytes"],
        **report.compare(*rates),
    }


def row_of(suite, options, own_name, peer, dtype, target):
    """Returns: dict: what a row says before anything is measured."""
    return {
        "suite": suite,
        "side": own_name,
        "peer": peer.name,
        "dtype": dtype,
        "target": target,
        "policy": peer.policies[dtype],
        "hidden_act": peer.hidden_act,
        "batch_size": options.batch_size,
        "length": options.length,
        "batches": options.batches,
        "layers": options.layers,
        "hidden": options.hidden,
        "threads": options.threads,
        "rounds": options.rounds,
    } | report.machine()


def header(rows):
    """Returns: str, Markdown lines that say on what, by which versions and with which sizes rows were measured."""
    first = rows[0]
    versions = {name: version for row in rows for name, version in row["versions"].items()}
    return "\n".join(
        [
            "",
            f"{first['cpu']}, {first['cores']} cores, {first['threads']} threads a side; Python {first['python']}; {first['date']}; "
            f"{first['rounds']} rounds",
            ", ".join(f"{name} {version}" for name, version in versions.items()),
            f"{first['layers']} layers of {first['hidden']}, batch {first['batch_size']} × {first['length']}, {first['batches']} a run",
            "",
        ]
    )


def table(rows, difference):
    """Returns: Markdown. Args: difference: heading of the column of row["difference"]."""
    headings = ["ours", "peer", "dtype", "its policy", "GELU", "ours/s", "peer/s", "ratio, median", "IQR", "of the fastest", "target"]
    headings += ["matmul peak, GFLOP/s: ours, peer", "share of the greater: ours, peer", difference]
    lines = [
        [
            row["side"],
            row["peer"],
            row["dtype"],
            row["policy"],
            {TANH: "tanh", ERF: "erf"}[row["hidden_act"]],
            f"{row['examples_per_second']:.1f}",
            f"{row['peer_examples_per_second']:.1f}",
            f"{row['ratio_median']:.2f}",
            f"{row['ratio_iqr']:.2f}",
            f"{row['ratio_fastest']:.2f}",
            f"≥ {row['target']:g}" if row["target"] else "",
            f"{row['matmul_peak'] / 1e9:.0f}, {row['peer_matmul_peak'] / 1e9:.0f}",
            f"{row['peak_share']:.0%}, {row['peer_peak_share']:.0%}",
            "" if row["difference"] is None else f"{row['difference']:.1e}",
        ]
        for row in rows
    ]
    footer = (
        "Rates are sequences a second, medians. Ratios are of neighbouring runs, above 1 where ours is faster; IQR is their third quartile "
        "less the first; of the fastest: of either side's fastest run, which other work disturbed least. The share is of all "
        "the encoder's matrix products in that rate, of the greater peak of the two; for a classifier ours leaves out what only the last "
        "block's other tokens would want."
    )
    return "\n".join([header(rows), report.markdown_table(headings, lines), "", footer])


def plot(rows, directory, suite, title):
    """Returns: paths of what was drawn: the ratios."""
    labels = [f"{row['side']} / {row['peer']}, {row['dtype']}" for row in rows]
    heading = f"{title}, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
    return [report.plot_ratios(rows, labels, os.path.join(directory, f"{suite}.png"), heading)]
