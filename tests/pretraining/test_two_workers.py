"""Two real processes on 127.0.0.1 train together on examples of which each reads its own files."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from keras_bert import BertTokenizer
from keras_bert.pretraining import ExampleSettings, prepare_pretraining_data
from keras_bert.text import save_vocabulary

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", "."]


@pytest.mark.slow
def test_each_worker_reads_files_of_its_own_and_all_end_with_one_model(root, fresh_python, tmp_path):
    rng = np.random.default_rng(0)
    sentences = [" ".join(rng.choice(list("abcdefgh"), rng.integers(3, 12))) + " .\n" for _ in range(300)]
    (tmp_path / "corpus.txt").write_text("".join(line + "\n" * (number % 5 == 4) for number, line in enumerate(sentences)))
    save_vocabulary(PIECES, tmp_path / "vocab.txt")
    settings = ExampleSettings(max_length=32, pack=True, row_length=64, sentences="line", shard_megabytes=0.001)
    examples = tmp_path / "examples"
    prepare_pretraining_data(tmp_path / "corpus.txt", examples, BertTokenizer(PIECES), settings, workers=1, progress=False)

    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    program = root / "tests" / "pretraining" / "programs" / "own_files.py"
    command = [sys.executable, program, examples, tmp_path / "vocab.txt", tmp_path / "run"]
    processes = [
        fresh_python.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ
            | {"PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": ""}
            | {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})},
        )
        for index in range(2)
    ]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], [errors[-3000:] for _, errors in outputs]
    results = [json.loads(output.splitlines()[-1]) for output, _ in outputs]
    assert [result["read"] for result in results] == [[[0, 0, 2]], [[0, 1, 2]]]
    assert [result["step"] for result in results] == [4, 4]
    assert results[0]["weights"] == pytest.approx(results[1]["weights"], rel=1e-6)
