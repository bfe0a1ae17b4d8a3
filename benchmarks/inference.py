"""A BERT's answers: sequences a second beside every peer, with the same weights; of a classifier, or of a task of raw text.

    python -m benchmarks inference --json inference.json --plot plots        # BERT-base, 16 x 128; about 40 minutes on 2 cores
    python -m benchmarks inference --layers 2 --hidden 128 --rounds 3 --forms graph      # a few minutes
    python -m benchmarks inference --dtype bfloat16 --forms saved_model --peers transformers_compile keras_hub_graph
    python -m benchmarks inference --task ner           # entities of raw text, see inference_ner.py; some minutes
    python -m benchmarks inference --task qa            # answers to questions, see inference_qa.py; a quarter of an hour
    python -m benchmarks inference --task embedding     # vectors of raw text, see inference_embedding.py; ten minutes

Ours takes three forms: `saved_model` is the exported model, in bfloat16 of frozen weights, `graph` a tf.function over the model in memory;
both take the batch contract. `predict` is BertClassifier.predict on strings, beside KerasHub's. Ours has the activation of the peer it
stands beside: the tanh form of GELU beside KerasHub and Model Garden, erf beside Transformers and ONNX Runtime. Before anything is timed,
answers of padded rows are compared.
"""

import json
import os
import tempfile

import numpy as np

from benchmarks import bert, inference_embedding, inference_ner, inference_qa, inference_text, peers
from benchmarks import text as text_lib
from benchmarks.bert import ERF, TANH, Peer

NAME = "inference"
HELP = "a BERT's answers, sequences/s beside KerasHub, Model Garden, Transformers and ONNX Runtime"
DTYPES = ("float32", "bfloat16")
FORMS = ("saved_model", "graph", "predict")

SAME = {"float32": "float32", "bfloat16": "bfloat16"}
MIXED = {"bfloat16": "mixed_bfloat16"}  # what is faster for a Keras peer is found by measuring both
GRAPH, XLA = {"form": "graph", "jit_compile": False}, {"form": "graph", "jit_compile": True}
STRINGS = {"form": "predict", "jit_compile": False}
ALL = (
    Peer("keras_hub_graph", "keras_hub_classifier", GRAPH, TANH, SAME),
    Peer("keras_hub_graph_mixed", "keras_hub_classifier", GRAPH, TANH, MIXED),
    Peer("keras_hub_xla", "keras_hub_classifier", XLA, TANH, SAME),
    Peer("model_garden", "model_garden_classifier", {}, TANH, SAME),
    Peer("model_garden_mixed", "model_garden_classifier", {}, TANH, MIXED),
    Peer("transformers_eager", "transformers_classifier", {"compile": False}, ERF, SAME),
    Peer("transformers_compile", "transformers_classifier", {"compile": True}, ERF, SAME),
    Peer("onnxruntime", "onnxruntime_classifier", {}, ERF, {"float32": "float32"}),
    Peer("keras_hub_predict", "keras_hub_classifier", STRINGS, TANH, SAME),
    Peer("keras_hub_predict_mixed", "keras_hub_classifier", STRINGS, TANH, MIXED),
)
CLASSIFICATION = "classification"
# Of raw text: modules with NAME, PEERS, measure(options) and table(rows).
TASKS = {task.NAME: task for task in (inference_ner, inference_qa, inference_embedding)}
PEERS = (*(peer.name for peer in ALL), *(peer for task in TASKS.values() for peer in task.PEERS))

# Of the scores' deviation from text to text. bfloat16 has 8 bits of precision, and two orders of rounding differ by some of the last.
MAY_DIFFER = {"float32": 1e-3, "bfloat16": 0.3}


def target(form, peer, dtype):
    """Returns: how many times as fast as the peer a form means to be, or None."""
    if form == "predict":
        return 1.3 if dtype == "bfloat16" else None
    if form == "graph":
        return None
    if dtype == "float32":
        return 1.1
    return 2.0 if peer.name.startswith("keras_hub") else 1.0 if peer.name == "transformers_compile" else None


def add_arguments(parser, positive):
    told = f"(default: %(default)s; {', '.join(TASKS)}: raw text, MiniLM's size, in float32)"
    parser.add_argument("--task", choices=(CLASSIFICATION, *TASKS), default=CLASSIFICATION, help=told)
    bert.add_arguments(parser, positive, dtypes=DTYPES, batches=2)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS), help="of ours (default: all)")
    inference_text.add_arguments(parser, positive)


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    if options.task in TASKS:
        yield from TASKS[options.task].measure(options)
        return

    from keras_bert.training.throughput import forward_flops

    python = peers.check_python(options.peers_python)
    settings = bert.settings_of(options)
    examples = options.batches * options.batch_size
    flops = options.batches * forward_flops(bert.flops_config(settings["config"]), options.batch_size, options.length)
    chosen = [peer for peer in ALL if peer.name in options.peers]
    if not any(compared(form, peer, dtype) for form in options.forms for peer in chosen for dtype in options.dtype):
        raise peers.BenchmarkError("nothing to compare: predict stands beside keras_hub_predict only, and onnxruntime has float32 only")
    with tempfile.TemporaryDirectory() as directory:
        weights = bert.Weights(
            options, directory, model_garden=any(peer.script.startswith("model_garden") for peer in chosen), trained=True
        )
        settings["texts"] = os.path.join(directory, "texts.json")
        with open(settings["texts"], "w", encoding="utf-8") as file:
            json.dump(texts(options.batches * options.batch_size, options.length), file)
        for dtype in options.dtype:
            for form in options.forms:
                for hidden_act in (TANH, ERF):
                    beside = [peer for peer in chosen if peer.hidden_act == hidden_act and compared(form, peer, dtype)]
                    if not beside:
                        continue
                    common = settings | weights.settings(hidden_act)
                    common["job"] = "predict" if form == "predict" else "inference"
                    common["scratch"] = os.path.join(directory, f"{form}_{dtype}_{hidden_act}")
                    os.mkdir(common["scratch"])
                    ours = common | {"form": form, "policy": dtype}
                    with peers.Side(f"keras_bert {form}", "keras_bert_classifier", threads=options.threads, settings=ours) as own:
                        bert.profile_own(own, options, f"{own.name} {dtype} {hidden_act}")
                        for peer in beside:
                            theirs = common | peer.settings | {"policy": peer.policies[dtype]}
                            with peers.Side(peer.name, peer.script, threads=options.threads, python=python, settings=theirs) as its:
                                difference = compare_outputs(own, its, dtype)
                                row = bert.row_of(NAME, options, own.name, peer, dtype, target(form, peer, dtype))
                                row |= {"difference": difference, "versions": own.versions | its.versions}
                                yield row | bert.time_beside(own, its, options.rounds, examples, flops)


def compared(form, peer, dtype):
    """Whether a form of ours stands beside a peer: strings beside strings, the contract beside the contract."""
    return dtype in peer.policies and (form == "predict") == (peer.settings.get("form") == "predict")


def compare_outputs(own, its, dtype):
    """Compare what both sides give before either is timed, so that nobody is fast and wrong.

    Returns: float: the root mean square of the differences of the scores (logits of the second label less the first's), over their
        standard deviation from text to text. Scores of two different models have some 1.4: the square root of 2.
    Raises: BenchmarkError where that is more than rounding, or where there is one sequence only.
    """
    ours, theirs = (np.log(np.array(side.ask("outputs")["outputs"])) @ [-1, 1] for side in (own, its))
    if len(theirs) < 2:
        raise peers.BenchmarkError("one sequence tells nothing of what differs from text to text: give --batches 2 or more")
    difference = float(np.sqrt(np.mean((ours - theirs) ** 2)) / theirs.std())
    if not difference <= MAY_DIFFER[dtype]:
        raise peers.BenchmarkError(
            f"{own.name} and {its.name} differ in {dtype} by {difference:.2g} of their scores' deviation from text to text, and at most "
            f"{MAY_DIFFER[dtype]:g} is rounding"
        )
    return difference


def texts(count, length):
    """Returns: list of str: real English of over `length` words each, so that every text fills its row."""
    files = sorted((peers.ROOT / "examples" / "data" / "sentence_polarity").glob("*.tsv.gz"))
    lines = [line for line in text_lib.read_lines(files) if line.isascii()]
    words = " ".join(text_lib.take(lines, (count + 1) * length * 12 / 1e6).lines).split()
    return [" ".join(words[first : first + length]) for first in range(0, count * length, length)]


def table(rows):
    """Returns: Markdown."""
    if "task" in rows[0]:
        return TASKS[rows[0]["task"]].table(rows)
    return bert.table(rows, "difference of scores, over their deviation")


def plot(rows, directory):
    """Returns: paths of what was drawn."""
    if "task" in rows[0]:
        return inference_text.plot(rows, directory)
    return bert.plot(rows, directory, NAME, "Inference")
