"""A local server in a process of its own, asked by REST and gRPC as TF Serving is."""

import json
import os
import shutil
import socket
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from local_server import LocalServer

import export
from keras_bert import BertEncoder, BertTagger

pytest.importorskip("uvicorn", reason="needs the extra serving")
pytest.importorskip("tensorflow_serving.apis", reason="needs the extra serving")
pytestmark = pytest.mark.slow  # the exports and the start of the server take a minute

TEXTS = ["good film", "", "bad " * 300, "日本 \U0001f600", "it was no good, a great bad film.", "a"]
NOT_UTF8 = {"b64": "/+S9"}


class Examples(tf.Module):
    """Answers serialized tf.Example: the length of `text` as a number and as a class."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        lengths = self._lengths(inputs)
        return {"classes": tf.tile([["short", "long"]], [tf.size(inputs), 1]), "scores": tf.stack([10.0 - lengths, lengths], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs):
        return {"outputs": self._lengths(inputs)}

    def _lengths(self, inputs):
        texts = tf.io.parse_example(inputs, {"text": tf.io.FixedLenFeature([], tf.string)})["text"]
        return tf.cast(tf.strings.length(texts), tf.float32)


@pytest.fixture(scope="module")
def tagger(quick_config, tiny_tokenizer):
    return BertTagger(BertEncoder(quick_config), ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], tiny_tokenizer, max_length=24)


@pytest.fixture(scope="module")
def directories(tmp_path_factory, shared_classifier, tagger):
    folder = tmp_path_factory.mktemp("served")
    export.export_saved_model(shared_classifier, folder / "reviews")
    export.export_saved_model(tagger, folder / "ner")
    module = Examples()
    path = str(folder / "examples" / "1")
    tf.saved_model.save(module, path, signatures={"serving_default": module.classify, "length": module.regress})
    from tensorflow.python.saved_model.method_name_updater import MethodNameUpdater

    updater = MethodNameUpdater(path)
    updater.replace_method_name(signature_key="serving_default", method_name="tensorflow/serving/classify")
    updater.replace_method_name(signature_key="length", method_name="tensorflow/serving/regress")
    updater.save()
    shutil.copytree(folder / "reviews", folder / "renewed")  # it gets a second version, and the tests may come in any order
    return {name: folder / name for name in ("reviews", "ner", "examples", "renewed")}


@pytest.fixture(scope="module")
def server(fresh_python, directories, root):
    flags = ["--header_seconds", "1", "--body_seconds", "1", "--max_body_bytes", "1000000", "--versions", "latest", "--labels", "stable=1"]
    server = LocalServer(fresh_python, directories, root, *flags)
    yield server
    server.close()


def test_rest_gives_the_answers_of_the_model(server, shared_classifier, tagger):
    answers = shared_classifier.answer(TEXTS)
    rows = server.predict("reviews", instances=[*TEXTS, NOT_UTF8])["predictions"]
    assert [row["label"] for row in rows[:-1]] == [answer["label"] for answer in answers]
    np.testing.assert_allclose([row["probabilities"] for row in rows[:-1]], [answer["probabilities"] for answer in answers], atol=1e-5)
    columns = server.predict("reviews", inputs={"text": [*TEXTS, NOT_UTF8]})["outputs"]
    assert [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] == rows
    for text, answer in zip(TEXTS, tagger.answer(TEXTS), strict=True):
        (row,) = server.predict("ner", instances=[text])["predictions"]
        assert row["words"][: row["word_count"]] == answer["words"] and row["entity_count"] == answer["entity_count"]
        assert row["entity_start"][: row["entity_count"]] == [entity["start"] for entity in answer["entities"]]


def test_paths_of_versions_labels_metadata_and_status(server):
    for place in ("/versions/1", "/labels/stable"):
        assert server.ask(f"/v1/models/reviews{place}:predict", {"instances": ["a"]})[0] == 200
    status, text = server.ask("/v1/models/reviews")
    (version,) = json.loads(text)["model_version_status"]
    assert version == {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    metadata = json.loads(server.ask("/v1/models/reviews/metadata")[1])
    assert metadata["model_spec"] == {"name": "reviews", "signature_name": "", "version": "1"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["text"]["dtype"] == "DT_STRING" and signature["method_name"] == "tensorflow/serving/predict"
    assert server.ask("/healthz") == (200, "ok\n")
    status, text = server.ask("/monitoring/prometheus/metrics")
    assert status == 200 and 'local_server_requests_total{api="REST",code="OK",method="predict",model_name="reviews"}' in text


def test_examples_are_classified_and_measured(server):
    examples = [{"text": "abc"}, {"text": ["abcd"]}]
    assert json.loads(server.ask("/v1/models/examples:classify", {"examples": examples})[1]) == {
        "results": [[["short", 7.0], ["long", 3.0]], [["short", 6.0], ["long", 4.0]]]
    }
    regressed = server.ask("/v1/models/examples:regress", {"signature_name": "length", "examples": examples})
    assert json.loads(regressed[1]) == {"results": [3.0, 4.0]}
    status, text = server.ask("/v1/models/reviews:classify", {"examples": examples})
    assert status == 400 and "Expected classify signature method_name" in text


@pytest.mark.parametrize(
    "path, body, status, message",
    [
        (":predict", b'{"instances": ["a"', 400, "JSON Parse error"),
        (":predict", b'{"instances": ["\xff"]}', 400, "not UTF-8"),
        (":predict", {"instances": [1]}, 400, "is not of expected type: string"),
        (":predict", {"instances": [["a"]]}, 400, "has shape [1, 1]; expected [?]"),
        (":predict", {"signature_name": "other", "instances": ["a"]}, 400, 'signature name: \\"other\\" not found'),
        (":predict", {"signature_name": 1, "instances": ["a"]}, 400, "'signature_name' key must be a string"),
        (
            ":predict",
            {"signature_name": "ids", "inputs": {"input_ids": [[99]], "token_type_ids": [[0]], "attention_mask": [[1]]}},
            400,
            "99",
        ),
        (":predict", b"x" * 10_000_000, 413, "more than 1000000 bytes"),
        ("/versions/7:predict", {"instances": ["a"]}, 404, "Specific(reviews, 7)"),
        ("/versions/99999999999999999999:predict", {"instances": ["a"]}, 400, "Failed to convert version"),
        ("/labels/none:predict", {"instances": ["a"]}, 400, "Unrecognized servable version label: none"),
        ("2:predict", {"instances": ["a"]}, 404, "Servable not found for request: Latest(reviews2)"),
        (":translate", {"instances": ["a"]}, 400, "Malformed request: POST"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_the_server_lives(server, path, body, status, message):
    got, text = server.ask(f"/v1/models/reviews{path}", body)
    assert got == status and message in text and list(json.loads(text)) == ["error"]
    assert server.ask("/healthz")[0] == 200
    assert server.predict("reviews", instances=["a"])["predictions"]


@pytest.mark.parametrize("sent", [b"", b"POST /v1/models/reviews:predict HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: a\r\n"])
def test_a_client_whose_headers_do_not_come_is_told_408(server, sent):
    assert _reply(server, sent).startswith(b"HTTP/1.1 408 ")


def test_a_client_whose_body_does_not_come_is_told_408(server):
    reply = _reply(server, b'POST /v1/models/reviews:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{"inst')
    assert reply.startswith(b"HTTP/1.1 408 ") and b"the body did not come within 1 seconds" in reply


def test_what_is_no_http_is_told_400(server):
    assert _reply(server, b"\x00\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def _reply(server, sent):
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=30) as connection:
        connection.sendall(sent)
        got = b""
        while part := connection.recv(65536):  # to the end: the server closes
            got += part
        return got


@pytest.fixture(scope="module")
def channel(server):
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield channel


def test_grpc_gives_the_answers_of_the_model(channel, shared_classifier):
    from tensorflow_serving.apis import classification_pb2, predict_pb2, prediction_service_pb2_grpc, regression_pb2

    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest(output_filter=["probabilities", "label"])
    request.model_spec.name = "reviews"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(TEXTS))
    response = stub.Predict(request)
    answers = shared_classifier.answer(TEXTS)
    assert sorted(response.outputs) == ["label", "probabilities"] and response.model_spec.version.value == 1
    assert [label.decode() for label in tf.make_ndarray(response.outputs["label"])] == [answer["label"] for answer in answers]
    expected = [answer["probabilities"] for answer in answers]
    np.testing.assert_allclose(tf.make_ndarray(response.outputs["probabilities"]), expected, atol=1e-5)
    for kind, name in ((classification_pb2.ClassificationRequest(), "Classify"), (regression_pb2.RegressionRequest(), "Regress")):
        kind.model_spec.name, kind.model_spec.signature_name = "examples", "" if name == "Classify" else "length"
        example = kind.input.example_list.examples.add()
        example.features.feature["text"].bytes_list.value.append(b"abc")
        result = getattr(stub, name)(kind).result
        if name == "Regress":
            assert [regression.value for regression in result.regressions] == [3.0]
        else:
            assert [(each.label, each.score) for each in result.classifications[0].classes] == [("short", 7.0), ("long", 3.0)]


def test_grpc_tells_metadata_status_health_and_its_services(channel):
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
    from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_service_pb2_grpc, prediction_service_pb2_grpc

    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "reviews"
    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata(request)
    definitions = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(definitions)
    assert {"ids", "serving_default"} <= set(definitions.signature_def)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "reviews"
    (status,) = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request).model_version_status
    assert (status.version, status.state, status.status.error_code) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE, 0)
    check = health_pb2_grpc.HealthStub(channel).Check
    for name in ("", "tensorflow.serving.PredictionService"):
        assert check(health_pb2.HealthCheckRequest(service=name)).status == health_pb2.HealthCheckResponse.SERVING
    assert "tensorflow.serving.PredictionService" in ProtoReflectionDescriptorDatabase(channel).get_services()


def test_grpc_refuses_by_its_codes(channel):
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    huge = tf.make_tensor_proto(np.zeros([1], "int32"))
    huge.tensor_shape.dim[0].size = 10**12  # a few bytes that stand for 4 TB
    for name, inputs, code, message in (
        ("none", {}, "NOT_FOUND", "Servable not found"),
        ("", {}, "INVALID_ARGUMENT", "Missing ModelSpec"),
        ("reviews", {}, "INVALID_ARGUMENT", r"takes \['text'\]"),
        ("reviews", {"text": tf.make_tensor_proto([1])}, "INVALID_ARGUMENT", "expected string"),
        ("reviews", {"text": tf.make_tensor_proto([["a"]])}, "INVALID_ARGUMENT", "has shape"),
        ("reviews", {"text": huge}, "INVALID_ARGUMENT", "at most"),
        ("reviews", {"text": tf.make_tensor_proto("a" * 2_000_000)}, "RESOURCE_EXHAUSTED", "larger than max"),
    ):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = name
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(value)
        with pytest.raises(grpc.RpcError, match=message) as raised:
            stub.Predict(request)
        assert raised.value.code() == getattr(grpc.StatusCode, code)


def test_grpc_says_what_it_does_not_have(channel):
    import grpc
    from tensorflow_serving.apis import inference_pb2, model_management_pb2, model_service_pb2_grpc, prediction_service_pb2_grpc

    predictions, models = prediction_service_pb2_grpc.PredictionServiceStub(channel), model_service_pb2_grpc.ModelServiceStub(channel)
    for method, request, message in (
        (predictions.MultiInference, inference_pb2.MultiInferenceRequest(), "MultiInference is not supported"),
        (models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest(), "models are those of its command line"),
    ):
        with pytest.raises(grpc.RpcError, match=message) as raised:
            method(request)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_broken_version_changes_nothing(server, directories):
    (directories["ner"] / "5").mkdir()
    (directories["ner"] / "5" / "saved_model.pb").write_bytes(b"half a")
    for _ in range(100):
        states = {each["version"]: each for each in json.loads(server.ask("/v1/models/ner")[1])["model_version_status"]}
        if states.get("5", {}).get("state") == "END":
            break
        threading.Event().wait(0.1)
    assert states["5"]["status"]["error_message"] and states["1"]["state"] == "AVAILABLE"
    assert server.predict("ner", instances=["a"])["predictions"]
    shutil.rmtree(directories["ner"] / "5")


def test_the_client_of_the_examples_by_rest_and_grpc(server, fresh_python, root):
    for flags in (["--server", f"127.0.0.1:{server.rest_port}"], ["--server", f"127.0.0.1:{server.grpc_port}", "--grpc"]):
        program = [sys.executable, "examples/query_server.py", "--model", "reviews", *flags]
        done = fresh_python.run([*program, "--text", "good film", "bad", "it", "--batch_size", "2"], cwd=root)
        assert done.returncode == 0, done.stderr
        *answers, last = map(json.loads, done.stdout.splitlines())
        rows = server.predict("reviews", instances=["good film", "bad", "it"])["predictions"]
        assert [(answer["text"], answer["answer"]["label"]) for answer in answers] == [
            (text, row["label"]) for text, row in zip(["good film", "bad", "it"], rows, strict=True)
        ]
        assert (last["requests"], last["texts"], last["failed"]) == (2, 3, 0)
    done = fresh_python.run([*program, "--nothing", "a", "--retries", "0"], cwd=root)
    assert done.returncode == 1 and "takes ['text']" in done.stderr


def test_a_new_version_takes_over_under_load_and_no_request_fails(server, fresh_python, directories, root):
    renewed = directories["renewed"]
    shutil.copytree(renewed / "1", renewed / ".aside")
    answered, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            answered.append(server.ask("/v1/models/renewed:predict", {"instances": TEXTS[3:4]})[0])

    def wait_for(condition):
        for _ in range(3000):
            if condition():
                return
            time.sleep(0.05)
        raise AssertionError(len(answered))

    def states():
        return {each["version"]: each["state"] for each in json.loads(server.ask("/v1/models/renewed")[1])["model_version_status"]}

    clients = [threading.Thread(target=ask) for _ in range(16)]
    for client in clients:
        client.start()
    try:
        wait_for(lambda: len(answered) >= 100)
        os.rename(renewed / ".aside", renewed / "2")
        wait_for(lambda: states().get("2") == "AVAILABLE")
        there = len(answered)
        wait_for(lambda: len(answered) >= max(1000, there + 100))  # it answers under the same load
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert set(answered) == {200}
    assert states() == {"1": "AVAILABLE", "2": "AVAILABLE"}  # 1 has a label
    flags = ["--load", "200", "--clients", "16", "--batch_size", "1", "--retries", "0", "--server", f"127.0.0.1:{server.rest_port}"]
    command = [sys.executable, "examples/query_server.py", "--model", "renewed", *flags, "--text", *TEXTS[3:]]
    last = json.loads(fresh_python.run(command, cwd=root, check=True).stdout.splitlines()[-1])
    assert (last["requests"], last["failed"], last["retried"]) == (200, 0, 0) and 0 < last["p50_ms"] <= last["p95_ms"] <= last["p99_ms"]
    assert json.loads(server.ask("/v1/models/renewed/metadata")[1])["model_spec"]["version"] == "2"
