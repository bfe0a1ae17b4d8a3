"""Read and write safetensors files: checked, and a tensor at a time, so that no second copy of a model stands in memory."""

import json
import math
import os
import struct

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from keras_bert.files import read_json

_WEIGHT_DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "F64": np.float64}
_NUMPY_DTYPES = _WEIGHT_DTYPES | {"I32": np.int32, "I64": np.int64, "U32": np.uint32, "BOOL": np.bool_}
_NAMES_OF_DTYPES = {np.dtype(dtype): name for name, dtype in _NUMPY_DTYPES.items()}


class SafetensorsFile:
    """A safetensors file; no tensor is read before it is asked for.

    Args:
        path: the file.
        rename: name in the file -> name to know it by.
        weights_only: False takes integers and bools as well: a training checkpoint counts steps and keeps seeds.
    Attributes: path. shapes: dict of name -> tuple.
    Raises: ValueError naming the file, and the tensor, where the file is cut off, its header lies, or a dtype is not of weights.
    """

    def __init__(self, path, rename=lambda name: name, *, weights_only=True):
        self.path = os.fspath(path)
        try:
            # The library checks that the tensors fill the file without gap or overlap. What is read is read below: a mapped
            # file would count as memory twice, as its pages and as the copies.
            with safe_open(self.path, framework="numpy"):
                pass
        except SafetensorError as error:
            raise ValueError(f"{self.path} is not a whole safetensors file: {error}") from error
        with open(self.path, "rb") as file:
            (header_bytes,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(header_bytes))
        header.pop("__metadata__", None)
        dtypes = _WEIGHT_DTYPES if weights_only else _NUMPY_DTYPES
        self._tensors, self.shapes = {}, {}
        for name, entry in header.items():
            known_by = rename(name)
            if known_by in self._tensors:
                raise ValueError(f"{self.path}: {name} and {self._tensors[known_by][0]} are the same tensor {known_by} under two names")
            if entry["dtype"] not in dtypes and not known_by.endswith("position_ids"):
                read = "weights are" if weights_only else "what is read is"
                raise ValueError(f"{self.path}: {name} has dtype {entry['dtype']}; {read} {', '.join(dtypes)}")
            self._tensors[known_by] = (name, entry["dtype"], 8 + header_bytes + entry["data_offsets"][0])
            self.shapes[known_by] = tuple(entry["shape"])

    def read(self, name):
        """Returns: NumPy array of tensor `name`."""
        _, dtype, offset = self._tensors[name]
        dtype, shape = np.dtype(_NUMPY_DTYPES[dtype]), self.shapes[name]
        array = np.fromfile(
            self.path, dtype=dtype.newbyteorder("<") if dtype.kind in "fiu" else dtype, count=int(np.prod(shape)), offset=offset
        )
        return array.reshape(shape)


class ShardedSafetensors:
    """Several safetensors files under one index, as Transformers writes large models.

    Args: path: model.safetensors.index.json. rename: as SafetensorsFile.
    Attributes: as SafetensorsFile.
    Raises: ValueError naming the file where the index is none, names a file outside its directory, or a tensor that is not there.
    """

    def __init__(self, path, rename=lambda name: name):
        self.path = os.fspath(path)
        directory = os.path.dirname(self.path)
        weight_map = read_json(self.path).get("weight_map")
        if not isinstance(weight_map, dict):
            raise ValueError(f"{self.path} is not an index of safetensors files: it has no weight_map")
        files = sorted(set(weight_map.values()), key=str)
        for name in files:
            if not isinstance(name, str) or name != os.path.basename(name) or name in ("", ".", ".."):
                raise ValueError(f"{self.path} names {name!r}, a path that leaves its directory; a shard lies beside the index")
            if not os.path.exists(os.path.join(directory, name)):
                raise ValueError(
                    f"{self.path} names {name}, which is not there; the directory holds {', '.join(sorted(os.listdir(directory)))}"
                )
        shards = {name: SafetensorsFile(os.path.join(directory, name), rename) for name in files}
        self._homes, self.shapes = {}, {}
        for name, home in weight_map.items():
            known_by = rename(name)
            if known_by not in shards[home].shapes:
                raise ValueError(f"{self.path} says that {name} is in {home}, but it is not")
            if known_by in self._homes:
                raise ValueError(f"{self.path}: {name} is the tensor {known_by}, which the index names under another name too")
            self._homes[known_by] = shards[home]
            self.shapes[known_by] = shards[home].shapes[known_by]

    def read(self, name):
        """Returns: NumPy array of tensor `name`."""
        return self._homes[name].read(name)


def write_safetensors(path, shapes, arrays, *, metadata=None, dtype="float32"):
    """Write a safetensors file, a tensor at a time: the library's own writer wants all of them in memory at once.

    Args:
        path: the file.
        shapes: dict of name -> tuple, in the order of writing.
        arrays: iterable of (name, NumPy array) in that order.
        metadata: dict of str -> str for the header.
        dtype: of all tensors, or dict of name -> dtype.
    Raises: ValueError where an array is not what `shapes` says, or a dtype is none that is written.
    """
    dtypes = {name: np.dtype(dtype[name] if isinstance(dtype, dict) else dtype) for name in shapes}
    header, end = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, shape in shapes.items():
        if dtypes[name] not in _NAMES_OF_DTYPES:
            raise ValueError(f"{name} has dtype {dtypes[name]}; what is written is {', '.join(map(str, _NAMES_OF_DTYPES))}")
        start, end = end, end + math.prod(shape) * dtypes[name].itemsize
        header[name] = {"dtype": _NAMES_OF_DTYPES[dtypes[name]], "shape": list(shape), "data_offsets": [start, end]}
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    encoded += b" " * (-len(encoded) % 8)  # the data starts at a multiple of 8 bytes
    written = []
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for name, array in arrays:
            if tuple(array.shape) != tuple(shapes[name]):
                raise ValueError(f"{name} has shape {list(array.shape)}; {list(shapes[name])} was announced")
            written.append(name)
            # As bytes: bfloat16, which is no dtype of NumPy's own, has no buffer.
            file.write(np.ascontiguousarray(array, dtype=dtypes[name]).reshape(-1).view(np.uint8))
    if written != list(shapes):
        raise ValueError(f"{path}: tensors {written} were written where {list(shapes)} were announced")
