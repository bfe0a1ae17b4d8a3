"""Processes that start in a tenth of a second where `python` with TensorFlow takes five.

    fresh_python.run([sys.executable, "examples/quickstart.py", "--help"])

One process (forking.py) imports TensorFlow and Keras, nothing of this project, and runs nothing. Each command is a fork of it, and
so a process of its own: with its own devices, threads, working directory, environment and exit status, to be killed or stopped by its
pid. What Python and TensorFlow read of the environment when they start is not taken over (PYTHONHASHSEED, PYTHONWARNINGS,
KERAS_BACKEND, TF_CPP_MIN_LOG_LEVEL), nor are flags of the interpreter. A test of those, of memory or of the time that a start takes
uses `subprocess`, which has the same signatures; so does one test of each way of starting.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

FORKING = pathlib.Path(__file__).parent / "forking.py"


class FreshPython:
    """Starts Python processes.

    Args: directory: for what they print; it is left to its owner. environment: what Python itself is to read when it starts.
    """

    def __init__(self, directory, **environment):
        self._directory = directory
        self._environment = environment
        self._server = None

    def Popen(self, command, *, env=None, cwd=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True):
        """Start a process, as subprocess.Popen does.

        Args: command: sys.executable, then "-c" and a program, "-m" and a module, or a script; and arguments. env: all of its
            environment. stderr: PIPE or STDOUT. What it prints is always kept, as text.
        Returns: Process.
        """
        executable, *arguments = map(str, command)
        if executable != sys.executable or not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-c", "-m")):
            raise ValueError(f"{command[:2]} is no command for a fork; take subprocess")
        if stdout != subprocess.PIPE or not text:
            raise ValueError("what a fork prints is always kept, as text; take subprocess")
        directory = tempfile.mkdtemp(dir=self._directory)
        one_output = stderr == subprocess.STDOUT
        for name in ("stdout",) if one_output else ("stdout", "stderr"):
            pathlib.Path(directory, name).touch()
        request = {
            "directory": directory,
            "arguments": arguments,
            "environment": (os.environ if env is None else env) | self._environment,
            "cwd": os.path.abspath(os.getcwd() if cwd is None else cwd),
            "one_output": one_output,
        }
        if self._server is None:
            self._server = _started(self._environment)
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return Process(command, directory, self._server)

    def run(self, command, *, capture_output=True, check=False, **options):
        """Start a process and wait for it, as subprocess.run does. Returns: subprocess.CompletedProcess."""
        if not capture_output:
            raise ValueError("what a fork prints is always kept, as text; take subprocess")
        process = self.Popen(command, **options)
        done = subprocess.CompletedProcess(command, None, *process.communicate())
        done.returncode = process.returncode
        if check:
            done.check_returncode()
        return done

    def close(self):
        if self._server is not None:
            self._server.communicate()  # it ends with its input
            self._server = None


def _started(environment):
    # Each fork is given PYTHONPATH with the rest of its environment.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    return subprocess.Popen([sys.executable, str(FORKING)], stdin=subprocess.PIPE, text=True, env=environment)


def _told_of_machine(pid):
    """A process that stands still may wait for another, or for memory: what it ran in a second, and what the machine has left.

    Returns: str, of Linux; "" elsewhere.
    """
    memory, threads = pathlib.Path("/proc/meminfo"), pathlib.Path("/proc", str(pid), "task")
    if not memory.exists():
        return ""

    def ticks():
        with contextlib.suppress(OSError):
            return {each.name: sum(map(int, (each / "stat").read_text().rpartition(")")[2].split()[11:13])) for each in threads.iterdir()}
        return {}

    first = ticks()
    time.sleep(1)
    ran = {name: count - first.get(name, 0) for name, count in ticks().items()}
    pressure = [path.read_text() for path in pathlib.Path("/proc/pressure").glob("*")] if os.path.isdir("/proc/pressure") else []
    lines = [line for line in memory.read_text().splitlines() if line.startswith(("MemTotal", "MemAvailable", "SwapFree"))]
    return "\n".join([f"hundredths of a second that its threads ran in one: {ran}", *lines, *pressure])


class Process:
    """A process that forking.py forked: what tests use of subprocess.Popen, and the directory that holds its `stdout` and `stderr`."""

    def __init__(self, command, directory, server):
        self.args = command
        self.returncode = None
        self.directory = pathlib.Path(directory)
        self._server = server
        self.pid = int(self._read_when_there("pid", None))

    def _read_when_there(self, name, timeout):
        end = None if timeout is None else time.monotonic() + timeout
        while not (self.directory / name).exists():
            if self._server.poll() is not None:
                raise RuntimeError(f"{FORKING} has ended with status {self._server.returncode}")
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.005)
        return (self.directory / name).read_text()

    def poll(self):
        if self.returncode is None and (self.directory / "returncode").exists():
            self.wait()
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is None:
            self.returncode = int(self._read_when_there("returncode", timeout))
        return self.returncode

    def communicate(self, timeout=None):
        """Where the wait is broken off, as by a test's time limit, the process is killed, and where it stood is printed.

        Returns: what it printed to stdout and to stderr; the latter None where both are one.
        """
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            raise
        except BaseException:
            self.end_and_tell()
            raise
        paths = [self.directory / name for name in ("stdout", "stderr")]
        return tuple(path.read_text(encoding="utf-8", errors="backslashreplace") if path.exists() else None for path in paths)

    def end_and_tell(self):
        """Kill it, and print to stderr the end of what it printed, where its threads stood, and whether the machine could run it."""
        paths = [path for path in (self.directory / "stdout", self.directory / "stderr") if path.exists()]
        before = [path.stat().st_size for path in paths]
        machine = _told_of_machine(self.pid)
        self.send_signal(signal.SIGUSR2)  # see forking.become
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(1)
        self.kill()
        print(f"{self.args} was killed while it ran. The end of what it printed, and the stacks of its threads:", file=sys.stderr)
        for path, size in zip(paths, before, strict=True):
            printed = path.read_bytes()[max(0, size - 4000) :]
            print(printed.decode("utf-8", errors="backslashreplace"), file=sys.stderr)
        print(machine, file=sys.stderr)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)
