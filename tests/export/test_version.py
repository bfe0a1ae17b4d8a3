"""Directories that a version is built in, and those that killed processes left."""

import errno
import fcntl
import os
import signal
import socket
import sys

import pytest

from export.version import NewVersion

BUILDS = """
import os, signal, sys
sys.path.insert(0, {root!r})
from export.version import NewVersion
with NewVersion({directory!r}) as version:
    open(os.path.join(version.building, "saved_model.pb"), "w").close()
    print("building", flush=True)
    signal.pause()
"""


def build_in_another_process(fresh_python, root, directory):
    """A process that builds a version until it is killed. Returns: it, and the name of what it builds in."""
    process = fresh_python.Popen([sys.executable, "-c", BUILDS.format(root=str(root), directory=str(directory))])
    while "building" not in (process.directory / "stdout").read_text():
        assert process.poll() is None, process.communicate()
    (name,) = (name for name in os.listdir(directory) if not name.isdigit())
    return process, name


@pytest.mark.skipif(not hasattr(signal, "pause"), reason="needs a process that waits for a signal")
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_builds_stays(fresh_python, root, tmp_path):
    process, name = build_in_another_process(fresh_python, root, tmp_path)
    with NewVersion(tmp_path):
        assert name in os.listdir(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([name, "1"])
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert os.listdir(tmp_path / name) == ["saved_model.pb"]
    with NewVersion(tmp_path):
        assert name not in os.listdir(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["1", "2"]


def test_two_of_one_process_leave_each_other_alone(tmp_path):
    with NewVersion(tmp_path) as first, NewVersion(tmp_path) as second:
        assert os.path.isdir(first.building) and os.path.isdir(second.building)
    assert sorted(os.listdir(tmp_path)) == ["1", "2"]


def test_of_other_machines_and_of_other_names_nothing_is_removed(tmp_path):
    names = [".building-othermachine-abcdefgh", ".building-abcdefgh", f".building-{socket.gethostname()}-notes", ".hidden", "notes"]
    for name in names:
        (tmp_path / name).mkdir()
    with NewVersion(tmp_path):
        pass
    assert sorted(os.listdir(tmp_path)) == sorted([*names, "1"])


def test_where_there_are_no_locks_nothing_is_removed(tmp_path, monkeypatch):
    def no_locks(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with NewVersion(tmp_path) as first:
        with NewVersion(tmp_path):
            pass
        assert os.path.isdir(first.building)
    assert sorted(os.listdir(tmp_path)) == ["1", "2"]
