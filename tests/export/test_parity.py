"""SavedModels in bfloat16 beside the models themselves, on 200 real inputs; test_cpp.py has float32 and every task."""

import gzip
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from served_tasks import nested

import export
from keras_bert import (
    BertClassifier,
    BertConfig,
    BertEncoder,
    BertExtractiveSummarizer,
    BertIntentSlots,
    BertMultipleChoice,
    BertQuestionAnswerer,
    data,
)
from keras_bert.tasks.predictor import plain

BATCH_SIZE = 66


def served_answers(path, model, columns):
    """What serving_default answers, in batches. Args: columns: dict of name -> list. Returns: list of dicts, as `answer` gives them."""
    serve = tf.saved_model.load(path).signatures["serving_default"]
    answers = []
    for start in range(0, len(next(iter(columns.values()))), BATCH_SIZE):
        batch = {name: tf.constant(column[start : start + BATCH_SIZE]) for name, column in columns.items()}
        outputs = {name: value.numpy() for name, value in serve(**batch).items()}
        assert {len(value) for value in outputs.values()} == {len(next(iter(batch.values())))}  # batch first
        assert not [name for name in outputs if name.endswith("_bytes")]  # TF Serving's REST would give these in base64
        answers += [nested(answer) for answer in plain(outputs, model.preprocessor)]
    return answers


# In bfloat16 a number has 8 bits, and what is nearly equal changes places: the models here have learnt a rule, as a model that is served
# has, so that their answers are clear.
SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64}
MARKED = ("the", "a", "of", "and")


@pytest.fixture(scope="module")
def reviews(root):
    """800 film reviews, each a list of words."""
    with gzip.open(root / "examples" / "data" / "sentence_polarity" / "train.tsv.gz", "rt", encoding="utf-8") as file:
        return [line.split("\t")[1].split() for line in file.read().splitlines()[:800]]


def encoder(tokenizer):
    keras.utils.set_random_seed(3)
    sizes = SIZES | {"vocab_size": tokenizer.vocabulary_size, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return BertEncoder(BertConfig(**sizes))


def a_classifier(tokenizer, reviews, inputs):
    """Positive where the text says "the"."""
    model = BertClassifier(encoder(tokenizer), ["negative", "positive"], tokenizer, text_pair=False, pooling="mean", max_length=64)
    model.compile(keras.optimizers.Adam(5e-3))
    model.fit(
        [" ".join(words) for words in reviews], ["positive" if "the" in words else "negative" for words in reviews], epochs=8, verbose=0
    )
    return model, inputs["texts"]


def an_answerer(tokenizer, reviews, inputs):
    """The answer is the first word of the context, of one row."""
    questions, contexts = inputs["questions"]
    contexts = [" ".join(context.split()[:12]) for context in contexts]
    model = BertQuestionAnswerer(encoder(tokenizer), tokenizer, max_length=64, stride=16, max_query_length=24)
    model.compile(keras.optimizers.Adam(5e-3))
    shown = [" ".join(words[:12]) for words in reviews]
    places = {"start": [0] * len(shown), "end": [len(words[0]) for words in reviews]}
    model.fit(((questions * 4)[: len(shown)], shown), places, epochs=3, verbose=0)
    return model, (questions, contexts)


def one_that_fills_slots(tokenizer, reviews, inputs):
    """The intent says whether "the" is there, the slots are four words. A tagger, too, with another output beside."""
    model = BertIntentSlots(encoder(tokenizer), ["O", "B-PER", "I-PER"], tokenizer, intents=["without", "with"], max_length=64)
    model.compile(keras.optimizers.Adam(5e-3))
    slots = [["B-PER" if word in MARKED else "O" for word in words] for words in reviews]
    model.fit(reviews, {"intent": ["with" if "the" in words else "without" for words in reviews], "slots": slots}, epochs=8, verbose=0)
    return model, inputs["texts"]


def one_that_chooses(tokenizer, reviews, inputs):
    """Right is the choice that ends in "zebra"."""
    texts, choices = inputs["choices"]
    texts = [text[:60] for text in texts]  # nothing is cut: choices without their ends would be as likely as each other
    choices = [[*(choice[:60] for choice in row[1:]), f"{row[0][:60]} zebra"] for row in choices]
    model = BertMultipleChoice(encoder(tokenizer), tokenizer, max_length=64)
    model.compile(keras.optimizers.Adam(5e-3))
    shown = [" ".join(words[:12]) for words in reviews]
    pairs = [[f"{text} zebra", text] if number % 2 else [text, f"{text} zebra"] for number, text in enumerate(shown)]
    model.fit({"text": shown, "choices": pairs}, [(number + 1) % 2 for number in range(len(shown))], epochs=4, verbose=0)
    return model, (texts, choices)


def a_summarizer(tokenizer, reviews, inputs):
    """Chosen is the sentence that says "the"."""
    has, lacks = ([" ".join(words[:14]) for words in reviews if ("the" in words[:14]) == there] for there in (True, False))
    pairs = [
        (f"{other}. {one}." if number % 2 else f"{one}. {other}.", one) for number, (one, other) in enumerate(zip(has, lacks, strict=False))
    ]
    model = BertExtractiveSummarizer(encoder(tokenizer), tokenizer, num_sentences=1, max_length=64)
    model.compile(keras.optimizers.Adam(5e-3))
    model.fit(data.extractive_dataset(pairs), epochs=10, verbose=0)
    bare = [re.sub(r"\bthe\b", "a", text[:60], flags=re.IGNORECASE) for text in inputs["texts"]]  # no two are level
    return model, [f"{text}. Look at the {other}." for text, other in zip(bare, reversed(bare), strict=True)]


NAMES = {
    a_classifier: ("label",),
    an_answerer: ("text", "start", "end"),
    one_that_fills_slots: ("intent", "slots"),
    one_that_chooses: ("choice",),
    a_summarizer: ("text",),
}


def names_of(answer, kind):
    """What an answer says, without its scores."""
    parts = [answer[name] for name in NAMES[kind]]
    return [[{**each, "score": None} for each in part] if isinstance(part, list) else part for part in parts]


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.__name__)
def test_in_bfloat16_a_trained_model_says_the_same(tokenizer, reviews, inputs, tmp_path, kind):
    model, x = kind(tokenizer, reviews, inputs)
    path = export.export_saved_model(model, tmp_path, dtype="bfloat16")
    served, answers = served_answers(path, model, model.preprocessor.columns(x)), model.answer(x)
    said = [names_of(answer, kind) for answer in answers]
    assert len(said) == 200 and len({json.dumps(names) for names in said}) > 1
    different = [number for number, answer in enumerate(served) if names_of(answer, kind) != said[number]]
    print(f"different: {len(different)} of {len(said)}")
    assert len(different) <= 0.005 * 200, [(served[number], answers[number]) for number in different[:3]]
    name = "intent_score" if "intent_score" in answers[0] else "score"
    scores = [[answer[name] for answer in part] for part in (served, answers) if name in answers[0]]
    assert not scores or np.max(np.abs(np.subtract(*scores))) > 0  # it is another dtype
