"""Beam search: go on with the best few beginnings of each text, and keep the best that have ended.

The rules are those of Transformers' generate(num_beams=..., early_stopping=...), so that answers and scores are the same: of twice as many
continuations as there are beams, those that end are kept if they are among the best, the others go on; early_stopping says how long.
"""

from keras import ops

from keras_bert.models.next_tokens import FORBIDDEN, allowed_scores, empty_sequences, log_sum


def search_beams(follow, caches, start, beams, generation):
    """Args: follow, caches: see generation. start: int32 [batch]. beams: their number. Returns: ids, scores: see generation.generate."""
    length, stops_when_full = generation.max_length, generation.early_stopping is True
    sequences = empty_sequences(start, beams, generation)
    of_texts = ops.zeros_like(sequences[:, :, 0])  # (B, K)
    firsts = ops.arange(beams, dtype="int32")[None]
    places = ops.arange(length, dtype="int32")[None, None]
    slots = ops.arange(beams, dtype="int32")[None, :, None]

    def goes_on(count, running, scores, ended, ended_scores, is_ended, may_improve, is_over, ancestors, caches):
        goes_on = ops.logical_and(ops.any(may_improve), ops.logical_not(is_over))
        return ops.logical_and(goes_on, ops.logical_not(ops.all(is_ended))) if stops_when_full else goes_on

    def one_more(count, running, scores, ended, ended_scores, is_ended, may_improve, is_over, ancestors, caches):
        ancestors = ops.where(places == count - 1, slots, ancestors)
        logits, caches = follow(running, count - 1, ancestors, caches)
        best, tokens = ops.top_k(allowed_scores(logits, running, count, generation), 2 * beams)  # (B, K, 2K)
        best = best - log_sum(logits)[..., None] + scores[..., None]
        best, chosen = ops.top_k(ops.reshape(best, (-1, beams * 2 * beams)), 2 * beams)  # (B, 2K)
        chosen = ops.cast(chosen, "int32")
        parents = chosen // (2 * beams)
        tokens = ops.take_along_axis(ops.reshape(ops.cast(tokens, "int32"), (-1, beams * 2 * beams)), chosen, axis=1)
        longer = ops.where(places == count, tokens[..., None], _of_beams(running, parents))  # (B, 2K, T)
        ends = ops.logical_or(tokens == generation.end_id, count + 1 >= length)
        # Those that go on.
        scores, following = ops.top_k(best + _far_below(ends), beams)
        following = ops.cast(following, "int32")
        running = _of_beams(longer, following)
        ancestors = _of_beams(ancestors, ops.take_along_axis(parents, following, axis=1))
        # Those that end here, of the best alone, beside those that have.
        among_best = ops.arange(2 * beams, dtype="int32")[None] < beams
        ends_well = ops.logical_and(ends, among_best)
        score = best / ops.cast(count, "float32") ** generation.length_penalty
        score = score + _far_below(ops.logical_not(may_improve)) + _far_below(ops.logical_not(ends_well))
        if stops_when_full:
            score = score + _far_below(ops.all(is_ended, axis=1, keepdims=True))
        ended_scores, kept = ops.top_k(ops.concatenate([ended_scores, score], axis=1), beams)
        kept = ops.cast(kept, "int32")
        ended = _of_beams(ops.concatenate([ended, longer], axis=1), kept)
        is_ended = ops.take_along_axis(ops.concatenate([is_ended, ends_well], axis=1), kept, axis=1)
        # "never" hopes that a beam loses nothing more; the longest answer then has the best score, where length counts for it.
        hopes_to_the_end = generation.early_stopping == "never" and generation.length_penalty > 0
        hoped_length = ops.cast(length - 1 if hopes_to_the_end else count, "float32")
        hoped_for = scores[:, :1] / hoped_length**generation.length_penalty
        to_beat = ops.where(is_ended, ops.min(ended_scores, axis=1, keepdims=True), FORBIDDEN)
        may_improve = ops.logical_and(may_improve, ops.any(hoped_for > to_beat, axis=1, keepdims=True))
        return count + 1, running, scores, ended, ended_scores, is_ended, may_improve, ops.all(ends), ancestors, caches

    begun = (
        ops.convert_to_tensor(1, "int32"),
        sequences,
        ops.where(firsts + of_texts == 0, 0.0, FORBIDDEN),  # at first all are the same: one is enough
        sequences,
        ops.cast(of_texts, "float32") + FORBIDDEN,
        of_texts > 0,
        of_texts[:, :1] == 0,
        ops.convert_to_tensor(False),
        ops.zeros_like(sequences) - 1,
        caches,
    )
    _, _, _, ended, ended_scores, *_ = ops.while_loop(goes_on, one_more, begun)
    return ended[:, : generation.num_answers], ended_scores[:, : generation.num_answers]


def _far_below(condition):
    return ops.cast(condition, "float32") * FORBIDDEN


def _of_beams(x, beams):
    """Rows of chosen beams. Args: x: [batch, beams, length]. beams: int32 [batch, chosen]. Returns: [batch, chosen, length]."""
    count, length = x.shape[1:]
    firsts = ops.arange(ops.shape(x)[0], dtype="int32")[:, None] * count
    taken = ops.take(ops.reshape(x, (-1, length)), ops.reshape(beams + firsts, (-1,)), axis=0)
    return ops.reshape(taken, (-1, beams.shape[1], length))
