"""A local server in a process of its own, and what asks it."""

import contextlib
import http.client
import json
import signal
import sys
import time


class LocalServer:
    """python -m export.local_server, started.

    Args: fresh_python: what starts it. models: dict of name -> directory. root: of the checkout. flags: more of the command's.
        seconds: that it may take until all its models answer.
    Attributes: rest_port, grpc_port, process.
    """

    def __init__(self, fresh_python, models, root, *flags, seconds=180):
        command = [sys.executable, "-m", "export.local_server", "--rest_port", "0", "--grpc_port", "0", "--poll_seconds", "0.2"]
        self.process = fresh_python.Popen([*command, *flags, "--model", *(f"{name}={path}" for name, path in models.items())], cwd=root)
        until = time.monotonic() + seconds
        while not (lines := (self.process.directory / "stdout").read_text().splitlines()):
            if self.process.poll() is not None:
                raise RuntimeError(f"the server did not start: {self.process.communicate()}")
            if time.monotonic() > until:
                self.process.end_and_tell()
                raise RuntimeError(f"the server did not start in {seconds} s; where it stood is in what the test printed")
            time.sleep(0.05)
        told = json.loads(lines[-1])
        self.rest_port, self.grpc_port = told["rest_port"], told["grpc_port"]

    def ask(self, path, body=None, method=None):
        """Args: body: bytes, or what becomes JSON. Returns: status, the reply as text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=60)
        with contextlib.closing(connection):
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method or ("GET" if body is None else "POST"), path, data)
            reply = connection.getresponse()
            return reply.status, reply.read().decode("utf-8")

    def predict(self, model, **body):
        """Returns: the reply as JSON. Raises: AssertionError where it is refused."""
        status, text = self.ask(f"/v1/models/{model}:predict", body)
        assert status == 200, text
        return json.loads(text)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate()
