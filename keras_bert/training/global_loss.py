"""A loss as a share of the whole batch's, whichever replica or micro-batch a row is in.

Keras divides each replica's loss by that replica's slots, padding too; a mean of such means is no mean where counts differ.
Here every loss is a sum and its denominator: sums and denominators add up over replicas and micro-batches, means do not.

    reduction of the Keras loss                 sum over                    denominator
    "sum_over_batch_size", "mean" (Keras's)     rows, of a row's mean       rows
    "mean_with_sample_weight"                   weighted slots              sum of the weights: the real targets
    "sum", None                                 weighted slots              1
    any other, of a loss that counts            weighted slots              what it counts

A loss counts if it has a method `count(y_true, sample_weight)` -> float32 [batch]: what each row adds to the denominator. It says so
itself where neither rows nor weights tell, as of sentences whose words are the targets; see target_loss.
"""

import dataclasses
import inspect

import keras
import tensorflow as tf
from keras import tree

from keras_bert.training.keras_internals import add_to_mean, loss_tracker, losses_of

BY_ROWS, BY_WEIGHTS, BY_COUNT, SUM = "rows", "weights", "count", "sum"


@dataclasses.dataclass(frozen=True)
class Term:
    """One loss of the model.

    Args:
        path: keys that lead to its output in y_pred, and to its labels in y.
        values: Keras loss without reduction: (y, y_pred, sample_weight) -> weighted losses, [batch, ...].
        reduction: what the user's loss says.
        weight: factor in the total.
        tracker: keras.metrics.Mean of this term, or None where it is the only one.
    """

    path: tuple
    values: object
    reduction: str | None
    weight: float
    tracker: object

    def kind(self, sample_weight):
        if self.reduction in (None, "none", "sum"):
            return SUM
        if hasattr(self.values, "count"):
            return BY_COUNT
        return BY_WEIGHTS if self.reduction == "mean_with_sample_weight" and self.part(sample_weight) is not None else BY_ROWS

    def part(self, structure):
        """This term's part of y, y_pred or sample_weight; a sample_weight that is one tensor is every term's."""
        if not tree.is_nested(structure):
            return structure
        for key in self.path:
            structure = structure[key]
        return structure

    def count(self, rows, y, sample_weight, row_mask):
        """Returns: float32 scalar, this batch's part of the denominator. row_mask: as of sum."""
        kind = self.kind(sample_weight)
        if kind == BY_COUNT:
            counts = tf.cast(self.values.count(self.part(y), self.part(sample_weight)), tf.float32)
            return tf.reduce_sum(counts if row_mask is None else counts * row_mask)
        if kind == BY_WEIGHTS:
            return tf.reduce_sum(tf.cast(self.part(sample_weight), tf.float32))
        return tf.cast(rows, tf.float32) if kind == BY_ROWS else tf.zeros([])

    def sum(self, rows, y, y_pred, sample_weight, row_mask):
        """Returns: float32 scalar, this batch's part of the numerator. row_mask: float [batch] or None, 0 for a row of padding."""
        values = tf.cast(self.values(self.part(y), self.part(y_pred), sample_weight=self.part(sample_weight)), tf.float32)
        if values.shape.rank == 0:  # a loss of the user's that is a mean already
            return values * tf.cast(rows, tf.float32)
        if self.kind(sample_weight) == BY_ROWS and values.shape.rank > 1:
            values = tf.reduce_mean(values, axis=list(range(1, values.shape.rank)))
        if row_mask is not None:
            values = values * tf.reshape(row_mask, [-1] + [1] * (values.shape.rank - 1))
        return tf.reduce_sum(values)


class GlobalLoss:
    """The loss of a TrainingModel, in parts that sum to the whole batch's.

    Args: model: compiled TrainingModel whose losses are built. Where it overrides compute_loss, that is taken for a mean over rows.
    """

    def __init__(self, model):
        self.model = model
        self.terms = []
        if type(model).compute_loss is not keras.Model.compute_loss:
            return
        losses = losses_of(model)
        if losses is None and not model.losses:
            raise ValueError("there is no loss to train with; give one: compile(loss=...)")
        for path, loss, weight, tracker in losses or ():
            self.terms.append(
                Term(tuple(path), _without_reduction(loss), loss.reduction, 1.0 if weight is None else float(weight), tracker)
            )

    def counts(self, rows, y, sample_weight, row_mask):
        """Denominators of a part of the batch. Returns: float32 [1 + terms]; the first counts rows. row_mask: float [batch] or None."""
        return tf.stack([tf.cast(rows, tf.float32), *[term.count(rows, y, sample_weight, row_mask) for term in self.terms]])

    def share(self, x, y, y_pred, sample_weight, *, rows, row_mask, counts, training):
        """This part's share of the loss.

        Args: rows: of this part. row_mask: float [batch] or None. counts: denominators of the whole batch.
        Returns: float32 scalar, with which a gradient is taken; list of float32 scalars, the numerator of each term.
        """
        rows_share = tf.math.divide_no_nan(tf.cast(rows, tf.float32), counts[0])
        if type(self.model).compute_loss is not keras.Model.compute_loss:
            takes_training = "training" in inspect.signature(self.model.compute_loss).parameters
            options = {"training": training} if takes_training else {}
            loss = self.model.compute_loss(x, y, y_pred, sample_weight, **options)
            return tf.cast(loss, tf.float32) * rows_share, []
        share, totals = tf.zeros([]), []
        for term, count in zip(self.terms, tf.unstack(counts)[1:], strict=True):
            total = term.sum(rows, y, y_pred, sample_weight, row_mask)
            share += term.weight * (total if term.kind(sample_weight) == SUM else tf.math.divide_no_nan(total, count))
            totals.append(total)
        for extra in self.model.losses:  # of add_loss and regularizers: of the weights, or a mean over these rows
            share += tf.cast(extra, tf.float32) * rows_share
        return share, totals

    def track(self, share, totals, own, counts, sample_weight):
        """Add a part to the model's loss trackers. Args: own: this part's denominators. counts: the whole batch's."""
        means = [term.kind(sample_weight) != SUM for term in self.terms]
        for term, total, count, is_mean in zip(self.terms, totals, tf.unstack(own)[1:], means, strict=True):
            if term.tracker is not None:
                add_to_mean(term.tracker, total, count if is_mean else own[0])
        if means == [True] and not self.model.losses:
            add_to_mean(loss_tracker(self.model), self.terms[0].weight * totals[0], own[1])
        else:
            add_to_mean(loss_tracker(self.model), share * counts[0], own[0])

    def exact_total(self, results):
        """The total out of the terms' own means: a weighted mean of batches' totals is another number where counts differ."""
        if len(self.terms) > 1 and not self.model.losses:
            results["loss"] = sum(term.weight * results[term.tracker.name] for term in self.terms)
        return results


def _without_reduction(loss):
    """The same loss, values in place of their mean. copy.copy would make another of its configuration, which need not be registered."""
    values = object.__new__(type(loss))
    values.__dict__.update(loss.__dict__, reduction=None)
    return values
