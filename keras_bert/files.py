"""Write aside, then rename into place: what was there stays whole until what replaces it is complete."""

import contextlib
import os
import shutil
import tempfile


@contextlib.contextmanager
def replaced_directory(path):
    """Give a fresh directory to fill; on success it takes the place of `path`, on an exception it is deleted.

    Args: path: the directory to make or replace. What it held before is kept until the new one is complete.
    Yields: the path of the directory to fill, beside `path` so that the rename stays on one file system.
    Raises: ValueError where `path` is a file.
    """
    path = os.path.abspath(os.fspath(path))
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(f"{path} is a file; a directory is to be written there")
    parent, name = os.path.split(path)
    os.makedirs(parent, exist_ok=True)
    building = tempfile.mkdtemp(prefix=f".{name}.building-", dir=parent)
    try:
        os.chmod(building, 0o777 & ~_umask())  # mkdtemp makes it private; a published directory is not
        yield building
        if os.path.isdir(path):
            retired = tempfile.mkdtemp(prefix=f".{name}.retired-", dir=parent)
            os.rename(path, os.path.join(retired, name))
            os.rename(building, path)
            shutil.rmtree(retired)
        else:
            os.rename(building, path)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
