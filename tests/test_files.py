import os
import subprocess
import sys

import numpy as np
import pytest

from keras_bert import files
from keras_bert.checkpoints import open_checkpoint
from keras_bert.files import replaced_directory

NAMES = ("first", "second")

# A program without TensorFlow, which may fork. write() puts a model in place: two files that hold the same number.
PROGRAM = """
import os, random, signal, sys, time
from keras_bert import files
assert "tensorflow" not in sys.modules
path = sys.argv[1]

def write(number):
    with files.replaced_directory(path, ("first", "second")) as building:
        for name in ("first", "second"):
            with open(os.path.join(building, name), "w") as file:
                file.write(f"{number} " * 1000)

def read():
    first, second = (open(os.path.join(path, name)).read() for name in ("first", "second"))
    assert first == second and first.count(" ") == 1000
    return int(first.split()[0])

def fork(work):
    child = os.fork()
    if child == 0:
        work()
        os._exit(1)
    return child
"""


def run(root, path, program):
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.run([sys.executable, "-c", PROGRAM + program, path], env=environment, capture_output=True, text=True, check=False)


def write(path, text):
    with replaced_directory(path, NAMES) as building:
        for name in NAMES:
            with open(os.path.join(building, name), "w") as file:
                file.write(text)


def read(path):
    return [(path / name).read_text() for name in NAMES]


@pytest.fixture(params=["exchange", "renames"])
def way(request, tmp_path, monkeypatch):
    """How directories change places: in one call, or, as if this system had none, by renames."""
    if request.param == "renames":
        monkeypatch.setattr(files, "_exchange", lambda first, second: False)
    elif not can_exchange(tmp_path):
        pytest.skip("this system or disk cannot exchange two directories in one call")
    return request.param


def can_exchange(directory):
    pair = [directory / name for name in ("one", "other")]
    for path in pair:
        path.mkdir()
    result = files._exchange(*pair)
    for path in pair:
        path.rmdir()
    return result


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(
            """
def write_for_ever():
    number = read()
    while True:
        number += 1
        write(number)

while read() < 60:
    child = fork(write_for_ever)
    time.sleep(random.uniform(0.002, 0.02))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    seen.append(read())
""",
            id="at_any_time",
        ),
        pytest.param(
            """
left = None  # operations until the kill

def count(event, arguments):
    global left
    if left is not None and (event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir") or event == "open"):
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

def write_until_killed():
    global left
    left = operations
    write(read() + 1)
    os._exit(0)

sys.addaudithook(count)
operations, code = 0, signal.SIGKILL
while code == signal.SIGKILL:
    code = os.waitpid(fork(write_until_killed), 0)[1]
    seen.append(read())
    operations += 1
assert code == 0 and operations > 5
""",
            id="before_each_operation",
        ),
    ],
)
def test_whenever_a_writer_is_killed_the_path_holds_a_whole_model(root, tmp_path, kills):
    if not can_exchange(tmp_path):
        pytest.skip("this system or disk cannot exchange two directories in one call")
    done = run(root, tmp_path / "model", "write(0)\nseen = [read()]\n" + kills + "print(*seen)")
    assert done.returncode == 0, done.stderr
    seen = list(map(int, done.stdout.split()))
    assert seen == sorted(seen) and seen[-1] > seen[0]


def test_a_directory_is_replaced_whole(tmp_path, way):
    for text in ("old", "new"):
        write(tmp_path / "model", text)
        assert read(tmp_path / "model") == [text, text]
    assert os.listdir(tmp_path) == ["model"]


def test_an_exception_leaves_the_old_directory(tmp_path, way):
    write(tmp_path / "model", "old")
    with pytest.raises(OSError, match="full"), replaced_directory(tmp_path / "model", NAMES):
        raise OSError("full")
    assert read(tmp_path / "model") == ["old", "old"]
    assert os.listdir(tmp_path) == ["model"]


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path, way):
    write(tmp_path / "elsewhere", "old")
    (tmp_path / "model").symlink_to("elsewhere")
    write(tmp_path / "model", "new")
    assert read(tmp_path / "elsewhere") == ["old", "old"] and read(tmp_path / "model") == ["new", "new"]
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "model"]


def test_killed_between_two_renames_the_old_model_is_named_and_put_back(root, tmp_path):
    path = tmp_path / "model"
    done = run(
        root,
        path,
        """
write(1)
files._exchange = lambda first, second: False
real = os.rename

def rename(source, target):
    if target == path:
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)

os.rename = rename
write(2)
""",
    )
    assert done.returncode == -9, done.stderr
    building, retired = sorted(os.listdir(tmp_path))
    assert building.startswith(".model.building-") and retired.startswith(".model.retired-")
    with pytest.raises(FileNotFoundError, match=rf"is not there: .* What it held is whole in {tmp_path / retired / 'model'}; if .* rename"):
        open_checkpoint(path)
    with pytest.raises(OSError, match="full"), replaced_directory(path, NAMES):
        raise OSError("full")
    assert read(path) == ["1 " * 1000] * 2
    write(path, "new")
    assert read(path) == ["new", "new"]
    assert sorted(os.listdir(tmp_path)) == [building, "model"]  # another process may be writing there


def test_a_rename_that_fails_puts_the_old_directory_back(tmp_path, monkeypatch):
    write(tmp_path / "model", "old")
    real = os.rename

    def rename(source, target):
        if ".building-" in source:
            raise OSError("the disk fails")
        real(source, target)

    monkeypatch.setattr(files, "_exchange", lambda first, second: False)
    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="the disk fails"):
        write(tmp_path / "model", "new")
    assert read(tmp_path / "model") == ["old", "old"]
    assert os.listdir(tmp_path) == ["model"]


def test_an_old_directory_that_cannot_be_deleted_is_named(tmp_path, monkeypatch):
    write(tmp_path / "model", "old")

    def busy(path):
        raise OSError("busy")

    monkeypatch.setattr(files.shutil, "rmtree", busy)
    with pytest.warns(UserWarning, match=r"model is written, but the old one was not deleted: busy; delete .*\.model\.building-") as warned:
        write(tmp_path / "model", "new")
    assert warned[0].filename == __file__
    assert read(tmp_path / "model") == ["new", "new"]


def test_permissions_are_those_of_a_plain_directory_and_the_umask_stays(tmp_path, monkeypatch):
    """The umask is the process's: while it is changed, files that other threads make are open to everybody."""
    before, changes = os.umask(0o027), []
    try:
        monkeypatch.setattr(os, "umask", lambda mask: changes.append(mask) or 0)
        (tmp_path / "plain").mkdir()
        for _ in ("made", "replaced"):
            write(tmp_path / "model", "x")
            assert (tmp_path / "model").stat().st_mode == (tmp_path / "plain").stat().st_mode
        assert (tmp_path / "model").stat().st_mode & 0o777 == 0o750
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert not changes


LOCKING = """
if __name__ == "__main__":
    with files.locked_directory(path):
        print("working", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(files, "_PATIENCE_SECONDS", 0.1)


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_a_directory_is_one_process_s_until_it_ends_also_by_a_kill(root, tmp_path, impatient):
    path = tmp_path / "new"
    assert files.is_locked(path) is False
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-c", PROGRAM + LOCKING, str(path)]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "working\n"
    assert files.is_locked(path) is True
    message = f"another process is working in {path}: wait for it, end it, or give another directory"
    with pytest.raises(BlockingIOError, match=message), files.locked_directory(path):
        raise AssertionError("two at a time")
    process.kill()
    process.communicate()
    assert os.listdir(path) == [files.LOCK] and files.is_locked(path) is False
    with files.locked_directory(path):
        assert files.is_locked(path) is True
    assert os.listdir(path) == []


def test_a_lock_that_was_deleted_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """Between another process's opening and locking of the file, its holder ends and deletes it."""
    fcntl = pytest.importorskip("fcntl")
    flock, files_locked = fcntl.flock, []

    def late(descriptor, operation):
        if not files_locked:
            os.remove(tmp_path / files.LOCK)
        files_locked.append(os.fstat(descriptor).st_ino)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with files.locked_directory(tmp_path):
        assert os.stat(tmp_path / files.LOCK).st_ino == files_locked[-1] and len(files_locked) == 2


def test_where_nothing_can_be_locked_work_goes_on(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # importing it now fails, as on Windows
    with files.locked_directory(tmp_path), files.locked_directory(tmp_path):
        assert files.is_locked(tmp_path) is None


def test_numbers_of_numpy_are_written_and_what_has_no_place_in_json_is_told(tmp_path):
    values = {"beams": np.int64(4), "share": np.float32(0.5), "case": np.bool_(True)}
    files.write_json(tmp_path / "a.json", values)
    assert files.read_json(tmp_path / "a.json") == {"beams": 4, "share": 0.5, "case": True}
    with pytest.raises(TypeError, match=r"array\(\[1, 2\]\), a ndarray, has no place in JSON"):
        files.write_json(tmp_path / "b.json", {"ids": np.array([1, 2])})
