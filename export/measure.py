"""Measure a SavedModel, in a process that needs TensorFlow and tensorflow-text, and not keras_bert.

    python export/measure.py VERSION_DIRECTORY --inputs IN.npz --signature serving_default --batch_sizes 1 8 32

IN.npz holds arrays named "length/input", [1, ...], strings as bytes. One JSON object is printed: load_seconds; first_seconds, until the
first answer; latencies: list of {"length", "batch_size", "seconds"}, the median of `--repeats`; memory_bytes, resident after the last
answer, and peak_memory_bytes: null where the system does not tell.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as python -m export has it

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the tokenizer's ops, as a TF Serving build does


def measure(path, signature, requests, batch_sizes, repeats):
    """Args: requests: dict of length -> dict of input -> array [1, ...]. Returns: dict, see this file's docstring."""
    started = time.perf_counter()
    function = tf.saved_model.load(path).signatures[signature]
    load_seconds = time.perf_counter() - started
    latencies, first_seconds = [], None
    for length, inputs in sorted(requests.items()):
        for batch_size in batch_sizes:
            batch = {name: _tiled(value, batch_size) for name, value in inputs.items()}
            first = _seconds(function, batch)  # it traces nothing, but prepares kernels for the shape
            first_seconds = first if first_seconds is None else first_seconds
            seconds = statistics.median(_seconds(function, batch) for _ in range(repeats))
            latencies.append({"length": length, "batch_size": batch_size, "seconds": seconds})
    memory = {"memory_bytes": _status("VmRSS"), "peak_memory_bytes": _status("VmHWM")}
    return {"load_seconds": load_seconds, "first_seconds": first_seconds, "latencies": latencies} | memory


def _tiled(value, batch_size):
    value = np.repeat(value, batch_size, axis=0)
    return tf.constant(value.tolist() if value.dtype.kind == "S" else value)


def _seconds(function, batch):
    started = time.perf_counter()
    for output in function(**batch).values():
        output.numpy()
    return time.perf_counter() - started


def _status(name):
    """A number of bytes that Linux tells of this process, or None elsewhere."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{name}:"))
    except (OSError, StopIteration):
        return None


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("saved_model", help="version directory of a SavedModel")
    parser.add_argument("--inputs", required=True, help=".npz to read")
    parser.add_argument("--signature", required=True, help="which signature to ask")
    parser.add_argument("--batch_sizes", type=int, nargs="+", required=True, help="how many examples a request has")
    parser.add_argument("--repeats", type=int, default=3, help="requests of which the median is given")
    options = parser.parse_args(arguments)
    requests = {}
    with np.load(options.inputs) as arrays:  # plain arrays only: NumPy refuses pickles by default
        for name in arrays.files:
            length, _, column = name.partition("/")
            requests.setdefault(int(length), {})[column] = arrays[name]
    print(json.dumps(measure(options.saved_model, options.signature, requests, options.batch_sizes, options.repeats)))


if __name__ == "__main__":
    main()
