"""Pretraining a BERT on masked words: steps a second beside every peer at several lengths, and short texts packed beside padded ones.

    python -m benchmarks pretraining --json pretraining.json --plot plots       # MiniLM's size
    python -m benchmarks pretraining --dtype bfloat16 --lengths 128 --peers model_garden --rounds 3

Ours is BertMaskedLM.fit with create_optimizer's AdamW, Model Garden's BertPretrainerV2 in a tf.function with its own, Transformers'
BertForMaskedLM in a plain loop with PyTorch's fused one: the same weights and masks, dropout 0.1, gradients clipped to a norm of 1. Ours
and Model Garden's compute logits of the masked positions alone, Transformers' of all. A batch has --slots tokens, whatever the length.

Part "packing": real texts of mixed lengths, cut to --packed_length. Ours puts several in one row; the peers pad, Transformers' to a batch's
longest, Model Garden's, whose shapes are static, to the full length; and ours, to a batch's longest (keras_bert_padded). Rates are of real
tokens. On every side batches are ready in memory. Before anything is timed, each side makes three steps of plain SGD on one batch without
dropout, and the losses must agree.
"""

import json
import os
import random
import tempfile

from benchmarks import bert, peers, report
from benchmarks import text as text_lib
from benchmarks.bert import ERF, TANH, Peer
from benchmarks.training import compare_losses, losses

NAME = "pretraining"
HELP = "masked-word training steps a second beside Model Garden and Transformers; packed beside padded texts"
DTYPES = ("float32", "bfloat16")
PARTS = STEPS, PACKING = "steps", "packing"

OWN, SCRIPT, PADDED = "keras_bert fit", "keras_bert_pretraining", "keras_bert_padded"
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
ALL = (
    Peer("model_garden", "model_garden_pretraining", {"pad_to_max": True}, TANH, POLICIES),
    Peer(PADDED, SCRIPT, {}, TANH, POLICIES),
    Peer("transformers_eager", "transformers_pretraining", {"compile": False}, ERF, POLICIES),
)
PEERS = tuple(peer.name for peer in ALL)
TARGETS = {STEPS: 1.5, PACKING: 2.0}
PADDED_TARGET = 1.5  # of packing beside ourselves
MUST_MOVE = 1e-3
RAW_TEXT = peers.ROOT.parent / "shared" / "data" / "raw_text"
MASKED_SHARE = 0.15


def add_arguments(parser, positive):
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: both")
    parser.add_argument(
        "--lengths", nargs="+", type=positive(int), default=[128, 512], metavar="N", help="of part steps (default: 128 512)"
    )
    parser.add_argument("--slots", type=positive(int), default=4096, metavar="N", help="tokens of a batch (default: %(default)s)")
    parser.add_argument("--batches", type=positive(int), default=2, metavar="N", help="of a run of part steps (default: %(default)s)")
    parser.add_argument("--packed_length", type=positive(int), default=512, metavar="N", help="of part packing (default: %(default)s)")
    parser.add_argument(
        "--text", nargs="+", metavar="FILE", help=f"a text a line (default: English ones of {RAW_TEXT}, or the committed data)"
    )
    parser.add_argument("--texts", type=positive(int), default=64, metavar="N", help="of part packing (default: %(default)s)")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=list(DTYPES), help="default: all")
    parser.add_argument("--profile", metavar="DIR", help="trace our sides there, for TensorBoard, and print what costs most")
    bert.add_size_arguments(parser, positive)
    parser.set_defaults(layers=6, hidden=384)


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    chosen = [peer for peer in ALL if peer.name in options.peers]
    if options.parts == [STEPS] and options.peers == [PADDED]:
        raise peers.BenchmarkError(f"nothing to compare: {PADDED} is a peer of part {PACKING} alone")
    with tempfile.TemporaryDirectory() as directory:
        further = {}
        if PACKING in options.parts:
            further = {"texts": os.path.join(directory, "texts.json"), "sequences": os.path.join(directory, "sequences.json")}
            further |= {"length": options.packed_length}
            with open(further["texts"], "w", encoding="utf-8") as file:
                json.dump(sample(options), file)
        model_garden = any(peer.name == "model_garden" for peer in chosen)
        longest = sized(options, max(*options.lengths, options.packed_length))
        weights = bert.Weights(longest, directory, model_garden=model_garden, script="keras_bert_pretraining_weights", further=further)
        for dtype in options.dtype:
            if STEPS in options.parts:
                for length in options.lengths:
                    yield from beside_peers(sized(options, length), STEPS, dtype, chosen, weights, {})
            if PACKING in options.parts:
                mixed = {"sequences": further["sequences"], "sequence_count": options.texts}
                yield from beside_peers(sized(options, options.packed_length), PACKING, dtype, chosen, weights, mixed)


def sized(options, length):
    """Returns: options with a length, and the batch_size that --slots gives."""
    return type(options)(**vars(options) | {"length": length, "batch_size": max(1, options.slots // length)})


def sample(options):
    """Returns: list of str, texts of mixed lengths, the same in every run. Raises: BenchmarkError where there are fewer."""
    files = options.text or sorted(RAW_TEXT.glob("*_en.txt.gz")) or text_lib.default_files()
    lines = text_lib.read_lines(files)
    if len(lines) < options.texts:
        raise peers.BenchmarkError(f"--texts {options.texts}, but the files hold {len(lines)} lines")
    return random.Random(0).sample(lines, options.texts)


def beside_peers(options, part, dtype, chosen, weights, further):
    """Yields: a row for each peer, of a part, length and dtype."""
    settings = bert.settings_of(options) | {"job": "training", "policy": POLICIES[dtype]} | further
    for hidden_act in (TANH, ERF):
        beside = [peer for peer in chosen if peer.hidden_act == hidden_act and (part == PACKING or peer.name != PADDED)]
        if not beside:
            continue
        ours = settings | weights.settings(hidden_act) | {"pack": part == PACKING}
        checked = {"check": True, "batches": 1} | weights.settings(hidden_act, dropout=0.0)
        if part == PACKING:
            checked |= {"sequence_count": min(options.texts, options.batch_size)}  # which are one batch, padded or packed
        own_losses = losses(OWN, SCRIPT, options.threads, None, ours | checked)
        with peers.Side(OWN, SCRIPT, threads=options.threads, settings=ours) as own:
            bert.profile_own(own, options, f"{part} {options.length} {dtype} {hidden_act}")
            lengths, slots = lengths_and_slots(options, part, own, further)
            for peer in beside:
                python = peers.check_python(options.peers_python) if peer.script.startswith("transformers") else None
                theirs = settings | weights.settings(hidden_act) | peer.settings
                its_losses = losses(peer.name, peer.script, options.threads, python, theirs | checked)
                row = bert.row_of(NAME, options, OWN, peer, dtype, PADDED_TARGET if peer.name == PADDED else TARGETS[part])
                row |= {"part": part, "padding_share": 1 - sum(lengths) / slots}
                row |= {"texts": len(lengths), "mean_length": sum(lengths) / len(lengths)}
                row["difference"] = compare_losses(OWN, own_losses, peer.name, its_losses, dtype, must_move=MUST_MOVE)
                with peers.Side(peer.name, peer.script, threads=options.threads, python=python, settings=theirs) as its:
                    row["versions"] = own.versions | its.versions
                    row["peer_padding_share"] = 1 - sum(lengths) / padded_slots(lengths, options, peer)
                    timed = bert.time_beside(own, its, options.rounds, len(lengths), flops_of(settings["config"], lengths))
                    yield row | timed | tokens_of(timed, lengths)


def lengths_and_slots(options, part, own, further):
    """Returns: tokens of each sequence of a run; slots of our batches."""
    shapes = own.ask("run", measure="slots")["shapes"]
    slots = sum(rows * length for rows, length in shapes)
    if part == STEPS:
        return [options.length] * (options.batches * options.batch_size), slots
    with open(further["sequences"], encoding="utf-8") as file:
        return [len(sequence) for sequence in json.load(file)[: options.texts]], slots


def padded_slots(lengths, options, peer):
    """Returns: slots of a peer's batches."""
    batches = [lengths[first : first + options.batch_size] for first in range(0, len(lengths), options.batch_size)]
    return sum(len(batch) * (options.length if peer.settings.get("pad_to_max") else max(batch)) for batch in batches)


def flops_of(config, lengths):
    """Returns: of the matrix products that a step needs: the encoder's, and the head's at the masked positions."""
    from keras_bert.training.throughput import training_flops

    config = bert.flops_config(config)
    encoder = sum(training_flops(config, 1, length) for length in lengths)
    a_prediction = 2 * config.hidden_size * (config.hidden_size + config.vocab_size)
    return encoder + 3 * a_prediction * sum(max(1, round(MASKED_SHARE * length)) for length in lengths)


def tokens_of(timed, lengths):
    """Returns: dict of rates of real tokens."""
    mean = sum(lengths) / len(lengths)
    return {
        "tokens_per_second": timed["examples_per_second"] * mean,
        "peer_tokens_per_second": timed["peer_examples_per_second"] * mean,
    }


def table(rows):
    """Returns: Markdown."""
    headings = ["part", "batch", "peer", "dtype", "ours: real tokens/s", "peer", "ratio, median", "IQR", "of the fastest", "target"]
    headings += ["padding: ours, peer", "share of the matmul peak: ours, peer", "GB: ours, peer", "largest difference of three losses"]
    lines = [
        [
            row["part"],
            f"{row['batch_size']} × {row['length']}",
            row["peer"],
            row["dtype"],
            f"{row['tokens_per_second']:,.0f}",
            f"{row['peer_tokens_per_second']:,.0f}",
            f"{row['ratio_median']:.2f}",
            f"{row['ratio_iqr']:.2f}",
            f"{row['ratio_fastest']:.2f}",
            f"≥ {row['target']:g}",
            f"{row['padding_share']:.0%}, {row['peer_padding_share']:.0%}",
            f"{row['peak_share']:.0%}, {row['peer_peak_share']:.0%}",
            f"{(row['peak_bytes'] or 0) / 1e9:.2f}, {(row['peer_peak_bytes'] or 0) / 1e9:.2f}",
            f"{row['difference']:.1e}",
        ]
        for row in rows
    ]
    first = rows[0]
    versions = {name: version for row in rows for name, version in row["versions"].items()}
    told = [f"{row['texts']} texts of {row['mean_length']:.0f} tokens in the mean" for row in rows if row["part"] == PACKING][:1]
    return "\n".join(
        [
            "",
            f"{first['cpu']}, {first['cores']} cores, {first['threads']} threads a side; Python {first['python']}; {first['date']}; "
            f"{first['rounds']} rounds",
            ", ".join(f"{name} {version}" for name, version in versions.items()),
            "; ".join([f"{first['layers']} layers of {first['hidden']}", *told]),
            "",
            report.markdown_table(headings, lines),
            "",
            "Ratios are of neighbouring runs, above 1 where ours is faster; IQR is their third quartile less the first. The share is of "
            "the matrix products that the real tokens and masked words need, of the greater measured peak of the two.",
        ]
    )


def plot(rows, directory):
    """Returns: paths of what was drawn: the ratios."""
    labels = [f"{row['part']}, {row['batch_size']} × {row['length']} / {row['peer']}, {row['dtype']}" for row in rows]
    title = f"Pretraining, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
    return [report.plot_ratios(rows, labels, os.path.join(directory, f"{NAME}.png"), title)]
