"""The pictures of a run of several phases."""

import warnings

from keras_bert.files import replaced_file


def draw_pretraining_curves(phases, path):
    """Draw loss, masked words (nats beside the unigram entropy of the same tokens), accuracy and learning rate over all phases.

    Args: phases: list of (name, lines of log.jsonl as read_log gives them). path: PNG file.
    Returns: path; None where there is nothing to draw, or where matplotlib is missing, which a warning tells.
    """
    phases = [(name, lines) for name, lines in phases if lines]
    if not phases:
        return None
    try:
        from matplotlib.figure import Figure
    except ImportError:
        warnings.warn('training_curves.png needs matplotlib: pip install "keras3-bert[plot]"', stacklevel=2)
        return None
    figure = Figure(figsize=(9, 10), dpi=120, layout="constrained")
    loss, nats, accuracy, rate = figure.subplots(4, 1, sharex=True)
    first = 0
    for number, (name, lines) in enumerate(phases):
        color = f"C{number % 10}"
        _draw(loss, lines, first, "loss", color=color, label=name)
        _draw(loss, lines, first, "val_loss", color=color, linestyle="--", marker="o", label=f"{name}, validation")
        of_words = "mlm_logits_loss" if any("val_mlm_logits_loss" in line for line in lines) else "loss"
        _draw(nats, lines, first, f"val_{of_words}", color=color, marker="o", label=f"{name}: masked words, validation")
        for entropy in ("val_unigram_entropy", "val_mlm_logits_unigram_entropy"):
            _draw(nats, lines, first, entropy, color="gray", linestyle=":", marker=".", label=None if number else "unigram entropy")
        for metric, style in (("accuracy", "-"), ("mlm_logits_accuracy", "-"), ("nsp_logits_accuracy", "--")):
            what = "next sentence" if metric.startswith("nsp") else "masked words"
            _draw(accuracy, lines, first, f"val_{metric}", color=color, linestyle=style, marker="o", label=f"{name}: {what}, validation")
        _draw(rate, lines, first, "learning_rate", color=color)
        first += max(line["step"] for line in lines)
    for axes, label in ((loss, "loss"), (nats, "nats"), (accuracy, "accuracy"), (rate, "learning rate")):
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
    rate.set_xlabel("step (optimizer updates)")
    with replaced_file(path) as aside:
        figure.savefig(aside, format="png")
    return path


def _draw(axes, lines, first, name, **style):
    points = [(first + line["step"], line[name]) for line in lines if name in line]
    if points:
        axes.plot(*zip(*points, strict=True), markersize=4, linewidth=1.2, **style)
