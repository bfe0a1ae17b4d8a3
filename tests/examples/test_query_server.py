"""The client of a model server: what is wrong in its flags, its file or the reply is told in a line. test_local_server.py asks with it."""

import http.server
import json
import sys
import threading

import pytest
import query_server


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["query_server.py", "--model", "reviews", *map(str, words)])
    query_server.main()


@pytest.mark.parametrize(
    "words, message",
    [
        (["--server", "http://127.0.0.1:8501"], "'http://127.0.0.1:8501' is not host:port"),
        (["--server", "127.0.0.1"], "is not host:port"),
        (["--version", "newest"], "invalid whole number of 0 or more value: 'newest'"),
        (["--batch_size", "0"], "invalid whole number of 1 or more value: '0'"),
        (["--load", "0"], "invalid whole number of 1 or more value: '0'"),
        (["--clients", "-1"], "invalid whole number of 1 or more value: '-1'"),
        (["--retries", "-1"], "invalid whole number of 0 or more value: '-1'"),
        (["--timeout", "0"], "invalid seconds value: '0'"),
        (["--text_pair", "a", "b"], "each with as many values as there are examples"),
    ],
)
def test_a_wrong_flag_is_told(monkeypatch, capsys, words, message):
    with pytest.raises(SystemExit):
        run(monkeypatch, "--text", "a", *words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "content, message", [(b"", "it has no line"), (b"a\n\xff\n", "can't decode byte 0xff"), (None, "No such file or directory")]
)
def test_a_file_without_texts_is_told(monkeypatch, capsys, tmp_path, content, message):
    path = tmp_path / "texts.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit):
        run(monkeypatch, "--file", path)
    assert f"--file {path}: " in (told := capsys.readouterr().err) and message in told


def test_without_the_extra_grpc_is_told(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "grpc", None)  # the first that is looked for
    with pytest.raises(SystemExit):
        run(monkeypatch, "--text", "a", "--grpc")
    assert "it needs the extra `serving`" in capsys.readouterr().err


@pytest.fixture
def echo():
    """A server that gives the texts back; "odd" it answers with a page. It notes the paths. Returns: its port, list of the paths."""
    paths = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            paths.append(self.path)
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]["text"]
            reply = b"<html>" if texts == ["odd"] else json.dumps({"outputs": {"text": texts}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port, paths
    server.shutdown()
    thread.join()
    server.server_close()


def asked(monkeypatch, capsys, *words):
    """Returns: exit status, the JSON lines that are printed, stderr."""
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *words)
    printed = capsys.readouterr()
    return ended.value.code, [json.loads(line) for line in printed.out.splitlines()], printed.err


def test_a_line_of_a_megabyte_a_text_like_a_flag_and_a_name_with_a_space(monkeypatch, capsys, tmp_path, echo):
    (tmp_path / "texts.txt").write_text("x" * 10**6)
    words = ["--model", "größe a", "--server", f"127.0.0.1:{echo[0]}", "--text=--a=b", "--file", str(tmp_path / "texts.txt")]
    status, (first, second, last), _ = asked(monkeypatch, capsys, *words)
    assert (status, first["answer"]["text"], second["answer"]["text"]) == (0, "--a=b", "x" * 10**6)
    assert (last["texts"], last["failed"]) == (2, 0) and echo[1] == ["/v1/models/gr%C3%B6%C3%9Fe%20a:predict"]


@pytest.mark.parametrize("load", [[], ["--load", "3", "--clients", "2"]])
def test_what_is_no_prediction_is_told_and_not_asked_again(monkeypatch, capsys, echo, load):
    status, (last,), errors = asked(monkeypatch, capsys, "--server", f"127.0.0.1:{echo[0]}", "--text", "odd", *load)
    assert status == 1 and "answers what is no prediction: <html>" in errors
    assert last["failed"] == last["requests"] == len(echo[1]) == (3 if load else 1) and last["retried"] == 0


def test_a_dead_port_is_tried_again_and_told(monkeypatch, capsys):
    monkeypatch.setattr(query_server, "FIRST_PAUSE", 0.001)
    status, (last,), errors = asked(monkeypatch, capsys, "--server", "127.0.0.1:1", "--text", "a", "--retries", "2")
    assert status == 1 and "127.0.0.1:1: ConnectionRefusedError" in errors and (last["failed"], last["retried"]) == (1, 2)
