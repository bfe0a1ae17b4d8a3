"""What a server is started with, and the requests that warm it up: text and arrays, without a model."""

import os
import shlex
import sys

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from export import server_files, warm_up
from export.buckets import bucket_lengths
from export.publish import benchmark_table, check_name
from export.version import NewVersion, remove_old


def test_lengths_double_up_to_the_longest():
    assert bucket_lengths(128) == [16, 32, 64, 128]
    assert bucket_lengths(100) == [16, 32, 64, 100]
    assert bucket_lengths(512) == [16, 32, 64, 128, 256, 512]
    assert bucket_lengths(16) == [16] and bucket_lengths(12) == [12]


def test_batching_takes_the_smallest_batch_that_is_near_the_most_examples_a_second():
    # 1 in 10 ms are 100 a second; 8 in 20 ms are 400; 32 in 78 ms are 410, which 8 is near to.
    parameters = server_files.batching_parameters({1: 0.010, 8: 0.020, 32: 0.078}, threads=4)
    assert parameters == {"max_batch_size": 8, "batch_timeout_micros": 5000, "max_enqueued_batches": 50, "num_batch_threads": 4}
    assert server_files.batching_parameters({1: 0.010, 8: 0.020, 32: 0.050}, threads=4)["max_batch_size"] == 32
    slow, fast = (server_files.batching_parameters({1: seconds}, threads=2) for seconds in (3.0, 0.0001))
    assert (slow["batch_timeout_micros"], slow["max_enqueued_batches"]) == (20_000, 2)
    assert fast["batch_timeout_micros"] == 1000


def test_the_texts_are_what_the_server_parses():
    session_bundle_config = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2", reason="extra serving")
    read = text_format.Parse(server_files.models_config("reviews"), session_bundle_config.ModelServerConfig())
    (config,) = read.model_config_list.config
    assert (config.name, config.base_path, config.model_platform) == ("reviews", "/models/reviews", "tensorflow")


def test_batching_text():
    text = server_files.batching_text({"max_batch_size": 8, "batch_timeout_micros": 5000})
    assert text.splitlines()[1:] == ["max_batch_size { value: 8 }", "batch_timeout_micros { value: 5000 }"]  # as TF Serving's guide has it
    assert text.startswith("#")


def test_the_docker_line_survives_a_shell(tmp_path):
    words = shlex.split(server_files.docker_line(tmp_path / "my models" / "reviews", "reviews", "2.19", batching=True))
    assert words[:3] == ["docker", "run", "--rm"]
    assert f"{tmp_path}/my models/reviews:/models/reviews:ro" in words and "TF_ENABLE_ONEDNN_OPTS=1" in words
    assert words[words.index("tensorflow/serving:2.19.0") :] == [
        "tensorflow/serving:2.19.0",
        "--model_config_file=/models/reviews/models.config",
        "--enable_batching",
        "--batching_parameters_file=/models/reviews/batching_parameters.txt",
    ]
    assert "--enable_batching" not in server_files.docker_line(tmp_path, "reviews", "2.19", batching=False)


def test_the_kubernetes_manifest():
    yaml = pytest.importorskip("yaml")
    text = server_files.kubernetes("My_Reviews", "2.20", batching=False, memory_bytes=1000 * 2**20)
    deployment, service = yaml.safe_load_all(text)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["--model_config_file=/models/My_Reviews/models.config"]
    assert container["env"][1] == {"name": "TF_ENABLE_ONEDNN_OPTS", "value": "1"}
    assert container["resources"] == {"requests": {"memory": "1000Mi"}, "limits": {"memory": "2000Mi"}}
    for kind in ("startup", "readiness", "liveness"):
        assert container[f"{kind}Probe"]["httpGet"] == {"path": "/v1/models/My_Reviews", "port": 8501}
    assert container["startupProbe"]["failureThreshold"] == 60
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == {"app": "my-reviews"}
    assert [port["port"] for port in service["spec"]["ports"]] == [8500, 8501]
    assert [part["metadata"]["name"] for part in yaml.safe_load_all(server_files.kubernetes("2.5", "2.20", batching=False))] == [
        "model-2-5"
    ] * 2
    without = yaml.safe_load_all(server_files.kubernetes("reviews", "2.20", batching=True))
    assert "resources" not in next(without)["spec"]["template"]["spec"]["containers"][0]


def test_a_file_that_a_user_has_made_theirs_stays(tmp_path):
    assert server_files.write_server_file(tmp_path, "models.config", server_files.models_config("a"))
    assert server_files.write_server_file(tmp_path, "models.config", server_files.models_config("b"))
    assert 'name: "b"' in (tmp_path / "models.config").read_text()
    (tmp_path / "models.config").write_text("# mine\n")
    assert not server_files.write_server_file(tmp_path, "models.config", server_files.models_config("c"))
    assert os.listdir(tmp_path) == ["models.config"] and (tmp_path / "models.config").read_text() == "# mine\n"


@pytest.mark.parametrize("name", ["", "my model", "a/b", "..", 'a"b', "größe"])
def test_a_name_that_no_url_has_is_told(name):
    with pytest.raises(ValueError, match="of the model: give one of letters"):
        check_name(name)
    assert check_name("reviews-2.v_1") == "reviews-2.v_1"


def test_the_newest_versions_stay(tmp_path):
    for name in ("1", "2", "9", "10", "notes"):
        (tmp_path / name / "variables").mkdir(parents=True)
    assert remove_old(tmp_path, None) == []
    assert remove_old(tmp_path, 2) == [1, 2]
    assert sorted(os.listdir(tmp_path)) == ["10", "9", "notes"]
    assert remove_old(tmp_path, 1) == [9] and remove_old(tmp_path, 5) == []
    for keep in (0, -1, True):
        with pytest.raises(ValueError, match=r"keep=.* is no number of versions"):
            remove_old(tmp_path, keep)


def test_a_version_is_renamed_when_whole_and_deleted_when_not(tmp_path):
    with NewVersion(tmp_path / "model") as version:
        assert os.listdir(tmp_path / "model") == [os.path.basename(version.building)] and version.path is None
    assert version.path == str(tmp_path / "model" / "1") and os.stat(version.path).st_mode & 0o777 == 0o755
    with pytest.raises(RuntimeError, match="stop"), NewVersion(tmp_path / "model"):
        raise RuntimeError("stop")
    assert os.listdir(tmp_path / "model") == ["1"]


def test_warm_up_records_are_requests_of_each_length(tmp_path):
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2", reason="extra serving")
    requests = {16: {"text": np.array([b"a a"])}, 32: {"text": np.array([b"a a a"])}}
    assert warm_up.write_warm_up(tmp_path, "reviews", "serving_default", requests) == 2
    records = tf.data.TFRecordDataset(str(tmp_path / "assets.extra" / "tf_serving_warmup_requests")).as_numpy_iterator()
    asked = [logs.PredictionLog.FromString(record).predict_log.request for record in records]
    assert [(request.model_spec.name, request.model_spec.signature_name) for request in asked] == [("reviews", "serving_default")] * 2
    assert [tf.make_ndarray(request.inputs["text"]).tolist() for request in asked] == [[b"a a"], [b"a a a"]]


def test_without_the_extra_no_warm_up_is_written(tmp_path, monkeypatch):
    for name in ("tensorflow_serving", "tensorflow_serving.apis"):
        monkeypatch.setitem(sys.modules, name, None)
    assert warm_up.write_warm_up(tmp_path, "reviews", "serving_default", {16: {"text": np.array([b"a"])}}) == 0
    assert os.listdir(tmp_path) == []


def test_the_table_of_a_benchmark():
    latencies = [{"length": 16, "batch_size": 8, "seconds": 0.02}]
    table = benchmark_table(
        {"latencies": latencies, "load_seconds": 1.0, "first_seconds": 2.0, "memory_bytes": 3 * 2**20, "peak_memory_bytes": None}
    )
    assert table.splitlines()[1].split() == ["16", "8", "20.0", "400.0"]
    assert table.splitlines()[2:] == ["loaded in 1.0 s, first answer in 2.0 s", "3 MB resident"]
