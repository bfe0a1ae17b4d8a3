import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertClassifier, BertEncoder
from keras_bert.training import create_optimizer, get_strategy


@pytest.fixture(scope="module")
def model(quick_config):
    model = BertClassifier(BertEncoder(quick_config), ["a", "b"])
    model.compile(create_optimizer(1e-4, total_steps=10))
    return model


def batch(**changes):
    ids = np.full((4, 8), 7, "int32")
    return {"input_ids": ids, "token_type_ids": 0 * ids, "attention_mask": 0 * ids + 1} | changes


LABELS = np.array([0, 1, 0, 1], "int32")
WIDE = np.full((4, 40), 7, "int32")


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (batch(input_ids=np.full((4, 8), 20, "int32")), r"input_ids\[0, 0\] is 20; vocab_size=20 allows 0 to 19"),
        (batch(token_type_ids=np.full((4, 8), 2, "int32")), r"token_type_ids\[0, 0\] is 2; type_vocab_size=2"),
        (batch(attention_mask=np.full((4, 8), -1, "int32")), r"attention_mask\[0, 0\] is -1"),
        (batch(input_ids=np.full((4, 8), 7, "int64")), "'input_ids' is int64; the contract wants int32"),
        (batch(attention_mask=np.ones((4, 9), "int32")), r"'attention_mask' has shape \(4, 9\)"),
        ({"input_ids": WIDE, "token_type_ids": 0 * WIDE, "attention_mask": 0 * WIDE + 1}, "length 40, over max_position_embeddings=32"),
    ],
    ids=["ids", "types", "mask", "dtype", "shapes", "length"],
)
def test_arrays_that_do_not_fit_are_told_before_step_1(model, x, words):
    with pytest.raises(ValueError, match=words):
        model.fit(x, LABELS, verbose=0)


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (tf.data.Dataset.from_tensor_slices((batch(), LABELS)).take(0).batch(2), "the dataset is empty"),
        (tf.data.Dataset.from_tensor_slices((batch(), LABELS)), r"'input_ids' has shape \(8,\); .* batch the dataset"),
        (tf.data.Dataset.from_tensor_slices((batch(input_ids=np.ones((4, 8), bool)), LABELS)).batch(2), "'input_ids' is bool"),
        (
            tf.data.Dataset.from_tensor_slices(({"input_ids": WIDE, "token_type_ids": WIDE}, LABELS)).batch(2),
            "the batches lack attention_mask",
        ),
    ],
    ids=["empty", "unbatched", "dtype", "missing"],
)
def test_datasets_that_do_not_fit_are_told_before_step_1(model, dataset, words):
    with pytest.raises(ValueError, match=words):
        model.fit(dataset, verbose=0)


def test_an_id_outside_the_vocabulary_is_told_by_the_batch_that_holds_it(model):
    ids = np.full((4, 8), 7, "int32")
    ids[3, 5] = 99
    dataset = tf.data.Dataset.from_tensor_slices((batch(input_ids=ids), LABELS)).batch(2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"input_ids.* holds a value outside vocab_size=20(.|\n)*\[7\] \[99\]"):
        model.fit(dataset, verbose=0)


def test_a_loss_that_is_no_number_stops_fit_and_names_the_step(quick_config):
    model = BertClassifier(BertEncoder(quick_config), ["a", "b"])
    model.compile(keras.optimizers.SGD(1e30))
    with pytest.raises(FloatingPointError, match=r"the loss is (nan|inf) at update \d+ \(batch \d+\); .*lower learning rate"):
        model.fit(batch(), LABELS, batch_size=1, epochs=5, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "horovod"}, "strategy='horovod' is not one of auto, one_device"),
        ({"name": "mirrored", "tpu": "x"}, "tpu='x' was given beside strategy='mirrored'"),
        ({"name": "multi_worker"}, "needs the environment variable TF_CONFIG"),
    ],
    ids=["name", "both", "cluster"],
)
def test_strategies_that_cannot_be_are_told(monkeypatch, arguments, words):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=words):
        get_strategy(**arguments)


def test_a_broken_tf_config_is_told(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(ValueError, match=r"TF_CONFIG='\{' names no workers"):
        get_strategy("multi_worker")
