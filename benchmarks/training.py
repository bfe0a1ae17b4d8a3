"""Fine-tuning a BERT classifier: sequences a second beside every peer, with the same weights, AdamW and dropout 0.1.

    python -m benchmarks training --json training.json --plot plots         # BERT-base, 16 x 128; about 60 minutes on 2 cores
    python -m benchmarks training --layers 2 --hidden 128 --rounds 3        # a few minutes
    python -m benchmarks training --dtype bfloat16 --peers model_garden keras_hub_fit

Ours is BertClassifier.fit on batches of the contract with create_optimizer's AdamW, in float32 or mixed bfloat16. KerasHub's is its
`fit` with Keras's AdamW, Model Garden's a step in a tf.function with its own AdamW, Transformers' a plain loop with PyTorch's fused
AdamW: by autocast, and ("_pure") with weights and moments in bfloat16 as well, which does less work but loses small updates. All clip
gradients to a norm of 1. Before anything is timed, each side makes three steps of plain SGD on one batch without dropout, in a process
of its own, and the losses must agree.
"""

import tempfile

import numpy as np

from benchmarks import bert, peers
from benchmarks.bert import ERF, TANH, Peer

NAME = "training"
HELP = "fine-tuning a BERT, sequences/s beside KerasHub, Model Garden and Transformers"
DTYPES = ("float32", "bfloat16")

MIXED = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
PURE = {"bfloat16": "bfloat16"}
ALL = (
    Peer("keras_hub_fit", "keras_hub_classifier", {"form": "fit", "jit_compile": False}, TANH, MIXED),
    Peer("keras_hub_fit_auto", "keras_hub_classifier", {"form": "fit", "jit_compile": "auto"}, TANH, MIXED),
    Peer("model_garden", "model_garden_classifier", {}, TANH, MIXED),
    Peer("transformers_eager", "transformers_classifier", {"compile": False}, ERF, MIXED),
    Peer("transformers_eager_pure", "transformers_classifier", {"compile": False}, ERF, PURE),
    Peer("transformers_compile", "transformers_classifier", {"compile": True}, ERF, MIXED),
    Peer("transformers_compile_pure", "transformers_classifier", {"compile": True}, ERF, PURE),
)
PEERS = tuple(peer.name for peer in ALL)
TARGETS = {"float32": 1.15, "bfloat16": 1.5}  # beside the best peer, and so beside each

CHECKED_STEPS = 3
MAY_DIFFER = {"float32": 1e-4, "bfloat16": 0.05}  # of losses around 1
MUST_MOVE = 0.01  # losses that stay where they are would agree without a gradient


def add_arguments(parser, positive):
    bert.add_arguments(parser, positive, dtypes=DTYPES, batches=4)


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    from keras_bert.training.throughput import training_flops

    python = peers.check_python(options.peers_python)
    settings = bert.settings_of(options) | {"job": "training"}
    examples = options.batches * options.batch_size
    flops = options.batches * training_flops(bert.flops_config(settings["config"]), options.batch_size, options.length)
    chosen = [peer for peer in ALL if peer.name in options.peers]
    if not any(dtype in peer.policies for peer in chosen for dtype in options.dtype):
        raise peers.BenchmarkError("nothing to compare: what ends in _pure has bfloat16 only")
    with tempfile.TemporaryDirectory() as directory:
        weights = bert.Weights(options, directory, model_garden=any(peer.script.startswith("model_garden") for peer in chosen))
        for dtype in options.dtype:
            for hidden_act in (TANH, ERF):
                beside = [peer for peer in chosen if peer.hidden_act == hidden_act and dtype in peer.policies]
                if not beside:
                    continue
                common = settings | weights.settings(hidden_act)
                checked = settings | weights.settings(hidden_act, dropout=0.0) | {"check": True, "batches": 1}
                ours = {"form": "fit", "policy": MIXED[dtype]}
                own_losses = losses("keras_bert fit", "keras_bert_classifier", options.threads, None, checked | ours)
                with peers.Side("keras_bert fit", "keras_bert_classifier", threads=options.threads, settings=common | ours) as own:
                    bert.profile_own(own, options, f"{own.name} {dtype} {hidden_act}")
                    for peer in beside:
                        theirs = peer.settings | {"policy": peer.policies[dtype]}
                        its_losses = losses(peer.name, peer.script, options.threads, python, checked | theirs)
                        row = bert.row_of(NAME, options, own.name, peer, dtype, TARGETS[dtype])
                        row["difference"] = compare_losses(own.name, own_losses, peer.name, its_losses, dtype)
                        with peers.Side(peer.name, peer.script, threads=options.threads, python=python, settings=common | theirs) as its:
                            row["versions"] = own.versions | its.versions
                            yield row | bert.time_beside(own, its, options.rounds, examples, flops)


def losses(name, script, threads, python, settings):
    """Returns: list of float: the loss before each of CHECKED_STEPS updates, in a process that then ends."""
    with peers.Side(name, script, threads=threads, python=python, settings=settings) as side:
        return side.ask("outputs", steps=CHECKED_STEPS)["outputs"]


def compare_losses(own_name, own_losses, peer_name, peer_losses, dtype, must_move=MUST_MOVE):
    """Returns: float, the largest difference of losses. Raises: BenchmarkError where it is more than rounding, or losses do not move."""
    difference = loss_difference(own_losses, peer_losses)
    told = f"{own_name} {[round(loss, 5) for loss in own_losses]}, {peer_name} {[round(loss, 5) for loss in peer_losses]}"
    if not difference <= MAY_DIFFER[dtype]:
        raise peers.BenchmarkError(f"losses of the same steps in {dtype} differ by {difference:.1e}, over {MAY_DIFFER[dtype]:g}: {told}")
    if not abs(own_losses[-1] - own_losses[0]) >= must_move:
        raise peers.BenchmarkError(f"{len(own_losses)} steps leave the loss where it was, so it proves nothing: {told}")
    print(f"losses without dropout: {told}", flush=True)
    return difference


def loss_difference(own_losses, peer_losses):
    return float(np.abs(np.subtract(own_losses, peer_losses)).max())


def table(rows):
    """Returns: Markdown."""
    return bert.table(rows, "largest difference of the first three losses")


def plot(rows, directory):
    """Returns: paths of what was drawn."""
    return bert.plot(rows, directory, NAME, "Training")
