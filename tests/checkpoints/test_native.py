import json
import os
import sys

import numpy as np
import pytest

import keras_bert
from keras_bert import BertClassifier, BertEncoder
from keras_bert.checkpoints import save_network

TEXTS = ["good film", "bad", "", "it was great, no?"]


def test_classifier_round_trips_in_a_fresh_process(fresh_python, tmp_path, tiny_classifier):
    tiny_classifier.save_pretrained(tmp_path / "model")
    program = f"""
import keras_bert, numpy as np
model = keras_bert.from_pretrained({str(tmp_path / "model")!r})
np.save({str(tmp_path / "got.npy")!r}, model.predict({TEXTS!r}, verbose=0))
print(model.labels)
"""
    done = fresh_python.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "['negative', 'positive', 'neutral']"
    np.testing.assert_array_equal(np.load(tmp_path / "got.npy"), tiny_classifier.predict(TEXTS, verbose=0))


def test_every_setting_round_trips(tmp_path, tiny_config, tiny_tokenizer):
    options = {"pooling": "mean", "dropout": 0.25, "max_length": 20, "pad_to_multiple_of": None, "text_pair": True}
    model = BertClassifier(BertEncoder(tiny_config, pooler=False), ["a", "b"], tiny_tokenizer, **options)
    model.save_pretrained(tmp_path / "model")
    again = BertClassifier.from_pretrained(tmp_path / "model")
    assert again.settings() == model.settings()
    assert again.network.pooling == "mean" and again.network.dropout == 0.25
    changed = BertClassifier.from_pretrained(tmp_path / "model", max_length=10)
    assert changed.max_length == 10 and changed.text_pair is True


def test_the_bare_encoder_of_a_classifier(tmp_path, tiny_classifier):
    tiny_classifier.save_pretrained(tmp_path / "model")
    encoder = keras_bert.from_pretrained(tmp_path / "model", cls=BertEncoder)
    for got, expected in zip(encoder.get_weights(), tiny_classifier.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_encoder_round_trips(tmp_path, tiny_config):
    encoder = BertEncoder(tiny_config, pooler=False)
    save_network(encoder, tmp_path / "encoder")
    again = keras_bert.from_pretrained(tmp_path / "encoder")
    assert isinstance(again, BertEncoder) and again.config == tiny_config
    for got, expected in zip(again.get_weights(), encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_new_labels_say_that_the_head_is_new(tmp_path, tiny_classifier):
    tiny_classifier.save_pretrained(tmp_path / "model")
    with pytest.warns(UserWarning, match="classifier/kernel, classifier/bias: newly initialised"):
        again = BertClassifier.from_pretrained(tmp_path / "model", labels=["a", "b"])
    np.testing.assert_array_equal(again.encoder.get_weights()[0], tiny_classifier.encoder.get_weights()[0])


def test_saving_over_a_model_replaces_it_whole(tmp_path, tiny_classifier):
    tiny_classifier.save_pretrained(tmp_path / "model")
    weight = tiny_classifier.network.weights[-1]
    weight.assign(weight + 1)
    tiny_classifier.save_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(BertClassifier.from_pretrained(tmp_path / "model").network.weights[-1], weight)
    assert sorted(os.listdir(tmp_path / "model")) == ["keras_bert.json", "model.safetensors", "vocab.txt"]
    assert os.listdir(tmp_path) == ["model"]


def test_a_directory_with_other_things_is_not_replaced(tmp_path, tiny_classifier):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds notes\.txt, which writing there would delete"):
        tiny_classifier.save_pretrained(tmp_path)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_another_pooling_takes_a_new_head(tmp_path, tiny_classifier):
    tiny_classifier.save_pretrained(tmp_path / "pooler")
    with pytest.warns(UserWarning, match="classifier/kernel, classifier/bias: newly initialised"):
        mean = BertClassifier.from_pretrained(tmp_path / "pooler", pooling="mean")
    mean.save_pretrained(tmp_path / "mean")
    with pytest.warns(UserWarning, match="pooler/dense/kernel, pooler/dense/bias, classifier/kernel, classifier/bias: newly initialised"):
        BertClassifier.from_pretrained(tmp_path / "mean", pooling="pooler")


def test_a_fixed_length_can_be_asked_of_a_saved_model(tmp_path, tiny_classifier):
    tiny_classifier.save_pretrained(tmp_path / "model")
    assert BertClassifier.from_pretrained(tmp_path / "model", pad_to_multiple_of=None).preprocess(["a"])["input_ids"].shape == (1, 32)


def test_a_failed_save_leaves_the_old_model(tmp_path, tiny_classifier, monkeypatch):
    import keras_bert.checkpoints.native as native

    tiny_classifier.save_pretrained(tmp_path / "model")
    before = (tmp_path / "model" / "model.safetensors").read_bytes()

    def full_disk(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(native, "write_safetensors", full_disk)
    with pytest.raises(OSError, match="No space left"):
        tiny_classifier.save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before
    assert os.listdir(tmp_path) == ["model"]


def test_a_file_in_the_way_is_told(tmp_path, tiny_classifier):
    (tmp_path / "model").write_text("x")
    with pytest.raises(ValueError, match="is a file"):
        tiny_classifier.save_pretrained(tmp_path / "model")


@pytest.mark.parametrize(("change", "words"), [({"format": 99}, "format 99"), ({"class": "BertTranslator"}, "BertTranslator")])
def test_what_this_version_does_not_know_is_told(tmp_path, tiny_classifier, change, words):
    tiny_classifier.save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "keras_bert.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=words):
        keras_bert.from_pretrained(tmp_path / "model")


def test_a_broken_description_is_named(tmp_path, tiny_classifier):
    tiny_classifier.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "keras_bert.json").write_text("{")
    with pytest.raises(ValueError, match=r"keras_bert\.json is not JSON"):
        keras_bert.from_pretrained(tmp_path / "model")


def test_an_encoder_directory_is_where_a_classifier_starts(tmp_path, tiny_config):
    encoder = BertEncoder(tiny_config)
    save_network(encoder, tmp_path / "encoder")
    with pytest.raises(ValueError, match="names no labels"):
        BertClassifier.from_pretrained(tmp_path / "encoder")
    with pytest.warns(UserWarning, match="classifier/kernel, classifier/bias: newly initialised"):
        model = BertClassifier.from_pretrained(tmp_path / "encoder", labels=["a", "b"])
    for got, expected in zip(model.encoder.get_weights(), encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_directory_of_an_earlier_version_is_read(tmp_path, tiny_classifier, tiny_config):
    from keras_bert.checkpoints import load_network
    from keras_bert.models import TextEmbedder

    tiny_classifier.save_pretrained(tmp_path / "classifier")
    save_network(TextEmbedder(BertEncoder(tiny_config), pooling="max"), tmp_path / "embedder")
    for name, newer in (("classifier", ("problem_type", "activation")), ("embedder", ("dense",))):
        path = tmp_path / name / "keras_bert.json"
        values = json.loads(path.read_text())
        for setting in newer:  # which earlier versions did not know
            del values["settings"][setting]
        path.write_text(json.dumps(values))
    classifier = load_network(tmp_path / "classifier", strict=True)
    assert (classifier.problem_type, classifier.activation) == ("single_label_classification", "softmax")
    assert load_network(tmp_path / "embedder", strict=True).settings() == {"pooling": "max", "dense": [], "normalize": True}


def test_a_task_s_problem_is_kept(tmp_path, tiny_config):
    model = BertClassifier(BertEncoder(tiny_config), ["a", "b"], problem_type="multi_label_classification", activation="linear")
    model.save_pretrained(tmp_path / "model")
    again = BertClassifier.from_pretrained(tmp_path / "model")
    assert (again.network.problem_type, again.network.activation) == ("multi_label_classification", "linear")
