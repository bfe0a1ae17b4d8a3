"""Drive a side, ours or a peer's, as a Python process of its own: one JSON object a line in, one a line out.

    {"do": "prepare", ...settings} -> {"versions": {...}, ...}      load and build; not timed
    {"do": "run", ...} -> {"seconds": ..., ...}                     the timed work
    {"do": "outputs", ...} -> {"outputs": [...]}                    what it gives, to compare before anything is timed
    {"do": "stop"} -> {}

What runs in the process is a script of benchmarks/sides; it ends when its standard input does.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = os.path.join("benchmarks", ".peers", "bin", "python")
STDERR_LINES = 15  # of a dead side's, shown: a traceback's end


class BenchmarkError(RuntimeError):
    """What stops a benchmark and is told to the user without a traceback."""


def cores():
    """Returns: list of the CPU cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count()))


# At a priority that yields to whatever else would run; it ends with the process that began it.
_SPIN = """
import os, sys
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
print("spinning", flush=True)
while os.getppid() == int(sys.argv[1]):
    for _ in range(100_000):
        pass
"""


@contextlib.contextmanager
def awake(wanted=True):
    """Keep every core busy at idle priority while sides run.

    A virtual machine's core that has nothing to do is halted, and on a busy host it may take milliseconds to come back. Libraries whose
    threads sleep between two products, as TensorFlow's do, then run at half of their rate, and those whose threads spin, as PyTorch's
    do, do not: what is measured is the host.

    Args: wanted: False does nothing.
    Returns: context manager; its value: whether the cores are kept awake, which takes Linux.
    """
    processes = []
    try:
        if wanted and hasattr(os, "SCHED_IDLE"):
            command = [sys.executable, "-S", "-c", _SPIN, str(os.getpid())]
            processes += [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in cores()]
            for process in processes:
                if process.stdout.readline() != "spinning\n":
                    raise BenchmarkError("no process of idle priority can be had here; leave them out: --no-keep_awake")
        yield bool(processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()


def check_python(path):
    """Returns: path, absolute. Raises: BenchmarkError unless an interpreter is there."""
    absolute = os.path.abspath(path)  # a virtual environment's python is a link, which must not be followed
    if not os.access(absolute, os.X_OK):
        raise BenchmarkError(f"no Python of the peers at {path}: run benchmarks/setup_peers.sh, or name another by --peers_python")
    return absolute


class Side:
    """One running side.

        with Side("encode_batch", "hugging_face_tokenizers", threads=1, python=python, settings={...}) as side:
            side.ask("run", lines=1000)["seconds"]

    Args:
        name: what errors call it.
        script: name of a script in benchmarks/sides, or path of another.
        threads: it is kept to so many cores, and told the number by what libraries read of the environment and by its settings.
        python: interpreter; None is this one, which finds this project's packages.
        settings: dict, plain enough for JSON: of "prepare".
        timeout_seconds: a side that does not answer in that time is ended.
        first_core: which of the process's cores it is kept to first, counted from 0.
    Attributes: versions: dict of library to version, as the side tells them.
    Raises: BenchmarkError where the side dies, on entry or at any question, with the end of its standard error.
    """

    def __init__(self, name, script, *, threads, python=None, settings=None, timeout_seconds=1800, first_core=0):
        self.name = name
        self.timeout_seconds = timeout_seconds
        path = ROOT / "benchmarks" / "sides" / f"{script}.py" if os.path.basename(script) == script else script
        environment = os.environ | threads_environment(threads) | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
        environment.pop("PYTHONPATH", None)
        if python is None:
            environment["PYTHONPATH"] = str(ROOT)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the process
        self._process = subprocess.Popen(
            [python or sys.executable, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
            text=True,
            encoding="utf-8",
        )
        if hasattr(os, "sched_setaffinity"):  # before it has made threads, which inherit this
            os.sched_setaffinity(self._process.pid, cores()[first_core : first_core + threads])
        try:
            self.versions = self.ask("prepare", threads=threads, **(settings or {}))["versions"]
        except BaseException:
            self.close()
            raise

    def ask(self, do, **request):
        """Send one request. Returns: dict, the answer. Raises: BenchmarkError where none comes."""
        timed_out = threading.Event()

        def end():
            timed_out.set()
            self._process.kill()

        timer = threading.Timer(self.timeout_seconds, end)
        timer.start()
        try:
            self._process.stdin.write(json.dumps({"do": do} | request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line.endswith("\n"):
            code = self._process.wait()
            why = f"took over {self.timeout_seconds} s and was ended" if timed_out.is_set() else f"died with exit status {code}"
            self._stderr.seek(0)
            tail = self._stderr.read().decode("utf-8", "replace").rstrip().split("\n")[-STDERR_LINES:]
            raise BenchmarkError("\n    ".join([f"side {self.name} {why} at {do!r}; the end of its standard error:", *tail]))
        return json.loads(line)

    def close(self):
        """End the process, by asking where it still answers."""
        if self._process.poll() is None:
            try:
                self._process.communicate(json.dumps({"do": "stop"}) + "\n", timeout=10)
            except (subprocess.TimeoutExpired, BrokenPipeError):
                self._process.kill()
                self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._stderr):
            file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def threads_environment(threads):
    """Returns: dict of environment variables by which numerical and Rust libraries learn how many threads to use."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "RAYON_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
    }


WARM_UP_SECONDS = 2.0


def warm_up(side, request):
    """Run until a side is at its speed: the first run of a shape traces and compiles, and the next few of short ones are slower too."""
    side.ask("run", **request)
    spent = 0.0
    while spent < WARM_UP_SECONDS:
        spent += side.ask("run", **request)["seconds"]


# Of the cores' time, taken by a virtual machine's host for others: in such a run TensorFlow may be five times as slow.
MOST_STOLEN = 0.05
MOST_ATTEMPTS = 3  # for each round


def alternate(own, peer, rounds, own_request, peer_request):
    """Run both sides by turns, A B A B, so that both meet what else the machine does.

    A round in which a virtual machine's host took over MOST_STOLEN of the cores' time is run again, while there are attempts left; then
    the rounds from which it took least are kept.

    Args: own, peer: Side. rounds: int. own_request, peer_request: dicts, of "run".
    Returns: two lists of `rounds` answers.
    Raises: BenchmarkError where a side's checksum changes from round to round, since then it did not do the same work.
    """
    checksums, attempts = {}, []
    while sum(stolen <= MOST_STOLEN for stolen, _ in attempts) < rounds and len(attempts) < MOST_ATTEMPTS * rounds:
        answers, stolen = [], 0.0
        for side, request in ((own, own_request), (peer, peer_request)):
            before = cpu_times()
            answers.append(side.ask("run", **request))
            stolen = max(stolen, stolen_share(before, cpu_times()))
            first, last = checksums.setdefault(side, answers[-1]["checksum"]), answers[-1]["checksum"]
            if first != last:
                raise BenchmarkError(f"side {side.name} gave a result of checksum {last}, and {first} in the first round")
        attempts.append((stolen, answers))
    kept = sorted(attempts, key=lambda attempt: attempt[0])[:rounds]
    if len(attempts) > rounds:
        told = f"the host took over {MOST_STOLEN:.0%} of the cores' time in some; up to {kept[-1][0]:.0%} in those kept"
        print(f"rounds run: {len(attempts)}, kept: {rounds}: {told}", file=sys.stderr, flush=True)
    own_answers, peer_answers = zip(*(answers for _, answers in kept), strict=True)
    return list(own_answers), list(peer_answers)


def cpu_times(path="/proc/stat"):
    """Returns: (stolen, all) of all cores' time so far, in clock ticks; (0, 0) where the system does not tell. Source: proc(5)."""
    try:
        with open(path, encoding="ascii") as file:
            user, nice, system, idle, waiting, interrupts, soft_interrupts, stolen = map(int, file.readline().split()[1:9])
    except OSError:
        return 0, 0
    return stolen, user + nice + system + idle + waiting + interrupts + soft_interrupts + stolen


def stolen_share(before, after):
    """Args: before, after: of cpu_times. Returns: float: the share of the time between that was stolen."""
    return (after[0] - before[0]) / max(after[1] - before[1], 1)
