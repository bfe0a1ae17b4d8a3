"""Fine-tune any BERT to choose the sentences that sum a document up (BertSum).

    python examples/finetune_extractive.py --train train.jsonl --columns document summary --validation dev.jsonl --output_dir out
    python examples/finetune_extractive.py --train train.tsv --validation dev.tsv --test test.tsv --num_sentences 1 --output_dir out

    python examples/finetune_extractive.py --pretrained summarizer/model --soft_labels --train train.jsonl --columns document summary \\
        --validation dev.jsonl --output_dir out

The last begins with the encoder of what examples/finetune_summarizer.py has trained on the same data, which did best where it was tried.

Files hold documents with summaries. The sentences that are most like a summary are found by ROUGE, --label_sentences of them at most, and
the model learns them. The best model is chosen by ROUGE-L of what it chooses in --validation. Start the same command again to go on with a
run that was stopped or killed. OUT holds run.json, log.jsonl, tensorboard/, training_curves.png, checkpoints/, and at the end model/,
report.json, and validation_answers.jsonl and test_answers.jsonl, what was chosen.

Several machines and TPU: as examples/finetune_classifier.py.

Scores are by rouge-score (pip install keras3-bert[metrics]). The last line printed is one JSON object: test_rouge1, _rouge2 and _rougeL, 0
to 100, and validation_...; steps, resumed_from, interrupted, ... Beside them stand the scores

    test_lead_...       of a document's first sentences, as many as --num_sentences (or 3)
    test_lead_cut_...   of its first sentence, cut to as many words as a summary of --train has in the mean
    test_oracle_...     of the sentences that the labels say, --label_sentences at most
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

from minilm import get_minilm
from training_flags import DTYPES, add_training_flags, batch_measure, compile_for, print_figures, run, start
from writing_baselines import cut, units
from written_sample import write_rows

import keras_bert
from keras_bert.data import extractive_dataset, extractive_labels, read_parallel, split_sentences
from keras_bert.files import write_json
from keras_bert.metrics import score_summaries

_OF_CHOOSING = ("num_sentences", "share", "max_characters", "block_trigrams")  # change nothing of what is trained


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", help="checkpoint of any kind, or hf://owner/name (default: all-MiniLM-L6-v2, fetched)")
    parser.add_argument("--train", required=True, help="a .tsv, .csv or .jsonl file of documents and summaries; also .gz")
    parser.add_argument("--validation", help="as --train; the best model is chosen by it")
    parser.add_argument("--test", help="as --train")
    parser.add_argument("--columns", nargs=2, default=("0", "1"), help="of document and summary (default: %(default)s)")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="zh: compared by characters (default: %(default)s)")
    parser.add_argument("--max_length", type=int, help="tokens of a row (default: 512, or the model's limit)")
    parser.add_argument("--label_sentences", type=int, help="most that are labelled for a summary (default: --num_sentences, or 3)")
    parser.add_argument(
        "--soft_labels",
        action="store_true",
        help="label each sentence by its own ROUGE-L, 0 to 1, in place of 1 for the best, 0 for all other",
    )
    group = parser.add_argument_group("what to choose")
    group.add_argument("--num_sentences", type=int, help="(default: 3, where nothing else is given)")
    group.add_argument("--share", type=float, help="most of a document's sentences, such as 0.2")
    group.add_argument("--max_characters", type=int, help="most characters of a summary")
    group.add_argument(
        "--block_trigrams",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="pass over what has three words in a row in common with what is chosen (default: %(default)s)",
    )
    # Liu & Lapata 2019 train BERT-base at 2e-3 with a schedule of its own; MiniLM is small, and wants a higher rate than 5e-5.
    add_training_flags(parser, epochs=3, batch_size=16, learning_rate=2e-4)
    options = parser.parse_args()
    score_summaries(["a"], ["a"], language=options.language)  # a package that is missing is told before hours of training
    options.label_sentences = options.label_sentences or options.num_sentences or 3

    strategy = start(options)
    columns = tuple(int(name) if name.isdecimal() else name for name in options.columns)
    parts = {name: _read(getattr(options, name), columns) for name in ("train", "validation", "test")}
    labelled = {"max_sentences": options.label_sentences, "language": options.language, "soft_labels": options.soft_labels}
    train, validation = (parts[name] and extractive_dataset(parts[name], **labelled) for name in ("train", "validation"))
    with strategy.scope():
        model = keras_bert.BertExtractiveSummarizer.from_pretrained(
            options.pretrained or get_minilm(),
            max_length=options.max_length,
            language=options.language,
            dtype=DTYPES[options.dtype],
            **{name: getattr(options, name) for name in _OF_CHOOSING},
        )
    print(f"Training on {int(train.cardinality())} documents", flush=True)
    batches = model.training_batches(train, **batch_measure(options), seed=options.seed)
    total_steps = compile_for(model, options, batches.batches_an_epoch)
    measured = {"validation": validation, "monitor": "val_rougeL"}
    result, figures = run(model, options, batches, total_steps=total_steps, **measured, not_of_the_run=_OF_CHOOSING)
    if not result.interrupted:
        figures = _report(model, parts, options) | figures
    print_figures(figures)


def _read(path, columns):
    if path is None:
        return None
    return [tuple(part.decode("utf-8") for part in pair) for pair in read_parallel(path, columns=columns).as_numpy_iterator()]


def _report(model, parts, options):
    """Score what the model chooses, and what else could be; write it and report.json. Returns: dict of figures."""
    lengths = [len(units(summary, options.language)) for _, summary in parts["train"]]
    mean_words = round(sum(lengths) / len(lengths))
    figures = {}
    for name in ("validation", "test"):
        if parts[name] is None:
            continue
        documents, summaries = (list(part) for part in zip(*parts[name], strict=True))
        answers = model.answer(documents)
        rows = [
            {"document": document, "summary": summary, **answer}
            for document, summary, answer in zip(documents, summaries, answers, strict=True)
        ]
        write_rows(os.path.join(options.output_dir, f"{name}_answers.jsonl"), rows)
        others = {
            "": [answer["text"] for answer in answers],
            "lead_": [_join(split_sentences(document)[: options.num_sentences or 3], options) for document in documents],
            "lead_cut_": [cut((split_sentences(document) or [""])[0], mean_words, language=options.language) for document in documents],
            "oracle_": [_oracle(*pair, options) for pair in parts[name]],
        }
        for kind, texts in others.items():
            scores = score_summaries(texts, summaries, language=options.language)
            figures |= {f"{name}_{kind}{score}": round(value, 2) for score, value in scores.items()}
    figures["mean_summary_words"] = mean_words
    write_json(os.path.join(options.output_dir, "report.json"), figures)
    return figures


def _join(texts, options):
    return ("" if options.language == "zh" else " ").join(texts)


def _oracle(document, summary, options):
    sentences = split_sentences(document)
    labels = extractive_labels(sentences, summary, max_sentences=options.label_sentences, language=options.language)
    return _join([sentence for sentence, label in zip(sentences, labels, strict=True) if label], options)


if __name__ == "__main__":
    main()
