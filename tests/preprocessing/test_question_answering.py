"""Questions and contexts to rows, targets and answers, by hand and against google-research's loops, written anew."""

import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertTokenizer, features
from keras_bert.data import read_squad
from keras_bert.metrics import score_squad
from keras_bert.preprocessing import QuestionAnsweringPreprocessor
from keras_bert.tasks.predictor import plain


@pytest.fixture(scope="module")
def tokenizer(uncased_vocabulary):
    return BertTokenizer(uncased_vocabulary)


@pytest.fixture(scope="module")
def make(tokenizer):
    def make(**options):
        return QuestionAnsweringPreprocessor(tokenizer, **({"max_length": 64} | options))

    return make


def rows_of(preprocessor, x):
    return preprocessor.rows({name: tf.constant(column) for name, column in preprocessor.columns(x).items()})


def decoded(preprocessor, rows, logits):
    inputs = preprocessor.pad(rows)[0]
    answers = preprocessor.decode(tf.constant(logits), inputs, rows)
    return plain({name: value.numpy() for name, value in answers.items()}, preprocessor)


def zeros_like(preprocessor, rows):
    return np.zeros((*preprocessor.pad(rows)[0][features.INPUT_IDS].shape, 2), "float32")


def fed(preprocessor, x, places):
    """The answers where the network gives all its weight to the first and the last piece of each (start, end), characters."""
    rows = rows_of(preprocessor, x)
    logits = zeros_like(preprocessor, rows)
    contexts = [text.decode() for text in preprocessor.columns(x)["context"]]
    starts, ends = (rows.facts[name].to_list() for name in ("starts", "ends"))
    row = 0
    for index, (start, end) in enumerate(places):
        first_byte, last_byte = (len(contexts[index][:place].encode()) for place in (start, end))
        first = next(piece for piece, limit in enumerate(ends[index]) if limit > first_byte)
        last = max(piece for piece, begin in enumerate(starts[index]) if begin < last_byte)
        question = int(rows.facts["question_length"][index])
        room = preprocessor.max_length - 3 - question
        for window in range(int(rows.counts[index])):
            begin = window * preprocessor._stride
            for part, piece in enumerate((first, last)):
                if begin <= piece < min(begin + room, len(starts[index])):
                    logits[row, piece - begin + question + 2, part] = 10
            row += 1
    assert row == len(logits)
    return decoded(preprocessor, rows, logits)


def test_rows_and_targets_by_hand(make):
    """Question of 2 pieces, room for 5 of the context, every 3: a b c d e | d e f g h."""
    preprocessor = make(max_length=10, max_query_length=2, stride=3)
    columns = {"question": tf.constant(["who is it"]), "context": tf.constant(["a b c d e f g h"])}
    targets = tf.constant([[2, 5]])  # "b c"
    rows = preprocessor.rows(columns, targets, tf.constant([0.5]))
    inputs, targets, weights = preprocessor.pad(rows)
    assert rows.counts.numpy().tolist() == [2] and preprocessor.padded_lengths(rows).numpy().tolist() == [2 * 10]
    assert inputs["input_ids"].numpy().tolist() == [
        [preprocessor.tokenizer.id_of(name) for name in f"[CLS] who is [SEP] {window} [SEP]".split()]
        for window in ("a b c d e", "d e f g h")
    ]
    assert inputs["token_type_ids"].numpy().tolist() == [[0] * 4 + [1] * 6] * 2
    assert targets.numpy().tolist() == [[5, 6], [0, 0]] and weights.numpy().tolist() == [0.5, 0.5]
    for (start, end), expected in (
        ((6, 9), [[7, 8], [4, 5]]),  # "d e", in both
        ((4, 7), [[6, 7], [0, 0]]),  # "c d": the second window has but a part of what the first has whole
        ((-1, -1), [[0, 0], [0, 0]]),
        ((0, 15), [[4, 8], [4, 8]]),  # no window holds it whole: each learns its part
        ((4, 11), [[6, 8], [4, 6]]),  # "c d e f": no window either
        ((3, 4), [[0, 0], [0, 0]]),  # a space has no piece
    ):
        # The longest answer to give says nothing of what is learnt.
        preprocessor = preprocessor.with_settings(max_answer_length=1)
        _, targets, _ = preprocessor.pad(preprocessor.rows(columns, tf.constant([[start, end]])))
        assert targets.numpy().tolist() == expected, (start, end)
    with pytest.raises(tf.errors.InvalidArgumentError, match="an answer is not in its context"):
        preprocessor.rows(columns, tf.constant([[0, 16]]))


def test_one_token_type(make):
    inputs = make(type_vocab_size=1).pad(rows_of(make(type_vocab_size=1), (["who"], ["a b"])))[0]
    assert not inputs["token_type_ids"].numpy().any()


def test_answers_are_slices_of_their_contexts(make):
    contexts = [
        "Rene\u0301e ate naïve CAFÉ at 5½ o'clock.",
        "\U0001f4a9\U0001f4a9 met \u2764\ufe0f in São Paulo, twice.",
        "《战国无双3》是由光荣和ω-force开发的。",
        "a\x00b  \t c\u200bd\n e",
    ]
    answers = ["Rene\u0301e", "\u2764\ufe0f", "光荣和ω-force", "c\u200bd\n e"]
    places = [(context.index(answer), context.index(answer) + len(answer)) for context, answer in zip(contexts, answers, strict=True)]
    for found, context, answer, place in zip(fed(make(), (["who"] * 4, contexts), places), contexts, answers, places, strict=True):
        assert (found["text"], found["start"], found["end"]) == (answer, *place)
        for each in found["alternatives"]:
            assert context[each["start"] : each["end"]] == each["text"]


def test_an_answer_at_the_end_of_5000_tokens_is_found(make):
    context = "so long a text " * 1250 + "Anna Lee"
    start = len(context) - 8
    (answer,) = fed(make(max_length=128), (["who"], [context]), [(start, len(context))])
    assert (answer["text"], answer["start"], answer["end"]) == ("Anna Lee", start, start + 8)


def test_an_answer_over_two_windows_is_found_where_its_length_may_be(make):
    context = " ".join(f"w{number}" for number in range(60))
    options = {"max_length": 32, "max_query_length": 4, "stride": 8}
    place = (context.index("w5"), context.index("w50") + 3)
    # Piece 10, from which the second answer starts, is read in the first window, of 28 pieces; its last piece is the first behind it.
    for each in (place, (context.index("w5"), context.index("w14") + 1)):
        (answer,) = fed(make(max_answer_length=None, **options), (["who"], [context]), [each])
        assert (answer["start"], answer["end"]) == each
    (answer,) = fed(make(**options), (["who"], [context]), [place])
    assert len(answer["text"].split()) < 30


def test_answers_are_those_of_google_research_s_loops(make):
    """Random logits: the best 20 starts with the best 20 ends of each window, pieces of one text once, a softmax over the 20 best."""
    generator = np.random.default_rng(0)
    options = {"max_length": 40, "max_query_length": 4, "stride": 9, "max_answer_length": 6}
    preprocessor = make(null_threshold=0.0, **options)
    words = ["good", "bad", "film", "it", "was", "unbelievableness"]
    contexts = [" ".join(generator.choice(words, count)) for count in (3, 40, 90, 1, 70)]
    rows = rows_of(preprocessor, (["who was it ?"] * 5, contexts))
    logits = generator.normal(size=zeros_like(preprocessor, rows).shape).astype("float32") * 2
    answers = decoded(preprocessor, rows, logits)
    row, given = 0, set()
    for index, (context, answer) in enumerate(zip(contexts, answers, strict=True)):
        starts, ends = (rows.facts[name].to_list()[index] for name in ("starts", "ends"))
        windows = [(9 * number, min(9 * number + 33, len(starts))) for number in range(int(rows.counts[index]))]
        found, none = [], min(logits[row + number, 0].sum() for number in range(len(windows)))
        for number, (begin, limit) in enumerate(windows):
            scores = logits[row + number, 6 : 6 + limit - begin]

            def sees(piece, window):
                start, stop = window
                return min(piece - start, stop - 1 - piece) + 0.01 * (stop - start) if start <= piece < stop else -1

            def is_read_here(piece, number=number, windows=windows):
                seen = [sees(piece, window) for window in windows]
                return seen.index(max(seen)) == number

            read = [piece for piece in range(begin, limit) if is_read_here(piece)]
            best_starts = sorted(read, key=lambda piece: -scores[piece - begin, 0])[:20]
            best_ends = sorted(range(begin, limit), key=lambda piece: -scores[piece - begin, 1])[:20]
            found += [
                (float(scores[first - begin, 0] + scores[last - begin, 1]), context[starts[first] : ends[last]])
                for first in best_starts
                for last in best_ends
                if first <= last < first + 6
            ]
        row += len(windows)
        best = {}
        for score, text in sorted(found, reverse=True):
            best.setdefault(text, score)
        best = dict(list(best.items())[:20])
        exponents = np.exp(np.array([*best.values(), none]))
        assert answer["null_score"] == pytest.approx(none - max(best.values()), abs=1e-4)
        assert [each["text"] for each in answer["alternatives"]] == list(best) and answer["alternative_count"] == len(best)
        np.testing.assert_allclose([each["score"] for each in answer["alternatives"]], exponents[:-1] / exponents.sum(), atol=1e-5)
        is_none = answer["null_score"] > 0
        given.add(is_none)
        assert answer["text"] == ("" if is_none else next(iter(best)))
        assert answer["score"] == pytest.approx(float(exponents[-1 if is_none else 0] / exponents.sum()), abs=1e-5)
        if is_none:
            assert (answer["start"], answer["end"]) == (0, 0)
    # How many alternatives are given changes no score.
    fewer = decoded(preprocessor.with_settings(n_best=2), rows, logits)
    for one, other in zip(fewer, answers, strict=True):
        assert one["alternatives"] == other["alternatives"][:2] and one["score"] == other["score"]
    sure = decoded(preprocessor.with_settings(null_threshold=None), rows, logits)
    assert all(one["text"] == other["alternatives"][0]["text"] for one, other in zip(sure, answers, strict=True))
    assert all(sum(each["score"] for each in one["alternatives"]) == pytest.approx(1, abs=1e-5) for one in sure)


def test_where_there_is_nothing_to_answer_by(make):
    """A context without pieces."""
    for preprocessor, score in ((make(), 0.0), (make(null_threshold=1.0), 1.0)):
        rows = rows_of(preprocessor, (["who"], ["\u200b"]))
        (answer,) = decoded(preprocessor, rows, zeros_like(preprocessor, rows))
        numbers = {"text": "", "start": 0, "end": 0, "score": score, "null_score": 0.0, "alternative_count": 0, "alternatives": []}
        assert answer == numbers


def test_an_answer_as_good_as_none_is_given(make):
    """run_squad.py's null_score_diff_threshold: no answer where the difference is greater, not where it is equal."""
    for threshold, text in ((0.0, "a"), (-0.1, "")):
        preprocessor = make(null_threshold=threshold)
        rows = rows_of(preprocessor, (["who"], ["a"]))
        (answer,) = decoded(preprocessor, rows, zeros_like(preprocessor, rows))
        assert (answer["text"], answer["null_score"], answer["score"]) == (text, 0.0, 0.5)


def test_ids_alone_give_tokens_of_the_row(make):
    preprocessor = make()
    inputs = preprocessor.packer(["who is it", "who"], ["a b c", "d e"])
    logits = np.zeros((*inputs["input_ids"].shape, 2), "float32")
    logits[0, 5, 0] = logits[0, 7, 1] = logits[1, 3, 0] = logits[1, 4, 1] = 5
    logits[:, 1] = logits[:, -1] = logits[0, 8] = logits[1, 5] = 50  # of the question; of padding; of the last [SEP]
    for each in (preprocessor, make(type_vocab_size=1)):
        answers = plain({name: value.numpy() for name, value in each.decode(tf.constant(logits), inputs, None).items()}, each)
        assert [(answer["start"], answer["end"], answer["text"]) for answer in answers] == [(5, 8, ""), (3, 5, "")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cut"), [("dev", ["DEV_379_QUERY_2"]), ("trial", ["TRIAL_749_QUERY_0"])])
def test_gold_answers_of_cmrc_2018_come_back(shared, make, name, cut):
    """All that stand in their contexts, whatever their length, but for one each that begins within a piece ("4" of "34")."""
    with pytest.warns(UserWarning, match="do not stand where the file says"):
        examples = read_squad(shared / "data" / "cmrc2018" / f"{name}.json.gz")
    examples = [example for example in examples if example.answers[0].start >= 0]
    preprocessor = make(max_length=384, max_answer_length=None)
    predictions = {}
    for first in range(0, len(examples), 64):
        part = examples[first : first + 64]
        places = [(example.answers[0].start, example.answers[0].start + len(example.answers[0].text)) for example in part]
        for example, answer in zip(part, fed(preprocessor, part, places), strict=True):
            assert example.context[answer["start"] : answer["end"]] == answer["text"]
            predictions[example.id] = answer["text"]
    whole = [example for example in examples if example.id not in cut]
    assert len(whole) > 990 and score_squad(whole, predictions, language="zh")["exact_match"] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 32}, "stride=32: beside a question of 30 pieces, rows of max_length=64 have room for 31 of the context"),
        ({"stride": 31}, "so that a stride from 31 on skips text; give a whole number from 1 to 30"),
        ({"stride": 0}, "stride=0: beside"),
        ({"stride": 1.5}, "stride=1.5: beside"),
        ({"stride": 128, "max_length": 128}, "stride=128: beside a question of 62 pieces"),
        ({"max_query_length": 60}, "max_query_length=60: a row of max_length=64 has room for 61 pieces of question and context"),
        ({"max_query_length": 0}, "max_query_length=0"),
        ({"max_length": 5}, "max_length=5 leaves no room for a question and its context: 6 at least"),
        ({"max_answer_length": 0}, "max_answer_length=0 is not a whole number from 1, nor None"),
        ({"n_best": 0}, "n_best=0 is not a whole number from 1$"),
        ({"n_best": None}, "n_best=None is not a whole number from 1$"),
        ({"null_threshold": float("nan")}, "null_threshold=nan is neither a number nor None"),
    ],
)
def test_options_that_do_not_fit_are_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_defaults_are_google_research_s(make):
    preprocessor = make(max_length=384)
    assert (preprocessor._stride, preprocessor._query_length) == (128, 64)
    assert (preprocessor.max_answer_length, preprocessor.n_best, preprocessor.null_threshold) == (30, 20, None)
    (row,) = rows_of(preprocessor, (["who " * 100], ["a"])).tokens["input_ids"].to_list()
    assert len(row) == 64 + 3 + 1
