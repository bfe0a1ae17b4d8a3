"""What Trainer costs beside a bare loop: a tf.function of forward, backward and update, called batch after batch.

    python -m benchmarks trainer_overhead --json overhead.json       # some minutes on 2 cores

Trainer shows progress, writes log.jsonl and TensorBoard, keeps metrics, watches for NaN and for signals; the bare loop does
nothing but train, by the same optimizer on the same batches. Both run by turns in one process, a block of steps each, after the
weights of the two have been compared. Saving a checkpoint is timed apart, and told as a share of the steps between two.
"""

import tempfile
import time

import numpy as np

from benchmarks import peers, report

NAME = "trainer_overhead"
HELP = "keras_bert.training.Trainer beside a bare tf.function loop over the same step"
BARE = "bare_loop"
PEERS = (BARE,)
TARGET = 0.97  # Trainer is to keep this share of the bare loop's speed
CHECKED_STEPS = 5  # after which both must have the same weights


def add_arguments(parser, positive):
    parser.add_argument("--batch", type=positive(int), default=32, help="rows (default: %(default)s)")
    parser.add_argument("--length", type=positive(int), default=64, help="tokens of a row (default: %(default)s)")
    parser.add_argument("--layers", type=positive(int), default=6, help="(default: %(default)s, as MiniLM)")
    parser.add_argument("--hidden", type=positive(int), default=384, help="(default: %(default)s, as MiniLM)")
    parser.add_argument(
        "--steps",
        type=positive(int),
        default=10,
        help="of a block; short blocks and many rounds meet less of what else the machine does (default: %(default)s)",
    )
    parser.add_argument("--dtype", choices=("float32", "mixed_bfloat16"), default="float32", help="(default: %(default)s)")


def measure(options):
    """Yields: one row."""
    import keras
    import tensorflow as tf

    from keras_bert import BertClassifier, BertConfig, BertEncoder
    from keras_bert.training import Trainer, create_optimizer

    rounds, steps = options.rounds, options.steps
    total_steps = CHECKED_STEPS + steps * (rounds + 1)  # one block to warm up
    config = BertConfig(
        vocab_size=30522,
        hidden_size=options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=options.hidden // 32,
        intermediate_size=4 * options.hidden,
        hidden_dropout_prob=0.0,  # or the two would differ by their masks
        attention_probs_dropout_prob=0.0,
    )

    def make():
        keras.utils.set_random_seed(0)
        return BertClassifier(BertEncoder(config, dtype=options.dtype), ["a", "b"])

    def make_optimizer():
        return create_optimizer(1e-5, total_steps=10 * total_steps)

    generator = np.random.default_rng(0)
    rows = options.batch * 4
    x = {
        "input_ids": generator.integers(1000, 30000, (rows, options.length)).astype("int32"),
        "token_type_ids": np.zeros((rows, options.length), "int32"),
        "attention_mask": np.ones((rows, options.length), "int32"),
    }
    y = generator.integers(0, 2, rows).astype("int32")
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(options.batch).repeat().prefetch(2)

    ours, bare = make(), make()
    ours.compile(make_optimizer())
    run_bare = _bare_loop(bare.network, make_optimizer(), iter(dataset))
    seconds = {"ours": [], "bare": []}
    start = None

    def alternate(step, _):
        nonlocal start
        now = time.perf_counter()
        if step == CHECKED_STEPS:
            run_bare(CHECKED_STEPS)
            _check_same(ours, bare)
        elif step < CHECKED_STEPS or (step - CHECKED_STEPS) % steps:
            return
        else:
            seconds["ours"].append(now - start)
            began = time.perf_counter()
            run_bare(steps)
            seconds["bare"].append(time.perf_counter() - began)
        start = time.perf_counter()

    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(ours, directory, total_steps=total_steps, callbacks=[alternate], checkpoint_every=10 * total_steps)
        trainer.train(lambda batches_taken: dataset)
        began = time.perf_counter()
        trainer.store.save(total_steps + 1, trainer.checkpoint_arrays(), {})
        checkpoint_seconds = time.perf_counter() - began
    own, peer = seconds["ours"][1:], seconds["bare"][1:]
    step_seconds = sorted(peer)[len(peer) // 2] / steps
    yield {
        "suite": NAME,
        "side": "Trainer",
        "peer": BARE,
        "dtype": options.dtype,
        "batch": options.batch,
        "length": options.length,
        "layers": options.layers,
        "hidden": options.hidden,
        "rounds": rounds,
        "steps_of_a_block": steps,
        "target": TARGET,
        **report.compare([steps / s for s in own], [steps / s for s in peer]),
        "checkpoint_share_every_500_steps": checkpoint_seconds / (500 * step_seconds),
        "machine": report.machine(),
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }


def _bare_loop(network, optimizer, iterator):
    """Returns: function of a number of steps, that makes them."""
    import tensorflow as tf

    optimizer.build(network.trainable_variables)

    @tf.function
    def step(iterator):
        x, y = next(iterator)
        with tf.GradientTape() as tape:
            logits = network(x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        variables = [variable.value for variable in network.trainable_variables]
        optimizer.apply(tape.gradient(loss, variables), network.trainable_variables)
        return loss

    def run(steps):
        for _ in range(steps):
            loss = step(iterator)
        loss.numpy()  # a device's steps are only queued

    return run


def _check_same(ours, bare):
    differences = [
        float(np.abs(a.numpy() - b.numpy()).max())
        for a, b in zip(ours.network.trainable_variables, bare.network.trainable_variables, strict=True)
    ]
    if not max(differences) < 1e-4:
        raise peers.BenchmarkError(f"after {CHECKED_STEPS} steps the two differ by {max(differences):.1e}: they are not the same step")


def table(rows):
    """Returns: Markdown."""
    lines = [
        [
            f"{row['batch']} × {row['length']}, {row['layers']} layers of {row['hidden']}, {row['dtype']}",
            f"{row['ratio_median']:.3f} ({row['ratio_iqr']:.3f})",
            f"{row['target']:.2f}",
            f"{row['checkpoint_share_every_500_steps']:.2%}",
        ]
        for row in rows
    ]
    headings = ["batch and model", "Trainer's speed beside the bare loop's (IQR)", "target", "a checkpoint every 500 steps costs"]
    return report.markdown_table(headings, lines)


def plot(rows, directory):
    """Returns: paths of the plots."""
    import os

    labels = [f"Trainer, {row['dtype']}" for row in rows]
    return [report.plot_ratios(rows, labels, os.path.join(directory, f"{NAME}.png"), "Trainer beside a bare loop")]
