"""Files read with their errors named; and written aside, then renamed into place: what was there stays whole until what replaces it is."""

import contextlib
import json
import os
import shutil
import tempfile
import time


@contextlib.contextmanager
def replaced_directory(path, names):
    """Give a fresh directory to fill; on success it takes the place of `path`, on an exception it is deleted.

    Args:
        path: the directory to make or replace. What it held before is kept until the new one is complete.
        names: the files that may be written there. A directory that holds anything else is not ours to replace.
    Yields: the path of the directory to fill, beside `path` so that the rename stays on one file system.
    Raises: ValueError where `path` is a file, or a directory that holds other things, naming them.
    """
    path = os.path.abspath(os.fspath(path))
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(f"{path} is a file; a directory is to be written there")
    foreign = sorted(set(os.listdir(path)) - set(names)) if os.path.isdir(path) else []
    if foreign:
        shown = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise ValueError(f"{path} holds {shown}, which writing there would delete; give an empty or a new directory")
    parent, name = os.path.split(path)
    os.makedirs(parent, exist_ok=True)
    building = tempfile.mkdtemp(prefix=f".{name}.building-", dir=parent)
    try:
        os.chmod(building, 0o777 & ~_umask())  # mkdtemp makes it private; a published directory is not
        yield building
        if os.path.isdir(path):
            retired = tempfile.mkdtemp(prefix=f".{name}.retired-", dir=parent)
            os.rename(path, os.path.join(retired, name))
            try:
                os.rename(building, path)
            except BaseException:
                os.rename(os.path.join(retired, name), path)
                raise
            finally:
                shutil.rmtree(retired)
        else:
            os.rename(building, path)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


@contextlib.contextmanager
def replaced_file(path):
    """Give the name of a file to write beside `path`; it takes the place of `path` on success, and is deleted on an exception."""
    path = os.path.abspath(os.fspath(path))
    # A name of its own: TensorBoard, for one, reads whatever has "tfevents" in its name.
    aside = os.path.join(os.path.dirname(path), f".building-{os.getpid()}-{time.monotonic_ns()}")
    try:
        yield aside
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(aside)
        raise


def read_json(path, kind=dict):
    """Read a JSON file.

    Args: path: the file. kind: dict or list, what it should hold.
    Returns: that.
    Raises: ValueError naming the file where it is not JSON, or holds something else.
    """
    path = os.fspath(path)
    with open(path, encoding="utf-8") as file:
        try:
            values = json.load(file)
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, kind):
        raise ValueError(f"{path} holds a JSON {type(values).__name__}, not {'a list' if kind is list else 'an object'}")
    return values


def write_json(path, values, *, sort_keys=False):
    """Write a JSON file for people to read. Args: path: the file. values: plain values. sort_keys: put them in order."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(values, file, indent=2, ensure_ascii=False, sort_keys=sort_keys)
        file.write("\n")


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
