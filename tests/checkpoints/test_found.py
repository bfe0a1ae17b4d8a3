"""Checkpoints as they are found: one score, several labels at once, numbers, padded vocabularies, dense layers after the pooling.

The oracles are outputs of Transformers 5.24 and sentence-transformers 6.2, see tests/reference/README.md.
"""

import json
import os
import shutil
import subprocess
import warnings

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file
from transformers_side import NOT_OF_THE_MODEL, PEERS, TRANSFORMERS_PROGRAM

from keras_bert import BertTokenizer, features
from keras_bert.checkpoints import load_network, open_checkpoint, save_network, to_hugging_face, to_model_garden, to_sentence_transformers
from keras_bert.text import BertPacker

CLASSIFIERS = ("cross_encoder", "multi_label", "regression", "padded_vocabulary")
EMBEDDERS = ("sentence_transformers_dense", "sentence_transformers_dense_identity")


@pytest.fixture(params=["tiny", "shared"])
def found(request, reference):
    """Directory of the tiny checkpoints, or of larger ones of the same names."""
    return reference / "found" if request.param == "tiny" else request.getfixturevalue("shared") / "reference" / "transformers_more"


@pytest.fixture
def tiny(reference, tmp_path):
    """Call it with a name: a copy of a tiny checkpoint, to change."""

    def copy(name):
        return shutil.copytree(reference / "found" / name, tmp_path / name)

    return copy


def batch_of(expected):
    return {name: expected[name].astype("int32") for name in features.UNPACKED}


def read_arrays(path):
    with np.load(path / "expected.npz") as file:
        return dict(file)


def read_json(path):
    return json.loads(path.read_text())


def change_json(path, **changes):
    path.write_text(json.dumps((read_json(path) if path.exists() else {}) | changes))


def embed(path, checkpoint, network):
    """Vectors, by the ids that are there, or else from the texts."""
    expected = read_arrays(path)
    if "input_ids" not in expected:
        texts = read_json(path / "inputs.json")["texts"]
        expected |= BertPacker(checkpoint.make_tokenizer(), checkpoint.settings["max_length"])(texts)
        expected = {name: np.asarray(value) for name, value in expected.items()}
    return np.asarray(network(batch_of(expected))), expected["embeddings"]


@pytest.mark.parametrize("name", [*CLASSIFIERS, "next_sentence"])
def test_logits_are_those_of_transformers(found, name):
    expected = read_arrays(found / name)
    network = load_network(found / name, strict=True)
    np.testing.assert_allclose(network(batch_of(expected)), expected["logits"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "problem_type", "activation"),
    [
        ("cross_encoder", "single_label_classification", "sigmoid"),
        ("multi_label", "multi_label_classification", "sigmoid"),
        ("regression", "regression", "linear"),
        ("padded_vocabulary", "single_label_classification", "softmax"),
    ],
)
def test_what_the_scores_mean(found, name, problem_type, activation):
    network = load_network(found / name)
    assert (network.problem_type, network.activation) == (problem_type, activation)
    expected = read_arrays(found / name)
    if "probabilities" in expected:
        answers = getattr(keras.activations, network.activation)(keras.ops.convert_to_tensor(expected["logits"]))
        np.testing.assert_allclose(answers, expected["probabilities"], atol=1e-6)


def assert_same_files(written, source):
    got, expected = load_file(written / "model.safetensors"), load_file(source / "model.safetensors")
    assert sorted(got) == sorted(expected)
    for tensor, value in expected.items():
        np.testing.assert_array_equal(got[tensor], value, err_msg=tensor)
    config, theirs = read_json(written / "config.json"), read_json(source / "config.json")
    for values in (config, theirs):
        if values.get("classifier_dropout") is None:  # it then is the encoder's
            values["classifier_dropout"] = values["hidden_dropout_prob"]
    if "num_labels" in config or "id2label" in config:
        theirs.setdefault("label2id", config["label2id"])
    assert {key: value for key, value in theirs.items() if key not in NOT_OF_THE_MODEL and config.get(key) != value} == {}
    assert set(config) - set(theirs) <= {"id2label", "label2id", "position_embedding_type"}
    assert not [key for key in ("id2label", "problem_type", "sentence_transformers") if key in theirs and config[key] != theirs[key]]


@pytest.mark.parametrize("name", [*CLASSIFIERS, "next_sentence"])
def test_they_are_written_as_they_were_by_way_of_the_native_format(found, name, tmp_path):
    checkpoint, network = open_checkpoint(found / name), load_network(found / name)
    save_network(network, tmp_path / "native", labels=checkpoint.labels)
    native = load_network(tmp_path / "native", strict=True)
    assert type(native) is type(network) and native.settings() == network.settings()
    assert open_checkpoint(tmp_path / "native").labels == checkpoint.labels
    to_hugging_face(native, tmp_path / "written", labels=checkpoint.labels)
    assert_same_files(tmp_path / "written", found / name)


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.exists(), reason="Transformers is not here: benchmarks/setup_peers.sh installs it")
@pytest.mark.parametrize("name", [*CLASSIFIERS, "next_sentence"])
def test_transformers_loads_what_is_written_with_identical_logits(found, name, tmp_path):
    source = found / name
    to_hugging_face(load_network(source), tmp_path / "out", labels=open_checkpoint(source).labels)
    class_name = "BertForNextSentencePrediction" if name == "next_sentence" else "BertForSequenceClassification"
    command = [str(PEERS), "-c", TRANSFORMERS_PROGRAM, str(source), str(tmp_path / "out"), class_name, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# A cross-encoder's activation, in the places where sentence-transformers' versions keep it.


@pytest.mark.parametrize(
    ("function", "activation"),
    [("torch.nn.modules.linear.Identity", "linear"), ("torch.nn.modules.activation.Sigmoid", "sigmoid")],
)
@pytest.mark.parametrize("form", ["newer", "older"])
def test_a_cross_encoder_s_activation_goes_there_and_back(tiny, tmp_path, function, activation, form):
    path = tiny("cross_encoder")
    newer = {"sentence_transformers": {"activation_fn": function, "version": "5.1.0"}}
    change_json(path / "config.json", **(newer if form == "newer" else {"sbert_ce_default_activation_function": function}))
    network = load_network(path)
    assert network.activation == activation
    assert open_checkpoint(path).settings["activation"] == activation
    to_hugging_face(network, tmp_path / "written")
    assert_same_files(tmp_path / "written", path)
    save_network(network, tmp_path / "native")
    assert load_network(tmp_path / "native").activation == activation


def test_an_activation_that_is_changed_is_written(tiny, tmp_path):
    path = tiny("cross_encoder")
    change_json(path / "config.json", sbert_ce_default_activation_function="torch.nn.modules.activation.Sigmoid")
    to_hugging_face(load_network(path, activation="linear"), tmp_path / "written")
    assert load_network(tmp_path / "written").activation == "linear"
    config = read_json(tmp_path / "written" / "config.json")
    assert config["sbert_ce_default_activation_function"] == "torch.nn.modules.linear.Identity" and "sentence_transformers" not in config


def test_an_activation_that_is_not_known_is_named_where_it_matters(tiny):
    path = tiny("cross_encoder")
    change_json(path / "config.json", sentence_transformers={"activation_fn": "torch.nn.modules.activation.Tanh"})
    with pytest.raises(ValueError, match=r"activation='torch\.nn\.modules\.activation\.Tanh' is not one of softmax, sigmoid, linear"):
        load_network(path)
    assert load_network(path, activation="linear").activation == "linear"


def test_a_cross_encoder_of_version_6_is_a_classifier(reference):
    path = reference / "found" / "cross_encoder_version_6"
    checkpoint, network, expected = open_checkpoint(path), load_network(path, strict=True), read_arrays(path)
    assert (checkpoint.format, checkpoint.network, checkpoint.task) == ("sentence_transformers", "SequenceClassifier", None)
    assert checkpoint.settings == {"activation": "linear", "max_length": 24}
    assert network.activation == "linear"
    np.testing.assert_allclose(network(batch_of(expected)), expected["logits"], atol=1e-5, rtol=0)


def test_model_garden_s_format_cannot_say_what_scores_mean(tiny, tmp_path):
    for name in ("regression", "next_sentence"):
        change_json(tiny(name) / "config.json", hidden_act="gelu_new")  # the only gelu that it knows
    network = load_network(tmp_path / "regression", activation="sigmoid")
    with pytest.warns(UserWarning, match="format cannot say problem_type='regression', activation='sigmoid'; give it where the model"):
        to_model_garden(network, tmp_path / "out")
    again = load_network(tmp_path / "out", problem_type="regression")
    assert (again.num_labels, again.activation) == (1, "linear")
    with pytest.raises(ValueError, match="Model Garden's BERT has no NextSentence"):
        to_model_garden(load_network(tmp_path / "next_sentence"), tmp_path / "out")


# Labels.


def test_labels_of_one_name_are_made_distinct(tiny):
    path = tiny("multi_label")
    change_json(path / "config.json", id2label={"0": "art", "1": "art_2", "2": "art"})
    with pytest.warns(UserWarning, match="id2label calls both 0 and 2 'art'; the second is 'art_3' here"):
        assert open_checkpoint(path).labels == ["art", "art_2", "art_3"]


def test_one_label_s_placeholder_may_be_named_without_losing_the_head(reference):
    from keras_bert.checkpoints.networks import build_network
    from keras_bert.models import SequenceClassifier

    checkpoint = open_checkpoint(reference / "found" / "cross_encoder")
    for arguments, fresh in (({"labels": ["score"]}, ()), ({"num_labels": 1}, ()), ({"labels": ["a", "b"]}, ("classifier",))):
        assert build_network(checkpoint, SequenceClassifier, **arguments)[1] == fresh
    with pytest.raises(ValueError, match=r"num_labels=2 with 1 labels \(score\); leave num_labels out"):
        build_network(checkpoint, SequenceClassifier, labels=["score"], num_labels=2)


# Vocabularies.


def test_rows_past_the_vocabulary_are_no_fault_and_pieces_past_the_rows_are(reference, tmp_path, tiny_tokenizer):
    network = load_network(reference / "found" / "padded_vocabulary")
    assert network.encoder.config.vocab_size == 24 and tiny_tokenizer.vocabulary_size == 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_hugging_face(network, tmp_path / "out", tokenizer=tiny_tokenizer)
    assert open_checkpoint(tmp_path / "out").make_tokenizer().vocabulary == tiny_tokenizer.vocabulary
    longer = BertTokenizer([*tiny_tokenizer.vocabulary, *"vwxyz"])
    with pytest.raises(ValueError, match=r"25 pieces but .* vocab_size=24 rows.*from number 24 on, such as 'z', have no row"):
        to_hugging_face(network, tmp_path / "out", tokenizer=longer)


def test_a_vocabulary_far_too_short_is_told(tiny_tokenizer):
    from keras_bert import BertConfig
    from keras_bert.checkpoints.networks import check_vocabulary_size

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_vocabulary_size(tiny_tokenizer, BertConfig(vocab_size=20 + 1024))
    with pytest.warns(UserWarning, match="vocab_size=1045 rows: 1025 more than are ever used"):
        check_vocabulary_size(tiny_tokenizer, BertConfig(vocab_size=20 + 1025))


# Dense layers after the pooling.


@pytest.mark.parametrize("name", EMBEDDERS)
def test_vectors_are_those_of_sentence_transformers(found, name, tmp_path):
    checkpoint, network = open_checkpoint(found / name), load_network(found / name)
    got, expected = embed(found / name, checkpoint, network)
    np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0)
    assert not network.load_report.initialised
    save_network(network, tmp_path / "native")
    again = load_network(tmp_path / "native", strict=True)
    assert again.settings() == network.settings()
    np.testing.assert_array_equal(embed(found / name, checkpoint, again)[0], got)
    network.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(embed(found / name, checkpoint, keras.saving.load_model(tmp_path / "model.keras"))[0], got)


def test_dense_layers_and_normalisation_in_the_order_of_modules(reference):
    path = reference / "found" / "sentence_transformers_modules"
    checkpoint = open_checkpoint(path)
    first = {"units": 12, "activation": "gelu", "use_bias": True, "normalize_before": True}
    second = {"units": 6, "activation": "relu", "use_bias": True, "normalize_before": False}
    assert checkpoint.settings == {"pooling": "max", "dense": [first, second], "normalize": False, "max_length": 20}
    np.testing.assert_allclose(*embed(path, checkpoint, load_network(path)), atol=1e-5, rtol=0)


def test_another_pooling_or_layer_is_new_and_so_is_what_follows(reference):
    from keras_bert.checkpoints.networks import build_network
    from keras_bert.models import TextEmbedder

    checkpoint = open_checkpoint(reference / "found" / "sentence_transformers_modules")
    first, second = checkpoint.settings["dense"]
    for options, fresh in (
        ({"normalize": True}, ()),
        ({"dense": [first, second | {"activation": "tanh"}]}, ("dense_1",)),
        ({"dense": [first | {"units": 8}, second]}, ("dense_0", "dense_1")),
        ({"pooling": "cls"}, ("dense_0", "dense_1")),
        ({"dense": [first]}, ()),
    ):
        assert build_network(checkpoint, TextEmbedder, **options)[1] == fresh


@pytest.mark.parametrize("name", [*EMBEDDERS, "sentence_transformers_modules"])
def test_an_embedder_is_written_for_sentence_transformers(reference, name, tmp_path):
    source = reference / "found" / name
    checkpoint = open_checkpoint(source)
    to_sentence_transformers(load_network(source), tmp_path / "out", tokenizer=checkpoint.make_tokenizer())
    again = open_checkpoint(tmp_path / "out")
    assert again.settings | {"max_length": 20} == checkpoint.settings  # the network alone says no length: its positions
    for folder in ("", *(module["path"] for module in read_json(source / "modules.json")[1:])):
        if not (source / folder / "model.safetensors").exists():
            assert not (tmp_path / "out" / folder / "model.safetensors").exists()
            continue
        got, expected = (load_file(path / folder / "model.safetensors") for path in (tmp_path / "out", source))
        assert sorted(got) == sorted(name for name in expected if not name.startswith("pooler"))
        for tensor, value in got.items():
            np.testing.assert_array_equal(value, expected[tensor], err_msg=tensor)
    assert sorted(os.listdir(tmp_path / "out")) == sorted(
        {name for name in os.listdir(source) if name != "expected.npz"} | {"config_sentence_transformers.json", "vocab.txt"}
    )
    to_sentence_transformers(load_network(source, dense=[]), tmp_path / "out")  # over one of more modules


SENTENCE_TRANSFORMERS_PROGRAM = """
import sys, numpy as np
from sentence_transformers import SentenceTransformer
texts = ["a good film", "bad, was it?", "", "it was great, no."]
own, written = (SentenceTransformer(path, device="cpu").encode(texts) for path in sys.argv[1:])
np.testing.assert_allclose(own, written, atol=1e-6, rtol=0)
"""


def _peers_have_sentence_transformers():
    return PEERS.exists() and subprocess.run([str(PEERS), "-c", "import sentence_transformers"], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", [*EMBEDDERS, "sentence_transformers_modules"])
def test_sentence_transformers_loads_what_is_written_with_identical_vectors(reference, name, tmp_path):
    if not _peers_have_sentence_transformers():
        pytest.skip("sentence-transformers is not here: pip install it beside Transformers, and name its Python by KERAS_BERT_PEERS_PYTHON")
    source = reference / "found" / name
    to_sentence_transformers(load_network(source), tmp_path / "out", tokenizer=open_checkpoint(source).make_tokenizer())
    command = [str(PEERS), "-c", SENTENCE_TRANSFORMERS_PROGRAM, str(source), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_sentence_transformers_has_not_is_refused(tiny_config, tmp_path):
    from keras_bert import BertEncoder
    from keras_bert.models import TextEmbedder, TokenClassifier

    with pytest.raises(ValueError, match="pooling='pooler': sentence-transformers pools by mean, cls, max"):
        to_sentence_transformers(TextEmbedder(BertEncoder(tiny_config), pooling="pooler"), tmp_path / "out")
    with pytest.raises(ValueError, match="make a TextEmbedder, not a TokenClassifier; a cross-encoder is written by to_hugging_face"):
        to_sentence_transformers(TokenClassifier(BertEncoder(tiny_config), 2), tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_features": 48}, "in_features=48; only 16 is read here"),
        ({"out_features": "10"}, r"dense\[0\] has units='10', which is not a positive whole number"),
        ({"activation_function": "own.Swish"}, r"activation_function='own\.Swish' is not one of torch\.nn\.modules\.linear\.Identity"),
        ({"module_output_name": "scores"}, "module_output_name='scores'; only 'sentence_embedding' is read here"),
        ({"use_residual": True}, "use_residual=True; only False is read here"),
    ],
)
def test_a_dense_module_that_cannot_be_represented_is_told(tiny, changes, message):
    path = tiny("sentence_transformers_dense")
    change_json(path / "2_Dense" / "config.json", **changes)
    with pytest.raises(ValueError, match=rf"2_Dense/config\.json: {message}"):
        open_checkpoint(path)


def test_a_dense_module_s_files_that_are_missing_are_named(tiny):
    path = tiny("sentence_transformers_dense")
    (path / "2_Dense" / "model.safetensors").rename(path / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"2_Dense holds config\.json, pytorch_model\.bin; expected model\.safetensors\. Pickles"):
        open_checkpoint(path)
    (path / "2_Dense" / "config.json").unlink()
    with pytest.raises(ValueError, match=r"2_Dense/config\.json is not there; it says how large the Dense is"):
        open_checkpoint(path)


def test_a_dense_module_without_a_bias_lacks_nothing_and_one_with_does(tiny):
    path = tiny("sentence_transformers_dense_identity")
    assert not read_json(path / "2_Dense" / "config.json")["bias"]
    change_json(path / "2_Dense" / "config.json", bias=True)
    with pytest.raises(ValueError, match=r"lacks 1 tensors that the model needs: dense_0/linear\.bias"):
        load_network(path)


def test_of_three_lengths_the_library_s_own_is_taken(tiny):
    path = tiny("sentence_transformers_dense")
    change_json(path / "tokenizer.json", truncation={"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0})
    change_json(path / "sentence_bert_config.json", max_seq_length=16)
    assert read_json(path / "config.json")["max_position_embeddings"] == 32
    checkpoint = open_checkpoint(path)
    assert checkpoint.settings["max_length"] == 16
    assert len(checkpoint.make_tokenizer().tokenize(["good " * 20])[0]) == 20  # the tokenizer itself cuts nothing


def test_prompts_similarity_and_size_go_to_sentence_transformers_and_back(reference, tmp_path):
    from keras_bert import BertEmbedder

    asked = {"prompts": {"query": "it is ", "passage": ""}, "default_prompt": "query", "similarity": "dot", "truncate_dim": 4}
    model = BertEmbedder.from_pretrained(reference / "found" / "sentence_transformers_dense", **asked)
    with pytest.warns(UserWarning, match=r"takes it from the caller: SentenceTransformer\(path, truncate_dim=4\)"):
        to_sentence_transformers(model, tmp_path / "out")
    again = open_checkpoint(tmp_path / "out")
    assert {name: again.settings[name] for name in asked} == asked
    said = read_json(tmp_path / "out" / "config_sentence_transformers.json")
    assert said["default_prompt_name"] == "query" and said["similarity_fn_name"] == "dot" and said["prompts"] == asked["prompts"]


ASKED_PROGRAM = """
import sys, numpy as np
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu", truncate_dim=4)
texts = ["a good film", "bad, was it?"]
vectors = {
    "default": model.encode(texts, normalize_embeddings=True),
    "passage": model.encode(texts, prompt_name="passage", normalize_embeddings=True),
}
vectors["similarity"] = model.similarity(vectors["default"], vectors["passage"]).numpy()
np.savez(sys.argv[2], **vectors)
"""


@pytest.mark.slow
def test_sentence_transformers_asks_a_written_model_as_we_do(reference, tmp_path):
    from keras_bert import BertEmbedder

    if not _peers_have_sentence_transformers():
        pytest.skip("sentence-transformers is not here: pip install it beside Transformers, and name its Python by KERAS_BERT_PEERS_PYTHON")
    asked = {"prompts": {"query": "it is ", "passage": "was it "}, "default_prompt": "query", "similarity": "euclidean"}
    model = BertEmbedder.from_pretrained(reference / "found" / "sentence_transformers_dense", **asked)
    to_sentence_transformers(model, tmp_path / "out")
    command = [str(PEERS), "-c", ASKED_PROGRAM, str(tmp_path / "out"), str(tmp_path / "theirs.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    theirs, texts = dict(np.load(tmp_path / "theirs.npz")), ["a good film", "bad, was it?"]
    ours = {"default": model.predict(texts, truncate_dim=4, verbose=0)}
    ours["passage"] = model.predict(texts, truncate_dim=4, prompt="passage", verbose=0)
    ours["similarity"] = model.similarity(ours["default"], ours["passage"])
    for name, expected in theirs.items():
        np.testing.assert_allclose(ours[name], expected, atol=1e-5, err_msg=name)
