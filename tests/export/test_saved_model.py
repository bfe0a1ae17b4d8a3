import gc
import json
import os
import re
import subprocess
import sys
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import export
import keras_bert
from export import __main__ as command_line
from export import ask, saved_model, version
from export.network import network_in_dtype
from export.servable import servable
from keras_bert import BertClassifier, BertEncoder
from keras_bert.tasks.predictor import Predictor
from keras_bert.training.keras_internals import inner_graphs

TEXTS = ["good film", "", "bad " * 100_000, "日本 \U0001f600"]


def test_text_in_label_score_and_probabilities_out_of_a_fresh_process(tmp_path, tiny_classifier, request):
    path = export.export_saved_model(tiny_classifier, tmp_path)
    assert path == str(tmp_path / "1")
    encoded = np.array([text.encode() for text in TEXTS] + [b"not \xff utf8"])
    answers = export.run_saved_model(path, {"serving_default/text": encoded})
    expected = tiny_classifier.predict([*TEXTS, b"not \xff utf8"], verbose=0)
    np.testing.assert_allclose(answers["serving_default/probabilities"], expected, atol=1e-6)
    np.testing.assert_allclose(answers["serving_default/score"], expected.max(-1), atol=1e-6)
    assert answers["serving_default/label"].tolist() == [tiny_classifier.labels[i].encode() for i in expected.argmax(-1)]
    request.getfixturevalue("answers_of_forks")  # once is enough with a process that Python has started
    assert export.verify_saved_model(path, tiny_classifier) <= 1e-6


@pytest.mark.slow
def test_the_process_that_answers_imports_no_keras_bert(fresh_python, tmp_path, tiny_classifier):
    path = export.export_saved_model(tiny_classifier, tmp_path)
    program = f"""
import sys, runpy
sys.modules["keras_bert"] = None     # importing it now fails
sys.argv = ["ask", {path!r}, "--text", "good film", "bad"]
runpy.run_path({ask.__file__!r}, run_name="__main__")
"""
    done = fresh_python.run([sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    expected = tiny_classifier.predict(["good film", "bad"], verbose=0)
    assert [answer["text"] for answer in answers] == ["good film", "bad"]
    np.testing.assert_allclose([answer["probabilities"] for answer in answers], expected, atol=1e-6)
    assert [answer["label"] for answer in answers] == [tiny_classifier.labels[index] for index in expected.argmax(-1)]


def test_signatures_are_what_the_docs_say(tmp_path, shared_pair_classifier):
    loaded = tf.saved_model.load(export.export_saved_model(shared_pair_classifier, tmp_path))
    text = loaded.signatures["serving_default"].structured_input_signature[1]
    assert {name: (spec.dtype, spec.shape.rank) for name, spec in text.items()} == {"text": (tf.string, 1), "text_pair": (tf.string, 1)}
    ids = loaded.signatures["ids"].structured_input_signature[1]
    assert sorted(ids) == ["attention_mask", "input_ids", "token_type_ids"]
    assert {(spec.dtype, spec.shape.rank) for spec in ids.values()} == {(tf.int32, 2)}
    outputs = loaded.signatures["serving_default"].structured_outputs
    assert loaded.signatures["examples"].structured_outputs.keys() == outputs.keys()
    assert {name: spec.dtype for name, spec in outputs.items()} == {"label": tf.string, "score": tf.float32, "probabilities": tf.float32}


def test_classify_and_regress_are_as_tf_serving_demands(tmp_path, shared_classifier, quick_config, tiny_tokenizer):
    rater = BertClassifier(BertEncoder(quick_config), ["stars"], tiny_tokenizer, problem_type="regression", text_pair=True)
    methods, loaded = [], []
    for model in (shared_classifier, rater):
        path = export.export_saved_model(model, tmp_path / type(model.preprocessor).__name__)
        with open(os.path.join(path, "saved_model.pb"), "rb") as file:
            (graph,) = saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs
        methods.append({name: signature.method_name for name, signature in graph.signature_def.items() if signature.method_name})
        loaded.append(tf.saved_model.load(path).signatures)
    predict = dict.fromkeys(("serving_default", "ids", "examples"), "tensorflow/serving/predict")
    assert methods == [predict | {"classify": "tensorflow/serving/classify"}, predict | {"regress": "tensorflow/serving/regress"}]
    given = loaded[0]["classify"](inputs=tf.constant([example(text="good film"), example(text="bad")]))
    assert given["classes"].numpy().tolist() == [[b"negative", b"positive", b"neutral"]] * 2
    np.testing.assert_allclose(given["scores"], shared_classifier.predict(["good film", "bad"], verbose=0), atol=1e-6)
    given = loaded[1]["regress"](inputs=tf.constant([example(text="good", text_pair="bad film")]))
    np.testing.assert_allclose(given["outputs"], [answer["value"] for answer in rater.answer((["good"], ["bad film"]))], atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"text_pair.*data type: string.*required"):
        loaded[1]["regress"](inputs=tf.constant([example(text="good")]))


def example(**texts):
    """A serialized tf.Example. Returns: bytes."""
    bytes_lists = {name: tf.train.BytesList(value=[text.encode()]) for name, text in texts.items()}
    feature = {name: tf.train.Feature(bytes_list=value) for name, value in bytes_lists.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.mark.slow
def test_pairs_are_served(answers_of_forks, tmp_path, shared_pair_classifier):
    path = export.export_saved_model(shared_pair_classifier, tmp_path)
    assert export.verify_saved_model(path, shared_pair_classifier) <= 1e-6
    answers = export.run_saved_model(
        path, {"serving_default/text": np.array([b"good"]), "serving_default/text_pair": np.array([b"bad film"])}
    )
    np.testing.assert_allclose(
        answers["serving_default/probabilities"], shared_pair_classifier.predict((["good"], ["bad film"]), verbose=0), atol=1e-6
    )


@pytest.mark.slow
def test_a_model_without_a_vocabulary_serves_ids_only(answers_of_forks, tmp_path, quick_config):
    model = BertClassifier(BertEncoder(quick_config), ["no", "yes"])
    path = export.export_saved_model(model, tmp_path)
    assert list(tf.saved_model.load(path).signatures) == ["ids"]
    assert export.verify_saved_model(path, model) <= 1e-6


@pytest.mark.slow
def test_verify_sees_a_difference(answers_of_forks, tmp_path, tiny_classifier):
    path = export.export_saved_model(tiny_classifier, tmp_path)
    weight = tiny_classifier.network.weights[-1]
    weight.assign(weight + np.array([1.0, 0.0, 0.0], "float32"))
    assert export.verify_saved_model(path, tiny_classifier) > 1e-2


@pytest.mark.slow
def test_verify_refuses_nan(answers_of_forks, tmp_path, tiny_classifier):
    weight = tiny_classifier.network.weights[-1]
    weight.assign(weight * float("nan"))
    path = export.export_saved_model(tiny_classifier, tmp_path)
    with pytest.raises(ValueError, match="not finite"):
        export.verify_saved_model(path, tiny_classifier)


def test_verify_tells_why_a_directory_cannot_be_served(answers_of_forks, tmp_path, tiny_classifier):
    with pytest.raises(RuntimeError, match="cannot be served"):
        export.verify_saved_model(tmp_path, tiny_classifier)


def test_a_new_version_leaves_the_old_ones(tmp_path, tiny_classifier):
    for name in ("3", "12"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_text(name)
    (tmp_path / "notes").write_text("x")
    assert export.export_saved_model(tiny_classifier, tmp_path) == str(tmp_path / "13")
    assert [(tmp_path / name / "saved_model.pb").read_text() for name in ("3", "12")] == ["3", "12"]
    assert sorted(os.listdir(tmp_path)) == ["12", "13", "3", "notes"]


def test_two_exporters_at_once_take_two_numbers(tmp_path, tiny_classifier, monkeypatch):
    real = version.versions
    seen = []

    def late(directory):
        found = real(directory)
        if not seen:  # another exporter publishes 1 after this one has looked
            (tmp_path / "1").mkdir()
            (tmp_path / "1" / "saved_model.pb").write_text("theirs")
        seen.append(found)
        return found

    monkeypatch.setattr(version, "versions", late)
    assert export.export_saved_model(tiny_classifier, tmp_path) == str(tmp_path / "2")
    assert (tmp_path / "1" / "saved_model.pb").read_text() == "theirs"


@pytest.mark.parametrize("kill", [pytest.param(False, marks=pytest.mark.slow, id="exception"), pytest.param(True, id="kill")])
def test_a_crash_in_mid_export_serves_nothing_half_written(fresh_python, tmp_path, tiny_classifier, kill):
    """A real process that dies while the SavedModel is being written; TF Serving loads directories named by a number only."""
    tiny_classifier.save_pretrained(tmp_path / "model")
    program = f"""
import os, signal
import tensorflow as tf
import export, keras_bert
model = keras_bert.from_pretrained({str(tmp_path / "model")!r})
real = tf.saved_model.save
def save(module, path, **options):
    real(module, path, **options)
    os.remove(os.path.join(path, "saved_model.pb"))
    {"os.kill(os.getpid(), signal.SIGKILL)" if kill else "raise OSError(28, 'No space left on device')"}
tf.saved_model.save = save
export.export_saved_model(model, {str(tmp_path / "versions")!r})
"""
    done = fresh_python.run([sys.executable, "-c", program])
    assert done.returncode == (-9 if kill else 1), done.stderr
    left = os.listdir(tmp_path / "versions")
    assert not [name for name in left if name.isdigit()]
    assert bool(left) is kill  # an exception cleans up; after a kill the aside directory stays, under a name that is not served
    assert export.export_saved_model(tiny_classifier, tmp_path / "versions") == str(tmp_path / "versions" / "1")
    assert os.listdir(tmp_path / "versions") == ["1"]  # and the next one cleans up behind it


def test_over_two_gigabytes_of_constants_is_refused_before_writing(tmp_path, tiny_classifier, monkeypatch):
    monkeypatch.setattr(saved_model, "MAX_CONSTANT_BYTES", 5_000)
    with pytest.raises(ValueError, match=r"the graph would hold [\d,]+ bytes of constants, over the 5,000"):
        export.export_saved_model(tiny_classifier, tmp_path / "versions")
    assert not (tmp_path / "versions").exists()


@pytest.mark.slow
def test_over_two_gigabytes_of_real_constants(tmp_path, tiny_classifier):
    table, network = tf.zeros([2**29 + 1], tf.float32), tiny_classifier.network

    class Wasteful:
        """A network that holds its table as a constant, where a variable belongs."""

        weights = network.weights

        def __getattr__(self, name):
            return getattr(network, name)

        def __call__(self, contract, training=None):
            return network(contract, training=training) + tf.reduce_max(table)

    tiny_classifier.network = Wasteful()
    with pytest.raises(ValueError, match=r"2,147,\d\d\d,\d\d\d bytes of constants"):
        export.export_saved_model(tiny_classifier, tmp_path / "versions")


def test_an_exported_model_is_let_go(tmp_path, make_tiny_classifier):
    model = make_tiny_classifier(text_pair=False)
    network = weakref.ref(model.network)
    export.export_saved_model(model, tmp_path / "versions")
    del model
    gc.collect()
    assert network() is None


def test_weights_are_variables_not_constants(tmp_path, tiny_classifier):
    module = servable(tiny_classifier)
    functions = {name: function.get_concrete_function() for name, function in module.functions.items()}
    assert {name: len(function.variables) for name, function in functions.items()} == {
        name: len(tiny_classifier.network.weights) for name in functions
    }


def test_frozen_weights_are_constants_that_both_signatures_share(make_tiny_classifier):
    model = make_tiny_classifier()
    module = servable(model, freeze=True)
    functions = {name: function.get_concrete_function() for name, function in module.functions.items()}
    tables = {"embeddings/word", "embeddings/position"}  # rows of them are looked up; no product has them
    for function in functions.values():
        assert len(function.variables) == len(tables)
    inner = [graph for function in functions.values() for graph in inner_graphs(function.graph) if graph.name == "call"]
    assert len(inner) == len(functions) == 4 and len(set(map(id, inner))) == 1
    matrices = {operation.outputs[0].shape.as_list().__repr__() for operation in inner[0].get_operations() if operation.type == "Const"}
    assert {"[16, 48]", "[16, 32]", "[32, 16]"} <= matrices  # query, key and value; feed-forward in; out
    check = sum(saved_model.weight_bytes(weight) for weight in model.network.weights if weight.path not in tables)
    assert sum(map(saved_model.weight_bytes, saved_model.frozen_weights(model.network))) == check


# Frozen or not, what is served is the model; in bfloat16, whose numbers have 8 bits, nearly so.
@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ({"freeze": True, "dtype": "bfloat16"}, 1e-5, 3e-2),
        pytest.param({"freeze": True}, 0, 1e-6, marks=pytest.mark.slow),
        pytest.param({"dtype": "bfloat16"}, 1e-5, 3e-2, marks=pytest.mark.slow),
        pytest.param({"dtype": "float32"}, 0, 1e-6, marks=pytest.mark.slow),
    ],
    ids=["frozen_bfloat16", "frozen", "bfloat16", "float32"],
)
def test_both_signatures_answer_in_a_fresh_process(answers_of_forks, tmp_path, tiny_classifier, options, least, most):
    before = [weight.numpy() for weight in tiny_classifier.network.weights]
    path = export.export_saved_model(tiny_classifier, tmp_path, **options)
    assert least <= export.verify_saved_model(path, tiny_classifier) <= most
    probabilities = tf.saved_model.load(path).signatures["serving_default"](tf.constant(TEXTS))["probabilities"]
    assert probabilities.dtype == tf.float32
    np.testing.assert_allclose(np.sum(probabilities, axis=-1), 1, atol=1e-6)
    for weight, value in zip(tiny_classifier.network.weights, before, strict=True):  # the model is left as it is
        assert weight.dtype == "float32"
        np.testing.assert_array_equal(weight.numpy(), value)


def test_bfloat16_stores_its_weights_in_bfloat16(tmp_path, tiny_classifier):
    path = export.export_saved_model(tiny_classifier, tmp_path, dtype="bfloat16")
    loaded = tf.saved_model.load(path)
    dtypes = [variable.dtype for variable in loaded.signatures["ids"].variables]
    assert len(dtypes) == len(tiny_classifier.network.weights)
    assert dtypes.count(tf.float32) == 2 and dtypes.count(tf.bfloat16) == len(dtypes) - 2  # the classifier's two give float32 logits


def test_a_bfloat16_model_can_be_served_in_float32(tmp_path, tiny_config, tiny_tokenizer):
    model = BertClassifier(BertEncoder(tiny_config, dtype="bfloat16"), ["no", "yes"], tiny_tokenizer)
    network = network_in_dtype(model.network, "float32")
    assert {weight.dtype for weight in network.weights} == {"float32"}
    for there, own in zip(network.weights, model.network.weights, strict=True):
        np.testing.assert_array_equal(there.numpy(), own.numpy().astype("float32"))


def test_a_dtype_that_cannot_be_served_is_told(tmp_path, tiny_classifier):
    with pytest.raises(ValueError, match="dtype='float64' is not one of float32, bfloat16, float16"):
        export.export_saved_model(tiny_classifier, tmp_path / "versions", dtype="float64")
    assert not (tmp_path / "versions").exists()


def test_weights_too_large_to_freeze_are_refused_before_anything_is_traced(tmp_path, tiny_classifier, monkeypatch):
    monkeypatch.setattr(saved_model, "MAX_CONSTANT_BYTES", 8_000)

    def untouched(*arguments, **options):
        raise AssertionError("traced")

    monkeypatch.setattr(saved_model, "servable", untouched)
    with pytest.raises(ValueError, match=r"the weights to freeze have 10,444 bytes, over the 8,000 .* leave freeze=True \(--freeze\) out"):
        export.export_saved_model(tiny_classifier, tmp_path / "versions", freeze=True)
    assert not (tmp_path / "versions").exists()


def test_constants_that_signatures_share_are_counted_once(tiny_classifier, monkeypatch):
    module = servable(tiny_classifier, freeze=True)
    functions = {name: function.get_concrete_function() for name, function in module.functions.items()}
    weights = sum(map(saved_model.weight_bytes, saved_model.frozen_weights(tiny_classifier.network)))
    alone = {"ids": functions["ids"]}

    def counted(functions):
        monkeypatch.setattr(saved_model, "MAX_CONSTANT_BYTES", -1)
        with pytest.raises(ValueError) as error:
            saved_model.check_constants(functions)
        return int(re.search(r"hold ([\d,]+) bytes", str(error.value)).group(1).replace(",", ""))

    assert counted(alone) >= weights
    assert counted(functions) - counted({"serving_default": functions["serving_default"]}) < weights / 10


def test_a_file_in_the_way_and_a_model_that_answers_nothing_are_told(tmp_path, tiny_classifier):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="is a file"):
        export.export_saved_model(tiny_classifier, tmp_path / "file")
    for options in ({}, {"dtype": "bfloat16"}, {"freeze": True}):
        with pytest.raises(TypeError, match="a BertEncoder cannot be exported"):
            export.export_saved_model(tiny_classifier.encoder, tmp_path / "versions", **options)


@pytest.mark.slow
def test_the_vocabulary_travels_in_the_graph(answers_of_forks, tmp_path, tiny_classifier):
    """No file but the SavedModel's own is needed: the copy for people is deleted, and it moves."""
    path = export.export_saved_model(tiny_classifier, tmp_path)
    assert (tmp_path / "1" / "assets.extra" / "vocab.txt").read_text().split("\n")[:2] == ["[PAD]", "[UNK]"]
    os.remove(tmp_path / "1" / "assets.extra" / "vocab.txt")
    os.rename(path, tmp_path / "7")
    assert export.verify_saved_model(tmp_path / "7", tiny_classifier) <= 1e-6


def test_python_m_export(answers_of_forks, tmp_path, tiny_classifier, capsys):
    tiny_classifier.save_pretrained(tmp_path / "model")
    command_line.main(["--model", str(tmp_path / "model"), "--output", str(tmp_path / "versions"), "--core_ops", "--top_k", "2"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["saved_model"] == str(tmp_path / "versions" / "1")
    assert result["export_max_abs_diff"] <= 1e-6
    said = json.loads((tmp_path / "versions" / "1" / "saved_model.json").read_text())
    assert said["ops"] == [] and said["core_ops"] is True
    outputs = said["signatures"]["serving_default"]["outputs"]
    assert outputs["top_label"] == ["string", None, 2] and outputs["top_score"] == ["float32", None, 2]


def test_top_k_of_what_answers_no_list_is_told(monkeypatch, capsys):
    monkeypatch.setattr(command_line.keras_bert, "from_pretrained", lambda path: object())
    with pytest.raises(SystemExit):
        command_line.main(["--model", "model", "--output", "versions", "--top_k", "2"])
    assert "--top_k: a object answers no list of best labels or words; leave it out" in capsys.readouterr().err
    writer = keras_bert.BertSeq2Seq.__new__(keras_bert.BertSeq2Seq)
    monkeypatch.setattr(command_line.keras_bert, "from_pretrained", lambda path: writer)
    with pytest.raises(SystemExit):
        command_line.main(["--model", "model", "--output", "versions", "--top_k", "2"])
    assert "--top_k: a BertSeq2Seq answers no list" in capsys.readouterr().err


@pytest.mark.slow
def test_python_m_export_frozen_in_bfloat16(answers_of_forks, tmp_path, tiny_classifier, capsys):
    tiny_classifier.save_pretrained(tmp_path / "model")
    command_line.main(["--model", str(tmp_path / "model"), "--output", str(tmp_path / "versions"), "--freeze", "--dtype", "bfloat16"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 1e-5 < result["export_max_abs_diff"] < 3e-2
    loaded = tf.saved_model.load(result["saved_model"])
    assert [variable.dtype for variable in loaded.signatures["ids"].variables] == [tf.bfloat16] * 2  # the two tables


@pytest.mark.parametrize(("module", "real"), [("export", True), ("export.ask", False)], ids=["export", "export.ask"])
def test_help(fresh_python, module, real, root):
    run = subprocess.run if real else fresh_python.run
    done = run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True, cwd=root)
    assert "usage: python -m " + module in done.stdout or "usage: ask.py" in done.stdout


def test_each_signature_is_traced_once(tmp_path, shared_classifier, monkeypatch):
    traced, from_columns, from_inputs = [], Predictor.from_columns, Predictor.from_inputs
    monkeypatch.setattr(Predictor, "from_columns", lambda *arguments: traced.append("text") or from_columns(*arguments))
    monkeypatch.setattr(Predictor, "from_inputs", lambda *arguments: traced.append("ids") or from_inputs(*arguments))
    shared_classifier.export(tmp_path / "model")
    assert sorted(traced) == ["ids", "ids", "text"]  # text comes to ids, too
