"""EmbeddingLoss: what losses over the vectors of an example's texts have in common."""

import keras
from keras import ops

DISTANCES = ("cosine", "euclidean", "manhattan")


class EmbeddingLoss(keras.losses.Loss):
    """A loss of examples of several texts: anchor, positive, negatives; or a pair and its score.

    Args: reduction: as Keras's; a mean is over examples.
    Call: y_true: float [batch], scores; or, where examples have none, int32 [batch, texts]: a number a text, equal for equal texts, 0 for
        an example that is padding ([batch]: of the example). y_pred: [batch, texts, features]. sample_weight: [batch].
    To be written by a subclass: losses; SCORED; TEXTS.
    """

    SCORED = None  # of a subclass: whether examples must have a score (True), or must not (False); None: both are taken
    TEXTS = (2, None)  # of a subclass: the texts of an example, at least and at most; None: any number

    def __init__(self, *, name=None, reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction, dtype="float32")

    def losses(self, targets, vectors):
        """Losses without reduction. Args: targets: as y_true. vectors: float32 [batch, texts, features]. Returns: float32 [batch]."""
        raise NotImplementedError

    def call(self, y_true, y_pred):
        return self(y_true, y_pred)

    def __call__(self, y_true, y_pred, sample_weight=None):
        with keras.name_scope(self.name):
            y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
            self.check(y_true, y_pred)
            values = self.losses(y_true, ops.cast(y_pred, "float32"))
            if sample_weight is not None:
                values = values * ops.cast(sample_weight, "float32")
            if self.reduction in (None, "none"):
                return values
            return ops.sum(values) if self.reduction == "sum" else ops.mean(values)

    def check(self, y_true, y_pred):
        """Raises: ValueError where examples are none that this loss takes, saying what it takes."""
        if len(y_pred.shape) != 3:
            raise ValueError(
                f"{self.name} compares the texts of an example, [batch, texts, features]; got vectors of shape {tuple(y_pred.shape)}: "
                "fit((anchors, positives)), or fit((texts, others), scores)"
            )
        least, most = self.TEXTS
        count = y_pred.shape[1]
        if count is not None and (count < least or (most is not None and count > most)):
            wanted = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
            raise ValueError(f"{self.name} takes {wanted} texts an example; these have {count}")
        if self.SCORED and not is_scored(y_true):
            raise ValueError(f"{self.name} learns from scores, and the examples have none: fit((texts, others), scores)")
        if self.SCORED is False and is_scored(y_true):
            raise ValueError(f"{self.name} takes examples without scores, whose first two texts belong together: leave the scores out")


def is_scored(y_true):
    """Whether targets are scores, rather than the numbers of texts. Returns: bool."""
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(y_true.dtype))


def unit(vectors):
    """Vectors of length 1. Args, Returns: [..., features]; zeros stay zeros, with a gradient of 0."""
    return vectors * ops.rsqrt(ops.maximum(ops.sum(ops.square(vectors), axis=-1, keepdims=True), 1e-24))


def cosines(first, second):
    """Cosines of vectors that stand beside each other. Args: [..., features]. Returns: [...]."""
    return ops.sum(unit(first) * unit(second), axis=-1)


def distances(first, second, kind):
    """Distances of vectors that stand beside each other, as PyTorch's pairwise_distance has them.

    Args: first, second: [..., features]. kind: one of DISTANCES. Returns: [...].
    """
    if kind == "cosine":
        return 1.0 - cosines(first, second)
    difference = first - second + 1e-6  # PyTorch's, so that there is a slope where two vectors are equal
    if kind == "manhattan":
        return ops.sum(ops.abs(difference), axis=-1)
    return ops.sqrt(ops.maximum(ops.sum(ops.square(difference), axis=-1), 1e-24))


def check_distance(distance):
    """Returns: distance. Raises: ValueError unless one of DISTANCES."""
    if distance not in DISTANCES:
        raise ValueError(f"distance={distance!r} is not one of {', '.join(DISTANCES)}")
    return distance
