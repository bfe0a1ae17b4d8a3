"""Fine-tune any BERT to answer questions by a part of a context (SQuAD).

    python examples/finetune_qa.py --output_dir out                     # MiniLM on the committed XQuAD
    python examples/finetune_qa.py --pretrained path/to/bert --train train-v1.1.json --validation dev-v1.1.json
    python examples/finetune_qa.py --train train-v2.0.json --validation dev-v2.0.json ...       # questions without answer among them
    python examples/finetune_qa.py --pretrained path/to/chinese_bert --train cmrc2018_train.json --validation dev.json --language zh

Without --pretrained and --train: all-MiniLM-L6-v2 and 894 questions, which show that it runs; to answer well wants a hundred times as many.
On QAMR's 15,449 questions about one sentence each, 3 epochs with --dtype bfloat16 took 23 minutes on 2 busy CPU cores and gave, on its
development set, an exact match of 0.718 and an F1 of 0.808 (one seed). To XQuAD's paragraphs, which are other than what it had learned, the
same model's were 0.308 and 0.426.

Files are SQuAD's JSON, or JSON lines; see data.read_squad. Start the same command again to go on with a run that was stopped or killed. OUT
holds run.json, log.jsonl, tensorboard/, training_curves.png, checkpoints/, and at the end model/ (load it by keras_bert.from_pretrained,
serve it by `python -m export --model OUT/model`), report.json, and of --test, or of --validation where there is no --test,
predictions.json, the answer of each id, as SQuAD's official script reads it, and null_odds.json, how much no answer is better. Where
questions of --validation have no answer, the model's null_threshold is tuned by it.

A context that is longer than a row is several rows, so that a batch of long contexts has more than --batch_size. Several machines and
TPU: as examples/finetune_classifier.py.

The last line printed is one JSON object: validation_exact_match, validation_f1, and test_..., from 0 to 1; steps, resumed_from,
interrupted, ...
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

from minilm import get_minilm
from training_flags import DTYPES, add_training_flags, batch_measure, compile_for, print_figures, run, start

import keras_bert
from keras_bert.data import read_squad, squad_dataset
from keras_bert.files import write_json
from keras_bert.metrics import score_squad

XQUAD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "xquad")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", help="checkpoint of any kind, or hf://owner/name (default: all-MiniLM-L6-v2, fetched)")
    parser.add_argument("--train", help="SQuAD's .json or .jsonl, also .gz (default: XQuAD)")
    parser.add_argument("--validation", help="as --train; the best model is chosen by it")
    parser.add_argument("--test", help="as --train")
    parser.add_argument("--format", choices=("squad", "jsonl"), help="what the files hold (default: by ending)")
    parser.add_argument("--strict", action="store_true", help="refuse files with answers that do not stand where they say")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="how answers are scored (default: %(default)s)")
    parser.add_argument("--max_length", type=int, help="tokens of a row (default: 384, or the model's limit)")
    parser.add_argument("--stride", type=int, help="pieces from a window of a long context to the next (default: 128 or less)")
    parser.add_argument("--max_query_length", type=int, help="pieces of a question at most (default: 64 or less)")
    parser.add_argument("--max_answer_length", type=int, help="pieces of an answer at most; 0: any number (default: 30)")
    parser.add_argument("--n_best", type=int, help="alternatives that the model gives (default: 20)")
    # Devlin et al. 2018, section 4.2: 3 epochs, 32, 5e-5. MiniLM is small, and wants a higher rate.
    add_training_flags(parser, epochs=3, batch_size=16, learning_rate=2e-4)
    options = parser.parse_args()

    strategy = start(options)
    if options.train is None:
        options.train, options.validation = (os.path.join(XQUAD, f"{part}.json.gz") for part in ("train", "dev"))
    train, validation, test = (
        source and read_squad(source, format=options.format, strict=options.strict)
        for source in (options.train, options.validation, options.test)
    )
    print(f"Training on {len(train)} questions, {sum(example.is_impossible for example in train)} of them without answer", flush=True)
    with strategy.scope():
        model = keras_bert.BertQuestionAnswerer.from_pretrained(
            options.pretrained or get_minilm(),
            max_length=options.max_length,
            stride=options.stride,
            max_query_length=options.max_query_length,
            n_best=options.n_best,
            dtype=DTYPES[options.dtype],
        )
    if options.max_answer_length is not None:
        model.max_answer_length = options.max_answer_length or None
    batches = model.training_batches(squad_dataset(train), **batch_measure(options), seed=options.seed)
    total_steps = compile_for(model, options, batches.batches_an_epoch)
    examples = validation and squad_dataset(validation)
    answering = ("max_answer_length", "n_best", "language")  # and scoring
    measured = {"validation": examples, "monitor": "val_span_accuracy"}
    result, figures = run(model, options, batches, total_steps=total_steps, **measured, not_of_the_run=answering)
    if not result.interrupted:
        if validation and any(example.is_impossible for example in validation):
            model.tune_null_threshold(validation)
            figures["null_threshold"] = round(model.null_threshold, 4)
            model.save_pretrained(figures["model"])
        figures = report(model, {"validation": validation, "test": test}, options) | figures
    print_figures(figures)


def report(model, parts, options):
    """Score a model; write report.json and the answers. Args: parts: dict of name -> examples. Returns: dict of figures."""
    scores, figures = {}, {}
    for name, examples in parts.items():
        if not examples:
            continue
        answers = dict(zip((example.id for example in examples), model.answer(examples), strict=True))
        predictions, odds = ({id_: answer[part] for id_, answer in answers.items()} for part in ("text", "null_score"))
        write_json(os.path.join(options.output_dir, "predictions.json"), predictions)
        write_json(os.path.join(options.output_dir, "null_odds.json"), odds)
        known = [example for example in examples if example.answers or example.is_impossible]
        if known:  # a test set may not tell
            scores[name] = score_squad(known, predictions, language=options.language)
            figures |= {f"{name}_{figure}": round(scores[name][figure], 4) for figure in ("exact_match", "f1")}
    write_json(os.path.join(options.output_dir, "report.json"), scores)
    return figures


if __name__ == "__main__":
    main()
