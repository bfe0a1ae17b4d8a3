"""Tokens found whole, beside Hugging Face `tokenizers` and what Transformers wrote (tests/reference/added_tokens)."""

import itertools
import json
import random

import numpy as np
import pytest
import tensorflow as tf
from test_offsets import ids_of, ours, tokenizers_differs_on
from tokenizers import Tokenizer as HuggingFaceTokenizer
from unicode_lines import unicode_lines

from keras_bert import BertPacker, BertTokenizer
from keras_bert.checkpoints.hugging_face_tokenizer import read
from keras_bert.text import characters_from_bytes, word_ids

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIAL, "<", ">", "ent", "x", "y", "##y", "[", "]", "mask", "xy"]
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@pytest.fixture(scope="module")
def small():
    return BertTokenizer(PIECES, added_tokens=["<ent>", "</ent>"])


def test_ids_and_offsets_are_those_of_transformers(reference):
    path = reference / "added_tokens"
    inputs, expected = json.loads((path / "inputs.json").read_text()), np.load(path / "expected.npz")
    found, texts = read(path), inputs["texts"]
    assert found.vocabulary_size == 2000 and len(found.vocabulary) == 1998
    for rows, tokenizer in (([0, 1, 2, 3], found), ([0, 1, 2, 3, 4], found.with_special_tokens_in_text(True))):
        packed = BertPacker(tokenizer, 48, pad_to_multiple_of=1)([texts[row] for row in rows])
        np.testing.assert_array_equal(packed["input_ids"], expected["input_ids"][rows])
        _, starts, ends = tokenizer.tokenize_with_offsets(texts)
        for row in rows:
            wanted = [span for span in inputs["offsets"][row] if span != [0, 0]]  # special tokens and padding there
            got = zip(*(characters_from_bytes(texts, part).to_list()[row] for part in (starts, ends)), strict=True)
            assert [list(span) for span in got] == wanted


CONTENTS = ["<ent>", "</ent>", "<e", "<ent><x>", "foo", "foobar", "Bar", "BAZ q", "中", "中文", "é", "Crème", "a b", "ab", "##s", "$5"]
CONTENTS += ["it's", "[unused]", "💩", "ı", "İs", "Straße", "ǅ", "x\u0301", "日 本", "ab,", "-", "q", "word", "の"]
BESIDE = [" ", "  ", ".", ",", "a", "foo", "x", "中", "é", "\u0301", "\u200d", "_", "Ⓐ", "\u00a0", "\u3000", "\t", "\x0b", "\x85", "1", "²"]
BESIDE += ["\x01", "\x00", "word", "[MASK]", "[", "]", "ſ", "\u200b", "\u2028", "\n"]
# lower_case, tokenize_chinese_chars, strip_accents
SETTINGS = [(True, True, None), (False, True, None), (True, False, None)]
SETTINGS += [pytest.param(settings, marks=pytest.mark.slow) for settings in ((True, True, False), (False, True, True))]


def texts_with(contents, generator, count):
    """Returns: lines that hold the tokens at their ends, beside each other, beside anything, in another case, and cut short."""
    others, lines = unicode_lines(count, seed=generator.random()), []
    for other in others:
        parts = []
        for _ in range(generator.randint(1, 8)):
            kind, content = generator.random(), generator.choice(contents)
            if kind < 0.5:
                parts.append(generator.choice([content, content, content.upper(), content.lower(), content[:-1], content.swapcase()]))
            else:
                parts.append(generator.choice(BESIDE) if kind < 0.9 else other[:6])
        lines.append("".join(parts))
    return lines


def random_tokens(generator, vocabulary, normalize):
    tokens, forms, next_id = [], set(), len(vocabulary)
    for content in generator.sample(CONTENTS, generator.randint(1, 12)):
        token = {"content": content} | {flag: generator.random() < (0.5 if flag == "normalized" else 0.3) for flag in FLAGS}
        form = normalize([content]).numpy()[0] if token["normalized"] else content
        if form in forms:  # `tokenizers` takes either
            continue
        forms.add(form)
        tokens.append(token | {"id": vocabulary.index(content) if content in vocabulary else next_id})
        next_id += content not in vocabulary
    return tokens


def spans_overlap(row):
    return any(first[2] > second[1] for first, second in itertools.pairwise(row))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("seeds", [range(1), pytest.param(range(1, 16), marks=pytest.mark.slow)], ids=["few", "many"])
def test_fuzz_equals_tokenizers(reference, settings, seeds):
    whole = json.loads((reference / "added_tokens" / "tokenizer.json").read_text())
    specials, vocabulary = whole["added_tokens"][:5], list(whole["model"]["vocab"])
    lower_case, chinese, strip_accents = settings
    whole["normalizer"] |= {"lowercase": lower_case, "handle_chinese_chars": chinese, "strip_accents": strip_accents}
    options = {"lower_case": lower_case, "tokenize_chinese_chars": chinese, "strip_accents": strip_accents, "max_word_characters": 100}
    normalize = BertTokenizer(vocabulary, **options).normalize
    compared = 0
    for seed in seeds:
        generator = random.Random(seed)
        tokens = random_tokens(generator, vocabulary, normalize)
        lines = texts_with([token["content"] for token in tokens], generator, 700)
        theirs = HuggingFaceTokenizer.from_str(json.dumps(whole | {"added_tokens": specials + tokens, "padding": None}))
        encodings = theirs.encode_batch(lines, add_special_tokens=False)
        expected = [[(id_, *span) for id_, span in zip(e.ids, e.offsets, strict=True)] for e in encodings]
        tokenizer = BertTokenizer(vocabulary, added_tokens=tokens, special_tokens_in_text=True, **options)
        got = ours(tokenizer, lines)
        assert tokenizer.tokenize(lines).to_list() == ids_of(got)
        for line, row, wanted in zip(lines, got, expected, strict=True):
            if tokenizers_differs_on(line):
                continue
            compared += 1
            # The space that `tokenizers` puts beside a Chinese character has that character's offsets: a token that takes white
            # space there spans a neighbour that has its own piece. Ours does not.
            if spans_overlap(wanted):
                assert chinese and ids_of([row]) == ids_of([wanted]) and not spans_overlap(row), (line, tokens)
            else:
                assert row == wanted, (line, tokens)
    assert compared > 550 * len(seeds)


def split(tokenizer, text):
    """Returns: the pieces, and what of the text they span, as strings to read."""
    ids, starts, ends = (part.to_list()[0] for part in tokenizer.tokenize_with_offsets([text]))
    data = text if isinstance(text, bytes) else text.encode()
    assert tokenizer.tokenize([text]).to_list()[0] == ids
    return " ".join(tokenizer.pieces[id_] for id_ in ids), "|".join(data[a:b].decode() for a, b in zip(starts, ends, strict=True))


def test_special_pieces_in_a_text_are_ordinary_text_unless_asked_for():
    text = "x[MASK]y[SEP]"
    tokenizer = BertTokenizer(PIECES)
    assert split(tokenizer, text)[0] == "x [ mask ] y [ [UNK] ]"
    assert split(BertTokenizer(PIECES, special_tokens_in_text=True), text) == ("x [MASK] y [SEP]", "x|[MASK]|y|[SEP]")
    only_mask = tokenizer.with_special_tokens_in_text(["[MASK]"])
    assert split(only_mask, text) == ("x [MASK] y [ [UNK] ]", "x|[MASK]|y|[|SEP|]")
    assert split(only_mask, "[mask]")[0] == "[ mask ]"
    assert only_mask.get_config() == tokenizer.get_config() | {"special_tokens_in_text": ["[MASK]"]}
    assert split(tokenizer, text)[0] == "x [ mask ] y [ [UNK] ]"  # the first is as it was
    assert only_mask.with_special_tokens_in_text(False).get_config() == tokenizer.get_config()
    without_mask = [piece for piece in PIECES if piece != "[MASK]"]
    assert split(BertTokenizer(without_mask, special_tokens_in_text=True), "[MASK][PAD]")[0] == "[ mask ] [PAD]"


@pytest.mark.parametrize(
    ("text", "pieces", "spans"),
    [
        ("<ent>x</ent>", "<ent> x </ent>", "<ent>|x|</ent>"),
        ("x<ent>y", "x <ent> y", "x|<ent>|y"),  # no ##y: a token ends the word before it
        ("xy", "xy", "xy"),
        ("<ENT> <ent >", "< ent > < ent >", "<|ENT|>|<|ent|>"),
        ("<ent><ent>", "<ent> <ent>", "<ent>|<ent>"),
        (b"\xff<ent>\xe4\xbdy", "<ent> y", "<ent>|y"),
        (b"<e\xffnt>", "< ent >", None),  # as it is written, so not over bytes that are dropped
        ("\x01<ent>\x01", "<ent>", "<ent>"),
        ("", "", ""),
    ],
)
def test_a_token_is_found_as_it_is_written(small, text, pieces, spans):
    found, spanned = split(small, text) if spans is not None else (split_ids(small, text), None)
    assert (found, spanned) == (pieces, spans)


def split_ids(tokenizer, text):
    return " ".join(tokenizer.pieces[id_] for id_ in tokenizer.tokenize([text]).to_list()[0])


def test_a_normalized_token_is_found_in_the_normalized_text():
    tokenizer = BertTokenizer(PIECES, added_tokens=[{"content": "Été", "normalized": True}, {"content": "ETE", "normalized": True}])
    # Of two that are one to the normalizer, the first.
    assert split(tokenizer, "xE\u0301te\u0301y ete") == ("x Été y Été", "x|E\u0301te|y|ete")


def test_a_single_word_has_no_letter_beside_it():
    text = "中xy xyx 1xy _xy xý ①xy Ⓐxy xyxy (xy)"
    # In the normalised text a Chinese character is a word by itself; as it is written it is a letter.
    for normalized, found in ((False, ["①", "("]), (True, ["中", " ", "①", "("])):
        token = {"content": "xy", "single_word": True, "normalized": normalized}
        tokenizer = BertTokenizer(PIECES[:-1], added_tokens=[token])
        ids, starts, _ = (part.to_list()[0] for part in tokenizer.tokenize_with_offsets([text]))
        wholes = [start for id_, start in zip(ids, starts, strict=True) if id_ == tokenizer.id_of("xy")]
        assert [text.encode()[:start].decode()[-1] for start in wholes] == found


def test_the_rows_of_a_batch_do_not_change_each_other(small):
    lines = ["<ent>x", "x y", "", b"<e\xffnt>", "<ent>", "y</ent>y "]
    together = [part.to_list() for part in small.tokenize_with_offsets(lines)]
    alone = [[part.to_list()[0] for part in small.tokenize_with_offsets([line])] for line in lines]
    assert together == [list(parts) for parts in zip(*alone, strict=True)]


SERVED = {"FastWordpieceTokenizeWithOffsets", "NormalizeUTF8"}


def test_in_a_graph_in_tf_data_and_in_a_saved_model(tmp_path):
    added = [
        {"content": "<ent>", "lstrip": True, "single_word": True},
        {"content": "Xy", "normalized": True, "rstrip": True},
        {"content": "y!", "normalized": True, "single_word": True},
    ]
    tokenizer = BertTokenizer(PIECES, added_tokens=added, special_tokens_in_text=["[MASK]"])
    lines = texts_with([*(token["content"] for token in added), "[MASK]"], random.Random(0), 150) + ["x"] * 100 + ["<ent>"] * 3
    expected = [part.to_list() for part in tokenizer.tokenize_with_offsets(lines)]
    texts = tf.constant(lines)
    assert [part.to_list() for part in tf.function(tokenizer.tokenize_with_offsets, autograph=False)(texts)] == expected
    batches = tf.data.Dataset.from_tensor_slices(lines).batch(50).map(tokenizer.tokenize)
    assert [row for batch in batches for row in batch.to_list()] == expected[0]
    module = tf.Module()
    module.split = tf.function(
        lambda text: tokenizer.tokenize(text).to_tensor(-1), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    for batch in (slice(0, 250), slice(150, 250)):  # with tokens, and without any
        dense = loaded.split(texts[batch]).numpy()
        assert [[id_ for id_ in row if id_ >= 0] for row in dense.tolist()] == expected[0][batch]
    graph = loaded.split.concrete_functions[0].graph
    operations = {
        op.type for function in (graph, *graph._functions.values()) for op in getattr(function, "graph", function).get_operations()
    }
    # What TF Serving's tensorflow-text has, and no other.
    assert {name for name in operations if name.startswith(("TFText", "Fast", "Normalize"))} <= SERVED


def test_many_tokens(uncased_vocabulary):
    words = [f"<w{number}>" for number in range(3000)]
    tokenizer = BertTokenizer(uncased_vocabulary, added_tokens=words)
    ids = tokenizer.tokenize(["".join(words), "film <w7><w77><w777>"]).to_list()
    assert ids == [list(range(30522, 33522)), [2143, 30529, 30599, 31299]]


def test_more_tokens_than_can_be_looked_for_are_told():
    long = ["".join(random.Random(seed).choices("abcdefgh", k=60_000)) for seed in range(40)]
    with pytest.raises(ValueError, match="40 added tokens are too much for one regular expression: 24000"):
        BertTokenizer(PIECES, added_tokens=long)


def test_the_longest_of_tokens_that_begin_alike_is_found():
    tokenizer = BertTokenizer(PIECES, added_tokens=["<a", "<abc>", "<abd>", "<abde", "b", "<x>", "<"])
    assert split(tokenizer, "<abde<abd><abc<abc><ax<x>>")[0] == "<abde <abd> <a b [UNK] <abc> <a x <x> >"


def test_sizes_and_lookups_know_the_added_tokens(small):
    assert (len(small.vocabulary), small.vocabulary_size, small.id_of("</ent>")) == (15, 17, 16)
    assert small.pieces == [*PIECES, "<ent>", "</ent>"]
    assert small.starts_word.tolist() == [piece != "##y" for piece in small.pieces]
    assert np.flatnonzero(small.found_whole).tolist() == [15, 16]
    assert np.flatnonzero(small.with_special_tokens_in_text(["[MASK]"]).found_whole).tolist() == [4, 15, 16]
    ids = small.tokenize(["<ent>xyy x</ent>", "y"])
    assert small.detokenize(ids).numpy().tolist() == [b"<ent> xyy x </ent>", b"y"]
    assert word_ids(small, ids).to_list() == [[0, 1, 1, 2, 3], [0]]


def test_every_form_of_added_tokens_describes_them(tmp_path):
    defaults = dict.fromkeys(FLAGS, False)
    expected = [{"content": "xy", "id": 14} | defaults, {"content": "<a>", "id": 15} | defaults, {"content": "<b>", "id": 16} | defaults]
    for form in (
        ["xy", "<a>", "<b>"],
        {"<b>": 16, "<a>": 15, "xy": 14},
        [{"content": "<b>", "id": 16}, {"content": "<a>", "special": False}, "xy"],
        tuple(expected),
    ):
        tokenizer = BertTokenizer(PIECES, added_tokens=form)
        assert tokenizer.added_tokens == expected
        assert json.loads(json.dumps(tokenizer.get_config()))["added_tokens"] == expected
    tokenizer.save_asset(tmp_path / "vocab.txt")
    assert (tmp_path / "vocab.txt").read_text().split("\n")[:-1] == PIECES


@pytest.mark.parametrize(
    ("added", "words"),
    [
        (["<a>", ""], "added token 1: '' is no token"),
        (["<a>", "<b>", "<a>"], "added token 2: '<a>' stands there twice"),
        ({"<a>": 3}, r"'<a>' has id 3, which is taken by '\[SEP\]'"),
        ({"<a>": 15, "<b>": 15}, "'<b>' has id 15, which is taken by '<a>'"),
        ({"<a>": 16}, "'<a>' has id 16, which leaves a gap: no token has id 15, and the vocabulary's 15 pieces end at 14"),
        ({"<a>": -1}, "'<a>' has id -1, which is below 0"),
        ({"xy": 15}, "'xy' has id 15, but in the vocabulary it has id 14"),
        ({"<a>": "15"}, "'<a>': id='15' is no whole number"),
        ([{"content": "<a>", "lstrip": 1}], "'<a>': lstrip=1 is not True or False"),
        ([{"content": "<a>", "left": True}], "'<a>', has left; known are id, single_word"),
        ([7], "added token 0: 7 is neither a string nor a dict with 'content'"),
        ([{"content": "\u200b", "normalized": True}], "normalisation leaves nothing of the added token '\\\\u200b'"),
        (["[MASK]"], r"'\[MASK\]' is no added token but a special piece: special_tokens_in_text=\['\[MASK\]'\] finds it"),
        (["a\x01"], "holds one of the control characters"),
    ],
)
def test_what_is_no_added_token_is_told(added, words):
    with pytest.raises(ValueError, match=words):
        BertTokenizer(PIECES, added_tokens=added)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["[MASK]", "mask"], r"'mask' is no special piece of this vocabulary; it has \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]"),
        ("[MASK]", r"special_tokens_in_text='\[MASK\]' is not True, False or a list"),
        (1, "special_tokens_in_text=1 is not True, False or a list"),
    ],
)
def test_what_is_no_special_piece_is_told(value, words):
    with pytest.raises(ValueError, match=words):
        BertTokenizer(PIECES, special_tokens_in_text=value)
