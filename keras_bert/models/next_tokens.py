"""What the ways to write have in common: empty answers, which token may come next, a sample of the likely ones."""

from keras import ops

FORBIDDEN = -1e9


def empty_sequences(start, slots, generation):
    """Returns: int32 [batch, slots, max_length]: the start, and padding."""
    first = ops.repeat(ops.cast(start, "int32")[:, None, None], slots, axis=1)
    rest = ops.zeros_like(first) + ops.full((1, 1, generation.max_length - 1), generation.pad_id, dtype="int32")
    return ops.concatenate([first, rest], axis=2)


def allowed_scores(scores, sequences, count, generation):
    """Scores with those of tokens that may not come next far below all others.

    Args: scores: float32 [batch, slots, pieces]. sequences: int32 [batch, slots, length]. count: int32 scalar, how many tokens of them are
        written. generation: Generation.
    Returns: as scores.
    """
    if generation.min_length > 2:
        is_end = ops.arange(scores.shape[-1], dtype="int32") == generation.end_id
        scores = scores + ops.where(ops.logical_and(is_end, count + 1 < generation.min_length), FORBIDDEN, 0.0)
    if generation.no_repeat_ngrams is not None and generation.no_repeat_ngrams <= sequences.shape[-1]:
        scores = scores + _repeating(sequences, count, generation.no_repeat_ngrams, scores.shape[-1])
    return scores


def _repeating(sequences, count, size, pieces):
    """Far below 0 for tokens that would repeat an n-gram. Args: size: n. Returns: float32 [batch, slots, pieces].

    A token is the last of an n-gram that stands there already if the n-1 before it are the last n-1 written.
    """
    slots, length = sequences.shape[1:]
    windows = length - size + 1
    same = ops.arange(windows, dtype="int32")[None, None] + size <= count  # whole n-grams that are written
    same = ops.logical_and(same, ops.zeros_like(sequences[:, :, :1]) == 0)
    for place in range(size - 1):
        last = ops.take(sequences, ops.maximum(count - (size - 1) + place, 0), axis=2)[..., None]
        same = ops.logical_and(same, sequences[:, :, place : place + windows] == last)
    banned = ops.reshape(sequences[:, :, size - 1 :], (-1,))
    rows = ops.arange(ops.shape(sequences)[0] * slots, dtype="int32")
    rows = ops.reshape(ops.repeat(rows[:, None], windows, axis=1), (-1,))
    values = ops.reshape(ops.cast(same, "float32"), (-1,)) * FORBIDDEN
    shape = (ops.shape(sequences)[0] * slots, pieces)
    return ops.reshape(ops.scatter(ops.stack([rows, ops.minimum(banned, pieces - 1)], axis=1), values, shape), (-1, slots, pieces))


def log_sum(logits):
    """log of the sum of exponentials over the last axis. Args: float32 [..., pieces]. Returns: float32 [...]."""
    return ops.logsumexp(logits, axis=-1)


def sampled(scores, draws, generation):
    """A token by chance: the first at which the probabilities, likeliest first, come to a draw.

    Args: scores: float32 [batch, slots, pieces]. draws: float32 [slots], in 0 to 1. generation: its temperature, top_k and top_p.
    Returns: int32 [batch, slots].
    """
    pieces = scores.shape[-1]
    likely, ids = ops.top_k(scores / generation.temperature, pieces if generation.top_k is None else min(generation.top_k, pieces))
    probabilities = ops.softmax(likely, axis=-1)
    before = ops.cumsum(probabilities, axis=-1) - probabilities
    if generation.top_p is not None:
        probabilities = ops.where(before < generation.top_p, probabilities, 0.0)
    reached = ops.cumsum(probabilities, axis=-1)
    is_past = reached <= draws[None, :, None] * reached[..., -1:]
    place = ops.sum(ops.cast(is_past, "int32"), axis=-1, keepdims=True)
    last = ops.sum(ops.cast(probabilities > 0, "int32"), axis=-1, keepdims=True) - 1  # a draw may round up to the whole
    return ops.cast(ops.take_along_axis(ids, ops.minimum(place, last), axis=-1)[..., 0], "int32")
