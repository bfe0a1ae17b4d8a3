"""Training checkpoints on disk: written aside, synced, then renamed into place, so that a kill or a full disk costs none already there.

directory/step-00001234/state.safetensors    the arrays
directory/step-00001234/state.json           their checksums, and what the trainer wants to know again
directory/best/                              the same two files, of the best step so far
directory/.step-00001234.building-k3j2m1/    one being written, or left by a process that was killed
"""

import collections.abc
import errno
import json
import math
import operator
import os
import re
import shutil
import warnings
import zlib

import numpy as np

from keras_bert.files import read_json, replaced_directory, write_json
from keras_bert.safetensors_file import SafetensorsFile, write_safetensors

BEST = "best"
ARRAYS, DESCRIPTION = FILES = ("state.safetensors", "state.json")
FORMAT = 1
_PAGE = 4096  # bytes
_STEP = re.compile(r"step-(\d{8,})")
# building and retired are replaced_directory's; a checkpoint is renamed to deleting first, so that half a one never looks like a whole.
_LEFTOVER = re.compile(r"\.(step-\d{8,}|best)\.(?:(building|retired)-\w+|deleting)")


class CheckpointSaveError(OSError):
    """A checkpoint could not be written, on a full disk for one; those written before are as they were. errno: the disk's."""


class CheckpointStore:
    """The training checkpoints of one run: the newest few, and the best. One process writes; others may read meanwhile.

    Args: directory: path; made at the first save. keep: how many of the newest to keep, 1 or more; the best is kept besides.
    Raises: ValueError where keep is none.
    """

    def __init__(self, directory, *, keep=2):
        if int(keep) != keep or keep < 1:
            raise ValueError(f"keep={keep!r} is not a number of checkpoints, 1 or more")
        self.directory = os.path.abspath(os.fspath(directory))
        self.keep = int(keep)
        self._damaged = set()  # steps that latest() found so: to know it again takes reading them again

    def save(self, step, arrays, info):
        """Write a checkpoint, in place of an older one of that step; then delete those older than the newest `keep` whole ones.

        Args:
            step: int, updates done.
            arrays: iterable of (name, shape, dtype, function without arguments that gives the NumPy array). One array at a time
                is asked for. dtypes: float32, float16, bfloat16, float64, int32, int64, uint32, bool.
            info: dict of plain values, as JSON holds them.
        Returns: path of the checkpoint.
        Raises:
            CheckpointSaveError where the disk is full or fails: names step, path, bytes needed and free.
            ValueError or TypeError naming what cannot be written. What was there before is as it was, in each case.
        """
        step = operator.index(step)
        if step < 0:
            raise ValueError(f"step={step} is not a number of updates, 0 or more")
        path = self._write(f"step-{step:08d}", step, arrays, info)
        self._damaged.discard(step)
        self._delete_old(step)
        return path

    def save_best(self, step, arrays, info):
        """Write the best checkpoint so far, in place of the last best, which stays until this one is whole. As save otherwise."""
        return self._write(BEST, operator.index(step), arrays, info)

    def latest(self):
        """Returns: step of the newest checkpoint whose every byte is as it was written, or None. A broken one is skipped with a warning."""
        for step, path in sorted(self._steps().items(), reverse=True):
            try:
                arrays, _ = _open(path, step)
                arrays.check()
                return step
            except (OSError, ValueError) as error:
                self._damaged.add(step)
                warnings.warn(f"checkpoint {path} is skipped: {error}", stacklevel=2)
        return None

    def load(self, step):
        """Open a checkpoint.

        Args: step: int.
        Returns: (mapping of name -> NumPy array, info). An array is read, and compared with its checksum, each time it is asked for.
        Raises: ValueError where there is none of that step, or it is broken; the mapping raises it for a damaged array.
        """
        paths = self._steps()
        if step not in paths:
            raise ValueError(f"{self.directory} has no checkpoint of step {step}; it has {', '.join(map(str, sorted(paths))) or 'none'}")
        try:
            return _open(paths[step], step)
        except OSError as error:
            raise ValueError(f"checkpoint {paths[step]} is broken: {error}") from error

    def load_best(self):
        """Returns: as load, of the best; None where there is none, or it is broken, which a warning tells."""
        path = self._paths().get(BEST)
        if path is None:
            return None
        try:
            arrays, info = _open(path)
            arrays.check()
            return arrays, info
        except (OSError, ValueError) as error:
            warnings.warn(f"checkpoint {path} is skipped: {error}", stacklevel=2)
            return None

    def clean(self):
        """Delete what a killed process left half-written or half-deleted, and put back what it was replacing.

        Each save begins with it. It is for the one process that writes: another's checkpoint in the making is no leftover.
        """
        for entry in _entries(self.directory):
            if leftover := _LEFTOVER.fullmatch(entry):
                name, path = leftover[1], os.path.join(self.directory, entry)
                aside, place = os.path.join(path, name), os.path.join(self.directory, name)
                if leftover[2] == "retired" and os.path.isdir(aside) and not os.path.exists(place):
                    os.rename(aside, place)
                shutil.rmtree(path, ignore_errors=True)

    def _write(self, name, step, arrays, info):
        path = os.path.join(self.directory, name)
        shapes, dtypes, functions = {}, {}, {}
        for array_name, shape, dtype, function in arrays:
            if not isinstance(array_name, str) or array_name in ("", "__metadata__"):
                raise ValueError(f"{array_name!r} is no name for an array")
            if array_name in shapes:
                raise ValueError(f"two arrays are named {array_name}")
            shapes[array_name], dtypes[array_name], functions[array_name] = tuple(map(int, shape)), np.dtype(dtype), function
        if not isinstance(info, dict):
            raise TypeError(f"info is {type(info).__name__}; a dict was expected")
        info = json.loads(json.dumps(info))  # as it will be read: keys are str, tuples are lists
        needed = sum(math.prod(shape) * dtypes[array_name].itemsize for array_name, shape in shapes.items())
        try:
            self.clean()
            if needed > _free_bytes(self.directory):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with replaced_directory(path, FILES) as building:
                checksums = {}
                checked = _with_checksums(functions, shapes, dtypes, checksums)
                write_safetensors(os.path.join(building, ARRAYS), shapes, checked, dtype=dtypes)
                values = {"format": FORMAT, "step": step, "info": info, "checksums": checksums}
                write_json(os.path.join(building, DESCRIPTION), values | {"checksum": _checksum_of_json(values)})
                for file in (ARRAYS, DESCRIPTION, ""):
                    _sync(os.path.join(building, file))
                _open(building, step)
            _sync(self.directory)
        except OSError as error:
            what = f"the best checkpoint, of step {step}," if name == BEST else f"the checkpoint of step {step}"
            message = (
                f"{what} was not saved to {path}: {error.strerror or error}. It needs {needed:,} bytes; "
                f"{_free_bytes(self.directory):,} are free. Make room, keep fewer than keep={self.keep}, or give a directory on "
                "another disk. The checkpoints saved before are as they were"
            )
            raise CheckpointSaveError(error.errno, message) from error
        return path

    def _delete_old(self, written):
        paths = self._steps()
        whole = sorted(step for step, path in paths.items() if step == written or (step not in self._damaged and _opens(path, step)))
        for step, path in paths.items():
            # Broken ones among the newest stay, and so does a directory with somebody's own files.
            if step < whole[-self.keep :][0] and step != written and set(_entries(path)) <= set(FILES):
                deleting = os.path.join(self.directory, f".{os.path.basename(path)}.deleting")
                try:
                    os.rename(path, deleting)
                    shutil.rmtree(deleting)
                except OSError as error:
                    warnings.warn(f"the old checkpoint {path} was not deleted: {error}", stacklevel=3)

    def _paths(self):
        """Returns: dict of checkpoint's name -> path. One that was being replaced when its process was killed still lies aside."""
        paths = {}
        for entry in sorted(_entries(self.directory)):  # "." comes first: what is in its place counts, if it is there
            path = os.path.join(self.directory, entry)
            leftover = _LEFTOVER.fullmatch(entry)
            if leftover and leftover[2] == "retired" and os.path.isdir(os.path.join(path, leftover[1])):
                paths[leftover[1]] = os.path.join(path, leftover[1])
            elif entry == BEST or _STEP.fullmatch(entry):
                paths[entry] = path
        return paths

    def _steps(self):
        return {int(match[1]): path for name, path in self._paths().items() if (match := _STEP.fullmatch(name))}


class _Arrays(collections.abc.Mapping):
    """The arrays of a checkpoint, by name. Raises: ValueError naming the array that is not what was written."""

    def __init__(self, path, checksums):
        self._file = SafetensorsFile(path, weights_only=False)
        self._checksums = checksums
        if set(self._file.shapes) != set(checksums):
            raise ValueError(f"{path} is damaged: its arrays are not those that {DESCRIPTION} lists")

    def __getitem__(self, name):
        array = self._file.read(name)
        if _checksum(name, array) != self._checksums[name]:
            raise ValueError(f"{self._file.path} is damaged: {name} has another checksum than when it was written")
        return array

    def __iter__(self):
        return iter(self._checksums)

    def __len__(self):
        return len(self._checksums)

    def check(self):
        for name in self:
            self[name]


def _with_checksums(functions, shapes, dtypes, checksums):
    """Yields: (name, array). Fills: checksums, name -> int. Raises: ValueError where an array is not what was announced."""
    for name, function in functions.items():
        array = np.asarray(function())
        if (array.dtype, array.shape) != (dtypes[name], shapes[name]):
            raise ValueError(f"{name} is {array.dtype} {list(array.shape)}; {dtypes[name]} {list(shapes[name])} was announced")
        checksums[name] = _checksum(name, array)
        yield name, array


def _checksum(name, array):
    """CRC-32 of the name, dtype and shape, of each 4 KiB page's sum as 64-bit words, and of the bytes after the last whole page.

    CRC-32 of every byte takes four times as long (1.9 against 7.5 GB/s) and more than writing them does. What disks and kills do
    changes this one too: a changed bit, a page that is lost, stale or misplaced; only the order of words in a page does not.
    """
    # A header damaged in name, dtype or shape reads as another array of the same bytes.
    described = f"{name} {array.dtype} {list(array.shape)}".encode()
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    in_pages = data.size // _PAGE * _PAGE
    sums = data[:in_pages].view("<u8").reshape(-1, _PAGE // 8).sum(axis=1)
    return zlib.crc32(data[in_pages:], zlib.crc32(sums.view(np.uint8), zlib.crc32(described)))


def _checksum_of_json(values):
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())


def _open(path, step=None):
    """Returns: (_Arrays, info). Raises: OSError or ValueError saying what is wrong, but for the bytes of arrays, which are not read."""
    description = os.path.join(path, DESCRIPTION)
    values = read_json(description)
    if values.pop("checksum", None) != _checksum_of_json(values):
        raise ValueError(f"{description} is damaged: it has another checksum than when it was written")
    if values["format"] != FORMAT:
        raise ValueError(f"{description}: format {values['format']!r}; this version of keras_bert reads format {FORMAT}")
    if step is not None and values["step"] != step:
        raise ValueError(f"{description} is of step {values['step']}")
    return _Arrays(os.path.join(path, ARRAYS), values["checksums"]), values["info"]


def _opens(path, step):
    try:
        _open(path, step)
        return True
    except (OSError, ValueError):
        return False


def _entries(directory):
    return os.listdir(directory) if os.path.isdir(directory) else []


def _free_bytes(path):
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free


def _sync(path):
    """Wait until the file, or the names in the directory, are on the disk and not only in memory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
