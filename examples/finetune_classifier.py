"""Fine-tune any BERT to classify texts, or pairs of texts.

    python examples/finetune_classifier.py --output_dir out                         # MiniLM on the committed film reviews
    python examples/finetune_classifier.py --pretrained path/to/bert --train train.tsv --validation dev.tsv --test test.tsv
    python examples/finetune_classifier.py --pretrained hf://owner/name --train nli.jsonl --text_columns premise hypothesis \\
        --label_column gold
    python examples/finetune_classifier.py --train topics.tsv --problem_type multi_label    # labels: "sport,art"
    python examples/finetune_classifier.py --train sts.tsv --text_columns 1 2 --label_column 0 --problem_type score --target_scale 5
    python examples/finetune_classifier.py --train long.tsv --truncate windows --max_windows 8
    python examples/finetune_classifier.py --train intents.tsv --validation dev.tsv --reject oos    # rows labelled oos are none of them
    python examples/finetune_classifier.py --train tfds:glue/sst2 --text_columns sentence --label_column label ...

Without --pretrained and --train: all-MiniLM-L6-v2 and 8,662 sentences; an epoch takes about 3 to 5 minutes on 2 CPU cores and
gives a test accuracy of 0.83; three give 0.848 (three seeds: 0.844, 0.854, 0.845).

What else MiniLM comes to, in bfloat16:

    150 intents (clinc150), 2e-4, 5 epochs           validation accuracy 0.958
    similarity (STS benchmark), score, 5e-5          test Pearson 0.826; with --pooling pooler, 1e-4, and each pair both ways round 0.840
    one intent beside all others (1 in 150), 5 seeds average precision 0.61; --balanced_sampling 0.77, --class_weights balanced 0.75,
                                                     --focal_gamma 2 0.86; macro F1 0.82, 0.85, 0.80, 0.85
    film reviews of 700 words, 1e-4, 2 epochs        --max_length 128: test accuracy 0.70; --truncate windows --max_windows 6: 0.88
                                                     --max_length 256: 0.78; --truncate windows --max_windows 3: 0.84

Start the same command again to go on with a run that was stopped or killed. OUT holds run.json, log.jsonl, tensorboard/,
training_curves.png, checkpoints/, and at the end model/ (load it by keras_bert.from_pretrained, serve it by
`python -m export --model OUT/model`), report.json and, of one label a text, confusions.png, which labels are taken for which.

Several machines: the same command on each with --strategy multi_worker and TF_CONFIG; TPU: --strategy tpu --tpu NAME; see
README. The last line printed is one JSON object: test_accuracy, test_macro_f1 (or test_micro_f1, test_pearson, ...), test_loss, steps,
resumed_from, interrupted, ...
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

import tensorflow as tf
from minilm import get_minilm
from training_flags import DTYPES, add_training_flags, batch_measure, compile_for, print_figures, run, start

import keras_bert
from keras_bert.data import balanced, balanced_weights, label_counts, read_classification, read_labels, targets_of
from keras_bert.files import write_json
from keras_bert.metrics import draw_label_confusions, format_classification, score_classification, score_multi_label, score_numbers
from keras_bert.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL
from keras_bert.training.distribution import is_chief

REVIEWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "sentence_polarity")
# What is answered: the model's problem_type, that of the files, and what the best model is chosen by.
KINDS = {
    "single_label": (SINGLE_LABEL, SINGLE_LABEL, "val_accuracy"),
    "multi_label": (MULTI_LABEL, MULTI_LABEL, "val_micro_f1"),
    "regression": (REGRESSION, REGRESSION, "val_pearson"),
    "score": (SINGLE_LABEL, REGRESSION, "val_pearson"),
}


def column(text):
    """A column by index or name."""
    return int(text) if text.isdigit() else text


def parse_flags():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", help="checkpoint of any kind, or hf://owner/name (default: all-MiniLM-L6-v2, fetched)")
    parser.add_argument("--train", help=".tsv, .csv or .jsonl, also .gz; or tfds:NAME (default: film reviews)")
    parser.add_argument("--validation", help="as --train; the best model is chosen by it")
    parser.add_argument("--test", help="as --train")
    parser.add_argument("--text_columns", nargs="+", type=column, default=[0], help="one, or two for pairs: index or name (default: 0)")
    parser.add_argument("--label_column", type=column, default=1, help="index or name (default: %(default)s)")
    parser.add_argument("--format", choices=("tsv", "csv", "jsonl"), help="what the files hold (default: what their endings say)")
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="the files' first line names the columns, or does not (default: it does where a column is given by name)",
    )
    parser.add_argument(
        "--labels", nargs="+", help="names of the labels in order, also where the file holds 0, 1, ... (default: those in --train)"
    )
    parser.add_argument("--data_dir", help="where tensorflow-datasets keeps its data")
    parser.add_argument("--max_length", type=int, help="tokens of a text or pair (default: 128, or the model's limit)")
    parser.add_argument("--pooling", choices=("pooler", "mean"), help="(default: mean for MiniLM, else the checkpoint's or pooler)")
    group = parser.add_argument_group("what is answered")
    group.add_argument(
        "--problem_type",
        choices=list(KINDS),
        default="single_label",
        help="a label of several, any number of labels, a number, or a score from 0 to 1 (default: %(default)s)",
    )
    group.add_argument("--separator", default=",", help="between several labels of a text, where they are no list (default: %(default)r)")
    group.add_argument("--target_scale", type=float, default=1.0, help="the files' numbers are divided by it (default: %(default)s)")
    group.add_argument("--reject", metavar="NAME", help="rows of this label have none of the labels: a threshold is chosen to tell them")
    group.add_argument("--reject_precision", type=float, help="of the answers that are not rejected, at least (default: the best F1)")
    group = parser.add_argument_group("skewed labels")
    group.add_argument("--class_weights", nargs="+", metavar="NAME=W", help="of labels in the loss, such as spam=5; or balanced")
    group.add_argument("--balanced_sampling", action="store_true", help="examples of rare labels come more often")
    group.add_argument("--focal_gamma", type=float, help="focal loss, such as 2")
    group.add_argument("--label_smoothing", type=float, default=0.0, help="(default: %(default)s)")
    group = parser.add_argument_group("texts longer than --max_length")
    group.add_argument("--truncate", choices=("head", "tail", "head_tail", "windows"), default="head", help="(default: %(default)s)")
    group.add_argument("--stride", type=int, help="tokens from a window to the next (default: three quarters of a window)")
    group.add_argument("--join", choices=("mean", "max"), default="mean", help="of the windows' logits (default: %(default)s)")
    group.add_argument("--max_windows", type=int, help="of a text (default: as many as it takes)")
    # Devlin et al. 2018, appendix A.3: 2 to 4 epochs, 16 or 32 examples, 2e-5 to 5e-5 for BERT-base.
    add_training_flags(parser, epochs=3, batch_size=32, learning_rate=5e-5)
    options = parser.parse_args()
    if options.reject and options.problem_type != "single_label":
        parser.error("--reject is of one label of several: --problem_type single_label")
    if options.balanced_sampling and options.class_weights == ["balanced"]:
        parser.error("--balanced_sampling beside --class_weights balanced makes up for skewed labels twice; leave one out")
    if options.train is None:
        options.text_columns, options.label_column = [1], 0
        options.labels = options.labels or ["negative", "positive"]
        options.train, options.validation, options.test = (os.path.join(REVIEWS, f"{part}.tsv.gz") for part in ("train", "dev", "test"))
    return options


def main():
    options = parse_flags()
    strategy = start(options)
    if options.pretrained is None:
        options.pretrained, options.pooling = get_minilm(), options.pooling or "mean"
    problem_type, of_files, monitor = KINDS[options.problem_type]
    labels, read = reader(options, of_files)
    train, validation, test = read(options.train, "train"), read(options.validation, "validation"), read(options.test, "test")
    whole_validation, whole_test = validation, test
    if options.reject:
        train, validation, test = (part and in_scope(part, len(labels)) for part in (train, validation, test))
    print(f"Training on {int(train.cardinality())} examples of {len(labels)} labels: {', '.join(labels[:8])}", flush=True)
    if options.problem_type == "single_label" and (label_counts(train, labels) > 0).sum() < 2:
        raise SystemExit(f"error: all examples of {options.train} have one label: there is nothing to tell it from")
    with strategy.scope():
        model = keras_bert.BertClassifier.from_pretrained(
            options.pretrained,
            labels=labels,
            problem_type=problem_type,
            pooling=options.pooling,
            max_length=options.max_length,
            dtype=DTYPES[options.dtype],
            truncate=options.truncate,
            stride=options.stride,
            join=options.join,
            max_windows=options.max_windows,
            rejected_label=options.reject,
        )
    share = model.share_over_length(train)
    print(f"{share:.1%} of the training texts are longer than max_length={model.max_length}; of them: {options.truncate}", flush=True)
    examples = balanced(train, seed=options.seed) if options.balanced_sampling else train
    batches = model.training_batches(examples, **batch_measure(options), seed=options.seed)
    loss = {"class_weights": class_weights(options.class_weights, train, labels)}
    loss |= {"focal_gamma": options.focal_gamma, "label_smoothing": options.label_smoothing}
    total_steps = compile_for(model, options, batches.batches_an_epoch, **loss)
    result, figures = run(model, options, batches, total_steps=total_steps, validation=validation, monitor=monitor)
    figures["over_length"] = round(share, 4)
    if not result.interrupted:
        if tuned(model, options, whole_validation) and is_chief(strategy):
            model.save_pretrained(figures["model"])
        if test is not None:
            scores = model.evaluate(test, **batch_measure(options), verbose=0, return_dict=True)
            scores |= report(model, options, whole_test, options.output_dir)
            figures = {f"test_{name}": round(float(value), 4) for name, value in scores.items()} | figures
    print_figures(figures)


def reader(options, problem_type):
    """Returns: list of labels; function of a source and its split -> dataset, or None."""
    table = {name: getattr(options, name) for name in ("label_column", "header", "format", "data_dir")}
    if problem_type == REGRESSION:
        labels, known = options.labels or ["score"], None
    else:
        there = read_labels(options.train, problem_type=problem_type, separator=options.separator, **table)
        labels = [name for name in options.labels or there if name != options.reject]
        known = labels + ([options.reject] if options.reject else [])
        if problem_type == SINGLE_LABEL and all(label.isdigit() for label in there) and len(there) <= len(labels):
            known = None  # ids already

    def read(source, split):
        if not source:
            return None
        columns = {"text_columns": options.text_columns, "problem_type": problem_type, "separator": options.separator}
        dataset = read_classification(source, labels=known, split=split, **columns, **table)
        return dataset if options.target_scale == 1 else dataset.map(lambda x, target: (x, target / options.target_scale))

    return labels, read


def in_scope(dataset, count):
    """The examples that have one of the first `count` labels. Returns: dataset of known cardinality."""
    known = int((targets_of(dataset) < count).sum())
    return dataset.filter(lambda x, label: label < count).apply(tf.data.experimental.assert_cardinality(known))


def class_weights(given, train, labels):
    if not given:
        return None
    if given == ["balanced"]:
        return balanced_weights(train, labels)
    return {name: float(weight) for name, weight in (each.rsplit("=", 1) for each in given)}


def tuned(model, options, validation):
    """Choose thresholds on validation data. Returns: bool, whether there was something to choose."""
    if validation is None:
        return False
    if options.problem_type == "multi_label":
        model.tune_thresholds(validation, **batch_measure(options))
    elif options.reject:
        chosen = model.tune_rejection(validation, precision=options.reject_precision, **batch_measure(options))
        print("Rejection on validation data: " + ", ".join(f"{name} {value:.4f}" for name, value in chosen.items()), flush=True)
    return options.problem_type == "multi_label" or bool(options.reject)


def report(model, options, test, directory):
    """Score a model's answers; write report.json and confusions.png. Returns: dict of figures; empty without scikit-learn."""
    answers, targets = model.answer(test, **batch_measure(options)), targets_of(test)
    probabilities = [answer.get("probabilities") for answer in answers]
    try:
        if options.problem_type == "single_label":
            names = [*model.labels, *([options.reject] if options.reject else [])]
            gold, predicted = [names[target] for target in targets], [answer["label"] for answer in answers]
            scores = score_classification(gold, predicted, labels=names, probabilities=None if options.reject else probabilities)
            scores |= with_rejection(gold, predicted, options.reject) if options.reject else {}
        elif options.problem_type == "multi_label":
            gold = [[name for name, share in zip(model.labels, row, strict=True) if share] for row in targets]
            predicted = [answer["labels"] for answer in answers]
            scores = score_multi_label(gold, predicted, model.labels, probabilities=probabilities)
        else:
            scores = score_numbers(targets, [answer.get("value", answer.get("score")) for answer in answers])
        print(format_classification(scores), flush=True)
        write_json(os.path.join(directory, "report.json"), scores)
        if options.problem_type == "single_label":
            draw_label_confusions(gold, predicted, os.path.join(directory, "confusions.png"))
    except ImportError as error:  # of an extra; the model is trained and evaluated all the same
        print(f"No report, or no picture of it: {error}", flush=True)
        return {}
    return {name: value for name, value in scores.items() if isinstance(value, float)}


def with_rejection(gold, predicted, rejected):
    """As Larson et al. 2019 score it: accuracy where there is a label, and the share of the other texts that is found."""
    right = [truth == found for truth, found in zip(gold, predicted, strict=True)]
    inside = [is_right for truth, is_right in zip(gold, right, strict=True) if truth != rejected]
    outside = [is_right for truth, is_right in zip(gold, right, strict=True) if truth == rejected]
    return {name: sum(part) / len(part) for name, part in (("in_scope_accuracy", inside), ("rejected_recall", outside)) if part}


if __name__ == "__main__":
    main()
