"""Make pretraining examples of running text: sharded TFRecords, with a manifest of what they were made of.

    python examples/prepare_pretraining_data.py --corpus texts --vocabulary vocab.txt --output_dir examples_128
    python examples/prepare_pretraining_data.py --corpus wiki.jsonl.gz --vocabulary path/to/bert --max_length 512 --pack
    python examples/prepare_pretraining_data.py --corpus texts --vocabulary new.txt --vocabulary_size 8000
    python examples/prepare_pretraining_data.py --corpus "zh/*.txt" --documents line --objective sentence_order --vocabulary vocab.txt
    python examples/prepare_pretraining_data.py --corpus /mnt/texts --vocabulary vocab.txt --output_dir /mnt/out --runner FlinkRunner

Some 7 MB of text a second and core. Started again after it was killed, it keeps the shards that are finished. Masks are not among the
examples: they are drawn while a model trains. The last line is one JSON object: shards, documents, examples, rows, tokens, padding_share
(of rows as long as they may be), megabytes, seconds, manifest. Beside the manifest stands lengths.png: how long examples are, and how much
of their rows is padding, packed and not.
"""

import argparse
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from pretraining_flags import add_corpus_flags, corpus_settings, tell_skipped

import keras_bert
from keras_bert.checkpoints import open_checkpoint
from keras_bert.data import Corpus
from keras_bert.files import replaced_file
from keras_bert.pretraining import ExampleSettings, draw_lengths, prepare_pretraining_data, prepare_with_beam
from keras_bert.pretraining.settings import OBJECTIVES
from keras_bert.text import save_vocabulary, train_vocabulary


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", default="examples", help="a new directory, or one to go on with (default: %(default)s)")
    parser.add_argument("--vocabulary", required=True, help="a vocab.txt, or a checkpoint whose tokenizer to take")
    parser.add_argument("--vocabulary_size", type=int, help="learn --vocabulary from the corpus first, where there is no such file")
    parser.add_argument("--cased", action="store_true", help="of a vocab.txt: keep capitals and accents")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    runners = "DirectRunner, FlinkRunner, SparkRunner, DataflowRunner"
    parser.add_argument("--runner", help=f"make them by an Apache Beam pipeline, on {runners}; Beam's own flags may follow")
    group = parser.add_argument_group("corpus")
    group.add_argument("--corpus", nargs="+", required=True, help="files, folders, globs, tfds:NAME; .gz, .xz, .zst, .jsonl, .parquet too")
    add_corpus_flags(group)
    group = parser.add_argument_group("examples")
    group.add_argument("--objective", choices=OBJECTIVES, default=OBJECTIVES[0], help="(default: %(default)s)")
    group.add_argument("--max_length", type=int, default=128, help="tokens of an example (default: %(default)s)")
    group.add_argument("--short_seq_prob", type=float, help="share of documents with shorter examples (default: 0.1 for pairs)")
    group.add_argument("--dupe_factor", type=int, default=1, help="times through each document (default: %(default)s)")
    group.add_argument("--pack", action="store_true", help="put short examples together in rows")
    group.add_argument("--row_length", type=int, help="tokens of such a row (default: --max_length)")
    group.add_argument("--length_bin", type=int, help="write examples of like length to files of their own: width of a bin, such as 64")
    group.add_argument("--shard_megabytes", type=float, default=8.0, help="text of a shard (default: %(default)s)")
    group.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    given, for_beam = parser.parse_known_args(arguments)
    if for_beam and given.runner is None:
        parser.error(f"unrecognized arguments: {' '.join(for_beam)} (flags of Beam go with --runner)")
    if given.runner is not None and given.workers is not None:
        parser.error("--workers is of this machine's processes; how many a --runner has, its own flags say")

    corpus = Corpus(given.corpus, **corpus_settings(given))
    if given.vocabulary_size is not None and not os.path.exists(given.vocabulary):
        corpus.check_is_apart(given.vocabulary)
        os.makedirs(os.path.dirname(os.path.abspath(given.vocabulary)), exist_ok=True)
        pieces = train_vocabulary(corpus.read(), given.vocabulary_size, lower_case=not given.cased)
        with replaced_file(given.vocabulary) as aside:
            save_vocabulary(pieces, aside)
    if os.path.isfile(given.vocabulary):
        tokenizer = keras_bert.BertTokenizer(given.vocabulary, lower_case=not given.cased)
    else:
        tokenizer = open_checkpoint(given.vocabulary).make_tokenizer()
    names = ("objective", "max_length", "short_seq_prob", "dupe_factor", "sentences", "pack", "row_length", "length_bin", "shard_megabytes")
    settings = ExampleSettings(seed=given.seed, **{name: getattr(given, name) for name in names})
    began = time.monotonic()
    if given.runner is None:
        manifest = prepare_pretraining_data(corpus, given.output_dir, tokenizer, settings, workers=given.workers)
    else:
        manifest = prepare_with_beam(corpus, given.output_dir, tokenizer, settings, options=for_beam, runner=given.runner)
    totals, read = manifest["totals"], manifest["read"]
    tell_skipped(manifest)
    files = [file for shard in manifest["shards"] for file in shard["files"]]
    padded = sum(file["rows"] * (file["length_bin"] or settings.row_length or settings.max_length) for file in files)
    figures = {name: totals[name] for name in ("shards", "documents", "examples", "rows", "tokens")}
    figures |= {"padding_share": round(1 - totals["tokens"] / max(padded, 1), 4), "megabytes": round(read["bytes"] / 1e6, 3)}
    figures |= {"seconds": round(time.monotonic() - began, 2), "manifest": os.path.join(given.output_dir, "manifest.json")}
    draw_lengths(given.output_dir)
    sys.stderr.flush()
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
