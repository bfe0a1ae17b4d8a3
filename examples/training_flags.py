"""The flags that every fine-tuning script takes, and the run that they describe."""

import argparse
import json
import os
import sys
import time

import keras
import tensorflow as tf

from keras_bert.training import ProfileSteps, Trainer, create_optimizer, get_strategy
from keras_bert.training.distribution import STRATEGIES, is_chief
from keras_bert.training.monitor import MODES
from keras_bert.training.schedules import SCHEDULES
from keras_bert.training.trainer import WorkerLostError

DTYPES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def add_training_flags(parser, *, epochs, batch_size, learning_rate):
    """Add them. Args: parser: argparse.ArgumentParser. epochs, batch_size, learning_rate: defaults of the task."""
    parser.add_argument("--output_dir", default="out", help="checkpoints, logs and the model go there (default: %(default)s)")
    parser.add_argument("--strategy", choices=STRATEGIES, default="auto", help="where to train (default: %(default)s: what there is)")
    parser.add_argument("--tpu", help="name or address of a Cloud TPU; 'local' on a TPU VM")
    parser.add_argument("--seed", type=int, default=0, help="of new weights, data order and dropout (default: %(default)s)")
    group = parser.add_argument_group("how long, how large")
    group.add_argument("--epochs", type=float, default=epochs, help="(default: %(default)s)")
    group.add_argument("--max_steps", type=int, help="at most so many updates")
    group.add_argument(
        "--batch_size", type=int, default=batch_size, help="examples of a batch, on all replicas together (default: %(default)s)"
    )
    group.add_argument(
        "--max_tokens_per_batch", type=int, metavar="N", help="in place of --batch_size: a batch's rows times its longest row at most"
    )
    group.add_argument("--accumulate", type=int, default=1, metavar="BATCHES", help="batches of an update (default: %(default)s)")
    group.add_argument(
        "--dtype", choices=list(DTYPES), default="float32", help="of the computation; weights stay float32 (default: %(default)s)"
    )
    group.add_argument(
        "--rematerialize", action="store_true", help="keep less for the gradient and compute it again: large models, about a third slower"
    )
    group.add_argument("--steps_per_execution", type=int, default=1, help="updates of one call of the device (default: %(default)s)")
    group.add_argument("--jit_compile", choices=("auto", "true", "false"), default="auto", help="XLA (default: %(default)s: by device)")
    group = parser.add_argument_group("how to learn")
    group.add_argument("--learning_rate", type=float, default=learning_rate, help="the peak (default: %(default)s)")
    group.add_argument("--optimizer", choices=("adamw", "lamb"), default="adamw")
    group.add_argument("--schedule", choices=list(SCHEDULES), default="linear", help="after warm-up (default: %(default)s)")
    group.add_argument("--warmup_steps", type=int, help="(default: a tenth of all)")
    group.add_argument("--weight_decay", type=float, default=0.01, help="(default: %(default)s)")
    group.add_argument("--clip_norm", type=float, default=1.0, help="global norm of the gradients at most; 0: any (default: %(default)s)")
    # Mosbach et al. 2021, "On the stability of fine-tuning BERT": without it the first updates are some 3 times as long.
    group.add_argument(
        "--bias_correction",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="Adam's; google-research's BERT leaves it out, which wants a lower learning rate (default: %(default)s)",
    )
    group.add_argument("--layer_decay", type=float, help="factor of the learning rate from a layer to that below, such as 0.9")
    group.add_argument(
        "--rate_factor", action="append", default=[], metavar="PART=FACTOR", help="learning rate of a part, such as classifier=10"
    )
    group.add_argument("--ema_momentum", type=float, help="evaluate and save averages of the weights, such as 0.999")
    group.add_argument("--adversarial_epsilon", type=float, help="train on shifted embeddings too (FGM), such as 1.0")
    group = parser.add_argument_group("checkpoints and logs")
    group.add_argument("--validate_every", type=int, help="updates between validations (default: an epoch)")
    group.add_argument("--patience", type=int, help="validations without improvement after which to stop")
    group.add_argument("--monitor", help="what the best is chosen by, such as val_loss (default: the task's metric)")
    group.add_argument(
        "--monitor_mode", choices=MODES, default="auto", help="whether less of it is better, or more (default: %(default)s: by its name)"
    )
    group.add_argument("--checkpoint_every", type=int, default=500, help="updates (default: %(default)s)")
    group.add_argument("--keep", type=int, default=2, help="newest checkpoints to keep, besides the best (default: %(default)s)")
    group.add_argument("--log_every", type=int, default=20, help="updates (default: %(default)s)")
    group.add_argument("--profile", metavar="DIR", help="trace updates 11 to 20 there, for TensorBoard, and print what costs most")


def start(options):
    """What must come first: the strategy before any other use of TensorFlow, then the seed. Returns: tf.distribute.Strategy."""
    pretrained, own = getattr(options, "pretrained", None), os.path.join(options.output_dir, "model")
    if pretrained is not None and os.path.realpath(pretrained) == os.path.realpath(own):
        raise SystemExit(f"error: --pretrained {pretrained} is where the model of this run goes; give another --output_dir")
    strategy = get_strategy(options.strategy, tpu=options.tpu)
    keras.utils.set_random_seed(options.seed)
    if strategy.num_replicas_in_sync > 1 and is_chief(strategy):
        print(f"Training on {strategy.num_replicas_in_sync} replicas ({type(strategy).__name__})", flush=True)
    return strategy


def batch_measure(options):
    """Returns: dict of batch_size or max_tokens_per_batch, whichever the flags give."""
    if options.max_tokens_per_batch is not None:
        return {"max_tokens_per_batch": options.max_tokens_per_batch}
    return {"batch_size": options.batch_size}


def compile_for(model, options, batches_an_epoch, *, part_schedules=None, **loss):
    """Compile a model as the flags say.

    Args: batches_an_epoch: those of the training data. part_schedules: see create_optimizer. loss: what the model's compile takes of its
        own loss. Returns: updates in the run.
    """
    steps_an_epoch = -(-batches_an_epoch // options.accumulate)
    total_steps = max(1, round(steps_an_epoch * options.epochs))
    total_steps = total_steps if options.max_steps is None else min(total_steps, options.max_steps)
    options.validate_every = steps_an_epoch if options.validate_every is None else options.validate_every
    model.encoder.rematerialize = options.rematerialize
    given = dict(factor.split("=", 1) for factor in options.rate_factor)
    factors = model.rate_factors() | {part: float(factor) for part, factor in given.items()}
    optimizer = create_optimizer(
        options.learning_rate,
        total_steps=total_steps,
        warmup_steps=options.warmup_steps,
        schedule=options.schedule,
        optimizer=options.optimizer,
        weight_decay=options.weight_decay,
        clip_norm=options.clip_norm or None,
        bias_correction=options.bias_correction,
        layer_decay=options.layer_decay,
        learning_rate_multipliers=factors or None,
        part_schedules=part_schedules,
        ema_momentum=options.ema_momentum,
    )
    model.compile(
        optimizer=optimizer,
        gradient_accumulation_steps=options.accumulate,
        adversarial_epsilon=options.adversarial_epsilon,
        steps_per_execution=options.steps_per_execution,
        jit_compile={"auto": "auto", "true": True, "false": False}[options.jit_compile],
        **loss,
    )
    return total_steps


# What a run may change when it is started again: it changes nothing of what is trained. --validation does not either, but a value on
# other data would not compare with the best so far.
_NOT_OF_THE_RUN = (
    "output_dir",
    "strategy",
    "tpu",
    "test",
    "validate_every",
    "patience",
    "monitor",
    "monitor_mode",
    "checkpoint_every",
    "keep",
    "log_every",
    "profile",
    "rematerialize",
    "steps_per_execution",
    "jit_compile",
)


def run(model, options, train, *, total_steps, validation=None, validation_scores=None, monitor, not_of_the_run=()):
    """Train as the flags say, or go on with it; leave the best model in output_dir/model.

    Args: train: dataset_fn, see Trainer.train. validation: as model.evaluate takes it, or None. validation_scores: see Trainer.
        not_of_the_run: the script's own flags that change nothing of what is trained: a run that goes on may have others.
    Returns: TrainingResult, figures: dict for the script's last line.
    """
    profiles = [ProfileSteps(options.profile)] if options.profile and is_chief(model.distribute_strategy) else []
    trainer = Trainer(
        model,
        options.output_dir,
        total_steps=total_steps,
        seed=options.seed,
        validation_data=validation,
        validation_scores=validation_scores,
        validate_every=None if validation is None else options.validate_every,
        monitor=options.monitor or monitor,
        mode=options.monitor_mode,
        patience=options.patience,
        checkpoint_every=options.checkpoint_every,
        keep=options.keep,
        log_every=options.log_every,
        config={name: value for name, value in vars(options).items() if name not in (*_NOT_OF_THE_RUN, *not_of_the_run)},
        callbacks=profiles,
    )
    began = time.monotonic()
    try:
        result = trainer.train(train)
    except WorkerLostError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        os._exit(1)  # a usual exit waits for the worker that is gone
    for each in profiles:
        each.close()
    figures = {
        "steps": result.step,
        "resumed_from": result.resumed_from,
        "interrupted": result.interrupted,
        "train_seconds": round(time.monotonic() - began, 1),
    }
    if result.best_step is not None:
        figures |= {"best_step": result.best_step, f"best_{trainer.monitor}": round(result.best_value, 4)}
    if not result.interrupted:
        figures["model"] = os.path.join(options.output_dir, "model")
        if is_chief(model.distribute_strategy):
            model.save_pretrained(figures["model"])
    return result, figures


def print_figures(figures):
    """The script's last line."""
    tf.get_logger().setLevel("ERROR")
    sys.stderr.flush()
    print(json.dumps(figures), flush=True)
