"""What the scripts that train a writer share: their flags, the model, training, and the scores of what it writes."""

import json
import os

from minilm import get_minilm
from training_flags import DTYPES, add_training_flags, batch_measure, compile_for, print_figures, run, start

import keras_bert
from keras_bert.data import read_parallel
from keras_bert.files import write_json


def add_flags(parser, *, columns, max_length, max_target_length, epochs, batch_size, learning_rate, language):
    """Add them. Args: parser: argparse.ArgumentParser. others: the task's defaults; columns: names or numbers, as a flag has them."""
    parser.add_argument("--pretrained", help="checkpoint of any kind, or hf://owner/name (default: all-MiniLM-L6-v2, fetched)")
    parser.add_argument("--train", nargs="+", required=True, help="a .tsv, .csv, .jsonl or .tmx file, or two files line by line; also .gz")
    parser.add_argument("--validation", nargs="+", help="as --train; the best model is chosen by it")
    parser.add_argument("--test", nargs="+", help="as --train")
    parser.add_argument("--columns", nargs=2, default=columns, help="of source and target; languages of a .tmx (default: %(default)s)")
    parser.add_argument("--language", choices=("en", "zh"), default=language, help="of targets, how they are scored (default: %(default)s)")
    parser.add_argument("--max_length", type=int, default=max_length, help="tokens of a source (default: %(default)s)")
    parser.add_argument("--max_target_length", type=int, default=max_target_length, help="tokens of a target (default: %(default)s)")
    parser.add_argument("--decoder_vocabulary", help="vocab.txt of the targets (default: the checkpoint's)")
    parser.add_argument("--decoder_layers", type=int, help="(default: the encoder's)")
    parser.add_argument("--shared", action="store_true", help="one set of weights for both sides")
    parser.add_argument("--no_warm_start", action="store_true", help="a decoder of new weights")
    parser.add_argument("--label_smoothing", type=float, default=0.1, help="(default: %(default)s)")
    group = parser.add_argument_group("how to write")
    group.add_argument("--num_beams", type=int, default=4, help="(default: %(default)s)")
    group.add_argument("--length_penalty", type=float, default=1.0, help="over 0 favours longer answers (default: %(default)s)")
    group.add_argument("--no_repeat_ngrams", type=int, help="repeat no run of so many tokens")
    group.add_argument("--restore_case", action="store_true", help="take capitals from the source")
    add_training_flags(parser, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)


def train_and_score(options, score):
    """Train as the flags say, write to --validation and --test, and print the figures.

    Args: options: parsed flags. score: function (answers, references, language=) -> dict of figures.
    """
    strategy = start(options)
    columns = tuple(int(name) if name.isdecimal() else name for name in options.columns)
    parts = {name: _read(getattr(options, name), columns) for name in ("train", "validation", "test")}
    model_options = {name: getattr(options, name) for name in _OF_THE_MODEL}
    if options.decoder_layers is not None:
        model_options["decoder"] = {"num_hidden_layers": options.decoder_layers}
    if options.decoder_vocabulary is not None:
        model_options["decoder_tokenizer"] = keras_bert.BertTokenizer(options.decoder_vocabulary)
    with strategy.scope():
        model = keras_bert.BertSeq2Seq.from_pretrained(
            options.pretrained or get_minilm(), warm_start=not options.no_warm_start, dtype=DTYPES[options.dtype], **model_options
        )
    targets = _texts(parts["train"], 1)
    cut = model.preprocessor.cut_targets(targets)
    print(f"Training on {len(targets)} pairs; {cut} targets have over {options.max_target_length} tokens and are cut", flush=True)
    batches = model.training_batches(parts["train"], **batch_measure(options), seed=options.seed)
    total_steps = compile_for(model, options, batches.batches_an_epoch, label_smoothing=options.label_smoothing)
    measured = {"validation": parts["validation"], "monitor": "val_loss"}
    result, figures = run(model, options, batches, total_steps=total_steps, **measured, not_of_the_run=_OF_WRITING)
    figures["cut_targets"] = cut
    if not result.interrupted:
        figures = _report(model, parts, options, score) | figures
    print_figures(figures)


_OF_WRITING = ("num_beams", "length_penalty", "no_repeat_ngrams", "restore_case", "language")
_OF_THE_MODEL = ("max_length", "max_target_length", "shared", *_OF_WRITING[:-1])


def _read(paths, columns):
    if paths is None:
        return None
    if len(paths) > 2:
        raise SystemExit(f"{len(paths)} files, {' '.join(paths)}: give one, or two that hold sources and targets line by line")
    return read_parallel(paths[0] if len(paths) == 1 else tuple(paths), columns=columns)


def _texts(dataset, side):
    return [pair[side].decode("utf-8") for pair in dataset.as_numpy_iterator()]


def _report(model, parts, options, score):
    """Score what the model writes; write it and report.json. Returns: dict of figures."""
    scores = {}
    for name in ("validation", "test"):
        if parts[name] is None:
            continue
        sources, targets = (_texts(parts[name], side) for side in (0, 1))
        answers = model.generate(sources)
        rows = (
            {"source": source, "target": target, "answer": answer} for source, target, answer in zip(sources, targets, answers, strict=True)
        )
        with open(os.path.join(options.output_dir, f"{name}_answers.jsonl"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        scores |= {f"{name}_{figure}": round(value, 2) for figure, value in score(answers, targets, language=options.language).items()}
    write_json(os.path.join(options.output_dir, "report.json"), scores)
    return scores
