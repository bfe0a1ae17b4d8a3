"""What the scripts that train a writer share: their flags, the model, training, and the scores of what it writes."""

import os

import numpy as np
from minilm import get_minilm
from training_flags import DTYPES, add_training_flags, batch_measure, compile_for, print_figures, run, start
from written_sample import WrittenSample, write_rows

import keras_bert
from keras_bert.data import read_parallel
from keras_bert.files import write_json
from keras_bert.preprocessing.seq2seq import MANY_UNKNOWN
from keras_bert.training.distribution import is_chief


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
    parser.add_argument("--shared", action="store_true", default=None, help="one set of weights for both sides")
    parser.add_argument("--no_warm_start", action="store_true", help="a decoder of new weights")
    parser.add_argument("--label_smoothing", type=float, default=0.1, help="(default: %(default)s)")
    parser.add_argument("--decoder_learning_rate", type=float, help="the decoder's own peak (default: --learning_rate)")
    parser.add_argument("--decoder_warmup_steps", type=int, help="(default: --warmup_steps)")
    group = parser.add_argument_group("how to validate")
    group.add_argument(
        "--validation_examples",
        type=int,
        default=200,
        help="of --validation, how many the model writes to at each validation; 0: none, the best is by the loss (default: %(default)s)",
    )
    group.add_argument("--validation_beams", type=int, default=1, help="(default: %(default)s, greedy)")
    group.add_argument("--show", type=int, default=3, help="answers of each validation to show (default: %(default)s)")
    group.add_argument("--no_baselines", action="store_true", help="score no baselines at the end")
    group = parser.add_argument_group("how to write")
    group.add_argument("--num_beams", type=int, default=4, help="(default: %(default)s)")
    group.add_argument("--length_penalty", type=float, default=1.0, help="over 0 favours longer answers (default: %(default)s)")
    group.add_argument(
        "--early_stopping", choices=("true", "false", "never"), default="true", help="see generation.Generation (default: %(default)s)"
    )
    group.add_argument("--no_repeat_ngrams", type=int, help="repeat no run of so many tokens")
    group.add_argument("--restore_case", action="store_true", help="take capitals from the source")
    add_training_flags(parser, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)


def train_and_score(options, score, *, chosen_by, baselines):
    """Train as the flags say, write to --validation and --test, and print the figures.

    Args:
        options: parsed flags.
        score: function (answers, references, language=) -> dict of figures.
        chosen_by: the figure by which the best is chosen.
        baselines: function (pairs, training pairs, language=) -> dict of dict of figures; pairs are two lists of str.
    """
    score(["a"], ["a"], language=options.language)  # a package that is missing is told before hours of training
    if not options.no_baselines:
        baselines((["a"], ["a"]), (["a"], ["a"]), language=options.language)
    strategy = start(options)
    columns = tuple(int(name) if name.isdecimal() else name for name in options.columns)
    datasets = {name: _read(getattr(options, name), columns) for name in ("train", "validation", "test")}
    parts = {name: _texts(dataset) for name, dataset in datasets.items() if dataset is not None}
    with strategy.scope():
        model = _model(options)
    read = _lengths(model, parts["train"], options)
    batches = model.training_batches(datasets["train"], **batch_measure(options), seed=options.seed)
    loss = {"label_smoothing": options.label_smoothing, "part_schedules": _schedules(options)}
    total_steps = compile_for(model, options, batches.batches_an_epoch, **loss)
    measured = {"validation": datasets["validation"], "monitor": "val_loss"}
    if options.validation_examples and "validation" in parts:
        sample = WrittenSample(
            model,
            parts["validation"],
            score,
            language=options.language,
            examples=options.validation_examples,
            shown=options.show,
            directory=options.output_dir if is_chief(strategy) else None,
            num_beams=options.validation_beams,
        )
        measured |= {"validation_scores": sample, "monitor": f"val_{chosen_by}"}
    result, figures = run(model, options, batches, total_steps=total_steps, **measured, not_of_the_run=_NOT_OF_THE_RUN)
    figures |= _seen(read, result.step * options.accumulate / batches.batches_an_epoch) | batch_measure(options)
    if not result.interrupted:
        figures = _report(model, parts, options, score, baselines) | figures
    print_figures(figures)


_OF_WRITING = ("num_beams", "length_penalty", "no_repeat_ngrams", "restore_case")
_NOT_OF_THE_RUN = (*_OF_WRITING, "early_stopping", "show", "no_baselines")
_OF_THE_MODEL = ("max_length", "max_target_length", "shared", *_OF_WRITING)


def _read(paths, columns):
    if paths is None:
        return None
    if len(paths) > 2:
        raise SystemExit(f"{len(paths)} files, {' '.join(paths)}: give one, or two that hold sources and targets line by line")
    return read_parallel(paths[0] if len(paths) == 1 else tuple(paths), columns=columns)


def _texts(dataset):
    """Returns: sources and targets, two lists of str."""
    return [[side.decode("utf-8") for side in sides] for sides in zip(*dataset.as_numpy_iterator(), strict=True)]


def _model(options):
    model_options = {name: getattr(options, name) for name in _OF_THE_MODEL if name != "shared" or options.shared}
    model_options["early_stopping"] = {"true": True, "false": False, "never": "never"}[options.early_stopping]
    if options.decoder_layers is not None:
        model_options["decoder"] = {"num_hidden_layers": options.decoder_layers}
    if options.decoder_vocabulary is not None:
        model_options["decoder_tokenizer"] = keras_bert.BertTokenizer(options.decoder_vocabulary)
    return keras_bert.BertSeq2Seq.from_pretrained(
        options.pretrained or get_minilm(), warm_start=not options.no_warm_start, dtype=DTYPES[options.dtype], **model_options
    )


def _schedules(options):
    own = {"learning_rate": options.decoder_learning_rate, "warmup_steps": options.decoder_warmup_steps}
    own = {name: value for name, value in own.items() if value is not None}
    return {"decoder": own} if own else None


def _lengths(model, pairs, options):
    """Count tokens of the training data, and tell what is cut. Returns: dict of figures of one epoch."""
    preprocessor, figures = model.preprocessor, {"examples": len(pairs[0])}
    sides = (("source", preprocessor.tokenizer, options.max_length), ("target", preprocessor.target_tokenizer, options.max_target_length))
    for texts, (name, tokenizer, limit) in zip(pairs, sides, strict=True):
        tokens = [tokenizer.tokenize(texts[start : start + 4096]) for start in range(0, len(texts), 4096)]
        lengths = np.concatenate([part.row_lengths().numpy() for part in tokens]) + 2  # [CLS] and [SEP]
        unknown = sum(int((part.flat_values.numpy() == tokenizer.unk_id).sum()) for part in tokens) / max(
            int(lengths.sum()) - 2 * len(texts), 1
        )
        if unknown > MANY_UNKNOWN:
            mend = "give --decoder_vocabulary" if name == "target" else "take a checkpoint that knows it"
            print(f"Warning: {unknown:.0%} of the {name}s' tokens are [UNK]: the vocabulary is not of their language; {mend}", flush=True)
        figures |= {f"{name}_tokens": int(np.minimum(lengths, limit).sum()), f"cut_{name}s": int((lengths > limit).sum())}
    cut = ", ".join(f"{figures[f'cut_{name}s']} {name}s have over {limit} tokens" for name, _, limit in sides)
    print(f"Training on {len(pairs[0])} pairs; {cut} and are cut", flush=True)
    return figures


def _seen(read, epochs):
    """Args: read: of _lengths. epochs: those done. Returns: dict of figures of the run."""
    seen = {f"{name}_seen": round(read[name] * epochs) for name in ("examples", "source_tokens", "target_tokens")}
    return seen | {name: read[name] for name in ("cut_sources", "cut_targets")}


def _report(model, parts, options, score, baselines):
    """Score what the model writes, and the baselines; write the answers and report.json. Returns: dict of figures."""
    scores = {}
    for name in ("validation", "test"):
        if name not in parts:
            continue
        sources, targets = parts[name]
        answers = model.generate(sources)
        rows = [
            {"source": source, "target": target, "answer": answer} for source, target, answer in zip(sources, targets, answers, strict=True)
        ]
        write_rows(os.path.join(options.output_dir, f"{name}_answers.jsonl"), rows)
        scores |= {f"{name}_{figure}": value for figure, value in _rounded(score(answers, targets, language=options.language)).items()}
    scored = next((name for name in ("test", "validation") if name in parts), None)
    if scored is not None and not options.no_baselines:
        found = baselines(parts[scored], parts["train"], language=options.language)
        scores[f"{scored}_baselines"] = {name: _rounded(figures) for name, figures in found.items()}
    write_json(os.path.join(options.output_dir, "report.json"), scores)
    return scores


def _rounded(figures):
    return {name: round(value, 2) for name, value in figures.items()}
