"""What is written for Transformers, beside what Transformers itself wrote (tests/reference)."""

import json
import os
import subprocess

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer as HuggingFaceTokenizer
from transformers_side import NOT_OF_THE_MODEL, PEERS, TRANSFORMERS_PROGRAM
from unicode_lines import unicode_lines

import keras_bert
from keras_bert import BertClassifier, BertPacker, BertTokenizer
from keras_bert.checkpoints import load_network, open_checkpoint, save_network, to_hugging_face
from keras_bert.checkpoints.hugging_face_tokenizer import read, write

NAMES = ("masked_lm", "pretraining", "pretraining_legacy_names", "question_answering", "sequence_classification", "token_classification")


@pytest.mark.parametrize("name", NAMES)
def test_tensors_and_configuration_are_those_that_transformers_wrote(reference, tmp_path, name):
    source = reference / "hugging_face" / name
    checkpoint = open_checkpoint(source)
    to_hugging_face(keras_bert.from_pretrained(source), tmp_path / "out", labels=checkpoint.labels)
    original = reference / "hugging_face" / name.replace("_legacy_names", "")
    got, expected = load_file(tmp_path / "out" / "model.safetensors"), load_file(original / "model.safetensors")
    assert sorted(got) == sorted(expected)
    for tensor, value in expected.items():
        np.testing.assert_array_equal(got[tensor], value, err_msg=tensor)
    config, theirs = (json.loads((path / "config.json").read_text()) for path in (tmp_path / "out", original))
    if theirs.get("classifier_dropout", 0) is None:
        theirs["classifier_dropout"] = theirs["hidden_dropout_prob"] if config.get("classifier_dropout") else None
    assert {key: value for key, value in theirs.items() if key not in NOT_OF_THE_MODEL and config.get(key) != value} == {}


@pytest.mark.parametrize("name", NAMES)
def test_the_way_there_and_back_changes_no_bit(reference, tmp_path, name):
    source = reference / "hugging_face" / name
    labels = open_checkpoint(source).labels
    model = keras_bert.from_pretrained(source)
    if hasattr(model, "save_pretrained"):
        model.save_pretrained(tmp_path / "native")
    else:
        save_network(model, tmp_path / "native", labels=labels)
    native = keras_bert.from_pretrained(tmp_path / "native")
    assert type(native) is type(model) and open_checkpoint(tmp_path / "native").labels == labels
    to_hugging_face(native, tmp_path / "hugging_face", labels=labels)
    again = keras_bert.from_pretrained(tmp_path / "hugging_face", strict=True)
    assert type(again) is type(model) and open_checkpoint(tmp_path / "hugging_face").labels == labels
    for first, second, third in zip(model.get_weights(), native.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, third)


def test_the_output_bias_may_have_the_decoder_s_name(tiny_transformers_directory, reference):
    path, tensors, rewrite = tiny_transformers_directory
    source = load_file(reference / "hugging_face" / "masked_lm" / "model.safetensors")
    tensors.clear()
    tensors.update(source)
    tensors["cls.predictions.decoder.bias"] = tensors.pop("cls.predictions.bias")
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
    rewrite(architectures=["BertForMaskedLM"], id2label=None)
    model = keras_bert.from_pretrained(path)  # warnings are errors here
    np.testing.assert_array_equal(model.network.get_layer("masked_lm").bias, source["cls.predictions.bias"])
    tensors["cls.predictions.decoder.weight"] = tensors["cls.predictions.decoder.weight"] + 1
    rewrite(tie_word_embeddings=False)
    with pytest.raises(ValueError, match=r"decoder\.weight is not the word embedding \(tie_word_embeddings=False\)"):
        keras_bert.from_pretrained(path)


def test_half_a_head_is_refused(tiny_transformers_directory):
    path, tensors, rewrite = tiny_transformers_directory
    del tensors["classifier.bias"]
    rewrite()
    with pytest.raises(ValueError, match=r"lacks 1 tensors that the model needs: classifier\.bias"):
        keras_bert.from_pretrained(path)


def test_what_transformers_has_not_is_refused(tiny_classifier, tmp_path, make_tiny_classifier, tiny_config):
    from keras_bert import BertEncoder
    from keras_bert.models import TextEmbedder

    with pytest.raises(ValueError, match=r"pooling='mean': Transformers' BertForSequenceClassification reads the pooler"):
        to_hugging_face(make_tiny_classifier(pooling="mean"), tmp_path / "out")
    with pytest.raises(ValueError, match="Transformers' BERT has no TextEmbedder"):
        to_hugging_face(TextEmbedder(BertEncoder(tiny_config)), tmp_path / "out")
    with pytest.raises(ValueError, match="2 labels"):
        to_hugging_face(tiny_classifier, tmp_path / "out", labels=["a", "b"])
    with pytest.raises(TypeError, match="a str is no model"):
        to_hugging_face("model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_vocabulary_of_another_size_is_refused_and_nothing_is_written(tiny_classifier, tmp_path, tiny_tokenizer):
    longer = BertTokenizer([*tiny_tokenizer.vocabulary, "extra"])
    with pytest.raises(ValueError, match=r"21 pieces but .* vocab_size=20 rows.*pieces from number 20 on, such as 'extra', have no row"):
        to_hugging_face(tiny_classifier, tmp_path / "out", tokenizer=longer)
    assert not (tmp_path / "out").exists()


SETTINGS = [
    {},
    {"lower_case": False},
    {"strip_accents": False},
    {"lower_case": False, "strip_accents": True},
    {"tokenize_chinese_chars": False},
    {"max_word_characters": 7},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: str(settings) or "default")
def test_tokenizers_reads_what_is_written_and_gives_the_same_ids(tmp_path, uncased_vocabulary, settings):
    lines = ["Crème brûlée!", "中文 mixed", "", "one extraordinarily"] + [line for line in unicode_lines(300, seed=11) if line.isascii()]
    tokenizer = BertTokenizer(uncased_vocabulary, **{"max_word_characters": 100} | settings)
    write(tmp_path, tokenizer, 512)
    theirs = HuggingFaceTokenizer.from_file(str(tmp_path / "tokenizer.json"))
    packed = BertPacker(tokenizer, 64, pad_to_multiple_of=1)(lines, lines[::-1])
    for row, (first, second) in enumerate(zip(lines, lines[::-1], strict=True)):
        encoding = theirs.encode(first, second)
        real = packed["attention_mask"][row].numpy() == 1
        assert packed["input_ids"][row].numpy()[real].tolist() == encoding.ids
        assert packed["token_type_ids"][row].numpy()[real].tolist() == encoding.type_ids
    assert read(tmp_path).get_config() == tokenizer.get_config()
    (tmp_path / "vocab.txt").unlink()  # as Transformers 5 leaves it
    assert read(tmp_path).get_config() == tokenizer.get_config()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {}),
        ({"tokenizer_config.json": {"do_lower_case": False}}, {"lower_case": False}),
        (
            {"tokenizer_config.json": {"strip_accents": False, "tokenize_chinese_chars": False}},
            {"strip_accents": False, "tokenize_chinese_chars": False},
        ),
        ({"tokenizer.json": {"lowercase": False}}, {"lower_case": False}),
        ({"tokenizer.json": {"lowercase": False}, "tokenizer_config.json": {"do_lower_case": True}}, {"lower_case": True}),
        (
            {"tokenizer.json": {"handle_chinese_chars": False, "strip_accents": True}},
            {"tokenize_chinese_chars": False, "strip_accents": True},
        ),
    ],
    ids=range(6),
)
def test_settings_are_honoured(tmp_path, tiny_tokenizer, files, expected):
    (tmp_path / "vocab.txt").write_text("\n".join(tiny_tokenizer.vocabulary))
    for name, values in files.items():
        if name == "tokenizer.json":
            normalizer = {"type": "BertNormalizer", "clean_text": True} | values
            vocabulary = {piece: index for index, piece in enumerate(tiny_tokenizer.vocabulary)}
            values = {"normalizer": normalizer, "pre_tokenizer": {"type": "BertPreTokenizer"}, "model": {"vocab": vocabulary}}
        (tmp_path / name).write_text(json.dumps(values))
    defaults = {"lower_case": True, "max_word_characters": 100, "strip_accents": None, "tokenize_chinese_chars": True}
    defaults |= {"special_tokens_in_text": False, "added_tokens": []}
    assert read(tmp_path).settings() == defaults | expected


def word_piece(**vocabulary):
    return {"type": "WordPiece", "vocab": {f"[{name}]": index for name, index in vocabulary.items()}}


def whole_tokenizer(**changes):
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4}
    values = {
        "normalizer": {"type": "BertNormalizer"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {"type": "WordPiece", "vocab": vocabulary},
    }
    return values | changes


@pytest.mark.parametrize(
    ("whole", "settings", "words"),
    [
        (whole_tokenizer(model={"type": "BPE", "vocab": {}}), None, r"tokenizer\.json: model is 'BPE'; a BERT has 'WordPiece'"),
        (whole_tokenizer(normalizer={"type": "NFC"}), None, "normalizer is 'NFC'"),
        (whole_tokenizer(normalizer={"type": "BertNormalizer", "clean_text": False}), None, "clean_text=false"),
        (
            whole_tokenizer(model=word_piece(PAD=0, X=2)),
            None,
            "ids of the vocabulary's 2 pieces are not 0 to 1",
        ),
        (
            whole_tokenizer(model=word_piece(PAD=0, X=1)),
            None,
            r"tokenizer\.json: .*no \[UNK\], \[CLS\], \[SEP\]",
        ),
        (whole_tokenizer(added_tokens=[{"id": 9, "content": "[X]"}]), None, r"added token '\[X\]' has id 9"),
        (None, {"tokenizer_class": "BertJapaneseTokenizer"}, "tokenizer_class='BertJapaneseTokenizer'"),
        (None, {"do_lower_case": "yes"}, "do_lower_case='yes' is not true or false"),
        (None, [], "holds a JSON list"),
        (None, "{", "is not JSON"),
    ],
    ids=range(10),
)
def test_what_is_no_bert_tokenizer_is_told(tmp_path, tiny_tokenizer, whole, settings, words):
    if whole is not None:
        (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    else:
        (tmp_path / "vocab.txt").write_text("\n".join(tiny_tokenizer.vocabulary))
        (tmp_path / "tokenizer_config.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    with pytest.raises(ValueError, match=words):
        read(tmp_path)


CLASSES = {
    "masked_lm": "BertForMaskedLM",
    "pretraining": "BertForPreTraining",
    "question_answering": "BertForQuestionAnswering",
    "sequence_classification": "BertForSequenceClassification",
    "token_classification": "BertForTokenClassification",
}


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.exists(), reason="Transformers is not here: benchmarks/setup_peers.sh installs it")
@pytest.mark.parametrize("name", CLASSES)
def test_transformers_loads_it_with_identical_logits(reference, tmp_path, name):
    source = reference / "hugging_face" / name
    to_hugging_face(load_network(source), tmp_path / "out", labels=open_checkpoint(source).labels)
    command = [str(PEERS), "-c", TRANSFORMERS_PROGRAM, str(source), str(tmp_path / "out"), CLASSES[name], str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "logits" in done.stdout


def test_a_classifier_s_directory_serves_both(tiny_classifier, tmp_path):
    to_hugging_face(tiny_classifier, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    again = BertClassifier.from_pretrained(tmp_path / "out", strict=True)
    assert again.labels == tiny_classifier.labels
    texts = ["a good film", "bad, was it?"]
    np.testing.assert_array_equal(again.predict(texts, verbose=0), tiny_classifier.predict(texts, verbose=0))
