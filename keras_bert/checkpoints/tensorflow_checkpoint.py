"""Read a TensorFlow checkpoint, of TF1 by names or of TF2 by objects: NAME.index and NAME.data-*."""

import os

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


class TensorFlowCheckpoint:
    """A TensorFlow checkpoint; no tensor is read before it is asked for.

    Args: prefix: path without .index.
    Attributes: path: the prefix. shapes: dict of name -> tuple. dtypes: dict of name -> tf.DType.
    Raises: ValueError naming the file where it is cut off or lacks a part.
    """

    def __init__(self, prefix, rename=lambda name: name):
        self.path = os.fspath(prefix)
        self._reader = _open(self.path)
        self._names = {rename(name): name for name in self._reader.get_variable_to_shape_map() if name != OBJECT_GRAPH}
        shapes, dtypes = self._reader.get_variable_to_shape_map(), self._reader.get_variable_to_dtype_map()
        self.shapes = {known_by: tuple(shapes[name]) for known_by, name in self._names.items()}
        self.dtypes = {known_by: dtypes[name] for known_by, name in self._names.items()}

    def read(self, name):
        """Returns: NumPy array of tensor `name`."""
        dtype = self.dtypes[name]
        if not dtype.is_floating:
            raise ValueError(f"{self.path}: {name} has dtype {dtype.name}; weights are floating-point numbers")
        try:
            return self._reader.get_tensor(self._names[name])
        except Exception as error:  # TensorFlow raises many kinds
            raise ValueError(f"{self.path}: {name} cannot be read; its .data file is cut off or of another checkpoint: {error}") from error


def find_prefix(directory):
    """Find the checkpoint in a directory: the one there, or else the newest by the `checkpoint` file that TensorFlow writes.

    Args: directory: path.
    Returns: path without .index.
    Raises: ValueError naming what was found where it is none or several.
    """
    prefixes = sorted(name.removesuffix(".index") for name in os.listdir(directory) if name.endswith(".index"))
    if len(prefixes) == 1:
        return os.path.join(directory, prefixes[0])
    latest = _latest(directory)
    if latest in prefixes:
        return os.path.join(directory, latest)
    if "bert_model.ckpt" in prefixes:
        return os.path.join(directory, "bert_model.ckpt")
    raise ValueError(
        f"{directory} holds {len(prefixes)} TensorFlow checkpoints ({', '.join(prefixes) or 'no .index file'}) and no file `checkpoint` "
        "that names one of them as the latest; keep one"
    )


def is_object_based(prefix):
    """Tell a TF2 checkpoint, of objects, from a TF1 one, of names. Args: prefix: path without .index."""
    return OBJECT_GRAPH in _open(prefix).get_variable_to_shape_map()


def _latest(directory):
    path = os.path.join(directory, "checkpoint")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model_checkpoint_path:"):
                # The last part alone: the rest is where the checkpoint lay when it was written, or leads elsewhere.
                return os.path.basename(line.split(":", 1)[1].strip().strip('"'))
    return None


def _open(prefix):
    import tensorflow as tf

    try:
        return tf.train.load_checkpoint(prefix)
    except Exception as error:  # TensorFlow raises many kinds
        raise ValueError(f"{prefix}.index cannot be read as a TensorFlow checkpoint: {error}") from error
