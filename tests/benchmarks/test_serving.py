"""The suite itself: a short real run, what it refuses, its clients, and what it means to reach."""

import http.server
import json
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as command
from benchmarks import servers, serving
from benchmarks.peers import BenchmarkError

TINY = ["--layers", 1, "--hidden", 64, "--rounds", 2, "--requests", 24, "--dtype", "float32"]
FIELDS = {
    "suite", "side", "peer", "dtype", "target", "p50_target", "difference", "rounds", "threads", "clients", "requests", "layers",
    "hidden", "requests_per_second", "peer_requests_per_second", "p50_ms", "peer_p50_ms", "p99_ms", "peer_p99_ms", "p50_ratio_median",
    "p50_ratio_iqr", "startup_seconds", "peer_startup_seconds", "first_ms", "tenth_ms", "ratio_median", "ratio_iqr", "ratio_quartiles",
    "ratio_fastest", "versions", "cpu", "cores", "platform", "python", "date", "kept_awake",
}  # fmt: skip
BY_NAME = {peer.name: peer for peer in serving.ALL}


def run(root, path, *arguments):
    command = [sys.executable, "-m", "benchmarks", "serving", "--json", path, *TINY, *arguments]
    done = subprocess.run([str(part) for part in command], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text()), done.stdout


@pytest.mark.slow
def test_a_short_run_beside_keras_hub_s_export_and_the_c_program(root, tmp_path):
    pytest.importorskip("uvicorn", reason="needs the extra serving")
    pytest.importorskip("keras_hub")
    peers = ["keras_hub_export", "cpp_loader"]
    rows, printed = run(root, tmp_path / "out.json", "--clients", 1, 3, "--peers", *peers, "--peers_python", sys.executable)
    assert [(row["peer"], row["clients"]) for row in rows] == [("cpp_loader", 1), ("keras_hub_export", 1), ("keras_hub_export", 3)]
    for row in rows:
        assert set(row) == FIELDS
        assert row["difference"] < 1e-5
        assert 0 < row["p50_ms"] <= row["p99_ms"] and row["peer_p50_ms"] > 0
        assert row["peer_startup_seconds"] > 0 and row["startup_seconds"] > 0
    assert "keras-hub" in rows[-1]["versions"]
    assert "| keras_hub_export | float32 | 3 | 24 |" in printed and "| cpp_loader | float32 |" in printed


@pytest.mark.slow
def test_a_short_run_beside_fastapi(root, tmp_path, peers_python):
    pytest.importorskip("uvicorn", reason="needs the extra serving")
    rows, _ = run(root, tmp_path / "out.json", "--clients", 2, "--peers", "fastapi_eager", "--peers_python", peers_python)
    assert [(row["peer"], row["clients"]) for row in rows] == [("fastapi_eager", 2)]
    assert rows[0]["difference"] < 1e-5 and {"fastapi", "torch", "keras_bert"} <= set(rows[0]["versions"])


def test_targets_are_of_many_clients_and_of_one_and_beside_servers():
    assert [serving.target(BY_NAME["fastapi_eager"], clients) for clients in (1, 4, 16)] == [(None, 1.0), (None, None), (1.5, None)]
    assert serving.target(BY_NAME["cpp_loader"], 1) == (None, None)


def test_runs_of_one_client_have_fewer_requests():
    assert [serving.requests_of(clients, 160) for clients in (1, 4, 16)] == [24, 40, 160]


def test_texts_are_of_mixed_length_and_the_same_in_every_run():
    texts = serving.mixed_texts()
    words = sorted(len(text.split()) for text in texts)
    assert texts == serving.mixed_texts() and len(texts) == serving.TEXTS
    assert words[0] < 12 and words[-1] > 90


@pytest.mark.parametrize(
    "flags, dtypes",
    [("fpu avx2 avx512_bf16", ["float32", "bfloat16"]), ("amx_bf16", ["float32", "bfloat16"]), ("fpu avx512f", ["float32"])],
)
def test_bfloat16_is_measured_where_the_processor_has_it(tmp_path, flags, dtypes):
    (tmp_path / "cpuinfo").write_text(f"processor: 0\nflags\t\t: {flags}\n")
    assert serving.dtypes_here(tmp_path / "cpuinfo") == dtypes
    assert serving.dtypes_here(tmp_path / "none") == ["float32"]


def test_a_wish_that_leaves_nothing_to_compare_is_told():
    options = command.parse(["serving", "--clients", "4", "--peers", "cpp_loader"])
    with pytest.raises(BenchmarkError, match="nothing to compare: cpp_loader has no network"):
        next(serving.measure(options))


class Answers:
    """Stands for a server that gives these probabilities and takes so many milliseconds a request."""

    name, startup_seconds, first_milliseconds = "side", 9.0, [4.0, 3.0]

    def __init__(self, outputs, milliseconds):
        self.given, self.milliseconds, self.log = outputs, milliseconds, []

    def ask(self, do, **request):
        self.log.append(request)
        if do == "outputs":
            return {"outputs": self.given}
        times = self.milliseconds * request["requests"]
        return {"seconds": sum(times) / 1e3 / request["clients"], "milliseconds": times, "checksum": len(times)}


def test_a_peer_of_other_probabilities_or_of_the_same_for_all_is_not_timed():
    ours = Answers([[0.4, 0.6], [0.25, 0.75]], [])
    assert serving.compare_outputs(ours, ours, "float32") == 0
    with pytest.raises(BenchmarkError, match=r"float32: probabilities differ by 0.002, over 0.0001"):
        serving.compare_outputs(ours, Answers([[0.4, 0.6], [0.252, 0.748]], []), "float32")
    same = Answers([[0.5, 0.5], [0.5, 0.5]], [])
    with pytest.raises(BenchmarkError, match="all texts are given the same"):
        serving.compare_outputs(same, same, "float32")


def test_a_row_tells_requests_a_second_and_times_and_the_table_shows_them():
    ours, theirs = Answers([], [10.0, 10.0, 10.0, 50.0]), Answers([], [40.0])
    row = serving.compare(ours, theirs, BY_NAME["fastapi_eager"], 2, SimpleNamespace(rounds=2, requests=24))
    assert (row["requests"], row["requests_per_second"], row["peer_requests_per_second"]) == (24, pytest.approx(100), pytest.approx(50))
    assert (row["ratio_median"], row["p50_ratio_median"]) == (pytest.approx(2), pytest.approx(4))
    assert (row["p50_ms"], row["p99_ms"], row["peer_p99_ms"]) == (10, 50, 40)
    assert ours.log == theirs.log == [{"clients": 2, "requests": 24}] * 3  # the first warms up
    row |= {"peer": "fastapi_eager", "dtype": "float32", "difference": 1e-7, "versions": {"one": "1"}, "cpu": "A CPU", "cores": 2}
    row |= {"threads": 2, "python": "3", "date": "2025-01-01", "rounds": 2, "layers": 12, "hidden": 768}
    printed = serving.table([row])
    assert "| fastapi_eager | float32 | 2 | 24 | 100.0, 50.0 | 2.00 | 0.00 |  | 10.0, 40.0 | 4.00 |  | 50.0, 40.0 | 1.0e-07 |" in printed
    assert "| local_server | float32 | 9.0 | ≤ 12 | 4.0 | 3.0 |" in printed


SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1  # a reply in one packet: two wait for each other
    def do_POST(self):
        (text,) = json.loads(self.rfile.read(int(self.headers["content-length"])))["instances"]
        body = json.dumps({"predictions": [{"probabilities": [len(text)], "path": self.path}]}).encode()
        self.send_response(500 if text == "bad" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("no JSON", flush=True)
print(json.dumps({"rest_port": server.server_port, "versions": {"one": "1"}}), flush=True)
server.serve_forever()
"""


def test_a_server_is_started_loaded_by_several_clients_and_ended():
    with servers.Server("one", [sys.executable, "-c", SERVER], ["a", "bb", "ccc"], threads=1) as server:
        assert server.versions == {"one": "1"} and len(server.first_milliseconds) == servers.FIRST_ANSWERS
        assert server.startup_seconds > server.first_milliseconds[0] / 1e3
        assert server.ask("outputs") == {"outputs": [[1], [2], [3]]}
        answer = server.ask("run", clients=3, requests=10)
        assert len(answer["milliseconds"]) == answer["checksum"] == 10 and answer["seconds"] > 0
        process = server._process
    assert process.poll() is not None


def test_what_a_server_refuses_and_a_server_that_does_not_start_are_told():
    with pytest.raises(BenchmarkError, match=r"server one gave no answer .*status 500"):
        servers.Server("one", [sys.executable, "-c", SERVER], ["bad"], threads=1)
    with pytest.raises(BenchmarkError, match=r"(?s)server two did not start.*no port here"):
        servers.Server("two", [sys.executable, "-c", "import sys; sys.exit('no port here')"], ["a"], threads=1)


def test_clients_ask_at_the_same_time_and_answers_keep_their_places():
    together = threading.Barrier(4)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version, wbufsize = "HTTP/1.1", -1

        def do_POST(self):
            (text,) = json.loads(self.rfile.read(int(self.headers["content-length"])))["instances"]
            together.wait(timeout=30)  # four requests are under way, or this breaks
            time.sleep(0.05 if text == "a" else 0)
            body = json.dumps({"predictions": [{"text": text, "path": self.path}]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        loaded = servers.load(server.server_port, ["a", "b"], clients=4, requests=8, timeout_seconds=30)
        server.shutdown()
    assert [row["text"] for row in loaded["rows"]] == ["a", "b"] * 4
    assert {row["path"] for row in loaded["rows"]} == {"/v1/models/classifier:predict"}
    assert min(loaded["milliseconds"][::2]) >= 50 and loaded["seconds"] >= 0.1


def test_p50_and_p99_of_a_hundred():
    values = list(range(100, 0, -1))
    assert [servers.share_below(values, share) for share in (0.5, 0.99)] == [51, 100]
    assert servers.share_below([7], 0.99) == 7
