"""FrameScore, on counts worked out by hand."""

import keras
import pytest

from keras_bert.metrics import FrameScore

LABELS = ["O", "B-V", "B-ARG0", "I-ARG0", "I-V"]


def test_the_predicate_is_no_argument_and_figures_have_their_names():
    score = FrameScore(LABELS, prefix="role_")
    gold = [[2, 3, 1, 2], [1, 4, 2, -1]]
    found = [[2, 3, 1, 0], [2, 0, 2, 1]]  # of 3 arguments 2, and 1 too many; what V is found as, and what is past the end, is nothing
    score.update_state(gold, found)
    assert {name: float(value) for name, value in score.result().items()} == pytest.approx(
        {"role_precision": 2 / 3, "role_recall": 2 / 3, "role_f1": 2 / 3}
    )
    again = FrameScore.from_config(keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(score)).get_config())
    assert again.get_config() == score.get_config()
    every = FrameScore(LABELS, not_counted=())
    every.update_state(gold, found)
    assert float(every.result()["f1"]) == pytest.approx(2 * 3 / (5 + 4))  # of 5 spans 3, and 1 too many
