"""Multiple choice: from raw text beside Transformers' logits and a softmax by hand; files, bad inputs, the exported model."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

import export
import keras_bert
from export import ask
from keras_bert import BertClassifier, BertEncoder, BertMultipleChoice, BertPacker, checkpoints
from keras_bert.data import read_multiple_choice
from keras_bert.preprocessing import MultipleChoicePreprocessor
from keras_bert.training import create_optimizer

TEXTS = ["it is", "a good film", "no ,"]
CHOICES = [["good .", "bad"], ["a b c", "great film it was", "no"], ["it is", "c", "bad bad", "a film"]]


@pytest.fixture(scope="module")
def make(quick_config, tiny_tokenizer):
    def make(**options):
        keras.utils.set_random_seed(7)
        return BertMultipleChoice(BertEncoder(dataclasses.replace(quick_config, initializer_range=0.3)), tiny_tokenizer, **options)

    return make


@pytest.fixture(scope="module")
def model(make):
    return make()


def probabilities_by_hand(model):
    rows = []
    for text, choices in zip(TEXTS, CHOICES, strict=True):
        logits = np.asarray(model.network(BertPacker(model.tokenizer, 32)([text] * len(choices), choices)), "float64")[:, 0]
        rows.append(np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum())
    return rows


def test_transformers_logits_from_raw_text_and_back(shared, tmp_path):
    path = shared / "reference" / "transformers_more" / "multiple_choice"
    inputs, expected = json.loads((path / "inputs.json").read_text()), np.load(path / "expected.npz")["logits"]
    texts, pairs = inputs["texts"], inputs["text_pairs"]
    model = keras_bert.from_pretrained(path, strict=True)
    assert type(model) is BertMultipleChoice
    model.max_length = 48  # as they were asked to truncate
    questions = {"text": [texts[0], texts[4]], "choices": [pairs[0:3], pairs[1:4]]}
    logits = np.asarray(model(model.preprocess(*questions.values())))
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    likely = np.exp(expected) / np.exp(expected).sum(-1, keepdims=True)
    for answer, row, choices in zip(model.answer(questions), likely, questions["choices"], strict=True):
        assert (answer["choice"], answer["text"], answer["count"]) == (row.argmax(), choices[row.argmax()], 3)
        assert answer["probabilities"] == pytest.approx(row.tolist(), abs=1e-5) and answer["score"] == max(answer["probabilities"])
    checkpoints.to_hugging_face(model, tmp_path / "theirs")
    config, original = (json.loads((each / "config.json").read_text()) for each in (tmp_path / "theirs", path))
    assert config["architectures"] == original["architectures"] == ["BertForMultipleChoice"] and "id2label" not in config
    written, original = load_file(tmp_path / "theirs" / "model.safetensors"), load_file(path / "model.safetensors")
    assert written.keys() == original.keys()
    for name, value in original.items():
        np.testing.assert_array_equal(written[name], value, err_msg=name)
    model.save_pretrained(tmp_path / "ours")
    assert keras_bert.from_pretrained(tmp_path / "ours", strict=True).answer(questions) == model.answer(questions)


@pytest.mark.parametrize(
    "form",
    [
        {"text": TEXTS, "choices": CHOICES},
        (TEXTS, CHOICES),
        list(zip(TEXTS, CHOICES, strict=True)),
        {"text": np.array(TEXTS), "choices": np.array([row + [""] * (4 - len(row)) for row in CHOICES])},
        tf.data.Dataset.from_tensor_slices({"text": TEXTS, "choices": [row + [""] * (4 - len(row)) for row in CHOICES]}),
        tf.data.Dataset.from_tensor_slices({"text": TEXTS, "choices": tf.ragged.constant(CHOICES)}).ragged_batch(2),
    ],
    ids=["dict", "tuple", "rows", "padded", "dataset", "ragged_batches"],
)
def test_every_form_is_answered_by_a_softmax_over_its_own_choices(model, form):
    expected = probabilities_by_hand(model)
    got = model.predict(form, verbose=0)
    assert got.shape == (3, 4)
    for row, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(row, np.pad(wanted, (0, 4 - len(wanted))), atol=1e-6)
    if not isinstance(form, tf.data.Dataset):
        assert [answer["text"] for answer in model.answer(form)] == [
            choices[row.argmax()] for choices, row in zip(CHOICES, expected, strict=True)
        ]


def test_the_loss_is_of_the_choices_that_there_are(model):
    labels = [1, 0, 3]
    expected = probabilities_by_hand(model)
    wanted = -np.mean([np.log(row[label]) for row, label in zip(expected, labels, strict=True)])
    loss, accuracy = model.evaluate((TEXTS, CHOICES), labels, batch_size=2, verbose=0)
    assert loss == pytest.approx(wanted, rel=1e-5)
    assert accuracy == pytest.approx(np.mean([row.argmax() == label for row, label in zip(expected, labels, strict=True)]))


@pytest.mark.slow
def test_it_learns_from_a_file_and_its_answers_are_served(make, tmp_path, answers_of_forks, capsys):
    lines = ["sent1,sent2,ending0,ending1,ending2,label"]
    for number in range(12):
        endings = ["bad .", "bad b", "no c"]
        endings[number % 3] = "good a"
        lines.append(",".join(["it is" if number % 2 else "a film", "was", *endings, str(number % 3)]))
    path = tmp_path / "swag.csv"
    path.write_text("\n".join(lines) + "\n")
    examples = read_multiple_choice(path, start_column="sent2", choice_columns=("ending0", "ending1", "ending2"))
    x, label = next(iter(examples))
    assert x["choices"].numpy().tolist() == [b"was good a", b"was bad b", b"was no c"] and int(label) == 0
    model = make()
    model.compile(create_optimizer(1e-2, total_steps=40))
    model.fit(model.training_batches(examples, 4)(0), steps_per_epoch=40, verbose=0)
    assert model.evaluate(examples, verbose=0)[1] == 1.0
    served = export.export_saved_model(model, tmp_path / "served")
    assert export.verify_saved_model(served, model) <= 1e-5
    columns = {"text": tf.constant(TEXTS), "choices": tf.ragged.constant(CHOICES).to_tensor("")}
    reply = {name: part.numpy() for name, part in tf.saved_model.load(served).signatures["serving_default"](**columns).items()}
    answers = model.answer((TEXTS, CHOICES))
    capsys.readouterr()
    ask.main([str(served), "--text", *TEXTS, "--choices", *map("|".join, CHOICES)])
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["choice"], line["text"]) for line in printed] == [(answer["choice"], answer["text"]) for answer in answers]
    assert [text.decode() for text in reply["text"]] == [answer["text"] for answer in answers]
    assert reply["count"].tolist() == [2, 3, 4] and reply["choice"].tolist() == [answer["choice"] for answer in answers]
    for row, answer in zip(reply["probabilities"], answers, strict=True):
        assert row[: answer["count"]].tolist() == pytest.approx(answer["probabilities"], abs=1e-6) and not row[answer["count"] :].any()


def test_json_lines_with_lists_and_letters(tmp_path):
    path = tmp_path / "questions.jsonl"
    rows = [{"question": "a", "choices": ["b", "c"], "answer": "B"}, {"question": "d", "choices": ["e", "f", "g"], "answer": 2}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"text_column": "question", "choice_columns": "choices", "label_column": "answer"}
    found = [(x["text"], x["choices"].tolist(), int(label)) for x, label in read_multiple_choice(path, **options).as_numpy_iterator()]
    assert found == [(b"a", [b"b", b"c", b""], 1), (b"d", [b"e", b"f", b"g"], 2)]
    for change, words in (
        ({"answer": "D"}, r"questions\.jsonl:1: label 'D' is none of 2 choices, 0 to 1 or A to B"),
        ({"answer": -1}, r"questions\.jsonl:1: label -1 is none of 2 choices"),
        ({"choices": ["b", ""]}, r"questions\.jsonl:1: 1 choices; it takes 2 to choose"),
        ({"choices": "b"}, r"questions\.jsonl:1: column 'choices' is 'b'; expected a list of choices"),
        ({"choices": ["b", 7]}, r"questions\.jsonl:1: column 'choices' is 7, a int; expected text"),
    ):
        path.write_text(json.dumps(rows[0] | change) + "\n")
        with pytest.raises(ValueError, match=words):
            read_multiple_choice(path, **options)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ((TEXTS, CHOICES[:2]), [0, 0, 0], "3 texts but 2 lists of choices"),
        (("it is", [["good", "bad"]]), [0], r"got one string, 'it is'; give a list of texts: \['it is'\]"),
        ((["a", "b"], [["c", "d"], ["e", ""]]), [0, 0], "example 1 has 1 choices; it takes 2 to choose"),
        ((["a"], ["b"]), [0], "the choices of example 0 are 'b'; expected a list of texts"),
        ((["a"], [["b", None]]), [0], "choice 1 of example 0 is None, a NoneType; expected str"),
        ([("a", ["b", "c"]), ("d",)], [0, 0], r"example 1 is \('d',\); expected \(text, \[choice"),
        ({"text": ["a"], "choices": [["b", "c"]], "more": []}, [0], "a question has 'text' and 'choices'; got choices, more, text"),
        ((TEXTS, CHOICES), [0, 3, 0], "label 1 is 3; example 1 has 3 choices, 0 to 2"),
        ((TEXTS, CHOICES), [0, 0], "3 texts but 2 labels"),
    ],
)
def test_bad_questions_are_told(model, x, y, words):
    with pytest.raises(ValueError, match=words):
        model.fit(x, y, verbose=0)


def test_a_label_of_a_dataset_that_is_no_choice_is_told(model):
    x = {"text": TEXTS, "choices": [row + [""] * (4 - len(row)) for row in CHOICES]}
    with pytest.raises(tf.errors.InvalidArgumentError, match="a label is none of the choices of its example"):
        model.evaluate(tf.data.Dataset.from_tensor_slices((x, [0, 3, 0])), verbose=0)


def test_another_head_s_weights_are_not_a_choice_s(shared_classifier, tmp_path):
    shared_classifier.save_pretrained(tmp_path / "classifier")
    with pytest.warns(UserWarning, match="classifier/kernel, classifier/bias: newly initialised"):
        model = BertMultipleChoice.from_pretrained(tmp_path / "classifier")
    model.save_pretrained(tmp_path / "choice")
    with pytest.warns(UserWarning, match="newly initialised"):
        assert BertClassifier.from_pretrained(tmp_path / "choice", labels=["a", "b"]).network.num_labels == 2


def test_static_shapes_have_a_number_of_choices(make):
    with pytest.raises(ValueError, match="want a number: max_choices=4"):
        make(pad_to_multiple_of=None)
    static = make(pad_to_multiple_of=None, max_choices=5, max_length=12)
    for row, wanted in zip(static.predict((TEXTS, CHOICES), verbose=0), probabilities_by_hand(static), strict=True):
        np.testing.assert_allclose(row[: len(wanted)], wanted, atol=1e-6)


@pytest.mark.parametrize("choices", [{"text": ["blue", "red"], "label": ["A", "B"]}, {"A": "blue", "B": "red"}])
def test_names_of_choices_are_not_taken_for_the_choices(choices):
    source = {"question": ["The sky is"], "choices": [choices], "label": ["A"]}
    with pytest.raises(ValueError, match=r"row 0: column 'choices' is \{.*; expected a list of choices"):
        read_multiple_choice(source, text_column="question", choice_columns="choices")
    with pytest.raises(ValueError, match=r"the choices of example 0 are \{.*; expected a list of texts"):
        MultipleChoicePreprocessor(None, max_length=16).columns((["The sky is"], [choices]))


def test_an_empty_choice_before_the_last_is_counted():
    columns = {"text": [b"a"], "choices": [[b"b", b"", b"c", b""]]}
    preprocessor = MultipleChoicePreprocessor(None, max_length=16)
    assert preprocessor.encode_targets_of(columns, [2]).tolist() == [2]
    with pytest.raises(ValueError, match="label 0 is 3; example 0 has 3 choices"):
        preprocessor.encode_targets_of(columns | {"text": [b"a", b"d"], "choices": [*columns["choices"], [b"x"] * 4]}, [3, 0])
