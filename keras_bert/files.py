"""Files read with their errors named; and written aside, then renamed into place: what was there stays whole until what replaces it is."""

import contextlib
import ctypes
import errno
import glob
import json
import os
import secrets
import shutil
import sys
import time
import warnings


@contextlib.contextmanager
def replaced_directory(path, names):
    """Give a fresh directory to fill; on success it takes the place of `path`, on an exception it is deleted.

    The old directory and the new one are exchanged in one call, so that `path` always holds one of the two, even where the process
    is killed. Where the system or the disk cannot do that (Windows, some network disks), the old one is renamed out of the way first;
    a process killed at that moment leaves it in `.NAME.retired-*/NAME`, and the next call puts it back. A killed process may also
    leave `.NAME.building-*`: half of a new or an old directory, which nothing reads and which can be deleted.

    Args:
        path: the directory to make or replace. What it held before is kept until the new one is complete.
        names: the files that may be written there. A directory that holds anything else is not ours to replace.
    Yields: the path of the directory to fill, beside `path` so that the rename stays on one file system.
    Raises: ValueError where `path` is a file, or a directory that holds other things, naming them.
    Warns: where the old directory could not be deleted, saying where it is.
    """
    path = os.path.abspath(os.fspath(path))
    if retired := retired_directory(path):
        os.rename(retired, path)
        os.rmdir(os.path.dirname(retired))
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(f"{path} is a file; a directory is to be written there")
    foreign = sorted(set(os.listdir(path)) - set(names)) if os.path.isdir(path) else []
    if foreign:
        shown = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise ValueError(f"{path} holds {shown}, which writing there would delete; give an empty or a new directory")
    parent = os.path.dirname(path)
    os.makedirs(parent, exist_ok=True)
    building = _make_beside(path, "building")
    try:
        yield building
        if not os.path.isdir(path):
            os.rename(building, path)
        elif not _exchange(building, path):
            _exchange_by_renames(building, path)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    if os.path.lexists(building):  # the old one has that name now
        _delete_old(building, path)


def retired_directory(path):
    """Find what a killed process was replacing, where it left nothing at a path; see replaced_directory.

    Args: path: a directory that replaced_directory makes.
    Returns: path of the old directory, which is whole; None where there is none, or where `path` is there.
    """
    path = os.path.abspath(os.fspath(path))
    if os.path.lexists(path):
        return None
    parent, name = os.path.split(path)
    found = glob.glob(os.path.join(glob.escape(os.path.join(parent, f".{name}.retired-")) + "*", glob.escape(name)))
    return max(found, key=os.path.getmtime, default=None)


@contextlib.contextmanager
def replaced_file(path):
    """Give the name of a file to write beside `path`; it takes the place of `path` on success, and is deleted on an exception.

    Raises: OSError naming `path` where the file beside it cannot be made.
    """
    path = os.path.abspath(os.fspath(path))
    # A name of its own: TensorBoard, for one, reads whatever has "tfevents" in its name.
    aside = os.path.join(os.path.dirname(path), f".building-{os.getpid()}-{time.monotonic_ns()}")
    try:
        yield aside
        os.replace(aside, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.remove(aside)
        if isinstance(error, OSError) and error.filename == aside:
            error.filename = path
        raise


LOCK = ".lock"  # in a directory that a process works in
_PATIENCE_SECONDS = 2.0  # with one that only looks what is there


@contextlib.contextmanager
def locked_directory(path):
    """Keep other processes that ask, too, out of a directory, which is made where it is not there.

    The system lets go of the lock when the process ends, also by a kill. Where there are no locks (Windows, some network disks), and in a
    directory that may not be written to, nothing is locked.

    Args: path: the directory.
    Raises: BlockingIOError where another process works there, and does not end within two seconds.
    """
    os.makedirs(path, exist_ok=True)
    name = os.path.join(path, LOCK)
    try:
        lock = _lock(name, time.monotonic() + _PATIENCE_SECONDS)
    except BlockingIOError:
        raise BlockingIOError(
            errno.EAGAIN, f"another process is working in {path}: wait for it, end it, or give another directory"
        ) from None
    try:
        yield
    finally:
        if lock is not None:
            with contextlib.suppress(OSError):
                os.remove(name)
            os.close(lock)


def is_locked(path):
    """Returns: whether a process is in locked_directory of that path; None where there are no locks."""
    try:
        import fcntl

        lock = os.open(os.path.join(path, LOCK), os.O_RDONLY)
    except FileNotFoundError:
        return False
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(lock)
    return False


def _lock(name, deadline):
    """Returns: descriptor of the locked file; None where it cannot be locked. Raises: BlockingIOError after the deadline."""
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        try:
            lock = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(name)):
                    return lock
            os.close(lock)  # who held it has deleted it meanwhile
        except BlockingIOError:
            os.close(lock)
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        except OSError:
            os.close(lock)
            return None


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


def _plain(value):
    """A number of NumPy's as Python's own, which JSON has. Raises: TypeError on what is none."""
    if not hasattr(value, "item") or getattr(value, "shape", None) != ():
        raise TypeError(f"{value!r:.60}, a {type(value).__name__}, has no place in JSON")
    return value.item()


def write_json(path, values, *, sort_keys=False):
    """Write a JSON file for people to read.

    Args: path: the file. values: plain values, or numbers of NumPy's. sort_keys: put them in order.
    Raises: TypeError on another value.
    """
    with open(path, "w", encoding="utf-8") as file:
        json.dump(values, file, indent=2, ensure_ascii=False, sort_keys=sort_keys, default=_plain)
        file.write("\n")


def _make_beside(path, what):
    """Make an empty directory under a new hidden name. By mkdir, which heeds the umask: mkdtemp's would be private once in its place."""
    parent, name = os.path.split(path)
    made = os.path.join(parent, f".{name}.{what}-{secrets.token_hex(8)}")
    os.mkdir(made)
    return made


def _exchange(first, second):
    """Let two directories change places in one call. Returns: whether this system and disk can; if not, both are where they were."""
    exchange = 2  # RENAME_EXCHANGE of Linux's renameat2, RENAME_SWAP of macOS's renamex_np
    working_directory = -100  # AT_FDCWD; both paths are absolute
    first, second = os.fsencode(first), os.fsencode(second)
    try:
        library = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return library.renamex_np(first, second, exchange) == 0
        return library.renameat2(working_directory, first, working_directory, second, exchange) == 0
    except (AttributeError, OSError, TypeError):  # an old or another C library; Windows, where None names none
        return False


def _exchange_by_renames(building, path):
    """The same in three renames. For a moment `path` is not there: retired_directory then finds the old one."""
    retired = _make_beside(path, "retired")
    old = os.path.join(retired, os.path.basename(path))
    try:
        os.rename(path, old)
        try:
            os.rename(building, path)
        except BaseException:
            os.rename(old, path)
            raise
        os.rename(old, building)  # before it is deleted: what lies in a retired directory is always whole
    finally:
        with contextlib.suppress(OSError):  # where the old one could not be put back, it stays
            os.rmdir(retired)


def _delete_old(old, path):
    try:
        if os.path.islink(old):  # a link to a directory was replaced, not what it leads to
            os.remove(old)
        else:
            shutil.rmtree(old)
    except OSError as error:
        warnings.warn(f"{path} is written, but the old one was not deleted: {error}; delete {old}", stacklevel=4)
