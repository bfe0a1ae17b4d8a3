"""Fine-tune any BERT to find predicates and their arguments: semantic role labelling in PropBank's way.

    python examples/finetune_srl.py --train train.jsonl.gz --validation dev.jsonl.gz --output_dir out       # MiniLM
    python examples/finetune_srl.py --pretrained path/to/bert --train train.gold_conll --validation dev.gold_conll --test test.gold_conll
    python examples/finetune_srl.py --predicate_segment --head crf --train ...

Files are CoNLL-2012's or PropBank's columns, or JSON lines; see data.read_propbank. Start the same command again to go on with a run that
was stopped or killed. OUT holds run.json, log.jsonl, tensorboard/, training_curves.png, checkpoints/, and at the end model/ (load it by
keras_bert.from_pretrained, serve it by `python -m export --model OUT/model`), and roles.json, the figures of each role.

On the English Web Treebank's PropBank (12,506 sentences, 40,391 predicates; 3 epochs, --dtype bfloat16) MiniLM took 43 minutes on 2 busy
cores, and gave on the 1,937 development sentences, by which the epoch was chosen, an argument F1 of 0.737, a predicate F1 of 0.961, and
from raw text an argument F1 of 0.719 (one seed).

A batch of --batch_size sentences is about four times as many rows: one to find the predicates, and one for each of them. Several machines
and TPU: as examples/finetune_classifier.py.

The last line printed is one JSON object, of --test, or of --validation where there is no --test: f1, precision, recall of arguments by
the shared task's rules, predicates being given; predicate_f1, predicate_precision, predicate_recall, and raw_f1, of arguments, of the words
joined by spaces as raw text, predicates being found; train_seconds, steps, resumed_from, interrupted, ...
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

from minilm import get_minilm
from training_flags import DTYPES, add_training_flags, batch_measure, compile_for, print_figures, run, start

import keras_bert
from keras_bert.data import Frame, PropbankSentence, read_propbank, role_examples, role_labels
from keras_bert.files import write_json
from keras_bert.metrics import role_table, score_roles


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", help="checkpoint of any kind, or hf://owner/name (default: all-MiniLM-L6-v2, fetched)")
    parser.add_argument("--train", required=True, help="CoNLL columns or .jsonl, also .gz")
    parser.add_argument("--validation", help="as --train; the best model is chosen by it")
    parser.add_argument("--test", help="as --train")
    parser.add_argument(
        "--format", choices=("conll2005", "conll2012", "propbank", "jsonl"), help="what the files hold (default: by ending)"
    )
    parser.add_argument("--max_length", type=int, help="tokens of a row (default: 128, or the model's limit)")
    parser.add_argument("--head", choices=("softmax", "crf"), default="softmax", help="of roles (default: %(default)s)")
    parser.add_argument("--predicate_segment", action="store_true", help="show the predicate once more behind the sentence")
    parser.add_argument(
        "--threshold", type=float, default=0.5, help="a word is a predicate from this probability on (default: %(default)s)"
    )
    # Devlin et al. 2018, appendix A.3. MiniLM is small, and wants a higher rate than BERT-base.
    add_training_flags(parser, epochs=3, batch_size=16, learning_rate=2e-4)
    options = parser.parse_args()

    strategy = start(options)
    train, validation, test = (
        source and read_propbank(source, format=options.format) for source in (options.train, options.validation, options.test)
    )
    labels = role_labels([*train, *(validation or ())])  # those that validation alone has are only missed
    print(
        f"Training on {len(train)} sentences, {sum(len(sentence.frames) for sentence in train)} predicates, {len(labels)} tags", flush=True
    )
    with strategy.scope():
        model = keras_bert.BertSemanticRoleLabeler.from_pretrained(
            options.pretrained or get_minilm(),
            labels=labels,
            crf=options.head == "crf",
            predicate_segment=options.predicate_segment,
            threshold=options.threshold,
            max_length=options.max_length,
            dtype=DTYPES[options.dtype],
        )
    batches = model.training_batches(role_examples(train, labels), **batch_measure(options), seed=options.seed)
    total_steps = compile_for(model, options, batches.batches_an_epoch)
    examples = validation and role_examples(validation, labels)
    result, figures = run(model, options, batches, total_steps=total_steps, validation=examples, monitor="val_f1")
    if (test or validation) and not result.interrupted:
        figures = report(model, test or validation, options.output_dir) | figures
    print_figures(figures)


def report(model, gold, directory):
    """Score a model; write roles.json. Args: gold: PropbankSentences. Returns: dict of figures."""
    words = [sentence.words for sentence in gold]
    given = [[frame.predicate for frame in sentence.frames] for sentence in gold]
    answers = model.answer({"words": words, "predicates": given})
    scores = score_roles(gold, [in_words(*pair) for pair in zip(words, answers, strict=True)])
    print(role_table(scores), flush=True)
    write_json(os.path.join(directory, "roles.json"), scores)
    found = score_roles(gold, [in_words(*pair) for pair in zip(words, model.answer([" ".join(each) for each in words]), strict=True)])
    figures = {name: scores[name] for name in ("f1", "precision", "recall")}
    figures |= {f"predicate_{name}": found["predicates"][name] for name in ("f1", "precision", "recall")}
    return {name: round(value, 4) for name, value in (figures | {"raw_f1": found["f1"]}).items()}


def in_words(words, answer):
    """An answer in the words of a data set, whose text is these joined by spaces. A model's own words of raw text may be parts of them.

    Args: words: list of str. answer: dict, as BertSemanticRoleLabeler.answer gives. Returns: PropbankSentence.
    """
    word_of = [index for index, word in enumerate(words) for _ in range(len(word) + 1)]  # of each character
    frames = {}
    for frame in answer["frames"]:
        arguments, end = [], 0
        for role in frame["roles"]:
            first, last = word_of[role["start"]], word_of[role["end"] - 1]
            if first >= end:  # else two arguments begin in one word, of which the first stays
                arguments.append((role["role"], first, last))
                end = last + 1
        frames.setdefault(word_of[frame["start"]], arguments)
    return PropbankSentence(words, [Frame(predicate, "", "", arguments) for predicate, arguments in frames.items()])


if __name__ == "__main__":
    main()
