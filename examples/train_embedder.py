"""Train any BERT to embed texts: pairs that belong together, triplets, or pairs with scores.

    python examples/train_embedder.py --output_dir out                              # MiniLM on the committed pairs of utterances
    python examples/train_embedder.py --pretrained path/to/bert --train pairs.tsv --validation dev.tsv --test test.tsv
    python examples/train_embedder.py --train triplets.jsonl --text_columns question answer wrong_answer ...
    python examples/train_embedder.py --train sts.tsv --text_columns 1 2 --score_column 0 --highest_score 5 ...

Without --pretrained and --train: all-MiniLM-L6-v2 and 1,350 pairs of utterances of one intent (CLINC150). With --max_steps 30 the test
recall@1 rose from 0.63 to 0.71 (one seed).
On the STS benchmark's 5,749 scored pairs (--epochs 4 --dtype bfloat16, 11 minutes on 2 busy CPU cores) the test's Spearman correlation rose
from 0.820 to 0.859 (one seed). Questions and the sentences that answer them (QAMR, 15,449 pairs, one epoch of --batch_size 64
--learning_rate 5e-5 by multiple negatives): of 3,196 development questions 70.0 % found their sentence first, and 85.7 % then.

Without scores the loss is multiple negatives ranking: an anchor's positive is to be nearer than those of all other examples of the batch,
so that large batches teach more; --rows_at_once 64 has a batch of any size fit. With scores it is the squared difference between a pair's
cosine and its score. --loss takes another, --matryoshka 256 128 64 trains vectors that may be cut.

Start the same command again to go on with a run that was stopped or killed. OUT holds run.json, log.jsonl, tensorboard/,
training_curves.png, checkpoints/, and at the end model/, for `python examples/embed.py --model OUT/model` and
`python -m export --model OUT/model`.

Several machines and TPU: as examples/finetune_classifier.py. The last line printed is one JSON object: test_spearman, test_pearson, or
test_recall@1, test_mrr@10, test_ndcg@10, ..., and each with _before: as it was before training; steps, resumed_from, interrupted, ...
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

from minilm import get_minilm
from training_flags import DTYPES, add_training_flags, batch_measure, compile_for, print_figures, run, start

import keras_bert
from keras_bert.data import read_embedding_examples
from keras_bert.training import Matryoshka, MultipleNegatives
from keras_bert.training.embedding_losses import LOSSES, DefaultEmbeddingLoss

UTTERANCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "clinc150")


def column(text):
    """A column by index or name."""
    return int(text) if text.isdigit() else text


def prompt(text):
    """NAME=TEXT."""
    name, equals, words = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=TEXT, such as 'query=query: '")
    return name, words


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", help="checkpoint of any kind, or hf://owner/name (default: all-MiniLM-L6-v2, fetched)")
    parser.add_argument("--train", help=".tsv, .csv or .jsonl, also .gz; or tfds:NAME (default: pairs of utterances)")
    parser.add_argument("--validation", help="as --train; the best model is chosen by it")
    parser.add_argument("--test", help="as --train")
    parser.add_argument(
        "--text_columns", nargs="+", type=column, default=[0, 1], help="anchor, positive, and negatives: index or name (default: 0 1)"
    )
    parser.add_argument("--score_column", type=column, help="how like the two texts are: index or name (default: there are no scores)")
    parser.add_argument("--highest_score", type=float, default=1.0, help="what scores go up to, such as 5 (default: 1)")
    parser.add_argument("--format", choices=("tsv", "csv", "jsonl"), help="what the files hold (default: what their endings say)")
    parser.add_argument("--header", action=argparse.BooleanOptionalAction, help="as examples/finetune_classifier.py")
    parser.add_argument("--data_dir", help="where tensorflow-datasets keeps its data")
    parser.add_argument("--max_length", type=int, help="tokens of a text (default: the checkpoint's, or 128)")
    parser.add_argument("--pooling", choices=("mean", "max", "cls", "pooler"), help="(default: the checkpoint's, or mean)")
    parser.add_argument("--prompt", action="append", type=prompt, default=[], metavar="NAME=TEXT", help="such as 'query=query: '")
    parser.add_argument(
        "--example_prompts", nargs="+", metavar="NAME", help="prompts of the first, second, ... text, such as query passage"
    )
    group = parser.add_argument_group("loss")
    group.add_argument("--loss", choices=("auto", *LOSSES), default="auto", help="(default: by whether there are scores)")
    group.add_argument("--scale", type=float, default=20.0, help="of multiple negatives: 1 / temperature (default: %(default)s)")
    group.add_argument("--symmetric", action="store_true", help="of multiple negatives: rank anchors for a positive, too")
    group.add_argument("--matryoshka", nargs="+", type=int, metavar="SIZE", help="train vectors that may be cut to these sizes")
    group.add_argument("--rows_at_once", type=int, help="texts embedded at once, for batches that do not fit (cached gradients)")
    # Reimers & Gurevych 2019, section 4: 1 epoch or a few, 16 examples, 2e-5, for BERT-base. MiniLM is small, and wants a higher rate.
    add_training_flags(parser, epochs=3, batch_size=32, learning_rate=5e-5)
    options = parser.parse_args()

    strategy = start(options)
    if options.train is None:
        options.train, options.validation, options.test = (os.path.join(UTTERANCES, f"{part}.tsv.gz") for part in ("train", "dev", "test"))
    table = {name: getattr(options, name) for name in ("text_columns", "score_column", "highest_score", "header", "format", "data_dir")}

    def read(source, split):
        return source and read_embedding_examples(source, split=split, **table)

    train, validation, test = read(options.train, "train"), read(options.validation, "validation"), read(options.test, "test")
    print(f"Training on {int(train.cardinality())} examples of {len(options.text_columns)} texts", flush=True)
    with strategy.scope():
        model = keras_bert.BertEmbedder.from_pretrained(
            options.pretrained or get_minilm(),
            pooling=options.pooling,
            max_length=options.max_length,
            dtype=DTYPES[options.dtype],
            prompts=dict(options.prompt) or None,
            example_prompts=options.example_prompts,
        )
    batches = model.training_batches(train, **batch_measure(options), seed=options.seed)
    total_steps = compile_for(model, options, batches.batches_an_epoch, loss=loss_of(options), rows_at_once=options.rows_at_once)
    scores = {}
    if test is not None:
        scores = {f"test_{name}_before": value for name, value in test_scores(model, test, options).items()}
    monitor = "val_spearman" if options.score_column is not None else "val_recall@1"
    result, figures = run(model, options, batches, total_steps=total_steps, validation=validation, monitor=monitor)
    if test is not None and not result.interrupted:
        scores = {f"test_{name}": value for name, value in test_scores(model, test, options).items()} | scores
        figures = scores | figures
    print_figures(figures)


def loss_of(options):
    """Returns: the loss that the flags ask for."""
    name = options.loss
    negatives = MultipleNegatives(options.scale, symmetric=options.symmetric)
    if name == "multiple_negatives" or (name == "auto" and options.score_column is None):
        loss = negatives
    else:
        loss = DefaultEmbeddingLoss() if name == "auto" else LOSSES[name]()
    return loss if options.matryoshka is None else Matryoshka(loss, options.matryoshka)


def test_scores(model, test, options):
    """Returns: dict of figures."""
    results = model.evaluate(test, **batch_measure(options), verbose=0, return_dict=True)
    return {name: round(float(value), 4) for name, value in results.items()}


if __name__ == "__main__":
    main()
