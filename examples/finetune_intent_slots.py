"""Fine-tune any BERT to tell what an utterance wants, and which slots its words fill; two heads on one encoder.

    python examples/finetune_intent_slots.py --epochs 20 --output_dir out         # MiniLM on the committed excerpt of Snips
    python examples/finetune_intent_slots.py --train train.jsonl.gz --test test.jsonl.gz --output_dir out
    python examples/finetune_intent_slots.py --pretrained path/to/bert --train atis/train --validation atis/valid --test atis/test

Without --pretrained and --train: all-MiniLM-L6-v2 and 210 utterances, to see it run: 20 epochs take about a minute on 2 CPU cores and give
an intent accuracy of 0.97 and a slot F1 of 0.60 on 63 others. On the whole of Snips (13,784 utterances; --epochs 3 --dtype bfloat16)
MiniLM gave an intent accuracy of 0.990, a slot F1 of 0.948, and both wholly right for 0.881 of its 700 test utterances (one seed), in 9
minutes on 2 busy cores.

Data are JSON lines, also .gz, as Snips has them: {"intent": "PlayMusic", "data": [["play ", null], ["jazz", "genre"]]}; or a folder of
seq.in, seq.out and label, as ATIS is passed on: words, their tags, and the intent, a line an utterance.

Start the same command again to go on with a run that was stopped or killed. OUT holds run.json, log.jsonl, tensorboard/,
training_curves.png, checkpoints/, at the end model/ (load it by keras_bert.from_pretrained, serve it by
`python -m export --model OUT/model`), and report.json, the scores by slot.

Several machines and TPU: as examples/finetune_classifier.py. The last line printed is one JSON object: intent_accuracy, slot_f1
(seqeval's), frame_accuracy (intent and all tags right), model, seconds, steps, resumed_from, interrupted, ...
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

from minilm import get_minilm
from training_flags import DTYPES, add_training_flags, batch_measure, compile_for, print_figures, run, start

import keras_bert
from keras_bert.data import intent_slot_labels, intent_slots_dataset, read_intent_slots
from keras_bert.files import write_json
from keras_bert.metrics import format_scores, score_entities

SNIPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "snips")


def main():
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", help="checkpoint of any kind, or hf://owner/name (default: all-MiniLM-L6-v2, fetched)")
    parser.add_argument("--train", help="JSON lines, or a folder (default: an excerpt of Snips)")
    parser.add_argument("--validation", help="as --train; the best model is chosen by it")
    parser.add_argument("--test", help="as --train")
    parser.add_argument("--max_length", type=int, help="tokens of a row; longer utterances are several (default: 128 or less)")
    group = parser.add_argument_group("heads and losses")
    group.add_argument("--pooling", choices=("mean", "pooler"), help="what the intent is read from (default: the checkpoint's or mean)")
    group.add_argument("--head", choices=("softmax", "crf"), default="softmax", help="of the slots (default: %(default)s)")
    group.add_argument("--intent_weight", type=float, default=1.0, help="of the intent's loss beside the slots' (default: %(default)s)")
    # Chen et al. 2019: 128 utterances, 5e-5, 1 to 40 epochs for BERT-base. MiniLM is small, and wants a higher rate.
    add_training_flags(parser, epochs=5, batch_size=32, learning_rate=2e-4)
    options = parser.parse_args()

    strategy = start(options)
    if options.train is None:
        options.train, options.test = (os.path.join(SNIPS, f"{part}.jsonl.gz") for part in ("train", "test"))
    train, test = read_intent_slots(options.train), options.test and read_intent_slots(options.test)
    labels, intents = intent_slot_labels(train)
    validation = options.validation and intent_slots_dataset(read_intent_slots(options.validation), labels, intents)
    print(f"Training on {len(train)} utterances of {len(intents)} intents and {len(labels) // 2} slots", flush=True)
    with strategy.scope():
        model = keras_bert.BertIntentSlots.from_pretrained(
            options.pretrained or get_minilm(),
            labels=labels,
            intents=intents,
            pooling=options.pooling,
            crf=options.head == "crf",
            max_length=options.max_length,
            dtype=DTYPES[options.dtype],
        )
    batches = model.training_batches(intent_slots_dataset(train, labels, intents), **batch_measure(options), seed=options.seed)
    weights = {"intent": options.intent_weight, "slots": 1.0}
    total_steps = compile_for(model, options, batches.batches_an_epoch, loss_weights=weights)
    result, figures = run(model, options, batches, total_steps=total_steps, validation=validation, monitor="val_loss")
    if test and not result.interrupted:
        figures = report(model, test, options.output_dir) | figures
    print_figures(figures | {"seconds": round(time.monotonic() - began, 1)})


def report(model, examples, directory):
    """Score a model on utterances; write report.json. Returns: dict of figures."""
    answers = model.answer([words for words, *_ in examples])
    right_intents = [answer["intent"] == intent for answer, (*_, intent) in zip(answers, examples, strict=True)]
    right_tags = [answer["tags"] == tags for answer, (_, tags, _) in zip(answers, examples, strict=True)]
    scores = score_entities([tags for _, tags, _ in examples], [answer["tags"] for answer in answers])
    print(format_scores(scores), flush=True)
    both = [intent and tags for intent, tags in zip(right_intents, right_tags, strict=True)]
    figures = {
        "intent_accuracy": round(sum(right_intents) / len(examples), 4),
        "slot_f1": round(scores["f1"], 4),
        "frame_accuracy": round(sum(both) / len(examples), 4),
    }
    write_json(os.path.join(directory, "report.json"), figures | {"slots": scores})
    return figures


if __name__ == "__main__":
    main()
