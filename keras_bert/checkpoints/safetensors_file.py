"""Read a safetensors file: names, shapes and single tensors, checked."""

import os

from safetensors import SafetensorError, safe_open

READABLE_DTYPES = ("F32", "F16", "BF16", "F64")


class SafetensorsFile:
    """A safetensors file, opened lazily: no tensor is read before it is asked for.

    Args: path: the file. rename: name in the file -> name to know it by.
    Attributes: shapes: dict of name -> tuple.
    Raises: ValueError naming the file, and the tensor, where the file is cut off, its header lies, or a dtype is not of weights.
    """

    def __init__(self, path, rename=lambda name: name):
        self.path = os.fspath(path)
        try:
            self._file = safe_open(self.path, framework="numpy")
        except SafetensorError as error:
            raise ValueError(f"{self.path} is not a whole safetensors file: {error}") from error
        self._names, self.shapes = {}, {}
        for name in self._file.keys():  # noqa: SIM118 - safe_open is no mapping
            known_by = rename(name)
            if known_by in self._names:
                raise ValueError(f"{self.path}: {name} and {self._names[known_by]} are the same tensor {known_by} under two names")
            part = self._file.get_slice(name)
            if part.get_dtype() not in READABLE_DTYPES and not known_by.endswith("position_ids"):
                raise ValueError(f"{self.path}: {name} has dtype {part.get_dtype()}; weights are {', '.join(READABLE_DTYPES)}")
            self._names[known_by] = name
            self.shapes[known_by] = tuple(part.get_shape())

    def read(self, name):
        """Returns: NumPy array of tensor `name`."""
        return self._file.get_tensor(self._names[name])
