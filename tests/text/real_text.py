"""The lines of the data sets that lie beside a developer's checkout, in ../shared/data; a fresh machine has none."""

import gzip
import pathlib
import random

SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data"


def files():
    """Returns: the .gz files, sorted; empty where there is no such folder."""
    return sorted(SHARED.glob("*/*.gz"))


def lines_of(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return file.read().split("\n")


def some_lines(count, *, longest=2000):
    """Returns: `count` lines from all files alike, English, Chinese and tweets, none of over `longest` characters."""
    generator = random.Random(0)
    pools = [[line for line in lines_of(path) if line and len(line) <= longest] for path in files()]
    lines = []
    while len(lines) < count:
        share = max(1, (count - len(lines)) // len(pools))
        for pool in pools:
            generator.shuffle(pool)
            lines += pool[:share]
            del pool[:share]
    return lines[:count]
