"""The flags of pretrain.py, what they describe, and what of it cannot be; those of a corpus are prepare_pretraining_data.py's too."""

import argparse
import contextlib
import glob
import math
import os

from training_flags import DTYPES

from keras_bert.data.corpus import SEPARATIONS
from keras_bert.data.corpus_files import FORMATS
from keras_bert.pretraining import FURTHER_LEARNING_RATE, FURTHER_PHASES, RECIPES, CorpusPart, ExampleSettings, MaskingSettings, Phase
from keras_bert.pretraining.settings import SENTENCES
from keras_bert.text.segmentation import chinese_words
from keras_bert.training.distribution import STRATEGIES
from keras_bert.training.run_file import check_configuration
from keras_bert.training.trainer import CHECKPOINTS

DEFAULT_RECIPE = "half_hour"
_FURTHER = " ".join(f"{each.length}x{each.batch_size}x{each.steps}" for each in FURTHER_PHASES)
BERT_SHARE = 0.15  # of tokens that are masked, for which a phase's max_predictions are


def phase(text):
    """LENGTHxROWSxSTEPS."""
    try:
        length, rows, steps = map(int, text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no LENGTHxROWSxSTEPS, such as 128x256x9000") from None
    try:
        return Phase(length, rows, steps, max(1, round(BERT_SHARE * length)))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


CORPUS = ("documents", "text_field", "format", "split", "data_dir", "deduplicate", "skip_invalid")  # flags that are arguments of a Corpus


def add_corpus_flags(group):
    """How a corpus is read. Those of CORPUS, and --sentences."""
    group.add_argument("--documents", choices=SEPARATIONS, default="blank", help="what separates documents (default: %(default)s lines)")
    group.add_argument("--sentences", choices=SENTENCES, default="split", help="split lines, or take each as one (default: %(default)s)")
    group.add_argument("--text_field", default="text", help="of JSON lines, Parquet and tfds (default: %(default)s)")
    group.add_argument("--format", choices=FORMATS, help="what files hold whose names do not say it")
    group.add_argument("--split", default="train", help="of a tfds data set (default: %(default)s)")
    group.add_argument("--data_dir", help="where tensorflow-datasets keeps its data")
    group.add_argument("--deduplicate", action="store_true", help="leave out documents that were there before, to the letter")
    group.add_argument("--skip_invalid", action="store_true", help="leave out and count what is not UTF-8 text, in place of an error")


def corpus_settings(options):
    """Returns: dict, the arguments of a Corpus but its source."""
    return {name: getattr(options, name) for name in CORPUS}


def tell_skipped(manifest):
    """Print what of the corpus was left out, or cut. Args: manifest: dict, as prepare_pretraining_data returns it."""
    for name in ("duplicates", "long_documents", "skipped_lines", "skipped_files"):
        if manifest["read"][name]:
            print(f"{name.replace('_', ' ')}: {manifest['read'][name]:,}", flush=True)


def add_flags(parser):
    parser.add_argument("--corpus", nargs="+", required=True, help="files, folders, globs, or tfds:NAME")
    parser.add_argument("--output_dir", default="out", help="examples, checkpoints, logs and the model go there (default: %(default)s)")
    parser.add_argument("--pretrained", help="checkpoint of any kind to go on from, or hf://owner/name (default: random weights)")
    parser.add_argument(
        "--recipe",
        choices=list(RECIPES),
        help=f"size and phases (default: {DEFAULT_RECIPE}; of --pretrained the size is its own, and the phases are {_FURTHER})",
    )
    group = parser.add_argument_group("corpus")
    add_corpus_flags(group)
    group.add_argument("--block_documents", type=int, default=50, help="documents in a row that are held out together (default: 50)")
    group.add_argument("--shard_megabytes", type=float, default=8.0, help="text of a file of examples (default: 8)")
    group.add_argument("--workers", type=int, help="processes that prepare examples (default: one a core)")
    group.add_argument("--stream", action="store_true", help="make the examples of training while training, without files")
    group = parser.add_argument_group("vocabulary")
    group.add_argument("--vocabulary", help="vocab.txt (default: --pretrained's, or one is learned)")
    group.add_argument("--vocabulary_size", type=int, help="pieces to learn (default: the recipe's)")
    group.add_argument("--cased", action="store_true", help="keep upper case and accents")
    group = parser.add_argument_group("examples and masks")
    objectives = ("next_sentence", "sentence_order", "full_sentences")
    group.add_argument("--objective", choices=objectives, default="next_sentence", help="(default: %(default)s)")
    group.add_argument("--pack", action=argparse.BooleanOptionalAction, help="short examples together in one row (default: the recipe's)")
    group.add_argument("--masking", choices=("token", "word", "span"), default="token", help="what is masked (default: %(default)s)")
    group.add_argument("--masked_share", type=float, default=0.15, help="of the tokens (default: 0.15)")
    group.add_argument("--replace_together", action=argparse.BooleanOptionalAction, help="words and spans as one (default: spans alone)")
    group.add_argument("--segment_chinese", action="store_true", help="mask Chinese by jieba's words (with --masking word or span)")
    group = parser.add_argument_group("how long, how large")
    group.add_argument("--phases", nargs="+", type=phase, metavar="LENGTHxROWSxSTEPS", help="(default: the recipe's)")
    group.add_argument("--steps", type=int, help="updates of all phases together, in the shares that they have")
    group.add_argument("--minutes", type=float, help="end all phases by the clock, in place of updates")
    group.add_argument(
        "--head_steps", type=int, default=0, help="with --pretrained: updates of the heads alone first, which --minutes does not count"
    )
    group.add_argument("--dtype", choices=list(DTYPES), default="float32", help="of the computation (default: %(default)s)")
    group.add_argument("--accumulate", type=int, default=1, metavar="BATCHES", help="parts that a batch is computed in (default: 1)")
    group.add_argument("--rematerialize", action="store_true", help="keep less for the gradient and compute it again")
    group.add_argument("--strategy", choices=STRATEGIES, default="auto", help="where to train (default: %(default)s: what there is)")
    group.add_argument("--tpu", help="name or address of a Cloud TPU; 'local' on a TPU VM")
    group.add_argument("--seed", type=int, default=0, help="of weights, examples, order, masks and dropout (default: %(default)s)")
    group = parser.add_argument_group("how to learn")
    group.add_argument(
        "--learning_rate", type=float, help=f"the peak (default: the recipe's; with --pretrained and no --recipe {FURTHER_LEARNING_RATE})"
    )
    group.add_argument("--optimizer", choices=("adamw", "lamb"), default="adamw")
    group.add_argument("--warmup_steps", type=int, help="(default: the recipe's, but a tenth of all at most)")
    group.add_argument("--weight_decay", type=float, help="(default: the recipe's)")
    group.add_argument(
        "--shrink_embeddings",
        action=argparse.BooleanOptionalAction,
        help="at the end, make the embedding tables as small as new ones, so that fine-tuning can move them; the model computes the same "
        "(default: the recipe's; not with --pretrained)",
    )
    group = parser.add_argument_group("checkpoints and logs")
    group.add_argument("--validate_every", type=int, default=500, help="updates (default: %(default)s)")
    group.add_argument("--validation_batches", type=int, default=50, help="at most so many each time (default: %(default)s)")
    group.add_argument("--checkpoint_every", type=int, default=500, help="updates (default: %(default)s)")
    group.add_argument("--keep", type=int, default=2, help="newest checkpoints to keep (default: %(default)s)")
    group.add_argument("--log_every", type=int, default=20, help="updates (default: %(default)s)")


def corpus(options, part):
    return CorpusPart(options.corpus, part=part, block_documents=options.block_documents, **corpus_settings(options))


def example_settings(options, each):
    return ExampleSettings(
        objective=options.objective,
        max_length=each.length,
        sentences=options.sentences,
        pack=options.pack,
        shard_megabytes=options.shard_megabytes,
        seed=options.seed,
    )


def masking_settings(options, each):
    # Without it a larger share would be cut to BERT's.
    more = max(1.0, options.masked_share / BERT_SHARE)
    return MaskingSettings(
        unit=options.masking,
        share=options.masked_share,
        max_predictions=round(more * each.max_predictions),
        replace_together=options.replace_together,
    )


@contextlib.contextmanager
def told(kinds=(ValueError, OSError, ImportError)):
    """End with an error's message alone. Args: kinds: of errors."""
    try:
        yield
    except kinds as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error


def check(options, phases):
    """Find before any work what would fail after hours of it. Raises: ValueError naming the flag. ImportError."""
    for least, names in (
        (1, ("workers", "steps", "accumulate", "block_documents", "vocabulary_size", "validation_batches")),
        (1, ("validate_every", "checkpoint_every", "keep", "log_every")),
        (0, ("head_steps", "warmup_steps")),
    ):
        for name in names:
            if getattr(options, name) is not None and getattr(options, name) < least:
                raise ValueError(f"--{name} {getattr(options, name)} is not {least} or more")
    if options.minutes is not None and not (options.minutes > 0 and math.isfinite(options.minutes)):
        raise ValueError(f"--minutes {options.minutes} is not a positive number")
    if options.minutes is not None and options.steps is not None:
        raise ValueError("--minutes and --steps: the clock ends a run, or updates do; give one of them")
    if not -(2**31) <= options.seed < 2**31:
        raise ValueError(f"--seed {options.seed} is not a whole number of 32 bits, -2147483648 to 2147483647")
    if options.pretrained is None and options.head_steps:
        raise ValueError("--head_steps: the heads learn from what the encoder says, and without --pretrained that is at random")
    if options.pretrained is not None:
        for name in ("vocabulary", "vocabulary_size", "cased"):
            if getattr(options, name):
                raise ValueError(f"--{name}: the vocabulary is that of --pretrained, whose embeddings are of its pieces; leave it out")
    if options.vocabulary is not None and options.vocabulary_size is not None:
        raise ValueError(f"--vocabulary {options.vocabulary} is there already; --vocabulary_size is of one that is learned")
    if options.segment_chinese:
        if options.masking == "token":
            raise ValueError("--segment_chinese is of words: --masking word or span")
        chinese_words([""])  # without jieba it raises
    for each in phases:
        masking_settings(options, each)
        example_settings(options, each)
        if each.batch_size % options.accumulate:
            raise ValueError(f"--accumulate {options.accumulate} does not divide the {each.batch_size} rows of an update")
    corpus(options, "train").check_is_apart(options.output_dir)


# What a run that goes on may have otherwise.
_NOT_OF_THE_RUN = (
    *("output_dir", "strategy", "tpu", "workers", "validate_every", "checkpoint_every", "keep", "log_every", "rematerialize"),
    "shrink_embeddings",
)


def run_config(options):
    """Returns: dict, what a run that goes on must have the same."""
    return {key: str(value) for key, value in vars(options).items() if key not in _NOT_OF_THE_RUN}


def check_is_this_run(options):
    """Raises: ValueError where output_dir holds another run, before examples of this one are made in it."""
    for name in ("heads", "phase-1"):
        directory = os.path.join(options.output_dir, name)
        if glob.glob(os.path.join(glob.escape(directory), CHECKPOINTS, "step-*")):
            check_configuration(directory, run_config(options))
