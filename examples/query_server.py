"""Ask a model server, TF Serving or `python -m export.local_server`, by REST or gRPC; and measure it under a small load.

    python examples/query_server.py --model reviews --text "a fine film" "a waste of time"
    python examples/query_server.py --model questions --question "Who came?" --context "Ann came." --grpc --server 127.0.0.1:8500
    python examples/query_server.py --model reviews --file texts.txt --batch_size 32
    python examples/query_server.py --model reviews --file texts.txt --load 1000 --clients 16       # 1,000 requests from 16 threads

The flags besides these are the model's inputs by their names, each with as many values as there are examples. One JSON object is printed
an example; the last line printed is one JSON object: requests, texts, failed, retried, seconds, texts_per_second, p50_ms, p95_ms and
p99_ms of the requests. What may go away (no connection, 429, 503) is tried again, later each time; an error of the request is not.
REST needs Python alone; --grpc the extra `serving`.
"""

import argparse
import http.client
import json
import random
import sys
import threading
import time
import urllib.parse

FIRST_PAUSE = 0.1  # seconds before the first retry; doubled for each further one
PASSING = (429, 503)  # HTTP statuses that may go away


class Passing(Exception):
    """What may go away: the request is worth another try."""


class RestClient:
    """One connection that is kept. Args: server: "host:port". model, version, signature: str or None. timeout: seconds."""

    def __init__(self, server, model, version, signature, timeout):
        self._server, self._timeout = server, timeout
        version = "" if version is None else f"/versions/{version}"
        self._path = f"/v1/models/{urllib.parse.quote(model, safe='')}{version}:predict"
        self._signature = {"signature_name": signature} if signature else {}
        self._connection = None

    def ask(self, columns):
        """Args: columns: dict of input -> list of str. Returns: list of dict, one an example. Raises: Passing, RuntimeError."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._server, timeout=self._timeout)
        try:
            self._connection.request("POST", self._path, json.dumps(self._signature | {"inputs": columns}))
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._connection = None
            raise Passing(f"{self._server}: {type(error).__name__}: {error}") from error
        if response.status != 200:
            error = f"{self._server} answers {response.status}: {body[:500].decode('utf-8', 'replace')}"
            raise Passing(error) if response.status in PASSING else RuntimeError(error)
        try:
            outputs = json.loads(body)["outputs"]
            return rows_of(outputs if isinstance(outputs, dict) else {"output": outputs})  # of one output, TF Serving leaves out the name
        except (ValueError, KeyError, TypeError) as error:  # another server than the one that is meant
            raise RuntimeError(f"{self._server} answers what is no prediction: {body[:500].decode('utf-8', 'replace')}") from error


class GrpcClient:
    """As RestClient, of the PredictionService."""

    def __init__(self, server, model, version, signature, timeout):
        import grpc
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

        self._grpc, self._timeout, self._server = grpc, timeout, server
        self._channel = grpc.insecure_channel(server, options=[("grpc.max_receive_message_length", -1)])
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._request = predict_pb2.PredictRequest()
        self._request.model_spec.name = model
        self._request.model_spec.signature_name = signature or "serving_default"
        if version is not None:
            self._request.model_spec.version.value = version

    def ask(self, columns):
        import tensorflow as tf

        request = type(self._request)()
        request.CopyFrom(self._request)
        for name, values in columns.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values, tf.string))
        try:
            response = self._stub.Predict(request, timeout=self._timeout)
        except self._grpc.RpcError as error:
            told = f"{self._server} answers {error.code().name}: {error.details()}"
            may_pass = error.code() in (self._grpc.StatusCode.UNAVAILABLE, self._grpc.StatusCode.RESOURCE_EXHAUSTED)
            raise Passing(told) if may_pass else RuntimeError(told) from error
        return rows_of({name: _plain(tf.make_ndarray(value).tolist()) for name, value in response.outputs.items()})


def rows_of(outputs):
    """Args: outputs: dict of output -> list. Returns: list of dict, one an example."""
    return [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]


def _plain(value):
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class Figures:
    """What became of the requests, of all threads."""

    def __init__(self):
        self.seconds, self.texts, self.retried, self.errors = [], 0, 0, []
        self._lock = threading.Lock()

    def ask(self, client, columns, retries):
        """Returns: list of dict, or None where the request failed."""
        began, error = time.monotonic(), None
        for tries in range(retries + 1):
            try:
                answers = client.ask(columns)
            except Passing as passing:
                error = passing
                if tries < retries:
                    with self._lock:
                        self.retried += 1
                    time.sleep(FIRST_PAUSE * 2**tries * random.uniform(0.5, 1.5))  # not all clients at the same moment
            except RuntimeError as lasting:
                error = lasting
                break
            else:
                with self._lock:
                    self.seconds.append(time.monotonic() - began)
                    self.texts += len(answers)
                return answers
        with self._lock:
            self.errors.append(str(error))
        return None

    def summary(self, seconds):
        times = sorted(self.seconds)
        at = {}
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            at[name] = times[min(len(times) - 1, int(share * len(times)))] if times else None
        return {
            "requests": len(times) + len(self.errors),
            "texts": self.texts,
            "failed": len(self.errors),
            "retried": self.retried,
            "seconds": round(seconds, 3),
            "texts_per_second": round(self.texts / seconds, 1),
        } | {f"{name}_ms": None if value is None else round(1000 * value, 2) for name, value in at.items()}


def batches_of(columns, size):
    """Yields: dicts of lists of `size` examples or fewer."""
    for start in range(0, len(next(iter(columns.values()))), size):
        yield {name: values[start : start + size] for name, values in columns.items()}


def load(figures, make_client, batches, requests, clients, retries):
    """Send requests from several threads, the batches in turn."""
    numbers = iter(range(requests))
    lock = threading.Lock()

    def work():
        client = make_client()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            figures.ask(client, batches[number % len(batches)], retries)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def columns_of(parser, words, path):
    """["--question", "a", "--context", "b"], or the lines of a file -> dict of name -> list of str."""
    columns, name = {}, None
    for word in words:
        if word.startswith("--"):
            name, given, value = word[2:].partition("=")  # --text="--a" is a text that begins as a flag does
            columns[name] = [value] if given else []
        elif name is None:
            parser.error(f"{word!r} stands after no flag")
        else:
            columns[name].append(word)
    if path:
        try:
            with open(path, encoding="utf-8") as file:
                lines = [line.rstrip("\r\n") for line in file]
        except (OSError, UnicodeDecodeError) as error:
            parser.error(f"--file {path}: {error}")
        if not lines:
            parser.error(f"--file {path}: it has no line")
        columns["text"] = columns.get("text", []) + lines
    if not columns or not all(columns.values()) or len({len(values) for values in columns.values()}) != 1:
        parser.error("give the model's inputs, such as --text, each with as many values as there are examples; or --file")
    return columns


def number(least):
    """Returns: function of a flag's word, to an int of at least `least`."""

    def whole(word):
        if int(word) < least:
            raise ValueError
        return int(word)

    whole.__name__ = f"whole number of {least} or more"  # as argparse tells it
    return whole


def seconds(word):
    """A flag's word as seconds, over 0."""
    if not float(word) > 0:
        raise ValueError
    return float(word)


def address(word):
    """A flag's word, host:port."""
    host, _, port = word.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and int(port) < 2**16 and "/" not in host):
        raise argparse.ArgumentTypeError(f"{word!r} is not host:port, such as 127.0.0.1:8501")
    return word


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--server", type=address, help="host:port (default: 127.0.0.1:8501, with --grpc 127.0.0.1:8500)")
    parser.add_argument("--model", required=True, help="its name at the server")
    parser.add_argument("--version", type=number(0), help="a number (default: the newest)")
    parser.add_argument("--signature", help="(default: serving_default)")
    parser.add_argument("--grpc", action="store_true", help="in place of REST")
    parser.add_argument("--file", help="a text a line")
    parser.add_argument(
        "--batch_size", type=number(1), default=32, help="texts of a request; with --load 1 is usual (default: %(default)s)"
    )
    parser.add_argument("--timeout", type=seconds, default=60.0, help="seconds for a request (default: %(default)s)")
    parser.add_argument("--retries", type=number(0), default=4, help="of a request (default: %(default)s)")
    parser.add_argument("--load", type=number(1), metavar="REQUESTS", help="send so many requests, and print their times alone")
    parser.add_argument("--clients", type=number(1), default=16, help="threads of --load (default: %(default)s)")
    options, words = parser.parse_known_args()
    columns = columns_of(parser, words, options.file)
    server = options.server or ("127.0.0.1:8500" if options.grpc else "127.0.0.1:8501")
    kind = GrpcClient if options.grpc else RestClient
    figures = Figures()

    def make_client():
        return kind(server, options.model, options.version, options.signature, options.timeout)

    batches = list(batches_of(columns, options.batch_size))
    if options.grpc:
        try:
            import grpc  # noqa: F401
            import tensorflow  # noqa: F401 - its seconds are none of the server's
            import tensorflow_serving.apis  # noqa: F401
        except ImportError as error:
            parser.error(f"--grpc: {error}; it needs the extra `serving`: pip install 'keras3-bert[serving]'")

    began = time.monotonic()
    if options.load is not None:
        load(figures, make_client, batches, options.load, options.clients, options.retries)
    else:
        client = make_client()
        for batch in batches:
            answers = figures.ask(client, batch, options.retries) or []
            for place, answer in enumerate(answers):
                print(json.dumps({name: values[place] for name, values in batch.items()} | {"answer": answer}, ensure_ascii=False))
    for error in figures.errors[:5]:
        print(error, file=sys.stderr)
    print(json.dumps(figures.summary(time.monotonic() - began)), flush=True)
    sys.exit(1 if figures.errors else 0)


if __name__ == "__main__":
    main()
