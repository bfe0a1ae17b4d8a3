"""Servers, each a process of its own, and clients that ask them at the same time over HTTP.

A server is any program that prints one JSON object with `rest_port` once it takes requests, and has TF Serving's path for predictions.
The object may tell its `versions`, too.
"""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import tempfile
import threading
import time

from benchmarks import peers

MODEL = "classifier"  # its name in the path
FIRST_ANSWERS = 10


class Server:
    """One running server, with what benchmarks.peers.alternate asks of a side.

        with Server("ours", [sys.executable, "-m", "export.local_server", ...], texts, threads=2) as server:
            server.ask("run", clients=16, requests=96)["seconds"]

    Args:
        name: what errors call it.
        command: list of str.
        texts: list of str: of its requests, the first of a run is the first of them.
        threads: it is kept to so many cores.
        timeout_seconds: until it has to take requests, and for any answer.
    Attributes:
        versions: dict of library to version, as the server tells them.
        startup_seconds: from its start to its first answer.
        first_milliseconds: list: of its first answers, all to the first text.
    Raises: BenchmarkError where it dies, does not start, or refuses a request, with the end of its standard error.
    """

    def __init__(self, name, command, texts, *, threads, timeout_seconds=900):
        self.name = name
        self.texts = texts
        self.timeout_seconds = timeout_seconds
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the process
        variables = os.environ | peers.threads_environment(threads) | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
        variables.pop("PYTHONPATH", None)  # a peer must not find this project's packages; our own server finds them where it starts
        began = time.perf_counter()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._stderr, cwd=peers.ROOT, env=variables, text=True)
        if hasattr(os, "sched_setaffinity"):  # before it has made threads, which inherit this
            os.sched_setaffinity(self._process.pid, peers.cores()[:threads])
        try:
            told = self._told()
            self._port, self.versions = told["rest_port"], told.get("versions", {})
            load = self._load(clients=1, requests=FIRST_ANSWERS, texts=texts[:1])
        except BaseException:
            self.close()
            raise
        self.first_milliseconds = load["milliseconds"]
        self.startup_seconds = time.perf_counter() - began - (sum(load["milliseconds"]) - load["milliseconds"][0]) / 1e3

    def ask(self, do, **request):
        """Args: do: "run" or "outputs". request: clients and requests of a run.

        Returns: of a run, dict of seconds, milliseconds (of each request) and checksum; of outputs, dict of outputs: probabilities of
            each text, asked for by several clients.
        """
        if do == "outputs":
            rows = self._load(clients=4, requests=len(self.texts), texts=self.texts)["rows"]
            return {"outputs": [row["probabilities"] for row in rows]}
        load = self._load(texts=self.texts, **request)
        return {name: load[name] for name in ("seconds", "milliseconds")} | {"checksum": len(load["rows"])}

    def close(self):
        """End the process: in order, where it heeds that."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process.stdout.close()
        self._stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _told(self):
        timer = threading.Timer(self.timeout_seconds, self._process.kill)
        timer.start()
        try:
            for line in self._process.stdout:
                if line.startswith("{"):
                    return json.loads(line)
        finally:
            timer.cancel()
        raise self._failed("did not start")

    def _failed(self, what):
        self._stderr.seek(0)
        tail = self._stderr.read().decode("utf-8", "replace").rstrip().split("\n")[-peers.STDERR_LINES :]
        return peers.BenchmarkError("\n    ".join([f"server {self.name} {what}; the end of its standard error:", *tail]))

    def _load(self, *, clients, requests, texts):
        try:
            return load(self._port, texts, clients=clients, requests=requests, timeout_seconds=self.timeout_seconds)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failed(f"gave no answer ({type(error).__name__}: {error})") from error


def load(port, texts, *, clients, requests, timeout_seconds):
    """Ask for one text a request, each client on a connection of its own that it keeps, the next text when it has its answer.

    Args: port: of this machine. texts: taken in turn.
    Returns: dict of seconds, from the first request to the last answer; milliseconds and rows: of each request, in order.
    Raises: OSError, HTTPException or ValueError where a request is not answered, the first of them.
    """
    bodies = [json.dumps({"instances": [text]}).encode() for text in texts]
    numbers, lock = iter(range(requests)), threading.Lock()
    rows, milliseconds, errors = [None] * requests, [0.0] * requests, []
    ready = threading.Barrier(clients + 1)

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
        try:
            connection.connect()
            ready.wait()
            while not errors:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                began = time.perf_counter()
                rows[number] = _asked(connection, bodies[number % len(bodies)])
                milliseconds[number] = 1e3 * (time.perf_counter() - began)
        except Exception as error:
            errors.append(error)
            ready.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):  # a client could not connect, and says so
        ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if errors:
        raise errors[0]
    return {"seconds": seconds, "milliseconds": milliseconds, "rows": rows}


def _asked(connection, body):
    connection.request("POST", f"/v1/models/{MODEL}:predict", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    if reply.status != 200:
        raise ValueError(f"status {reply.status}: {text[:300].decode('utf-8', 'replace')}")
    (row,) = json.loads(text)["predictions"]
    return row


def share_below(values, share):
    """Returns: the value that such a share of all is not above, as p50 and p99 are told. Args: values: not empty. share: 0 to 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
