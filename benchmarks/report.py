"""From rates to ratios, and from rows to Markdown, JSON and plots."""

import datetime
import json
import os
import platform
import statistics

from benchmarks import peers


def quartiles(values):
    """Returns: first quartile, median and third quartile, interpolated as NumPy's percentile does."""
    if len(values) == 1:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def compare(own_rates, peer_rates):
    """Compare two sides round by round: neighbours in time are divided, then the ratios' quartiles are taken.

        compare([4.0, 9.0], [2.0, 3.0])     # ratios 2 and 3: median 2.5, IQR 0.5; of the fastest runs, 9 / 3 = 3

    Args: own_rates, peer_rates: work per second in each round; more is better.
    Returns: dict of ratio_median (above 1: ours is faster), ratio_iqr (third quartile less the first), ratio_quartiles, ratio_fastest:
        of either side's fastest run, which other work on the machine disturbed least.
    """
    first, median, third = quartiles([own / peer for own, peer in zip(own_rates, peer_rates, strict=True)])
    fastest = max(own_rates) / max(peer_rates)
    return {"ratio_median": median, "ratio_iqr": third - first, "ratio_quartiles": [first, third], "ratio_fastest": fastest}


def machine():
    """Returns: dict of cpu, cores, platform, python and date: what a figure means nothing without."""
    return {
        "cpu": cpu_name(),
        "cores": len(peers.cores()),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def cpu_name():
    """Returns: the processor's name, as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def markdown_table(headings, lines):
    """Returns: a Markdown table. Args: headings: list of str. lines: lists of as many str each."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headings, ["---"] * len(headings), *lines])


def write_json(rows, path):
    """Write the rows as one JSON list. Args: rows: dicts. path: file; its directory is made."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    aside = f"{path}.building"  # keras_bert.files would bring TensorFlow into the process that measures
    with open(aside, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1, ensure_ascii=False)
        file.write("\n")
    os.replace(aside, path)


def import_pyplot():
    """Returns: matplotlib.pyplot, drawing to files. Raises: BenchmarkError naming the extra where it is missing."""
    try:
        import matplotlib
    except ImportError as error:
        raise peers.BenchmarkError('--plot needs matplotlib: pip install -e ".[plot]"') from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def plot_ratios(rows, labels, path, title, *, xlabel="times as fast as the peer"):
    """Draw a bar a row: the median ratio, its quartiles as whiskers, the target as a tick. Returns: path."""
    pyplot = import_pyplot()
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.5 * len(rows)), layout="constrained")
    medians = [row["ratio_median"] for row in rows]
    whiskers = [[abs(row["ratio_quartiles"][side] - row["ratio_median"]) for row in rows] for side in (0, 1)]
    places = range(len(rows))
    axes.barh(places, medians, xerr=whiskers, capsize=3)
    targets = [(place, row["target"]) for place, row in zip(places, rows, strict=True) if row.get("target")]
    if targets:
        axes.scatter([target for _, target in targets], [place for place, _ in targets], marker="|", s=400, color="black", label="target")
        figure.legend(loc="outside lower right")  # on no bar
    axes.axvline(1, color="gray", linewidth=1)
    axes.set(yticks=places, yticklabels=labels, xlabel=f"{xlabel} (median, quartiles)", title=title)
    axes.invert_yaxis()
    return _save(figure, path)


def plot_lines(curves, path, *, xlabel, ylabel, title, yscale="linear"):
    """Draw curves over a logarithmic x axis. Args: curves: dict of name to (xs, ys). yscale: "linear", from 0, or "log". Returns: path."""
    figure, axes = import_pyplot().subplots(figsize=(7, 4.5), layout="constrained")
    for name, (xs, ys) in curves.items():
        axes.plot(xs, ys, marker="o", label=name)
    axes.set(xscale="log", xlabel=xlabel, ylabel=ylabel, title=title)
    ticks = sorted({x for xs, _ in curves.values() for x in xs})
    axes.minorticks_off()  # of x
    axes.set_xticks(ticks, [f"{x:g}" for x in ticks], minor=False)
    if yscale == "log":
        axes.set_yscale("log", base=10)
        axes.grid(axis="y", which="both", alpha=0.3)
    else:
        axes.set_ylim(bottom=0)
    axes.legend()
    return _save(figure, path)


def _save(figure, path):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    figure.savefig(path, dpi=120)
    import_pyplot().close(figure)
    return path
