"""Directories that a version is built in, beside the versions, and how those are told that a killed process left."""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import tempfile

BUILDING, REMOVING = "building", "removing"


class Aside:
    """A new directory under a name that no server loads, known to be in use for as long as its process lives.

    The process holds a lock on it, which the system releases however the process ends. What others of this machine left, killed, is
    removed first: only directories of a name with this machine's in it, on which a lock can be had. What another machine builds in a
    directory that both share is left alone, and so is everything where the file system has no locks.

    Args: parent: path of a directory. what: BUILDING or REMOVING.
    Attributes: path: of the new directory.
    """

    def __init__(self, parent, what):
        with _locked(parent):  # nobody looks for what was left between the making of a directory and its lock
            _remove_left(parent)
            self.path = tempfile.mkdtemp(prefix=f".{what}-{_machine()}-", dir=parent)
            self._lock = os.open(self.path, os.O_RDONLY)
            with contextlib.suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self):
        """Release the lock. What is still there may then be removed by others."""
        os.close(self._lock)


@contextlib.contextmanager
def _locked(directory):
    """Hold a directory's lock. Where the file system has none, or does not give it, nothing is held."""
    lock = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _remove_left(parent):
    """Remove what dead processes of this machine left."""
    name = re.compile(rf"\.({BUILDING}|{REMOVING})-{re.escape(_machine())}-[a-z0-9_]{{8}}")  # tempfile's eight characters
    for left in filter(name.fullmatch, os.listdir(parent)):
        path = os.path.join(parent, left)
        with contextlib.suppress(OSError), _lock_of_nobody(path):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _lock_of_nobody(path):
    """Hold the lock of a directory. Raises: OSError where another process holds it, or where it cannot be had."""
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


def _machine():
    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())
