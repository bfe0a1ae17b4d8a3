"""Fine-tuning to a test score: whole trainings beside Transformers and sentence-transformers, their scores, and the seconds they take.

    python -m benchmarks quality --task ner --json quality.json         # MiniLM, WNUT-17: 3 seeds of 3 epochs; 30 to 60 minutes on 2 cores
    python -m benchmarks quality --task classification                  # film reviews
    python -m benchmarks quality --task qa                              # XQuAD
    python -m benchmarks quality --task embedding                       # pairs of utterances of one intent
    python -m benchmarks quality --task ner --train F --validation F --test F      # one's own files: what each task takes, --help says
    python -m benchmarks quality --task ner --seeds 1 --max_steps 20    # some minutes: does it run?

Both sides start from one checkpoint, its new head included, and are handed the same ids in the same batches and order, with the same
dropout rates, AdamW (no decay of biases and LayerNorm, gradients clipped to a norm of 1) and schedule (up for a tenth of the steps, then
down to 0), in float32. A seed makes the order and the dropout, whose masks no two libraries share. Ours is `fit` of the task, the
peer's a plain loop over its own model and loss with PyTorch's fused AdamW. Sides run by turns. Seconds are of the training alone: texts are
ids already; the first step's tracing is counted. Before anything is timed, both make the same steps without dropout, and the losses must
agree. One function scores both sides' answers.
"""

import os
import random
import statistics
import tempfile

from benchmarks import (
    bert,
    latency,
    peers,
    quality_classification,
    quality_embedding,
    quality_ner,
    quality_qa,
    report,
    training,
)

NAME = "quality"
HELP = "fine-tuning to a test score beside Transformers and sentence-transformers: scores of several seeds, and seconds"

# A task is a module that gives NAME, HELP, SCORE (what it is called), FILES (dict of part of the data -> path: train, validation, test),
# EPOCHS, BATCH_SIZE, LEARNING_RATE; OWN, and PEERS (dict of name ->): scripts of benchmarks/sides, see sides/quality_common.py; and
# prepare(settings, options) -> number of training examples, which may set settings["score"] where files decide what the score is called;
# score(answers, part, settings) -> float, 1 at best, of validation or test.
TASKS = {task.NAME: task for task in (quality_ner, quality_classification, quality_qa, quality_embedding)}
PEERS = tuple(sorted({peer for task in TASKS.values() for peer in task.PEERS}))

SCORED = ("validation", "test")
TOLD = ("score", "weights", "examples", "epochs", "batch_size", "learning_rate", "epsilon")  # of the settings, in a row

# Keras adds epsilon before Adam's correction (Kingma & Ba 2015, "epsilon hat"), PyTorch after it: in the first step Keras's counts 30-fold.
# At Transformers' default the two hardly differ; at our 1e-6 the sixth loss differs by a seventh.
EPSILON = 1e-8
CHECK_EPSILON, CHECKED_STEPS = 1e-10, 6
# What the updates must change in the first batch's loss, beside what both differ by: losses that stay where they are would agree without a
# gradient. No plain number: a small random classifier hardly moves in six steps.
MUST_MOVE, LEAST_MOVE = 10, 1e-6


def add_arguments(parser, positive):
    tasks = "; ".join(f"{name}: {task.HELP}" for name, task in TASKS.items())
    parser.add_argument("--task", choices=TASKS, default=quality_ner.NAME, help=f"{tasks} (default: %(default)s)")
    parser.add_argument("--seeds", dest="rounds", type=positive(int), metavar="N", help="a training of each side for each; as --rounds")
    for part in ("train", "validation", "test"):
        parser.add_argument(f"--{part}", metavar="FILE", help="default: the task's own" if part == "train" else "as --train")
    parser.add_argument("--epochs", type=positive(int), metavar="N", help="default: the task's own")
    parser.add_argument("--max_steps", type=positive(int), metavar="N", help="end each training there")
    parser.add_argument("--batch_size", type=positive(int), metavar="N", help="default: the task's own")
    parser.add_argument("--learning_rate", type=positive(float), metavar="RATE", help="the peak (default: the task's own)")
    add_weights_arguments(parser, positive)
    parser.set_defaults(rounds=3)


def add_weights_arguments(parser, positive):
    cores = len(peers.cores())
    parser.add_argument("--random", action="store_true", help=f"random weights, in place of {latency.MINILM}'s, which are fetched once")
    parser.add_argument("--layers", type=positive(int), default=6, metavar="N", help="of --random (default: %(default)s)")
    parser.add_argument("--hidden", type=positive(int), default=384, metavar="N", help="of --random (default: %(default)s)")
    parser.add_argument("--threads", type=positive(int), default=cores, metavar="N", help="of each side (default: all cores, %(default)s)")
    parser.set_defaults(length=512)


def measure(options):
    """Measure one comparison after the other. Returns: rows, dicts as --json writes them, one by one."""
    task = TASKS[options.task]
    chosen = {peer: script for peer, script in task.PEERS.items() if peer in options.peers}
    if not chosen:
        raise peers.BenchmarkError(f"--peers {' '.join(options.peers)}: the peers of --task {task.NAME} are {', '.join(task.PEERS)}")
    python = peers.check_python(options.peers_python)
    with tempfile.TemporaryDirectory() as directory:
        settings = prepare(task, options, directory)
        with side_of(f"keras_bert {task.NAME}", task.OWN, None, options, settings) as own:
            for peer, script in chosen.items():
                with side_of(peer, script, python, options, settings) as its:
                    yield {
                        "suite": NAME,
                        "task": task.NAME,
                        "side": own.name,
                        "peer": peer,
                        "dtype": "float32",
                        "target": None,
                        **{name: settings[name] for name in TOLD},
                        "threads": options.threads,
                        "rounds": options.rounds,
                        "versions": own.versions | its.versions,
                        **compare(task, own, its, settings, options),
                        **report.machine(),
                    }


def prepare(task, options, directory):
    """Write checkpoint and data. Returns: dict: settings of the sides, and what rows say of the run."""
    pretrained = None if options.random else latency.get_minilm()
    settings = {
        "pretrained": pretrained,
        "config": bert.config_of(options),
        "vocabulary": str(bert.VOCABULARY),
        "files": files_of(task, options),
        "directory": os.path.join(directory, "checkpoint"),
        "without_dropout": os.path.join(directory, "without_dropout"),
        "data": os.path.join(directory, "data.json"),
        "weights": latency.MINILM if pretrained else "random",
        "score": task.SCORE,
        "epsilon": EPSILON,
        "check_epsilon": CHECK_EPSILON,
        "epochs": options.epochs or task.EPOCHS,
        "batch_size": options.batch_size or task.BATCH_SIZE,
        "learning_rate": options.learning_rate or task.LEARNING_RATE,
    }
    settings["examples"] = task.prepare(settings, options)
    bert.link_checkpoint(settings["directory"], settings["without_dropout"], **bert.dropout_of(0.0))
    return settings


def files_of(task, options):
    """Returns: dict of part -> path, absolute. Raises: BenchmarkError where some parts were named and not all."""
    given = {part: getattr(options, part) for part in task.FILES}
    missing = [f"--{part}" for part, path in given.items() if path is None]
    if missing and len(missing) < len(given):
        raise peers.BenchmarkError(f"of one data set, but {', '.join(missing)} was not named: name all of {', '.join(given)}, or none")
    return {part: os.path.abspath(task.FILES[part] if missing else path) for part, path in given.items()}


def side_of(name, script, python, options, settings):
    return peers.Side(name, script, threads=options.threads, python=python, settings=settings, timeout_seconds=4 * 3600)


def compare(task, own, its, settings, options):
    """Train both for each seed, by turns. Returns: dict, what a row says of scores and seconds: lists have a value a seed."""
    steps = {seed: steps_of(settings, seed, options.max_steps) for seed in range(options.rounds)}
    checked = [*steps[0][: CHECKED_STEPS - 1], steps[0][0]]
    losses = [side.ask("outputs", steps=checked)["outputs"] for side in (own, its)]
    must_move = max(MUST_MOVE * training.loss_difference(*losses), LEAST_MOVE)
    difference = training.compare_losses(own.name, losses[0], its.name, losses[1], "float32", must_move)
    results = {side: [] for side in (own, its)}
    for seed in steps:
        for side, found in results.items():
            before = peers.cpu_times()
            answer = side.ask("run", steps=steps[seed], seed=seed)
            stolen = peers.stolen_share(before, peers.cpu_times())
            scores = {part: task.score(side.ask("outputs", part=part)["outputs"], part, settings) for part in SCORED}
            found.append({"seconds": answer["seconds"], "loss": answer["loss"], "stolen": stolen, **scores})
            told = ", ".join(f"{part} {100 * score:.2f}" for part, score in scores.items())
            print(f"seed {seed}, {side.name}: {told}; mean loss {answer['loss']:.4f}; {answer['seconds']:.1f} s", flush=True)
    mine, theirs = results.values()
    return {
        "seeds": list(steps),
        "steps": len(steps[0]),
        "loss_difference": difference,
        **{name: [found[name] for found in mine] for name in mine[0]},
        **{f"peer_{name}": [found[name] for found in theirs] for name in theirs[0]},
        "difference_points": 100 * (mean_of(mine, SCORED[-1]) - mean_of(theirs, SCORED[-1])),
        **report.compare(*([1 / found["seconds"] for found in side] for side in (mine, theirs))),
    }


def mean_of(results, name):
    return statistics.mean(found[name] for found in results)


def steps_of(settings, seed, max_steps=None):
    """Returns: list of lists of places of training examples, one an update: a new order each epoch, whose last batch may be shorter."""
    generator, size, steps = random.Random(seed), settings["batch_size"], []
    for _ in range(settings["epochs"]):
        order = generator.sample(range(settings["examples"]), settings["examples"])
        steps += [order[first : first + size] for first in range(0, len(order), size)]
    return steps[:max_steps]


def table(rows):
    """Returns: Markdown."""
    first = rows[0]
    versions = {name: version for row in rows for name, version in row["versions"].items()}
    return "\n".join(
        [
            "",
            f"{first['cpu']}, {first['cores']} cores, {first['threads']} threads a side; Python {first['python']}; {first['date']}",
            ", ".join(f"{name} {version}" for name, version in versions.items()),
            f"{first['task']}: {first['examples']} examples, {first['epochs']} epochs of batches of {first['batch_size']}, "
            f"{first['steps']} steps, peak rate {first['learning_rate']:g}, weights: {first['weights']}, {first['dtype']}",
            *("\n" + part for row in rows for part in (seeds_table(row), conclusion(row))),
        ]
    )


def seeds_table(row):
    headings = ["seed", *(f"{part} {row['score']}: ours, {row['peer']}" for part in SCORED), f"seconds: ours, {row['peer']}"]
    headings += ["mean loss: ours, its", "taken by the host: ours, its"]
    lines = [
        [
            str(seed),
            *(f"{100 * row[part][place]:.2f}, {100 * row[f'peer_{part}'][place]:.2f}" for part in SCORED),
            f"{row['seconds'][place]:.1f}, {row['peer_seconds'][place]:.1f}",
            f"{row['loss'][place]:.4f}, {row['peer_loss'][place]:.4f}",
            f"{row['stolen'][place]:.0%}, {row['peer_stolen'][place]:.0%}",
        ]
        for place, seed in enumerate(row["seeds"])
    ]
    return report.markdown_table(headings, lines)


def conclusion(row):
    mine, theirs = (100 * statistics.mean(row[name]) for name in (SCORED[-1], f"peer_{SCORED[-1]}"))
    return (
        f"Means of the test {row['score']}: {row['side']} {mine:.2f}, {row['peer']} {theirs:.2f}: a difference of "
        f"{row['difference_points']:+.2f} points. Ours was {row['ratio_median']:.2f} times as fast in the median "
        f"of the seeds (IQR {row['ratio_iqr']:.2f}; of the fastest {row['ratio_fastest']:.2f}). Without dropout the first "
        f"{CHECKED_STEPS} losses differed by at most {row['loss_difference']:.1e}."
    )


def plot(rows, directory):
    """Returns: paths of what was drawn: the ratios of seconds."""
    labels = [f"{row['side']} / {row['peer']}" for row in rows]
    title = f"Fine-tuning, {rows[0]['cpu']}, {rows[0]['date'][:10]}"
    return [report.plot_ratios(rows, labels, os.path.join(directory, f"{NAME}.png"), title)]
