"""A table of what is found as what, as a picture."""

import os

import numpy as np

from keras_bert.files import replaced_file


def draw_table(path, total, texts, *, rows, columns, title, cell=0.9):
    """Draw counts, coloured by their share of the row.

    Args:
        path: PNG file to write; what was there stays whole until it is.
        total: int array [rows, columns], the counts. texts: list of lists of str of that shape, what stands in the places that are not 0.
        rows, columns: names. title: str. cell: inches of a place; of small ones the texts are small.
    Returns: the path. Raises: ImportError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure  # without pyplot: it draws to files, and leaves the user's backend alone
    except ImportError as error:
        raise ImportError("pictures are drawn by matplotlib: pip install keras3-bert[plot]") from error
    share = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
    side = 2.5 + cell * len(total)
    figure = Figure(figsize=(side + 1, side), dpi=120, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    size, turn = (10, {"rotation": 45, "ha": "right"}) if cell >= 0.9 else (7, {"rotation": 90})
    for row, column in zip(*np.nonzero(total), strict=True):
        color = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, texts[row][column], ha="center", va="center", color=color, fontsize=size)
    axes.set_xticks(range(len(columns)), columns, fontsize=size, **turn)
    axes.set_yticks(range(len(rows)), rows, fontsize=size)
    axes.set_xlabel("found as")
    axes.set_ylabel("gold")
    figure.suptitle(title)
    figure.colorbar(image, label="share of the row")
    path = os.fspath(path)
    with replaced_file(path) as aside:
        figure.savefig(aside, format="png")
    return path
