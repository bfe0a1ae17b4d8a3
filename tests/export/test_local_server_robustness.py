"""Whatever a client sends, the local server answers 2xx or 4xx in JSON and lives; while it loads it says so; its memory stays flat."""

import asyncio
import http.client
import json
import random
import socket
import sys
import threading
import time
from types import SimpleNamespace

import odd_requests
import pytest
import tensorflow as tf
from local_server import LocalServer

import export

uvicorn = pytest.importorskip("uvicorn", reason="needs the extra serving")
pytest.importorskip("prometheus_client", reason="needs the extra serving")

from export.local_server import __main__ as command_line  # noqa: E402
from export.local_server import models as models_room  # noqa: E402
from export.local_server.batching import Batcher  # noqa: E402
from export.local_server.errors import ServingError  # noqa: E402
from export.local_server.http_protocol import protocol  # noqa: E402
from export.local_server.metrics import Metrics  # noqa: E402
from export.local_server.models import Models  # noqa: E402
from export.local_server.rest import Rest  # noqa: E402
from export.local_server.service import Service  # noqa: E402

NOT_JSON = ("/", "/healthz", "/monitoring/prometheus/metrics")
SECONDS = 0.3  # that the server waits for what a request's headers promise and does not come


class Tiny(tf.Module):
    """Gives texts and their lengths; sums of ids."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def texts(self, text):
        return {"text": text, "bytes": tf.strings.length(text)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, name="ids")])
    def ids(self, ids):
        return {"sum": tf.reduce_sum(ids, 1), "half": tf.reduce_sum(ids, 1) / 2}


@pytest.fixture(scope="module")
def saved_tiny(tmp_path_factory):
    """Returns: path of a model with one version."""
    module, path = Tiny(), tmp_path_factory.mktemp("tiny")
    tf.saved_model.save(module, str(path / "1"), signatures={"serving_default": module.texts, "ids": module.ids})
    return path


@pytest.fixture(scope="module")
def port(saved_tiny):
    """Of a server in a thread of this process: the application, uvicorn and our protocol, without the command."""
    models, batcher = Models({"tiny": saved_tiny}, labels={"stable": 1}), Batcher(wait=0)
    models.start()
    assert models.wait(60) and models.is_ready()
    application = Rest(Service(models, batcher, Metrics()), body_timeout=SECONDS)
    options = {"http": protocol(SECONDS), "ws": "none", "lifespan": "off", "log_level": "error", "server_header": False}
    server = uvicorn.Server(uvicorn.Config(application, port=0, loop="asyncio", **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()
    models.close()
    batcher.close()


def replied(port, method, sent):
    """Returns: status, content type, body. Raises: where no reply comes that is HTTP."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(sent)
        reply = http.client.HTTPResponse(connection, method=method)
        reply.begin()
        return reply.status, reply.getheader("content-type"), reply.read()


def check(port, seed, count):
    """Send requests of a seed, and check each reply. Returns: dict of status -> how many."""
    found = {}
    for method, path, sent in odd_requests.requests(seed, count):
        status, kind, body = replied(port, method, sent)
        told = f"{sent[:300]!r}: {status} {body[:300]!r}"
        assert 200 <= status < 500, told
        if status != 200 or path.partition("?")[0] not in NOT_JSON:
            assert kind == "application/json", told
            if method != "HEAD":
                document = json.loads(body)
                assert status == 200 or (list(document) == ["error"] and document["error"]), told
        found[status] = found.get(status, 0) + 1
    return found


def test_whatever_is_sent_the_reply_is_json_of_2xx_or_4xx(port):
    found = check(port, seed=0, count=250)
    assert found[200] > 25 and found[400] > 100 and found[404] > 3, found  # it is not one error that hides the rest
    sent = b'POST /v1/models/tiny:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 19\r\n\r\n{"inputs": ["abc"]}'
    assert json.loads(replied(port, "POST", sent)[2]) == {"outputs": {"text": ["abc"], "bytes": [3]}}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_sent_for_long(port, seed):
    check(port, seed, 4000)


def test_replies_on_a_kept_connection_are_those_of_their_requests(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(20):
        path, text = ("/v1/models/tiny:predict", "x" * number) if number % 2 else ("/nowhere", "y" * 5000)  # the body is not asked for
        connection.request("POST", path, json.dumps({"inputs": [text]}))
        reply = connection.getresponse()
        document = json.loads(reply.read())
        assert document == {"outputs": {"text": [text], "bytes": [number]}} if number % 2 else "Malformed request" in document["error"]
    connection.close()


def test_while_models_are_loaded_healthz_and_requests_answer_503(monkeypatch, tmp_path):
    go = threading.Event()

    class Slow:
        def __init__(self, name, version, path):
            go.wait(30)
            self.version = version

        def warm_up(self):
            pass

    monkeypatch.setattr(models_room, "LoadedModel", Slow)
    (tmp_path / "3").mkdir()
    models = Models({"tiny": tmp_path}, poll=0.01)
    application = Rest(SimpleNamespace(models=models))
    assert _status_of(application, "/healthz") == 503
    models.start()
    assert not models.wait(0.05) and _status_of(application, "/healthz") == 503
    with pytest.raises(ServingError, match="tiny is still being loaded; try again") as raised:
        models.get("tiny")
    assert raised.value.status == 503
    with pytest.raises(ServingError, match="Servable not found"):
        models.get("other")
    go.set()
    assert models.wait(30) and _status_of(application, "/healthz") == 200 and models.get("tiny").version == 3
    with pytest.raises(ServingError, match=r"Servable not found for request: Specific\(tiny, 4\)"):
        models.get("tiny", 4)
    models.close()


def test_a_directory_without_versions_and_one_that_vanishes_are_told_once(saved_tiny, tmp_path, caplog):
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone").symlink_to(saved_tiny)
    models = Models({"empty": tmp_path / "empty", "gone": tmp_path / "gone"})
    models.look()
    (tmp_path / "gone").unlink()
    models.look()
    models.look()
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 2 and "holds no version" in told[0] and "gone: [Errno 2] No such file" in told[1]
    assert models.get("gone").version == 1  # it serves on
    models.close()


def test_a_model_without_a_name_is_told(saved_tiny, capsys):
    for argument in (f"={saved_tiny}", "/"):
        with pytest.raises(SystemExit):
            command_line.main(["--model", argument])
        assert "the model has no name" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given, message",
    [
        (["--poll_seconds", "0"], "--poll_seconds 0.0: expected a number above 0"),
        (["--max_batch_rows", "-1"], "--max_batch_rows -1: expected a number above 0"),
        (["--grpc_port", "70000"], "--grpc_port 70000: expected a port, 0 to 65535, or -1 for none"),
        (["--rest_port", "-1"], "--rest_port -1: expected a port, 0 to 65535"),
        (["--batch_wait_ms", "nan"], "--batch_wait_ms nan: expected a number of 0 or more"),
    ],
)
def test_numbers_that_cannot_be_are_told(tmp_path, capsys, given, message):
    with pytest.raises(SystemExit):
        command_line.main(["--model", f"a={tmp_path}", *given])
    assert message in capsys.readouterr().err


def test_a_port_of_grpc_that_is_taken_is_told(tmp_path, capsys):
    pytest.importorskip("tensorflow_serving.apis", reason="needs the extra serving")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit, match="3"):
        command_line.main(["--model", f"a={tmp_path}", "--grpc_port", str(taken.getsockname()[1])])
    assert "gRPC cannot listen at 127.0.0.1:" in capsys.readouterr().err


def test_who_watches_the_health_is_told_once_when_all_is_loaded():
    pytest.importorskip("grpc_health.v1", reason="needs the extra serving")
    from grpc_health.v1 import health_pb2

    from export.local_server.grpc_services import _Health

    loaded, told = threading.Event(), []
    models = SimpleNamespace(is_ready=loaded.is_set, wait=loaded.wait)
    health = _Health(SimpleNamespace(models=models))
    request = health_pb2.HealthCheckRequest(service="")
    health.Watch(request, SimpleNamespace(add_callback=lambda callback: None), lambda reply: told.append(reply.status))
    loaded.set()
    until = time.monotonic() + 30
    while len(told) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    health.Check(request, None)
    assert told == [health_pb2.HealthCheckResponse.NOT_SERVING, health_pb2.HealthCheckResponse.SERVING]


def _status_of(application, path):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": []}
    asyncio.run(application(scope, None, send))
    return sent[0]["status"]


@pytest.mark.slow
def test_a_port_that_is_taken_ends_the_command(fresh_python, saved_tiny, root):
    pytest.importorskip("tensorflow_serving.apis", reason="needs the extra serving")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = ["--rest_port", str(taken.getsockname()[1]), "--grpc_port", "-1"]
        done = fresh_python.run([sys.executable, "-m", "export.local_server", "--model", f"tiny={saved_tiny}", *ports], cwd=root)
    assert done.returncode == 3 and "address already in use" in done.stderr


@pytest.mark.slow
def test_memory_is_flat_over_ten_thousand_requests(fresh_python, shared_classifier, tmp_path, root):
    pytest.importorskip("tensorflow_serving.apis", reason="needs the extra serving")
    export.export_saved_model(shared_classifier, tmp_path / "reviews")
    server = LocalServer(fresh_python, {"reviews": tmp_path / "reviews"}, root)
    try:
        _ask_often(server.rest_port, 2000, seed=0)
        before = _resident_bytes(server.process.pid)
        _ask_often(server.rest_port, 8000, seed=1)
        grown = _resident_bytes(server.process.pid) - before
        assert grown < 24e6, f"{grown / 1e6:.1f} MB"  # of some 700
        print(f"grown by {grown / 1e6:.1f} MB")
    finally:
        server.close()


def _ask_often(port, requests, seed):
    """From four clients, one to three texts of 0 to 300 words a request."""
    errors = []

    def client(number):
        chance, connection = random.Random(100 * seed + number), http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(requests // 4):
            texts = [" ".join(chance.choices(["good", "bad", "film", "日本", "it"], k=int(300 ** chance.random()) - 1)) for _ in range(3)]
            connection.request("POST", "/v1/models/reviews:predict", json.dumps({"instances": texts[: chance.randint(1, 3)]}))
            reply = connection.getresponse()
            text = reply.read()
            if reply.status != 200:
                errors.append(text)
                return
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def _resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))
