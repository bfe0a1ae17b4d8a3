"""Packed and unpacked batches of the same sequences: one loss, one gradient."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_bert import BertEncoder, BertPretrainer, from_pretrained

# Sequences of 5, 4 and 6 tokens, the last two with a second text; what is masked in each, and its label.
SEQUENCES = [[2, 5, 4, 7, 3], [2, 4, 3, 3], [2, 8, 4, 9, 4, 3]]
SECOND_TEXT_FROM = [5, 3, 3]
MASKED = [([2], [6]), ([1], [9]), ([2, 4], [5, 10])]
LABELS = [1, 0, 0]


def unpacked():
    batch = {name: np.zeros((3, 7), "int32") for name in ("input_ids", "token_type_ids", "attention_mask")}
    positions, ids, weights = (np.zeros((3, 3), kind) for kind in ("int32", "int32", "float32"))
    for row, (sequence, second, masked) in enumerate(zip(SEQUENCES, SECOND_TEXT_FROM, MASKED, strict=True)):
        batch["input_ids"][row, : len(sequence)] = sequence
        batch["attention_mask"][row, : len(sequence)] = 1
        batch["token_type_ids"][row, second : len(sequence)] = 1
        positions[row, : len(masked[0])], ids[row, : len(masked[1])], weights[row, : len(masked[0])] = *masked, 1
    targets = {"mlm_logits": ids, "nsp_logits": np.array(LABELS)}
    return batch | {"masked_positions": positions}, targets, {"mlm_logits": weights, "nsp_logits": np.ones(3, "float32")}


def packed():
    """The first two in one row; the third alone in another, whose second place is empty."""
    batch = {name: np.zeros((2, 11), "int32") for name in ("input_ids", "token_type_ids", "attention_mask", "position_ids", "sequence_ids")}
    positions, ids, weights = (np.zeros((2, 4), kind) for kind in ("int32", "int32", "float32"))
    labels, label_weights, first = np.zeros((2, 2), "int32"), np.zeros((2, 2), "float32"), np.zeros((2, 2), "int32")
    filled = [0, 0]
    for number, (row, place) in enumerate(((0, 0), (0, 1), (1, 0))):
        sequence, start = SEQUENCES[number], [0, 5][place]
        here = slice(start, start + len(sequence))
        batch["input_ids"][row, here], batch["attention_mask"][row, here] = sequence, 1
        batch["token_type_ids"][row, start + SECOND_TEXT_FROM[number] : here.stop] = 1
        batch["position_ids"][row, here], batch["sequence_ids"][row, here] = range(len(sequence)), place + 1
        for position, target in zip(*MASKED[number], strict=True):
            positions[row, filled[row]], ids[row, filled[row]], weights[row, filled[row]] = start + position, target, 1
            filled[row] += 1
        first[row, place], labels[row, place], label_weights[row, place] = start, LABELS[number], 1
    targets, target_weights = {"mlm_logits": ids, "nsp_logits": labels}, {"mlm_logits": weights, "nsp_logits": label_weights}
    return batch | {"masked_positions": positions, "first_positions": first}, targets, target_weights


@pytest.fixture(scope="module")
def models(tmp_path_factory, tiny_config, tiny_tokenizer):
    """The same weights, for unpacked batches and for packed ones."""
    keras.utils.set_random_seed(5)
    config = dataclasses.replace(tiny_config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.3)
    model = BertPretrainer(BertEncoder(config), tiny_tokenizer)
    path = tmp_path_factory.mktemp("packed") / "model"
    model.save_pretrained(path)
    return model, from_pretrained(path, packed=True, strict=True)


def test_packing_changes_neither_loss_nor_gradients(models):
    values, gradients = [], []
    for model, (batch, targets, weights) in zip(models, (unpacked(), packed()), strict=True):
        model.compile(keras.optimizers.SGD(1.0))
        values.append(model.evaluate(batch, targets, sample_weight=weights, verbose=0, return_dict=True))
        before = [np.asarray(weight) for weight in model.trainable_weights]
        model.train_on_batch(batch, targets, sample_weight=weights)  # at rate 1 the step is the gradient
        gradients.append([old - np.asarray(new) for old, new in zip(before, model.trainable_weights, strict=True)])
        for weight, old in zip(model.trainable_weights, before, strict=True):
            weight.assign(old)
    assert values[1] == pytest.approx(values[0], abs=1e-5)
    paths = [weight.path for weight in models[0].trainable_weights]
    assert paths == [weight.path for weight in models[1].trainable_weights]
    for path, one, other in zip(paths, *gradients, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5, err_msg=path)
    assert max(np.abs(gradient).max() for gradient in gradients[0]) > 0.1


def test_a_packed_model_takes_other_batches_and_text(models):
    batch = unpacked()[0]
    for one, other in zip(keras.tree.flatten(models[0](batch)), keras.tree.flatten(models[1](batch)), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)
    pairs = [("a good film", "it was great")]
    assert models[1].answer(pairs)[0]["score"] == pytest.approx(models[0].answer(pairs)[0]["score"], abs=1e-5)


def test_what_a_packed_model_saves_is_a_model_like_others(models, tmp_path):
    models[1].save_pretrained(tmp_path / "model")
    again = from_pretrained(tmp_path / "model", strict=True)
    assert not again.packed
    tf.nest.map_structure(
        lambda one, other: np.testing.assert_allclose(one, other, atol=1e-5), again(unpacked()[0]), models[0](unpacked()[0])
    )


def test_sequences_of_a_row_are_never_shown_to_each_other(models):
    with pytest.raises(ValueError, match=r"the batch is packed .* packed=True"):
        models[0](packed()[0])
