"""Pretrain a BERT on raw text: from random weights, or further, from a checkpoint on texts of one's own domain.

    python examples/pretrain.py --corpus texts/ --recipe small --output_dir out
    python examples/pretrain.py --corpus paragraphs.txt.gz --documents line --recipe half_hour --minutes 30 --output_dir out
    python examples/pretrain.py --corpus texts/ --pretrained path/to/bert --steps 2000 --learning_rate 5e-5 --output_dir out
    python examples/pretrain.py --corpus texts/ --objective full_sentences --masking span --pack --phases 128x256x9000 512x64x1000 ...

A corpus is files, folders, globs or tfds:NAME. Blocks of its documents are held out, 5 % for validation and 5 % for the test at the end.
The vocabulary is learned from the rest, unless --vocabulary gives one; that of --pretrained stays. Examples are prepared once, in
OUT/examples; masks are drawn anew in each epoch. With --stream those of training are made while it trains, without files: each epoch reads
the text again, and so does a run that goes on, up to where it was; tokens_seen is then reckoned from the rows of validation.

--recipe gives sizes and phases: tiny, mini, small, medium, base, large are google-research's, trained as BERT was, which takes a GPU or
TPU and days; half_hour is for some 10 MB of text on two CPU cores: in bfloat16, busy with other work too, it came to test_nats 3.16
beside test_unigram_entropy 6.29 on 11 MB of English prose, in 22.4 million tokens, test_nsp_accuracy 0.77. --phases LENGTHxROWSxSTEPS
says other ones. On another subject such a checkpoint is worth little yet: fine-tuned on film reviews (--pooling mean --learning_rate
1e-4, three seeds) it came to test accuracies of 0.725, 0.738 and 0.744, the same network from random weights to 0.734, 0.722 and 0.725,
without --shrink_embeddings to 0.719 (one seed); take a checkpoint that saw more, and --pretrained, where there is one: its phases are
128x32x10000 and its rate 2e-5 then, as google-research advises. With --minutes the clock ends each phase and decides the learning rate:
started again after a kill, such a run goes on, but not to the weights of one without. Without it, the same command goes on to those very
weights.

MiniLM on the same prose (--pretrained, --objective full_sentences --phases 128x16x200 --head_steps 100 --learning_rate 2e-4): a validation
loss of 7.01 nats after its new head alone was trained, 4.90 after all of it was; unigram entropy 5.93.

OUT holds vocab.txt (vocab.json: what it was learned of), examples/ (its lengths.png: how long they are, and how much is padding), phase-1/,
phase-2/, ... (run.json, log.jsonl, tensorboard/, checkpoints/), training_curves.png over all phases, and at the end model/:
`python examples/finetune_classifier.py --pretrained OUT/model`, `python examples/convert_checkpoint.py`.

Several machines and TPU: as examples/finetune_classifier.py; each worker reads files of its own. The last line printed is one JSON object:
test_nats (the loss of masked words), test_unigram_entropy (of the same words: what a model would have that knows only how frequent each
is), test_accuracy, test_nsp_accuracy, test_perplexity, steps, tokens_seen, model, ...
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

import contextlib
import dataclasses
import glob
import sys
import time

import tensorflow as tf
from pretraining_flags import (
    DEFAULT_RECIPE,
    add_flags,
    check,
    check_is_this_run,
    corpus,
    example_settings,
    masking_settings,
    run_config,
    tell_skipped,
    told,
)
from training_flags import DTYPES, print_figures, start

from keras_bert import BertEncoder, BertMaskedLM, BertPretrainer, BertTokenizer
from keras_bert.files import is_locked, locked_directory, read_json, replaced_file, write_json
from keras_bert.metrics import UnigramEntropy
from keras_bert.pretraining import (
    FURTHER_LEARNING_RATE,
    FURTHER_PHASES,
    RECIPES,
    draw_lengths,
    draw_pretraining_curves,
    evaluation_batches,
    filled_masks,
    prepare_pretraining_data,
    read_manifest,
    segmented_continues,
    shrink_embeddings,
    streamed_batches,
    training_batches,
)
from keras_bert.pretraining.manifest import differences
from keras_bert.text import save_vocabulary, train_vocabulary
from keras_bert.training import TimeBudget, Trainer, create_optimizer
from keras_bert.training.distribution import is_chief, is_multi_worker
from keras_bert.training.run_log import LOG, read_log

PARTS = ("train", "validation", "test")
ENDLESS = 10**9  # updates of a run that the clock ends
CHIEF_SECONDS = 300  # that other workers wait for the first one to begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_flags(parser)
    options = parser.parse_args()
    recipe = chosen_recipe(options)
    for name in ("pack", "learning_rate", "weight_decay", "shrink_embeddings"):
        if getattr(options, name) is None:
            setattr(options, name, getattr(recipe, name))
    phases = shortened(options.phases or recipe.phases, options)
    with told():
        check(options, options.phases or recipe.phases)
    strategy = start(options)
    if options.minutes is not None and is_multi_worker(strategy):
        raise SystemExit("ValueError: --minutes: clocks of several workers do not agree; give --steps")
    # Of several workers the chief alone writes there.
    with told(OSError), locked_directory(options.output_dir) if is_chief(strategy) else contextlib.nullcontext():
        run(options, recipe, phases, strategy)


def chosen_recipe(options):
    """Returns: Recipe. Of a checkpoint the sizes are its own; unless --recipe is given, so are phases and rate those of going on."""
    recipe = RECIPES[options.recipe or DEFAULT_RECIPE]
    if options.pretrained is not None:
        if options.recipe is None:
            recipe = dataclasses.replace(recipe, phases=FURTHER_PHASES, learning_rate=FURTHER_LEARNING_RATE)
        recipe = dataclasses.replace(recipe, shrink_embeddings=False)
    options.recipe = options.recipe or DEFAULT_RECIPE
    return recipe


def run(options, recipe, phases, strategy):
    with told():
        check_is_this_run(options)
        with strategy.scope():
            for encoder_learns in {False, True} if options.head_steps else {True}:
                make_optimizer(options, recipe, phases, None, encoder_learns)  # what it refuses shows before the work
            model = make_model(options, recipe, phases, is_chief(strategy))
        # What is held out first: where the corpus has too little for it, that shows before hours of work.
        parts = [part for part in reversed(PARTS) if part != "train" or not options.stream]
        directories = {
            (part, each.length): examples(options, model.tokenizer, part, each, is_chief(strategy)) for each in phases for part in parts
        }
    if is_chief(strategy):
        tell_skipped(read_manifest(directories["test", phases[0].length]))
    began, result = time.monotonic(), None
    logs, figures = [], {"steps": 0, "tokens_seen": 0}
    for number, (each, budget, encoder_learns) in enumerate(plan(phases, options), 0 if options.head_steps else 1):
        data = Data(options, model, each, directories)
        compile_for(model, options, recipe, phases, budget, encoder_learns)
        name = f"phase-{number}" if encoder_learns else "heads"
        print(f"{name}: rows of {each.length} tokens, {each.batch_size} an update; {data.told}", flush=True)
        result = train(model, options, name, each, budget, data)
        logs.append((name, result.log))
        figures["steps"] += result.step
        figures["tokens_seen"] += round(result.step * each.batch_size * data.tokens_a_row)
        if result.interrupted:
            break
    figures |= {"interrupted": result.interrupted, "seconds": round(time.monotonic() - began, 1)}
    if is_chief(strategy):
        draw_pretraining_curves(logs, os.path.join(options.output_dir, "training_curves.png"))
    if not result.interrupted:
        figures = tested(model, data.test) | figures | {"model": os.path.join(options.output_dir, "model")}
        if is_chief(strategy):
            model.encoder.trainable = True
            if options.shrink_embeddings:
                print(f"Embedding tables are scaled by {shrink_embeddings(model)}; the model computes the same.", flush=True)
            model.save_pretrained(figures["model"])
    print_figures(figures)


def shortened(phases, options):
    """Returns: list of Phase, with --steps in all."""
    if options.steps is None:
        return list(phases)
    total = sum(each.steps for each in phases)
    return [dataclasses.replace(each, steps=max(1, round(options.steps * each.steps / total))) for each in phases]


def plan(phases, options):
    """Yields: (Phase, TimeBudget or None, whether the encoder learns)."""
    if options.head_steps:
        yield dataclasses.replace(phases[0], steps=options.head_steps), None, False
    total, done, share = sum(each.steps for each in phases), 0, None
    for each in phases:
        budget = None
        if options.minutes is not None:
            budget = TimeBudget(options.minutes, begin=done / total, end=(done + each.steps) / total, share=share)
            share = budget.share
        done += each.steps
        yield each, budget, True


def make_model(options, recipe, phases, chief):
    """Returns: BertPretrainer or BertMaskedLM, in the scope of its strategy."""
    has_labels = options.objective != "full_sentences"
    cls = BertPretrainer if has_labels else BertMaskedLM
    length = max(each.length for each in phases)
    settings = {"max_length": length, "text_pair": has_labels}
    if tf.config.list_physical_devices("GPU"):
        settings["pad_to_multiple_of"] = None  # one length, for XLA; on a CPU a batch is padded to its longest row
    if options.pretrained is not None:
        model = cls.from_pretrained(options.pretrained, packed=options.pack, dtype=DTYPES[options.dtype], **settings)
        check_can_mask(model.tokenizer, options.pretrained)
        return model
    tokenizer = make_tokenizer(options, recipe, chief)
    config = dataclasses.replace(recipe, phases=tuple(phases)).config(tokenizer.vocabulary_size)
    encoder = BertEncoder(config, packed=options.pack, pooler=has_labels, dtype=DTYPES[options.dtype])
    return cls(encoder, tokenizer, **settings)


def make_tokenizer(options, recipe, chief):
    path = options.vocabulary or os.path.join(options.output_dir, "vocab.txt")
    if options.vocabulary is not None:
        corpus(options, "train").check_is_apart(path)
    elif not chief:
        wait_for(path, options.output_dir)
    else:
        learn_vocabulary(options, options.vocabulary_size or recipe.vocabulary_size, path)
    tokenizer = BertTokenizer(path, lower_case=not options.cased)
    check_can_mask(tokenizer, path)
    return tokenizer


def learn_vocabulary(options, size, path):
    """Learn one from the corpus, or find the one that was. Raises: ValueError where that is of another corpus or size."""
    documents, origin = corpus(options, "train"), os.path.splitext(path)[0] + ".json"
    described = {"size": size, "cased": options.cased, "corpus": documents.settings(), "sources": documents.fingerprint()}
    if os.path.exists(path):
        if not os.path.exists(origin):
            print(f"{path} is there, and none is learned; delete it to learn one.", file=sys.stderr, flush=True)
            return
        there = read_json(origin)
        changed = "; ".join(differences(described, there))
        if not changed:
            return
        if glob.glob(os.path.join(glob.escape(options.output_dir), "examples", "*", "*.gz")):
            raise ValueError(f"{path} was learned otherwise: {changed}; give another --output_dir, or delete this one")
        print(f"{path} is learned anew: {changed}", file=sys.stderr, flush=True)
    # One without a description is one that the user put there.
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    with replaced_file(origin) as aside:
        write_json(aside, described)
    try:
        pieces = train_vocabulary(documents.read(), size, lower_case=not options.cased)
    except ValueError as error:
        raise ValueError(f"--vocabulary_size {size}: {error}") from error
    with replaced_file(path) as aside:
        save_vocabulary(pieces, aside)


def check_can_mask(tokenizer, name):
    if tokenizer.MASK not in tokenizer.pieces:
        raise ValueError(f"{name} has no piece {tokenizer.MASK}, which stands in the place of masked words")


def wait_for(path, output_dir):
    """Wait until the chief has made a file. Raises: RuntimeError where it has not, and has not been at work for CHIEF_SECONDS."""
    last_seen = time.monotonic()
    while not os.path.exists(path):
        if is_locked(output_dir) is not False:  # None: nobody can tell
            last_seen = time.monotonic()
        elif time.monotonic() - last_seen > CHIEF_SECONDS:
            raise RuntimeError(
                f"{path} is not there, and for {CHIEF_SECONDS} s no process has been working in {output_dir}: the first worker, which "
                "makes it, ended or never began; see what it printed, and start all workers again"
            )
        time.sleep(min(1, CHIEF_SECONDS))


def examples(options, tokenizer, part, each, chief):
    """Prepare the examples of a part for a phase, or find them. Returns: their directory."""
    settings = example_settings(options, each)
    directory = os.path.join(options.output_dir, "examples", f"{part}-{each.length}")
    if chief:
        prepare_pretraining_data(corpus(options, part), directory, tokenizer, settings, workers=options.workers)
        if part == "train":
            draw_lengths(directory)
    else:
        wait_for(os.path.join(directory, "manifest.json"), options.output_dir)
    return directory


class Data:
    """Batches of a phase. Attributes: train: dataset_fn. validation, test: tf.data.Dataset. tokens_a_row: mean, float. told: str."""

    def __init__(self, options, model, each, directories):
        common = {"masking": masking_settings(options, each), "seed": options.seed, "pad_to_multiple_of": model.pad_to_multiple_of}
        rows = each.batch_size // options.accumulate
        if options.segment_chinese:
            common["continues"] = segmented_continues(model.tokenizer)
        if options.stream:
            self.train = streamed_batches(corpus(options, "train"), model.tokenizer, rows, example_settings(options, each), **common)
        else:
            self.train = training_batches(directories["train", each.length], model.tokenizer, rows, **common)
        validation = evaluation_batches(directories["validation", each.length], model.tokenizer, rows, **common)
        self.validation = validation.take(options.validation_batches)
        self.test = evaluation_batches(directories["test", each.length], model.tokenizer, rows, **common)
        totals = read_manifest(directories["validation" if options.stream else "train", each.length])["totals"]
        self.tokens_a_row = totals["tokens"] / totals["rows"]
        self.told = f"{1 - self.tokens_a_row / each.length:.1%} padding"
        if not options.stream:
            self.told = f"an epoch is {totals['rows'] / each.batch_size:.1f} updates, {totals['tokens']:,} tokens, {self.told}"


def compile_for(model, options, recipe, phases, budget, encoder_learns):
    """One optimizer over all phases: its rate, moments and number of updates go on. The heads alone have one of their own."""
    if encoder_learns and getattr(model, "phases_began", False):
        return
    model.phases_began = encoder_learns
    model.encoder.trainable = encoder_learns
    model.encoder.rematerialize = options.rematerialize
    optimizer = make_optimizer(options, recipe, phases, budget, encoder_learns)
    metrics = model.default_weighted_metrics()
    of_words = metrics if isinstance(metrics, list) else metrics["mlm_logits"]
    of_words.append(UnigramEntropy(model.encoder.config.vocab_size, name="unigram_entropy"))
    model.compile(optimizer=optimizer, weighted_metrics=metrics, gradient_accumulation_steps=options.accumulate)


def make_optimizer(options, recipe, phases, budget, encoder_learns):
    """Of all phases, or of the heads alone. Raises: ValueError naming a value that cannot be."""
    total = sum(each.steps for each in phases) if encoder_learns else options.head_steps
    warmup = min(recipe.warmup_steps, total // 10)
    if options.warmup_steps is not None and encoder_learns:
        warmup = options.warmup_steps
    return create_optimizer(
        options.learning_rate,
        total_steps=total,
        warmup_steps=warmup,
        optimizer=options.optimizer,
        weight_decay=options.weight_decay,
        time_budget=budget,
    )


def train(model, options, name, each, budget, data):
    """Train a phase, or go on with it. Returns: TrainingResult."""
    directory = os.path.join(options.output_dir, name)
    sample = next(data.validation.unbatch().batch(8).take(1).as_numpy_iterator())

    def show(step, values):
        if step % options.validate_every == 0 and is_chief(model.distribute_strategy):
            for line in filled_masks(model, sample, model.tokenizer):
                print(line, file=sys.stderr, flush=True)

    trainer = Trainer(
        model,
        directory,
        total_steps=each.steps if budget is None else ENDLESS,
        seed=options.seed,
        validation_data=data.validation,
        validate_every=options.validate_every,
        restore_best=False,
        monitor="val_loss",
        checkpoint_every=options.checkpoint_every,
        keep=options.keep,
        log_every=options.log_every,
        config=run_config(options),
        time_budget=budget,
        callbacks=[show],
    )
    if budget is not None and os.path.exists(os.path.join(directory, LOG)):
        print("A run by the clock goes on: its weights will not be those of a run that was not stopped.", file=sys.stderr, flush=True)
    result = trainer.train(data.train)
    return result if result.log else dataclasses.replace(result, log=_log_of(directory))


def _log_of(directory):
    path = os.path.join(directory, LOG)
    return read_log(path) if os.path.exists(path) else []


def tested(model, batches):
    """Returns: dict of figures, of the test part."""
    values = model.evaluate(batches, verbose=0, return_dict=True)
    of_words = "mlm_logits_" if "mlm_logits_loss" in values else ""
    names = {
        "test_nats": f"{of_words}loss",
        "test_unigram_entropy": f"{of_words}unigram_entropy",
        "test_accuracy": f"{of_words}accuracy",
        "test_perplexity": "perplexity",
        "test_nsp_accuracy": "nsp_logits_accuracy",
    }
    return {name: round(float(values[key]), 4) for name, key in names.items() if key in values}


if __name__ == "__main__":
    main()
