import json
import os

import numpy as np
import pytest

import export
from export import __main__ as command_line
from export import publish as publishing
from export import verify
from export.buckets import bucket_requests
from keras_bert import BertClassifier, BertEncoder


def test_the_command_publishes_measures_and_tells_how_to_serve(answers_of_forks, tmp_path, shared_classifier, capsys, monkeypatch):
    shared_classifier.save_pretrained(tmp_path / "model")
    served = tmp_path / "reviews"
    for name in ("1", "2", "3"):
        (served / name).mkdir(parents=True)
    seen = []
    real = verify.verify_saved_model

    def looked(path, model):
        seen.append(sorted(name for name in os.listdir(served) if name.isdigit()))
        return real(path, model)

    monkeypatch.setattr(publishing, "verify_saved_model", looked)
    options = ["--tf_serving", "2.19", "--keep", "2", "--kubernetes", "--benchmark", "--max_length", "20"]
    command_line.main(["--model", str(tmp_path / "model"), "--output", str(served), *options])
    printed = capsys.readouterr().out.splitlines()
    result = json.loads(printed[-1])
    assert seen == [["1", "2", "3"]]  # it had no number before it was verified
    assert result["saved_model"] == str(served / "4") and result["export_max_abs_diff"] <= 1e-6 and result["removed"] == [1, 2]
    assert sorted(os.listdir(served)) == ["3", "4", "batching_parameters.txt", "kubernetes.yaml", "models.config"]
    assert f"    {result['docker']}" in printed and "-e TF_ENABLE_ONEDNN_OPTS=1 tensorflow/serving:2.19.0" in result["docker"]
    said = json.loads((served / "4" / "saved_model.json").read_text())
    assert said["parity"] == {"max_abs_diff": result["export_max_abs_diff"], "texts": 6}
    assert said["source"] == str(tmp_path / "model") and said["settings"]["max_length"] == 20
    measured = [(each["length"], each["batch_size"]) for each in said["measured"]["latencies"]]
    assert measured == [(length, size) for length in (16, 20) for size in (1, 8, 32)]
    assert said["measured"]["peak_memory_bytes"] >= said["measured"]["memory_bytes"] > 2**26 and said["measured"]["load_seconds"] > 0


def test_answers_that_differ_are_not_published(tmp_path, shared_classifier, monkeypatch):
    monkeypatch.setattr(publishing, "verify_saved_model", lambda path, model: 0.5)
    with pytest.raises(ValueError, match=r"answers differ from the model's by 0\.5, over 0\.0001"):
        export.publish_saved_model(shared_classifier, tmp_path / "reviews")
    assert os.listdir(tmp_path / "reviews") == []


def test_what_cannot_be_is_told_before_anything_is_traced(tmp_path, shared_classifier, monkeypatch):
    monkeypatch.setattr(publishing, "checked_servable", None)
    with pytest.raises(ValueError, match="name='a b' of the model"):
        export.publish_saved_model(shared_classifier, tmp_path / "a b")
    with pytest.raises(ValueError, match="keep=0 is no number"):
        export.publish_saved_model(shared_classifier, tmp_path / "reviews", keep=0)
    assert os.listdir(tmp_path) == []


def test_a_request_of_each_length_has_about_so_many_tokens(shared_pair_classifier, quick_config):
    signature, requests = bucket_requests(shared_pair_classifier)
    assert signature == "serving_default" and list(requests) == [16, 32]
    for length, inputs in requests.items():
        rows = shared_pair_classifier.preprocess(inputs["text"], inputs["text_pair"])
        tokens = int(np.sum(rows["attention_mask"]))
        assert 0.7 * length <= tokens <= length
    signature, requests = bucket_requests(BertClassifier(BertEncoder(quick_config), ["no", "yes"]))
    assert signature == "ids" and requests[16]["input_ids"].shape == (1, 16)
