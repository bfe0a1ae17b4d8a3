"""What the sides of a BERT classifier share: batches, the clock, memory and the rate of a matrix product.

NumPy and the standard library only; each side hands over what its own library does. Import it first: it hides GPUs, since these suites
are about the CPU.
"""

import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"

import importlib.metadata
import time

import numpy as np

FIRST_ID = 1000  # of random ids: before it stand special, unused and single characters in BERT's vocabularies
PEAK_SIZES = (1024, 2048, 4096)  # of square matrix products
PEAK_SECONDS = 0.5
LEARNING_RATE, WEIGHT_DECAY, EPSILON, CLIP_NORM = 5e-5, 0.01, 1e-6, 1.0  # google-research's recipe, for every side
CHECK_LEARNING_RATE = 0.05  # of plain SGD, large enough that a wrong gradient shows in the second loss


class ClassifierSide:
    """A BERT classifier as a side: the subclass gives `prepare`, `work` and `product`.

    Settings: job: "inference" (the contract), "predict" (strings), "training" (the contract) or "fit" (strings). directory: of weights, see
        keras_bert_weights.
        policy: "float32", "bfloat16" or "mixed_bfloat16". batch_size, length, batches: of a run. vocab_size. threads.
        texts, labels: paths of JSON lists, of strings and of 0 or 1. check: train without dropout by SGD, so that losses of two sides
        can agree.
    """

    libraries = ()  # names of distributions, whose versions are told

    def __init__(self, settings):
        self.settings = settings
        self.threads = settings["threads"]
        self.job = settings["job"]
        self.policy = settings["policy"]
        self.versions = versions(self.libraries)
        self.batches = self.make_batches()
        self.prepare()

    def make_batches(self):
        """Returns: list of dicts of arrays, of a run."""
        return random_batches(self.settings)

    def prepare(self):
        """Load and build."""
        raise NotImplementedError

    def work(self, batches):
        """Do the job once. Returns: float array: of training, losses; else scores, [rows, labels]."""
        raise NotImplementedError

    def product(self, size):
        """Returns: function without arguments that multiplies two [size, size] matrices of the computing dtype and waits for the result."""
        raise NotImplementedError

    def run(self, request):
        if request.get("measure") == "peak":
            return {"flops_per_second": self.peak()}
        sizes = {name: request[name] for name in ("batch_size", "length") if name in request}
        batches = random_batches(self.settings | sizes) if sizes else self.batches
        start = time.perf_counter()
        results = self.work(batches)
        seconds = time.perf_counter() - start
        # Not the numbers themselves: threads may add in another order, and weights change in training.
        return {"seconds": seconds, "checksum": [len(results), bool(np.isfinite(results).all())], "peak_bytes": peak_bytes()}

    def peak(self):
        return matmul_peak(self.product)

    def outputs(self, request):
        if self.job == "training":  # one batch again and again: its loss tells whether the update was right
            return [float(np.ravel(self.work(self.batches[:1]))[-1]) for _ in range(request["steps"])]
        batches = self.batches if self.job == "predict" else [padded(batch) for batch in self.batches]
        return np.asarray(self.work(batches), "float64").tolist()

    @property
    def compute_dtype(self):
        return self.policy.removeprefix("mixed_")


def versions(libraries):
    """Args: libraries: names of distributions. Returns: dict of name to version."""
    return {name: importlib.metadata.version(name) for name in libraries}


def random_batches(settings):
    """Returns: list of dicts of int32 arrays, the same for every side: the contract, [batch_size, length], and labels, [batch_size]."""
    generator = np.random.default_rng(0)
    shape = settings["batch_size"], settings["length"]

    def batch():
        return {
            "input_ids": generator.integers(FIRST_ID, settings["vocab_size"], shape).astype("int32"),
            "token_type_ids": np.zeros(shape, "int32"),
            "attention_mask": np.ones(shape, "int32"),
            "labels": generator.integers(0, 2, shape[0]).astype("int32"),
        }

    return [batch() for _ in range(settings["batches"])]


def padded(batch):
    """A batch whose every second row is half padding: where a mask is forgotten, outputs differ."""
    length = batch["input_ids"].shape[1]
    mask = batch["attention_mask"].copy()
    mask[::2, length // 2 :] = 0
    return batch | {"attention_mask": mask, "input_ids": batch["input_ids"] * mask}


def matmul_peak(product):
    """The best rate of a square matrix product, as keras_bert.training.throughput.measured_matmul_peak takes it.

    Args: product: function of a size; returns a function that multiplies once.
    Returns: float, FLOP/s.
    """
    best = 0.0
    for size in PEAK_SIZES:
        flops = 2 * size**3
        if best and flops / best > PEAK_SECONDS / 2:
            break
        multiply, spent = product(size), 0.0
        multiply()  # warm up
        while spent < PEAK_SECONDS / len(PEAK_SIZES):
            start = time.perf_counter()
            multiply()
            elapsed = time.perf_counter() - start
            best, spent = max(best, flops / elapsed), spent + elapsed
    return best


def peak_bytes():
    """Returns: int, the most memory that this process has held (VmHWM), or None where the system does not say.

    Not getrusage's ru_maxrss: a process starts with that of the one it was forked from.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except OSError:
        return None


def use_threads(tensorflow, threads):
    """Keep TensorFlow to so many threads; before its first op."""
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)


def tensorflow_product(tensorflow, size, dtype):
    """Returns: function that multiplies two [size, size] matrices in a tf.function."""
    left, right = (tensorflow.cast(tensorflow.random.stateless_normal([size, size], [size, seed]), dtype) for seed in (0, 1))
    multiply = tensorflow.function(tensorflow.matmul)
    return lambda: multiply(left, right)[0, 0].numpy()


def concatenated(arrays):
    """Returns: float32 array of many, joined on the first axis."""
    return np.concatenate([np.asarray(array, "float32") for array in arrays])
