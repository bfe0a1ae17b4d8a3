"""Numbered version directories, as TF Serving watches for: built aside, renamed once whole; old ones removed."""

import os
import shutil

from export.aside import BUILDING, REMOVING, Aside


class NewVersion:
    """The next version of a model: `with NewVersion(directory) as version:` write into version.building; then it is version.path.

    It is built under a name that is no number, which no server loads, and renamed when the block ends. An exception deletes it; what a
    killed process leaves, under `.building-*`, the next one deletes, see export.aside. Nothing else in `directory` is touched.

    Args: directory: path of the model, made where it is not.
    Attributes: building: path of an empty directory. path: of the version directory: the highest number there, and one; None before.
    Raises: ValueError where `directory` is a file.
    """

    def __init__(self, directory):
        self.directory = os.path.abspath(os.fspath(directory))
        self.path = None
        check_directory(self.directory)

    def __enter__(self):
        os.makedirs(self.directory, exist_ok=True)
        self._aside = Aside(self.directory, BUILDING)
        self.building = self._aside.path
        return self

    def __exit__(self, kind, error, traceback):
        try:
            if kind is None:
                os.chmod(self.building, 0o755)  # mkdtemp makes it private; the server may be another user
                self.path = _publish(self.building, self.directory)
        finally:
            if self.path is None:
                shutil.rmtree(self.building, ignore_errors=True)
            self._aside.close()


def check_directory(directory):
    """Raises: ValueError where it is a file."""
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise ValueError(f"{directory} is a file; a directory of versions is to be made there")


def versions(directory):
    """The versions in a model's directory. Returns: sorted list of int."""
    return sorted(int(name) for name in os.listdir(directory) if name.isascii() and name.isdigit())


def _publish(building, directory):
    while True:
        version = os.path.join(directory, str(max(versions(directory), default=0) + 1))
        try:
            os.rename(building, version)
            return version
        except OSError:
            if not os.path.exists(version):
                raise
            # Another exporter took the number since; the next is free.


def check_keep(keep):
    """Raises: ValueError unless it is None or a positive int."""
    if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int) or keep < 1):
        raise ValueError(f"keep={keep!r} is no number of versions; give 1 or more, or None to keep all")


def remove_old(directory, keep):
    """Remove all versions but the newest.

    Each is first renamed to a name that is no number, so that no server picks up half of one.

    Args: directory: path of the model. keep: how many stay, 1 or more; None: all.
    Returns: list of int, the versions removed.
    """
    check_keep(keep)
    old = versions(directory)[:-keep] if keep is not None else []
    for version in old:
        aside = Aside(directory, REMOVING)
        try:
            os.rename(os.path.join(directory, str(version)), os.path.join(aside.path, str(version)))
            shutil.rmtree(aside.path)
        finally:
            aside.close()
    return old
