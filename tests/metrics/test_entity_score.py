"""EntityScore, beside seqeval over the same sentences."""

import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert.metrics import EntityScore
from keras_bert.tags import tag_names
from keras_bert.training import Trainer, TrainingModel

LABELS = [*tag_names(["PER", "LOC", "a-b"], "BIOES"), "B", "I"]
RANDOM = np.random.default_rng(0)


def draw(sentences, *, words=14, labels=LABELS):
    """Returns: y_true: int32 [sentences, words], -1 after each's end; y_pred: float32 logits, right about every second word."""
    ids = RANDOM.integers(0, len(labels), (sentences, words)).astype("int32")
    lengths = RANDOM.integers(0, words + 1, (sentences, 1))
    logits = RANDOM.normal(size=(sentences, words, len(labels))) + 2.5 * np.eye(len(labels))[ids]
    return np.where(np.arange(words) < lengths, ids, -1).astype("int32"), logits.astype("float32")


def expected(y_true, ids, labels=LABELS):
    """seqeval's values in float32."""
    seqeval = pytest.importorskip("seqeval.metrics")
    keep = [row >= 0 for row in y_true]
    gold = [[labels[tag] for tag in row[real]] for row, real in zip(y_true, keep, strict=True)]
    found = [[labels[tag] for tag in row[real]] for row, real in zip(ids, keep, strict=True)]
    scores = (seqeval.precision_score, seqeval.recall_score, seqeval.f1_score)
    return [np.float32(score(gold, found, zero_division=0)) for score in scores]


def values(result):
    assert list(result) == ["precision", "recall", "f1"]
    return [np.asarray(value) for value in result.values()]


@pytest.mark.parametrize("in_graph", [False, True])
def test_batches_of_random_tags_give_seqeval_s_numbers(in_graph):
    metric = EntityScore(LABELS)
    signature = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None, len(LABELS)])]
    update = tf.function(metric.update_state, input_signature=signature) if in_graph else metric.update_state
    batches = [draw(40), draw(3, words=5), draw(200, words=9)]
    for y_true, y_pred in batches:
        update(tf.constant(y_true), tf.constant(y_pred))
    padded = [np.pad(y_true, [(0, 0), (0, 14 - y_true.shape[1])], constant_values=-1) for y_true, _ in batches]
    ids = [np.pad(y_pred.argmax(-1), [(0, 0), (0, 14 - y_pred.shape[1])]) for _, y_pred in batches]
    assert values(metric.result()) == expected(np.concatenate(padded), np.concatenate(ids))
    assert 0.1 < float(metric.result()["f1"]) < 0.9
    metric.reset_state()
    assert values(metric.result()) == [0, 0, 0]


def test_xla_gives_the_same():
    metric = EntityScore(LABELS)
    y_true, y_pred = draw(50)
    tf.function(metric.update_state, jit_compile=True)(tf.constant(y_true), tf.constant(y_pred))
    assert values(metric.result()) == expected(y_true, y_pred.argmax(-1))


def test_by_hand():
    metric = EntityScore(["O", "B-x", "I-x", "B-y"])
    gold = [[1, 2, 0, 3, -1], [1, 2, 2, -1, -1]]
    found = [[1, 2, 0, 1, 1], [1, 2, 0, 2, 2]]  # one right; a wrong type; a wrong end; nothing of what is beyond
    metric.update_state(np.array(gold), np.array(found))
    assert values(metric.result()) == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_words_of_weight_zero_are_beyond_the_sentence():
    y_true, y_pred = draw(30)
    for weight in (RANDOM.integers(0, 2, 30), np.arange(14) < RANDOM.integers(1, 14, (30, 1))):
        real = np.broadcast_to(weight.reshape(30, -1).astype(bool), y_true.shape)
        wanted = expected(np.where(real, y_true, -1), y_pred.argmax(-1))
        weighted, masked = EntityScore(LABELS), EntityScore(LABELS)
        weighted.update_state(y_true, y_pred, sample_weight=weight.astype("float32") * 0.5)
        output = tf.constant(y_pred)
        output._keras_mask = tf.constant(weight.astype(bool))
        masked.update_state(y_true, output)
        assert values(weighted.result()) == values(masked.result()) == wanted


@keras.saving.register_keras_serializable(package="tests")
def second_best(y_pred, mask):
    """The second largest number's tag; 0 where the mask says beyond."""
    return keras.ops.where(mask, keras.ops.argsort(y_pred, axis=-1)[..., -2], 0)


def test_tags_may_be_decoded_otherwise_and_the_metric_written():
    y_true, y_pred = draw(30)
    metric = EntityScore(LABELS, decode=second_best, name="entities")
    written = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
    for each in (metric, EntityScore.from_config(metric.get_config()), keras.saving.deserialize_keras_object(written)):
        assert each.name == "entities"
        each.update_state(y_true, y_pred)
        assert values(each.result()) == expected(y_true, np.argsort(y_pred, -1)[..., -2])


def test_counts_stay_exact_beyond_what_float32_counts():
    metric = EntityScore(["O", "B-x"])
    metric._units.assign([700.0, 700.0, 700.0])  # 45,875,200 so far: one more would be lost in float32
    for _ in range(3):
        metric.update_state(np.ones([1, 65_000], "int32"), np.ones([1, 65_000], "int32"))
    assert (metric._units.numpy()[0] * 65536 + metric._rest.numpy()[0].astype(int)) == 700 * 65536 + 3 * 65_000


def test_errors():
    with pytest.raises(ValueError, match="y_pred has 3 numbers a word, and there are 2 labels"):
        EntityScore(["O", "B-x"]).update_state(np.zeros([1, 2], "int32"), np.zeros([1, 2, 3], "float32"))
    with pytest.raises(ValueError, match="'NOUN' is no tag of entities"):
        EntityScore(["O", "NOUN"])


def make_model():
    x = keras.Input([None, len(LABELS)])
    return TrainingModel(x, keras.layers.EinsumDense("...a,ab->...b", len(LABELS), kernel_initializer="identity")(x))


@keras.saving.register_keras_serializable(package="tests")
def loss_of(y_true, y_pred):
    """Of the real words; the metric alone is of interest here."""
    real = keras.ops.cast(y_true >= 0, "float32")
    return keras.ops.mean(real * keras.losses.sparse_categorical_crossentropy(keras.ops.maximum(y_true, 0), y_pred, from_logits=True), -1)


def test_f1_is_a_monitor_of_a_run(tmp_path):
    y_true, y_pred = draw(24)
    batches = tf.data.Dataset.from_tensor_slices((y_pred, y_true)).batch(10)
    model = make_model()
    model.compile(keras.optimizers.SGD(0.0), loss_of, metrics=[EntityScore(LABELS)])
    wanted = expected(y_true, y_pred.argmax(-1))
    evaluated = model.evaluate(batches, verbose=0, return_dict=True)
    assert [evaluated[name] for name in ("precision", "recall", "f1")] == wanted
    history = model.fit(batches, validation_data=batches, verbose=0).history
    assert (history["f1"], history["val_f1"]) == ([wanted[2]], [wanted[2]])
    trainer = Trainer(
        model,
        tmp_path,
        total_steps=3,
        validation_data=batches,
        monitor="val_f1",
        progress=False,
    )
    result = trainer.train(lambda start_step: batches.repeat().skip(start_step))
    assert result.best_value == wanted[2]
    assert [line["val_f1"] for line in result.log if "val_f1" in line] == [wanted[2]]
    assert [line["precision"] for line in result.log if "precision" in line] == [wanted[0]]


def score_on_two_devices(path):
    """Print what two replicas find in arrays of a file, in fit and in evaluate."""
    from keras_bert.training import get_strategy

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    arrays = np.load(path)
    with get_strategy("mirrored").scope():
        model = make_model()
    model.compile(keras.optimizers.SGD(0.0), loss_of, metrics=[EntityScore(LABELS)])
    assert model.distribute_strategy.num_replicas_in_sync == 2
    batches = tf.data.Dataset.from_tensor_slices((arrays["y_pred"], arrays["y_true"])).batch(8)
    history = model.fit(batches, verbose=0).history
    evaluated = model.evaluate(batches, verbose=0, return_dict=True)
    print(json.dumps([[history[name][-1], evaluated[name]] for name in ("precision", "recall", "f1")]))


def test_two_replicas_give_the_same(tmp_path, root, fresh_python):
    y_true, y_pred = draw(40)
    np.savez(tmp_path / "arrays.npz", y_true=y_true, y_pred=y_pred)
    program = f"""
import sys
sys.path[:0] = [{str(root)!r}, {str(root / "tests" / "metrics")!r}]
import test_entity_score
test_entity_score.score_on_two_devices({str(tmp_path / "arrays.npz")!r})
"""
    done = fresh_python.run([sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr
    for found, wanted in zip(json.loads(done.stdout.splitlines()[-1]), expected(y_true, y_pred.argmax(-1)), strict=True):
        assert found == [wanted, wanted]
