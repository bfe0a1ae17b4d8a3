"""A small hub on this machine serves what the real one does: its API, redirects to another address for large files, ranges, errors."""

import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse

import pytest

from keras_bert.checkpoints import hub

# The client's environment is read when huggingface_hub is imported, so it runs in a process of its own.
CLIENT = """
import importlib.util, json, os, sys, urllib.request, warnings
from huggingface_hub import constants
spec = importlib.util.spec_from_file_location("hub", "keras_bert/checkpoints/hub.py")   # alone: it needs no TensorFlow
hub = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hub)
constants.DOWNLOAD_CHUNK_SIZE = 1 << 14   # what is kept of a download that is cut off is whole chunks

def fetch(url):
    directory = hub.fetch(url)
    files = sorted(os.path.relpath(os.path.join(root, f), directory) for root, _, found in os.walk(directory) for f in found)
    return {"directory": directory, "files": files}

def load(url, expected):
    import numpy as np
    from keras_bert.checkpoints.checkpoint import load_weights
    from keras_bert.checkpoints.recognise import open_checkpoint
    from keras_bert.models import BertEncoder, SequenceClassifier
    checkpoint = open_checkpoint(url)
    network = SequenceClassifier(BertEncoder(checkpoint.config), 3)
    load_weights(network, checkpoint)
    expected = np.load(expected)
    logits = network({key: expected[key].astype("int32") for key in ("input_ids", "token_type_ids", "attention_mask")})
    return {"labels": checkpoint.labels, "difference": float(np.abs(np.asarray(logits) - expected["logits"]).max())}

def mark(name):
    urllib.request.urlopen(os.environ["MARKS"] + "/mark/" + name).close()

results = {}
for name, job, url in json.loads(sys.argv[1]):
    mark(name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            results[name] = fetch(url) if job == "fetch" else load(url, job)
        except Exception as error:
            results[name] = {"error": type(error).__name__, "message": str(error)}
    results[name]["warnings"] = [str(warning.message) for warning in caught if warning.category is UserWarning]
mark("end")
print(json.dumps(results))
"""


# What is wrong with the server while these jobs run: every large file is refused, the first one is cut off, or nobody answers.
AILING = {
    "/mark/dead": "dead",
    "/mark/cut": "cutting",
    "/mark/away": "away",
    "/mark/away_other_program": "away",
    "/mark/away_absent": "away",
}


class Repository:
    def __init__(self, revisions):
        self.revisions = {name: dict(files) for name, files in revisions.items()}

    def commit_of(self, revision):
        for name, files in self.revisions.items():
            commit = hashlib.sha1((name + repr(sorted(files))).encode()).hexdigest()
            if revision in (name, commit):
                return commit, files
        return None, None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        server, path = self.server, urllib.parse.unquote(self.path.split("?")[0])
        server.log.append((self.command, path, self.headers.get("Range")))
        if path.startswith("/mark/"):
            server.ailing = AILING.get(path)
            return self.answer(b"")
        if server.ailing == "away":
            self.close_connection = True
            return None
        if path.startswith("/cdn/"):
            return self.send_part(server.large[path.removeprefix("/cdn/")])
        found = re.fullmatch(r"(?:/api/models)?/([^/]+/[^/]+?)(?:/(revision|tree|resolve)/(.+))?", path)
        name, what, rest = found.groups()
        if name in server.renamed:
            return self.answer(b"", 307, Location=self.path.replace(name, server.renamed[name]))
        if name == "tiny/gated":
            return self.answer(b"{}", 403, **{"X-Error-Code": "GatedRepo"})
        if name not in server.repositories:
            return self.answer(b"{}", 404, **{"X-Error-Code": "RepoNotFound"})
        revision, _, file = (rest or "main").partition("/") if what == "resolve" else (rest or "main", "", "")
        commit, files = server.repositories[name].commit_of(revision)
        if commit is None:
            return self.answer(b"{}", 404, **{"X-Error-Code": "RevisionNotFound"})
        if what == "tree":
            return self.answer(json.dumps([self.entry(file, data) for file, data in files.items()]).encode())
        if what == "resolve":
            return self.send_file(commit, files, file)
        siblings = [{"rfilename": file} for file in files]
        return self.answer(json.dumps({"id": name, "modelId": name, "sha": commit, "siblings": siblings, "private": False}).encode())

    @staticmethod
    def entry(file, data):
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        entry = {"type": "file", "oid": blob, "size": len(data), "path": file}
        if file.endswith(".safetensors"):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return entry

    def send_file(self, commit, files, file):
        if file not in files:
            return self.answer(b"", 404, **{"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        entry = self.entry(file, files[file])
        if "lfs" not in entry:
            return self.answer(files[file], ETag=f'"{entry["oid"]}"', **{"X-Repo-Commit": commit})
        digest = entry["lfs"]["oid"]
        self.server.large[digest] = files[file]
        headers = {"X-Linked-Size": str(entry["size"]), "X-Linked-ETag": f'"{digest}"', "X-Repo-Commit": commit}
        return self.answer(b"", 302, Location=f"{self.server.cdn}/cdn/{digest}", **headers)

    def send_part(self, data):
        if self.server.ailing == "dead":
            return self.answer(b"", 503)
        start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1]) if "Range" in self.headers else 0
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        if self.server.ailing == "cutting" and self.command == "GET":
            self.server.ailing = None
            self.answer(data, send=len(data) // 2)
            self.close_connection = True
            return None
        return self.answer(data[start:], 206 if start else 200, **headers)

    def answer(self, body, status=200, send=None, **headers):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:send])


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, repositories):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories, self.renamed, self.large, self.log, self.ailing = repositories, {}, {}, [], None
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.cdn = f"http://localhost:{self.server_port}"  # another name: what is redirected leaves the hub's own address

    def requests_of(self, mark):
        """What was asked from a mark to the next."""
        start = self.log.index(("GET", f"/mark/{mark}", None)) + 1
        end = next(index for index in range(start, len(self.log)) if self.log[index][1].startswith("/mark/"))
        return self.log[start:end]


@pytest.fixture(scope="module")
def model_files(reference):
    directory = reference / "hugging_face" / "sequence_classification"
    files = {name: (directory / name).read_bytes() for name in ("config.json", "model.safetensors")}
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{index}" for index in range(995)]
    return files | {"vocab.txt": "\n".join(vocabulary).encode(), "README.md": b"# Read me"}


@pytest.fixture(scope="module")
def served(model_files):
    unwanted = {"pytorch_model.bin": b"pickle", "tf_model.h5": b"h5", "onnx/model.onnx": b"onnx", "flax_model.msgpack": b"flax"}
    older = model_files | {"config.json": model_files["config.json"].replace(b'"neutral"', b'"so-so"')}
    modules = {"modules.json": b"[]", "1_Pooling/config.json": b"{}", "2_Normalize/config.json": b"{}"}
    server = Server(
        {
            "tiny/bert": Repository({"main": model_files | unwanted, "v1.0": older}),
            "tiny/embedder": Repository({"main": model_files | modules | unwanted}),
            "tiny/refused": Repository({"main": model_files}),
            "tiny/cut": Repository({"main": model_files}),
            "tiny/pickles": Repository({"main": {"config.json": b"{}", "pytorch_model.bin": b"pickle", "vocab.txt": b"[PAD]"}}),
        }
    )
    server.renamed["tiny/formerly"] = "tiny/embedder"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def run_client(root, server, jobs, **environment):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    environment = kept | {"HF_ENDPOINT": server.url, "MARKS": server.url, "HF_HUB_DISABLE_PROGRESS_BARS": "1"} | environment
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, json.dumps(jobs)],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def online(root, reference, served, home):
    """What a client with a fresh HF_HOME gets, one thing after the other."""
    expected = str(reference / "hugging_face" / "sequence_classification" / "expected.npz")
    jobs = [
        ("load", expected, "hf://tiny/bert"),
        ("files", "fetch", "hf://tiny/bert"),
        ("commit", "fetch", f"hf://tiny/bert@{served.repositories['tiny/bert'].commit_of('main')[0]}"),
        ("older", expected, "hf://tiny/bert@v1.0"),
        ("renamed", "fetch", "hf://tiny/formerly"),
        ("pickles", "fetch", "hf://tiny/pickles"),
        ("unknown", "fetch", "hf://tiny/nobody"),
        ("unknown_revision", "fetch", "hf://tiny/bert@v9"),
        ("gated", "fetch", "hf://tiny/gated"),
        ("dead", "fetch", "hf://tiny/refused"),
        ("cut", "fetch", "hf://tiny/cut"),
    ]
    return run_client(root, served, jobs, HF_HOME=str(home))


@pytest.fixture(scope="module")
def of_another_program(home, online):
    """In the cache, tiny/formerly becomes another program's: without the library's note of what belongs to a whole snapshot."""
    shutil.rmtree(home / "hub" / "models--tiny--formerly" / "trees")


@pytest.fixture(scope="module")
def away(root, served, home, of_another_program):
    """The same cache, and a hub that does not answer."""
    jobs = [
        ("away", "fetch", "hf://tiny/bert@v1.0"),
        ("away_other_program", "fetch", "hf://tiny/formerly"),
        ("away_absent", "fetch", "hf://tiny/other"),
    ]
    return run_client(root, served, jobs, HF_HOME=str(home))


@pytest.fixture(scope="module")
def offline(root, served, home, of_another_program):
    """The same cache, given by HF_HUB_CACHE, and no requests allowed."""
    jobs = [
        ("offline_cached", "fetch", "hf://tiny/bert"),
        ("offline_absent", "fetch", "hf://tiny/other"),
        ("offline_partial", "fetch", "hf://tiny/refused"),
        ("offline_other_program", "fetch", "hf://tiny/formerly"),
    ]
    return run_client(root, served, jobs, HF_HOME=str(home / "elsewhere"), HF_HUB_CACHE=str(home / "hub"), HF_HUB_OFFLINE="1")


def test_a_model_is_fetched_and_loaded(online):
    assert online["load"]["labels"] == ["negative", "neutral", "positive"]
    assert online["load"]["difference"] < 1e-5


def test_only_what_a_reader_wants_is_fetched(online, served):
    assert online["files"]["files"] == ["config.json", "model.safetensors", "vocab.txt"]
    asked = {path.rpartition("/")[2] for _, path, _ in served.requests_of("load") if "/resolve/" in path}
    assert asked == {"config.json", "model.safetensors", "vocab.txt"}


def test_the_second_time_no_file_is_fetched_and_of_a_commit_nothing_is_asked(online, served):
    assert any("/resolve/" in path for _, path, _ in served.requests_of("load"))
    assert served.requests_of("files")
    assert not any("/resolve/" in path for _, path, _ in served.requests_of("files"))
    assert online["commit"]["files"] == online["files"]["files"]
    assert served.requests_of("commit") == []


def test_a_revision_is_fetched(online):
    assert online["older"]["labels"] == ["negative", "so-so", "positive"]


def test_a_renamed_repository_and_folders_of_modules_are_fetched(online):
    wanted = ["1_Pooling/config.json", "2_Normalize/config.json", "config.json", "model.safetensors", "modules.json", "vocab.txt"]
    assert online["renamed"]["files"] == wanted


@pytest.mark.parametrize(
    ("job", "error", "message"),
    [
        (
            "pickles",
            "ValueError",
            r"hf://tiny/pickles holds config\.json, pytorch_model\.bin, vocab\.txt: no weights .*Pickles .* are refused",
        ),
        ("unknown", "FileNotFoundError", r"hf://tiny/nobody: the hub has no repository tiny/nobody; if it is a private one, log in"),
        ("unknown_revision", "FileNotFoundError", r"hf://tiny/bert@v9: tiny/bert has no branch, tag or commit 'v9'"),
        ("gated", "PermissionError", r"hf://tiny/gated: the owner of tiny/gated grants access one by one"),
        ("dead", "OSError", r"hf://tiny/refused could not be fetched: HfHubHTTPError: .*503"),
    ],
)
def test_what_cannot_be_had_is_told(online, job, error, message):
    assert online[job]["error"] == error
    assert re.match(message, online[job]["message"], re.DOTALL)


def test_offline_the_cache_is_used(offline, served):
    assert offline["offline_cached"]["files"] == ["config.json", "model.safetensors", "vocab.txt"]
    for job in ("offline_cached", "offline_absent", "offline_partial"):
        assert served.requests_of(job) == []


@pytest.mark.parametrize("job", ["offline_absent", "offline_partial"])
def test_offline_what_is_not_whole_in_the_cache_is_told(offline, home, job):
    assert offline[job]["error"] == "FileNotFoundError"
    assert f"is not whole in the cache {home / 'hub'}, and HF_HUB_OFFLINE forbids" in offline[job]["message"]


def test_offline_what_another_program_left_is_used(offline):
    assert "modules.json" in offline["offline_other_program"]["files"]


@pytest.mark.parametrize(("job", "repository"), [("away", "tiny/bert"), ("away_other_program", "tiny/formerly")])
def test_where_the_hub_does_not_answer_the_cache_is_used_and_a_warning_says_so(away, served, job, repository):
    assert {"config.json", "model.safetensors", "vocab.txt"} <= set(away[job]["files"])
    (message,) = away[job]["warnings"]
    commit, _ = served.repositories[served.renamed.get(repository, repository)].commit_of("v1.0" if job == "away" else "main")
    url = f"hf://{repository}" + ("@v1.0" if job == "away" else "")
    assert re.match(
        rf"{url} could not be fetched: \w+: .*\. The copy in the cache is used, which is commit {commit} of {repository}; ", message
    )


def test_where_the_hub_does_not_answer_and_the_cache_has_nothing_it_is_told(away):
    assert away["away_absent"]["error"] == "OSError"
    assert away["away_absent"]["message"].startswith("hf://tiny/other could not be fetched: ")


def test_without_need_there_is_no_warning(online, offline):
    assert not [job for jobs in (online, offline) for job, result in jobs.items() if result["warnings"]]


def test_a_download_that_is_cut_off_goes_on_where_it_ended(online, served, model_files):
    size = len(model_files["model.safetensors"])
    first, second = [range for method, path, range in served.requests_of("cut") if method == "GET" and path.startswith("/cdn/")]
    assert first is None and size // 4 < int(re.fullmatch(r"bytes=(\d+)-", second)[1]) <= size // 2
    with open(os.path.join(online["cut"]["directory"], "model.safetensors"), "rb") as file:
        assert file.read() == model_files["model.safetensors"]


@pytest.mark.parametrize(
    "url",
    [
        "hf://x",
        "hf://a/b/c",
        "hf://",
        "hf://../b",
        "hf://a/..",
        "hf://a/b@",
        "hf://a/b@../x",
        "hf://a/b@x/../y",
        "hf://a/b..c",
        "hf://a--b/c",
        "hf://a/b@x//y",
        "hf://a/b@/x",
        "hf://a/b@x/",
        "hf://a/b?x",
        "hf://a/b\n",
    ],
)
def test_another_url_is_refused(url):
    with pytest.raises(ValueError, match=r"is no model of the hub; expected hf://owner/name or hf://owner/name@revision") as raised:
        hub.fetch(url)
    assert repr(url) in str(raised.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("hf://google-bert/bert-base-uncased", ("google-bert/bert-base-uncased", None)),
        ("hf://a/b.c_d@v1.0", ("a/b.c_d", "v1.0")),
        ("hf://a/b@refs/pr/1", ("a/b", "refs/pr/1")),
    ],
)
def test_a_url_is_read(url, expected):
    assert hub.parse(url) == expected


def test_a_missing_library_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"hf://a/b needs huggingface_hub: pip install keras3-bert\[hub\]"):
        hub.fetch("hf://a/b")


SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
KERAS_HUB = ["assets/tokenizer/vocabulary.txt", "config.json", "model.weights.h5", "task.json", "task.weights.h5", "tokenizer.json"]
TENSORFLOW = ["bert_config.json", "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index", "vocab.txt"]
EMBEDDER = ["0_Transformer/config.json", "0_Transformer/model.safetensors", "1_Pooling/config.json", "modules.json"]


@pytest.mark.parametrize(
    ("wanted", "unwanted"),
    [
        (["config.json", *SHARDS], ["pytorch_model-00001-of-00002.bin"]),
        (["config.json", "model.safetensors"], SHARDS),  # one file is enough
        (["config.json", "model.safetensors"], ["model.weights.h5", "model.fp16.safetensors", "coreml/model.json", "training_args.bin"]),
        (KERAS_HUB, ["tf_model.h5", "README.md"]),
        (["config.json", "model.weights.json", "model_00000.weights.h5", "model_00001.weights.h5"], []),
        (TENSORFLOW, ["bert_model.ckpt.meta", "model.ckpt", "saved_model.pb"]),
        (EMBEDDER, ["0_Transformer/pytorch_model.bin", "0_Transformer/onnx/config.json"]),
        (["keras_bert.json", "model.safetensors", "sentencepiece.model"], []),
        ([], ["config.json", "pytorch_model.bin"]),
        ([], ["config.json", "tf_model.h5"]),
        ([], ["config.json", "model-00001-of-00002.safetensors"]),  # without their index
        ([], ["model.safetensors"]),  # without a configuration
        ([], ["bert_config.json", "bert_model.ckpt.data-00000-of-00001"]),
        ([], ["../config.json", "../model.safetensors"]),
    ],
)
def test_the_files_that_a_reader_wants(wanted, unwanted):
    assert hub.wanted_files(wanted + unwanted) == sorted(wanted)
