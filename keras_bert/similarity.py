"""How like vectors are: cosine, dot product, and distances with their sign turned, so that more is more alike."""

import numpy as np

SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
_MANHATTAN_BYTES = 2**26  # of differences at once


def similarities(first, second, kind="cosine"):
    """Each vector beside each other.

    Args: first: float [n, features]. second: float [m, features]. kind: one of SIMILARITIES.
    Returns: float32 [n, m].
    Raises: ValueError where the vectors do not fit each other, or are no finite numbers.
    """
    first, second = checked_vectors(first, "first"), checked_vectors(second, "second")
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"vectors of {first.shape[1]} and of {second.shape[1]} features cannot be compared")
    if kind == "cosine":
        return unit(first) @ unit(second).T
    if kind == "dot":
        return first @ second.T
    if kind == "euclidean":
        squares = np.square(first).sum(1)[:, None] + np.square(second).sum(1)[None] - 2 * first @ second.T
        return -np.sqrt(np.maximum(squares, 0.0))
    if kind == "manhattan":
        rows = max(1, _MANHATTAN_BYTES // max(1, second.nbytes))
        parts = [np.abs(first[start : start + rows, None] - second[None]).sum(-1) for start in range(0, len(first), rows)]
        return -np.concatenate(parts) if parts else np.zeros((0, len(second)), "float32")
    raise ValueError(f"similarity={kind!r} is not one of {', '.join(SIMILARITIES)}")


def pair_similarities(first, second, kind="cosine"):
    """Each vector beside the one that stands at its place. Args: as similarities, both [n, features]. Returns: float32 [n]."""
    first, second = checked_vectors(first, "first"), checked_vectors(second, "second")
    if first.shape != second.shape:
        raise ValueError(f"vectors {first.shape} and {second.shape} make no pairs")
    if kind == "cosine":
        return (unit(first) * unit(second)).sum(1)
    if kind == "dot":
        return (first * second).sum(1)
    if kind == "euclidean":
        return -np.sqrt(np.square(first - second).sum(1))
    if kind == "manhattan":
        return -np.abs(first - second).sum(1)
    raise ValueError(f"similarity={kind!r} is not one of {', '.join(SIMILARITIES)}")


def unit(vectors):
    """Vectors of length 1; zeros stay zeros. Args, Returns: float32 [n, features]."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def checked_vectors(vectors, name):
    """Returns: float32 [n, features]. Raises: ValueError naming what is none."""
    vectors = np.asarray(vectors, "float32")
    if vectors.ndim != 2:
        raise ValueError(f"the {name} vectors have shape {vectors.shape}; expected [texts, features]")
    if not np.isfinite(vectors).all():
        raise ValueError(f"vector {int(np.argwhere(~np.isfinite(vectors))[0][0])} of the {name} holds what is no finite number")
    return vectors
