"""Texts of real, mixed lengths, from a sentence to over 512 tokens: texts a second with batches of like length and a budget of tokens.

    python -m benchmarks mixed_lengths --json mixed_lengths.json        # BERT-base; about 60 minutes on 2 cores
    python -m benchmarks mixed_lengths --layers 2 --hidden 128 --rounds 3 --texts 64 --jobs predict

Texts are a fixed random sample of sentence_polarity and movie_reviews_long, label<TAB>text, and raw strings are what every side gets:
tokenizing is timed too. Ours is BertClassifier.predict and fit with max_tokens_per_batch; beside it stand the same model padding each batch
to 512, and Transformers padding to a batch's longest with batches of like length: sorted in prediction, by its LengthGroupedSampler in
training. Predictions, in the texts' order, are compared before anything is timed.
"""

import json
import os
import pathlib
import random
import tempfile

from benchmarks import bert, peers
from benchmarks import text as text_lib
from benchmarks.bert import ERF, Peer
from benchmarks.inference import compare_outputs

NAME = "mixed_lengths"
HELP = "texts of real, mixed lengths: a budget of tokens beside padding to 512 and Transformers' length grouping"
DTYPES = ("float32", "bfloat16")
JOBS = ("predict", "fit")
DATA = peers.ROOT.parent / "shared" / "data"
SETS = ("sentence_polarity", "movie_reviews_long")

POLICIES = {"float32": "float32", "bfloat16": "bfloat16"}
FIT_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
PADDED, GROUPED = "keras_bert_padded", "transformers_grouped"
PEERS = (PADDED, GROUPED)
TARGETS = {PADDED: 2.0, GROUPED: 1.3}
OWN = "max_tokens_per_batch"


def add_arguments(parser, positive):
    folders = ", ".join(SETS)
    parser.add_argument("--text", nargs="+", metavar="FILE", help=f".tsv(.gz), label<TAB>text (default: {folders} of {DATA})")
    parser.add_argument("--texts", type=positive(int), default=192, metavar="N", help="of the sample (default: %(default)s)")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="default: both")
    parser.add_argument("--batch_size", type=positive(int), default=16, metavar="N", help="of the peers (default: %(default)s)")
    parser.add_argument("--max_tokens_per_batch", type=positive(int), default=4096, metavar="N", help="of ours (default: %(default)s)")
    parser.add_argument("--length", type=positive(int), default=512, metavar="N", help="most tokens of a text (default: %(default)s)")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=list(DTYPES), help="default: all")
    bert.add_size_arguments(parser, positive)
    parser.set_defaults(batches=1)  # a run is all the texts


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    from keras_bert.training.throughput import forward_flops, training_flops

    python = peers.check_python(options.peers_python) if GROUPED in options.peers else None
    examples = sample(read_examples(options.text or default_files()), options.texts)
    settings = bert.settings_of(options)
    config = bert.flops_config(settings["config"])
    with tempfile.TemporaryDirectory() as directory:
        for name, column in (("texts", 1), ("labels", 0)):
            settings[name] = os.path.join(directory, f"{name}.json")
            with open(settings[name], "w", encoding="utf-8") as file:
                json.dump([example[column] for example in examples], file)
        weights = bert.Weights(options, directory, model_garden=False)
        for dtype in options.dtype:
            for job in options.jobs:
                policies = POLICIES if job == "predict" else FIT_POLICIES
                common = settings | weights.settings(ERF) | {"job": job, "form": job, "policy": policies[dtype]}
                ours = common | {"max_tokens_per_batch": options.max_tokens_per_batch}
                with peers.Side(f"{job}, {OWN}", "keras_bert_classifier", threads=options.threads, settings=ours) as own:
                    lengths = own.ask("run", measure="lengths")["lengths"]
                    count = forward_flops if job == "predict" else training_flops
                    flops = sum(count(config, 1, length) for length in lengths)
                    for peer in (padded(policies), grouped(policies)):
                        if peer.name not in options.peers:
                            continue
                        interpreter = python if peer.name == GROUPED else None
                        theirs = common | peer.settings
                        with peers.Side(peer.name, peer.script, threads=options.threads, python=interpreter, settings=theirs) as its:
                            row = bert.row_of(NAME, options, own.name, peer, dtype, TARGETS[peer.name])
                            row |= {"job": job, "texts": len(examples), OWN: options.max_tokens_per_batch}
                            row |= {"mean_length": sum(lengths) / len(lengths), "versions": own.versions | its.versions}
                            # What a step learns is the suite training's to compare: here the batches are not the same.
                            row["difference"] = compare_outputs(own, its, dtype) if job == "predict" else None
                            yield row | bert.time_beside(own, its, options.rounds, len(examples), flops)


def padded(policies):
    return Peer(PADDED, "keras_bert_classifier", {"pad_to_max": True}, ERF, policies)


def grouped(policies):
    return Peer(GROUPED, "transformers_classifier", {"compile": False}, ERF, policies)


def default_files():
    """Returns: paths of the training parts. Raises: BenchmarkError where they are not there."""
    files = [DATA / name / "train.tsv.gz" for name in SETS]
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise peers.BenchmarkError(f"{missing[0]} is not there: name files of label<TAB>text by --text")
    return files


def read_examples(paths):
    """Returns: list of (label: 0 or 1, text). Raises: BenchmarkError naming the file, and the line that is none."""
    examples = []
    for path in paths:
        content = text_lib.read_file(pathlib.Path(path))
        for number, line in enumerate(content.rstrip("\n").split("\n"), 1):
            label, tab, text = line.partition("\t")
            if not tab or label not in ("0", "1"):
                raise peers.BenchmarkError(f"{path}:{number}: expected 0 or 1, a tab and a text; got {line[:60]!r}")
            examples.append((int(label), text))
    return examples


def sample(examples, count):
    """Returns: so many examples, the same in every run. Raises: BenchmarkError where there are fewer."""
    if len(examples) < count:
        raise peers.BenchmarkError(f"--texts {count}, but the files hold {len(examples)}")
    return random.Random(0).sample(examples, count)


def table(rows):
    """Returns: Markdown."""
    first = rows[0]
    told = (
        f"{first['texts']} texts of {first['mean_length']:.0f} tokens in the mean, cut to {first['length']}; {first[OWN]} tokens a batch, "
    )
    return f"{bert.table(rows, 'difference of scores, over their deviation')}\n{told}peers' batches of {first['batch_size']} texts."


def plot(rows, directory):
    """Returns: paths of what was drawn."""
    return bert.plot(rows, directory, NAME, "Mixed lengths")
