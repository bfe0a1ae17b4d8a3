import errno
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import warnings
import weakref

import ml_dtypes
import numpy as np
import pytest

from keras_bert.training import checkpoint_store
from keras_bert.training.checkpoint_store import CheckpointSaveError, CheckpointStore

# The store alone, in a process of its own: keras_bert.training's __init__ imports TensorFlow, which takes seconds.
PROGRAM = """
import json, os, shutil, signal, sys, types, warnings
import numpy as np
import keras_bert
sys.modules["keras_bert.training"] = types.ModuleType("keras_bert.training")
sys.modules["keras_bert.training"].__path__ = [os.path.join(os.path.dirname(keras_bert.__file__), "training")]
from keras_bert.training.checkpoint_store import CheckpointSaveError, CheckpointStore

warnings.simplefilter("error")
directory = sys.argv[1]

def entries(value):
    arrays = {"kernel": np.full((3, 2000), value, "float32"), "iterations": np.array(value)}
    return [(name, array.shape, array.dtype, lambda array=array: array) for name, array in arrays.items()]

"""


def program(root, code):
    environment = os.environ | {"PYTHONPATH": str(root)}
    return [sys.executable, "-c", PROGRAM + code], environment


def entries(arrays):
    return [(name, array.shape, array.dtype, lambda array=array: array) for name, array in arrays.items()]


def some(value):
    return entries({"kernel": np.full((3, 2000), value, "float32"), "iterations": np.array(value)})


def value_of(loaded):
    arrays, info = loaded
    assert set(np.unique(arrays["kernel"])) == {arrays["iterations"].item()} == {info["value"]}
    return info["value"]


def hidden(directory):
    return sorted(name for name in os.listdir(directory) if name.startswith("."))


@pytest.fixture
def store(tmp_path):
    """Whole checkpoints of steps 1 and 2, which hold those numbers."""
    store = CheckpointStore(tmp_path / "run")
    store.save(1, some(1), {"value": 1})
    store.save(2, some(2), {"value": 2})
    return store


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.float64, np.int32, np.int64, np.uint32, np.bool_], ids=lambda t: t.__name__
)
def test_every_bit_comes_back(tmp_path, dtype):
    """Of random bytes, so NaNs of all kinds; of no dimension, no element, several pages; of an array that is not in C order."""
    dtype = np.dtype(dtype)
    values = np.random.default_rng(0).integers(0, 2 if dtype.kind == "b" else 256, 5000 * dtype.itemsize, "uint8").view(dtype)
    arrays = {"long": values, "table": values[:6].reshape(2, 3).T, "scalar": values[7].reshape(()), "none": values[:0].reshape(0, 4)}
    store = CheckpointStore(tmp_path)
    path = store.save(1234, entries(arrays), {"seed": 3, "metrics": {"loss": 0.1}, "shape": (1, 2)})
    assert path == str(tmp_path / "step-00001234") and os.path.isdir(path)
    assert CheckpointStore(tmp_path).latest() == 1234
    loaded, info = CheckpointStore(tmp_path).load(1234)
    assert info == {"seed": 3, "metrics": {"loss": 0.1}, "shape": [1, 2]}
    assert set(loaded) == set(arrays) and len(loaded) == 4
    for name, array in arrays.items():
        assert (loaded[name].dtype, loaded[name].shape) == (dtype, array.shape)
        assert loaded[name].tobytes() == array.tobytes()


def test_info_comes_back_as_json_has_it(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(1, [], {10: "ten", 9: (0.1, None, True), "é": float("inf")})
    assert store.load(store.latest())[1] == {"10": "ten", "9": [0.1, None, True], "é": float("inf")}


def test_keras_names_its_dtypes_in_words(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(1, [("w", (2,), "bfloat16", lambda: np.ones(2, ml_dtypes.bfloat16))], {})
    assert store.load(1)[0]["w"].dtype == ml_dtypes.bfloat16


def test_one_array_at_a_time_is_asked_for(tmp_path):
    made, most = [], []

    def make():
        array = np.zeros(10, "float32")
        made.append(weakref.ref(array))
        most.append(sum(reference() is not None for reference in made))
        return array

    CheckpointStore(tmp_path).save(1, [(str(index), (10,), "float32", make) for index in range(20)], {})
    assert len(most) == 20 and max(most) <= 2  # the one being made, and the one last written


def test_killed_in_the_middle_of_an_array(root, tmp_path):
    command, environment = program(
        root,
        """
import time
store = CheckpointStore(directory)
store.save(1, entries(1), {"value": 1})
def last():
    print("writing", flush=True)
    time.sleep(60)
store.save(2, [("filler", (200_000,), "float32", lambda: np.zeros(200_000, "float32")), ("last", (1,), "float32", last)], {})
""",
    )
    process = subprocess.Popen([*command, tmp_path], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()

    (left,) = hidden(tmp_path)
    assert left.startswith(".step-00000002.building-")
    assert os.path.getsize(tmp_path / left / "state.safetensors") >= 800_000
    mine = [".step-00000002.notes", ".git", ".step-2.building-x", ".my.step-00000002.building-x"]
    for name in mine:
        (tmp_path / name).mkdir()
    store = CheckpointStore(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what was never in its place needs no word
        assert store.latest() == 1
    assert value_of(store.load(1)) == 1
    assert left in hidden(tmp_path)  # reading deletes nothing: another process may be writing it
    store.save(2, some(2), {"value": 2})
    assert hidden(tmp_path) == sorted(mine)
    assert store.latest() == 2


@pytest.mark.parametrize("exchange", ["files._exchange", "lambda first, second: False"], ids=["exchange", "renames"])
def test_killed_before_any_file_operation(root, tmp_path, exchange):
    """Whichever operation comes next, each checkpoint reads as the old or the new one, and the next start saves as if nothing were."""
    command, environment = program(
        root,
        f"from keras_bert import files; files._exchange = {exchange}"
        """
os.fsync = lambda file: None    # a kill leaves what was written; it is a power cut that does not
OPERATIONS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod")
left = None    # operations until the kill

def count(event, arguments):
    global left
    if left is not None and (event in OPERATIONS or event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

sys.addaudithook(count)

def read(loaded):
    arrays, info = loaded
    assert set(np.unique(arrays["kernel"])) == {arrays["iterations"].item()} == {info["value"]}
    return info["value"]

start, run = os.path.join(directory, "start"), os.path.join(directory, "run")
store = CheckpointStore(start)
store.save(1, entries(1), {"value": 1})
store.save(2, entries(2), {"value": 2})
store.save_best(2, entries(2), {"value": 2})
seen, operations, code = [], 0, None
while code != 0:
    shutil.copytree(start, run)
    child = os.fork()
    if child == 0:
        left = operations
        store = CheckpointStore(run)
        store.save(3, entries(3), {"value": 3})
        store.save(3, entries(33), {"value": 33})
        store.save_best(3, entries(3), {"value": 3})
        left = None
        os._exit(0)
    code = os.waitpid(child, 0)[1]
    assert code in (0, signal.SIGKILL), code
    store = CheckpointStore(run)
    seen.append([read(store.load(store.latest())), read(store.load_best())])
    store.save(4, entries(4), {"value": 4})
    store.save_best(4, entries(4), {"value": 4})
    assert sorted(os.listdir(run)) == ["best"] + [f"step-0000000{step}" for step in ((2, 4) if seen[-1][0] == 2 else (3, 4))]
    assert read(store.load(store.latest())) == read(store.load_best()) == 4
    shutil.rmtree(run)
    operations += 1
print(json.dumps(seen))
""",
    )
    done = subprocess.run([*command, tmp_path], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert len(seen) > 20
    assert seen[0] == [2, 2] and seen[-1] == [33, 3]
    assert [pair for index, pair in enumerate(seen) if index == 0 or pair != seen[index - 1]] == [[2, 2], [3, 2], [33, 2], [33, 3]]


def cut_off(path):
    os.truncate(path / "state.safetensors", 20_000)


def empty_file(path):
    os.truncate(path / "state.safetensors", 0)


def flipped_in_a_page(path):
    flip(path / "state.safetensors", -20_000)


def flipped_in_the_last_bytes(path):
    flip(path / "state.safetensors", -9)


def zeroed_page(path):
    with open(path / "state.safetensors", "r+b") as file:
        file.seek(8192)
        file.write(bytes(4096))


def another_dtype(path):
    data = (path / "state.safetensors").read_bytes()
    (path / "state.safetensors").write_bytes(data.replace(b'"F32"', b'"I32"'))


def another_shape(path):
    data = (path / "state.safetensors").read_bytes()
    (path / "state.safetensors").write_bytes(data.replace(b"[3,2000]", b"[2000,3]"))


def another_name(path):
    data = (path / "state.safetensors").read_bytes()
    (path / "state.safetensors").write_bytes(data.replace(b'"kernel"', b'"karnel"'))


def flipped_description(path):
    text = (path / "state.json").read_text()
    (path / "state.json").write_text(text.replace('"value": 2', '"value": 3'))


def half_description(path):
    os.truncate(path / "state.json", 30)


def no_description(path):
    (path / "state.json").unlink()


def no_arrays(path):
    (path / "state.safetensors").unlink()


def nothing(path):
    no_description(path)
    no_arrays(path)


def arrays_of_another(path):
    shutil.copy(path.parent / "step-00000001" / "state.safetensors", path)


def copy_of_another(path):
    shutil.rmtree(path)
    shutil.copytree(path.parent / "step-00000001", path)


def other_format(path):
    values = json.loads((path / "state.json").read_text()) | {"format": 2}
    values.pop("checksum")
    (path / "state.json").write_text(json.dumps(values | {"checksum": checkpoint_store._checksum_of_json(values)}))


DAMAGES = {
    cut_off: r"state\.safetensors is not a whole safetensors file",
    empty_file: r"state\.safetensors is not a whole safetensors file",
    flipped_in_a_page: r"state\.safetensors is damaged: kernel has another checksum than when it was written",
    flipped_in_the_last_bytes: "kernel has another checksum",
    zeroed_page: "kernel has another checksum",
    another_dtype: "kernel has another checksum",
    another_shape: "kernel has another checksum",
    another_name: r"state\.safetensors is damaged: its arrays are not those that state\.json lists",
    flipped_description: r"state\.json is damaged: it has another checksum than when it was written",
    half_description: r"state\.json is not JSON",
    no_description: r"No such file or directory: '.*state\.json'",
    no_arrays: r"No such file or directory: .*state\.safetensors",
    nothing: r"No such file or directory: '.*state\.json'",
    arrays_of_another: "kernel has another checksum",
    copy_of_another: r"state\.json is of step 1",
    other_format: r"state\.json: format 2; this version of keras_bert reads format 1",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_broken_one_is_skipped_with_a_word(store, tmp_path, damage):
    damage(tmp_path / "run" / "step-00000002")
    with pytest.warns(UserWarning, match=rf"checkpoint .*step-00000002 is skipped: .*{DAMAGES[damage]}"):
        assert store.latest() == 1
    with pytest.raises(ValueError, match=DAMAGES[damage]):
        dict(store.load(2)[0])
    assert value_of(store.load(1)) == 1


def test_all_broken_is_none(store, tmp_path):
    for step in (1, 2):
        no_arrays(tmp_path / "run" / f"step-0000000{step}")
    with pytest.warns(UserWarning) as told:
        assert store.latest() is None
    assert len(told) == 2


def test_a_changed_bit_is_noticed_wherever_it_is(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(5, entries({"a": np.arange(6, dtype="float32"), "b": np.array(True)}), {"loss": 0.5})
    for file in (tmp_path / "step-00000005").iterdir():
        for at in range(file.stat().st_size):
            flip(file, at)
            with pytest.warns(UserWarning, match="step-00000005 is skipped"):
                assert store.latest() is None, (file, at)
            flip(file, at)
    assert store.latest() == 5


def test_pages_in_another_order_are_noticed(tmp_path):
    store = CheckpointStore(tmp_path)
    path = store.save(1, entries({"a": np.arange(3 * 1024, dtype="float32")}), {})
    with open(os.path.join(path, "state.safetensors"), "r+b") as file:
        (header,) = struct.unpack("<Q", file.read(8))
        file.seek(8 + header)
        pages = file.read()
        file.seek(8 + header)
        file.write(pages[4096:8192] + pages[:4096])
    with pytest.warns(UserWarning, match="a has another checksum"):
        assert store.latest() is None


def test_a_damaged_array_is_told_when_it_is_read_and_no_other_is(store, tmp_path):
    flipped_in_a_page(tmp_path / "run" / "step-00000002")
    arrays, info = store.load(2)
    assert info == {"value": 2}
    assert arrays["iterations"] == 2
    with pytest.raises(ValueError, match="kernel has another checksum"):
        arrays["kernel"]
    with pytest.raises(KeyError):
        arrays["bias"]


def test_a_file_that_may_not_grow_leaves_the_last_one_and_says_what_to_do(store, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = sorted(os.listdir(store.directory))
    big = entries({"kernel": np.zeros(250_000, "float32")})
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))  # Python ignores the signal; the write fails
    try:
        with pytest.raises(CheckpointSaveError) as told:
            store.save(3, big, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert told.value.errno == errno.EFBIG
    for words in ("checkpoint of step 3 was not saved to", "step-00000003: File too large. It needs 1,000,000 bytes; ", " are free"):
        assert words in str(told.value)
    assert "Make room, keep fewer than keep=2, or give a directory on another disk. The checkpoints saved before are" in str(told.value)
    assert sorted(os.listdir(store.directory)) == before
    assert value_of(store.load(store.latest())) == 2
    store.save(3, big, {})
    assert store.latest() == 3


def test_a_full_disk_leaves_the_last_one(root, tmp_path):
    """A real one of 3 MB: too small from the start, and filled by somebody else while a checkpoint is being written."""
    command, environment = program(
        root,
        """
import errno
store = CheckpointStore(directory, keep=1)
size = 250_000
zeros = ("zeros", (size,), "float32", lambda: np.zeros(size, "float32"))
def fill():
    with open(os.path.join(directory, "ballast"), "wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC
                return np.zeros(size, "float32")
def never():
    raise AssertionError("too large, and yet asked for")

for save in (store.save, store.save_best):
    save(1, [zeros, *entries(1)], {"value": 1})
    told, before = [], sorted(os.listdir(directory))
    for arrays in [("zeros", (10**6,), "float32", never)], [("filled", (size,), "float32", fill), *entries(2)]:
        try:
            save(2, arrays, {"value": 2})
        except CheckpointSaveError as error:
            assert error.errno == errno.ENOSPC
            told.append(str(error))
    assert len(told) == 2 and "No space left on device. It needs 4,000,000 bytes; " in told[0], told
    assert ("the best checkpoint, of step 2, was" if save == store.save_best else "the checkpoint of step 2 was") in told[1], told
    os.remove(os.path.join(directory, "ballast"))
    assert sorted(os.listdir(directory)) == before
    arrays, info = store.load(store.latest()) if save == store.save else store.load_best()
    assert info == {"value": 1} and dict(arrays)["iterations"] == 1
    save(2, entries(2), {"value": 2})
assert sorted(os.listdir(directory)) == ["best", "step-00000002"]
""",
    )
    in_small_disk = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o size=3m none "$0" && exec "$@"']
    if shutil.which("unshare") is None or subprocess.run([*in_small_disk, tmp_path, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody but root mount a disk")
    done = subprocess.run([*in_small_disk, tmp_path, *command, tmp_path], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("keep", [1, 3])
def test_the_newest_stay(tmp_path, keep):
    store = CheckpointStore(tmp_path, keep=keep)
    for step in (5, 10, 20, 100_000_000, 100_000_001):
        store.save(step, some(step), {})
    names = ["step-00000020", "step-100000000", "step-100000001"]
    assert sorted(os.listdir(tmp_path)) == names[-keep:]
    assert store.latest() == 100_000_001


def test_the_one_just_written_stays_although_there_are_newer_ones(tmp_path):
    store = CheckpointStore(tmp_path)
    for step in (10, 20, 30, 15):
        store.save(step, some(step), {})
    assert sorted(os.listdir(tmp_path)) == ["step-00000015", "step-00000020", "step-00000030"]


def found_at_the_start(store, tmp_path):
    flipped_in_a_page(tmp_path / "run" / "step-00000002")
    with pytest.warns(UserWarning, match="step-00000002 is skipped"):
        assert store.latest() == 1


def seen_from_its_files(store, tmp_path):
    cut_off(tmp_path / "run" / "step-00000002")


@pytest.mark.parametrize("damage", [found_at_the_start, seen_from_its_files], ids=lambda damage: damage.__name__)
def test_broken_ones_do_not_count_as_kept(store, tmp_path, damage):
    damage(store, tmp_path)
    store.save(3, some(3), {"value": 3})
    assert sorted(os.listdir(store.directory)) == ["step-00000001", "step-00000002", "step-00000003"]
    store.save(4, some(4), {"value": 4})
    assert sorted(os.listdir(store.directory)) == ["step-00000003", "step-00000004"]


def test_a_broken_one_is_replaced_when_its_step_is_reached_again(store, tmp_path):
    flipped_in_a_page(tmp_path / "run" / "step-00000002")
    with pytest.warns(UserWarning, match="step-00000002 is skipped"):
        assert store.latest() == 1
    store.save(2, some(22), {"value": 22})
    assert value_of(store.load(store.latest())) == 22
    store.save(3, some(3), {"value": 3})
    assert sorted(os.listdir(store.directory)) == ["step-00000002", "step-00000003"]


def test_other_files_are_nobody_elses_to_delete(store, tmp_path):
    (tmp_path / "run" / "step-00000001" / "notes.txt").write_text("mine")
    (tmp_path / "run" / "step-1").mkdir()
    (tmp_path / "run" / "log.csv").write_text("")
    for step in (3, 4):
        store.save(step, some(step), {})
    assert sorted(os.listdir(store.directory)) == ["log.csv", "step-00000001", "step-00000003", "step-00000004", "step-1"]
    with pytest.raises(ValueError, match=r"step-00000001 holds notes\.txt, which writing there would delete"):
        store.save(1, some(1), {})


def test_an_old_one_that_cannot_be_deleted_does_not_stop_the_run(store, monkeypatch):
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: (_ for _ in ()).throw(PermissionError(errno.EPERM, "not allowed")))
    with pytest.warns(UserWarning, match=r"the old checkpoint .*step-00000001 was not deleted: .*not allowed"):
        store.save(3, some(3), {"value": 3})
    monkeypatch.undo()
    assert value_of(store.load(store.latest())) == 3
    assert hidden(store.directory) == [".step-00000001.deleting"]
    store.clean()
    assert hidden(store.directory) == []


def test_the_best_is_never_deleted(tmp_path):
    store = CheckpointStore(tmp_path, keep=1)
    assert store.load_best() is None
    store.save_best(1, some(1), {"value": 1})
    for step in (2, 3, 4):
        store.save(step, some(step), {"value": step})
    assert sorted(os.listdir(tmp_path)) == ["best", "step-00000004"]
    assert value_of(store.load_best()) == 1
    store.save_best(4, some(4), {"value": 4})
    assert value_of(CheckpointStore(tmp_path).load_best()) == 4
    assert store.latest() == 4


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_old_best_stays_where_the_new_one_fails(store, error):
    store.save_best(1, some(1), {"value": 1})

    def fail():
        raise error

    with pytest.raises(error):
        store.save_best(2, [*some(2), ("last", (1,), "float32", fail)], {"value": 2})
    assert value_of(store.load_best()) == 1
    assert hidden(store.directory) == []


@pytest.mark.parametrize("damage", [cut_off, flipped_in_a_page, no_description], ids=lambda damage: damage.__name__)
def test_a_broken_best_is_skipped_with_a_word(store, tmp_path, damage):
    store.save_best(2, some(2), {"value": 2})
    damage(tmp_path / "run" / "best")
    with pytest.warns(UserWarning, match=rf"checkpoint .*best is skipped: .*{DAMAGES[damage]}"):
        assert store.load_best() is None


def test_others_may_read_while_one_is_written(store):
    def read():
        other = CheckpointStore(store.directory)
        return np.float32(value_of(other.load(other.latest())))

    store.save(3, [("seen", (), "float32", read)], {})
    assert store.load(3)[0]["seen"] == 2


def test_what_is_on_the_disk_when_a_checkpoint_takes_its_place(tmp_path, monkeypatch):
    """A power cut after the rename must not find empty files: both are synced, and their directory, before; the names after."""
    done = []
    sync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda file: (done.append(os.path.basename(os.readlink(f"/proc/self/fd/{file}"))), sync(file)))
    monkeypatch.setattr(os, "rename", lambda old, new: (done.append("rename"), rename(old, new)))
    CheckpointStore(tmp_path / "run").save(1, some(1), {})
    assert sorted(done[:2]) == ["state.json", "state.safetensors"]
    assert done[2].startswith(".step-00000001.building-")
    assert done[3:] == ["rename", "run"]


def test_what_does_not_read_back_takes_no_place(store, monkeypatch):
    write = checkpoint_store.write_safetensors

    def write_less(path, *args, **kwargs):
        write(path, *args, **kwargs)
        os.truncate(path, os.path.getsize(path) - 1)

    monkeypatch.setattr(checkpoint_store, "write_safetensors", write_less)
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        store.save(2, some(22), {})
    assert value_of(store.load(2)) == 2
    assert hidden(store.directory) == []


def array(name="w", shape=(2,), dtype="float32", made=None):
    return name, shape, dtype, lambda: np.zeros(2, "float32") if made is None else made


@pytest.mark.parametrize(
    ("step", "arrays", "info", "error", "words"),
    [
        (-1, [], {}, ValueError, "step=-1 is not a number of updates, 0 or more"),
        (1.5, [], {}, TypeError, "float"),
        (3, [array(), array()], {}, ValueError, "two arrays are named w"),
        (3, [array("")], {}, ValueError, "'' is no name for an array"),
        (3, [array("__metadata__")], {}, ValueError, "'__metadata__' is no name for an array"),
        (3, [array(7)], {}, ValueError, "7 is no name for an array"),
        (3, [array(dtype="complex64")], {}, ValueError, "w has dtype complex64; what is written is float32, float16, bfloat16"),
        (3, [array(made=np.zeros(3, "float32"))], {}, ValueError, r"w is float32 \[3\]; float32 \[2\] was announced"),
        (3, [array(made=np.zeros(2))], {}, ValueError, r"w is float64 \[2\]; float32 \[2\] was announced"),
        (3, [array()], {"loss": np.float32(1)}, TypeError, "float32 is not JSON serializable"),
        (3, [array()], [1], TypeError, "info is list; a dict was expected"),
    ],
)
def test_what_cannot_be_saved_is_told_and_nothing_changes(store, step, arrays, info, error, words):
    before = sorted(os.listdir(store.directory))
    with pytest.raises(error, match=words):
        store.save(step, arrays, info)
    assert sorted(os.listdir(store.directory)) == before


def test_a_directory_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    store = CheckpointStore(tmp_path / "file")
    assert store.latest() is None
    with pytest.raises(CheckpointSaveError, match=r"step 1 was not saved to .*file/step-00000001: .*It needs 24,008 bytes"):
        store.save(1, some(1), {})


def test_a_step_that_is_not_there_is_told(store, tmp_path):
    with pytest.raises(ValueError, match=r"run has no checkpoint of step 7; it has 1, 2"):
        store.load(7)
    with pytest.raises(ValueError, match=r"none_yet has no checkpoint of step 7; it has none"):
        CheckpointStore(tmp_path / "none_yet").load(7)
    assert CheckpointStore(tmp_path / "none_yet").latest() is None
    assert not (tmp_path / "none_yet").exists()


@pytest.mark.parametrize("keep", [0, -1, 1.5])
def test_keeping_none_is_refused(tmp_path, keep):
    with pytest.raises(ValueError, match=rf"keep={keep} is not a number of checkpoints, 1 or more"):
        CheckpointStore(tmp_path, keep=keep)
