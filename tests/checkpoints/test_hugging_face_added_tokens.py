"""Added tokens from and to Transformers' tokenizer files, beside `tokenizers` and, where it is installed, Transformers."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from tokenizers import Tokenizer as HuggingFaceTokenizer

import keras_bert
from keras_bert import BertTokenizer
from keras_bert.checkpoints.hugging_face_tokenizer import read, write

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
ADDED = [
    {"content": "<ent>", "special": True},
    {"content": "</ent>", "lstrip": True},
    {"content": "was", "normalized": True, "single_word": True},
    {"content": "GOOD", "normalized": True, "rstrip": True},
]
LINES = ["<ent>film</ent> was GOOD  .", "it wasn't", "a  </ent> <ENT> good,Was", "[MASK] [SEP] <ent><ent> no", "waswas was.", ""]


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    return BertTokenizer(tiny_tokenizer.vocabulary, added_tokens=ADDED, max_word_characters=100)


def token(content, id_, *flags):
    return {"content": content, "id": id_} | {flag: flag in flags for flag in FLAGS}


def test_tokenizers_finds_what_is_written_and_it_is_read_again(tmp_path, tokenizer):
    write(tmp_path, tokenizer, 512)
    theirs = HuggingFaceTokenizer.from_file(str(tmp_path / "tokenizer.json"))
    whole = tokenizer.with_special_tokens_in_text(True)  # as they always are there
    expected = [theirs.encode(line, add_special_tokens=False).ids for line in LINES]
    assert whole.tokenize(LINES).to_list() == expected
    assert {id_ for row in expected for id_ in row} > {4, tokenizer.id_of("was"), 20, 21, 22}
    assert read(tmp_path).get_config() == tokenizer.get_config()
    for name in ("vocab.txt", "tokenizer.json"):  # each may be missing
        (tmp_path / name).rename(tmp_path / "aside")
        assert read(tmp_path).get_config() == tokenizer.get_config()
        (tmp_path / "aside").rename(tmp_path / name)


@pytest.mark.parametrize("in_text", [True, ["[MASK]"]])
def test_special_tokens_in_text_are_kept(tmp_path, tokenizer, in_text):
    write(tmp_path, tokenizer.with_special_tokens_in_text(in_text), 512)
    assert read(tmp_path).special_tokens_in_text == in_text


OLD = {
    "added_tokens.json": {"<ent>": 20, "</ent>": 21, "[MASK]": 4},
    "special_tokens_map.json": {"additional_special_tokens": ["<ent>", {"content": "good", "lstrip": True, "normalized": False}]},
}
BY_ID = {
    "4": {"content": "[MASK]", "lstrip": True, "special": True},
    "20": {"content": "<ent>", "rstrip": True, "normalized": False, "special": True, "__type": "AddedToken"},
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, []),
        (OLD, [token("good", 8, "lstrip", "special"), token("<ent>", 20, "special"), token("</ent>", 21, "normalized")]),
        ({"added_tokens.json": {"<ent>": 20}}, [token("<ent>", 20, "normalized")]),
        ({"tokenizer_config.json": {"extra_special_tokens": {"entity": "<ent>"}}}, [token("<ent>", 20, "special")]),
        (OLD | {"tokenizer_config.json": {"added_tokens_decoder": BY_ID}}, [token("<ent>", 20, "rstrip", "special")]),
    ],
    ids=range(5),
)
def test_older_directories_are_read(tmp_path, tiny_tokenizer, files, expected):
    (tmp_path / "vocab.txt").write_text("\n".join(tiny_tokenizer.vocabulary))
    for name, values in files.items():
        (tmp_path / name).write_text(json.dumps(values))
    assert read(tmp_path).added_tokens == expected


def whole_tokenizer(vocabulary, added):
    return {
        "normalizer": {"type": "BertNormalizer"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {"type": "WordPiece", "vocab": {piece: index for index, piece in enumerate(vocabulary)}},
        "added_tokens": [token(content, id_, "special") for content, id_ in added.items()],
    }


def test_special_tokens_that_were_added_to_a_vocabulary_belong_to_it(tmp_path):
    whole = whole_tokenizer(["a", "[UNK]"], {"[UNK]": 1, "<e>": 2, "[PAD]": 3, "[CLS]": 4, "[SEP]": 5, "<f>": 6})
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    tokenizer = read(tmp_path)
    assert tokenizer.vocabulary == ["a", "[UNK]", "<e>", "[PAD]", "[CLS]", "[SEP]"]
    assert tokenizer.added_tokens == [token("<e>", 2, "special"), token("<f>", 6, "special")]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"tokenizer.json": {"<e>": 21}}, r"tokenizer\.json: the added token '<e>' has id 21, which leaves a gap: no token has id 20"),
        ({"tokenizer.json": {"<e>": 5}}, r"tokenizer\.json: the added token '<e>' has id 5, which is taken by 'a'"),
        ({"tokenizer.json": {"[MASK]": 20}}, r"tokenizer\.json: the added token '\[MASK\]' has id 20, but in the vocabulary it has id 4"),
        ({"added_tokens.json": {"": 20}}, r"added_tokens\.json: added token 0: '' is no token"),
        ({"added_tokens.json": {"<e>": 22}}, r"added_tokens\.json: .*'<e>' has id 22, which leaves a gap"),
        (
            {"tokenizer_config.json": {"added_tokens_decoder": {"x": {}}}},
            r"tokenizer_config\.json: added_tokens_decoder is no object of tokens by id: \{'x'",
        ),
        (
            {"tokenizer_config.json": {"special_tokens_in_text": "[MASK]"}},
            r"vocab\.txt: special_tokens_in_text='\[MASK\]' is not True, False or a list",
        ),
    ],
    ids=range(7),
)
def test_a_wrong_file_is_named(tmp_path, tiny_tokenizer, files, words):
    (tmp_path / "vocab.txt").write_text("\n".join(tiny_tokenizer.vocabulary))
    for name, values in files.items():
        values = whole_tokenizer(tiny_tokenizer.vocabulary, values) if name == "tokenizer.json" else values
        (tmp_path / name).write_text(json.dumps(values))
    with pytest.raises(ValueError, match=words):
        read(tmp_path)


def test_a_model_with_added_tokens_gives_transformers_logits(shared):
    path = shared / "reference" / "transformers_more" / "added_tokens"
    texts, expected = json.loads((path / "inputs.json").read_text())["texts"], np.load(path / "expected.npz")["logits"]
    model = keras_bert.from_pretrained(path)
    probabilities = model.predict(texts[:4], verbose=0)
    exponents = np.exp(expected[:4] - expected[:4].max(-1, keepdims=True))
    np.testing.assert_allclose(probabilities, exponents / exponents.sum(-1, keepdims=True), atol=1e-5)


PEERS = pathlib.Path(
    os.environ.get("KERAS_BERT_PEERS_PYTHON") or pathlib.Path(__file__).parents[2] / "benchmarks" / ".peers" / "bin" / "python"
)
PROGRAM = """
import json, sys, transformers
tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
print(json.dumps([tokenizer.encode(line, add_special_tokens=False) for line in json.loads(sys.argv[2])]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.exists(), reason="Transformers is not here: benchmarks/setup_peers.sh installs it")
@pytest.mark.parametrize("without", [(), ("tokenizer.json",), ("vocab.txt",)], ids=str)
def test_transformers_finds_what_is_written(tmp_path, tokenizer, without):
    write(tmp_path, tokenizer, 512)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for name in without:
        (tmp_path / name).unlink()
    done = subprocess.run([str(PEERS), "-c", PROGRAM, str(tmp_path), json.dumps(LINES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == tokenizer.with_special_tokens_in_text(True).tokenize(LINES).to_list()


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.exists(), reason="Transformers is not here: benchmarks/setup_peers.sh installs it")
@pytest.mark.parametrize(
    "files",
    # Transformers 5 reads OLD otherwise: there the special tokens are found in any case. 4, which wrote such files, is as here.
    [{"added_tokens.json": {"<ent>": 20}}, OLD | {"tokenizer_config.json": {"added_tokens_decoder": BY_ID}}],
    ids=["added_tokens", "added_tokens_decoder"],
)
def test_transformers_reads_older_directories_alike(tmp_path, tiny_tokenizer, files):
    (tmp_path / "vocab.txt").write_text("\n".join(tiny_tokenizer.vocabulary))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for name, values in files.items():
        (tmp_path / name).write_text(json.dumps(values))
    done = subprocess.run([str(PEERS), "-c", PROGRAM, str(tmp_path), json.dumps(LINES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == read(tmp_path).with_special_tokens_in_text(True).tokenize(LINES).to_list()
