"""SavedModels of TensorFlow's own ops alone: what a server without tensorflow-text can load."""

import re
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from export import gate
from keras_bert import (
    BertClassifier,
    BertConfig,
    BertEncoder,
    BertExtractiveSummarizer,
    BertMaskedLM,
    BertMultipleChoice,
    BertQuestionAnswerer,
    BertSemanticRoleLabeler,
    BertTagger,
    BertTokenizer,
)
from keras_bert.text import SentencePieceTokenizer

TEXTS = [
    "naïve CAFÉ, 你好，世界！",
    "",
    "日本 \U0001f600 unaffable [MASK] <ent>x",
    "so long " * 60,
    b"not \xff utf8",
    "Crème brûlée 한국어",
]
TAGS = ["O", "B-PER", "I-PER"]
TASKS = {  # of each way that texts are read, one
    "tagger": lambda *parts: BertTagger(*parts[:1], TAGS, *parts[1:]),
    "windows": lambda *parts: BertClassifier(*parts[:1], ["no", "yes"], *parts[1:], text_pair=False, truncate="windows"),
    "masked_lm": lambda *parts: BertMaskedLM(*parts, text_pair=False),
    "multiple_choice": BertMultipleChoice,
    "extractive_summarizer": BertExtractiveSummarizer,
    "question_answerer": BertQuestionAnswerer,
    "role_labeler": lambda *parts: BertSemanticRoleLabeler(*parts[:1], ["O", "B-V", "B-ARG0", "I-ARG0"], *parts[1:]),
}


@pytest.fixture(scope="module")
def parts(uncased_vocabulary):
    """Encoder and tokenizer of all tasks."""
    keras.utils.set_random_seed(3)
    tokenizer = BertTokenizer(uncased_vocabulary, added_tokens=["<ent>"])
    config = {"vocab_size": tokenizer.vocabulary_size, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config |= {"intermediate_size": 32, "max_position_embeddings": 32, "initializer_range": 0.5}
    return BertEncoder(BertConfig(**config)), tokenizer


def columns_of(model):
    """TEXTS for each input. Returns: dict of name -> array."""
    texts = np.array([text if isinstance(text, bytes) else text.encode() for text in TEXTS], object)
    columns = {}
    for number, (name, spec) in enumerate(model.preprocessor.input_signature().items()):
        rows = [np.roll(texts, number + each) for each in range(3)]
        columns[name] = rows[0] if spec.shape.rank == 1 else np.stack(rows, axis=1)
    return columns


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_tasks_answer_the_same_by_core_ops_alone(parts, tmp_path, task):
    model = TASKS[task](*parts)
    path = export.export_saved_model(model, tmp_path, core_ops=True)
    assert gate.non_core_ops(gate.graph_ops(path)) == []
    columns = columns_of(model)
    served = tf.saved_model.load(path).signatures["serving_default"](**{name: tf.constant(value) for name, value in columns.items()})
    expected = model.answer_arrays({name: value.tolist() for name, value in columns.items()})
    assert served.keys() == expected.keys()
    for name, value in expected.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(served[name], value, atol=1e-6, err_msg=name)
        else:
            assert served[name].numpy().tolist() == value.tolist(), name


@pytest.mark.slow
def test_a_process_without_tensorflow_text_answers(fresh_python, parts, tmp_path):
    model = TASKS["tagger"](*parts)
    path = export.export_saved_model(model, tmp_path, core_ops=True, freeze=True)
    program = f"""
import re
import sys
assert not [name for name in sys.modules if name.startswith(("tensorflow_text", "keras_bert"))]
sys.modules["tensorflow_text"] = sys.modules["keras_bert"] = None     # importing either now fails
import tensorflow as tf
answers = tf.saved_model.load({path!r}).signatures["serving_default"](text=tf.constant(["naïve CAFÉ, 你好"]))
print(b" ".join(answers["words"].numpy()[0]).decode())
"""
    done = fresh_python.run([sys.executable, "-c", program])
    assert done.stdout.splitlines() == ["naïve CAFÉ , 你 好"], done.stderr
    normal = export.export_saved_model(model, tmp_path)
    done = fresh_python.run([sys.executable, "-c", program.replace(path, normal)])  # such a process has no other ops
    assert done.returncode != 0 and re.search("FastWordpiece|NormalizeUTF8", done.stderr)


def test_what_is_not_core_is_refused(tmp_path, shared_classifier, monkeypatch):
    monkeypatch.setattr(BertTokenizer, "in_core_ops", lambda tokenizer: tokenizer)
    with pytest.raises(ValueError, match=r"core ops alone .* the graph needs FastWordpieceTokenizeWithOffsets, NormalizeUTF8"):
        export.export_saved_model(shared_classifier, tmp_path / "versions", core_ops=True)


def test_sentence_piece_has_no_core_form(monkeypatch):
    monkeypatch.setattr(SentencePieceTokenizer, "__init__", lambda tokenizer: None)  # a model of it takes a second to train
    with pytest.raises(ValueError, match=r"a SentencePieceTokenizer tokenizes by an op of tensorflow-text, .* leave core_ops=True"):
        SentencePieceTokenizer().in_core_ops()
