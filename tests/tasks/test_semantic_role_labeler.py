"""BertSemanticRoleLabeler: what it learns, answers, saves and exports."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_bert
from keras_bert import BertConfig, BertEncoder, BertSemanticRoleLabeler, BertTokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "we", "go", "##ing", "to", "the", "party", "get", "free", "food", ".", "é", "a"]
LABELS = ["O", "B-ARG0", "I-ARG0", "B-V", "I-V", "B-ARG4", "I-ARG4", "B-ARGM-PRP", "I-ARGM-PRP"]
TEXT = "We go  to the\tparty to get free fo\u0301od . "
WORDS = ["We", "go", "to", "the", "party", "to", "get", "free", "food", "."]
X = {"words": [WORDS, ["a"], ["going", "to", "party"]], "predicates": [[1, 6], [], [0]]}
Y = [
    [
        ["B-ARG0", "B-V", "B-ARG4", "I-ARG4", "I-ARG4", "B-ARGM-PRP", *["I-ARGM-PRP"] * 3, "O"],
        ["B-ARG0", *["O"] * 5, "B-V", "B-ARG4", "I-ARG4", "O"],
    ],
    [],
    [["B-V", "B-ARG4", "I-ARG4"]],
]


def make(**options):
    keras.utils.set_random_seed(4)
    config = {"vocab_size": len(PIECES), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config |= {"max_position_embeddings": 32, "initializer_range": 0.5}
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "type_vocab_size": options.pop("type_vocab_size", 2)}
    return BertSemanticRoleLabeler(BertEncoder(BertConfig(**config)), LABELS, BertTokenizer(PIECES), max_length=24, **options)


@pytest.fixture(scope="module")
def trained():
    model = make()
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    x = {name: column * 100 for name, column in X.items()}
    model.history_of_fit = model.fit(x, Y * 100, epochs=2, batch_size=3, verbose=0).history
    model.run_eagerly = True  # to trace each kind of question takes longer than all of them
    return model


def test_roles_and_predicates_are_learnt_together(trained):
    history = trained.history_of_fit
    assert history["f1"][-1] >= 0.9 and history["predicate_f1"][-1] == 1 and history["f1"][0] < 0.8
    np.testing.assert_allclose(history["loss"][-1], history["roles_loss"][-1] + history["predicates_loss"][-1], rtol=1e-5)
    answers = trained.answer({"words": X["words"]})
    assert [[frame["predicate_word"] for frame in answer["frames"]] for answer in answers] == X["predicates"]
    roles = [[(role["role"], role["word_start"], role["word_end"]) for role in frame["roles"]] for frame in answers[0]["frames"]]
    assert roles == [
        [("ARG0", 0, 1), ("V", 1, 2), ("ARG4", 2, 5), ("ARGM-PRP", 5, 9)],
        [("ARG0", 0, 1), ("V", 6, 7), ("ARG4", 7, 9)],
    ]
    assert answers[1]["frames"] == [] and answers[1]["words"] == ["a"]


def test_two_passes_give_what_the_second_gives_alone(trained):
    found = trained.answer({"words": X["words"]})
    given = trained.answer(X)
    for one, other in zip(found, given, strict=True):
        assert one.keys() == other.keys() and [frame["score"] for frame in other["frames"]] == [1.0] * other["frame_count"]
        for frame, wanted in zip(one["frames"], other["frames"], strict=True):
            assert 0.5 <= frame.pop("score") < 1 and wanted.pop("score") == 1
            scores, wanted_scores = ([role.pop("score") for role in each["roles"]] for each in (frame, wanted))
            np.testing.assert_allclose(scores, wanted_scores, atol=1e-5)
            assert frame == wanted
    detection = trained.predict({"words": X["words"]}, verbose=0)["predicates"]
    assert [np.flatnonzero(row >= 0.5).tolist() for row in detection] == X["predicates"] and detection.shape == (3, 10)
    roles = trained.predict(X, verbose=0)["roles"]
    assert roles.shape == (3, 2, 10, 9)
    assert [LABELS[index] for index in roles[0, 1].argmax(-1)] == Y[0][1]
    np.testing.assert_allclose(roles[0].sum(-1), 1, atol=1e-5)
    assert not roles[1].any() and not roles[2, 1].any() and not roles[2, 0, 3:].any()


@pytest.mark.slow
def test_texts_are_answered_by_slices_of_them_and_as_exported(trained, tmp_path):
    trained.run_eagerly = False
    texts = [TEXT, "", "food " * 40 + "we go to the party"]
    answers = trained.answer(texts)
    for text, answer in zip(texts, answers, strict=True):
        for frame in answer["frames"]:
            assert frame["predicate"] == text[frame["start"] : frame["end"]] == answer["words"][frame["predicate_word"]]
            for role in frame["roles"]:
                assert role["text"] == text[role["start"] : role["end"]] and 0 <= role["score"] <= 1
                assert role["text"].split() == answer["words"][role["word_start"] : role["word_end"]]
    assert [frame["predicate"] for frame in answers[0]["frames"]] == ["go", "get"]
    assert answers[0]["frames"][1]["roles"][2]["text"] == "free fo\u0301od"
    assert answers[1] == {"words": [], "frames": [], "word_count": 0, "frame_count": 0, "role_count": 0}
    assert len(answers[2]["words"]) == 45

    trained.export(tmp_path / "model")
    served = tf.saved_model.load(tmp_path / "model")
    reply = served.signatures["serving_default"](text=tf.constant(texts))
    for name, part in trained.answer_arrays(texts).items():
        np.testing.assert_array_equal(reply[name].numpy(), part, err_msg=name)
    trained.run_eagerly = True
    # Ids: the words of the row, and nothing known of the text.
    by_ids = trained.answer(trained.preprocess([" ".join(WORDS)]))[0]
    assert [frame["predicate_word"] for frame in by_ids["frames"]] == [1, 6]
    assert {role["text"] for frame in by_ids["frames"] for role in frame["roles"]} == {""}

    trained.save(tmp_path / "model.keras")
    trained.save_pretrained(tmp_path / "pretrained")
    for other in (keras.saving.load_model(tmp_path / "model.keras"), keras_bert.from_pretrained(tmp_path / "pretrained")):
        assert type(other) is BertSemanticRoleLabeler and other.labels == LABELS and other.settings() == trained.settings()
        for weight, wanted in zip(other.network.weights, trained.network.weights, strict=True):
            np.testing.assert_array_equal(weight, wanted)


@pytest.mark.parametrize("crf", [False, True])
def test_roles_are_the_best_of_all_tags_that_iob2_allows(crf):
    model = make(crf=crf)
    model.run_eagerly = True
    model.network.get_layer("classifier").bias.assign(3.0 * (np.arange(9) == LABELS.index("I-ARG4")))
    x = {"words": [["we", "go", "."]], "predicates": [[1]]}
    (frame,) = model.answer(x)[0]["frames"]
    preprocessor = model.preprocessor
    rows = preprocessor.rows({name: tf.constant(column) for name, column in preprocessor.columns(x).items()})
    scores = np.asarray(model.network(preprocessor.pad(rows)[0])["roles"][0], "float64")
    emissions, moves = scores[:3], scores[-11:] if crf else np.zeros([11, 9])  # transitions, start, end
    totals = {}
    for path in np.ndindex(9, 9, 9):
        names = ["O", *(LABELS[index] for index in path)]
        if all(not tag.startswith("I-") or before[2:] == tag[2:] for before, tag in itertools.pairwise(names)):
            between = sum(moves[first, second] for first, second in itertools.pairwise(path))
            totals[path] = sum(emissions[range(3), path]) + moves[9, path[0]] + between + moves[10, path[2]]
    best = max(totals, key=totals.get)
    assert best != tuple(emissions.argmax(-1))  # else nothing was kept out
    found = ["O"] * 3
    for role in frame["roles"]:
        start, end = role["word_start"], role["word_end"]
        found[start:end] = [f"B-{role['role']}"] + [f"I-{role['role']}"] * (end - start - 1)
    assert tuple(map(LABELS.index, found)) == best
    of_words = np.exp(emissions) / np.exp(emissions).sum(-1, keepdims=True)
    for role in frame["roles"]:
        start, end = role["word_start"], role["word_end"]
        inside = LABELS.index(f"I-{role['role']}")
        same = [path for path in totals if path[start:end] == best[start:end] and path[end : end + 1] != (inside,)]
        of_paths = sum(np.exp(totals[path]) for path in same) / sum(np.exp(list(totals.values())))
        assert role["score"] == pytest.approx(of_paths if crf else of_words[range(start, end), best[start:end]].mean(), rel=1e-4)


def test_far_from_its_predicate_a_word_has_no_role():
    model = make()
    model.run_eagerly = True
    words = [PIECES[5 + number % 5].strip("#") for number in range(60)]
    long, near = {"words": [words], "predicates": [[2, 30]]}, {"words": [words[20:42]], "predicates": [[10]]}  # rows of 22 words
    (answer,), (alone,) = model.answer(long), model.answer(near)
    (frame,) = alone["frames"]
    assert frame["roles"] and len(answer["words"]) == 60
    for role, wanted in zip(answer["frames"][1]["roles"], frame["roles"], strict=True):
        assert (role["role"], role["text"]) == (wanted["role"], wanted["text"])
        assert (role["word_start"], role["word_end"]) == (wanted["word_start"] + 20, wanted["word_end"] + 20)
        assert role["score"] == pytest.approx(wanted["score"], abs=1e-5)
    roles = model.predict(long, verbose=0)["roles"][0, 1]
    np.testing.assert_allclose(roles[20:42], model.predict(near, verbose=0)["roles"][0, 0], atol=1e-5)
    assert not roles[:20].any() and not roles[42:].any()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="predicate_segment=True"):
        make(type_vocab_size=1)
    model = make(type_vocab_size=1, predicate_segment=True)
    with pytest.raises(ValueError, match=r"2 labels .O, B-V. for a role labeller of 9"):
        model.labels = ["O", "B-V"]
    with pytest.raises(ValueError, match=r"class_weight=.*two losses"):
        model.fit(X, Y, class_weight={0: 1.0}, verbose=0)
    with pytest.raises(ValueError, match="threshold=2"):
        model.threshold = 2
    without = BertSemanticRoleLabeler(make().encoder, LABELS)
    with pytest.raises(ValueError, match="without a tokenizer gives no answers"):
        without.answer({name: np.ones([1, 4], "int32") for name in ("input_ids", "token_type_ids", "attention_mask")})


def test_predicates_are_given_at_one_time_and_found_at_another(trained, monkeypatch):
    """Of more sentences than a batch, whose rows are put in order first: each kind by a function that is traced for it."""
    words = [["we", "go"], ["get", "food", "."]] * 2
    asked = {"words": words, "predicates": [[1], [0]] * 2}, {"words": words}
    eagerly = [trained.answer(x) for x in asked]
    monkeypatch.setattr(trained, "run_eagerly", False)
    trained.forget_functions()
    try:
        traced = [trained.answer(x, batch_size=3) for x in asked]
    finally:
        trained.forget_functions()
    for found, expected in zip(traced, eagerly, strict=True):
        assert [frames_of(answer) for answer in found] == [frames_of(answer) for answer in expected]
    assert all(map(frames_of, traced[0]))


def frames_of(answer):
    return [(frame["predicate"], [(role["role"], role["text"]) for role in frame["roles"]]) for frame in answer["frames"]]
