"""Fine-tune any BERT to tag words: named entities, or parts of speech.

    python examples/finetune_tagger.py --output_dir out                 # MiniLM on the committed WNUT-17, by a CRF
    python examples/finetune_tagger.py --head softmax --output_dir out
    python examples/finetune_tagger.py --pretrained path/to/bert --train train.conll --validation dev.conll --test test.conll
    python examples/finetune_tagger.py --train train.jsonl --word_column tokens --tag_column ner_tags ...

Without --pretrained and --train: all-MiniLM-L6-v2 and 3,394 sentences of tweets. With --dtype bfloat16 the 5 epochs took 4 to 9 minutes on
2 busy CPU cores. F1 of entities, means of three seeds:

    flags                                                                         development  test
    --head softmax                                                                0.555        0.420 (0.412, 0.417, 0.432)
    none: a CRF                                                                   0.587        0.447 (0.451, 0.447, 0.445)
    --learning_rate 1e-4 --rate_factor classifier=20 --tag_weight O=0.6           0.597        0.465 (0.470, 0.465, 0.459)

Files are of a word a line with its columns (CoNLL), or JSON lines; see data.read_conll. Start the same command again to go on with a
run that was stopped or killed. OUT holds run.json, log.jsonl, tensorboard/, training_curves.png, checkpoints/, and at the end model/
(load it by keras_bert.from_pretrained, serve it by `python -m export --model OUT/model`), report.json, and confusions.png, which
types are taken for which.

Several machines and TPU: as examples/finetune_classifier.py. The last line printed is one JSON object: test_f1, test_precision,
test_recall (seqeval's), steps, resumed_from, interrupted, ...
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

from minilm import get_minilm
from training_flags import DTYPES, add_training_flags, batch_measure, compile_for, print_figures, run, start

import keras_bert
from keras_bert.data import conll_sentences, read_conll, read_tags
from keras_bert.files import write_json
from keras_bert.metrics import draw_confusions, format_scores, score_entities
from keras_bert.tags import SCHEMES, is_entity_tag

TWEETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "wnut17")


def column(text):
    """A column by index, which may be negative, or by name."""
    return int(text) if text.lstrip("-").isdigit() else text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", help="checkpoint of any kind, or hf://owner/name (default: all-MiniLM-L6-v2, fetched)")
    parser.add_argument("--train", help="CoNLL columns or .jsonl, also .gz; or tfds:NAME (default: WNUT-17)")
    parser.add_argument("--validation", help="as --train; the best model is chosen by it")
    parser.add_argument("--test", help="as --train")
    parser.add_argument("--word_column", type=column, default=0, help="index or name (default: 0; of JSON lines: tokens)")
    parser.add_argument("--tag_column", type=column, default=-1, help="index or name (default: -1, the last; of JSON lines: tags)")
    parser.add_argument("--scheme", choices=SCHEMES, help="of the files' tags (default: found out)")
    parser.add_argument("--to", choices=(*SCHEMES, "as_is"), default="IOB2", help="scheme to learn; as_is: any tags (default: %(default)s)")
    parser.add_argument("--repair", action="store_true", help="read tags that break their scheme as conlleval does, and go on")
    parser.add_argument("--data_dir", help="where tensorflow-datasets keeps its data")
    parser.add_argument("--max_length", type=int, help="tokens of a row; longer sentences are several (default: 128, or the model's limit)")
    group = parser.add_argument_group("head and loss")
    group.add_argument("--head", choices=("crf", "softmax"), default="crf", help="(default: %(default)s)")
    group.add_argument("--lstm_units", type=int, help="of an LSTM, each way, between encoder and head (default: there is none)")
    group.add_argument("--tag_weight", action="append", default=[], metavar="TAG=WEIGHT", help="of a tag in the loss, such as O=0.5")
    group.add_argument("--focal_gamma", type=float, help="focal loss, such as 2 (softmax)")
    group.add_argument("--label_smoothing", type=float, default=0.0, help="(softmax; default: %(default)s)")
    group.add_argument("--constrained", action="store_true", help="bar the scheme's forbidden moves in training too (crf)")
    # Devlin et al. 2018, section 5.3, and appendix A.3. MiniLM is small, and wants a higher rate than BERT-base.
    add_training_flags(parser, epochs=5, batch_size=16, learning_rate=2e-4)
    options = parser.parse_args()

    strategy = start(options)
    if options.train is None:
        options.train, options.validation, options.test = (os.path.join(TWEETS, f"{part}.conll.gz") for part in ("train", "dev", "test"))
    table = {name: getattr(options, name) for name in ("word_column", "tag_column", "scheme", "repair", "data_dir")}
    table["to"] = None if options.to == "as_is" else options.to
    labels = read_tags(options.train, **table)

    def read(source, split):
        return source and read_conll(source, labels=labels, split=split, **table)

    train, validation = read(options.train, "train"), read(options.validation, "validation")
    print(f"Training on {int(train.cardinality())} sentences, tags {', '.join(labels[:12])}", flush=True)
    with strategy.scope():
        model = keras_bert.BertTagger.from_pretrained(
            options.pretrained or get_minilm(),
            labels=labels,
            crf=options.head == "crf",
            lstm_units=options.lstm_units,
            max_length=options.max_length,
            dtype=DTYPES[options.dtype],
        )
    batches = model.training_batches(train, **batch_measure(options), seed=options.seed)
    weights = {tag: float(weight) for tag, weight in (each.rsplit("=", 1) for each in options.tag_weight)}
    loss = {"tag_weights": weights or None, "focal_gamma": options.focal_gamma}
    loss |= {"label_smoothing": options.label_smoothing, "constrained": options.constrained}
    total_steps = compile_for(model, options, batches.batches_an_epoch, **loss)
    monitor = "val_f1" if all(map(is_entity_tag, labels)) else "val_loss"
    result, figures = run(model, options, batches, total_steps=total_steps, validation=validation, monitor=monitor)
    if options.test is not None and not result.interrupted:
        figures = report(model, conll_sentences(options.test, labels=labels, split="test", **table), options.output_dir) | figures
    print_figures(figures)


def report(model, sentences, directory):
    """Score a model on whole sentences; write report.json and confusions.png. Returns: dict of figures."""
    gold = [tags for _, tags in sentences]
    predicted = [answer["tags"] for answer in model.answer([words for words, _ in sentences])]
    right = sum(one == other for pair in zip(gold, predicted, strict=True) for one, other in zip(*pair, strict=True))
    figures = {"test_accuracy": round(right / sum(map(len, gold)), 4)}
    if all(map(is_entity_tag, model.labels)):
        scores = score_entities(gold, predicted)
        print(format_scores(scores), flush=True)
        write_json(os.path.join(directory, "report.json"), scores)
        if scores["support"]:
            draw_confusions(gold, predicted, os.path.join(directory, "confusions.png"))
        figures = {f"test_{name}": round(scores[name], 4) for name in ("f1", "precision", "recall")} | figures
    return figures


if __name__ == "__main__":
    main()
