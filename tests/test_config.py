import json

import pytest

from keras_bert import BertConfig

SMALL = {"vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def write(tmp_path, name, values):
    path = tmp_path / name
    path.write_text(json.dumps(values))
    return path


def test_defaults_are_bert_base():
    config = BertConfig()
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (768, 12, 12)
    assert (config.hidden_act, config.layer_norm_eps) == ("gelu_tanh", 1e-12)


def test_gelu_of_google_is_tanh_and_of_transformers_exact(tmp_path):
    google = BertConfig.from_json_file(write(tmp_path, "bert_config.json", SMALL | {"hidden_act": "gelu"}))
    transformers = BertConfig.from_json_file(write(tmp_path, "config.json", SMALL | {"hidden_act": "gelu"}))
    assert (google.hidden_act, transformers.hidden_act) == ("gelu_tanh", "gelu")


def test_from_one_dialect_to_the_other(tmp_path):
    config = BertConfig.from_json_file(write(tmp_path, "bert_config.json", SMALL | {"hidden_act": "gelu"}))
    config.to_json_file(tmp_path / "config.json")
    assert json.loads((tmp_path / "config.json").read_text())["hidden_act"] == "gelu_new"
    assert BertConfig.from_json_file(tmp_path / "config.json").hidden_act == "gelu_tanh"


@pytest.mark.parametrize(("name", "dialect"), [("bert_config.json", "google"), ("config.json", "transformers")])
def test_unknown_keys_are_kept(tmp_path, name, dialect):
    path = write(tmp_path, name, SMALL | {"hidden_act": "gelu", "directionality": "bidi", "id2label": {"0": "no"}})
    config = BertConfig.from_json_file(path)
    assert config.extra["directionality"] == "bidi"
    config.to_json_file(tmp_path / "again.json", dialect=dialect)
    written = json.loads((tmp_path / "again.json").read_text())
    assert written["directionality"] == "bidi"
    assert written["id2label"] == {"0": "no"}


def test_sinusoidal_positions_in_transformers_words():
    config = BertConfig.from_transformers(SMALL | {"position_embedding_type": "sinusoidal"})
    assert config.position_embeddings == "sinusoidal"
    assert config.to_transformers()["position_embedding_type"] == "sinusoidal"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_size": 9}, "hidden_size=9 is not a multiple of num_attention_heads=2"),
        ({"vocab_size": 0}, "vocab_size=0"),
        ({"num_hidden_layers": True}, "num_hidden_layers=True"),
        ({"hidden_size": 8.0}, "hidden_size=8.0"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob=1.0"),
        ({"attention_probs_dropout_prob": -0.1}, "attention_probs_dropout_prob=-0.1"),
        ({"layer_norm_eps": 0}, "layer_norm_eps=0"),
        ({"initializer_range": "0.02"}, "initializer_range='0.02'"),
        ({"hidden_act": "gelu_new"}, "hidden_act='gelu_new'"),
        ({"position_embeddings": "rotary"}, "position_embeddings='rotary'"),
        ({"position_embeddings": "sinusoidal", "hidden_size": 9, "num_attention_heads": 3}, "hidden_size=9 is odd"),
    ],
)
def test_impossible_values_are_refused(change, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        BertConfig(**(SMALL | change))


def test_a_file_is_named_in_its_error(tmp_path):
    path = write(tmp_path, "config.json", SMALL | {"hidden_size": 9})
    with pytest.raises(ValueError, match=r"config\.json: hidden_size=9"):
        BertConfig.from_json_file(path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model_type": "roberta"}, "model_type='roberta'"),
        ({"is_decoder": True}, "is_decoder"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type='relative_key'"),
        ({"hidden_act": "mish"}, "hidden_act='mish'"),
    ],
)
def test_what_is_no_classic_bert_is_refused(values, words):
    with pytest.raises(ValueError, match=words):
        BertConfig.from_transformers(SMALL | values)


def test_a_file_without_sizes_is_refused_rather_than_taken_for_bert_base(tmp_path):
    path = write(tmp_path, "config.json", {"word_embedding_dimension": 384})
    with pytest.raises(ValueError, match="no vocab_size, hidden_size"):
        BertConfig.from_json_file(path)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_file_that_is_no_json_object(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        BertConfig.from_json_file(tmp_path / "config.json")


def test_a_name_that_tells_no_dialect(tmp_path):
    with pytest.raises(ValueError, match="dialect"):
        BertConfig.from_json_file(write(tmp_path, "model.json", SMALL))
    with pytest.raises(ValueError, match="dialect='pytorch'"):
        BertConfig.from_json_file(write(tmp_path, "model.json", SMALL), dialect="pytorch")


@pytest.mark.parametrize("change", [{"hidden_act": "gelu"}, {"layer_norm_eps": 1e-5}, {"position_embeddings": "sinusoidal"}])
def test_what_google_has_no_word_for_is_not_written(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        BertConfig(**change).to_google()


def test_frozen_and_hashable():
    config = BertConfig(extra={"a": 1})
    with pytest.raises(AttributeError):
        config.hidden_size = 4
    assert hash(config) == hash(BertConfig(extra={"a": 1}))


def test_from_dict_names_what_it_does_not_know():
    with pytest.raises(ValueError, match="layers"):
        BertConfig.from_dict({"layers": 12})
    assert BertConfig.from_dict(BertConfig(vocab_size=9).to_dict()) == BertConfig(vocab_size=9)


def test_the_exact_gelu_has_no_word_in_google_s_file():
    with pytest.raises(ValueError, match="cannot say hidden_act='gelu', the exact form with erf"):
        BertConfig(hidden_act="gelu").to_google()
