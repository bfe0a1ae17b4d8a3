"""The files are as sentence-transformers writes them: before version 5, and in version 6. The oracles are Transformers' outputs."""

import gzip
import json
import shutil

import numpy as np
import pytest

from keras_bert.checkpoints.checkpoint import load_weights
from keras_bert.checkpoints.recognise import recognise
from keras_bert.checkpoints.sentence_transformers import open_checkpoint
from keras_bert.models import BertEncoder, TextEmbedder

OLDER_BOOLEANS = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
OLDER = {"transformer": "sentence_transformers.models.Transformer"}
NEWER = {"transformer": "sentence_transformers.base.modules.transformer.Transformer"}
for kind in ("Pooling", "Normalize"):
    OLDER[kind.lower()] = f"sentence_transformers.models.{kind}"
NEWER["pooling"] = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
NEWER["normalize"] = "sentence_transformers.base.modules.normalize.Normalize"


def older_pooling(*names, size=64):
    return {"word_embedding_dimension": size} | {f"pooling_mode_{name}": name in names for name in OLDER_BOOLEANS}


def newer_pooling(name, size=64):
    return {"embedding_dimension": size, "pooling_mode": name, "include_prompt": True}


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def make_modules(directory, *kinds, names=OLDER, transformer=""):
    paths = [transformer] + [f"{index}_{kind.capitalize()}" for index, kind in enumerate(kinds) if index]
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": names[kind]}
        for index, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    write(directory / "modules.json", modules)


@pytest.fixture
def directory(tmp_path, reference):
    """The small BERT in the older form: mean, normalised, at most 40 tokens."""
    path = tmp_path / "model"
    shutil.copytree(reference / "hugging_face" / "pretraining", path)
    make_modules(path, "transformer", "pooling", "normalize")
    write(path / "1_Pooling" / "config.json", older_pooling("mean_tokens"))
    write(path / "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": False})
    return path


@pytest.fixture(scope="module")
def expected(reference):
    with np.load(reference / "hugging_face" / "pretraining" / "expected.npz") as file:
        arrays = dict(file)
    assert 0 < arrays["attention_mask"].sum() < arrays["attention_mask"].size  # some of it is padding
    return arrays


def pool(arrays, pooling, normalize):
    """Pooling by hand, a text at a time."""
    vectors = []
    for tokens, mask in zip(arrays["last_hidden_state"], arrays["attention_mask"], strict=True):
        real = tokens[mask == 1]
        vector = {"mean": real.mean(0), "max": real.max(0), "cls": tokens[0]}[pooling]
        vectors.append(vector / np.sqrt((vector**2).sum()) if normalize else vector)
    return np.stack(vectors)


def embed(checkpoint, arrays):
    network = TextEmbedder(
        BertEncoder(checkpoint.config, pooler=False), pooling=checkpoint.settings["pooling"], normalize=checkpoint.settings["normalize"]
    )
    load_weights(network, checkpoint)
    names = ("input_ids", "token_type_ids", "attention_mask")
    return np.asarray(network({name: arrays[name].astype("int32") for name in names}))


@pytest.mark.parametrize("form", ["older", "newer"])
@pytest.mark.parametrize(("pooling", "normalize"), [("mean", True), ("max", False), ("cls", True)])
def test_vectors_are_those_of_transformers_pooled_by_hand(directory, expected, form, pooling, normalize):
    kinds = ["transformer", "pooling"] + ["normalize"] * normalize
    make_modules(directory, *kinds, names=OLDER if form == "older" else NEWER)
    older = {"mean": "mean_tokens", "max": "max_tokens", "cls": "cls_token"}[pooling]
    write(directory / "1_Pooling" / "config.json", older_pooling(older) if form == "older" else newer_pooling(pooling))
    assert recognise(directory) == "sentence_transformers"
    checkpoint = open_checkpoint(directory)
    assert (checkpoint.format, checkpoint.network, checkpoint.task) == ("sentence_transformers", "TextEmbedder", "BertEmbedder")
    assert checkpoint.settings == {"pooling": pooling, "normalize": normalize, "max_length": 40}
    np.testing.assert_allclose(embed(checkpoint, expected), pool(expected, pooling, normalize), atol=1e-5, rtol=0)


def test_the_transformer_may_have_a_folder(directory, expected):
    (directory / "0_Transformer").mkdir()
    for name in ("config.json", "model.safetensors", "sentence_bert_config.json"):
        (directory / name).rename(directory / "0_Transformer" / name)
    make_modules(directory, "transformer", "pooling", "normalize", transformer="0_Transformer")
    checkpoint = open_checkpoint(directory)
    assert checkpoint.settings["max_length"] == 40
    np.testing.assert_allclose(embed(checkpoint, expected), pool(expected, "mean", True), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("tokenizer_says", "max_length"),
    [(None, None), (30, 30), (512, 64), (1e30, 64)],  # the small BERT takes 64 tokens
)
def test_newer_files_leave_the_length_to_the_tokenizer(directory, tokenizer_says, max_length):
    settings = {"transformer_task": "feature-extraction", "module_output_name": "token_embeddings"}
    settings["modality_config"] = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
    write(directory / "sentence_bert_config.json", settings)
    if tokenizer_says:
        write(directory / "tokenizer_config.json", {"model_max_length": tokenizer_says})
    assert open_checkpoint(directory).settings.get("max_length") == max_length


def test_the_older_length_stands_before_the_tokenizers(directory):
    write(directory / "tokenizer_config.json", {"model_max_length": 50})
    assert open_checkpoint(directory).settings["max_length"] == 40


def test_do_lower_case_lowers_before_a_cased_tokenizer(directory):
    (directory / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "café", "cafe", "Café"]))
    write(directory / "tokenizer_config.json", {"do_lower_case": False})
    assert open_checkpoint(directory).make_tokenizer().tokenize(["Café"])[0].numpy().tolist() == [6]
    write(directory / "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": True})
    assert open_checkpoint(directory).make_tokenizer().tokenize(["Café"])[0].numpy().tolist() == [4]
    write(directory / "tokenizer_config.json", {"do_lower_case": True})  # an uncased one drops accents as ever
    assert open_checkpoint(directory).make_tokenizer().tokenize(["Café"])[0].numpy().tolist() == [5]


def test_how_a_model_is_asked_is_read(directory):
    asked = {"prompts": {"query": "Ask: ", "document": ""}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    write(directory / "config_sentence_transformers.json", asked)
    plain = open_checkpoint(directory).settings
    assert plain["prompts"] == {"query": "Ask: ", "document": ""} and not {"default_prompt", "similarity", "truncate_dim"} & set(plain)
    asked |= {"default_prompt_name": "query", "similarity_fn_name": "dot", "truncate_dim": 12}
    write(directory / "config_sentence_transformers.json", asked)
    assert open_checkpoint(directory).settings == plain | {"default_prompt": "query", "similarity": "dot", "truncate_dim": 12}
    write(directory / "config_sentence_transformers.json", {"prompts": {"query": "", "document": ""}, "default_prompt_name": "query"})
    assert open_checkpoint(directory).settings == {name: value for name, value in plain.items() if name != "prompts"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"prompts": {"query": 1}}, r"config_sentence_transformers\.json: prompts=\{'query': 1\}; expected an object"),
        ({"prompts": {"query": "a"}, "default_prompt_name": "title"}, "default_prompt_name='title' is none of the prompts: query"),
        ({"similarity_fn_name": "maxsim"}, "similarity_fn_name='maxsim' is not one of cosine, dot"),
    ],
)
def test_prompts_and_similarities_that_are_none_are_told(directory, asked, words):
    write(directory / "config_sentence_transformers.json", asked)
    with pytest.raises(ValueError, match=words):
        open_checkpoint(directory)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (older_pooling("mean_tokens", "cls_token"), "the pooling is cls and mean; TextEmbedder has one of mean, cls, max"),
        (older_pooling("weightedmean_tokens"), "the pooling is weightedmean;"),
        (older_pooling("lasttoken"), "the pooling is lasttoken;"),
        (older_pooling("mean_sqrt_len_tokens"), "the pooling is mean_sqrt_len_tokens;"),
        ({"pooling_mode_new_kind": True, "pooling_mode_mean_tokens": False}, "the pooling is pooling_mode_new_kind;"),
        (newer_pooling(["mean", "max"]), "the pooling is mean and max;"),
        (newer_pooling("lasttoken"), "the pooling is lasttoken;"),
        (newer_pooling("mean", size=65), "it pools vectors of 65 features, but the model's have hidden_size=64"),
        (newer_pooling("mean") | {"include_prompt": False}, "include_prompt=False"),
        ({}, r"says no pooling: neither pooling_mode nor"),
        ([], "holds a JSON list, not an object"),
    ],
)
def test_a_pooling_that_is_not_ours_is_refused(directory, values, message):
    write(directory / "1_Pooling" / "config.json", values)
    with pytest.raises(ValueError, match=rf"1_Pooling.config\.json:? {message}"):
        open_checkpoint(directory)


def test_where_all_are_false_it_is_the_mean(directory):
    write(directory / "1_Pooling" / "config.json", older_pooling())  # as in sentence-transformers' Pooling
    assert open_checkpoint(directory).settings["pooling"] == "mean"


def test_a_missing_pooling_file_is_named(directory):
    (directory / "1_Pooling" / "config.json").unlink()
    with pytest.raises(ValueError, match=r"1_Pooling.config\.json is not there"):
        open_checkpoint(directory)


def module(path="2_Other", type="sentence_transformers.models.Dense"):
    return {"idx": 2, "name": "2", "path": path, "type": type}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            lambda modules: [*modules[:2], module(type="sentence_transformers.models.LSTM")],
            r"the module sentence_transformers\.models\.LSTM cannot be represented; Transformer, Pooling, Dense, Normalize",
        ),
        (lambda modules: [*modules[:2], module(type="own_code.Normalize")], r"the module own_code\.Normalize cannot be represented"),
        (lambda modules: modules[:1], "the modules are Transformer; expected Transformer, Pooling, perhaps Dense and Normalize"),
        (
            lambda modules: [modules[0], modules[2] | {"idx": 1}, modules[1] | {"idx": 2}],
            "the modules are Transformer, Normalize, Pooling;",
        ),
        (lambda modules: [], "the modules are none; expected Transformer first"),
        (lambda modules: modules[1:], "the modules are Pooling, Normalize; expected Transformer first"),
        (lambda modules: [3], "3 is no module"),
        (lambda modules: {}, "holds a JSON dict, not a list"),
    ],
)
def test_other_modules_are_refused(directory, changed, message):
    modules = json.loads((directory / "modules.json").read_text())
    write(directory / "modules.json", changed(modules))
    with pytest.raises(ValueError, match=rf"modules\.json:? {message}"):
        open_checkpoint(directory)


def test_modules_are_taken_in_the_order_of_idx(directory):
    modules = json.loads((directory / "modules.json").read_text())
    write(directory / "modules.json", modules[::-1])
    assert open_checkpoint(directory).settings["normalize"]


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "1_Pooling/../../x", "..\\x", "C:\\x", "./."])
@pytest.mark.parametrize("index", [0, 1])
def test_a_module_outside_of_the_directory_is_refused(directory, path, index):
    modules = json.loads((directory / "modules.json").read_text())
    modules[index]["path"] = path
    write(directory / "modules.json", modules)
    with pytest.raises(ValueError, match=r"modules\.json names the path .* which leaves its directory") as raised:
        open_checkpoint(directory)
    assert repr(path) in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_seq_length": 65}, "max_seq_length=65 is not a number of tokens from 3 to the model's 64"),
        ({"max_seq_length": "40"}, "max_seq_length='40' is not a number"),
        ({"max_seq_length": 2}, "max_seq_length=2 is not"),
        ({"transformer_task": "fill-mask"}, "transformer_task='fill-mask'; only 'feature-extraction' is read"),
        (
            {"modality_config": {"text": {"method_output_name": "pooler_output"}}},
            r"modality_config\.text\.method_output_name='pooler_output'",
        ),
    ],
)
def test_settings_that_the_model_cannot_have_are_refused(directory, settings, message):
    write(directory / "sentence_bert_config.json", settings)
    with pytest.raises(ValueError, match=rf"sentence_bert_config\.json: {message}"):
        open_checkpoint(directory)


def test_a_pickle_is_refused(directory):
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"holds .*pytorch_model\.bin.*; expected model\.safetensors.* Pickles .* are not read"):
        open_checkpoint(directory)


def test_a_folder_or_file_that_is_not_there_is_named(directory):
    make_modules(directory, "transformer", "pooling", transformer="0_Transformer")
    with pytest.raises(ValueError, match=r"0_Transformer, which modules\.json names, is not a directory"):
        open_checkpoint(directory)
    (directory / "modules.json").unlink()
    with pytest.raises(ValueError, match=r"modules\.json is not there"):
        open_checkpoint(directory)


@pytest.fixture(scope="module")
def make_published(minilm, tmp_path_factory):
    """Call it for the real all-MiniLM-L6-v2 as published, or as version 6 saves it. Its files are linked, as in a download's cache."""

    def make(newer):
        path = tmp_path_factory.mktemp("published")
        for name in ("config.json", "model.safetensors", "vocab.txt"):
            (path / name).symlink_to(f"{minilm}/{name}")
        make_modules(path, "transformer", "pooling", "normalize", names=NEWER if newer else OLDER)
        write(path / "1_Pooling" / "config.json", newer_pooling("mean", 384) if newer else older_pooling("mean_tokens", size=384))
        write(path / "sentence_bert_config.json", {} if newer else {"max_seq_length": 256, "do_lower_case": False})
        write(path / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 256 if newer else 512})
        return path

    return make


@pytest.mark.slow
@pytest.mark.parametrize("newer", [False, True])
def test_the_published_embedder_has_transformers_vectors(make_published, reference, newer):
    checkpoint = open_checkpoint(make_published(newer))
    assert checkpoint.settings == {"pooling": "mean", "normalize": True, "max_length": 256}
    with np.load(reference / "minilm" / "transformers.npz") as arrays:
        expected = arrays["sentence_embedding"]
        found = embed(checkpoint, arrays)
        ids = [row[mask == 1][1:-1].tolist() for row, mask in zip(arrays["input_ids"], arrays["attention_mask"], strict=True)]
        assert checkpoint.make_tokenizer().tokenize(arrays["texts"].tolist()).to_list() == ids
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_the_published_embedder_ranks_sts_benchmark_as_it_should(make_published, root):
    path = root.parent / "shared" / "data" / "stsb" / "en-test.tsv.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    assert len(rows) == 1379
    checkpoint = open_checkpoint(make_published(newer=False))
    network = TextEmbedder(BertEncoder(checkpoint.config, pooler=False))
    load_weights(network, checkpoint)
    tokens = checkpoint.make_tokenizer().tokenize([row[column] for column in (1, 2) for row in rows]).to_list()
    vectors = np.zeros((len(tokens), 384), "float32")
    by_length = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
    for chosen in np.array_split(by_length, 30):  # little padding, so that it takes seconds
        vectors[chosen] = np.asarray(network(contract([tokens[index] for index in chosen])))
    cosine = (vectors[: len(rows)] * vectors[len(rows) :]).sum(-1)
    correlation = spearman(cosine, np.array([float(row[0]) for row in rows]))
    print(f"Spearman of cosine on STS-B en-test: {correlation:.4f}")
    assert correlation == pytest.approx(0.8203, abs=0.0005)


def contract(tokens):
    """[CLS] tokens [SEP] and padding, with the ids of bert-base-uncased's vocabulary."""
    length = max(map(len, tokens)) + 2
    ids = np.array([[101, *row, 102] + [0] * (length - 2 - len(row)) for row in tokens], "int32")
    return {"input_ids": ids, "token_type_ids": np.zeros_like(ids), "attention_mask": (ids != 0).astype("int32")}


def spearman(first, second):
    return np.corrcoef(ranks(first), ranks(second))[0, 1]


def ranks(values):
    """Ranks from 0; equal values share the mean of theirs."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[group]


def test_do_lower_case_keeps_tokens_that_were_added(tiny_tokenizer):
    from keras_bert import BertTokenizer
    from keras_bert.checkpoints.sentence_transformers import _lower_cased

    cased = BertTokenizer(tiny_tokenizer.vocabulary, lower_case=False, added_tokens=["<ENT>"], special_tokens_in_text=["[MASK]"])
    lowered = _lower_cased(cased)
    assert lowered.get_config() == cased.get_config() | {"lower_case": True, "strip_accents": False}
    expected = [cased.id_of(piece) for piece in ("good", "<ENT>", "[MASK]", "film")]
    assert lowered.tokenize(["GOOD <ENT> [MASK] Film"]).to_list() == [expected]
