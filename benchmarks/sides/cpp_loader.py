"""A SavedModel asked from C++, a text at a time: tests/export/serve.cc, compiled against TensorFlow's wheel.

Settings: saved_model: a version directory. program: path of serve.cc. texts: path of a JSON list. scratch: an empty directory.
The program writes a file for each answer, and the times of the first and last of them tell the mean time of an answer: of a single
one a file system's clock, which ticks every few milliseconds, does not tell.
"""

import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time

import bert_common
import numpy as np
import side
import tensorflow as tf
import tensorflow_text

OPS = ("_fast_wordpiece_tokenizer.so", "_normalize_ops.so")
WARM_UPS = 3  # answers that come before those that are timed: the first ones prepare kernels


class Cpp:
    def __init__(self, settings):
        self.settings = settings
        self.versions = bert_common.versions(("tensorflow",))
        self.texts = side.read_json(settings["texts"])
        self.program = os.path.join(settings["scratch"], "serve")
        if shutil.which("g++") is None:
            raise RuntimeError("the C++ program needs g++; leave cpp_loader out of --peers")
        library = tf.sysconfig.get_lib()
        # The kernels register themselves from libtensorflow_cc, of which serve.cc names nothing: a linker may leave such a library out.
        link = [f"-Wl,--no-as-needed,-rpath,{library}", *tf.sysconfig.get_link_flags(), "-l:libtensorflow_cc.so.2"]
        flags = ["-O1", "-w", *tf.sysconfig.get_compile_flags()]
        subprocess.run(["g++", *flags, settings["program"], *link, "-o", self.program], check=True)

    def run(self, request):
        """Args: request: requests, how many texts.

        Returns: dict of milliseconds, the mean for each answer; seconds, checksum and startup_seconds.
        """
        with tempfile.TemporaryDirectory(dir=self.settings["scratch"]) as folder:
            began = time.time()
            times = [path.stat().st_mtime for path in self.answers(folder, request["requests"])]
            seconds, answers = times[-1] - times[WARM_UPS - 1], len(times) - WARM_UPS
            return {
                "milliseconds": [1e3 * seconds / answers] * answers,
                "seconds": seconds,
                "startup_seconds": times[0] - began,
                "checksum": answers,
            }

    def outputs(self, request):
        """Returns: list of the probabilities of each text."""
        with tempfile.TemporaryDirectory(dir=self.settings["scratch"]) as folder:
            return [np.load(path)[0].tolist() for path in self.answers(folder, len(self.texts))[WARM_UPS:]]

    def answers(self, folder, count):
        """Answer the first texts, for the warm-up and then again. Returns: the files of probabilities, in order."""
        folder = pathlib.Path(folder)
        asked, answered = folder / "inputs", folder / "answers"
        asked.mkdir()
        answered.mkdir()
        texts = [text.encode() for text in (self.texts[:WARM_UPS] + [self.texts[number % len(self.texts)] for number in range(count)])]
        written = b"".join(struct.pack("=I", len(text)) + text for text in texts)
        (asked / "text").write_bytes(struct.pack("=I", 0) + written)
        ops = pathlib.Path(tensorflow_text.__file__).parent / "python" / "ops"
        environment = {name: os.environ[name] for name in ("TF_ENABLE_ONEDNN_OPTS", "OMP_NUM_THREADS") if name in os.environ}
        command = [self.program, self.settings["saved_model"], "serving_default", asked, "1", answered, *(ops / name for name in OPS)]
        subprocess.run(command, check=True, env=environment | {"TF_CPP_MIN_LOG_LEVEL": "2"})
        return [answered / f"{number}.probabilities.npy" for number in range(len(texts))]


side.serve(Cpp)
