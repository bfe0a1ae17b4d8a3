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
    BertMultipleChoice,
    BertQuestionAnswerer,
    BertSemanticRoleLabeler,
    BertSeq2Seq,
    BertTagger,
    BertTokenizer,
)
from keras_bert.data import read_squad
from keras_bert.layers import onednn
from keras_bert.tasks.predictor import plain

OPS = ("_fast_bert_normalizer.so", "_fast_wordpiece_tokenizer.so", "_normalize_ops.so")  # as README has them
BATCH_SIZE = 66  # 200 texts are three batches and one of two, which have no words at all
ODD_TEXTS = ["你好，世界。我住在北京。", "日本 \U0001f600 naïve café", "so long " * 60, "", " \t"]
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
ROLES = ["O", "B-ARG0", "I-ARG0", "B-V", "I-V", "B-ARG1", "I-ARG1"]
TASKS = {  # class, labels, options, and which of the inputs it is asked
    "tagger": (BertTagger, TAGS, {}, "texts"),
    "tagger_crf": (BertTagger, TAGS, {"crf": True}, "texts"),
    "intent_slots": (BertIntentSlots, TAGS, {"intents": ["PlayMusic", "GetWeather", "RateBook"]}, "texts"),
    "role_labeler": (BertSemanticRoleLabeler, ROLES, {}, "texts"),
    "classifier": (BertClassifier, ["negative", "positive"], {"text_pair": False}, "texts"),
    "pair_classifier": (BertClassifier, ["negative", "positive"], {"text_pair": True}, "pairs"),
    "embedder": (BertEmbedder, None, {"text_pair": False}, "texts"),
    "question_answerer": (BertQuestionAnswerer, None, {"null_threshold": -7.3, "n_best": 5}, "questions"),  # half have none
    "multiple_choice": (BertMultipleChoice, None, {}, "choices"),
    "seq2seq": (BertSeq2Seq, None, {"num_beams": 2, "num_answers": 2, "max_target_length": 12, "restore_case": True}, "texts"),
}


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """serve.cc compiled against TensorFlow's wheel: a function (SavedModel, columns) -> list of dict of output -> array, one a batch.

    Columns are dicts of input -> list of bytes, or of lists of them of one length.
    """
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

    def serve(saved_model, columns):
        number = str(next(answered))
        arrays, asked = folder / f"{number}.arrays", folder / f"{number}.inputs"
        arrays.mkdir()
        asked.mkdir()
        for name, column in columns.items():
            texts, width = (column, 0) if isinstance(column[0], bytes) else ([text for row in column for text in row], len(column[0]))
            written = b"".join(struct.pack("=I", len(text)) + text for text in texts)
            (asked / name).write_bytes(struct.pack("=I", width) + written)
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
    return [*chosen, *ODD_TEXTS]


@pytest.fixture(scope="module")
def inputs(root, texts):
    """200 examples for each kind of input, the last two without words: dict of kind -> what `answer` takes.

    Contexts are paragraphs of Wikipedia, and of 6,000 words, of Chinese, of emoji, with accents that no piece holds, and none at all.
    Choices are 2 to 4.
    """
    asked = read_squad(root / "examples" / "data" / "xquad" / "dev.json.gz")[:192]
    paragraphs = list(dict.fromkeys(example.context for example in asked))
    emoji = "\U0001f4a9\U0001f4a9 met \u2764\ufe0f in São Paulo"
    contexts = ["《战国无双3》是由光荣和ω-force开发的。", emoji, "Rene\u0301e ate naïve CAFÉ", "", ""]
    odd = zip(["谁开发的？", "Where \U0001f600?", "Où?", "Who?", ""], contexts, strict=True)
    questions = [(example.question, example.context) for example in asked]
    questions[:0] = [("When was it?", " ".join(paragraphs * 2)), ("", paragraphs[0]), ("what " * 100, paragraphs[1])]
    questions += odd
    assert len(questions) == len(texts) == 200 and len(questions[0][1].split()) > 6000
    pairs = [texts, texts[::-1]]
    others = [[texts[(7 * number + place) % 195] for place in range(2 + number % 3)] for number in range(198)]
    choices = [[choice or "none" for choice in row] for row in others] + [["a", "", "b"], ["\t", "\U0001f600"]]
    columns = {"questions": zip(*questions, strict=True), "pairs": pairs, "choices": [texts, choices]}
    return {"texts": texts} | {name: tuple(map(list, parts)) for name, parts in columns.items()}


@pytest.fixture(scope="module")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary)


def make(task, tokenizer):
    """A small model of random weights whose answers differ from text to text; most texts are longer than its rows of 24 pieces."""
    cls, labels, options, _ = TASKS[task]
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
def test_a_program_without_python_gives_the_answers(serve, inputs, tokenizer, tmp_path, task):
    model, x = make(task, tokenizer), inputs[TASKS[task][-1]]
    model.export(tmp_path / "model")
    columns = model.preprocessor.columns(x)
    batches = serve(tmp_path / "model", columns)
    assert [len(part) for batch in batches for part in batch.values()] == [66] * (3 * len(batches[0])) + [2] * len(batches[0])
    served = [nested(answer) for batch in batches for answer in plain(batch, model.preprocessor)]
    answers = model.answer(x)
    for number, pair in enumerate(zip(served, answers, strict=True)):
        assert_same(*pair, f"answer {number}")
    for name in {"entities", "slots", "frames"} & answers[0].keys():
        counts = [len(answer[name]) for answer in answers]
        assert sum(counts) > 200 and counts[-3] > 10 and counts[-2:] == [0, 0]
    if task == "question_answerer":
        given = [found for answer in served for found in (answer, *answer["alternatives"])]
        contexts = [context for context, answer in zip(x[1], served, strict=True) for _ in range(1 + len(answer["alternatives"]))]
        assert all(context[found["start"] : found["end"]] == found["text"] for context, found in zip(contexts, given, strict=True))
        assert 50 < sum(answer["text"] != "" for answer in served) < 198 and [answer["alternatives"] for answer in served[-2:]] == [[], []]
    if task == "multiple_choice":
        assert [answer["count"] for answer in served] == [len(choices) for choices in x[1]]
        assert [answer["text"] for answer in served] == [row[answer["choice"]] for row, answer in zip(x[1], served, strict=True)]
