"""FrameScore: precision, recall and F1 of arguments, or of predicates, while a role labeller trains."""

import keras
from keras import ops

from keras_bert.metrics.entity_score import EntityScore


@keras.saving.register_keras_serializable(package="keras_bert")
class FrameScore(EntityScore):
    """EntityScore that leaves out roles which a score does not count, and names its figures.

    For training: a part of an argument, "C-X", counts as an argument of its own. The shared task's rules are in score_roles.

    Args:
        labels, decode: see EntityScore; "O" is among the labels where roles are not counted.
        not_counted: roles that count as "O", in what is predicted and in what is right: "V", the predicate, is no argument.
        prefix: before "precision", "recall" and "f1" in the result.
    Raises: as EntityScore.
    """

    def __init__(self, labels, *, not_counted=("V",), prefix="", decode=None, name="frame_score", dtype=None):
        super().__init__(labels, decode=decode, name=name, dtype=dtype)
        self.not_counted = tuple(not_counted)
        self.prefix = prefix
        outside = self.labels.index("O")
        self._counted_as = [outside if label[2:] in self.not_counted else index for index, label in enumerate(self.labels)]

    def result(self):
        return {f"{self.prefix}{name}": value for name, value in super().result().items()}

    def _entities(self, ids, mask):
        return super()._entities(ops.take(ops.convert_to_tensor(self._counted_as, "int32"), ops.maximum(ids, 0)), mask)

    def get_config(self):
        return super().get_config() | {"not_counted": self.not_counted, "prefix": self.prefix}
