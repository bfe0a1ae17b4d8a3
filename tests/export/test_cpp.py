"""A C++ program without Python gives the answers of exported models: serve.cc beside this file."""

import gzip
import itertools
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text

from keras_bert import (
    BertClassifier,
    BertConfig,
    BertEmbedder,
    BertEncoder,
    BertIntentSlots,
    BertSemanticRoleLabeler,
    BertTagger,
    BertTokenizer,
)
from keras_bert.layers import onednn
from keras_bert.tasks.predictor import plain

OPS = ("_fast_bert_normalizer.so", "_fast_wordpiece_tokenizer.so", "_normalize_ops.so")  # as README has them
BATCH_SIZE = 66  # 200 texts are three batches and one of two, which have no words at all
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
ROLES = ["O", "B-ARG0", "I-ARG0", "B-V", "I-V", "B-ARG1", "I-ARG1"]
TASKS = {
    "tagger": (BertTagger, TAGS, {}),
    "tagger_crf": (BertTagger, TAGS, {"crf": True}),
    "intent_slots": (BertIntentSlots, TAGS, {"intents": ["PlayMusic", "GetWeather", "RateBook"]}),
    "role_labeler": (BertSemanticRoleLabeler, ROLES, {}),
    "classifier": (BertClassifier, ["negative", "positive"], {"text_pair": False}),
    "embedder": (BertEmbedder, None, {"text_pair": False}),
}


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """serve.cc compiled against TensorFlow's wheel: a function (SavedModel, texts) -> list of dict of output -> array, one a batch."""
    if sys.platform != "linux" or shutil.which("g++") is None:
        pytest.skip("needs Linux and g++, by which serve.cc is compiled")
    folder = tmp_path_factory.mktemp("serve")
    program, library = folder / "serve", tf.sysconfig.get_lib()
    # The kernels register themselves from libtensorflow_cc, of which serve.cc names nothing: a linker may leave such a library out.
    link = [f"-Wl,--no-as-needed,-rpath,{library}", *tf.sysconfig.get_link_flags(), "-l:libtensorflow_cc.so.2"]
    source = pathlib.Path(__file__).with_name("serve.cc")
    # -w: the warnings are those of TensorFlow's headers.
    subprocess.run(["g++", "-O0", "-w", *tf.sysconfig.get_compile_flags(), source, *link, "-o", program], check=True)
    ops = pathlib.Path(tensorflow_text.__file__).parent / "python" / "ops"
    answered = itertools.count()

    def serve(saved_model, texts):
        arrays, asked = folder / str(next(answered)), folder / "texts"
        arrays.mkdir()
        encoded = [text.encode() for text in texts]
        asked.write_bytes(b"".join(struct.pack("=I", len(text)) + text for text in encoded))
        # By the same kernels as here: with oneDNN and without, sums are rounded in other orders.
        environment = {"TF_CPP_MIN_LOG_LEVEL": "2", onednn.VARIABLE: str(int(onednn.is_on()))}
        command = [program, saved_model, asked, str(BATCH_SIZE), arrays, *(ops / name for name in OPS)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        mapped = {os.path.basename(line.split()[-1]) for line in (arrays / "maps").read_text().splitlines()}
        assert {"libtensorflow_cc.so.2", *OPS} <= mapped
        assert not [name for name in mapped if re.match("libpython|python|_pywrap", name)]
        batches = {}
        for path in arrays.glob("*.npy"):
            number, name, _ = path.name.split(".")
            batches.setdefault(int(number), {})[name] = np.load(path)
        return [batches[number] for number in sorted(batches)]

    return serve


@pytest.fixture(scope="module")
def texts(root):
    """200: tweets and posts with accents, emoji and Cyrillic, film reviews, requests, Chinese, one of 120 words, two without words."""
    data = root / "examples" / "data"
    with gzip.open(data / "wnut17" / "test.conll.gz", "rt", encoding="utf-8") as file:
        posts = [" ".join(line.split("\t")[0] for line in post.splitlines()) for post in file.read().split("\n\n")]
    with gzip.open(data / "sentence_polarity" / "test.tsv.gz", "rt", encoding="utf-8") as file:
        reviews = [line.split("\t")[1] for line in file.read().splitlines()[:50]]
    with gzip.open(data / "snips" / "test.jsonl.gz", "rt", encoding="utf-8") as file:
        requests = ["".join(part for part, _ in json.loads(line)["data"]) for line in itertools.islice(file, 50)]
    accents, emoji = ([post for post in posts if re.search(kind, post)] for kind in ("[À-ɏ]", "[\U0001f300-\U0001faff]"))
    assert len(accents) > 10 and len(emoji) > 10
    chosen = [*accents, *emoji, *reviews, *requests, *posts][:195]
    return [*chosen, "你好，世界。我住在北京。", "日本 \U0001f600 naïve café", "so long " * 60, "", " \t"]


@pytest.fixture(scope="module")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary)


def make(task, tokenizer):
    """A small model of random weights whose answers differ from text to text; most texts are longer than its rows of 24 pieces."""
    cls, labels, options = TASKS[task]
    keras.utils.set_random_seed(3)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 64}
    encoder = BertEncoder(BertConfig(**sizes, initializer_range=0.5, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    return cls(encoder, *([] if labels is None else [labels]), tokenizer, max_length=24, **options)


def nested(answer):
    """Where there are roles, each is put into its frame, as `answer` has them. Args, Returns: dict."""
    if "roles" in answer:
        answer["frames"] = [frame | {"roles": []} for frame in answer["frames"]]
        for role in answer.pop("roles"):
            answer["frames"][role.pop("frame")]["roles"].append(role)
    return answer


def assert_same(served, answered, where):
    """Numbers within 1e-5, and all else equal, down to the last part. Args: where: str, named where they differ."""
    assert type(served) is type(answered), where
    if isinstance(answered, dict):
        assert served.keys() == answered.keys(), where
        for name, value in answered.items():
            assert_same(served[name], value, f"{where}.{name}")
    elif isinstance(answered, list):
        assert len(served) == len(answered), where
        for number, pair in enumerate(zip(served, answered, strict=True)):
            assert_same(*pair, f"{where}[{number}]")
    elif isinstance(answered, float):
        assert abs(served - answered) <= 1e-5, where
    else:
        assert served == answered, where


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_program_without_python_gives_the_answers(serve, texts, tokenizer, tmp_path, task):
    model = make(task, tokenizer)
    model.export(tmp_path / "model")
    batches = serve(tmp_path / "model", texts)
    assert [len(part) for batch in batches for part in batch.values()] == [66] * (3 * len(batches[0])) + [2] * len(batches[0])
    served = [nested(answer) for batch in batches for answer in plain(batch, model.preprocessor)]
    answers = model.answer(texts)
    for text, pair in zip(texts, zip(served, answers, strict=True), strict=True):
        assert_same(*pair, f"answer to {text[:40]!r}")
    for name in {"entities", "slots", "frames"} & answers[0].keys():
        counts = [len(answer[name]) for answer in answers]
        assert sum(counts) > 200 and counts[-3] > 10 and counts[-2:] == [0, 0]
