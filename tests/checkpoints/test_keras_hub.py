"""KerasHub itself is the oracle: its models are saved by it, and asked beside ours."""

import json
import shutil

import numpy as np
import pytest

keras_hub = pytest.importorskip("keras_hub", reason="KerasHub is not installed (extra `test`)")

from keras_bert.checkpoints import to_hugging_face  # noqa: E402
from keras_bert.checkpoints.checkpoint import load_weights  # noqa: E402
from keras_bert.checkpoints.keras_hub import open_checkpoint  # noqa: E402
from keras_bert.checkpoints.recognise import recognise  # noqa: E402
from keras_bert.models import BertEncoder, SequenceClassifier, TextEmbedder  # noqa: E402

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cafe", "good", "film", "##s", "Film", ".", "bad"]
PIECES = len(VOCABULARY)
SMALL = {"num_layers": 3, "num_heads": 4, "hidden_dim": 32, "intermediate_dim": 48, "max_sequence_length": 24}
BASE = {"num_layers": 12, "num_heads": 12, "hidden_dim": 768, "intermediate_dim": 3072, "max_sequence_length": 512}


def make_backbone(vocabulary_size=PIECES, **sizes):
    return keras_hub.models.BertBackbone(vocabulary_size=vocabulary_size, dropout=0.1, num_segments=2, **(sizes or SMALL))


def perturb(model, scale=0.1):
    """Add noise to every weight: new ones are zeros, ones, and so small that a mix-up would not show."""
    random = np.random.default_rng(3)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(np.asarray(weight.value) + random.normal(0, scale, weight.shape).astype("float32"))


def make_batch(vocabulary_size=PIECES, length=20):
    random = np.random.default_rng(4)
    mask = (np.arange(length) < np.array([[length], [length // 2], [3]])).astype("int32")
    ids = random.integers(0, vocabulary_size, mask.shape).astype("int32")
    types = random.integers(0, 2, mask.shape).astype("int32")
    theirs = {"token_ids": ids, "segment_ids": types, "padding_mask": mask}
    return theirs, {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}


@pytest.fixture(scope="module")
def backbone():
    model = make_backbone()
    perturb(model)
    return model


@pytest.fixture(scope="module")
def preset(backbone, tmp_path_factory):
    path = tmp_path_factory.mktemp("backbone") / "preset"
    backbone.save_to_preset(str(path))
    return path


@pytest.fixture
def copied_preset(preset, tmp_path):
    shutil.copytree(preset, tmp_path / "preset")
    return tmp_path / "preset"


def change_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_config(path, **changes):
    change_json(path, config=json.loads(path.read_text())["config"] | changes)


def load(network, checkpoint):
    load_weights(network, checkpoint)
    return network


def assert_encoders_agree(backbone, directory, batch, tolerance=1e-5):
    theirs, ours = batch
    expected = backbone(theirs)
    found = load(BertEncoder(open_checkpoint(directory).config), open_checkpoint(directory))(ours)
    real = ours["attention_mask"].astype(bool)
    np.testing.assert_allclose(
        np.asarray(found["sequence_output"])[real], np.asarray(expected["sequence_output"])[real], atol=tolerance, rtol=0
    )
    np.testing.assert_allclose(np.asarray(found["pooled_output"]), np.asarray(expected["pooled_output"]), atol=tolerance, rtol=0)


def test_a_backbone_has_the_same_outputs(backbone, preset):
    assert recognise(preset) == "keras_hub"
    assert_encoders_agree(backbone, preset, make_batch())


def test_sizes_are_read(preset):
    config = open_checkpoint(preset).config
    assert (config.vocab_size, config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (12, 32, 3, 4)
    assert (config.intermediate_size, config.max_position_embeddings, config.type_vocab_size) == (48, 24, 2)
    assert (config.hidden_act, config.layer_norm_eps, config.hidden_dropout_prob) == ("gelu_tanh", 1e-12, 0.1)


def test_shards_are_read(backbone, tmp_path):
    backbone.save_to_preset(str(tmp_path), max_shard_size=4e-5)
    assert len(list(tmp_path.glob("model_*.weights.h5"))) > 1 and recognise(tmp_path) == "keras_hub"
    assert_encoders_agree(backbone, tmp_path, make_batch())


@pytest.mark.slow
def test_a_base_sized_backbone_has_the_same_outputs(tmp_path):
    backbone = make_backbone(30522, **BASE)
    perturb(backbone, 0.02)
    backbone.save_to_preset(str(tmp_path))
    assert_encoders_agree(backbone, tmp_path, make_batch(30522, 128))


def test_bfloat16_weights_are_read(tmp_path):
    backbone = keras_hub.models.BertBackbone(vocabulary_size=12, **SMALL, dtype="bfloat16")
    backbone.save_to_preset(str(tmp_path))
    encoder = load(BertEncoder(open_checkpoint(tmp_path).config), open_checkpoint(tmp_path))
    kernel = np.asarray(backbone.pooled_dense.kernel.value).astype("float32")
    np.testing.assert_array_equal(np.asarray(encoder.get_layer("pooler").dense.kernel.value), kernel)


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_a_text_classifier_has_the_same_logits(tmp_path, activation):
    classifier = keras_hub.models.BertTextClassifier(make_backbone(), num_classes=3, dropout=0.2)
    perturb(classifier)
    theirs, ours = make_batch()
    expected = classifier(theirs)
    if activation:  # ours gives the scores before it
        classifier = keras_hub.models.BertTextClassifier(classifier.backbone, num_classes=3, dropout=0.2, activation=activation)
        perturb(classifier)
        expected = classifier(theirs)
    classifier.save_to_preset(str(tmp_path))
    checkpoint = open_checkpoint(tmp_path)
    assert (checkpoint.network, checkpoint.labels) == ("SequenceClassifier", ["LABEL_0", "LABEL_1", "LABEL_2"])
    assert checkpoint.settings == {"dropout": 0.2}
    logits = np.asarray(load(SequenceClassifier(BertEncoder(checkpoint.config), 3, dropout=0.2), checkpoint)(ours))
    if activation:
        logits = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(logits, np.asarray(expected), atol=1e-5, rtol=0)


def masked_lm_preset(tmp_path):
    model = keras_hub.models.BertMaskedLM(make_backbone())
    perturb(model)
    model.save_to_preset(str(tmp_path))
    theirs, ours = make_batch()
    positions = np.array([[1, 19], [3, 0], [2, 1]], "int32")
    return np.asarray(model({**theirs, "mask_positions": positions})), ours, positions


def test_a_masked_lm_has_the_same_logits(tmp_path):
    from keras_bert import BertMaskedLM, from_pretrained

    expected, batch, positions = masked_lm_preset(tmp_path / "preset")
    model = from_pretrained(tmp_path / "preset")
    assert isinstance(model, BertMaskedLM)
    logits = np.asarray(model(batch | {"masked_positions": positions}))
    np.testing.assert_allclose(logits, expected, atol=1e-5, rtol=0)
    model.save_pretrained(tmp_path / "ours")
    np.testing.assert_array_equal(from_pretrained(tmp_path / "ours")(batch | {"masked_positions": positions}), logits)
    with pytest.raises(ValueError, match="the masked-LM head has hidden_act='gelu' and layer_norm_eps=1e-05, the encoder 'gelu_tanh'"):
        to_hugging_face(model, tmp_path / "theirs")


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", True), ("max", False), ("cls", True)])
def test_a_text_embedder_has_the_same_vectors(backbone, tmp_path, pooling, normalize):
    tokenizer = keras_hub.models.BertTokenizer(VOCABULARY, lowercase=True)
    preprocessor = keras_hub.models.BertTextEmbedderPreprocessor(tokenizer, sequence_length=16)
    embedder = keras_hub.models.BertTextEmbedder(backbone, preprocessor, pooling_mode=pooling, normalize=normalize)
    embedder.save_to_preset(str(tmp_path))
    checkpoint = open_checkpoint(tmp_path)
    assert (checkpoint.network, checkpoint.task) == ("TextEmbedder", "BertEmbedder")
    assert checkpoint.settings == {"pooling": pooling, "normalize": normalize, "max_length": 16}
    theirs, ours = make_batch()
    network = load(TextEmbedder(BertEncoder(checkpoint.config, pooler=False), pooling=pooling, normalize=normalize), checkpoint)
    np.testing.assert_allclose(np.asarray(network(ours)), np.asarray(embedder(theirs)), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("lowercase", "pieces"), [(True, ["cafe", "film", "##s"]), (False, ["[UNK]", "Film", "##s"])])
def test_the_tokenizer_is_google_researchs_over_the_presets_vocabulary(copied_preset, lowercase, pieces):
    keras_hub.models.BertTokenizer(VOCABULARY, lowercase=lowercase).save_to_preset(str(copied_preset))
    tokenizer = open_checkpoint(copied_preset).make_tokenizer()
    assert tokenizer.vocabulary == VOCABULARY
    assert [VOCABULARY[index] for index in tokenizer.tokenize(["Café Films"])[0].numpy()] == pieces


def test_a_preset_without_tokenizer_has_none(preset):
    assert open_checkpoint(preset).make_tokenizer() is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": False}, r"tokenizer\.json: split=False"),
        ({"suffix_indicator": "@@"}, r"tokenizer\.json: suffix_indicator='@@'; a BERT has '##'"),
        ({"oov_token": "<unk>"}, r"tokenizer\.json: oov_token='<unk>'"),
        ({"lowercase": "yes"}, r"tokenizer\.json: lowercase='yes' is not true or false"),
    ],
)
def test_another_tokenizer_is_refused(copied_preset, changes, message):
    keras_hub.models.BertTokenizer(VOCABULARY).save_to_preset(str(copied_preset))
    change_config(copied_preset / "tokenizer.json", **changes)
    with pytest.raises(ValueError, match=message):
        open_checkpoint(copied_preset).make_tokenizer()


def test_another_class_of_tokenizer_and_a_missing_vocabulary_are_refused(copied_preset):
    keras_hub.models.BertTokenizer(VOCABULARY).save_to_preset(str(copied_preset))
    vocabulary = copied_preset / "assets" / "tokenizer" / "vocabulary.txt"
    vocabulary.unlink()
    with pytest.raises(ValueError, match=r"its vocabulary .*vocabulary\.txt is not there"):
        open_checkpoint(copied_preset).make_tokenizer()
    change_json(copied_preset / "tokenizer.json", registered_name="keras_hub>RobertaTokenizer")
    with pytest.raises(ValueError, match=r"tokenizer\.json is of 'keras_hub>RobertaTokenizer'; only keras_hub>BertTokenizer"):
        open_checkpoint(copied_preset).make_tokenizer()


def test_another_model_is_refused(copied_preset):
    change_json(copied_preset / "config.json", class_name="RobertaBackbone", registered_name="keras_hub>RobertaBackbone")
    with pytest.raises(ValueError, match=r"config\.json is of 'keras_hub>RobertaBackbone'; only keras_hub>BertBackbone is read"):
        open_checkpoint(copied_preset)


def test_a_task_that_is_not_berts_leaves_the_encoder(backbone, copied_preset):
    (copied_preset / "task.json").write_text(json.dumps({"registered_name": "Custom>BertTextClassifier", "config": {}}))
    assert open_checkpoint(copied_preset).network is None
    assert_encoders_agree(backbone, copied_preset, make_batch())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_layers": 2}, "another size.*transformer_encoder_2"),
        ({"num_layers": 4}, "lacks .* layers/transformer_encoder_3"),
        ({"num_heads": 8}, r"another size.*query_dense/vars/0 \[32, 4, 8\] for num_heads=8"),
        ({"vocabulary_size": 13}, r"another size.*reversible_embedding/vars/0 \[12, 32\] for embeddings/word \[13, 32\]"),
        ({"hidden_dim": 30}, r"config\.json: hidden_size=30 is not a multiple"),
        ({"num_layers": "3"}, r"config\.json: num_hidden_layers='3' is not a positive whole number"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(copied_preset, changes, message):
    change_config(copied_preset / "config.json", **changes)
    with pytest.raises(ValueError, match=message):
        load(BertEncoder(open_checkpoint(copied_preset).config), open_checkpoint(copied_preset))


def test_a_file_that_says_nothing_is_refused(copied_preset):
    change_json(copied_preset / "config.json", config={"num_layers": 3})
    with pytest.raises(ValueError, match=r"config\.json: config has no vocabulary_size, hidden_dim"):
        open_checkpoint(copied_preset)
    (copied_preset / "config.json").write_text("[]")
    with pytest.raises(ValueError, match=r"config\.json holds a JSON list"):
        open_checkpoint(copied_preset)
    (copied_preset / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not JSON"):
        open_checkpoint(copied_preset)


def test_a_cut_off_file_is_named(copied_preset):
    weights = copied_preset / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:20_000])
    with pytest.raises(ValueError, match=r"model\.weights\.h5 is not a whole HDF5 file"):
        open_checkpoint(copied_preset)


@pytest.mark.parametrize("kind", ["link", "external", "integers"])
def test_a_tensor_that_is_no_weight_of_this_file_is_named(copied_preset, kind):
    import h5py

    with h5py.File(copied_preset / "model.weights.h5", "a") as file:
        group = file["layers/dense/vars"]
        del group["1"]
        if kind == "link":
            group["1"] = h5py.ExternalLink("/etc/passwd", "/")
        elif kind == "external":
            group.create_dataset("1", (32,), "float32", external=[("/etc/passwd", 0, 128)])
        else:
            group["1"] = np.zeros(32, "int8")
    message = {"link": "is a link to elsewhere", "external": "lies in another file", "integers": "has dtype int8; weights are floats"}[kind]
    with pytest.raises(ValueError, match=rf"model\.weights\.h5: layers/dense/vars/1 {message}"):
        open_checkpoint(copied_preset)


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"/layers/dense/vars": "../model.weights.h5"}, r"names '\.\./model\.weights\.h5'; a shard is a \.h5 file beside"),
        ({"/layers/dense/vars": ["absent.weights.h5"]}, r"names absent\.weights\.h5, which is not there"),
        ({}, "is not an index of weights"),
        ({"/layers/dense/vars": 3}, "names 3; a shard"),
    ],
)
def test_an_index_that_leads_nowhere_is_refused(copied_preset, weight_map, message):
    (copied_preset / "model.weights.h5").unlink()
    (copied_preset / "model.weights.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(ValueError, match=rf"model\.weights\.json {message}"):
        open_checkpoint(copied_preset)


def test_one_tensor_in_two_shards_is_refused(copied_preset):
    shutil.copy(copied_preset / "model.weights.h5", copied_preset / "b.weights.h5")
    (copied_preset / "model.weights.h5").rename(copied_preset / "a.weights.h5")
    (copied_preset / "model.weights.json").write_text(json.dumps({"weight_map": {"/x": ["a.weights.h5", "b.weights.h5"]}}))
    with pytest.raises(ValueError, match=r"b\.weights\.h5 and .*a\.weights\.h5 both hold layers/"):
        open_checkpoint(copied_preset)


def test_a_head_without_weights_is_refused(copied_preset):
    task = {"registered_name": "keras_hub>BertTextClassifier", "config": {"num_classes": 3}}
    (copied_preset / "task.json").write_text(json.dumps(task))
    with pytest.raises(ValueError, match=r"task\.json describes a head, but its weights task\.weights\.h5 are not there"):
        open_checkpoint(copied_preset)
    change_config(copied_preset / "task.json", num_classes="3")
    with pytest.raises(ValueError, match=r"task\.json: num_classes='3' is not a positive whole number"):
        open_checkpoint(copied_preset)


def test_pooling_that_is_not_known_is_refused(copied_preset):
    task = {"registered_name": "keras_hub>BertTextEmbedder", "config": {"pooling_mode": "last"}}
    (copied_preset / "task.json").write_text(json.dumps(task))
    with pytest.raises(ValueError, match=r"task\.json: pooling_mode='last'"):
        open_checkpoint(copied_preset)


def test_a_preset_without_weights_is_refused(copied_preset):
    (copied_preset / "model.weights.h5").unlink()
    with pytest.raises(ValueError, match=r"holds neither model\.weights\.h5 nor model\.weights\.json"):
        open_checkpoint(copied_preset)
