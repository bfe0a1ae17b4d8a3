"""Turn texts into vectors, search by them, or write the vectors of their tokens.

    python examples/embed.py --input texts.txt --output vectors.npy                 # MiniLM: float32 [lines, 384]
    python examples/embed.py --model out/model --input texts.txt --output vectors.jsonl --truncate_dim 128
    python examples/embed.py --input questions.txt --search passages.txt --top_k 5 --output found.jsonl
    python examples/embed.py --input texts.txt --layers -1 -2 -3 -4 --output features.jsonl     # as google-research's extract_features.py

A line of a file is a text (.gz too). With --layers each line of OUTPUT is {"linex_index": 0, "features": [{"token": "[CLS]", "layers":
[{"index": -1, "values": [...]}, ...]}, ...]}; "a ||| b" is then a pair. The last line printed is one JSON object: texts, features, seconds,
output; of a search also corpus.
"""

import argparse
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

import numpy as np
from minilm import get_minilm

from keras_bert import BertEmbedder
from keras_bert.data.tables import text_lines
from keras_bert.tasks import extract_features


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="checkpoint of any kind, or hf://owner/name (default: all-MiniLM-L6-v2, fetched)")
    parser.add_argument("--input", required=True, help="a text a line; of a search, the queries")
    parser.add_argument("--output", required=True, help=".npy or .jsonl; of a search and of --layers .jsonl")
    parser.add_argument("--search", metavar="CORPUS", help="find for each text of --input the most similar lines of this file")
    parser.add_argument("--top_k", type=int, default=10, help="of a search (default: %(default)s)")
    parser.add_argument("--backend", choices=("numpy", "faiss"), default="numpy", help="of a search; both are exact (default: %(default)s)")
    parser.add_argument("--layers", type=int, nargs="+", help="write vectors of tokens: -1 is the last layer, -2 that before")
    parser.add_argument("--prompt", help="name of the model's prompt to put before each text (of a search: each query)")
    parser.add_argument("--corpus_prompt", help="the same of the corpus")
    parser.add_argument("--truncate_dim", type=int, help="features of a vector to keep")
    parser.add_argument("--max_length", type=int, help="tokens of a text (default: the model's)")
    parser.add_argument("--batch_size", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of the computation (default: %(default)s)")
    options = parser.parse_args()
    endings = (".npy", ".jsonl") if options.search is None and options.layers is None else (".jsonl",)
    if not options.output.endswith(endings):
        parser.error(f"--output {options.output} ends in none of {', '.join(endings)}")
    texts = read_texts(parser, options.input)
    model = BertEmbedder.from_pretrained(
        options.model or get_minilm(), max_length=options.max_length, truncate_dim=options.truncate_dim, dtype=options.dtype
    )
    began = time.monotonic()
    figures = {"texts": len(texts)}
    if options.layers is not None:
        write_lines(options.output, token_lines(model, texts, options))
    elif options.search is not None:
        corpus = read_texts(parser, options.search)
        figures["corpus"] = len(corpus)
        found = model.semantic_search(
            texts,
            corpus,
            options.top_k,
            query_prompt=options.prompt,
            corpus_prompt=options.corpus_prompt,
            batch_size=options.batch_size,
            backend=options.backend,
        )
        rows = ([hit | {"text": corpus[hit["corpus_id"]]} for hit in hits] for hits in found)
        write_lines(options.output, ({"query": text, "found": hits} for text, hits in zip(texts, rows, strict=True)))
    else:
        vectors = model.predict(texts, batch_size=options.batch_size, prompt=options.prompt, verbose=0)
        figures["features"] = vectors.shape[1]
        if options.output.endswith(".npy"):
            np.save(options.output, vectors)
        else:
            rows = zip(texts, vectors.tolist(), strict=True)
            write_lines(options.output, ({"text": text, "embedding": vector} for text, vector in rows))
    figures |= {"seconds": round(time.monotonic() - began, 2), "output": options.output}
    sys.stderr.flush()
    print(json.dumps(figures), flush=True)


def read_texts(parser, path):
    texts = [line.rstrip("\r\n") for line in text_lines(path)]
    if not texts:
        parser.error(f"{path} holds no text")
    return texts


def token_lines(model, texts, options):
    """Yields: dicts, as google-research's extract_features.py writes them."""
    parts = [text.split(" ||| ", 1) for text in texts]
    of_texts = {}
    for count in (1, 2):
        places = [index for index, part in enumerate(parts) if len(part) == count]
        columns = list(zip(*(parts[index] for index in places), strict=True))
        if places:
            of_texts |= dict(
                zip(places, extract_features(model, *columns, layers=options.layers, batch_size=options.batch_size), strict=True)
            )
    for index, found in sorted(of_texts.items()):
        yield {
            "linex_index": index,
            "features": [
                {
                    "token": token,
                    "layers": [
                        {"index": layer, "values": [round(float(value), 6) for value in vector]}
                        for layer, vector in zip(options.layers, vectors, strict=True)
                    ],
                }
                for token, vectors in zip(found.tokens, found.vectors, strict=True)
            ],
        }


def write_lines(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
