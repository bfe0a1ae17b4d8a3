"""Split one file of pairs into train, validation and test, for finetune_translator.py and finetune_summarizer.py.

    python examples/split_pairs.py --pairs cmn-eng.tsv.gz --output_dir pairs --vocabulary_size 5000
    python examples/split_pairs.py --pairs memory.tmx --columns en zh --validation 500 --test 500 --output_dir pairs

Pairs of one source, whatever its capitals and spaces, come into one part: else a model would be tested on what it has learned by heart.
OUT holds train.tsv, validation.tsv and test.tsv, and with --vocabulary_size vocab.txt, learned from the targets of train.tsv: give it to
finetune_translator.py as --decoder_vocabulary. The same command makes the same files. The last line printed is one JSON object: the pairs
of each part, and pieces of the vocabulary.
"""

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np

from keras_bert.data import read_parallel
from keras_bert.files import replaced_file
from keras_bert.text import save_vocabulary, train_vocabulary


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", nargs="+", required=True, help="a .tsv, .csv, .jsonl or .tmx file, or two files line by line; also .gz")
    parser.add_argument("--columns", nargs=2, default=("0", "1"), help="of source and target; languages of a .tmx (default: %(default)s)")
    parser.add_argument("--output_dir", default="pairs", help="(default: %(default)s)")
    parser.add_argument("--validation", type=int, default=1000, help="pairs, about as many (default: %(default)s)")
    parser.add_argument("--test", type=int, default=1000, help="pairs, about as many (default: %(default)s)")
    parser.add_argument("--vocabulary_size", type=int, help="pieces of a vocabulary for the targets, at most (default: none is made)")
    parser.add_argument("--seed", type=int, default=0, help="of the order (default: %(default)s)")
    options = parser.parse_args()

    columns = tuple(int(name) if name.isdecimal() else name for name in options.columns)
    dataset = read_parallel(options.pairs[0] if len(options.pairs) == 1 else tuple(options.pairs), columns=columns)
    pairs = [tuple(side.decode("utf-8") for side in pair) for pair in dataset.as_numpy_iterator()]
    parts = split(pairs, {"validation": options.validation, "test": options.test}, seed=options.seed)
    os.makedirs(options.output_dir, exist_ok=True)
    for name, rows in parts.items():
        with replaced_file(os.path.join(options.output_dir, f"{name}.tsv")) as aside, open(aside, "w", encoding="utf-8") as file:
            file.writelines("\t".join(" ".join(side.split()) for side in row) + "\n" for row in rows)
    figures = {name: len(rows) for name, rows in parts.items()}
    if options.vocabulary_size is not None:
        vocabulary = train_vocabulary(iter([target for _, target in parts["train"]]), options.vocabulary_size, progress=False)
        with replaced_file(os.path.join(options.output_dir, "vocab.txt")) as aside:
            save_vocabulary(vocabulary, aside)
        figures["pieces"] = len(vocabulary)
    print(json.dumps(figures), flush=True)


def split(pairs, sizes, *, seed):
    """Shuffle pairs and split them by their sources.

    Args: pairs: list of (source, target). sizes: dict of part -> pairs that it is to have; it gets more where its last source has several.
    Returns: dict of part -> pairs: "train", with what is left, then those of sizes.
    Raises: SystemExit where nothing is left.
    """
    of_sources = {}
    for pair in pairs:
        of_sources.setdefault(" ".join(pair[0].casefold().split()), []).append(pair)
    groups = list(of_sources.values())
    order = iter(np.random.default_rng(seed).permutation(len(groups)))
    parts = {}
    for name, size in sizes.items():
        rows = parts[name] = []
        while len(rows) < size and (place := next(order, None)) is not None:
            rows += groups[place]
    train = [pair for place in order for pair in groups[place]]
    if not train:
        raise SystemExit(f"{len(pairs)} pairs leave none to train on beside {sizes}; give fewer to the other parts")
    return {"train": train} | parts


if __name__ == "__main__":
    main()
