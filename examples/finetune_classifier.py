"""Fine-tune any BERT to classify texts, or pairs of texts.

    python examples/finetune_classifier.py --output_dir out                         # MiniLM on the committed film reviews
    python examples/finetune_classifier.py --pretrained path/to/bert --train train.tsv --validation dev.tsv --test test.tsv
    python examples/finetune_classifier.py --pretrained hf://owner/name --train nli.jsonl --text_columns premise hypothesis \\
        --label_column gold
    python examples/finetune_classifier.py --train tfds:glue/sst2 --text_columns sentence --label_column label ...

Without --pretrained and --train: all-MiniLM-L6-v2 and 8,662 sentences; an epoch takes about 3 to 5 minutes on 2 CPU cores and
gives a test accuracy of 0.83.

Start the same command again to go on with a run that was stopped or killed. OUT holds run.json, log.jsonl, tensorboard/,
training_curves.png, checkpoints/, and at the end model/ (load it by keras_bert.from_pretrained, serve it by
`python -m export --model OUT/model`).

Several machines: the same command on each with --strategy multi_worker and TF_CONFIG; TPU: --strategy tpu --tpu NAME; see
README. The last line printed is one JSON object: test_accuracy, test_loss, steps, resumed_from, interrupted, ...
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

from minilm import get_minilm
from training_flags import DTYPES, add_training_flags, batch_measure, compile_for, print_figures, run, start

import keras_bert
from keras_bert.data import read_classification, read_labels

REVIEWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "sentence_polarity")


def column(text):
    """A column by index or name."""
    return int(text) if text.isdigit() else text


def main():
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
    # Devlin et al. 2018, appendix A.3: 2 to 4 epochs, 16 or 32 examples, 2e-5 to 5e-5 for BERT-base.
    add_training_flags(parser, epochs=3, batch_size=32, learning_rate=5e-5)
    options = parser.parse_args()

    strategy = start(options)
    if options.train is None:
        options.text_columns, options.label_column = [1], 0
        options.labels = options.labels or ["negative", "positive"]
        options.train, options.validation, options.test = (os.path.join(REVIEWS, f"{part}.tsv.gz") for part in ("train", "dev", "test"))
    if options.pretrained is None:
        options.pretrained, options.pooling = get_minilm(), options.pooling or "mean"

    table = {name: getattr(options, name) for name in ("label_column", "header", "format", "data_dir")}
    there = read_labels(options.train, **table)
    labels = options.labels or there
    are_numbers = all(label.isdigit() for label in there) and len(there) <= len(labels)

    def read(source, split):
        return source and read_classification(
            source, text_columns=options.text_columns, labels=None if are_numbers else labels, split=split, **table
        )

    train, validation, test = read(options.train, "train"), read(options.validation, "validation"), read(options.test, "test")
    print(f"Training on {int(train.cardinality())} examples of {len(labels)} labels: {', '.join(labels[:8])}", flush=True)
    with strategy.scope():
        model = keras_bert.BertClassifier.from_pretrained(
            options.pretrained, labels=labels, pooling=options.pooling, max_length=options.max_length, dtype=DTYPES[options.dtype]
        )
    batches = model.training_batches(train, **batch_measure(options), seed=options.seed)
    total_steps = compile_for(model, options, batches.batches_an_epoch)
    result, figures = run(model, options, batches, total_steps=total_steps, validation=validation, monitor="val_accuracy")
    if test is not None and not result.interrupted:
        loss, accuracy = model.evaluate(test, **batch_measure(options), verbose=0)
        figures = {"test_accuracy": round(float(accuracy), 4), "test_loss": round(float(loss), 4)} | figures
    print_figures(figures)


if __name__ == "__main__":
    main()
