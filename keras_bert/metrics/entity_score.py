"""EntityScore: precision, recall and F1 of entities, while a tagger trains."""

import keras
from keras import ops

from keras_bert.tags import chunk_tables

# Counts are kept as units of 65,536 and a rest, both exact in float32: strategies sum such variables over replicas.
_UNIT = 65536
_COUNTS = ("correct", "predicted", "gold")


@keras.saving.register_keras_serializable(package="keras_bert")
class EntityScore(keras.metrics.Metric):
    """Precision, recall and F1 of the entities of all types together, as seqeval's default and conlleval count them.

    An entity is correct where its type, its first and its last word are. The result is a dict of "precision", "recall" and "f1": in a
    run's log and for `monitor` they are "f1", "val_f1", ...; 0 where there is nothing to divide by.

    Args:
        labels: list of str, the tags in the order of their ids, of any scheme; L- and U- count as E- and S-.
        decode: function of (y_pred, mask: bool [batch, words]) -> ids, int [batch, words]: how tags are found where they are not the
            largest numbers, as by a CRF. Where the model is written to a file, one that Keras can serialize.
    Call:
        y_true: int [batch, words], ids; a negative one is beyond the sentence.
        y_pred: float [batch, words, labels]; or ids, int [batch, words]; or whatever `decode` takes.
        sample_weight: [batch] or [batch, words]; a word of weight 0 counts as one beyond the sentence, all others as 1.
    Raises: ValueError naming a label that is no tag of entities, or stands twice.
    """

    def __init__(self, labels, *, decode=None, name="entity_score", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.labels = list(labels)
        self.decode = decode
        self._tables = chunk_tables(self.labels)
        # float32 whatever the metric's dtype: half precision does not count beyond 2,048.
        self._units = self.add_variable([len(_COUNTS)], "zeros", dtype="float32", name="units")
        self._rest = self.add_variable([len(_COUNTS)], "zeros", dtype="float32", name="rest")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(y_true, "int32")
        mask = y_true >= 0
        if sample_weight is not None:
            mask = _where_both(mask, sample_weight)
        # Keras's own mark on an output whose rows or words are not all real; see training/keras_internals.py's set_mask.
        real = getattr(y_pred, "_keras_mask", None)
        if real is not None:
            mask = _where_both(mask, real)
        counts = self._counts(y_true, self._ids(y_pred, mask), mask)
        total = ops.cast(self._rest, "int32") + counts
        self._units.assign_add(ops.cast(total // _UNIT, "float32"))
        self._rest.assign(ops.cast(total % _UNIT, "float32"))

    def result(self):
        units, rest = ops.convert_to_tensor(self._units), ops.convert_to_tensor(self._rest)
        correct, predicted, gold = ops.unstack(units * _UNIT + rest, axis=0)
        return {
            "precision": ops.divide_no_nan(correct, predicted),
            "recall": ops.divide_no_nan(correct, gold),
            "f1": ops.divide_no_nan(2 * correct, predicted + gold),
        }

    def _ids(self, y_pred, mask):
        if self.decode is not None:
            return ops.cast(self.decode(y_pred, mask), "int32")
        y_pred = ops.convert_to_tensor(y_pred)
        if len(y_pred.shape) == 2:
            return ops.cast(y_pred, "int32")
        if y_pred.shape[-1] != len(self.labels):
            raise ValueError(f"y_pred has {y_pred.shape[-1]} numbers a word, and there are {len(self.labels)} labels")
        return ops.cast(ops.argmax(y_pred, axis=-1), "int32")

    def _counts(self, y_true, y_pred, mask):
        """Returns: int32 [3], see _COUNTS."""
        gold_starts, gold_ends, gold_types = self._entities(y_true, mask)  # each (N,)
        starts, ends, types = self._entities(y_pred, mask)
        # Two entities that end at one word are the same where the last start before is one of both.
        same_start = ops.logical_and(gold_starts, starts)
        order = ops.cumsum(ops.cast(ops.logical_or(gold_starts, starts), "int32"))
        of_both = ops.segment_max(ops.cast(same_start, "int32"), order, num_segments=ops.shape(order)[0] + 1)
        same_end = ops.logical_and(ops.logical_and(gold_ends, ends), gold_types == types)
        correct = ops.logical_and(same_end, ops.take(of_both, order) > 0)
        return ops.stack([ops.sum(ops.cast(found, "int32")) for found in (correct, starts, gold_starts)])

    def _entities(self, ids, mask):
        """Where entities start, where they end, and each word's type, over all sentences in a row, with what is beyond between them."""
        beyond = len(self.labels)
        ids = ops.pad(ops.where(mask, ids, beyond), [[0, 0], [1, 1]], constant_values=beyond)  # (B, W + 2)
        ids = ops.reshape(ids, (-1,))
        neighbours = ids[:-1] * (beyond + 1) + ids[1:]  # (N,), the word is the second of them
        starts = ops.take(ops.reshape(ops.convert_to_tensor(self._tables.starts), (-1,)), neighbours)
        ends = ops.take(ops.reshape(ops.convert_to_tensor(self._tables.ends), (-1,)), neighbours)
        types = ops.take(ops.convert_to_tensor([*self._tables.type_ids.tolist(), -1], "int32"), ids)
        return starts[:-1], ends[1:], types[1:-1]  # an entity ends at the first of two neighbours

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "labels": self.labels, "decode": self.decode}

    @classmethod
    def from_config(cls, config):
        # In a file it is what Keras wrote of it; a strategy makes the metric anew from the function itself.
        decode = config.get("decode")
        if isinstance(decode, dict):
            decode = keras.saving.deserialize_keras_object(decode)
        return cls(**(config | {"decode": decode}))


def _where_both(mask, weight):
    """Args: mask: bool [batch, words]. weight: [batch] or [batch, words], not 0 where a word counts. Returns: bool [batch, words]."""
    weight = ops.convert_to_tensor(weight)
    weight = ops.expand_dims(weight, 1) if len(weight.shape) == 1 else weight
    return ops.logical_and(mask, ops.cast(weight, "bool"))
