import math
import re

import keras
import pytest

from keras_bert.training.monitor import Best, better_direction

NUMBERS = {"PrecisionAtRecall": 0.5, "RecallAtPrecision": 0.5, "SensitivityAtSpecificity": 0.5, "SpecificityAtSensitivity": 0.5}
CLASSES = {"MeanIoU": [2], "OneHotIoU": [2, [0]], "OneHotMeanIoU": [2], "IoU": [2, [0]]}


def keras_metrics():
    """Every metric of Keras that knows its direction: (name, "min" or "max")."""
    for name, cls in vars(keras.metrics).items():
        if isinstance(cls, type) and issubclass(cls, keras.metrics.Metric) and name not in ("MeanMetricWrapper",):
            arguments = CLASSES.get(name, [NUMBERS[name]] if name in NUMBERS else [])
            try:
                metric = cls(*arguments)
            except TypeError:  # MeanMetricWrapper and its like, of a function of the user's
                continue
            if hasattr(metric, "_direction"):
                # Where another test has made one, Keras numbers the next: auc_1.
                yield re.sub(r"_\d+$", "", metric.name), {"up": "max", "down": "min"}[metric._direction]


def test_the_direction_of_keras_s_metrics_is_keras_s():
    there = dict(keras_metrics())
    assert {"mean_squared_error", "poisson", "kl_divergence", "auc", "mean_io_u", "r2_score", "cosine_similarity"} <= set(there)
    assert len(there) >= 30
    for name, direction in there.items():
        for form in (f"val_{name}", f"val_{name}_1", f"val_answers_{name}"):
            assert better_direction(form) == direction, form


@pytest.mark.parametrize(
    ("names", "direction"),
    [
        ("loss nsp_logits_loss f1_loss perplexity ppl masked_lm_perplexity nats nats_per_token bits_per_character error error_rate", "min"),
        ("word_error_rate wer mae mse rmse mape msle RMSE crossentropy sparse_categorical_crossentropy kld hinge brier_score", "min"),
        ("negative_log_likelihood edit_distance false_positives false_negative_rate", "min"),
        (
            "acc accuracy binary_accuracy next_sentence_accuracy f1 F1 f1_score macro_f1 span-f1 precision recall recall_at_5 auc roc_auc",
            "max",
        ),
        ("matthews_correlation matthews mcc pearson pearsonr spearman_correlation r2 r2_score exact_match em exactMatch squad_em", "max"),
        ("bleu BLEU4 sacrebleu chrF chrF++ rouge1 rougeL rouge_lsum map mAP ndcg ndcg@10 mrr hits@1 iou meanIoU", "max"),
        ("cosine_similarity kappa uas las specificity true_positives", "max"),
    ],
)
def test_the_direction_of_the_field_s_names(names, direction):
    assert {name: better_direction(f"val_{name}") for name in names.split()} == dict.fromkeys(names.split(), direction)


@pytest.mark.parametrize(
    "name", ["val_quality", "val_log_likelihood", "val_neg_log_loss", "val_neg_mean_squared_error", "val_recall_error"]
)
def test_a_name_that_does_not_tell_asks_for_mode(name):
    with pytest.raises(ValueError, match=f"monitor='{name}': its name does not tell .* give mode='min' for less, mode='max' for more"):
        Best(name).check([name])
    for mode, second in (("min", False), ("max", True)):
        best = Best(name, mode=mode)
        assert [best.update(1, {name: 0.5}), best.update(2, {name: 0.6})] == [True, second]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"monitor": "accuracy"}, "monitor='accuracy' is no value of the validation: 'val_loss'"),
        ({"monitor": None}, "monitor=None is no value"),
        ({"monitor": "val_loss", "mode": "least"}, "mode='least' is not one of auto, min, max"),
    ],
)
def test_values_that_do_not_fit_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        Best(**arguments)


def test_a_name_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(ValueError, match=r"monitor='val_acc' is none of what validation gives: val_loss, val_accuracy$"):
        Best("val_acc").check(["val_loss", "val_accuracy"])


def follow(best, *values):
    return [best.update(step, {best.monitor: value}) for step, value in enumerate(values, 1)]


def test_the_least_perplexity_and_the_greatest_accuracy_are_the_best():
    least, greatest = Best("val_perplexity", patience=2), Best("val_accuracy", patience=2)
    assert follow(least, 9.0, 7.0, 7.0, 8.0) == [True, True, False, False]
    assert (least.step, least.value, least.waited, least.is_out_of_patience) == (2, 7.0, 2, True)
    assert follow(greatest, 0.5, 0.4, 0.6, 0.6) == [True, False, True, False]
    assert (greatest.step, greatest.value, greatest.waited, greatest.is_out_of_patience) == (3, 0.6, 1, False)


def test_what_is_no_number_is_never_the_best():
    best = Best("val_loss")
    assert follow(best, math.nan, 2.0, math.nan, 1.0) == [False, True, False, True]


def never():
    raise AssertionError("nothing is to be looked up")


def test_a_resume_goes_on_with_the_best_so_far():
    before, after = Best("val_loss", patience=3), Best("val_loss", patience=5)
    follow(before, 2.0, 1.0, 1.5)
    assert after.restore(before.state(), never) is False
    assert (after.step, after.value, after.waited) == (2, 1.0, 1)
    assert after.state() == {"step": 2, "value": 1.0, "waited": 1, "monitor": "val_loss", "mode": "min"}
    untold = Best("val_quality")  # of a run that validates nothing
    assert untold.restore(untold.state(), never) is False


@pytest.mark.parametrize(
    ("options", "kept", "expected"),
    [
        ({"monitor": "val_accuracy"}, {"step": 2, "val_loss": 1.0, "val_accuracy": 0.7}, (2, 0.7, 0)),
        ({"monitor": "val_loss", "mode": "max"}, {"step": 2, "val_loss": 1.0}, (2, 1.0, 0)),
        ({"monitor": "val_f1"}, {"step": 2, "val_loss": 1.0}, (None, None, 0)),
        ({"monitor": "val_accuracy"}, None, (None, None, 0)),
    ],
    ids=["monitor", "mode", "not_measured", "not_kept"],
)
def test_by_another_monitor_the_kept_validation_is_measured_anew(options, kept, expected):
    before, after = Best("val_loss"), Best(**options)
    follow(before, 2.0, 1.0, 1.5)
    assert after.restore(before.state(), lambda: kept) is True
    assert (after.step, after.value, after.waited) == expected
