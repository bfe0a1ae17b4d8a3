"""Exports that are killed, or run out of disk: whatever the moment, a server finds no directory that it would pick up."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from export.manifest import checksums

MOMENTS = 20
# The new processes that verify and measure take most of the time of an export and write nothing there: they are left out.
PROGRAM = """
import resource, signal, sys
import keras_bert, export.publish
model = keras_bert.from_pretrained(sys.argv[1])
most_bytes = int(sys.argv[3])
if most_bytes:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as on a full disk: writing fails, and the process lives
seconds = {"load_seconds": 1.0, "first_seconds": 1.0, "memory_bytes": None, "peak_memory_bytes": None}
latencies = [{"length": model.max_length, "batch_size": size, "seconds": 0.1} for size in export.publish.BATCH_SIZES]
export.publish.verify_saved_model = lambda path, model: 0.0
export.publish.measure_saved_model = lambda *arguments: seconds | {"latencies": latencies}
print("exporting", flush=True)
export.publish.publish_saved_model(model, sys.argv[2])
print("published", flush=True)
"""


def command(model, versions, most_bytes=0):
    return [sys.executable, "-c", PROGRAM, str(model), str(versions), str(most_bytes)]


def servable_versions(directory):
    """Versions that TF Serving would load. Returns: list of str."""
    return sorted(name for name in os.listdir(directory) if name.isdigit()) if os.path.isdir(directory) else []


def wait_for(process, word):
    while word not in (process.directory / "stdout").read_text() and process.poll() is None:
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_at_any_moment(fresh_python, tmp_path, shared_classifier):
    """The moments are spread over the time that a whole export takes, which is measured first."""
    shared_classifier.save_pretrained(tmp_path / "model")
    process = fresh_python.Popen(command(tmp_path / "model", tmp_path / "whole"))
    wait_for(process, "exporting")
    started = time.monotonic()
    wait_for(process, "published")
    seconds = time.monotonic() - started
    assert process.communicate() and process.returncode == 0 and servable_versions(tmp_path / "whole") == ["1"]
    moments, published = random.Random(0), 0
    for number in range(MOMENTS):
        versions = tmp_path / f"versions_{number}"
        process = fresh_python.Popen(command(tmp_path / "model", versions))
        wait_for(process, "exporting")
        time.sleep(seconds * moments.uniform(0, 1.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for name in servable_versions(versions):  # killed after its rename: then it is whole
            published += 1
            said = json.loads((versions / name / "saved_model.json").read_text())
            assert said["sha256"] == checksums(versions / name) and "saved_model.pb" in said["sha256"]
    assert published < MOMENTS


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE to stop a write in its middle")
@pytest.mark.parametrize("most_bytes", [100, 2_000, 20_000, 300_000])
def test_no_file_can_grow_on(fresh_python, tmp_path, shared_classifier, most_bytes):
    """The variables, the vocabulary or the graph are cut short."""
    shared_classifier.save_pretrained(tmp_path / "model")
    done = fresh_python.run(command(tmp_path / "model", tmp_path / "versions", most_bytes))
    assert done.returncode != 0 and "exporting" in done.stdout and "published" not in done.stdout
    assert os.listdir(tmp_path / "versions") == []  # it cleans up behind itself


@pytest.mark.slow
def test_a_disk_that_is_full(fresh_python, tmp_path, shared_classifier):
    """A tmpfs of 300 kB, where the system lets this user mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        shared_classifier.save_pretrained(tmp_path / "model")
        done = fresh_python.run(command(tmp_path / "model", disk / "versions"))
        assert done.returncode != 0 and "exporting" in done.stdout and "published" not in done.stdout
        assert os.listdir(disk / "versions") == []
    finally:
        subprocess.run(["umount", disk], check=True)
