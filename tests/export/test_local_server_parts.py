"""The parts of the local server, each alone: JSON as TF Serving takes and gives it, and the joining of requests."""

import base64
import gzip
import json
import threading

import numpy as np
import pytest
import tensorflow as tf

from export.local_server.batching import Batcher, row_lengths, tokens_of
from export.local_server.errors import ServingError
from export.local_server.json_examples import examples_of
from export.local_server.json_tensors import COLUMNS, ROWS, inputs_of, parsed, written
from keras_bert import BertTokenizer

TEXT = {"text": tf.TensorSpec([None], tf.string)}
PAIR = TEXT | {"text_pair": tf.TensorSpec([None], tf.string)}
IDS = {"ids": tf.TensorSpec([None, None], tf.int32)}
NUMBERS = {"x": tf.TensorSpec([None], tf.float32)}


# The forms of requests are those of the page "RESTful API" of TF Serving.


@pytest.mark.parametrize(
    "body, specs, expected",
    [
        ({"instances": ["foo", "bär"]}, TEXT, {"text": [b"foo", "bär".encode()]}),
        ({"instances": [{"text": "foo"}, {"text": "bar"}]}, TEXT, {"text": [b"foo", b"bar"]}),
        ({"instances": [{"b64": base64.b64encode(b"\xff\x00").decode()}, "b"]}, TEXT, {"text": [b"\xff\x00", b"b"]}),
        ({"instances": [{"text": "a", "text_pair": "b"}]}, PAIR, {"text": [b"a"], "text_pair": [b"b"]}),
        ({"inputs": {"text": ["a", "b"], "text_pair": ["c", {"b64": "/w=="}]}}, PAIR, {"text": [b"a", b"b"], "text_pair": [b"c", b"\xff"]}),
        ({"inputs": ["a"]}, TEXT, {"text": [b"a"]}),
        ({"instances": [[1, 2], [3, 4]]}, IDS, {"ids": [[1, 2], [3, 4]]}),
        ({"instances": [1, 2.5]}, NUMBERS, {"x": [1.0, 2.5]}),
    ],
)
def test_rows_and_columns_become_arrays(body, specs, expected):
    form, inputs = inputs_of(parsed(json.dumps(body).encode()), specs)
    assert form == (ROWS if "instances" in body else COLUMNS)
    assert {name: array.tolist() for name, array in inputs.items()} == expected
    assert all(inputs[name].dtype == (object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype) for name, spec in specs.items())


@pytest.mark.parametrize(
    "body, specs, message",
    [
        (b"", TEXT, "The document is empty"),
        (b'{"instances": ["a"', TEXT, "JSON Parse error: .* at offset: 18"),
        (b'{"instances": ["\xff"]}', TEXT, "not UTF-8 at offset: 16"),
        (b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", TEXT, "nested too deeply"),
        (b'{"instances": [' + b"9" * 5000 + b"]}", IDS, "JSON Parse error"),
        (b'["a"]', TEXT, "Is not object"),
        (b"{}", TEXT, "Missing 'inputs' or 'instances' key"),
        (b'{"instances": ["a"], "inputs": ["a"]}', TEXT, "only one of"),
        (b'{"instances": "a"}', TEXT, "'instances' to be a list"),
        (b'{"instances": []}', TEXT, "No values in 'instances'"),
        (b'{"instances": ["a"]}', PAIR, "plain list, but expecting list of objects"),
        (b'{"instances": [{"text": "a"}]}', PAIR, "element: 0 of 'instances' list.* keys must be equal to: text,text_pair"),
        (b'{"instances": [{"text": "a"}, "b"]}', TEXT, "Expecting object but got list at item 1"),
        (b'{"instances": ["a", {"text": "b"}]}', TEXT, "Expecting value/list but got object at item 1"),
        (b'{"inputs": {"text": ["a"]}}', PAIR, "Missing named input: text_pair"),
        (b'{"inputs": ["a"]}', PAIR, "plain value/list, but expecting an object"),
        (b'{"instances": [1]}', TEXT, "input text: JSON Value: 1 Type: Number is not of expected type: string"),
        (b'{"instances": [null]}', TEXT, "Type: Null"),
        (b'{"instances": [{"b64": "!"}]}', TEXT, "Unable to base64 decode"),
        (b'{"instances": ["\\ud800"]}', TEXT, "surrogate pair"),
        (b'{"instances": [[1, 2], [3]]}', IDS, "list at unexpected size: 1 at level: 1 expected size: 2"),
        (b'{"instances": [[1], 2]}', IDS, "found at incorrect level"),
        (b'{"instances": [1, [2]]}', NUMBERS, "Encountered list at unexpected level"),
        (b'{"instances": [[1.5]]}', IDS, "Type: Number is not of expected type: int32"),
        (b'{"instances": [[true]]}', IDS, "Type: True is not of expected type: int32"),
        (b'{"instances": [[4294967296]]}', IDS, "is not of expected type: int32"),
        (b'{"instances": [16777217]}', NUMBERS, "to float32 without loss of precision"),
        (b'{"instances": [1e39]}', NUMBERS, "to float32 without loss of precision"),
    ],
)
def test_what_is_wrong_in_a_request_is_said(body, specs, message):
    with pytest.raises(ServingError, match=message) as raised:
        inputs_of(parsed(body), specs)
    assert raised.value.status == 400


def test_whatever_the_bytes_a_request_is_taken_or_refused():
    random = np.random.default_rng(0)
    bodies = [
        '{"instances": [{"text": "a\\u00e9", "text_pair": {"b64": "/w=="}}]}',
        '{"inputs": {"text": ["a"], "text_pair": ["日本"]}}',
        '{"instances": [[1, -2], [3e2, null]], "signature_name": "ids"}',
        '{"inputs": [[NaN, true], []]}',
    ]
    signs = b'{}[]",:\\0123456789-.eEtrufalsn\xff\x00\xed'
    words = [b"instances", b"inputs", b'{"b64": "', b"\\ud800", b"99999999999999999999", b"1e999"]
    pieces = [*(bytes([sign]) for sign in signs), *words]
    refused = 0
    for number in range(4000):
        body = bodies[number % len(bodies)].encode()
        for _ in range(random.integers(1, 4)):
            start = random.integers(len(body) + 1)
            body = body[:start] + pieces[random.integers(len(pieces))] + body[start + random.integers(3) :]
        try:
            inputs_of(parsed(body), (TEXT, PAIR, IDS, NUMBERS)[random.integers(4)])
        except ServingError as error:
            assert error.status == 400
            json.dumps({"error": error.message}).encode("ascii")
            refused += 1
    assert 1000 < refused < 4000


def test_outputs_are_written_as_rows_and_as_columns():
    outputs = {"label": np.array([b"good", b"\xff"], object), "score": np.array([0.1, 2.0], "float32")}
    assert json.loads(written(outputs, ROWS)) == {"predictions": [{"label": "good", "score": 0.1}, {"label": "\ufffd", "score": 2.0}]}
    assert json.loads(written(outputs, COLUMNS)) == {"outputs": {"label": ["good", "\ufffd"], "score": [0.1, 2.0]}}
    assert json.loads(written({"score": outputs["score"]}, ROWS)) == {"predictions": [0.1, 2.0]}  # of one output the name is left out
    assert json.loads(written({"raw_bytes": outputs["label"]}, COLUMNS)) == {"outputs": [{"b64": "Z29vZA=="}, {"b64": "/w=="}]}
    assert written({"x": np.array([np.nan, -np.inf], "float32")}, COLUMNS) == b'{"outputs": [NaN, -Infinity]}'


def test_examples_hold_the_features_of_the_context_too():
    first, second = examples_of({"context": {"lang": "en"}, "examples": [{"text": {"b64": "/w=="}}, {"n": [1, 2], "x": 0.5, "lang": "fr"}]})
    assert first.features.feature["text"].bytes_list.value == [b"\xff"]
    assert first.features.feature["lang"].bytes_list.value == [b"en"]
    assert second.features.feature["n"].int64_list.value == [1, 2]
    assert second.features.feature["x"].float_list.value == [0.5]
    assert second.features.feature["lang"].bytes_list.value == [b"fr"]
    for wrong, message in (
        ({"a": [1, "b"]}, "a expecting type: int64"),
        ({"a": [[1]]}, "unexpected JSON type"),
        ([], "must be JSON object"),
    ):
        with pytest.raises(ServingError, match=message):
            examples_of({"examples": [wrong]})


class Lengths:
    """Stands for a LoadedModel: gives each text's length, and notes the texts of each call. A call waits until `go` is set."""

    def __init__(self):
        self.calls, self.go, self.began = [], threading.Event(), threading.Event()

    def checked(self, signature, inputs):
        return len(inputs["text"])

    def joins(self, signature):
        return signature == "joins"

    def run(self, signature, inputs):
        self.began.set()
        self.go.wait(10)
        self.calls.append(inputs["text"].tolist())
        if b"bad" in self.calls[-1]:
            raise tf.errors.InvalidArgumentError(None, None, "a bad text")
        width = max(map(len, self.calls[-1]))  # padded to the longest, as answers are
        return {"text": inputs["text"], "bytes": np.array([[*text, *[0] * (width - len(text))] for text in self.calls[-1]])}


def answers(batcher, model, *requests, signature="joins"):
    """The requests wait together: the first keeps the model busy until all are there."""
    model.began.clear()
    model.go.clear()
    futures = [batcher.submit(model, signature, {"text": np.array([b"first"], object)})]
    model.began.wait(10)
    futures += [batcher.submit(model, signature, {"text": np.array(texts, object)}) for texts in requests]
    model.go.set()
    return futures[1:]


def test_texts_of_like_length_that_wait_are_answered_by_one_call():
    model, batcher = Lengths(), Batcher(max_tokens=1000, wait=0)
    futures = answers(batcher, model, [b"a"], [b"x" * 400], [b"bb", b"c"], [b"y" * 390])
    assert [future.result(10)["text"].tolist() for future in futures] == [[b"a"], [b"x" * 400], [b"bb", b"c"], [b"y" * 390]]
    assert [sorted(map(len, call)) for call in model.calls[1:]] == [[1, 1, 2], [390, 400]]
    batcher.close()


def test_a_longer_text_for_which_many_would_be_padded_is_answered_alone():
    model, batcher = Lengths(), Batcher(wait=0)
    answers(batcher, model, *([b"x" * 232] for _ in range(5)), [b"y" * 432], [b"z" * 240])[-2].result(10)  # 60, 110 and 62 tokens
    batcher.close()
    assert [sorted(map(len, call)) for call in model.calls[1:]] == [[232] * 5 + [240], [432]]


def test_a_batch_keeps_to_its_budget_and_a_long_request_is_cut():
    model, batcher = Lengths(), Batcher(max_tokens=220, wait=0)
    texts = [b"x" * size for size in (400, 8, 396, 12, 392)]  # 102, 4, 101, 5 and 100 tokens
    (future,) = answers(batcher, model, texts)
    result = future.result(10)
    assert result["text"].tolist() == texts
    assert [bytes(row).rstrip(b"\0") for row in result["bytes"].astype("uint8")] == texts  # the shorter calls filled up
    assert [sorted(map(len, call)) for call in model.calls[1:]] == [[396, 400], [392], [8, 12]]
    batcher.close()


def test_one_bad_request_does_not_spoil_those_it_was_joined_with():
    model, batcher = Lengths(), Batcher(wait=0)
    good, bad, other = answers(batcher, model, [b"a"], [b"bad"], [b"c"])
    assert good.result(10)["text"].tolist() == [b"a"] and other.result(10)["text"].tolist() == [b"c"]
    with pytest.raises(ServingError, match="a bad text") as raised:
        bad.result(10)
    assert raised.value.code == "INVALID_ARGUMENT"
    batcher.close()


def test_what_has_no_batch_dimension_is_not_joined_and_too_much_is_refused():
    model, batcher = Lengths(), Batcher(wait=0, max_waiting=3)
    futures = answers(batcher, model, [b"a"], [b"b"], signature="alone")
    assert [future.result(10)["text"].tolist() for future in futures] == [[b"a"], [b"b"]]
    assert model.calls == [[b"first"], [b"a"], [b"b"]]
    with pytest.raises(ServingError, match="are waiting to be answered") as raised:
        answers(batcher, model, [b"a", b"b"], [b"c", b"d"])
    assert raised.value.status == 503
    model.go.set()
    batcher.close()


def test_a_text_s_tokens_are_told_from_its_bytes_to_a_third(root, uncased_vocabulary):
    tokenizer = BertTokenizer(uncased_vocabulary)
    with gzip.open(root / "examples" / "data" / "sentence_polarity" / "test.tsv.gz", "rt", encoding="utf-8") as file:
        reviews = [line.split("\t")[1] for line in file.read().splitlines()[:200]]
    chinese = ["我们昨天在北京的一家小饭馆里吃了晚饭,然后去看了一场很有意思的电影。", "東京の天気は今日も良いです。"]
    for texts in (reviews, chinese):
        told = sum(tokens_of(text.encode()) for text in texts)
        assert told == pytest.approx(tokenizer.tokenize(texts).flat_values.shape[0], rel=0.34)
    assert tokens_of(b"\xff" * 9) == 9  # no UTF-8: whatever, but a number


def test_a_text_counts_for_at_most_the_tokens_that_models_keep():
    texts = np.array([b"", b"x" * 40, b"x" * 4000], object)
    assert row_lengths({"text": texts}, 128).tolist() == [2, 12, 130]
    assert row_lengths({"ids": np.zeros([2, 7], "int32")}, 128).tolist() == [7, 7]
